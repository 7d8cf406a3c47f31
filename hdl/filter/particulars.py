"""What the event log tells of an order: kept for the few messages of a frame that may be told of, given for one."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.event import NO_SYMBOL

ORDER = data.StructLayout({"user_ref": 32, "symbol": 16, "quantity": 32, "price": 32})
NO_ORDER = {"user_ref": 0, "symbol": NO_SYMBOL, "quantity": 0, "price": 0}
PLACES = 4
_WORDS = 4


class Particulars(wiring.Component):
    """Keeps the particulars of up to three messages of a frame, and hands out those of one.

    A message is noted in cycle c: its ``user_ref`` is taken then, its symbol in c + 1, its quantity in c + 2 and its
    price in c + 3. What is not ``known``, or not an Enter's, is kept as nothing. ``place`` is the place that it gets;
    unless ``keep`` is up in c + 1 the next message gets it too. Messages are noted at least four cycles apart.

    ``recall`` in cycle r, at least four behind the last note, asks for the particulars at ``which``, or for none of any
    with ``blank``: they are ``fields`` from r + 5 on, until the next ``recall``.

    Members
    -------
    note, keep, known, enter : In(1)
    user_ref, symbol, quantity, price : In(32), In(16), In(32), In(32)
    place : Out(2)
    clear : In(1)
        All places are free again.
    recall, which, blank : In(1), In(2), In(1)
    fields : Out(ORDER)
    """

    note: In(1)
    keep: In(1)
    known: In(1)
    enter: In(1)
    user_ref: In(32)
    symbol: In(16)
    quantity: In(32)
    price: In(32)
    place: Out(2)
    clear: In(1)
    recall: In(1)
    which: In(2)
    blank: In(1)
    fields: Out(ORDER)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=32, depth=PLACES * _WORDS, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = words.write_port(), words.read_port(domain="comb")

        # Written a cycle after each is taken. `told`: of an Enter, in the cycles of symbol, quantity and price.
        at, told, writing, number = Signal(2), Signal(3), Signal(_WORDS), Signal(2)
        early, symbol, late = Signal(32), Signal(16), Signal(32)
        enter = self.note & self.known & self.enter
        m.d.sync += [
            told.eq(Cat(enter, told)),
            writing.eq(Cat(self.note, writing)),
            number.eq(Mux(self.note, 0, number + 1)),
            early.eq(Mux(self.note & self.known, self.user_ref, 0) | Mux(told[1], self.quantity, 0)),
            symbol.eq(0),
        ]
        with m.If(told[0]):
            m.d.sync += symbol.eq(self.symbol)
        with m.Elif(writing[0]):
            m.d.sync += symbol.eq(NO_SYMBOL)
        m.d.sync += late.eq(Mux(told[2], self.price, 0))
        m.d.comb += [
            write.en.eq(writing.any()),
            write.addr.eq(Cat(number, at)),
            write.data.eq(early | symbol | late),
        ]
        free, noted = Signal(2), Signal()
        m.d.comb += self.place.eq(free + (noted & self.keep))
        m.d.sync += [noted.eq(self.note), free.eq(Mux(self.clear, 0, self.place))]
        with m.If(self.note):
            m.d.sync += at.eq(self.place)

        # Read, a word a cycle.
        which, step, reading = Signal(2), Signal(2), Signal()
        m.d.comb += read.addr.eq(Cat(step, which))
        m.d.sync += step.eq(step + 1)
        with m.If(self.recall):
            m.d.sync += [which.eq(self.which), step.eq(0), reading.eq(~self.blank)]
            m.d.sync += self.fields.eq(ORDER.const(NO_ORDER))
        with m.Elif(reading):
            m.d.sync += reading.eq(step != _WORDS - 1)
            for word, name in enumerate(ORDER.members):
                with m.If(step == word):
                    m.d.sync += self.fields[name].eq(read.data)
        return m

"""The directory: finds a symbol's index by the hash of its eight octets."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.bus import Bus
from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.filter.memory import Memory
from hdl.wire.registers import BUCKET_BITS, BUCKET_SLOTS, KEY_BITS, SLOTS, SYMBOLS

INDEX_BITS = ceil_log2(SYMBOLS)
OCTETS = 8


class Directory(wiring.Component):
    """Finds the index of a symbol.

    The Toeplitz hash of the symbol (`hdl.wire.registers.toeplitz`) is computed while its octets come in; then the
    slots of its bucket are read, one in a cycle, and compared with all eight octets. Counting from the symbol's first
    octet in cycle f, with the others in the cycles behind it: the slots are read in f+9 to f+16, and from f+20 on
    ``done`` is up, and ``found`` and ``index`` are the result, until the next first octet. A first octet always
    begins anew. A symbol that never gets its eighth octet is never done. Of two slots with the same symbol the lower
    one counts.

    The result, and the octets of a symbol that is not whole, can be saved 20 cycles behind a symbol's first octet and
    loaded (`hdl.filter.context`, words 0 and 3). With word 3 loaded in cycle w, what has come of a symbol passes again
    in w+1 to w+8, and the octets that follow may come from w+9 on: the lookup is then as if there had been no pause.

    The host reads and writes the slots by their 32-bit words; the fourth word of a slot reads 0 and keeps nothing, so
    that slots can be written in one burst. A read waits while a symbol is looked up. After a reset the slots are
    emptied first: no symbol is found until they are loaded, and the bus is answered when they are empty, 1024 cycles
    after the reset.

    Members
    -------
    key : In(70)
        The hash's key: its bit 0 meets the first bit of the symbol.
    symbol_valid, symbol_first, symbol_data : In(1), In(1), In(8)
        An octet of a symbol, and whether it is the first.
    load, word, context : In(8), In(36), Out(288)
    found, index, done : Out(1), Out(9), Out(1)
    clearing : Out(1)
        The slots are being emptied.
    bus : In(Bus)
        DIRECTORY; only the low 12 bits of the address count.
    """

    key: In(KEY_BITS)
    symbol_valid: In(1)
    symbol_first: In(1)
    symbol_data: In(8)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)
    found: Out(1)
    index: Out(INDEX_BITS)
    done: Out(1)
    clearing: Out(1, init=1)
    bus: In(Bus)

    def elaborate(self, platform):
        m = Module()

        # A symbol that is not whole turns round once, and passes again from its first octet on.
        symbol, count = Signal(8 * OCTETS), Signal(range(OCTETS + 1))
        left, turning, starts, passing = Signal(range(OCTETS + 1)), Signal(), Signal(), Signal()
        octet, valid, begins = Signal(8), Signal(), Signal()
        m.d.comb += [
            octet.eq(Mux(turning, symbol[-8:], self.symbol_data)),
            begins.eq(Mux(turning, starts, self.symbol_first)),
            valid.eq(Mux(turning, starts | passing, self.symbol_valid)),
        ]
        m.d.sync += [
            starts.eq(turning & ~passing & (left - 1 == count)),
            passing.eq(turning & (starts | passing)),
        ]
        with m.If(turning):
            m.d.sync += [left.eq(left - 1), turning.eq(left != 1)]
        with m.If(self.load[3]):
            m.d.sync += [left.eq(OCTETS), turning.eq(1)]

        with m.If(turning | valid):
            m.d.sync += symbol.eq(Cat(octet, symbol[:-8]))
        with m.If(valid):
            with m.If(begins):
                m.d.sync += count.eq(1)
            with m.Elif(count != OCTETS):
                m.d.sync += count.eq(count + 1)

        # The hash, a cycle later: bit n of the symbol, its first octet's highest first, adds the window of the key from
        # bit n on.
        hashed, hashing, anew, last = Signal(8), Signal(), Signal(), Signal()
        m.d.sync += [
            hashed.eq(octet),
            hashing.eq(valid),
            anew.eq(begins),
            last.eq(valid & ~begins & (count == OCTETS - 1)),
        ]
        bucket, window = Signal(BUCKET_BITS), Signal(KEY_BITS)
        key = Mux(anew, self.key, window)
        windows = [Mux(hashed[7 - n], key[n : n + BUCKET_BITS], 0) for n in range(8)]
        with m.If(hashing):
            m.d.sync += [bucket.eq(reduce(xor, windows, Mux(anew, 0, bucket))), window.eq(key >> 8)]

        # The slots, their words side by side, so that the host can write them one by one.
        widths = [32, 32, 1 + INDEX_BITS]
        columns = [Memory(width, SLOTS) for width in widths]
        for name, column in zip(("first", "second", "entry"), columns, strict=True):
            m.submodules[name] = column
        first, second, entry = (column.read_data for column in columns)
        slot = Signal(range(SLOTS))
        m.d.comb += [column.read_addr.eq(slot) for column in columns]

        # The lookup: `reading` in f+9 to f+16, a slot's words two cycles later; its octets are compared, then all of
        # them are seen at once.
        reading, number = Signal(), Signal(range(BUCKET_SLOTS))
        shown, is_last = Signal(3), Signal(3)
        same, candidate = Signal(OCTETS + 1), Signal(INDEX_BITS)
        content = Cat(second, first)
        with m.If(last):
            m.d.sync += [reading.eq(1), number.eq(0)]
        with m.Elif(reading):
            m.d.sync += [number.eq(number + 1), reading.eq(number != BUCKET_SLOTS - 1)]
        m.d.sync += [
            shown.eq(Cat(reading, shown)),
            is_last.eq(Cat(reading & (number == BUCKET_SLOTS - 1), is_last)),
            same.eq(Cat(*(content.word_select(n, 8) == symbol.word_select(n, 8) for n in range(OCTETS)), entry[-1])),
            candidate.eq(entry[:-1]),
        ]
        with m.If(shown[2] & same.all() & ~self.found):
            m.d.sync += [self.found.eq(1), self.index.eq(candidate)]
        with m.If(is_last[2]):
            m.d.sync += self.done.eq(1)
        with m.If(valid & begins):
            m.d.sync += [self.found.eq(0), self.done.eq(0), reading.eq(0), shown.eq(0), is_last.eq(0)]

        self._serve(m, columns, slot, Cat(number, bucket), reading)
        result, shared = (self.index, self.found, self.done), WORD_BITS - INDEX_BITS - 2
        words = {0: (*result, symbol[:shared]), 3: (symbol[shared : 8 * (OCTETS - 1)], count)}
        m.d.comb += self.context.eq(keep(m, self, words))
        return m

    def _serve(self, m, columns, slot, wanted, reading):
        """The host's accesses, and the emptying after a reset; `slot` is the slot to read, `wanted` the lookup's."""
        first, second, entry = columns
        sweep = Signal(range(SLOTS))
        with m.If(self.clearing):
            m.d.sync += [sweep.eq(sweep + 1), self.clearing.eq(sweep != SLOTS - 1)]

        # The memory is pipelined, so a lookup that begins behind the host's read does not disturb it.
        waiting, begin, step = Signal(), Signal(), Signal(2)
        m.d.comb += begin.eq(waiting & ~reading & ~self.clearing)
        m.d.sync += [waiting.eq((waiting | self.bus.request) & ~begin), step.eq(Cat(begin, step))]

        host_slot, word = Signal.like(slot), Signal(2)
        m.d.comb += [word.eq(self.bus.address), host_slot.eq(self.bus.address >> 2)]
        m.d.comb += slot.eq(Mux(reading, wanted, host_slot))
        value = Signal(32)
        with m.Switch(word):
            with m.Case(0):
                m.d.comb += value.eq(first.read_data)
            with m.Case(1):
                m.d.comb += value.eq(second.read_data)
            with m.Case(2):
                m.d.comb += value.eq(Cat(entry.read_data[:INDEX_BITS], Const(0, 31 - INDEX_BITS), entry.read_data[-1]))
        m.d.sync += [self.bus.ack.eq(step[1]), self.bus.value.eq(value)]

        data = (self.bus.data, self.bus.data, Cat(self.bus.data[:INDEX_BITS], self.bus.data[-1]))
        for number, column in enumerate(columns):
            m.d.comb += [
                column.write_en.eq(self.clearing | (begin & self.bus.write & (word == number))),
                column.write_addr.eq(Mux(self.clearing, sweep, host_slot)),
                column.write_data.eq(Mux(self.clearing, 0, data[number])),
            ]

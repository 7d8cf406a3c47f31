"""The host's access to the risk engine's tables, and the sweep that zeroes them."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus, prefix
from hdl.filter.exposure import ROW_BITS, ROWS, SHARE_BITS
from hdl.filter.gross import GROSS_BITS, ROW
from hdl.filter.net import NET_BITS
from hdl.wire.registers import PARENTS, SYMBOLS, Reg
from hdl.wire.verdict import LANES

GROSS_ROWS = 16


class Tables(wiring.Component):
    """Turns bus accesses into accesses of the risk engine's tables, and counts through them when they are zeroed.

    The engine gives an access four cycles when it has time; ``step`` has a bit for each. In the last one the words that
    ``row``, ``symbol`` and ``gross_row`` select must be there, one to be loaded comes in the last but one, and the
    answer follows behind the last. A 64-bit value is two words, low word first: reading the low word latches the high
    one, for whichever is read next; writing the low word holds it until a high word is written. Rows 9 to 15 of the
    gross tables are not there: they can't be written, and read 0 as they do in the memory, where nobody else writes
    them.

    A write to CLEAR_EXPOSURE is answered at once and begins a sweep, as a reset does: ``sweeping`` until the engine
    has given 1024 cycles to it (``swept``). Meanwhile exposure, net and gross read 0. After a reset limits are zeroed
    too (``wiping``), and accesses wait.

    Members
    -------
    bus : In(Bus)
        SYMBOL_TERMS, EXPOSURE_LIMIT, NET, EXPOSURE, GROSS_LIMIT, GROSS, PARENT, PARENT_LEFT and CLEAR_EXPOSURE; else an
        error.
    wanted : Out(1)
        An access waits or is under way; one to PARENT waits for the end of a sweep; what is read of PARENT_LEFT
        meanwhile may be from before.
    step : In(4)
    row, symbol, gross_row : Out(10), Out(9), Out(ROW)
        ``symbol`` is a parent's number, too.
    released, limit, net, gross, gross_limit, terms, parent, parent_left : In
    load_exposure, load_gross, load_terms, load_parent, data : Out(1), Out(1), Out(1), Out(1), Out(64)
        A word becomes ``data``: for ``load_exposure`` that of two cycles later. It is 0 in every other cycle.
    sweeping, wiping : Out(1)
    swept, place : In(1), Out(10)
        ``place`` is being zeroed.
    cleared : Out(1)
        The host has begun a sweep (strobe).
    """

    bus: In(Bus)
    wanted: Out(1)
    step: In(4)
    row: Out(ROW_BITS)
    symbol: Out(ROW_BITS - 1)
    gross_row: Out(ROW)
    released: In(SHARE_BITS)
    limit: In(SHARE_BITS)
    net: In(signed(NET_BITS))
    gross: In(GROSS_BITS)
    gross_limit: In(GROSS_BITS)
    terms: In(GROSS_BITS)
    parent: In(GROSS_BITS)
    parent_left: In(GROSS_BITS)
    load_exposure: Out(1)
    load_gross: Out(1)
    load_terms: Out(1)
    load_parent: Out(1)
    data: Out(GROSS_BITS)
    sweeping: Out(1, init=1)
    wiping: Out(1, init=1)
    swept: In(1)
    place: Out(ROW_BITS)
    cleared: Out(1)

    def elaborate(self, platform):
        m = Module()
        asked, address = Signal(), self.bus.address
        m.d.sync += asked.eq((asked | self.bus.request) & ~self.step[0])

        # Which table; the address is stable, so this may take the cycles that the access waits.
        def within(first, words):
            return address.matches(prefix(first, first + words - 1))

        is_limit, is_released, is_net, is_gross_limit, is_gross, is_terms, is_clear = (Signal() for _ in range(7))
        is_parent, is_left = Signal(), Signal()
        readable, writable, nobody = Signal(), Signal(), Signal()
        is_high, row = address[0], address[1:5]
        m.d.sync += [
            is_limit.eq(within(Reg.EXPOSURE_LIMIT, 2 * ROWS)),
            is_released.eq(within(Reg.EXPOSURE, 2 * ROWS)),
            is_net.eq(within(Reg.NET, 2 * SYMBOLS)),
            is_gross_limit.eq(within(Reg.GROSS_LIMIT, 2 * GROSS_ROWS)),
            is_gross.eq(within(Reg.GROSS, 2 * GROSS_ROWS)),
            is_terms.eq(within(Reg.SYMBOL_TERMS, 2 * SYMBOLS)),
            is_clear.eq(within(Reg.CLEAR_EXPOSURE, 1)),
            is_parent.eq(within(Reg.PARENT, 2 * PARENTS)),
            is_left.eq(within(Reg.PARENT_LEFT, 2 * PARENTS)),
            nobody.eq(row > LANES),
            self.row.eq(Mux(is_net, Cat(C(0, 1), address[1:]), address[1:])),
        ]
        m.d.comb += [
            self.symbol.eq(address[1:]),
            self.gross_row.eq(row),
            readable.eq(is_limit | is_released | is_net | is_gross_limit | is_gross | is_terms | is_parent | is_left),
            writable.eq(is_limit | (is_gross_limit & ~nobody) | is_terms | is_parent | is_clear),
            self.wanted.eq(asked & ~self.wiping & ~(is_parent & self.sweeping) & ~self.step.any()),
        ]

        # Reading: what is not meant is 0.
        answer, latched = Signal(), Signal(32)
        limit, released, gross, high = Signal(SHARE_BITS), Signal(SHARE_BITS), Signal(GROSS_BITS), Signal(32)
        terms, parent, content = Signal(GROSS_BITS), Signal(GROSS_BITS), Signal(GROSS_BITS)
        m.d.comb += content.eq(limit | released | gross | terms | parent)
        m.d.sync += [
            answer.eq(self.step[3]),
            limit.eq(Mux(is_limit & ~is_high, self.limit, 0)),
            released.eq(Mux(is_released & ~is_high & ~self.sweeping, self.released, 0)),
            gross.eq(
                Mux(is_gross_limit & ~is_high, self.gross_limit, 0)
                | Mux(is_gross & ~is_high & ~self.sweeping, self.gross, 0)
            ),
            terms.eq(Mux(is_terms & ~is_high, self.terms, Mux(is_net & ~is_high & ~self.sweeping, self.net, 0))),
            parent.eq(Mux(is_parent & ~is_high, self.parent, 0) | Mux(is_left & ~is_high, self.parent_left, 0)),
            high.eq(Mux(is_high, latched, 0)),
            self.bus.ack.eq(answer),
            self.bus.error.eq(~Mux(self.bus.write, writable, readable)),
            self.bus.value.eq(content[:32] | high),
        ]
        with m.If(answer & ~self.bus.write & ~is_high):
            m.d.sync += latched.eq(content[32:])

        # Writing.
        held, load = Signal(32), Signal()
        m.d.comb += [
            load.eq(self.step[1] & self.bus.write & is_high),
            self.load_exposure.eq(self.step[0] & self.bus.write & is_high & is_limit),
            self.cleared.eq(self.step[2] & self.bus.write & is_clear),
        ]
        m.d.sync += [
            self.load_gross.eq(load & is_gross_limit & ~nobody),
            self.load_terms.eq(load & is_terms),
            self.load_parent.eq(load & is_parent),
            self.data.eq(Mux(load, Cat(held, self.bus.data), 0)),
        ]
        with m.If(self.step[2] & self.bus.write & ~is_high & ~is_clear):
            m.d.sync += held.eq(self.bus.data)

        with m.If(self.swept):
            m.d.sync += self.place.eq(self.place + 1)
            with m.If(self.place == ROWS - 1):
                m.d.sync += [self.sweeping.eq(0), self.wiping.eq(0)]
        with m.If(self.cleared):
            m.d.sync += [self.sweeping.eq(1), self.place.eq(0)]
        return m


assert GROSS_ROWS == 2 * LANES

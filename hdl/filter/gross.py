"""Gross notional released, for each lane and for the firm, and how much may be."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS
from hdl.wire.verdict import LANES

GROSS_BITS = 64
LANE_BITS = ceil_log2(LANES)
ROW = data.StructLayout({"lane": LANE_BITS, "firm": 1})  # the firm's has lane 0
CHECK_CYCLES = 6


class Gross(wiring.Component):
    """Adds up quantity times price of what is open or was executed, and compares the sums with limits; in 10⁻⁴ dollars.

    One memory has the sums and one the limits; one adder and one comparator serve the lane and then the firm. The sums
    have a bit more than the limits, so they do not wrap. Nothing is released under a limit of 0.

    A check takes six cycles; ``check`` has a bit for each, the first in x. ``lane`` must be there from x-1 on.
    ``over_lane`` and ``over_firm`` tell in x+5 whether released plus ``notional`` (held from x+3 to x+5) is above the
    limit.

    ``apply`` has a bit for each of three cycles, the first in x, and they go back to back: ``lane`` must be there from
    x to x+2. With ``plus`` in x+2 and x+3 both sums take ``notional``, else ``change``, and one more with ``carry``,
    all there in x+3 and x+4: the lane's sum in x+4, the firm's in x+5. A check that begins in x+5 sees that.

    While ``hosting`` nothing else goes on. ``row`` presented in h and h+1 shows on ``sum`` and ``limit`` in h+2 and
    h+3; ``load`` makes ``data`` the limit of ``row``, ``clear`` in h its sum 0 in h+2, and with ``wipe`` its limit
    ``data``, which is 0 then.

    Parameters
    ----------
    width : int
        Of sums and limits, in bits.

    Members
    -------
    lane : In(3)
    notional, change, carry : In(52), In(signed(53)), In(1)
    check, apply, plus : In(6), In(3), In(1)
    hosting, row : In(1), In(ROW)
    clear, wipe : In(1)
    zero : In(1)
        Level, from the cycle before the first ``clear`` to the last: ``apply`` makes both sums 0.
    load, data : In(1), In(width)
    sum, limit : Out(width)
    over_lane, over_firm : Out(1)
    beyond : Out(1)
        A sum is below 0, or above what it can be, and wrong from now on; in x+4 for the lane, in x+5 for the firm.
    """

    def __init__(self, width: int = GROSS_BITS):
        self.width = width
        super().__init__(
            {
                "lane": In(LANE_BITS),
                "notional": In(NOTIONAL_BITS),
                "change": In(signed(NOTIONAL_BITS + 1)),
                "carry": In(1),
                "check": In(CHECK_CYCLES),
                "apply": In(3),
                "plus": In(1),
                "hosting": In(1),
                "row": In(ROW),
                "clear": In(1),
                "wipe": In(1),
                "zero": In(1),
                "load": In(1),
                "data": In(width),
                "sum": Out(width),
                "limit": Out(width),
                "over_lane": Out(1),
                "over_firm": Out(1),
                "beyond": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.sums = sums = Memory(self.width, 1 << ROW.size, distributed=True)
        m.submodules.limits = limits = Memory(self.width, 1 << ROW.size, distributed=True)
        check, apply = self.check, self.apply

        # What is read: the lane's row, and the firm's for two cycles, of which an operation takes one.
        row, firm = Signal(ROW), Signal()
        m.d.sync += firm.eq(check[:2].any() | apply[0])
        m.d.comb += row.eq(Cat(Mux(firm, 0, self.lane), firm))
        with m.If(self.hosting):
            m.d.comb += row.eq(self.row)
        m.d.comb += [
            sums.read_addr.eq(row),
            limits.read_addr.eq(row),
            self.sum.eq(sums.read_data),
            self.limit.eq(limits.read_data),
        ]

        # The adder. What is read lacks what one that began three or four cycles earlier writes: its results, the
        # lane's first, are on `earlier` when they are needed.
        applied, adds, was_applied = Signal(5), Signal(), Signal()
        before, same, forward, moves = Signal(LANE_BITS), Signal(), Signal(), Signal()
        m.d.sync += [
            applied.eq(Cat(apply[2], applied)),
            adds.eq(self.plus | ~(apply[2] | applied[0])),
            was_applied.eq(applied[:2].any()),
            same.eq(self.lane == before),  # either is there for long
        ]
        m.d.comb += [
            forward.eq((applied[2:4].any() & same) | (applied[0] & applied[3:].any())),
            moves.eq(applied[:2].any() | check[3:5].any()),
        ]
        with m.If(apply[2]):
            m.d.sync += before.eq(self.lane)
        source, earlier, result = Signal(self.width), Signal(self.width), Signal(self.width + 1)
        m.d.sync += source.eq(Mux(forward, Mux(moves, result, earlier), sums.read_data))
        amount, total = Signal(signed(NOTIONAL_BITS + 1)), Signal(self.width + 2)
        m.d.comb += amount.eq(Mux(adds, self.notional, self.change))
        # One bit more, for the carry in.
        sign = amount[-1].replicate(self.width - NOTIONAL_BITS)
        m.d.comb += total.eq(Cat(C(1, 1), source) + Cat(self.carry & ~adds, amount, sign))
        with m.If(moves):
            m.d.sync += [result.eq(total[1:]), earlier.eq(result)]
        with m.If(self.zero):
            m.d.sync += result.eq(0)
        m.d.comb += self.beyond.eq(was_applied & result[-1])

        # The comparator. A subtraction is the quicker comparison: its borrow comes straight out of the carry chain.
        allowed, over = Signal(self.width), Signal()
        with m.If(check[1] | check[4]):
            m.d.sync += allowed.eq(limits.read_data)
        m.d.comb += [over.eq((allowed - result)[-1]), self.over_firm.eq(over)]
        m.d.sync += self.over_lane.eq(over)

        # What is written: a result, to the row that was presented two cycles before, or to the firm's.
        presented, target, written, cleared = Signal(ROW), Signal(ROW), Signal(ROW), Signal(2)
        m.d.sync += [presented.eq(row), target.eq(presented), cleared.eq(Cat(self.clear, cleared))]
        m.d.comb += [
            written.lane.eq(Mux(applied[2], 0, target.lane)),
            written.firm.eq(applied[2] | (cleared[1] & target.firm)),
            sums.write_en.eq(applied[1:3].any() | cleared[1]),
            sums.write_addr.eq(written),
            sums.write_data.eq(result),
            limits.write_en.eq(self.load | (self.clear & self.wipe)),
            limits.write_addr.eq(self.row),
            limits.write_data.eq(self.data),
        ]
        return m

"""Gross notional released, for each lane and for the firm, and how much may be."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS
from hdl.wire.verdict import LANES

GROSS_BITS = 64
LANE_BITS = ceil_log2(LANES)


class Gross(wiring.Component):
    """Adds up quantity times price of what was released, and compares the sums with limits; in 10⁻⁴ dollars.

    When ``lane`` is presented in cycle x and held, ``released`` and ``limit`` show its words from x+2 on, and
    ``over_lane`` tells from x+5 on whether released plus ``notional`` (held from x+3) is above the lane's limit,
    ``over_firm`` the same for the firm's. The sums have a bit more than the limits, so they do not wrap. Nothing is
    released under a limit of 0.

    What ``reserve``, ``clear`` and ``load`` write is seen by a lane presented in the next cycle. ``undo`` in cycle u
    writes in u+2, when nothing else may write. A lane presented in u+3 sees it; one presented in u+1 or u+2 is good
    for an ``undo`` two cycles later only. So undoing takes three cycles, back to back.

    Parameters
    ----------
    width : int
        Of sums and limits, in bits.

    Members
    -------
    lane : In(3)
    notional : In(52)
    reserve : In(1)
        In x+5 at the earliest: both sums take ``notional``.
    undo : In(1)
        In x+2, ``lane`` held since x: both sums lose ``undo_notional``.
    undo_notional : In(52)
        In the cycle behind ``undo``.
    clear, wipe : In(1)
        The lane's sum and the firm's become 0; with ``wipe`` their limits too.
    zero : In(1)
        Level: undoing makes both sums 0.
    load, data : In(1), In(width)
        The lane's limit becomes ``data``.
    load_firm : In(1)
        The firm's limit becomes ``data``.
    released, limit, firm_released, firm_limit : Out(width)
    over_lane, over_firm : Out(1)
    below : Out(1)
        In u+2: less was released than is undone.
    """

    def __init__(self, width: int = GROSS_BITS):
        self.width = width
        super().__init__(
            {
                "lane": In(LANE_BITS),
                "notional": In(NOTIONAL_BITS),
                "reserve": In(1),
                "undo": In(1),
                "undo_notional": In(NOTIONAL_BITS),
                "clear": In(1),
                "wipe": In(1),
                "zero": In(1),
                "load": In(1),
                "load_firm": In(1),
                "data": In(width),
                "released": Out(width),
                "limit": Out(width),
                "firm_released": Out(width),
                "firm_limit": Out(width),
                "over_lane": Out(1),
                "over_firm": Out(1),
                "below": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.released = released = Memory(self.width, LANES, distributed=True)
        m.submodules.limits = limits = Memory(self.width, LANES, distributed=True)
        m.d.comb += [self.released.eq(released.read_data), self.limit.eq(limits.read_data)]
        m.d.comb += [table.read_addr.eq(self.lane) for table in (released, limits)]

        # A subtraction is the quicker comparison: its borrow comes straight out of the carry chain.
        total, firm_total = Signal(self.width + 1), Signal(self.width + 1)
        m.d.sync += [
            total.eq(self.released + self.notional),
            firm_total.eq(self.firm_released + self.notional),
            self.over_lane.eq((self.limit - total)[-1]),
            self.over_firm.eq((self.firm_limit - firm_total)[-1]),
        ]

        # Undoing may follow undoing in three or four cycles: what was read then lacks what the one before it writes.
        undone = Signal(4)
        lane, before = Signal(LANE_BITS), Signal(LANE_BITS)
        same, source, left, lane_below = Signal(), Signal(self.width), Signal(self.width), Signal()
        firm_left, firm_below = Signal(self.width), Signal()
        m.d.comb += [
            source.eq(Mux(same, left, self.released)),
            Cat(firm_left, firm_below).eq(self.firm_released - self.undo_notional),
        ]
        m.d.sync += [
            undone.eq(Cat(self.undo, undone)),
            lane.eq(self.lane),
            same.eq(undone[2:].any() & (lane == before)),
        ]
        with m.If(undone[0]):
            m.d.sync += [before.eq(lane), Cat(left, lane_below).eq(source - self.undo_notional)]

        empty = Signal()
        m.d.comb += [
            empty.eq(self.clear | self.zero),
            released.write_en.eq(self.reserve | undone[1] | self.clear),
            released.write_addr.eq(Mux(undone[1], before, self.lane)),
            released.write_data.eq(Mux(empty, 0, Mux(undone[1], left, total))),
            limits.write_en.eq(self.load | (self.clear & self.wipe)),
            limits.write_addr.eq(self.lane),
            limits.write_data.eq(Mux(self.load, self.data, 0)),
        ]
        below = Signal()
        m.d.sync += below.eq(undone[0] & firm_below)
        m.d.comb += self.below.eq(below | (undone[1] & lane_below))
        with m.If(self.reserve | undone[0] | self.clear):
            m.d.sync += self.firm_released.eq(Mux(empty, 0, Mux(undone[0], firm_left, firm_total)))
        with m.If(self.load_firm | (self.clear & self.wipe)):
            m.d.sync += self.firm_limit.eq(Mux(self.load_firm, self.data, 0))
        return m

"""Gross notional released, for each lane and for the firm, and how much may be."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS
from hdl.wire.verdict import LANES

GROSS_BITS = 64
LANE_BITS = ceil_log2(LANES)
ROW = data.StructLayout({"lane": LANE_BITS, "firm": 1, "limit": 1})  # a row of the firm has lane 0
CHECK_CYCLES = 6


class Gross(wiring.Component):
    """Adds up quantity times price of what was released, and compares the sums with limits; in 10⁻⁴ dollars.

    One memory has the sums and the limits, one adder and one comparator serve the lane and then the firm. The sums
    have a bit more than the limits, so they do not wrap. Nothing is released under a limit of 0.

    A check takes six cycles; ``check`` has a bit for each, the first in x. ``lane`` must be there from x-1 on.
    ``over_lane`` and ``over_firm`` tell in x+5 whether released plus ``notional`` (held from x+3 to x+5) is above the
    limit.

    ``apply`` has a bit for each of three cycles, the first in x, and they go back to back: ``lane`` must be there from
    x to x+2. With ``plus`` in x+2 and x+3 both sums take ``notional``, else they lose ``undo_notional``, either there
    in x+3 and x+4: the lane's in x+4, the firm's in x+5. A check that begins in x+5 sees that.

    While ``hosting`` nothing else goes on. ``row`` presented in h and h+1 shows on ``word`` in h+2 and h+3, and
    ``load`` in h+2 writes there in the next cycle what ``data`` was in h+1; ``clear`` in h writes 0 in h+2.

    Parameters
    ----------
    width : int
        Of sums and limits, in bits.

    Members
    -------
    lane : In(3)
    notional, undo_notional : In(52)
    check, apply, plus : In(6), In(3), In(1)
    hosting, row : In(1), In(ROW)
    clear, wipe : In(1)
        ``clear`` spares limits, unless ``wipe`` is up.
    zero : In(1)
        Level, from the cycle before the first ``clear`` to the last: ``apply`` makes both sums 0.
    load, data : In(1), In(width)
        A ``load`` comes behind a cycle of ``hosting``; in any other of these ``data`` is 0.
    word : Out(width)
    over_lane, over_firm : Out(1)
    below : Out(1)
        Less was released than is undone; in x+4 for the lane, in x+5 for the firm.
    """

    def __init__(self, width: int = GROSS_BITS):
        self.width = width
        super().__init__(
            {
                "lane": In(LANE_BITS),
                "notional": In(NOTIONAL_BITS),
                "undo_notional": In(NOTIONAL_BITS),
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
                "word": Out(width),
                "over_lane": Out(1),
                "over_firm": Out(1),
                "below": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(self.width, 1 << ROW.size, distributed=True)
        check, apply, word = self.check, self.apply, memory.read_data
        m.d.comb += self.word.eq(word)

        # What is read: the lane's limit until a check begins, then both sums and the firm's limit; else both sums.
        row, firm, sums = Signal(ROW), Signal(), Signal()
        m.d.sync += [
            firm.eq(check[:2].any() | apply[0]),
            sums.eq(check[0] | apply[:2].any()),
        ]
        m.d.comb += row.eq(Cat(Mux(firm, 0, self.lane), firm, ~(sums | check[0] | apply[0])))
        with m.If(self.hosting):
            m.d.comb += row.eq(self.row)
        m.d.comb += memory.read_addr.eq(row)

        # The adder. What is read lacks what one that began three or four cycles earlier writes: its results, the
        # lane's first, are on `earlier` when they are needed.
        applied, subtract, subtracted = Signal(5), Signal(), Signal()
        before, same, forward, moves = Signal(LANE_BITS), Signal(), Signal(), Signal()
        m.d.sync += [
            applied.eq(Cat(apply[2], applied)),
            subtract.eq((apply[2] | applied[0]) & ~self.plus),
            subtracted.eq(subtract),
            same.eq(self.lane == before),  # either is there for long
        ]
        m.d.comb += [
            forward.eq((applied[2:4].any() & same) | (applied[0] & applied[3:].any())),
            moves.eq(applied[:2].any() | check[3:5].any() | self.load),
        ]
        with m.If(apply[2]):
            m.d.sync += before.eq(self.lane)
        source, earlier, result = Signal(self.width), Signal(self.width), Signal(self.width + 1)
        m.d.sync += source.eq(Mux(forward, Mux(moves, result, earlier), Mux(self.hosting, self.data, word)))
        amount, total = Signal(NOTIONAL_BITS), Signal(self.width + 2)
        hosted = Signal()  # in the cycle before: nothing is added
        m.d.sync += hosted.eq(self.hosting)
        with m.If(~hosted):
            m.d.comb += amount.eq(Mux(subtract, ~self.undo_notional, self.notional))
        # One bit more, for the carry in.
        m.d.comb += total.eq(
            Cat(C(1, 1), source) + Cat(subtract, amount, subtract.replicate(self.width + 1 - NOTIONAL_BITS))
        )
        with m.If(moves):
            m.d.sync += [result.eq(total[1:]), earlier.eq(result)]
        with m.If(self.zero):
            m.d.sync += result.eq(0)
        m.d.comb += self.below.eq(subtracted & result[-1])

        # The comparator. A subtraction is the quicker comparison: its borrow comes straight out of the carry chain.
        allowed, over = Signal(self.width), Signal()
        with m.If(check[1] | check[4]):
            m.d.sync += allowed.eq(word)
        m.d.comb += [over.eq((allowed - result)[-1]), self.over_firm.eq(over)]
        m.d.sync += self.over_lane.eq(over)

        # What is written: a result, to the row that was presented two cycles before, or to the firm's.
        presented, target, written = Signal(ROW), Signal(ROW), Signal(ROW)
        cleared, loads, of_firm = Signal(), Signal(), Signal()
        m.d.sync += [
            presented.eq(row),
            target.eq(presented),
            cleared.eq(self.clear & (self.wipe | ~self.row.limit)),
            loads.eq(cleared | self.load),
        ]
        m.d.comb += [
            of_firm.eq(applied[2]),
            written.lane.eq(Mux(of_firm, 0, target.lane)),
            written.firm.eq(of_firm | (loads & target.firm)),
            written.limit.eq(loads & target.limit),
            memory.write_en.eq(applied[1] | of_firm | loads),
            memory.write_addr.eq(written),
            memory.write_data.eq(result),
        ]
        return m

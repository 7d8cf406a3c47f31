"""The exposure: shares open for each symbol and side, and how far they may bring the firm's position."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import QUANTITY_BITS
from hdl.wire.registers import SYMBOLS

SHARE_BITS = 40
ROWS = 2 * SYMBOLS
ROW_BITS = ceil_log2(ROWS)
HALF = 45  # bits of a word: five block RAMs of 18, half of one of them


class Exposure(wiring.Component):
    """Counts the shares released and still open per symbol and side, and holds the position they lead to to a limit.

    ``row`` is the symbol's index times 2, plus 1 for a sell. When it is presented in cycle x and held, ``released``
    and ``limit`` show its words from x+3 on. The sums have bits more than the limit, so they do not wrap. While the net
    position is 0, nothing is released under a limit of 0.

    With ``row`` held from x on, ``net`` there in x+3, and ``add`` in x+3, ``over`` tells from x+5 on whether released
    plus ``quantity`` is above the limit less ``net`` (of a sell: plus ``net``), until the next ``add`` or ``apply``.

    ``apply`` in cycle u, with ``row`` held from u-2 on, writes in u+2, when nothing else may write. A row presented in
    u+3 sees it; one presented in u+1 or u+2 is good for an ``apply`` two cycles later only. So it takes three cycles,
    back to back. What ``clear`` and ``load`` write is seen by a row presented three cycles later.

    Parameters
    ----------
    width : int
        Of released shares and limits, in bits.

    Members
    -------
    row : In(10)
    quantity : In(20)
    net : In(signed(40))
    add : In(1)
    apply, plus : In(1)
        Released becomes released plus ``quantity``, if ``plus`` is up in the cycle behind ``apply``, or less
        ``undo_quantity``, which is there in that cycle.
    undo_quantity : In(20)
    clear : In(1)
        Released becomes 0.
    wipe : In(1)
        With ``clear``: so does the limit.
    zero : In(1)
        Level, from the cycle before the first ``clear`` to the last: ``apply`` makes released 0.
    load, data : In(1), In(width)
        The limit becomes what ``data`` is two cycles later; for ``wipe`` it must be 0 then.
    released, limit : Out(width)
    over : Out(1)
    below : Out(1)
        In u+2: less was released than is undone.
    """

    def __init__(self, width: int = SHARE_BITS):
        self.width = width
        super().__init__(
            {
                "row": In(ROW_BITS),
                "quantity": In(QUANTITY_BITS),
                "net": In(signed(SHARE_BITS)),
                "add": In(1),
                "apply": In(1),
                "plus": In(1),
                "undo_quantity": In(QUANTITY_BITS),
                "clear": In(1),
                "wipe": In(1),
                "zero": In(1),
                "load": In(1),
                "data": In(width),
                "released": Out(width),
                "limit": Out(width),
                "over": Out(1),
                "below": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Released in the lower half of a word, its limit in the upper half: both are read at once.
        m.submodules.table = table = Memory(2 * HALF, ROWS, part=HALF)
        m.d.sync += [self.released.eq(table.read_data), self.limit.eq(table.read_data[HALF:])]
        m.d.comb += table.read_addr.eq(self.row)

        # The adder. One may be applied three or four cycles behind another: what was read lacks what that one writes.
        applied, subtract, subtracted = Signal(4), Signal(), Signal()
        row, before, same = Signal(ROW_BITS), Signal(ROW_BITS), Signal()
        source, amount = Signal(self.width), Signal(QUANTITY_BITS)
        result, total = Signal(self.width + 1), Signal(self.width + 2)
        m.d.sync += [
            applied.eq(Cat(self.apply, applied)),
            row.eq(self.row),
            same.eq(applied[2:].any() & (row == before)),
            subtracted.eq(subtract),
        ]
        m.d.comb += [
            subtract.eq(applied[0] & ~self.plus),
            source.eq(Mux(same, result, self.released)),
            amount.eq(Mux(subtract, ~self.undo_quantity, self.quantity)),
            # One bit more, for the carry in.
            total.eq(Cat(C(1, 1), source) + Cat(subtract, amount, subtract.replicate(self.width + 1 - QUANTITY_BITS))),
        ]
        with m.If(applied[0] | self.add):
            m.d.sync += result.eq(total[1:])
        with m.If(self.zero):
            m.d.sync += result.eq(0)
        # A subtraction is the quicker comparison: its borrow comes straight out of the carry chain.
        sell, room = row[0], Signal(signed(max(self.width, SHARE_BITS) + 3))
        m.d.sync += [
            # One bit more, for the carry in.
            room.eq(Cat(C(1, 1), self.limit) + Cat(~sell, Mux(sell, self.net, ~self.net)).as_signed()),
            self.over.eq(((room >> 1) - result)[-1]),
        ]
        m.d.comb += self.below.eq(subtracted & result[-1])

        # What is written, and where to: two cycles behind the row.
        cleared, wiped, loaded = Signal(2), Signal(2), Signal(2)
        m.d.sync += [
            cleared.eq(Cat(self.clear, cleared)),
            wiped.eq(Cat(self.clear & self.wipe, wiped)),
            loaded.eq(Cat(self.load, loaded)),
        ]
        with m.If(applied[0] | cleared[0] | loaded[0]):
            m.d.sync += before.eq(row)
        m.d.comb += [
            table.write_en.eq(Cat(applied[1] | cleared[1], loaded[1] | wiped[1])),
            table.write_addr.eq(before),
            table.write_data.eq(Cat(result[: self.width], C(0, HALF - self.width), self.data)),
        ]
        return m

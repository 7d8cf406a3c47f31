"""The exposure budget: shares released for each symbol and side, and how many may be."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import QUANTITY_BITS
from hdl.wire.registers import SYMBOLS

SHARE_BITS = 40
ROWS = 2 * SYMBOLS
ROW_BITS = ceil_log2(ROWS)


class Exposure(wiring.Component):
    """Counts the shares released per symbol and side, and compares them with a limit.

    ``row`` is the symbol's index times 2, plus 1 for a sell. When it is presented in cycle x and held, ``released``
    and ``limit`` show its words from x+3 on, and ``over`` tells from x+5 on whether released plus ``quantity`` (held
    from x+3) is above the limit. The sum has a bit more than the limit, so it does not wrap. Nothing is released
    under a limit of 0.

    What ``reserve``, ``clear`` and ``load`` write is seen by a row presented in the next cycle. ``undo`` in cycle u
    writes in u+2, when nothing else may write. A row presented in u+3 sees it; one presented in u+1 or u+2 is good
    for an ``undo`` two cycles later only. So undoing takes three cycles, back to back.

    Parameters
    ----------
    width : int
        Of released shares and limits, in bits.

    Members
    -------
    row : In(10)
    quantity : In(20)
    reserve : In(1)
        In x+5 at the earliest: released becomes released plus ``quantity``.
    undo : In(1)
        In x+2, ``row`` held since x: released becomes released less ``undo_quantity``.
    undo_quantity : In(20)
        In the cycle behind ``undo``.
    clear : In(1)
        Released becomes 0.
    wipe : In(1)
        With ``clear``: so does the limit.
    zero : In(1)
        Level: undoing makes released 0.
    load, data : In(1), In(width)
        The limit becomes ``data``.
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
                "reserve": In(1),
                "undo": In(1),
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
        m.submodules.released = released = Memory(self.width, ROWS)
        m.submodules.limits = limits = Memory(self.width, ROWS)
        m.d.sync += [self.released.eq(released.read_data), self.limit.eq(limits.read_data)]
        m.d.comb += [table.read_addr.eq(self.row) for table in (released, limits)]

        # A subtraction is the quicker comparison: its borrow comes straight out of the carry chain.
        total = Signal(self.width + 1)
        m.d.sync += [total.eq(self.released + self.quantity), self.over.eq((self.limit - total)[-1])]

        # Undoing may follow undoing in three or four cycles: what was read then lacks what the one before it writes.
        undone = Signal(4)
        row, before = Signal(ROW_BITS), Signal(ROW_BITS)
        same, source, left = Signal(), Signal(self.width), Signal(self.width)
        m.d.comb += source.eq(Mux(same, left, self.released))
        m.d.sync += [
            undone.eq(Cat(self.undo, undone)),
            row.eq(self.row),
            same.eq(undone[2:].any() & (row == before)),
        ]
        with m.If(undone[0]):
            m.d.sync += [before.eq(row), Cat(left, self.below).eq(source - self.undo_quantity)]

        m.d.comb += [
            released.write_en.eq(self.reserve | undone[1] | self.clear),
            released.write_addr.eq(Mux(undone[1], before, self.row)),
            released.write_data.eq(Mux(self.clear | self.zero, 0, Mux(undone[1], left, total))),
            limits.write_en.eq(self.load | (self.clear & self.wipe)),
            limits.write_addr.eq(self.row),
            limits.write_data.eq(Mux(self.load, self.data, 0)),
        ]
        return m

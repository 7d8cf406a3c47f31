"""The net position: shares of each symbol that the firm has bought, less those that it has sold."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import QUANTITY_BITS
from hdl.wire.registers import SYMBOLS

NET_BITS = 40


class Net(wiring.Component):
    """Counts what has been executed.

    ``index`` presented in cycle x and held shows its position on ``net`` from x+3 on. ``apply`` in cycle u, with
    ``index`` held from u-2 on and ``sell`` and ``executed`` there in u+1, writes in u+2; an index presented in u+3 sees
    it, and the next one is not applied before u+5. ``clear`` in a cycle makes the position of its ``index`` 0, two
    cycles later.

    Parameters
    ----------
    width : int
        Of a position, in bits.

    Members
    -------
    index : In(9)
    apply, sell, executed : In(1), In(1), In(20)
    clear : In(1)
    zero : In(1)
        Level, from the cycle before the first ``clear`` to the last: ``apply`` makes a position 0.
    net : Out(signed(width))
    beyond : Out(1)
        In u+2: the position is beyond what it can be, and wrong from now on.
    """

    def __init__(self, width: int = NET_BITS):
        self.width = width
        super().__init__(
            {
                "index": In(ceil_log2(SYMBOLS)),
                "apply": In(1),
                "sell": In(1),
                "executed": In(QUANTITY_BITS),
                "clear": In(1),
                "zero": In(1),
                "net": Out(signed(width)),
                "beyond": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = Memory(self.width, SYMBOLS)
        applied, cleared, place = Signal(2), Signal(2), Signal.like(self.index)
        change, total = Signal(signed(QUANTITY_BITS + 1)), Signal(signed(self.width + 2))
        result = total[1:]
        m.d.comb += [
            table.read_addr.eq(self.index),
            change.eq(Mux(self.sell, ~Cat(self.executed, C(0, 1)), self.executed)),
        ]
        m.d.sync += [
            self.net.eq(table.read_data),
            applied.eq(Cat(self.apply, applied)),
            cleared.eq(Cat(self.clear, cleared)),
            place.eq(self.index),
            table.write_addr.eq(place),
            # One bit more, for the carry in.
            total.eq(Cat(C(1, 1), self.net).as_signed() + Cat(self.sell, change).as_signed()),
        ]
        with m.If(self.zero | cleared[0]):
            m.d.sync += total.eq(0)
        m.d.comb += [
            table.write_en.eq(applied[1] | cleared[1]),
            table.write_data.eq(result),
            self.beyond.eq(applied[1] & (result[-1] != result[-2])),
        ]
        return m

"""The terms of a symbol: whether it may be traded, whether it may be sold short, and between which prices."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.filter.multiplier import PRICE_BITS
from hdl.wire.registers import SYMBOLS

# The two words of SYMBOL_TERMS.
TERMS = data.StructLayout({"lowest": 31, "traded": 1, "highest": 31, "shorted": 1})


class SymbolTerms(wiring.Component):
    """Keeps the terms of each symbol, and holds orders to them.

    ``index`` presented in cycle x and held, with ``price`` held from x+2 on, shows from x+3 on what forbids the order.
    Terms of 0, as after a reset whose sweep is over, forbid everything. ``load`` and ``clear`` write to ``index`` in
    their own cycle; a later one sees it.

    Members
    -------
    index : In(9)
    price : In(32)
    restricted, unborrowed, off_collar : Out(1)
        The symbol may not be traded; it may not be sold short; the price is below the lowest or above the highest.
    load, clear, data : In(1), In(1), In(64)
    word : Out(64)
        From x+2 on.
    """

    index: In(ceil_log2(SYMBOLS))
    price: In(PRICE_BITS)
    restricted: Out(1)
    unborrowed: Out(1)
    off_collar: Out(1)
    load: In(1)
    clear: In(1)
    data: In(TERMS.size)
    word: Out(TERMS.size)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(TERMS.size, SYMBOLS)
        terms, below, above = Signal(TERMS), Signal(), Signal()
        m.d.comb += [
            memory.read_addr.eq(self.index),
            memory.write_addr.eq(self.index),
            memory.write_en.eq(self.load | self.clear),
            memory.write_data.eq(Mux(self.clear, 0, self.data)),
            self.word.eq(memory.read_data),
            terms.as_value().eq(memory.read_data),
            self.off_collar.eq(Cat(below, above).any()),
        ]
        m.d.sync += [
            self.restricted.eq(~terms.traded),
            self.unborrowed.eq(~terms.shorted),
            below.eq(self.price < terms.lowest),
            above.eq(self.price > terms.highest),
        ]
        return m

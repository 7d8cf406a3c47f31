"""The blocked symbols."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.wire.registers import SYMBOLS

SYMBOL_BITS = ceil_log2(SYMBOLS)
ERA_BITS = 36  # a word of one block RAM
PART = 4
TAPS = (35, 24)  # x^36 + x^25 + 1 is primitive: an era comes again when all but 0 have come


class Blocks(wiring.Component):
    """Remembers which symbols are blocked, until all blocks are lifted at once.

    ``index`` presented in cycle x and held shows from x+3 on on ``blocked`` whether the symbol is blocked: by a
    ``block`` in x-2 or earlier, unless a ``lift`` came after it, in the cycle before or earlier. A block in the cycle
    of a lift stays. Reset lifts all blocks, in the cycle behind it.

    Each lift begins a new era, and a symbol's word is the era in which it was blocked. Eras come again after 2^36 - 1
    lifts; a block as old as that would count once more.

    Members
    -------
    index : In(9)
    blocked : Out(1)
    block, block_index : In(1), In(9)
    lift : In(1)
    """

    index: In(SYMBOL_BITS)
    blocked: Out(1)
    block: In(1)
    block_index: In(SYMBOL_BITS)
    lift: In(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(ERA_BITS, SYMBOLS)
        # A memory keeps its words in a reset, so eras go on as well; 0, its words at power-up, is none.
        era, begun = Signal(ERA_BITS, init=1, reset_less=True, attrs={"keep": 1, "outlives_reset": 1}), Signal()
        m.d.sync += begun.eq(1)
        same = Signal(ERA_BITS // PART)  # part by part
        m.d.sync += same.eq(
            Cat(words.read_data.word_select(n, PART) == era.word_select(n, PART) for n in range(len(same)))
        )
        with m.If(self.lift | ~begun):
            m.d.sync += [era.eq(Cat(era[TAPS[0]] ^ era[TAPS[1]], era)), same.eq(0)]

        # A block is written a cycle later, with the era that a lift in its own cycle begins.
        m.d.sync += [words.write_en.eq(self.block), words.write_addr.eq(self.block_index)]
        m.d.comb += [
            words.write_data.eq(era),
            words.read_addr.eq(self.index),
            self.blocked.eq(same.all()),
        ]
        return m

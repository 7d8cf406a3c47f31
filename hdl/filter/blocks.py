"""The blocked symbols."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.memory import Memory
from hdl.wire.registers import SYMBOLS

WORD = 8
WORDS = SYMBOLS // WORD
SYMBOL_BITS, BIT_BITS = ceil_log2(SYMBOLS), ceil_log2(WORD)


class Blocks(wiring.Component):
    """Remembers which symbols are blocked, until all blocks are lifted at once.

    ``index`` presented in cycle x and held for two cycles shows in x+3 on ``blocked`` whether the symbol is blocked:
    by a ``block`` in x-4 or earlier, unless a ``lift`` came after it, in x+2 or earlier. ``blocked`` means nothing in
    the six cycles behind a ``block``, and the next one must be at least five cycles behind it. A block in the cycle
    of a lift stays. Reset lifts all blocks.

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
        # One bit a symbol in memory, and for each word of it whether it counts: so a lift takes one cycle.
        m.submodules.words = words = Memory(WORD, WORDS, distributed=True)
        counts = Signal(WORDS)

        target, step = Signal(SYMBOL_BITS), Signal(4)
        m.d.sync += step.eq(step << 1)
        with m.If(self.block):
            m.d.sync += [target.eq(self.block_index), step.eq(1)]
        with m.Elif(self.lift):
            m.d.sync += step.eq(0)

        chosen = Signal(SYMBOL_BITS)
        m.d.sync += chosen.eq(Mux(step.any(), target, self.index))
        word, bit = chosen[BIT_BITS:], chosen[:BIT_BITS]
        counting, counted = Signal(), Signal()
        m.d.sync += [counting.eq(counts.bit_select(word, 1)), counted.eq(counting & ~self.lift)]
        with m.If(self.lift):
            m.d.sync += [counts.eq(0), counting.eq(0)]
        content = Signal(WORD)
        m.d.comb += [
            words.read_addr.eq(word),
            content.eq(Mux(counted, words.read_data, 0)),
            self.blocked.eq(content.bit_select(bit, 1)),
            words.write_en.eq(step[3] & ~self.lift),
            words.write_addr.eq(word),
            words.write_data.eq(content | (1 << bit)),
        ]
        with m.If(words.write_en):
            m.d.sync += counts.bit_select(word, 1).eq(1)
        return m

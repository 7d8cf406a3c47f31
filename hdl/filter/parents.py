"""The parent orders: what each of them has left for its children."""

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.blocks import SYMBOL_BITS
from hdl.filter.memory import Memory
from hdl.filter.multiplier import QUANTITY_BITS
from hdl.wire.registers import MOST_CHILDREN, MOST_PARENT_SHARES, PARENTS

PARENT_BITS = ceil_log2(PARENTS)
LETTER_BITS = 5
SHARES_BITS = MOST_PARENT_SHARES.bit_length() + 1  # with a sign: more than a parent is about may be executed
CHILDREN_BITS = MOST_CHILDREN.bit_length()

# How an order names its parent: a letter, A as 1, and the number. With letter 0 it names none.
NAME = data.StructLayout({"number": PARENT_BITS, "letter": LETTER_BITS})
_TERMS = {"index": SYMBOL_BITS, "sell": 1, "letter": LETTER_BITS}
TERMS = data.StructLayout({"shares": SHARES_BITS - 1, **_TERMS})
COUNTS = data.StructLayout({"shares": signed(SHARES_BITS), "children": CHILDREN_BITS})
# The two words of PARENT.
WRITTEN = data.StructLayout(
    {"shares": SHARES_BITS - 1, "unused": 33 - SHARES_BITS, **_TERMS, "children": CHILDREN_BITS}
)


class Parents(wiring.Component):
    """Keeps what each parent is, and counts down the shares and the children that it has left.

    The shares left are those that the parent is about, less those of its children that are open or were executed. When
    more is executed than was open they may come to be below 0, and then nothing passes. A parent of 0, as after a reset
    whose sweep is over, has nothing to give.

    ``number`` presented in cycle x and held, with ``letter``, ``index``, ``sell`` and ``quantity`` of the order there
    in x+3, tells in x+3 ``over``: the parent has another letter, symbol or side, or fewer shares left; and ``spent``:
    it has no child left.

    ``apply`` in cycle u, with ``number`` held from u-2 on, writes in u+2, when nothing else may write. A number
    presented in u+3 sees it; one presented in u+1 or u+2 is good for an ``apply`` two cycles later only. So it takes
    three cycles, back to back. ``load`` and ``clear`` write to ``number`` in their own cycle; a later one sees it.

    Members
    -------
    number : In(9)
    letter, index, sell, quantity : In(5), In(9), In(1), In(20)
    over, spent : Out(1)
    apply, charge : In(1)
        If ``charge`` is up in the cycle behind ``apply``, shares left become shares left less ``quantity``, and with
        ``whole`` children left one less; else shares left plus ``back``, and with ``whole`` one child more. Both are
        there in that cycle.
    back, whole : In(signed(21)), In(1)
    load, clear, data : In(1), In(1), In(64)
        ``data``: the words of PARENT.
    word, left : Out(64)
        Those of PARENT and PARENT_LEFT, from x+3 on.
    beyond : Out(1)
        In u+2: the shares left are more or less than can be, and wrong from now on.
    """

    number: In(PARENT_BITS)
    letter: In(LETTER_BITS)
    index: In(SYMBOL_BITS)
    sell: In(1)
    quantity: In(QUANTITY_BITS)
    over: Out(1)
    spent: Out(1)
    apply: In(1)
    charge: In(1)
    back: In(signed(QUANTITY_BITS + 1))
    whole: In(1)
    load: In(1)
    clear: In(1)
    data: In(64)
    word: Out(64)
    left: Out(64)
    beyond: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.terms = terms = Memory(TERMS.size, PARENTS)
        m.submodules.counts = counts = Memory(COUNTS.size, PARENTS)

        its, left = Signal(TERMS), Signal(COUNTS)
        room, other = Signal(signed(SHARES_BITS + 1)), Signal()
        m.d.sync += [its.eq(terms.read_data), left.eq(counts.read_data)]
        m.d.comb += [
            terms.read_addr.eq(self.number),
            counts.read_addr.eq(self.number),
            room.eq(left.shares - self.quantity),
            other.eq((its.letter != self.letter) | (its.index != self.index) | (its.sell != self.sell)),
            self.over.eq(other | ~self.letter.any() | room[-1]),
            self.spent.eq(~left.children.any()),
            self.word.eq(Cat(its.shares, C(0, 33 - SHARES_BITS), its.index, its.sell, its.letter)),
            self.left.eq(Cat(left.shares, left.shares[-1].replicate(32 - SHARES_BITS), left.children)),
        ]

        # The adders. One may be applied three or four cycles behind another: what was read lacks what that one writes.
        applied, number, before, same = Signal(4), Signal(PARENT_BITS), Signal(PARENT_BITS), Signal()
        source, result, amount = Signal(COUNTS), Signal(COUNTS), Signal(signed(QUANTITY_BITS + 1))
        total = Signal(signed(SHARES_BITS + 2))
        m.d.sync += [
            applied.eq(Cat(self.apply, applied)),
            number.eq(self.number),
            same.eq(applied[2:].any() & (number == before)),
            self.beyond.eq(applied[0] & (total[-1] ^ total[-2])),
        ]
        m.d.comb += [
            source.eq(Mux(same, result, left)),
            amount.eq(Mux(self.charge, ~Cat(self.quantity, C(0, 1)).as_signed(), self.back)),
            # One bit more, for the carry in.
            total.eq(Cat(C(1, 1), source.shares).as_signed() + Cat(self.charge, amount).as_signed()),
        ]
        with m.If(applied[0]):
            m.d.sync += [
                result.shares.eq(total >> 1),
                result.children.eq(
                    source.children + Cat(self.whole, (self.charge & self.whole).replicate(CHILDREN_BITS - 1))
                ),
                before.eq(number),
            ]

        # What is written: both words by the host, what is left two cycles behind its number.
        loaded, first = Signal(WRITTEN), Signal(COUNTS)
        m.d.comb += [
            loaded.eq(Mux(self.clear, 0, self.data)),
            first.shares.eq(loaded.shares),
            first.children.eq(loaded.children),
            terms.write_en.eq(self.load | self.clear),
            terms.write_addr.eq(self.number),
            terms.write_data.eq(Cat(loaded.shares, loaded.index, loaded.sell, loaded.letter)),
            counts.write_en.eq(applied[1] | terms.write_en),
            counts.write_addr.eq(Mux(applied[1], before, self.number)),
            counts.write_data.eq(Mux(applied[1], result.as_value(), first.as_value())),
        ]
        return m

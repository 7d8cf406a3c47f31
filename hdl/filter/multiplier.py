"""Quantity times price, two bits of the quantity in a cycle."""

from amaranth.hdl import Array, C, Cat, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

QUANTITY_BITS = 20
PRICE_BITS = 32
NOTIONAL_BITS = QUANTITY_BITS + PRICE_BITS
DIGITS = QUANTITY_BITS // 2 + 1
LATENCY = DIGITS + 1


class Multiplier(wiring.Component):
    """Multiplies a quantity by a price, or by a difference of prices.

    ``start`` in cycle p takes both and gives ``product`` from cycle p+12 on (``LATENCY``), until the next ``start``.
    Every ``start`` begins anew, whether the product before was finished or not.

    Each pair of the quantity's bits, lowest first, adds a multiple of the price on top of the sum so far, which moves
    down by two bits then. Instead of three times the price, it is taken away once and the next pair is one more: so
    there are eleven pairs.

    Parameters
    ----------
    differences : bool
        ``price`` and ``product`` are signed, and have a bit more; and there is ``soon``.

    Members
    -------
    start : In(1)
    quantity : In(20)
    price : In(32)
    product : Out(52)
    soon : Out(1)
        The product is there in the next cycle, unless this one has a ``start``; only with ``differences``.
    """

    def __init__(self, *, differences: bool = False):
        self.differences = differences
        price, product = (Shape(bits + differences, differences) for bits in (PRICE_BITS, NOTIONAL_BITS))
        members = {"start": In(1), "quantity": In(QUANTITY_BITS), "price": In(price), "product": Out(product)}
        super().__init__(members | ({"soon": Out(1)} if differences else {}))

    def elaborate(self, platform):
        m = Module()
        price, low, high = Signal(self.price.shape()), Signal(2 * DIGITS), Signal(PRICE_BITS + 1)
        step = Signal(range(LATENCY + 1), init=LATENCY)  # n in p+n
        # A digit of 3 stands for -1: the complement, and one more as carry in.
        pair, more, digit, next_digit, carry = Signal(2), Signal(), Signal(2), Signal(3), Signal()
        m.d.comb += [
            pair.eq(Mux(self.start, self.quantity[:2], low[2:4])),
            more.eq(carry & ~self.start),
            next_digit.eq(pair + more),
        ]
        m.d.sync += [digit.eq(next_digit), carry.eq(next_digit >= 3)]

        multiple, total = Signal(PRICE_BITS + 3), Signal(PRICE_BITS + 4)
        multiples = Array([0, price, price << 1, ~price if self.differences else ~Cat(price, C(0, 3))])
        m.d.comb += [
            multiple.eq(multiples[digit]),
            total.eq(Cat(C(1, 1), high, high[-1].replicate(2)) + Cat(digit == 3, multiple)),
        ]
        with m.If(step != LATENCY):
            m.d.sync += [
                step.eq(step + 1),
                low.eq(Cat(low[2:], total[1:3])),
                high.eq(total[3:]),
            ]
        with m.If(self.start):
            m.d.sync += [step.eq(1), price.eq(self.price), low.eq(self.quantity), high.eq(0)]
        m.d.comb += self.product.eq(Cat(low, high))
        if self.differences:
            m.d.comb += self.soon.eq(step >= LATENCY - 1)
        return m

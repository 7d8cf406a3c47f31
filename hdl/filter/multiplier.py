"""Quantity times price, two bits of the quantity in a cycle."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

QUANTITY_BITS = 20
PRICE_BITS = 32
NOTIONAL_BITS = QUANTITY_BITS + PRICE_BITS
DIGITS = QUANTITY_BITS // 2
LATENCY = DIGITS + 2


class Multiplier(wiring.Component):
    """Multiplies a quantity by a price.

    ``start`` in cycle p gives ``product`` from cycle p+12 on (``LATENCY``), until the next ``start``. ``quantity`` is
    taken in p, and ``price`` must be held from p to p+10. Every ``start`` begins anew, whether the product before was
    finished or not.

    Three times the price is added up first; then each pair of the quantity's bits selects a multiple in one cycle,
    and the next cycle adds it on top of the sum so far, which moves down by two bits: 34 bits are added in a cycle.

    Members
    -------
    start : In(1)
    quantity : In(20)
    price : In(32)
    product : Out(52)
    """

    start: In(1)
    quantity: In(QUANTITY_BITS)
    price: In(PRICE_BITS)
    product: Out(NOTIONAL_BITS)

    def elaborate(self, platform):
        m = Module()
        digits = Signal(QUANTITY_BITS)
        triple, multiple, total = Signal(PRICE_BITS + 2), Signal(PRICE_BITS + 2), Signal(PRICE_BITS + 2)
        high, low = Signal(PRICE_BITS), Signal(QUANTITY_BITS)
        step = Signal(range(LATENCY + 1), init=LATENCY)  # n in p+n

        multiples = Array([0, self.price, self.price << 1, triple])
        m.d.sync += [digits.eq(digits >> 2), multiple.eq(multiples[digits[:2]])]
        m.d.comb += total.eq(high + multiple)
        with m.If(step != LATENCY):
            m.d.sync += step.eq(step + 1)
        with m.If((step > 1) & (step != LATENCY)):
            m.d.sync += [high.eq(total >> 2), low.eq(Cat(low[2:], total[:2]))]
        with m.If(self.start):
            m.d.sync += [
                step.eq(1),
                digits.eq(self.quantity),
                triple.eq(self.price + (self.price << 1)),
                high.eq(0),
            ]
        m.d.comb += self.product.eq(Cat(low, high))
        return m

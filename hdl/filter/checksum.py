"""The Internet checksum (RFC 1071), summed octet by octet."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class InternetSum(wiring.Component):
    """Tells whether the one's complement sum of some 16-bit words, their checksum among them, is right.

    One octet a cycle; `right` includes it in the next cycle. The end-around carry of an addition is brought in by
    the next one, so that a stage holds a single 16-bit addition.

    Parameters
    ----------
    seed : int
        What the sum begins with, 16 bits.

    Members
    -------
    octet, add : In(8), In(1)
    low : In(1)
        The octet is the low one of its word.
    twice : In(1)
        It counts double (the length of a UDP datagram is in the pseudo header too).
    clear : In(1)
        Back to the seed; comes before `add`.
    right : Out(1)
        The sum is 0xFFFF.
    total : Out(16)
        The sum, less the carry that the next addition brings in: whole once a word of 0 was added.
    """

    octet: In(8)
    add: In(1)
    low: In(1)
    twice: In(1)
    clear: In(1)
    right: Out(1)
    total: Out(16)

    def __init__(self, *, seed: int = 0):
        if seed not in range(1 << 16):
            raise ValueError(f"the seed of a checksum must fit 16 bits, not {seed!r}")
        self.seed = seed
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        total, carry = Signal(16, init=self.seed), Signal()

        # Doubling in one's complement is a rotation.
        word, term = Signal(16), Signal(16)
        m.d.comb += word.eq(Mux(self.low, self.octet, self.octet << 8))
        m.d.comb += term.eq(Mux(self.twice, word.rotate_left(1), word))
        added = Signal(17)
        m.d.comb += added.eq(total + term + carry)
        with m.If(self.clear):
            m.d.sync += [total.eq(self.seed), carry.eq(0)]
        with m.Elif(self.add):
            m.d.sync += [total.eq(added[:16]), carry.eq(added[16])]

        # With a carry still to come the sum is at most 0xFF01: the largest term is 0xFF00 (doubled 0xFE01).
        m.d.comb += [self.right.eq(total.all()), self.total.eq(total)]
        return m

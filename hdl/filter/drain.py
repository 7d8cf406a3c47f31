"""Tells whether frames from before a kill still wait to leave."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.verdict import LANES


class Drain(wiring.Component):
    """Watches the egress queue after a kill, so that no arm lets go what the kill has caught there.

    The gate discards a killed frame only when it is the head of the queue. Were its lane opened before that, it would
    leave: an order from before the kill (P9). While ``draining`` an arm is refused as busy. It begins in the cycle
    after a request, which itself makes an arm's nonce void, and ends when as many frames have gone as were waiting
    then; at line rate that is within 11,000 cycles.

    Members
    -------
    request : In(8)
        Of the kill sources.
    waiting, pop : In(6), In(1)
        Of the cycle before: frames in the queue, the head included, and whether the head went. A frame whose verdict
        comes in the cycle of the request is in the queue one cycle later; those that follow have met the kill at their
        verdict.
    draining : Out(1)
    """

    request: In(LANES)
    waiting: In(6)
    pop: In(1)
    draining: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        stale, requested, some = Signal(6), Signal(2, init=0b11), Signal()
        m.d.sync += requested.eq(Cat(self.request.any(), requested))
        m.d.comb += self.draining.eq(requested.any() | some)
        with m.If(requested[1]):
            left = self.waiting - self.pop
            m.d.sync += [stale.eq(left), some.eq(left != 0)]
        with m.Elif(self.pop & some):
            m.d.sync += [stale.eq(stale - 1), some.eq(stale != 1)]
        return m

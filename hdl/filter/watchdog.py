"""Tells when the host has been silent for too long."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

NEVER = (1 << 64) - 1
SPAN = 34  # bits of time that are compared


class Watchdog(wiring.Component):
    """Expires ``timeout`` cycles of ``now`` after the last heartbeat.

    A heartbeat in cycle c restarts the timer: ``deadline`` is ``now + timeout`` from cycle c + 2 on. When ``now``
    reaches the deadline in cycle c, two or more behind the heartbeat, ``expired`` is set in c + 2 and stays until the
    next heartbeat; were it reached sooner, in c + 3. A heartbeat in the very cycle in which ``now`` reaches the
    deadline is in time; one in the cycle after is late, and does nothing: the expiry is never skipped, and the next
    heartbeat restarts the timer. A changed ``timeout`` counts from the next heartbeat on, but 0 expires at once (in at
    most two cycles) and for good. Expired after reset. ``now`` may jump over the deadline, but never 2^33 cycles or
    more beyond it.

    Members
    -------
    now : In(64)
    timeout : In(32)
        Cycles; 0: no heartbeat ends the expiry.
    heartbeat : In(1)
        Strobe.
    expired : Out(1)
    deadline : Out(64)
        The value of ``now`` that expires; all ones while expired.
    """

    now: In(64)
    timeout: In(32)
    heartbeat: In(1)
    expired: Out(1, init=1)
    deadline: Out(64, init=NEVER)

    def elaborate(self, platform):
        m = Module()
        # The deadline is less than 2^32 cycles away: the sign of a difference tells, and a time-out has no more bits.
        never, late = Signal(init=1), Signal()
        past = Signal(SPAN)
        m.d.comb += past.eq(self.now[:SPAN] - self.deadline[:SPAN])
        # The sum takes two cycles, a half each.
        low, high, restarts = Signal(len(self.timeout) + 1), Signal(64 - len(self.timeout)), Signal()
        m.d.sync += [
            low.eq(self.now[: len(self.timeout)] + self.timeout),
            high.eq(self.now[len(self.timeout) :]),
            restarts.eq(0),
            never.eq(self.timeout == 0),
            late.eq(~past[-1] & ~(self.heartbeat | restarts | self.expired)),
        ]
        with m.If(restarts):
            m.d.sync += self.deadline.eq(Cat(low[:-1], high + low[-1]))
        with m.If(never | late):
            m.d.sync += [self.expired.eq(1), self.deadline.eq(Const(NEVER, 64))]
        with m.Elif(self.heartbeat):
            m.d.sync += [self.expired.eq(0), restarts.eq(1)]
        return m

"""P2, proved without a bound on arming and kill latch: only the two-step arm reopens a lane.

Every input is free, reset included, and nothing is assumed. The monitor keeps its own account of the two steps from
what goes in, and looks only at ``nonce`` and ``killed``. With it come the latch's part of P3 (a request kills in every
state) and of P4 (reset kills).
"""

from amaranth.hdl import Assert, Cover, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.filter.arming import Arming
from hdl.filter.kill import FIRM, KillLatch
from hdl.wire.verdict import LANES
from sim.formal import Job


class ArmSpec(wiring.Component):
    """A lane is opened three cycles after an arm with the nonce given last, and for no other reason.

    The nonce was asked for and shown before, was not used for another arm, and nothing has asked for a kill since. The
    configuration is the one that the arm names, the loop is closed, and nothing is at fault, expired or busy.
    """

    now: In(64)
    nonce_request: In(1)
    arm: In(1)
    arm_nonce: In(32)
    arm_lanes: In(LANES)
    arm_crc: In(32)
    config_crc: In(32)
    loop_open: In(1)
    fault: In(1)
    watchdog_expired: In(1)
    tables_busy: In(1)
    request: In(LANES)

    def connect(self, m, arming, latch):
        """Wire everything that goes in; mutants do it wrong."""
        for name in self.signature.members:
            m.d.comb += getattr(arming, name).eq(getattr(self, name))
        m.d.comb += [latch.request.eq(self.request), latch.open.eq(arming.open)]

    def elaborate(self, platform):
        m = Module()
        m.submodules.arming = arming = Arming()
        m.submodules.latch = latch = KillLatch()
        self.connect(m, arming, latch)
        reset, killing = Signal(), Signal()
        m.d.comb += [reset.eq(ResetSignal("sync")), killing.eq(self.request.any())]

        # First step: the nonce is good from the request on until an arm, a kill or a reset.
        good, asked, nonce = Signal(reset_less=True), Signal(reset_less=True), Signal(32, reset_less=True)
        m.d.sync += good.eq(~reset & ~killing & (self.nonce_request | good & ~self.arm))
        m.d.sync += [asked.eq(self.nonce_request), nonce.eq(arming.nonce)]
        shown = Mux(asked, arming.nonce, nonce)

        # Second step, and the cycle after it.
        step, lanes = Signal(reset_less=True), Signal(LANES, reset_less=True)
        allowed, opening = Signal(reset_less=True), Signal(LANES, reset_less=True)
        bring = self.arm & good & (self.arm_nonce == shown) & (self.arm_crc == self.config_crc)
        ready = ~self.loop_open & ~self.fault & ~self.watchdog_expired & ~self.tables_busy
        m.d.sync += [
            step.eq(bring & ~killing & ~reset),
            lanes.eq(self.arm_lanes),
            allowed.eq(step & ready & ~killing & ~reset),
            opening.eq(lanes),
        ]

        # What this cycle must do and may do, judged in the next.
        before, must, may = (Signal(LANES, reset_less=True) for _ in range(3))
        m.d.sync += [
            before.eq(latch.killed),
            must.eq(Mux(reset, FIRM, self.request)),
            may.eq(Mux(allowed, opening & ~self.request, 0)),
        ]
        started = Signal(reset_less=True)
        m.d.sync += started.eq(1)
        with m.If(started):
            m.d.comb += [
                Assert(~(before & ~latch.killed & ~may).any(), "P2: a lane was opened without the two-step arm"),
                Assert(~(must & ~latch.killed).any(), "P3, P4: a request or a reset did not kill"),
                Assert(~(may & latch.killed & ~must).any(), "an arm that holds did not open"),
                Assert(~(latch.killed & ~before & ~must).any(), "a lane was killed by nothing"),
            ]
        with m.Else():
            m.d.comb += Assert(latch.killed == FIRM, "P4: not killed at power-up")
        self.auxiliary(m, arming, asked, nonce, good, step, lanes, allowed, opening)

        m.d.comb += Cover(before.all() & ~latch.killed.any(), "the firm is armed")
        m.d.comb += Cover((before == 0x80) & (latch.killed == 0), "a lane is armed again")
        return m

    def auxiliary(self, m, arming, asked, nonce, good, step, lanes, allowed, opening):
        """Tie the account to the state of the arming."""
        with m.If(~asked & good):
            m.d.comb += Assert(nonce == arming.nonce, "the nonce changed")
        m.d.comb += [
            Assert(good == arming.fresh),
            Assert(step == (arming.checking & arming.nonce_right & arming.config_right)),
            Assert(~arming.checking | (arming.lanes == lanes)),
            Assert(arming.open == Mux(allowed, opening, 0)),
        ]


class Mutant(ArmSpec):
    """A spec of broken gateware; without the auxiliary assertions, so that what fails is the property itself."""

    def auxiliary(self, *args):
        pass


class WithoutNonce(Mutant):
    """An arm opens with any nonce."""

    def connect(self, m, arming, latch):
        super().connect(m, arming, latch)
        m.d.comb += arming.arm_nonce.eq(arming.nonce)


class OneStep(Mutant):
    """Every arm gives the nonce for the next one."""

    def connect(self, m, arming, latch):
        super().connect(m, arming, latch)
        m.d.comb += arming.nonce_request.eq(self.nonce_request | arming.done)


class Unlatched(Mutant):
    """A word of the configuration opens a lane."""

    def connect(self, m, arming, latch):
        super().connect(m, arming, latch)
        m.d.comb += latch.open.eq(arming.open | Mux(self.config_crc == 0x5A5A5A5A, 1, 0))


class Forgetful(Mutant):
    """The arming does not hear of kills between the two steps."""

    def connect(self, m, arming, latch):
        super().connect(m, arming, latch)
        m.d.comb += arming.request.eq(0)


class ArmWins(Mutant):
    """A kill in the cycle of an arm is lost."""

    def connect(self, m, arming, latch):
        super().connect(m, arming, latch)
        m.d.comb += latch.request.eq(self.request & ~arming.open)


SCOPE = "arming and kill latch"
MUTANTS = (
    (WithoutNonce, "an arm opens with any nonce"),
    (OneStep, "an arm gives the next nonce"),
    (Unlatched, "a configuration opens a lane"),
    (Forgetful, "a kill between the steps is armed away"),
    (ArmWins, "an arm wins over a kill"),
)
JOBS = [
    Job(property="P2", scope=SCOPE, make=ArmSpec, depth=6),
    Job(property="P2", scope=SCOPE, make=ArmSpec, depth=20, expect="reached"),
    *(Job(property="P2", scope=SCOPE, make=mutant, depth=20, mutant=text, expect="fail") for mutant, text in MUTANTS),
]

"""P1, proved without a bound on kill latch and egress gate: no order of a killed lane completes.

Every input is free, reset included, and nothing is assumed. The monitor stands outside: it keeps its own account of the
killed lanes, of the epochs and of the frame that was taken, compares what is on the pins with what was fetched,
computes its own CRC over it, and judges a frame when ``tx_en`` falls. An order is let go when one of its octets is on
the pins as anything but what overwrites it. The auxiliary assertions tie the monitor's state to the gate's so that the
induction closes; they are proved together with P1.
"""

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import GAP, SHORTEST, Descriptor, Gate, OutcomeKind, Phase, Rest, entry_of, head_of
from hdl.filter.kill import FIRM, KillLatch
from hdl.filter.marks import Mark
from hdl.wire.soup import FILLER, Client
from hdl.wire.verdict import LANES
from sim.formal import Job

BOUND = 4  # P1: cycles after a kill edge in which a frame may still complete
FIRST = 0xFFFFFFFF


def divided(state, octet):
    """Return the register of the division after `octet`: the coefficient of x^31 is bit 31 (IEEE 802.3-2022 §3.2.9)."""
    bits = [state[power] for power in range(32)]
    for number in range(8):
        feedback = bits[31] ^ octet[number]
        bits = [feedback, *(bits[power - 1] ^ (feedback & (0x04C11DB7 >> power)) for power in range(1, 32))]
    return Cat(bit[0] for bit in bits)


def check_sequence(state):
    """Return the FCS for a division register: the complement, x^31 first, in bit 0 of the first octet."""
    return Cat(~state[31 - bit] for bit in range(32))


class Judge(wiring.Component):
    """Judges the frames on the pins, whoever sends them. Survives a reset.

    ``ended`` is high in the cycle after a frame's last octet. Then ``valid`` tells whether its last four octets are the
    FCS of those before, and ``errors`` whether ``tx_er`` was high in it.
    """

    data: In(8)
    en: In(1)
    er: In(1)
    ended: Out(1)
    valid: Out(1)
    errors: Out(1)

    def __init__(self):
        super().__init__()
        self.inside = Signal(reset_less=True)  # 0xD5 has been
        self.octets = Signal(range(5), reset_less=True)  # saturates
        # The CRC before the octet that is on the pins, and before its 1, 2, 3, 4 predecessors.
        self.crc = [Signal(32, name=f"crc{back}", init=FIRST, reset_less=True) for back in range(5)]

    def elaborate(self, platform):
        m = Module()
        tail, on = Signal(32, reset_less=True), Signal(reset_less=True)
        failed = Signal(reset_less=True)
        m.d.sync += on.eq(self.en)
        with m.If(~self.en):
            m.d.sync += [self.inside.eq(0), self.octets.eq(0), self.crc[0].eq(FIRST), failed.eq(0)]
        with m.Elif(~self.inside):
            m.d.sync += [self.inside.eq(self.data == 0xD5), failed.eq(failed | self.er)]
        with m.Else():
            m.d.sync += [
                failed.eq(failed | self.er),
                self.octets.eq(Mux(self.octets == 4, 4, self.octets + 1)),
                tail.eq(Cat(tail[8:], self.data)),
                self.crc[0].eq(divided(self.crc[0], self.data)),
                *(self.crc[back].eq(self.crc[back - 1]) for back in range(1, 5)),
            ]
        m.d.comb += [
            self.ended.eq(on & ~self.en),
            self.valid.eq((self.octets == 4) & (tail == check_sequence(self.crc[4]))),
            self.errors.eq(failed),
        ]
        return m


class GateSpec(wiring.Component):
    """From 4 cycles after a kill edge on, no frame that lets go an order of that lane completes with a valid FCS.

    And what leaves is what was promised: an RST octet by octet as its source gave it, of a frame whose orders are all
    to be overwritten none, and no stale frame.
    """

    request: In(LANES)
    open: In(LANES)
    renew: In(LANES)
    accepted: In(LANES)
    head_valid: In(1)
    head: In(Descriptor)
    octet: In(8)
    mark: In(Mark)
    rest: In(Rest)
    reset_octet: In(8)
    now: In(64)

    gate, latch = Gate, KillLatch
    strict = True  # with what is promised beyond P1
    sound = True  # a mutant goes without the auxiliary assertions, so that what fails is the property itself

    def heard(self, m, gate):
        """Return what the latch gets of ``request``: all of it, but in mutants."""
        return self.request

    def elaborate(self, platform):
        m = Module()
        m.submodules.latch = latch = self.latch()
        m.submodules.gate = gate = self.gate()
        m.submodules.judge = judge = Judge()
        m.d.comb += [
            latch.request.eq(self.heard(m, gate)),
            latch.open.eq(self.open),
            gate.killing.eq(latch.next),
            gate.renew.eq(self.renew),
            gate.accepted.eq(self.accepted),
            gate.head_valid.eq(self.head_valid),
            gate.head.eq(head_of(m, entry_of(m, self.head))),
            gate.octet.eq(self.octet),
            gate.mark.eq(self.mark),
            gate.rest.eq(self.rest),
            gate.reset_octet.eq(self.reset_octet),
            gate.now.eq(self.now),
            judge.data.eq(gate.tx_data),
            judge.en.eq(gate.tx_en),
            judge.er.eq(gate.tx_er),
        ]
        reset, cut = Signal(), Signal(reset_less=True)
        m.d.comb += reset.eq(ResetSignal("sync"))
        m.d.sync += cut.eq(reset)

        # The account of the lanes: a request or a reset in cycle k is an edge, `killed` says so from k + 1 on.
        killed, ages = Signal(LANES, init=FIRM, reset_less=True), []
        m.d.sync += killed.eq(Mux(reset, FIRM, killed & ~self.open | self.request))
        for number in range(LANES):
            age = Signal(range(BOUND), name=f"age{number}", reset_less=True)  # cycles since k + 1; saturates
            m.d.sync += age.eq(Mux(killed[number], Mux(age == BOUND - 1, age, age + 1), 0))
            ages.append(age == BOUND - 1)

        # The account of the epochs: what was reported of the cycle before, and the inputs of that cycle.
        known, renewed, other, epochs = (Signal(LANES, name=name) for name in ("known", "renewed", "other", "epochs"))
        said = gate.outcome
        fallen = gate.outcome_valid & said.streamed & (said.epoch == known.bit_select(said.lane[:3], 1))
        fallen &= (said.kind == OutcomeKind.DISCARDED) | (said.kind == OutcomeKind.ABORTED)
        m.d.comb += epochs.eq((known ^ (fallen << said.lane)[:LANES]) & ~renewed | other & renewed)
        m.d.sync += [known.eq(epochs), renewed.eq(self.renew), other.eq(~self.accepted)]
        stale = self.head.tcp & ~self.head.reset & (self.head.epoch != epochs.bit_select(self.head.lane[:3], 1))
        m.d.comb += Assert(~(gate.take & stale), "a stale frame began to leave")

        # The account of the frame: whether all its orders are overwritten, it is an RST, an order is let go so far, an
        # octet is not what was promised.
        lane, tcp, whole, sourced = (Signal(size, reset_less=True) for size in (4, 1, 1, 1))
        orders, broken = Signal(reset_less=True), Signal(reset_less=True)
        # The buffer answers three cycles later, and forgets in a reset; two more, and the octet is on the pins.
        asked = Signal(5)
        m.d.sync += asked.eq(Cat(gate.fetch, asked))
        run = Signal()
        m.d.sync += run.eq(asked[2] & (self.mark == Mark.ORDER))
        fetched = [(self.mark, Mux(run, FILLER, Client.DEBUG), self.reset_octet)]  # by age in cycles
        for _ in range(2):
            older = (Signal(Mark), Signal(8), Signal(8))
            m.d.sync += [then.eq(now) for then, now in zip(older, fetched[-1], strict=True)]
            fetched.append(older)

        def let_go(fetched, octet):
            mark, over, _ = fetched
            return ~sourced & ((mark == Mark.OLD_ORDER) | (mark == Mark.ORDER) & (octet != over))

        def foreign(fetched, octet):
            mark, over, source = fetched
            return Mux(sourced, octet != source, whole & (mark == Mark.ORDER) & (octet != over))

        ordered, strange = Signal(), Signal(4, reset_less=True)  # including the octet on the pins; the four before it
        m.d.comb += ordered.eq(orders | asked[4] & let_go(fetched[2], gate.tx_data))
        m.d.sync += orders.eq(ordered)
        with m.If(asked[4]):
            m.d.sync += [strange.eq(Cat(foreign(fetched[2], gate.tx_data), strange)), broken.eq(broken | strange[3])]
        with m.If(gate.take):
            closed = self.head.lane[3] | killed.bit_select(self.head.lane[:3], 1)
            every = self.head.all | self.head.live & self.head.rewritable & closed
            m.d.sync += [
                lane.eq(self.head.lane),
                tcp.eq(self.head.tcp),
                sourced.eq(self.head.reset),
                whole.eq(every),
                orders.eq(~self.head.reset & ~every & (self.head.orders | self.head.live)),
                strange.eq(0),
                broken.eq(0),
            ]
        m.d.comb += Assert(~broken, "an octet before the FCS is not what was promised")

        # In the cycle after an octet: `late`, it came when the lane had been killed for BOUND cycles; `stopped`, when a
        # kill was at least two cycles old that came while the frame was leaving. A lane that is none counts as killed.
        late, stopped, caught = Signal(reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            late.eq(ordered & (lane[3] | (killed & Cat(ages)).bit_select(lane[:3], 1))),
            stopped.eq(ordered & caught),
            caught.eq(gate.tx_en & (caught | lane[3] | killed.bit_select(lane[:3], 1))),
        ]

        # A frame that a reset cuts may end by chance in what is the FCS of its begin: then tx_er alone tells.
        completed = judge.ended & judge.valid & ~(judge.errors & cut)
        m.d.comb += Assert(~(completed & late), "P1: an order of a killed lane completed")
        # More than P1 asks for: two cycles suffice, no arm in between undoes it, and tx_er tells as well.
        if self.strict:
            leaving = gate.tx_en & ~gate.finished
            same = leaving & tcp & self.head.tcp & (lane[:3] == self.head.lane[:3])
            m.d.comb += [
                Assert(~(completed & stopped), "an order completed two cycles after the kill"),
                Assert(~(gate.skip & ~stale & same), "a head was rolled back before the frame that leaves"),
            ]
        if self.sound:
            m.d.comb += [
                Assert(~(judge.ended & stopped) | judge.errors, "an abort without tx_er"),
                Assert(latch.killed == killed, "the latch differs from the account of the lanes"),
                Assert(gate.killed == killed, "the gate differs from the account of the lanes"),
                Assert(gate.epochs == epochs, "the epochs differ from their account"),
                Assert(gate.run == run),
            ]
            staged = let_go(fetched[1], gate.value) | ~sourced & gate.check & (fetched[1][0] == Mark.ORDER)
            with m.If((gate.phase == Phase.PREAMBLE) | (gate.phase == Phase.OCTETS)):
                m.d.comb += [
                    Assert((gate.frame.lane == lane) & (gate.frame.tcp == tcp) & (gate.frame.reset == sourced)),
                    Assert(gate.frame.mine == 1 << lane[:3]),
                    Assert(gate.held == Mux(tcp, 1 << lane[:3], 0)),
                    Assert(gate.shut == (lane[3] | killed.bit_select(lane[:3], 1))),
                    Assert((gate.caught == caught) & (gate.ordered >= ordered) & (sourced | (gate.all == whole))),
                    Assert(~whole | sourced | gate.stops.all() | (gate.phase == Phase.PREAMBLE) & (gate.step == 0)),
                    Assert(~asked[3] | (gate.ordered >= staged) & (gate.check | ~foreign(fetched[1], gate.value))),
                    Assert(~sourced | ~gate.ordered & gate.own),
                ]
            self.auxiliary(m, gate, judge, asked, strange)

        ended = judge.ended & ~cut & ~lane[3] & judge.valid & ~judge.errors
        seen = Signal(reset_less=True)  # an order's octet
        m.d.sync += seen.eq((seen | asked[4] & (fetched[2][0] == Mark.ORDER)) & gate.tx_en)
        m.d.comb += [
            Cover(ended & orders & ~late, "a frame with an order passes"),
            Cover(
                ended & ~orders & seen & (killed == FIRM), "a frame passes on a killed lane with its order overwritten"
            ),
            Cover(ended & sourced & (killed == FIRM), "an RST passes on a killed lane"),
            Cover(judge.ended & ~cut & ~judge.valid & judge.errors & late, "a frame is aborted"),
        ]
        return m

    def auxiliary(self, m, gate, judge, asked, strange):
        """Tie the position in the frame, and its CRC, as the monitor sees them to the gate's."""
        preamble, octets = gate.phase == Phase.PREAMBLE, gate.phase == Phase.OCTETS
        leaving, closing = preamble | octets, (gate.phase == Phase.GAP) & gate.tx_en
        m.d.comb += [
            Assert(gate.tx_en == (leaving | gate.finished)),
            Assert(~gate.finished | (gate.phase == Phase.GAP) & (gate.step == 0)),
            Assert((gate.phase != Phase.GAP) | (gate.step < GAP)),
            Assert(~preamble | (gate.step <= 6) & (gate.remaining >= SHORTEST)),
            Assert(~octets | (gate.remaining != 0)),
            Assert(octets | ~gate.last),
            Assert(~preamble | ~gate.check & ~gate.last),
            Assert(~octets | (gate.check == (gate.remaining <= 4)) & (gate.last == (gate.remaining == 1))),
            Assert(~preamble | ~gate.tail),
            Assert(~octets | (gate.tail == (gate.remaining <= 5))),
            Assert(gate.fetch == (preamble & (gate.step >= 3) | octets & (gate.remaining > 4))),
            Assert(asked[0] == (preamble & (gate.step >= 4) | octets & (gate.remaining > 3))),
            Assert(asked[1] == (preamble & (gate.step >= 5) | octets & (gate.remaining > 2))),
            Assert(asked[2] == (preamble & (gate.step >= 6) | octets & (gate.remaining > 1))),
            Assert(asked[3] == octets),
            Assert(asked[4] == (octets & judge.inside | closing)),
        ]
        # Only the FCS may differ from what was promised.
        m.d.comb += Assert(~preamble | (strange == 0))
        for back in range(4):
            fcs = gate.remaining + back + 2 <= 4
            m.d.comb += Assert(~strange[back] | ~(octets | closing) | fcs)
        # The pins show the preamble to its end, then the octets: the gate is one octet ahead of them.
        first = octets & ~judge.inside
        m.d.comb += [
            Assert(~preamble | ~judge.inside & (gate.tx_data == 0x55)),
            Assert(~first | (gate.tx_data == 0xD5) & (gate.remaining >= SHORTEST) & (gate.crc == FIRST)),
            Assert(~closing | judge.inside),
            Assert(~first & ~preamble | (judge.crc[0] == FIRST) & (judge.octets == 0)),
            Assert(~octets | (judge.octets == 4) | (judge.octets + gate.remaining >= SHORTEST - 1)),
            Assert(~closing | (judge.octets == 4)),
        ]
        own = gate.crc[::-1]
        with m.If(octets & judge.inside & (gate.remaining >= 4)):
            m.d.comb += Assert(own == divided(judge.crc[0], gate.tx_data))
        for back, remaining in enumerate((3, 2, 1)):
            with m.If(octets & (gate.remaining == remaining)):
                m.d.comb += Assert(own == (judge.crc[back] << 8 * (back + 1))[:32])


class Mutant(GateSpec):
    """A spec of broken gateware."""

    sound = strict = False

    def narrow(self, m, gate, *, length, kill, mark=Mark.OTHER):
        """Keep the search for a counterexample of more than a frame short: one scenario, chosen here, is enough."""
        head = dict.fromkeys(Descriptor.members, 0) | {"length": length, "orders": 1, "live": 1}
        m.d.comb += [
            Assume(~ResetSignal("sync")),
            Assume(self.head_valid & (self.head == Descriptor.const(head))),
            Assume((self.octet == 0) | gate.tail),
            Assume((self.mark == mark) & (self.reset_octet == 0) & (self.renew == 0)),
            Assume(self.open == Mux(kill, 0, FIRM)),
            Assume((self.request == 0) | kill),
        ]


class DeafWhileFree(Mutant):
    """A kill is ignored while the gate is idle."""

    def heard(self, m, gate):
        return Mux(gate.phase == Phase.FREE, 0, self.request)


class DeafAfterLength(Mutant):
    """A kill is ignored once a frame of 65 octets has left."""

    def heard(self, m, gate):
        deaf = Signal()
        with m.If(gate.finished & (gate.length == 65)):
            m.d.sync += deaf.eq(1)
        self.narrow(m, gate, length=65, kill=deaf)
        return Mux(deaf, 0, self.request)


class ArmWins(Mutant):
    """A kill in the cycle of an arm is lost."""

    def heard(self, m, gate):
        return self.request & ~self.open


class Blind(Mutant):
    """The marks of the octets are not looked at."""

    class gate(Gate):
        def elaborate(self, platform):
            self.mark = Signal(Mark)
            return super().elaborate(platform)


class LastOctetUpright(Mutant):
    """The last octet of the FCS is not inverted: P1 holds, not the promise of two cycles."""

    strict = True

    class gate(Gate):
        def _load(self, aborting):
            return Mux(self.last, self.value, super()._load(aborting))

    def heard(self, m, gate):
        self.narrow(m, gate, length=64, kill=(gate.phase == Phase.OCTETS) & (gate.remaining <= 3))
        return self.request


class OwnUpright(Mutant):
    """An abort does not invert the FCS of a frame in which something was overwritten."""

    class gate(Gate):
        def _load(self, aborting):
            return super()._load(aborting & ~self.own)

    def heard(self, m, gate):
        self.narrow(m, gate, length=64, kill=gate.phase == Phase.OCTETS, mark=Mark.BODY)
        return self.request


class Spoilt(Mutant):
    """Of the frame that is loaded a value is wrong."""

    def spoil(self, m, gate):
        raise NotImplementedError

    @property
    def gate(self):
        outside = self

        class SpoiltGate(Gate):
            def elaborate(self, platform):
                m = super().elaborate(platform)
                outside.spoil(m, self)  # the last statement wins
                return m

        return SpoiltGate


class FirstOctetKept(Spoilt):
    """With every order overwritten the first octet of one leaves as it came."""

    def spoil(self, m, gate):
        with m.If((gate.mark == Mark.ORDER) & ~gate.run & gate.all):
            m.d.sync += gate.value.eq(gate.octet)


class KillForgotten(Spoilt):
    """A frame that may be overwritten leaves as it is although its lane is killed when it begins."""

    def spoil(self, m, gate):
        with m.If(gate.phase == Phase.FREE):
            m.d.sync += gate.all.eq(gate.head.all)


class SecondHand(Spoilt):
    """The octets of an RST come from the buffer."""

    def spoil(self, m, gate):
        m.d.sync += gate.value.eq(gate.octet)


class StaleTaken(Mutant):
    """Epochs are not looked at."""

    class gate(Gate):
        def _stale(self):
            return Const(0)


class Hasty(Mutant):
    """A head is discarded while a frame of its session leaves."""

    strict = True

    class gate(Gate):
        def _same_session(self):
            return Const(0)


SCOPE = "kill latch and egress gate"
MUTANTS = (
    (DeafWhileFree, 40, "a kill while idle is ignored"),
    (DeafAfterLength, 180, "kills after a frame of 65 octets are ignored"),
    (ArmWins, 40, "an arm wins over a kill"),
    (Blind, 40, "marks are ignored"),
    (LastOctetUpright, 90, "the last FCS octet is not inverted"),
    (OwnUpright, 90, "an FCS of its own is not inverted"),
    (FirstOctetKept, 40, "the first octet of an order is not overwritten"),
    (KillForgotten, 40, "a frame that may be overwritten leaves as it is"),
    (SecondHand, 40, "an RST is made of the buffer's octets"),
    (StaleTaken, 40, "a stale head is taken"),
    (Hasty, 40, "a head is rolled back before the frame that leaves"),
)
JOBS = [
    Job(property="P1", scope=SCOPE, make=GateSpec, depth=4),
    Job(property="P1", scope=SCOPE, make=GateSpec, depth=90, expect="reached"),
    *(
        Job(property="P1", scope=SCOPE, make=mutant, depth=depth, mutant=text, expect="fail")
        for mutant, depth, text in MUTANTS
    ),
]

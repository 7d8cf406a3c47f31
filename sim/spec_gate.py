"""P1, proved without a bound on kill latch and egress gate: no order of a killed lane completes.

Every input is free, reset included, and nothing is assumed. The monitor stands outside: it keeps its own account of the
killed lanes and of the frame that was taken, computes its own CRC over what is on the pins, and judges a frame when
``tx_en`` falls. The auxiliary assertions tie its state to the gate's so that the induction closes; they are proved
together with P1.
"""

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import GAP, SHORTEST, Descriptor, Gate, Phase
from hdl.filter.kill import FIRM, KillLatch
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
    """From 4 cycles after a kill edge on, no frame with an order of that lane completes with a valid FCS."""

    request: In(LANES)
    open: In(LANES)
    head_valid: In(1)
    head: In(Descriptor)
    octet: In(8)
    mark: In(1)
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
            gate.killed.eq(latch.killed),
            gate.head_valid.eq(self.head_valid),
            gate.head.eq(self.head),
            gate.octet.eq(self.octet),
            gate.mark.eq(self.mark),
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

        # The account of the frame: its lane, and whether an order is in it up to the octet on the pins.
        lane, orders, asked = Signal(4, reset_less=True), Signal(reset_less=True), Signal(3)
        m.d.sync += asked.eq(Cat(gate.fetch, asked))  # the buffer answers three cycles later, and forgets in a reset
        with m.If(gate.take):
            m.d.sync += [lane.eq(self.head.lane), orders.eq(self.head.orders != 0)]
        with m.Elif(asked[2] & self.mark):
            m.d.sync += orders.eq(1)

        # In the cycle after an octet: `late`, it came when the lane had been killed for BOUND cycles; `stopped`, when a
        # kill was at least two cycles old that came while the frame was leaving. A lane that is none counts as killed.
        late, stopped, caught = Signal(reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            late.eq(orders & (lane[3] | (killed & Cat(ages)).bit_select(lane[:3], 1))),
            stopped.eq(orders & caught),
            caught.eq(gate.tx_en & (caught | lane[3] | killed.bit_select(lane[:3], 1))),
        ]

        # A frame that a reset cuts may end by chance in what is the FCS of its begin: then tx_er alone tells.
        completed = judge.ended & judge.valid & ~(judge.errors & cut)
        m.d.comb += Assert(~(completed & late), "P1: an order of a killed lane completed")
        # More than P1 asks for: two cycles suffice, no arm in between undoes it, and tx_er tells as well.
        if self.strict:
            m.d.comb += Assert(~(completed & stopped), "an order completed two cycles after the kill")
        if self.sound:
            m.d.comb += Assert(~(judge.ended & stopped) | judge.errors, "an abort without tx_er")
            m.d.comb += Assert(latch.killed == killed, "the latch differs from the account of the lanes")
            with m.If((gate.phase == Phase.PREAMBLE) | (gate.phase == Phase.OCTETS)):
                m.d.comb += Assert((gate.lane == lane) & (gate.ordered == orders) & (gate.caught == caught))
            self.auxiliary(m, gate, judge, asked)

        ended = judge.ended & ~cut & orders & ~lane[3]
        m.d.comb += Cover(ended & judge.valid & ~judge.errors, "a frame with an order passes")
        m.d.comb += Cover(ended & ~judge.valid & judge.errors & late, "a frame is aborted")
        return m

    def auxiliary(self, m, gate, judge, asked):
        """Tie the position in the frame, and its CRC, as the monitor sees them to the gate's."""
        preamble, octets = gate.phase == Phase.PREAMBLE, gate.phase == Phase.OCTETS
        leaving, closing = preamble | octets, (gate.phase == Phase.GAP) & gate.tx_en
        m.d.comb += [
            Assert(gate.tx_en == (leaving | gate.finished)),
            Assert(~gate.finished | (gate.phase == Phase.GAP) & (gate.step == 0)),
            Assert((gate.phase != Phase.GAP) | (gate.step < GAP)),
            Assert(~preamble | (gate.step <= 6) & (gate.remaining >= SHORTEST)),
            Assert(~octets | (gate.remaining != 0)),
            Assert(~preamble | ~gate.check & ~gate.last),
            Assert(~octets | (gate.check == (gate.remaining <= 4)) & (gate.last == (gate.remaining == 1))),
            Assert(gate.fetch == (preamble & (gate.step >= 4) | octets & (gate.remaining > 3))),
            Assert(asked[0] == (preamble & (gate.step >= 5) | octets & (gate.remaining > 2))),
            Assert(asked[1] == (preamble & (gate.step >= 6) | octets & (gate.remaining > 1))),
            Assert(asked[2] == octets),
        ]
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

    def narrow(self, m, gate, *, length, kill):
        """Keep the search for a counterexample of more than a frame short: one scenario, chosen here, is enough."""
        m.d.comb += [
            Assume(~ResetSignal("sync")),
            Assume(self.head_valid & (self.head.lane == 0) & (self.head.orders == 1) & (self.head.length == length)),
            Assume((self.octet == 0) | gate.check),
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
            self.mark = Const(0)
            return super().elaborate(platform)


class LastOctetUpright(Mutant):
    """The last octet of the FCS is not inverted: P1 holds, not the promise of two cycles."""

    strict = True

    class gate(Gate):
        def _load(self, aborting):
            return Mux(self.last, self.octet, super()._load(aborting))

    def heard(self, m, gate):
        self.narrow(m, gate, length=64, kill=(gate.phase == Phase.OCTETS) & (gate.remaining <= 3))
        return self.request


SCOPE = "kill latch and egress gate"
MUTANTS = (
    (DeafWhileFree, 40, "a kill while idle is ignored"),
    (DeafAfterLength, 180, "kills after a frame of 65 octets are ignored"),
    (ArmWins, 40, "an arm wins over a kill"),
    (Blind, 40, "marks are ignored"),
    (LastOctetUpright, 90, "the last FCS octet is not inverted"),
)
JOBS = [
    Job(property="P1", scope=SCOPE, make=GateSpec, depth=4),
    Job(property="P1", scope=SCOPE, make=GateSpec, depth=90, expect="reached"),
    *(
        Job(property="P1", scope=SCOPE, make=mutant, depth=depth, mutant=text, expect="fail")
        for mutant, depth, text in MUTANTS
    ),
]

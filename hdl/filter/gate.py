"""The egress gate: lets frames leave one after another, and stops those of a killed lane."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.fcs import INIT, crc32
from hdl.wire.verdict import LANES

GAP = 12  # idle octet times between frames (IEEE 802.3-2022 §4.4.2)
SHORTEST = 64  # octets: bits 10..6 of a length tell

Descriptor = data.StructLayout(
    {
        "length": 11,  # octets with FCS
        "lane": 4,  # 8: no lane
        "orders": 7,  # that the frame holds
        "reservations": 5,  # that it made, from `base` in the journal
        "base": 8,
        "stamp": 16,  # low bits of `now` in the cycle in which its last octet came in
    }
)


class OutcomeKind(enum.Enum, shape=2):
    """What became of a frame at the gate."""

    SENT = 0
    DISCARDED = 1  # never began
    ABORTED = 2  # left with tx_er and an inverted FCS
    STALE = 3


Outcome = data.StructLayout(
    {
        "kind": OutcomeKind,
        "lane": 4,
        "orders": 7,
        "reservations": 5,
        "base": 8,
        "length": 11,
        "tcp": 1,
        "reset": 1,
        "all": 1,
        "stopped": 7,
        "reason": 6,
        "advance": 11,
        "epoch": 1,
        "finished": 1,
        "slot": 5,
    }
)


class Phase(enum.Enum, shape=2):
    """What is loaded into the pins' registers in this cycle."""

    GAP = 0
    FREE = 1  # the head, if it may
    PREAMBLE = 2
    OCTETS = 3


class Gate(wiring.Component):
    """Sends the head of the queue, unless it holds orders of a killed lane.

    ``take`` in cycle S puts 0x55 on the pins in S + 1 to S + 7, 0xD5 in S + 8 and octet i of the frame in S + 9 + i;
    the first preamble octet of the next frame follows the last octet by at least 13 cycles. Only the last four octets,
    the FCS, are ever altered.

    The kill. A head with orders of a killed lane is not taken but discarded by ``skip``: in any cycle, also while
    another frame leaves, one head per cycle, except in the cycle that loads a frame's last octet. A frame that is
    leaving while its lane is killed and that has orders, by its descriptor or by a marked octet up to now, is aborted:
    octets loaded while ``killed`` shows it or later, on the pins from two cycles after the kill edge on, carry
    ``tx_er``, and those of them that belong to the FCS are the inverse of the FCS over what was sent. The frame keeps
    its length, and an arm does not end the abort. A frame whose last octet was loaded before is complete at most one
    cycle after the kill edge.

    Every doubt stops the frame: lanes above 7 count as killed, so that a frame of no lane with orders or marks never
    leaves whole, and a head shorter than 64 octets is discarded. A reset cuts the frame short and reports nothing.

    Members
    -------
    now : In(64)
    killed : In(8)
    head_valid, head : In(1), In(Descriptor)
    take, skip, head_pop : Out(1)
        Combinational, only with ``head_valid``: the head begins to leave; the head is discarded; either of them. The
        next head, or none, must show in the cycle after. A head can be discarded while octets of another frame are
        fetched.
    fetch : Out(1)
        Takes the next octet of the frame taken last; high in S + 5 to S + 4 + length.
    octet, mark : In(8), In(1)
        The octet fetched three cycles ago, and whether it belongs to an order.
    tx_data, tx_en, tx_er : Out
        The pins.
    started : Out(1)
        Strobe: the first preamble octet is on the pins.
    dwell, gap, length : Out(16), Out(16), Out(11)
        From ``started`` to the next: ``now`` less the descriptor's stamp; cycles of ``now`` since the last octet of the
        predecessor was on the pins, 65535 when there were more, or no predecessor since reset; octets with FCS.
    finished : Out(1)
        Strobe: the last octet is on the pins. Its outcome is SENT or ABORTED.
    outcome_valid, outcome : Out(1), Out(Outcome)
        Strobe: what became of a frame, with ``finished`` or in the cycle after ``skip``.
    busy : Out(1)
        Not at rest: a head, a frame, its gap, an outcome.
    """

    now: In(64)
    killed: In(LANES)
    head_valid: In(1)
    head: In(Descriptor)
    take: Out(1)
    skip: Out(1)
    head_pop: Out(1)
    fetch: Out(1)
    octet: In(8)
    mark: In(1)
    tx_data: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    started: Out(1)
    dwell: Out(16)
    gap: Out(16)
    length: Out(11)
    finished: Out(1)
    outcome_valid: Out(1)
    outcome: Out(Outcome)
    busy: Out(1)

    def __init__(self):
        super().__init__()
        # State that the proof's invariants speak of.
        self.phase = Signal(Phase)
        self.step = Signal(range(GAP))  # within the gap or the preamble
        self.remaining = Signal(11)  # octets not yet loaded
        self.check = Signal()  # remaining <= 4: what is loaded is the FCS
        self.last = Signal()  # remaining == 1
        self.crc = Signal(32)  # over the octets loaded; in the FCS, what is left of it
        self.lane = Signal(4)
        self.ordered = Signal()  # by the descriptor, or a mark
        self.caught = Signal()  # its lane was killed while it was leaving

    def elaborate(self, platform):
        m = Module()
        leaving, ending, stopped = Signal(), Signal(), Signal()
        ordered, caught, aborting = Signal(), Signal(), Signal()  # including this cycle
        m.d.comb += [
            stopped.eq(self.head.orders.any() & self._closed(self.head.lane) | ~self.head.length[6:].any()),
            leaving.eq((self.phase == Phase.PREAMBLE) | (self.phase == Phase.OCTETS)),
            ending.eq((self.phase == Phase.OCTETS) & self.last),
            self.take.eq(self.head_valid & ~stopped & (self.phase == Phase.FREE)),
            self.skip.eq(self.head_valid & stopped & ~ending),
            self.head_pop.eq(self.take | self.skip),
            ordered.eq(self.ordered | (self.phase == Phase.OCTETS) & self.mark),
            caught.eq(self.caught | self._closed(self.lane)),
            aborting.eq(ordered & caught),
            self.busy.eq((self.phase != Phase.FREE) | self.head_valid | self.outcome_valid),
        ]
        m.d.sync += [
            self.tx_data.eq(0),
            self.tx_en.eq(leaving | self.take),
            self.tx_er.eq(leaving & aborting),
            self.step.eq(self.step + 1),
        ]
        with m.Switch(self.phase):
            with m.Case(Phase.GAP), m.If(self.step == GAP - 1):
                m.d.sync += self.phase.eq(Phase.FREE)
            with m.Case(Phase.FREE):
                m.d.sync += self.step.eq(0)
                with m.If(self.take):
                    m.d.sync += [self.phase.eq(Phase.PREAMBLE), self.tx_data.eq(0x55)]
            with m.Case(Phase.PREAMBLE):
                m.d.sync += [self.tx_data.eq(0x55), self.caught.eq(caught), self.crc.eq(INIT)]
                with m.If(self.step == 3):
                    m.d.sync += self.fetch.eq(1)  # three octets ahead, as long as the buffer takes
                with m.If(self.step == 6):
                    m.d.sync += [self.phase.eq(Phase.OCTETS), self.tx_data.eq(0xD5)]
            with m.Case(Phase.OCTETS):
                m.d.sync += [
                    self.step.eq(0),
                    self.tx_data.eq(self._load(aborting)),
                    self.caught.eq(caught),
                    self.crc.eq(Mux(self.check, self.crc >> 8, crc32(self.crc, self.octet))),
                    self.ordered.eq(ordered),
                    self.remaining.eq(self.remaining - 1),
                    self.last.eq(self.remaining == 2),
                ]
                with m.If(self.remaining == 5):
                    m.d.sync += self.check.eq(1)
                with m.If(self.remaining == 4):
                    m.d.sync += self.fetch.eq(0)
                with m.If(self.last):
                    m.d.sync += self.phase.eq(Phase.GAP)

        with m.If(self.take):
            m.d.sync += [
                self.remaining.eq(self.head.length),
                self.check.eq(0),
                self.last.eq(0),
                self.lane.eq(self.head.lane),
                self.ordered.eq(self.head.orders.any()),
                self.caught.eq(0),
            ]

        self._report(m, ending, aborting)
        self._measure(m, leaving)
        return m

    def _closed(self, lane):
        return lane[3] | self.killed.bit_select(lane[:3], 1)

    def _load(self, aborting):
        # What is left of `crc` is to be sent inverted: as it stands it is the inverse of that.
        return Mux(self.check & aborting, self.crc[:8], self.octet)

    def _report(self, m, ending, aborting):
        frame = Signal(Descriptor)
        with m.If(self.take):
            m.d.sync += frame.eq(self.head)
        m.d.sync += [self.finished.eq(ending), self.outcome_valid.eq(ending | self.skip)]
        for field in Outcome.members:
            if field != "kind":
                m.d.sync += self.outcome[field].eq(Mux(ending, frame[field], self.head[field]))
        with m.If(~ending):
            m.d.sync += self.outcome.kind.eq(OutcomeKind.DISCARDED)
        with m.Elif(aborting):
            m.d.sync += self.outcome.kind.eq(OutcomeKind.ABORTED)
        with m.Else():
            m.d.sync += self.outcome.kind.eq(OutcomeKind.SENT)

    def _measure(self, m, leaving):
        # `ended` is `now` two cycles before the gap's begin and `elapsed` is two cycles behind: nothing to add.
        ended, elapsed, alone = Signal(64), Signal(64), Signal(init=1)
        m.d.sync += [self.started.eq(self.take), elapsed.eq(self.now - ended)]
        with m.If(leaving & ~self.last):
            m.d.sync += [ended.eq(self.now), alone.eq(0)]
        with m.If(self.take):
            m.d.sync += [
                self.dwell.eq(self.now - self.head.stamp + 1),
                self.gap.eq(Mux(alone | elapsed[16:].any(), 0xFFFF, elapsed[:16])),
                self.length.eq(self.head.length),
            ]

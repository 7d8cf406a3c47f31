"""The TCP sessions of the lanes: which octets of a segment are new, and whether it may pass at all."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import Outcome, OutcomeKind
from hdl.filter.headers import FLAGS
from hdl.wire.ethernet import TcpFlag
from hdl.wire.registers import HISTORY
from hdl.wire.verdict import LANES, Action, Reason

SLOTS = 32  # contexts of frames that wait to leave; behind them one of each lane
ROOM = SLOTS - 3  # frames in flight with which the next may still be accepted
_NEAR = 14  # bits of a signed difference of numbers no more than HISTORY and a frame apart

# What a frame of the return path says about a session; right while `valid`, and until the next one.
EVIDENCE = data.StructLayout(
    {"lane": 4, "port": 16, "flags": 8, "sequence": 32, "acknowledgment": 32, "payload_length": 11}
)


class Session(wiring.Component):
    """Keeps a TCP session for each lane and judges the place of every segment in it.

    The rules. A SYN is let through and remembered; when the exchange answers it, by SYN and ACK of the right number,
    the session of its port is open, whatever was open before. Octets are accepted in order, once: what is beyond the
    next one expected is a gap, what is below it is compared with the history (`hdl.filter.history`) and not parsed
    again. Octets that have not left yet are not repeated, octets below the exchange's last ACK neither, and no octet
    is accepted that would leave more than HISTORY unacknowledged: so the history always covers what may be repeated.
    A keep-alive's one octet passes uncompared when the exchange has acknowledged it. An ACK without payload passes
    wherever it stands.

    Accepting is provisional. A frame that is kept moves the lane's next number; what the gate reports as sent moves
    `sent`; if a frame does not leave after all, the lane falls back to `sent`, and the frames behind it, which carry
    the lane's old epoch, never leave. A frame whose lane fell back between its sampling and its verdict is
    ROLLED_BACK.

    Nothing withheld by a kill goes out later (P9). What was accepted and fell back, and what came while the lane was
    killed, is withheld: as long as the next number is below its end, the lane counts as killed for its segments, armed
    or not.

    Cycles: a is the one of ``located``. The lane's state is sampled in a; a commit, an evidence, an arm of the cycle
    before is seen. ``flags``, ``mute``, ``advance`` are right from a + 12 to the next ``located``, ``old_left`` from
    a + 3. Sequence numbers count modulo 2^32.

    Members
    -------
    tcp_lanes, actions : In(8), In(16)
        From the settings; an action is two bits, lane 0 lowest.
    open : In(1)
        Every frame's cycle 12: there is no segment until ``located``.
    located, lane, source_port, sequence, tcp_flags, payload_length : In
        From `Headers`.
    flags : Out(FLAGS)
        Bits numbered as `Reason`: FENCED to FINISHED without HISTORY. 0 for a frame that is no segment of a lane.
    segment : Out(1)
        The frame is a segment of a TCP lane.
    repeats : Out(1)
        Octets below the next number count as repeated: the history's findings are meant.
    mute : Out(1)
        The payload is neither compared nor parsed: it does not pass, or is a keep-alive's.
    stale : Out(1)
        The next number is below what a kill withheld.
    old_left : Out(12)
        Octets of the payload, from its first on, that were accepted before.
    position, advance : Out(11), Out(11)
        For the descriptor: low bits of the number of the first payload octet; new octets.
    epoch, finished, slot : Out(1), Out(1), Out(5)
        For the descriptor; ``finished``: a FIN was accepted, with this frame or before.
    full : Out(1)
        Too many frames are in flight; settled long before a frame ends.
    anew, load_slot : Out(1), Out(6)
        From a + 1 on: the session is new, the parsers' context is the beginning; else that at the next number is in
        this slot.
    kept, fence, latch : In(1)
        In the cycle after ``end``: the frame is kept; its lane is fenced, with RSTs or without.
    withhold : In(1)
        In the cycle after ``end``: the lane was killed, and nothing was wrong with the frame but maybe its place.
    save, commit, commit_slot, commit_lane : Out
        Strobes for the contexts: the frame's goes to ``slot``; the one in a slot becomes the lane's.
    learn : Out(1)
        Strobe with ``save``: the frame is a SYN.
    epochs : In(8)
        The gate's.
    outcome_valid, outcome : In
        The gate's; they count two cycles later.
    renew, accepted : Out(8), Out(8)
        For the gate. Strobes: a new session begins, frames of the old one must not leave; the lanes' epochs.
    evidence_valid, evidence : In(1), In(EVIDENCE)
        A right frame of the return path has ended; they come at least 64 cycles apart. It counts four cycles later, or
        as soon as the gate has had no outcome of a segment in the five cycles before.
    missing : Out(1)
        The frame of the return path that ``evidence`` tells of is of a lane's open session, and octets before it are
        missing. Right from two cycles behind lane, port and sequence on, if it has payload.
    heard, skip : Out(1), Out(11)
        Strobe, when an evidence counts: the payload of the frame without its first ``skip`` octets goes on with the
        session's.
    armed : In(8)
        Strobes: an arm names these lanes.
    fenced, opened : Out(8), Out(8)
        State of the lanes.
    began, began_lane, began_port : Out(1), Out(3), Out(16)
        Strobe: a session was opened.
    sent, back : Out(32), Out(32)
        Of ``lane``: the exchange's and the server's next expected number, for an RST; ``sent`` as of the cycle before.
    reset_lane, reset_sent, reset_back : In(3), Out(32), Out(32)
        The same, of any lane.
    """

    tcp_lanes: In(LANES)
    actions: In(2 * LANES)
    open: In(1)
    located: In(1)
    lane: In(4)
    source_port: In(16)
    sequence: In(32)
    tcp_flags: In(8)
    payload_length: In(11)
    flags: Out(FLAGS)
    segment: Out(1)
    repeats: Out(1)
    mute: Out(1)
    stale: Out(1)
    old_left: Out(12)
    position: Out(11)
    advance: Out(11)
    epoch: Out(1)
    finished: Out(1)
    slot: Out(5)
    full: Out(1)
    anew: Out(1)
    load_slot: Out(6)
    kept: In(1)
    fence: In(1)
    latch: In(1)
    withhold: In(1)
    save: Out(1)
    commit: Out(1)
    commit_slot: Out(5)
    commit_lane: Out(3)
    learn: Out(1)
    epochs: In(LANES)
    outcome_valid: In(1)
    outcome: In(Outcome)
    renew: Out(LANES)
    accepted: Out(LANES)
    evidence_valid: In(1)
    evidence: In(EVIDENCE)
    missing: Out(1)
    heard: Out(1)
    skip: Out(11)
    armed: In(LANES)
    fenced: Out(LANES)
    opened: Out(LANES)
    began: Out(1)
    began_lane: Out(3)
    began_port: Out(16)
    sent: Out(32)
    back: Out(32)
    reset_lane: In(3)
    reset_sent: Out(32)
    reset_back: Out(32)

    def __init__(self):
        super().__init__()
        # Of each lane. `pending`: a SYN waits for its answer. `closed`, `closing`: a FIN has left, was accepted.
        # `blank`: no frame has left yet. `flying`: some that were accepted have not left.
        self._live, self._fences, self._pending = Signal(LANES), Signal(LANES), Signal(LANES)
        self._closed, self._closing, self._blank, self._epochs, self._flying = (Signal(LANES) for _ in range(5))
        self._syn, self._moved = Signal(), Signal(32)  # it is a segment with a SYN; of the segment
        self._end, self._above = Signal(32), Signal()  # of the segment: and it is above what is withheld
        self._cut = Signal()  # of the outcome: it was discarded, on a lane that is to be cut off
        self._counting = Signal()  # an outcome; nothing else changes what is withheld then
        self._settles = Signal()  # in the next cycle no other outcome is being counted than one that comes then
        self._learning = Signal()  # from an evidence
        self._reported, self._outcome = Signal(), Signal(Outcome)  # the gate's, a cycle late
        self._numbers = {
            name: memory.Memory(shape=bits, depth=LANES, init=[], attrs={"ram_style": "distributed"})
            for name, bits in (
                ("next", 32), ("sent", 32), ("acked", 32), ("back", 32), ("withheld", 32), ("port", 16),
                ("pending_port", 16), ("pending_next", 32), ("last_slot", 5),
            )
        }  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        for name, numbers in self._numbers.items():
            m.submodules[name] = numbers
        m.d.sync += [self._reported.eq(self.outcome_valid), self._outcome.eq(self.outcome)]
        here = Signal(3)  # the segment's lane: a register of its own, near to what it selects
        m.d.sync += here.eq(self.lane)
        keeping, commit, fall_back = Signal(), Signal(), Signal()
        their = Signal(3)  # lane of the outcome
        self._judge(m, here)
        self._accept(m, here, keeping)
        landed = Signal()
        sum_ = self._settle(m, here, their, commit, fall_back, landed)
        # One bit, for the lane of the outcome, and of the evidence.
        theirs, told = Signal(LANES), Signal(LANES)
        m.d.sync += [theirs.eq(1 << self._outcome.lane[:3]), told.eq(1 << self.evidence.lane[:3])]
        self._learn(m, their, told, commit, sum_)
        self._withhold(m, here, their, fall_back)

        # The last frame of a lane is what flies longest.
        for lane in range(LANES):
            with m.If((fall_back & theirs[lane]) | (self.began & told[lane])):
                m.d.sync += [self._flying[lane].eq(0), self._epochs[lane].eq(~self._epochs[lane])]
            with m.Elif(keeping & (here == lane)):
                m.d.sync += self._flying[lane].eq(1)
            with m.Elif(landed & theirs[lane]):
                m.d.sync += self._flying[lane].eq(0)

        m.d.comb += [self.renew.eq(told & self.began.replicate(LANES)), self.accepted.eq(self._epochs)]

        # An arm opens what a fence has shut; the session is gone. A fence of the same cycle wins.
        m.d.sync += [
            self._fences.eq(self._fences & ~self.armed),
            self._live.eq(self._live & ~(self._fences & self.armed)),
        ]
        for lane in range(LANES):
            with m.If(self.began & told[lane]):
                m.d.sync += self._live[lane].eq(1)
        with m.If(self.fence | self.latch):
            m.d.sync += self._fences.bit_select(here, 1).eq(1)
        with m.If(fall_back & self._cut):
            m.d.sync += self._fences.bit_select(their, 1).eq(1)

        for lane, sent in ((here, self.sent), (self.reset_lane, self.reset_sent)):
            number, closed = Signal(32), Signal()
            m.d.sync += [number.eq(self._read(m, "sent", lane)), closed.eq(self._closed.bit_select(lane, 1))]
            m.d.comb += sent.eq(number + closed)
        m.d.comb += [
            self.back.eq(self._read(m, "back", here)),
            self.reset_back.eq(self._read(m, "back", self.reset_lane)),
            self.fenced.eq(self._fences),
            self.opened.eq(self._live),
        ]
        return m

    def _read(self, m, name, lane):
        port = self._numbers[name].read_port(domain="comb")
        m.d.comb += port.addr.eq(lane)
        return port.data

    def _write(self, m, name, lane, enable, value):
        port = self._numbers[name].write_port()
        m.d.comb += [port.addr.eq(lane), port.en.eq(enable), port.data.eq(value)]

    def _judge(self, m, here):
        """The lane's state as the segment meets it, and what follows from it."""
        accepted, sent, acked, port, last_slot = Signal(32), Signal(32), Signal(32), Signal(16), Signal(5)
        fenced, live, flying, blank, closing, closed = (Signal() for _ in range(6))
        asked, some, owed = Signal(), Signal(), Signal(32)
        m.d.sync += asked.eq(self.located)
        with m.If(self.open):
            m.d.sync += self.segment.eq(0)
        with m.If(asked):
            m.d.sync += self.segment.eq(self.tcp_lanes.bit_select(here, 1))
        lane = self.lane[:3]
        with m.If(self.located):
            m.d.sync += [
                accepted.eq(self._read(m, "next", lane)),
                sent.eq(self._read(m, "sent", lane)),
                acked.eq(self._read(m, "acked", lane)),
                port.eq(self._read(m, "port", lane)),
                last_slot.eq(self._read(m, "last_slot", lane)),
                fenced.eq(self._fences.bit_select(lane, 1)),
                live.eq(self._live.bit_select(lane, 1)),
                flying.eq(self._flying.bit_select(lane, 1)),
                blank.eq(self._blank.bit_select(lane, 1)),
                closing.eq(self._closing.bit_select(lane, 1)),
                closed.eq(self._closed.bit_select(lane, 1)),
                self.epoch.eq(self._epochs.bit_select(lane, 1)),
            ]
        following, finishing = Signal(32), Signal()
        m.d.comb += [
            self.anew.eq(~flying & blank),
            self.load_slot.eq(Mux(flying, last_slot, SLOTS | here)),
            following.eq(Mux(flying, accepted, sent)),
            finishing.eq(Mux(flying, closing, closed)),
        ]

        withheld = self._read(m, "withheld", here)
        over_withheld, end = Signal(32), Signal(32)
        m.d.sync += [
            end.eq(self.sequence + self.payload_length),
            over_withheld.eq(end - withheld),
            owed.eq(withheld - following),
            self.stale.eq(self.segment & positive(owed)),
        ]
        m.d.comb += [self._end.eq(end), self._above.eq(positive(over_withheld) & some)]

        # Signed: where it begins, in a + 2, and from when its length is known on, where it ends. What is neither a gap
        # nor old begins no further below the next number than HISTORY, and above the last ACK: bits above tell nothing.
        ahead, above_ack, above_sent = Signal(32), Signal(32), Signal(_NEAR)
        beyond, unacked, over_sent, unsent = Signal(_NEAR), Signal(_NEAR), Signal(_NEAR), Signal()
        m.d.sync += [
            ahead.eq(self.sequence - following),
            above_ack.eq(self.sequence - acked),
            above_sent.eq(self.sequence - sent),
            unsent.eq(flying & (accepted[:_NEAR] != sent[:_NEAR])),
            beyond.eq(ahead[:_NEAR] + self.payload_length),
            unacked.eq(above_ack[:_NEAR] + self.payload_length),
            over_sent.eq(above_sent + self.payload_length),
            self.old_left.eq(Mux(ahead[31], -ahead[:12], 0)),
        ]
        syn, fin, one = Signal(), Signal(), Signal()
        same_port, at_next, before_next = Signal(), Signal(), Signal()
        m.d.sync += [
            syn.eq(self.tcp_flags[TcpFlag.SYN]),
            fin.eq(self.tcp_flags[TcpFlag.FIN]),
            some.eq(self.payload_length != 0),
            one.eq(self.payload_length == 1),
            same_port.eq(port == self.source_port),
            at_next.eq(ahead == 0),
            before_next.eq(ahead.all()),
        ]
        alive, octets, placed = Signal(), Signal(), Signal()
        m.d.comb += [
            alive.eq(one & ~fin & before_next & above_ack[31]),  # a keep-alive's octet
            octets.eq(some & ~syn & ~alive),
            placed.eq(octets | (fin & ~syn)),
        ]
        reaches, past_sent = Signal(), Signal()
        m.d.sync += [reaches.eq(positive(beyond)), past_sent.eq(positive(over_sent))]
        flags = {
            Reason.FENCED: fenced,
            Reason.NO_SESSION: ~syn & ~(live & same_port),
            Reason.GAP: placed & ~ahead[31] & ~at_next,
            Reason.OLD: placed & (above_ack[31] | (fin & beyond[-1])),
            Reason.IN_FLIGHT: octets & ahead[31] & unsent & past_sent,
            Reason.WINDOW: octets & (unacked > HISTORY),
            Reason.FINISHED: octets & finishing & reaches,
        }
        found, rolled_back = Signal(FLAGS), Signal()
        m.d.sync += [found[reason].eq(self.segment & flag) for reason, flag in flags.items()]
        m.d.sync += rolled_back.eq(self.segment & ~syn & (self.epoch ^ self.epochs.bit_select(here, 1)))
        m.d.comb += self.flags.eq(found | (rolled_back << Reason.ROLLED_BACK))
        m.d.sync += [
            self.repeats.eq(self.segment & octets),
            self.mute.eq(self.segment & (Cat(flags.values()).any() | alive)),
            self.advance.eq(Mux(octets & reaches, beyond[:11], 0)),
            self.finished.eq(finishing | (fin & ~syn)),
            self._syn.eq(self.segment & syn),
            self._moved.eq(following + self.advance),
        ]
        m.d.comb += self.position.eq(self.sequence[:11])

    def _accept(self, m, here, keeping):
        """The frame is kept: its lane moves on, provisionally. A SYN is remembered."""
        answer = Signal(32)
        m.d.sync += answer.eq(self.sequence + 1)
        m.d.comb += [keeping.eq(self.kept & self.segment), self.save.eq(keeping), self.learn.eq(self.kept & self._syn)]
        self._write(m, "next", here, keeping, self._moved)
        self._write(m, "last_slot", here, keeping, self.slot)
        self._write(m, "pending_port", here, self.learn, self.source_port)
        self._write(m, "pending_next", here, self.learn, answer)
        with m.If(keeping):
            m.d.sync += [self.slot.eq(self.slot + 1), self._closing.bit_select(here, 1).eq(self.finished)]
        with m.If(self.learn):
            m.d.sync += self._pending.bit_select(here, 1).eq(1)

    def _settle(self, m, here, their, commit, fall_back, landed):
        """What became of a frame at the gate, two cycles later; return the lane's `sent` after it."""
        outcome, arriving, valid, mine, sum_ = Signal(Outcome), Signal(), Signal(), Signal(), Signal(32)
        sent, fallen, newest = Signal(), Signal(), Signal()  # of the lane's last frame that was kept
        recent = Signal(3)  # what an outcome changes is read, and compared
        reported, lane, behind = self._outcome, Signal(3), Signal()
        coming = self.outcome_valid & self.outcome.streamed
        action = Array(self.actions.word_select(lane, 2) for lane in range(LANES))[lane]
        m.d.comb += arriving.eq(self._reported & reported.streamed)
        m.d.sync += [
            recent.eq(Cat(valid, recent)),
            valid.eq(arriving),
            outcome.eq(reported),
            sum_.eq(self._read(m, "sent", lane) + reported.advance),
            # The one before it may make its lane fall back in this cycle.
            mine.eq(arriving & ~behind & (reported.epoch == self._epochs.bit_select(lane, 1))),
            sent.eq(reported.kind == OutcomeKind.SENT),
            fallen.eq((reported.kind == OutcomeKind.ABORTED) | (reported.kind == OutcomeKind.DISCARDED)),
            self._cut.eq((reported.kind == OutcomeKind.DISCARDED) & (action == Action.CUT)),
            newest.eq((reported.slot == self._read(m, "last_slot", lane)) & ~(self.save & (here == lane))),
        ]
        m.d.comb += [
            self._counting.eq(valid),
            their.eq(outcome.lane),
            lane.eq(reported.lane),
            behind.eq(fall_back & (their == lane)),
            commit.eq(mine & sent),
            fall_back.eq(mine & fallen),
            landed.eq(commit & newest),
            self._settles.eq(~(coming | arriving | valid | recent[:2].any())),
            self.commit.eq(commit),
            self.commit_slot.eq(outcome.slot),
            self.commit_lane.eq(their),
        ]
        with m.If(commit):
            m.d.sync += [self._closed.bit_select(their, 1).eq(outcome.finished), self._blank.bit_select(their, 1).eq(0)]
        # Every frame that was kept has one outcome, and leaves its slot with it.
        waiting = Signal(range(SLOTS + 1))
        m.d.sync += [waiting.eq(waiting + self.save - valid), self.full.eq(waiting >= ROOM)]
        return sum_

    def _learn(self, m, their, told_mask, commit, sum_):
        """What the return path tells: read, compared, and written when no outcome is in the way."""
        told = self.evidence
        lane, step, done, waits = told.lane[:3], Signal(4), Signal(), Signal()
        m.d.comb += [waits.eq(step[2] | (step[3] & ~done)), self._learning.eq(step[3])]
        m.d.sync += [
            step.eq(Cat(self.evidence_valid & ~told.lane[3], step[:2], waits)),
            done.eq(waits & self._settles),
        ]

        acked, sent, back, port = Signal(32), Signal(_NEAR), Signal(32), Signal(16)
        pending_port, pending_next = Signal(16), Signal(32)
        m.d.sync += [
            acked.eq(self._read(m, "acked", lane)),
            sent.eq(self._read(m, "sent", lane)),
            back.eq(self._read(m, "back", lane)),
            port.eq(self._read(m, "port", lane)),
            pending_port.eq(self._read(m, "pending_port", lane)),
            pending_next.eq(self._read(m, "pending_next", lane)),
        ]
        syn, ack, rst, fin = (told.flags[flag] for flag in (TcpFlag.SYN, TcpFlag.ACK, TcpFlag.RST, TcpFlag.FIN))
        open_, of_session, of_pending, answers = Signal(), Signal(), Signal(), Signal()
        newer, later, behind, taken = Signal(32), Signal(_NEAR), Signal(32), Signal(12)
        known, continues, some = Signal(32), Signal(), Signal()  # `known`: octets of the frame below `back`
        m.d.comb += of_session.eq(open_ & ~syn)
        m.d.sync += [
            open_.eq((self._live & told_mask).any() & (port == told.port)),
            of_pending.eq((self._pending & told_mask).any() & (pending_port == told.port) & syn & ack & ~rst),
            answers.eq(told.acknowledgment == pending_next),
            known.eq(back - told.sequence),
            continues.eq(~known[12:].any() & (known[:12] < taken)),
            some.eq(known[:11] < told.payload_length),
            newer.eq(told.acknowledgment - acked),
            later.eq(told.acknowledgment[:_NEAR] - sent),
            taken.eq(Mux(syn, 1, told.payload_length + fin)),
            behind.eq(told.sequence + taken),
        ]
        acknowledges, opens, goes_on, hears = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            # `sent` is no further above the last ACK than HISTORY.
            acknowledges.eq(of_session & ack & positive(newer) & ~newer[_NEAR - 1 :].any() & ~positive(later)),
            opens.eq(of_pending & answers),
            goes_on.eq(of_session & continues),
            hears.eq(of_session & continues & some),
        ]
        m.d.comb += [
            self.began.eq(done & opens),
            self.began_lane.eq(lane),
            self.began_port.eq(told.port),
            self.missing.eq(open_ & known[-1]),
            self.heard.eq(done & hears),
            self.skip.eq(known[:11]),
        ]
        self._write(m, "acked", lane, done & (acknowledges | opens), told.acknowledgment)
        self._write(m, "back", lane, done & (goes_on | opens), behind)
        self._write(m, "port", lane, self.began, told.port)
        self._write(m, "sent", Mux(commit, their, lane), commit | self.began, Mux(commit, sum_, told.acknowledgment))
        for number in range(LANES):
            with m.If(self.began & told_mask[number]):
                m.d.sync += [self._pending[number].eq(0), self._closed[number].eq(0), self._blank[number].eq(1)]

    def _withhold(self, m, here, their, fall_back):
        """Move the end of what is withheld: when a lane falls back, when it is killed, when a session begins."""
        following, ahead = Signal(32), Signal(32)  # the lane's next number, and how far it is above
        lane = self._outcome.lane[:3]
        fallen = self._read(m, "next", lane)
        m.d.sync += [following.eq(fallen), ahead.eq(fallen - self._read(m, "withheld", lane))]
        falls = Signal()
        m.d.comb += falls.eq(fall_back & positive(ahead))

        # A segment waits until no outcome has come for a while: then what it is compared with is up to date.
        waiting, extend, settled = Signal(), Signal(), Signal()
        # Nor while a frame of the return path is being learnt from. An outcome that shows only now writes later.
        m.d.sync += settled.eq(self._settles)
        m.d.comb += extend.eq(waiting & settled & ~self._learning)
        with m.If(self.withhold):
            m.d.sync += waiting.eq(1)
        with m.Elif(extend | (self.began & (self.began_lane == here))):
            m.d.sync += waiting.eq(0)
        self._write(
            m,
            "withheld",
            Mux(self._counting, their, Mux(self.began, self.began_lane, here)),
            falls | self.began | (extend & self._above),
            Mux(self._counting, following, Mux(self.began, self.evidence.acknowledgment, self._end)),
        )


def positive(number):
    """Tell whether a signed number is above 0."""
    return ~number[-1] & number.any()

"""The egress gate: lets frames leave one after another, and stops or rewrites those of a killed lane."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.fcs import INIT, crc32
from hdl.filter.kill import FIRM
from hdl.filter.marks import PAYLOAD, Mark, Past
from hdl.filter.reset import RESET_OCTETS
from hdl.wire.soup import FILLER, Client
from hdl.wire.verdict import LANES

GAP = 12  # idle octet times between frames (IEEE 802.3-2022 §4.4.2)
SHORTEST = 64  # octets: bits 10..6 of a length tell

# What the gate has to know of a frame before it leaves.
Descriptor = data.StructLayout(
    {
        "lane": 4,  # 8: no lane
        "length": 11,  # octets with FCS
        "tcp": 1,
        "reset": 1,  # no frame of the buffer but an RST, of RESET_OCTETS
        "all": 1,  # every order of the frame is overwritten
        "orders": 1,  # some are let go, if nothing stops them later
        "rewritable": 1,  # it may leave with every order overwritten
        "live": 1,  # without `all`, octets of an order leave as they came
        "cut": 1,  # discard it whenever its lane is killed
        "epoch": 1,  # of the lane, when the frame was accepted
    }
)

# As it stands at the gate: with what the decision needs of it made ready.
Head = data.StructLayout(
    {
        **{name: field.shape for name, field in Descriptor},
        "mine": LANES,  # one bit for its lane; lanes above 7 have that of the low three bits
        "session": LANES,  # as `mine`; 0 if it is of none
        "barred": LANES,  # as `mine`; 0 if it may begin on a killed lane, as it is or overwritten
        "streamed": 1,  # of a session, and no RST
        "unfit": 1,  # it must not begin in any case: no frame at all, or to be stopped and of no lane
    }
)


# What of that is worked out before a descriptor waits in the queue.
Entry = data.StructLayout({**{name: field.shape for name, field in Descriptor}, "stoppable": 1, "unfit": 1})


def entry_of(m, descriptor):
    """Return an `Entry` for a descriptor."""
    entry = Signal(Entry)
    orders = entry.cut | entry.live & ~entry.rewritable & ~entry.all
    m.d.comb += [entry[name].eq(descriptor[name]) for name in Descriptor.members]
    m.d.comb += [
        entry.stoppable.eq(~entry.reset & orders),
        entry.unfit.eq(~entry.length[6:].any() | orders & entry.lane[3]),  # an RST, which comes late, is of a lane
    ]
    return entry


def head_of(m, entry):
    """Return a `Head` for an entry."""
    head, mine = Signal(Head), Signal(LANES)
    m.d.comb += [head[name].eq(entry[name]) for name in (*Descriptor.members, "unfit")]
    m.d.comb += [
        mine.eq(1 << head.lane[:3]),
        head.mine.eq(mine),
        head.session.eq(mine & head.tcp.replicate(LANES)),
        head.barred.eq(mine & entry.stoppable.replicate(LANES)),
        head.streamed.eq(head.tcp & ~head.reset),
    ]
    return head


# What there is to know of the one that leaves.
Rest = data.StructLayout(
    {
        "stops": 32,  # bit n, the highest one for all above it too: order n of the frame is overwritten
        "position": 11,  # low bits of the sequence number of the first payload octet
        "advance": 11,  # new octets of the stream
        "finished": 1,
        "slot": 5,
        "stamp": 16,  # low bits of `now` in the cycle in which its last octet came in
        "check_some": 16,  # the TCP checksum with these orders overwritten
        "check_all": 16,  # with all of them
    }
)


class OutcomeKind(enum.Enum, shape=2):
    """What became of a frame at the gate."""

    SENT = 0
    DISCARDED = 1  # never began: its lane was killed
    ABORTED = 2  # left with tx_er and an inverted FCS
    STALE = 3  # never began: a frame of its session before it did not leave whole


_OF_HEAD = ("lane", "streamed", "reset", "epoch")
_OF_REST = ("advance", "finished", "slot")
# `all` says that a kill had every order overwritten; what comes of the rest is right for a frame that was taken.
Outcome = data.StructLayout(
    {
        "kind": OutcomeKind,
        "all": 1,
        **{name: Head[name].shape for name in _OF_HEAD},
        **{name: Rest[name].shape for name in _OF_REST},
    }
)


class Phase(enum.Enum, shape=2):
    """What is loaded into the pins' registers in this cycle."""

    GAP = 0
    FREE = 1  # the head, if it may
    PREAMBLE = 2  # in this one and the next, bit 1, a frame leaves
    OCTETS = 3


class Gate(wiring.Component):
    """Sends the head of the queue, unless it would let go orders of a killed lane.

    ``take`` in cycle S puts 0x55 on the pins in S + 1 to S + 7, 0xD5 in S + 8 and octet i of the frame in S + 9 + i;
    the first preamble octet of the next frame follows the last octet by at least 13 cycles.

    What is altered. An octet marked BODY leaves as a space, TYPE as the type of a Debug packet. A run of octets marked
    ORDER is an order; the runs are numbered from 0, and one whose bit in ``stops`` is set is overwritten: its first
    octet leaves as TYPE does, the others as BODY. The octets of the TCP checksum come from ``check_some``. With ``all``
    every run is overwritten and the checksum is ``check_all``. So it is too when the lane is killed in the cycle of
    ``take`` and the frame is ``rewritable``. The last four octets, the FCS, leave as they came, unless an octet before
    them was overwritten: then the gate puts its own. Of an RST (``reset``) all octets come from ``reset_octet``, and
    the FCS is the gate's; nothing below stops one.

    The kill. A frame that lets go octets of an order (``live`` without ``all``) does not begin on a killed lane, one
    with ``cut`` does not in any case: the head is not taken but discarded by ``skip``, also while another frame leaves,
    one head per cycle, except in the cycle that loads a frame's last octet. A TCP head waits with this while a frame of
    its own session leaves: what it rolls back depends on whether that one arrives. A frame that is leaving while its
    lane is killed, and that lets go octets of an order by its descriptor (``live`` or ``orders``, neither with ``all``)
    or by its octets up to now (OLD_ORDER, or ORDER and not overwritten), is aborted: octets loaded while ``killed``
    shows it or later, on the pins from two cycles after the kill edge on, carry ``tx_er``, and those of them that
    belong to the FCS are the inverse of the FCS over what was sent. The frame keeps its length, and an arm does not end
    the abort. A frame whose last octet was loaded before is complete at most one cycle after the kill edge.

    Sessions. When a TCP frame is discarded or aborted, those behind it on its lane must not leave either. Each lane
    has a bit that is its epoch; such a frame flips it, if it is of the present one, and a TCP head of the other one is
    discarded as STALE. The very next head already sees the flip. So it is when a new session begins, whatever became of
    frames of the old one in the meantime.

    Every doubt stops the frame: lanes above 7 count as killed, so that a frame of no lane with orders or marks never
    leaves whole, an order's mark on the FCS is one of an order let go, and a head shorter than 64 octets is discarded.
    A reset cuts the frame short and reports nothing.

    Members
    -------
    now : In(64)
    killing : In(8)
        Lanes that are killed in the next cycle. Of a kill edge in cycle k, the gate's own ``killed`` tells in k + 1.
    renew, accepted : In(8), In(8)
        Strobes: what the lane has in the queue must not leave, from the next cycle's head on; the epoch of each lane's
        frames as they have been accepted up to now. The lane's epoch becomes the other one.
    epochs : Out(8)
    head_valid, head : In(1), In(Head)
    take, skip, head_pop : Out(1)
        Combinational, only with ``head_valid``: the head begins to leave; the head is discarded; either of them. The
        next head, or none, must show in the cycle after. A head can be discarded while octets of another frame are
        fetched.
    free : Out(1)
        Whatever ``take`` says, which comes late: it may be up, and ``fetch`` is down.
    fetch : Out(1)
        Takes the next octet of the frame taken last; high in S + 4 to S + 3 + length.
    octet, mark : In(8), In(Mark)
        The octet fetched three cycles ago, and what it is.
    rest : In(Rest)
        Of the frame taken last, right from S + 7 to the next ``take``; ``stops`` from S + 6, its checksums and its
        stamp from S + 8.
    reset_begin, reset_lane : Out(1), Out(3)
        Strobe in S + 1: an RST was taken, and of which lane; this one stays while it leaves.
    reset_octet : In(8)
        In place of ``octet``, fetched three cycles ago as well.
    tx_data, tx_en, tx_er : Out
        The pins. Without ``tx_en``, ``tx_data`` means nothing.
    past_valid, past_lane, past_position, past_octet, past : Out(1), Out(3), Out(11), Out(8), Out(Past)
        For the history: a payload octet of a TCP frame leaves, be it aborted or not, on the pins in the next cycle; the
        low bits of its sequence number, the octet as it came, and what it leaves as.
    started : Out(1)
        Strobe: the first preamble octet is on the pins.
    measured : Out(1)
        Strobe: the first octet behind the preamble is on the pins.
    dwell, gap, length : Out(16), Out(16), Out(11)
        From ``measured`` on, until the next head may be taken: ``now`` of ``started`` less the stamp; cycles of ``now``
        from then back to the last octet of the predecessor on the pins, 65535 when there were more, or no predecessor
        since reset; octets with FCS.
    finished : Out(1)
        Strobe: the last octet is on the pins. Its outcome is SENT or ABORTED.
    outcome_valid, outcome : Out(1), Out(Outcome)
        Strobe: what became of a frame, with ``finished`` or in the cycle after ``skip``.
    busy : Out(1)
        Not at rest: a head, a frame, its gap, an outcome.
    """

    now: In(64)
    killing: In(LANES)
    renew: In(LANES)
    accepted: In(LANES)
    epochs: Out(LANES)
    head_valid: In(1)
    head: In(Head)
    take: Out(1)
    free: Out(1)
    skip: Out(1)
    head_pop: Out(1)
    fetch: Out(1)
    octet: In(8)
    mark: In(Mark)
    rest: In(Rest)
    reset_begin: Out(1)
    reset_lane: Out(3)
    reset_octet: In(8)
    tx_data: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    past_valid: Out(1)
    past_lane: Out(3)
    past_position: Out(11)
    past_octet: Out(8)
    past: Out(Past)
    started: Out(1)
    measured: Out(1)
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
        self.killed = Signal(LANES, init=FIRM)
        self.shut = Signal()  # the lane of `frame` is killed, or none
        self.phase = Signal(Phase)
        self.step = Signal(range(GAP))  # within the gap or the preamble
        self.remaining = Signal(11)  # octets not yet loaded
        self.tail = Signal()  # remaining <= 5: what is fetched is the FCS
        self.check = Signal()  # remaining <= 4: what is loaded is the FCS
        self.last = Signal()  # remaining == 1
        self.crc = Signal(32)  # over the octets loaded; in the FCS, what is left of it
        self.frame = Signal(Head)  # taken last
        self.held = Signal(LANES)  # its session, while it leaves; behind that, until one is free to leave, none
        self.all = Signal()  # all its runs are overwritten
        self.forced = Signal()  # by the kill, not by its verdict
        self.stops = Signal(32)  # from bit 0 on: this run and the next ones
        self.run = Signal()  # the octet before was of an order
        self.value = Signal(8)  # the octet to be loaded, as it is to leave
        self.own = Signal()  # what was loaded needs another FCS than it came with
        self.ordered = Signal()  # an order is let go: by the descriptor, or in the octets up to `value`
        self.caught = Signal()  # its lane was killed while it was leaving
        self.runs = Signal()  # a frame is leaving, and this is not its last octet: a register, for what is far

    def elaborate(self, platform):
        m = Module()
        leaving, ending = Signal(), Signal()
        caught, aborting = Signal(), Signal()  # including this cycle
        m.d.comb += [
            leaving.eq(self.phase.as_value()[1]),
            ending.eq(self.last),
            caught.eq(self.caught | self.shut),
            aborting.eq(self.ordered & caught),
            self.free.eq(self.phase == Phase.FREE),
            self.busy.eq((self.phase != Phase.FREE) | self.head_valid | self.outcome_valid),
        ]
        stale = self._choose(m, leaving, ending, aborting)
        self._alter(m)

        # The lane of the next cycle's `frame`.
        mine, lane = (Mux(self.free, self.head[name], self.frame[name]) for name in ("mine", "lane"))
        m.d.sync += [
            self.killed.eq(self.killing),
            self.shut.eq(lane[3] | (self.killing & mine).any()),
            self.tx_data.eq(0),
            self.tx_en.eq(leaving | self.take),
            self.tx_er.eq(leaving & aborting),
            self.step.eq(self.step + 1),
        ]
        m.d.sync += self.runs.eq(0)
        with m.Switch(self.phase):
            with m.Case(Phase.GAP):
                m.d.sync += self.phase.eq(Mux(self.step == GAP - 1, Phase.FREE, Phase.GAP))
            with m.Case(Phase.FREE):
                length = Mux(self.head.reset, RESET_OCTETS, self.head.length)
                m.d.sync += [self.step.eq(0), self.remaining.eq(length), self.caught.eq(0)]
                m.d.sync += [self.tail.eq(0), self.check.eq(0), self.last.eq(0)]
                m.d.sync += self.tx_data.eq(0x55)  # whether it is taken comes late, and without `tx_en` nobody looks
                m.d.sync += [self.phase.eq(Mux(self.take, Phase.PREAMBLE, Phase.FREE)), self.runs.eq(self.take)]
            with m.Case(Phase.PREAMBLE):
                m.d.sync += [self.tx_data.eq(0x55), self.caught.eq(caught), self.crc.eq(INIT), self.runs.eq(1)]
                with m.If(self.step == 2):
                    m.d.sync += self.fetch.eq(1)  # four octets ahead, as long as the buffer and `_alter` take
                m.d.sync += self.phase.eq(Mux(self.step == 6, Phase.OCTETS, Phase.PREAMBLE))
                with m.If(self.step == 6):
                    m.d.sync += self.tx_data.eq(0xD5)
            with m.Case(Phase.OCTETS):
                m.d.sync += [
                    self.step.eq(0),
                    self.tx_data.eq(self._load(aborting)),
                    self.caught.eq(caught),
                    self.crc.eq(Mux(self.check, self.crc >> 8, crc32(self.crc, self.value))),
                    self.remaining.eq(self.remaining - 1),
                    self.check.eq(self.tail),
                    self.last.eq(self.remaining == 2),
                    self.runs.eq(~self.last & (self.remaining != 2)),
                ]
                with m.If(self.remaining == 6):
                    m.d.sync += self.tail.eq(1)
                with m.If(self.tail):
                    m.d.sync += self.fetch.eq(0)
                m.d.sync += self.phase.eq(Mux(self.last, Phase.GAP, Phase.OCTETS))

        self._report(m, stale, ending, aborting)
        self._measure(m)
        return m

    def _stale(self):
        """Tell whether the head is of another epoch than its lane."""
        return self.head.streamed & ((self.epochs & self.head.mine).any() ^ self.head.epoch)

    def _same_session(self):
        return (self.head.session & self.held).any()

    def _choose(self, m, leaving, ending, aborting):
        """Take or discard the head, in the variant in which it may leave. Return whether it is stale."""
        head, frame = self.head, self.frame
        stale, barred, waits, free, fails = (Signal() for _ in range(5))
        m.d.comb += [
            stale.eq(self._stale()),
            barred.eq(head.unfit | (self.killed & head.barred).any()),
            waits.eq(ending | self._same_session()),  # a head that is barred, while another frame leaves
            free.eq(self.phase == Phase.FREE),
            fails.eq(self.head_valid & barred & (free | ~waits)),
            self.take.eq(self.head_valid & free & ~barred & ~stale),
            self.skip.eq(fails | self.head_valid & stale & ~ending),
            # It is late, and so are all but `free` and `ending`: each meets one gate or two.
            self.head_pop.eq(self.head_valid & (free | Mux(stale, ~ending, barred & ~waits))),
        ]
        # Whether it is taken comes too late to enable so many registers: the last head seen is the one taken.
        with m.If(free):
            closed = head.lane[3] | (self.killed & head.mine).any()
            forced = ~head.reset & closed & head.live & head.rewritable & ~head.all
            m.d.sync += [
                frame.eq(head),
                self.held.eq(head.session),
                self.forced.eq(forced),
                self.all.eq(head.all | forced),
                self.ordered.eq((head.live | head.orders) & ~head.all & ~forced & ~head.reset),
                self.own.eq(head.reset),
            ]
        with m.If(ending):
            m.d.sync += self.held.eq(0)
        m.d.sync += self.reset_begin.eq(self.take & head.reset)
        m.d.comb += self.reset_lane.eq(frame.lane)

        # A lane's epoch flips when a frame of the present one is aborted or, not being stale, discarded.
        present = [
            one.mine & (one.streamed & ~one.lane[3]).replicate(LANES) & ~(self.epochs ^ one.epoch.replicate(LANES))
            for one in (frame, head)
        ]
        aborts = present[0] & (ending & aborting).replicate(LANES)
        after = (self.epochs ^ fallen for fallen in (aborts, aborts | present[1]))
        either = [(self.renew & ~self.accepted) | (~self.renew & epochs) for epochs in after]
        m.d.sync += self.epochs.eq(Mux(fails, either[1], either[0]))
        return stale

    def _alter(self, m):
        """One octet ahead of the pins' registers: make `value` of what was fetched, and keep the books."""
        frame = self.frame
        asked, fetched, order, over = Signal(3), Signal(), Signal(), Signal()
        m.d.sync += asked.eq(Cat(self.fetch, asked))
        m.d.comb += [
            fetched.eq(asked[2]),
            order.eq(self.mark == Mark.ORDER),
            over.eq(self.stops[0] & ~self.tail),
        ]
        check, checks, past = Signal(16), Signal(), Signal(Past)
        altered, begins, let_go = Signal(), Signal(), Signal()  # it is overwritten; as the first octet of an order
        m.d.comb += [
            check.eq(Mux(self.all, self.rest.check_all, self.rest.check_some)),
            checks.eq(((self.mark == Mark.CHECK_HIGH) | (self.mark == Mark.CHECK_LOW)) & ~self.tail),
        ]
        with m.Switch(self.mark):
            with m.Case(Mark.ORDER):
                m.d.comb += [altered.eq(over), begins.eq(~self.run), let_go.eq(~over)]
            with m.Case(Mark.BODY):
                m.d.comb += altered.eq(~self.tail)
            with m.Case(Mark.TYPE):
                m.d.comb += [altered.eq(~self.tail), begins.eq(1)]
            with m.Case(Mark.OLD_ORDER):
                m.d.comb += let_go.eq(1)
        m.d.comb += past.eq(Mux(altered, Mux(begins, Past.TYPE, Past.BODY), Mux(let_go, Past.ORDER, Past.PLAIN)))
        written = Mux(begins, Client.DEBUG, FILLER)
        put = Mux(checks, Mux(self.mark == Mark.CHECK_HIGH, check[8:], check[:8]), self.octet)
        m.d.sync += self.value.eq(Mux(frame.reset, self.reset_octet, Mux(altered, written, put)))
        with m.If(fetched & ~frame.reset):
            m.d.sync += [self.own.eq(self.own | altered), self.ordered.eq(self.ordered | let_go)]

        # Between two orders there is the length of a packet: time to bring the next one's bit to the front.
        m.d.sync += self.run.eq(fetched & order)
        with m.If(self.phase == Phase.PREAMBLE):
            m.d.sync += self.stops.eq(self.rest.stops | self.all.replicate(32))
        with m.Elif(self.run & ~order):
            m.d.sync += self.stops.eq(Cat(self.stops[1:], self.stops[-1]))

        payload = Signal()
        with m.Switch(self.mark), m.Case(*PAYLOAD):
            m.d.comb += payload.eq(fetched & frame.tcp & ~frame.reset)
        with m.If(self.phase == Phase.PREAMBLE):
            m.d.sync += self.past_position.eq(self.rest.position)
        with m.Elif(self.past_valid):
            m.d.sync += self.past_position.eq(self.past_position + 1)
        m.d.sync += [
            self.past_valid.eq(payload),
            self.past_lane.eq(frame.lane),
            self.past_octet.eq(self.octet),
            self.past.eq(past),
        ]

    def _load(self, aborting):
        # What is left of `crc` is to be sent inverted: as it stands it is the inverse of that.
        own = Mux(aborting, self.crc[:8], ~self.crc[:8])
        return Mux(self.check & (aborting | self.own), own, self.value)

    def _report(self, m, stale, ending, aborting):
        kind, every, head = Signal(OutcomeKind), Signal(), {name: Signal(Head[name].shape) for name in _OF_HEAD}
        m.d.sync += [
            self.finished.eq(ending),
            self.outcome_valid.eq(ending | self.skip),
            every.eq(ending & self.forced),
        ]
        m.d.sync += [field.eq(Mux(ending, self.frame[name], self.head[name])) for name, field in head.items()]
        with m.If(~ending):
            m.d.sync += kind.eq(Mux(stale, OutcomeKind.STALE, OutcomeKind.DISCARDED))
        with m.Elif(aborting):
            m.d.sync += kind.eq(OutcomeKind.ABORTED)
        with m.Else():
            m.d.sync += kind.eq(OutcomeKind.SENT)
        m.d.comb += [self.outcome.kind.eq(kind), self.outcome.all.eq(every)]
        m.d.comb += [self.outcome[name].eq(field) for name, field in head.items()]
        m.d.comb += [self.outcome[name].eq(self.rest[name]) for name in _OF_REST]

    def _measure(self, m):
        # `ended` is `now` two cycles before the gap's begin and `elapsed` is two cycles behind: nothing to add.
        ended, elapsed, alone = Signal(64), Signal(64), Signal(init=1)
        begun = Signal(16)
        m.d.sync += [
            self.started.eq(self.take),
            elapsed.eq(self.now - ended),
            self.measured.eq((self.phase == Phase.OCTETS) & (self.step == 7)),
            self.dwell.eq(begun - self.rest.stamp),
        ]
        with m.If(self.runs):
            m.d.sync += [ended.eq(self.now), alone.eq(0)]
        with m.If(self.phase == Phase.FREE):
            m.d.sync += [
                begun.eq(self.now + 1),
                self.gap.eq(Mux(alone | elapsed[16:].any(), 0xFFFF, elapsed[:16])),
                self.length.eq(Mux(self.head.reset, RESET_OCTETS, self.head.length)),
            ]

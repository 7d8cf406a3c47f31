"""The golden model: what must leave the egress, byte for byte and cycle for cycle, for what came in.

Plain Python from the rules; it shares the declarations of `hdl.wire` with the gateware and nothing else. Time is in
cycles of 8 ns as the pins see them. `sim.parse` reads one frame, `sim.session` keeps a lane's TCP session,
`sim.ruling` says what becomes of a segment's orders, `sim.budget` keeps what was released, `sim.egress` has the kill
over time and the way out, `sim.wayback` the return path, `sim.replies` what is said on it, `sim.ledger` counts and
tells; here they are joined.

    model = Model(config)
    model.open(100, 0xFF)                      # an arm: the lanes show open in cycle 101
    model.kill(5000, 0x01, Source.SERIAL)      # a kill edge from outside: killed shows in cycle 5001
    model.carrier(200, octets)                 # a run of dv that begins in cycle 200, preamble included
    model.back(300, octets)                    # one of the return path
    model.rest()
    model.left, model.returned, model.counters, model.events(), model.kills.edges, model.budget.exposure

Carriers come in the order of time, those of both directions in the order in which they end. An edge from outside is
announced before the first carrier that ends after it. What the filter does by itself (kills by a breach, blocked
symbols, fences) is predicted.
"""

from collections import deque
from heapq import heappop, heappush
from itertools import zip_longest
from typing import NamedTuple

from hdl.wire.ethernet import START
from hdl.wire.event import Kind
from hdl.wire.verdict import LANES, NO_LANE, Action, Reason, Source, Trip
from sim.budget import CHARGED, CHECKED, CYCLES_EACH, DECIDED, FOUND, JUDGED, LOOKED, PROBED, QUIET, READS, Budget
from sim.egress import ACCOUNTED, EVERY_LANE, Egress, Kept, Kills
from sim.ledger import Event, Ledger
from sim.messages import ORIGINAL
from sim.parse import Config, Parsed, Segment
from sim.replies import Replies
from sim.ruling import BLOCKED, BUSY, KILLED, MOST_RUNS, rule
from sim.session import FENCED, FENCES, NO_SESSION, ROLLED_BACK, Session, rewritable, signed
from sim.standing import Standing
from sim.wayback import WayBack, spoilt, within

__all__ = ["Config", "Event", "Model"]

SETTLED = 10_000  # cycles after which everything owed is given back
UNDOES = 6  # cycles from the verdict of a frame that is dropped to the first undoing
VERDICT = 3  # cycles from a frame's last octet to its verdict
STORED = 2  # cycles from a frame's first octet to its place in the buffer
DECODED = 4  # cycles from an octet on the pins to the decoder
SOUGHT = 6  # cycles from a Replace's type octet at the decoder until its original is looked up
LIFTED = 13  # a lift up to here after the price is there counts for the check

# TCP. PORT: place of the destination port's low octet. SAMPLED: cycles from it to the sampling of its session.
PORT, SAMPLED = 3, 7
SEEN = 3  # what the gate reports is seen by the sampling of so many cycles later, or more
LEFT_SEEN = 3  # by the numbers of an RST to a server, of which the verdict came so many cycles later
ROLLED_BACK_SEEN = 1  # and by a verdict of so many cycles later
EVIDENCE = 8  # cycles from the last octet of a return frame to its effect, which the next cycle's sampling sees
SETTLES = 6  # an evidence waits until in fewer cycles before it no outcome of a segment has come
FLIPPED = 1  # cycles from there to the first head of the queue that is stale by a new session
CONTINUED = 6  # cycles from the sampling to the check of an order whose price came in an earlier frame
HELD = 21  # cycles from there to when such an order is judged at the earliest: before the verdict, or it is BUSY
HEARD = 9  # cycles from that effect to the reading of its first new octet
APPLIED = 9  # cycles from a report's last octet to its application
APPLIES = 30  # cycles in which it is applied, at the least, and kills if it is to
READ_AGAIN = 23  # cycles from the last octet that is read to the first one of the next frame
GAP_KNOWN = 1  # octets before the payload from which on a frame is spoilt, whose predecessor is missing
SPOILS = 1  # a kill spoils octets of the return path from so many cycles before it shows on

OVERFLOW, FRAMING, TCP_HEADER, TCP_FLAGS, TAG, SYMBOL = (
    int(Reason[name]) for name in ("OVERFLOW", "FRAMING", "TCP_HEADER", "TCP_FLAGS", "TAG", "SYMBOL")
)


class Passing(NamedTuple):
    """A carrier of the return path: octets behind which it is spoilt, and those behind which a gap spoils it; on a lane
    that cuts, the cycle in which its lane is known."""

    start: int
    octets: bytes
    er: tuple[int, int]
    right: int
    shown: int | None
    gap: int
    segment: Segment | None


class Model:
    """The filter since its reset in cycle 0: every lane killed, nothing on its way.

    counters: nine rows (lanes 0 to 7, no lane), cells as in `Count`. left: frames on the egress, in order. returned:
    carriers of the return path as they left, in order: (first cycle, octets, first er or -1, how many).
    verdicts: (cycle, row, reason) of each frame, in order. breached_at: cycle of the last octet of the last message
    that was found to breach a limit, whatever became of its frame.
    """

    def __init__(self, config: Config):
        self.config = config
        self.ledger = Ledger()
        self.counters, self.verdicts = self.ledger.counters, self.ledger.verdicts
        self.breached_at = None
        self.kills = Kills()
        self.budget = Budget(config)
        self.standing = Standing(config)
        self.sessions = [Session(lane, config) for lane in range(LANES)]
        self.egress = Egress(self.kills, self._outcome, self._reset)
        self.way_back = WayBack()
        self.replies = [Replies(lane, bool(config.modes[lane] & 2)) for lane in range(LANES)]
        self.left, self.returned = self.egress.left, self.way_back.passed
        self._lanes = config.lane_of()
        # A heap: (cycle, number, lane, segment of the return path or its carrier), or (…, lanes, None): an arm.
        self._news = []
        self._reads = 0  # the next octets of the return path are read from this cycle on
        self._told = 0  # news so far
        self._reported = deque([-SETTLES], maxlen=2)  # cycles of the last outcomes of segments
        self._outcomes = []  # of segments, that the sessions have not learnt yet: (cycle, kind, kept)
        self._epochs = [0] * LANES  # of the lanes, as the sessions know them
        self._lifts = []  # cycles of arms that lift blocks, to come
        self._undone = 0  # in this cycle the undoing of the last dropped frame is over

    @property
    def sessions_word(self) -> int:
        """What the register SESSIONS holds."""
        opened = sum(session.open << session.lane for session in self.sessions)
        fenced = sum(session.fenced << session.lane for session in self.sessions)
        return opened | fenced << 8 | sum(bool(reply.lost) << reply.lane for reply in self.replies) << 16

    def kill(self, cycle: int, lanes: int, source: int = Source.LOOP) -> None:
        """A kill edge from outside: `killed` shows it in `cycle` + 1."""
        self.kills.add(cycle, lanes, int(source))

    def open(self, cycle: int, lanes: int) -> None:
        """An arm opens lanes: they show open in `cycle` + 1. Arming the whole firm lifts every block."""
        self.kills.add(cycle, lanes, opens=True)
        self._tell(cycle, lanes, None)
        if lanes == EVERY_LANE:
            self._lifts.append(cycle)

    def clear_exposure(self) -> None:
        """The host zeroes exposure and gross notional, at rest."""
        self.budget.clear()

    def carrier(self, start: int, octets: bytes, er: tuple[int, int] | None = None) -> None:
        """Receive a run of dv that begins in cycle `start`; `er`: first cycle of it with rx_er, and how many."""
        begin = octets.find(START) + 1
        if begin:
            self._frame(start + begin, octets[begin:], within(er, len(octets))[1] > 0)

    def back(self, start: int, octets: bytes, er: tuple[int, int] | None = None) -> None:
        """Receive a run of dv from the exchange."""
        begin, error = octets.find(START) + 1, within(er, len(octets))
        end = start + len(octets) - 1
        whole = gap = len(octets)
        lane, segment, known, shown = NO_LANE, None, end, None
        if begin:
            answer = Parsed(octets[begin:], error[1] > 0, self.config, self._lanes, backward=True)
            lane, segment = answer.lane, answer.segment
            if segment and not answer.link and answer.net in (0, TCP_FLAGS):
                self._tell(end + EVIDENCE, lane, segment)
            if self.config.cuts(lane) and answer.ports is not None:
                shown = start + begin + answer.ports + PORT + SAMPLED
            if segment and segment.some and begin + segment.payload_at - GAP_KNOWN <= whole:
                gap = begin + segment.payload_at - GAP_KNOWN
                known = start + gap
            else:
                segment = None
        self._tell(known, lane, Passing(start, octets, error, whole, shown, gap, segment))

    def rest(self, until: int = 0) -> None:
        """Let everything leave that is on its way, and come at least to cycle `until`."""
        self._advance(max(until, self.egress.horizon()))
        while self._news or self.budget.next is not None:
            coming = [self._news[0][0] if self._news else 0, self.budget.next or 0]
            until = max(until, self.egress.horizon(), max(coming) + APPLIES)
            self._advance(until)
        until = max(until, self.egress.horizon())
        self._advance(until)
        self.way_back.settle()
        self.budget.settle(until + SETTLED)

    def events(self) -> list[Event]:
        """Return what the log tells, in order of time; without arms refused, clears and configurations."""
        told = [Event(at, Kind.KILL, 0, source, 0, lanes) for at, lanes, source in self.kills.edges]
        told += [Event(at, Kind.ARM, user_ref=lanes) for at, lanes in self.kills.opened]
        return sorted(self.ledger.events + told)

    def _tell(self, cycle, lane, segment):
        heappush(self._news, (cycle, self._told, lane, segment))
        self._told += 1

    def _advance(self, until):
        """Do everything that happens before cycle `until`, on the way out and in the sessions."""
        self._hear(until)
        self._run(until)
        self._learn(until)

    def _run(self, until):
        """Run the way out up to cycle `until`, and apply the exchange's reports: one that contradicts kills."""
        self._contradicted()
        while (cycle := self.budget.next) is not None and cycle < until:
            self.egress.run(cycle)
            self.budget.settle(cycle)
            self._contradicted()
        self.egress.run(until)

    def _contradicted(self):
        """Tell what reports have contradicted since the last time, and kill if more may come of it than is known."""
        told = self.budget.evidence.told
        for at, lane, what, report, kills in told:
            self.ledger.contradicted(at - 1, lane, what, report)
            if kills:
                self.kill(at + 1, EVERY_LANE, Source.EVIDENCE)
        told.clear()

    def _learn(self, until):
        """Let the sessions learn what was decided before cycle `until`, and reported one later."""
        while self._outcomes and self._outcomes[0][0] <= until:
            _, kind, kept = self._outcomes.pop(0)
            session = self.sessions[kept.lane]
            if kept.flow.epoch != self._epochs[kept.lane]:  # a new session has begun in the meantime
                continue
            if kind == "sent":
                session.commit(kept.flow)
            else:
                session.roll_back()
                session.fenced |= kind == "discarded" and kept.cut
                self._epochs[kept.lane] ^= 1

    def _reset(self, lane):
        """Return the RST of a lane that is taken now."""
        self._learn(self.egress.horizon())
        return self.sessions[lane].reset()

    def _hear(self, until):
        """Do what arms and the exchange's answers do to the sessions before cycle `until`."""
        while self._news and self._news[0][0] < until:
            cycle, number, lane, segment = heappop(self._news)
            self._run(cycle)
            if isinstance(segment, Passing):
                self._pass(number, lane, segment)
                continue
            if segment is not None and any(cycle - SETTLES < at < cycle for at in self._reported):
                heappush(self._news, (cycle + 1, number, lane, segment))
                continue
            self._learn(cycle - 1)
            if segment is None:
                for session in self.sessions:
                    if lane >> session.lane & 1:
                        session.arm()
            elif self.sessions[lane].hear(segment, cycle):
                self.egress.run(cycle + FLIPPED)
                if self.egress.epochs[lane] == self._epochs[lane]:
                    self.egress.flip(lane, cycle + FLIPPED)
                self._epochs[lane] ^= 1
                self.ledger.opened(cycle, lane, self.sessions[lane].port)
                self.replies[lane].begin()
            elif self.sessions[lane].heard:
                self._read(cycle, lane, self.sessions[lane].heard)

    def _pass(self, number, lane, passing):
        """A carrier of the return path passes; it is known whether octets before it are missing.

        One that waits keeps its `number`: what comes as soon as it ends is behind it.
        """
        start, octets, er, right, shown, gap, segment = passing
        if segment and self.sessions[lane].lacks(segment):
            self.ledger.gap(lane)
            right = gap
        end = start + len(octets) - 1
        if shown is not None and self.kills.settled < end + 2:
            heappush(self._news, (end + 2, number, lane, passing._replace(right=right, segment=None)))
            return
        edge = None if shown is None else self.kills.first(lane, shown - 1, end)
        if edge is not None:
            right = min(right, edge + 1 - SPOILS - start)
        if right < len(octets):
            octets, er = spoilt(octets, er, right)
        self.way_back.carrier(start, octets, er)

    def _read(self, cycle, lane, octets):
        """Octets of the exchange have come, in order: they are read as soon as those before them have been."""
        replies, first = self.replies[lane], max(cycle + HEARD, self._reads)
        self._reads = first + len(octets) - 1 + READ_AGAIN
        applied, repeated = len(replies.applied), replies.repeated
        for behind, why in replies.hear(octets):
            self.ledger.evidence_lost(first + behind, lane, why)
        for behind, report in replies.came:
            self.budget.evidence.report(first + behind + APPLIED, report)
        self.ledger.heard(lane, len(replies.applied) - applied, replies.repeated - repeated)

    def _frame(self, start, octets, error):
        parsed = Parsed(octets, error, self.config, self._lanes)
        verdict = start + len(octets) - 1 + VERDICT
        overflow = False
        if octets:
            self._advance(start + STORED)
            overflow = not self.egress.room(start + STORED)
        (self._segment if parsed.segment else self._datagram)(start, verdict, octets, parsed, overflow)

    def _received(self, parsed, verdict, overflow):
        """Return the lowest failure of a frame that has nothing to do with a session or a message, 0 if none."""
        if parsed.link:
            return parsed.link
        return OVERFLOW if overflow or self.egress.full(verdict) else parsed.net

    def _datagram(self, start, verdict, octets, parsed, overflow):
        lane = parsed.lane

        # The messages, in order: the first that fails decides.
        orders, failing, failed, before_order, entries = 0, None, 0, False, []
        first = None
        if parsed.messages:
            self.standing.begin(lane, start + parsed.ports + PORT + SAMPLED)
        for message in parsed.messages:
            reason = message.reason
            if message.priced:
                price, named, told = self._times(start, message)
                reason = self._check(message, lane, price, named, told, verdict)
                entries += self._settle(message, lane, price, named, told, verdict, not (reason or failed))
            if not message.whole:
                break
            if not reason:
                self.standing.passed(message)
            if message.order:
                orders += 1
                first = first or message
            if reason and not failed:
                failing, failed = message, reason
                before_order = first is None
                if self._trips(reason, message):
                    self.breached_at = start + message.at + message.length - 1

        # The verdict.
        self._advance(verdict)
        reason = self._received(parsed, verdict, overflow)
        if not reason:
            cut = self.config.cuts(lane)
            if (cut or (orders and not (failed and before_order))) and self.kills.mask(verdict) >> lane & 1:
                reason, failing = KILLED, first
            else:
                reason = failed
        if reason:
            self.ledger.dropped(verdict, lane, reason, orders, failing)
            self._undo(verdict, entries)
            self._breach(verdict, lane, reason, failing)
            return
        self.ledger.kept(verdict, lane, orders)
        self.budget.quiet(verdict + 2, verdict + 2)
        if parsed.messages:
            self.standing.commit()
        last = start + len(octets) - 1
        self.egress.push(Kept(verdict + 1, octets, lane, orders, entries, last, cut=self.config.cuts(lane)))

    def _segment(self, start, verdict, octets, parsed, overflow):
        lane, segment, action = parsed.lane, parsed.segment, self.config.action(parsed.lane)
        session, epochs = self.sessions[lane], self.egress.epochs
        samples = start + segment.at + PORT + SAMPLED
        self._advance(samples - SEEN)
        self._hear(samples)
        stale = signed(session.withheld - session.next) > 0 and action != Action.STARVE
        flow = session.meet(segment, self._epochs[lane])
        self.standing.begin(lane, samples)
        readable = flow.reading is not None and parsed.net not in (TCP_HEADER, TCP_FLAGS)
        judged, entries, breach = self._orders(flow, start, samples, verdict, lane) if readable else ([], [], None)

        # The verdict: of the frame, then of its messages.
        self._advance(verdict - LEFT_SEEN)
        left = session.left
        self._advance(verdict - ROLLED_BACK_SEEN)
        rolled_back = flow.epoch != epochs[lane] and not flow.syn
        self._advance(verdict)
        killed = bool(self.kills.mask(verdict) >> lane & 1)
        reason = self._received(parsed, verdict, overflow) or flow.reason
        if rolled_back and (not reason or reason > ROLLED_BACK):
            reason = ROLLED_BACK
        right = not self._received(parsed, verdict, overflow) and flow.reason not in (FENCED, NO_SESSION)
        if killed and right and segment.payload:
            session.withhold(segment.sequence + len(segment.payload))
        killed = killed or stale
        ruling = rule(judged, killed, action)
        fence, latch, failing = reason in FENCES, False, None
        if not reason and killed and (action == Action.CUT or flow.repeats_order):
            reason, latch = KILLED, action == Action.CUT
            fence, failing = not latch, next((item for item, _ in judged if item.order), None)
        elif not reason:
            reason, fence, failing = ruling.reason, ruling.fence, ruling.failing

        last = start + len(octets) - 1
        if not reason:
            if killed and flow.reading:
                flow.everything = True
                self._undo(verdict, entries)
                entries = []
            else:
                self.budget.quiet(verdict + 2, verdict + 2)
                self.standing.commit()
            flow.stop(ruling.stopped)
            orders = ruling.orders - flow.stopped
            self.ledger.kept(verdict, lane, ruling.orders)
            if flow.stopped:
                self.ledger.neutralised(verdict, lane, flow.why, flow.stopped, ruling.stopped[0][0].message)
            if breach and not killed:
                self._breach(verdict, lane, *breach)
            if flow.epoch == epochs[lane] or flow.syn:
                session.accept(flow, verdict)
            cut, open_ = action == Action.CUT, rewritable(flow, action)
            self.egress.push(Kept(verdict + 1, octets, lane, orders, entries, last, cut, flow, open_))
            return
        message = failing.message if failing else None
        if fence and killed and action == Action.CUT:
            fence, latch = False, True
        self.ledger.dropped(verdict, lane, reason, ruling.orders, message, fence)
        self._undo(verdict, entries)
        if breach and not killed and reason > FRAMING:
            self._breach(verdict, lane, *breach)
        session.fenced |= fence or latch
        if fence:
            self.egress.push(Kept(verdict + 1, b"", lane, 0, [], last, reset=True))
            self._hear(verdict + 1)  # the exchange's next number is read a cycle later
            self.way_back.inject(verdict + 1, lane, session.reset(left))

    def _orders(self, flow, start, samples, verdict, lane):
        """Judge the messages of a segment, each by itself; reserve what passes.

        Return (item, reason) of each, the reservations, and the breach as (reason, message) or None.
        """
        judged, entries, breach = [], [], None
        first = start + flow.segment.payload_at + flow.old  # of the new octets
        for item, behind in zip_longest(flow.reading.items, flow.reading.items[1:]):
            message = item.message
            reason = message.reason if message.whole else 0
            price, named, told = self._times(start, message)
            sought, late = (
                None,
                message.replaces and (message.original is None or start + message.at + ORIGINAL.stop <= first),
            )
            if message.original is not None and not late:
                sought = self._seek(message, lane, start + message.at + DECODED + SOUGHT, verdict)
            if message.priced:
                if start + message.at + message.complete <= first:
                    held = samples + HELD
                    if behind and behind.message.whole:  # whose end does not wait
                        held = min(held, start + behind.message.at + DECODED + behind.message.length)
                    price, told = samples + CONTINUED, max(told, held)
                if start + message.at + message.named <= first:
                    named = 0
                found = self._check(message, lane, price, named, told, verdict, sought, late)
                reason = found if message.whole else 0
                if told >= verdict and message.whole:
                    reason, message.malformed = BUSY, True  # its fields are not told
            crowded = item.run is not None and item.run >= MOST_RUNS
            if item.order and breach and message.whole:
                reason = min(reason or BLOCKED, BLOCKED)
            elif crowded:
                reason = reason or BUSY
            if message.priced:
                entries += self._settle(message, lane, price, named, told, verdict, not reason, sought)
            if message.replaces:
                self.budget.evidence.release(told if message.whole and told < verdict else verdict + 1)
            if message.whole and not reason:
                self.standing.passed(message)
            if not breach and self._trips(reason, message):
                breach = reason, message
                self.breached_at = start + message.at + message.length - 1
            judged.append((item, reason))
        return judged, entries, breach

    def _undo(self, verdict, entries):
        """Give back what a frame had reserved that is dropped, or whose orders are all stopped by its verdict."""
        self.budget.give_back(entries, verdict + UNDOES)
        undone = verdict + UNDOES + CYCLES_EACH * len(entries) if entries else verdict + 3
        self.budget.quiet(verdict + 2, undone - 1)
        if entries:
            self._undone = undone + 2

    def _breach(self, verdict, lane, reason, message):
        """A frame's verdict has found its `reason`, of a message: what follows from it."""
        trip = self._trips(reason, message)
        if trip == Trip.SYMBOL:
            self._lift(verdict + 1)
            self.budget.blocked.add(message.index)
            self.ledger.blocked(verdict, lane, message.index)
        elif trip:
            self.kill(verdict + 2, 1 << lane if trip == Trip.LANE else EVERY_LANE, Source.BREACH)

    def _trips(self, reason, message) -> int:
        """Return what an order brings about that fails for `reason`."""
        trip = self.config.trips.get(reason, Trip.NONE)
        return Trip.NONE if trip == Trip.SYMBOL and message.index is None else trip

    @staticmethod
    def _times(start, message):
        """Return when an order's price is there, when its parent is named, and when it is judged."""
        begins = start + message.at + DECODED
        return begins + message.ready, begins + message.named + 1, begins + message.length + 1

    def _seek(self, message, lane, cycle, verdict):
        """Return the chain that a Replace is to go on with, as it shows in `cycle`; None if there is none."""
        if cycle > verdict + 1:
            return None
        budget = self.budget
        if self._news or not self.egress.idle or budget.next is not None:
            self._advance(min(cycle - 2, verdict))
        budget.settle(cycle)
        sought = budget.evidence.seek(cycle, lane, message.original)
        if sought:
            message.index, message.buy = sought.shown.index, sought.shown.buy
        return sought

    def _check(self, message, lane, price, named, told, verdict, sought=None, late=False):
        """Return why an order fails, 0 if it does not: its price is there in cycle `price`, it is judged in `told`.

        A Replace is of what was `sought`, or that was too `late`.
        """
        budget = self.budget
        reads = max(price + READS, self._undone)
        if self._news or not self.egress.idle or budget.next is not None:
            self._advance(min(price + QUIET - 6, verdict))
        if price + PROBED <= verdict + 1:
            budget.evidence.probe(price + PROBED)
        budget.settle(price + QUIET - 1)
        self._lift(price + LIFTED)
        found = [message.reason, message.failure, *self.standing.failures(message)]
        if message.tag != self.config.tags[lane]:
            found.append(TAG)
        if late or max(reads + DECIDED - READS, named + FOUND) > told:
            found.append(BUSY)
            message.index = None  # it is not told
        elif message.index is None and not message.replaces:
            found.append(SYMBOL)
        else:
            found.append(budget.check(message, lane, price + PROBED, sought))
        return min((reason for reason in found if reason), default=0)

    def _settle(self, message, lane, price, named, told, verdict, passes, sought=None):
        """An order has been judged in cycle `told`, if that is before the verdict; return its reservations."""
        judged, reads = message.whole and told < verdict, max(price + READS, self._undone)
        checked, breaks = max(reads + CHECKED, named + LOOKED), told + JUDGED if judged else verdict + 3
        self.budget.quiet(price + QUIET, min(checked, breaks))
        if not (passes and judged):
            return []
        self.budget.quiet(told + CHARGED[0], told + CHARGED[1])
        self.standing.charged()
        return [self.budget.reserve(message, lane, told, sought)]

    def _lift(self, cycle):
        while self._lifts and self._lifts[0] <= cycle:
            self._lifts.pop(0)
            self.budget.blocked.clear()

    def _outcome(self, kind, kept, cycle):
        flow = kept.flow
        if flow:
            self._reported.append(cycle)
            if flow.current:
                self._outcomes.append((cycle, kind, kept))
        if kind == "sent":
            self.ledger.sent(kept, cycle)
            if flow and flow.late:
                self.budget.owe(cycle + ACCOUNTED + 1, kept.reservations)
            return
        self.ledger.lost(kind, kept, cycle)
        self.budget.owe(cycle + ACCOUNTED + 1, kept.reservations)

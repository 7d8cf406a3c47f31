"""The kill over time, and the way out: queue, buffer and gate. Part of the golden model.

Cycles are those of the pins. "Shows in c" is a register's value in cycle c; what is loaded into the pins' registers in
cycle c is on the pins in c + 1.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from hdl.wire.ethernet import FCS_OCTETS, GAP_OCTETS, PREAMBLE_OCTETS
from hdl.wire.verdict import LANES
from sim.session import RESET_LENGTH, Flow

EVERY_LANE = 0xFF
WAITING = 32  # frames in the queue, the head included

ACCOUNTED = 4  # cycles from an outcome to when the books, the buffer and the budgets learn of it
ROOM = 8192 - 1536  # octets of kept frames with which the next frame may still begin


class Kills:
    """Which lanes are killed when. Requests and openings may be announced in any order before their time has come."""

    def __init__(self):
        self.shows, self.masks = [0], [EVERY_LANE]  # cycles from which on, and what
        self.edges = []  # (cycle, lanes newly killed, lowest source), in order
        self.opened = []  # (cycle, lanes)
        self.due, self.settled = [], 0  # a heap of edges to come; before here all are known

    def add(self, cycle: int, lanes: int, source: int = 0, opens: bool = False) -> None:
        """A request, or an opening, reaches the latch in `cycle`."""
        if cycle < self.settled:
            raise ValueError(f"cycle {cycle} is past: the model has come to {self.settled}")
        heappush(self.due, (cycle, opens, source, lanes))

    def settle(self, until: int) -> None:
        """Everything before cycle `until` has been announced."""
        self.settled = max(self.settled, until)
        while self.due and self.due[0][0] < until:
            cycle = self.due[0][0]
            requested = opened = 0
            sources = []
            while self.due and self.due[0][0] == cycle:
                _, opens, source, lanes = heappop(self.due)
                if opens:
                    opened |= lanes
                else:
                    requested |= lanes
                    sources.append(source)
            before = self.masks[-1]
            if requested & ~before:
                self.edges.append((cycle, requested & ~before, min(sources)))
            if opened:
                self.opened.append((cycle, opened))
            mask = before & ~opened | requested
            if mask != before:
                self.shows.append(cycle + 1)
                self.masks.append(mask)

    def mask(self, cycle: int) -> int:
        """Return the lanes killed as they show in `cycle`."""
        if cycle >= self.shows[-1]:
            return self.masks[-1]
        return self.masks[bisect_right(self.shows, cycle) - 1]

    def first(self, lane: int, begin: int, end: int) -> int | None:
        """Return the first cycle from `begin` to `end` in which `lane` shows killed."""
        if begin > end:
            return None
        at = bisect_right(self.shows, begin) - 1
        if self.masks[at] >> lane & 1:
            return begin
        for number in range(at + 1, len(self.shows)):
            if self.shows[number] > end:
                return None
            if self.masks[number] >> lane & 1:
                return self.shows[number]
        return None


@dataclass(slots=True)
class Kept:
    """A frame that its verdict let through in cycle `ready` - 1, or the RST in the place of one that it fenced.

    orders: let go, unless `flow.late`. cut: it does not begin while its lane is killed. rewritable: a kill before it
    is taken does not stop it, its orders are overwritten instead. An RST has no octets before it is taken.
    """

    ready: int
    octets: bytes
    lane: int
    orders: int
    reservations: list
    last_in: int  # cycle of its last octet on the way in
    cut: bool = False
    flow: Flow | None = None
    rewritable: bool = False
    reset: bool = False

    @property
    def live(self) -> bool:
        """It holds octets of an order, to be sent as they are."""
        return self.orders > 0 or (self.flow is not None and self.flow.live)

    @property
    def stoppable(self) -> bool:
        """A kill before it is taken stops it."""
        return self.cut or (self.live and not self.rewritable)


@dataclass(slots=True)
class Left:
    """A frame on the egress pins: `at` the first octet of its preamble; `octets` as sent; `er_at` the first tx_er."""

    at: int
    octets: bytes
    er_at: int | None
    kept: Kept

    @property
    def end(self) -> int:
        """Cycle of the last octet."""
        return self.at + PREAMBLE_OCTETS + len(self.octets) - 1

    @property
    def orders(self) -> int:
        """Orders that it holds as they came."""
        return 0 if self.kept.flow and self.kept.flow.late else self.kept.orders


class Egress:
    """Queue, buffer and gate. `outcome(kind, kept, cycle)` is called for each frame in the order of the outcomes.

    `reset(lane)` returns the octets of an RST that is taken. epochs: of the lanes; a frame of an older one is stale.
    A segment that waits behind one of its own lane is not discarded while that one leaves: what it falls back to is
    known with the outcome.
    """

    def __init__(self, kills: Kills, outcome, reset=None):
        self.kills, self.outcome, self.reset = kills, outcome, reset
        self.epochs = [0] * LANES
        self._flipped = [0] * LANES  # in this cycle a lane's epoch was seen first
        self.left = []
        self._queue = deque()
        self._pops = deque(maxlen=4)  # cycles of the last ones
        self._head_from = 0  # first cycle in which the present head shows
        self._free = GAP_OCTETS  # first cycle in which a frame can be taken
        self._leaving = None  # (kept, octets, cycle it was taken, cycle that loads its last octet)
        self._stored = 0
        self._stores, self._frees = deque(), deque()  # (cycle, octets) that do not count yet

    def push(self, kept: Kept) -> None:
        self._queue.append(kept)
        self._stores.append((kept.ready - 1, len(kept.octets)))

    @property
    def idle(self) -> bool:
        return not self._queue and self._leaving is None

    def horizon(self) -> int:
        """Return a cycle by which everything kept has left, and every edge announced has come."""
        until = max([self._free, *(edge[0] + 2 for edge in self.kills.due)])
        for kept in self._queue:
            until = max(until, kept.ready) + max(len(kept.octets), RESET_LENGTH) + PREAMBLE_OCTETS + GAP_OCTETS + 2
        return until + 2

    def full(self, cycle: int) -> bool:
        """Tell whether a verdict in `cycle` finds the queue full, after `run` up to there: it learns of a pop late."""
        return len(self._queue) + sum(popped + 4 > cycle for popped in self._pops) >= WAITING

    def room(self, cycle: int) -> bool:
        """Tell whether a frame whose first octet is stored in `cycle` finds room, after `run` up to there."""
        while self._stores and self._stores[0][0] + 4 <= cycle:
            self._stored += self._stores.popleft()[1]
        while self._frees and self._frees[0][0] + ACCOUNTED + 3 <= cycle:
            self._stored -= self._frees.popleft()[1]
        return self._stored <= ROOM

    def flip(self, lane: int, cycle: int) -> None:
        """A lane's epoch changes; heads of `cycle` see it."""
        self.epochs[lane] ^= 1
        self._flipped[lane] = cycle

    def run(self, until: int) -> None:
        """Do everything that happens before cycle `until`."""
        self.kills.settle(until)
        while not self.idle:
            kept = at = None
            skip = ""
            ends = self._leaving[3] if self._leaving else until
            if self._queue:
                kept = self._queue[0]
                at, skip = self._next(kept, ends, until)
            if self._leaving and (at is None or ends < at):
                if ends >= until:
                    return
                self._finish()
            elif at is None or at >= until:
                return
            else:
                self._queue.popleft()
                self._pops.append(at)
                self._head_from = at + 1
                if skip:
                    self._drop(skip, kept, at)
                else:
                    self._take(kept, at)

    def _next(self, kept, ends, until):
        """Return when the head goes, and how: "" if it leaves."""
        shows, lane, flow = max(kept.ready, self._head_from), kept.lane, kept.flow
        if flow and flow.epoch != self.epochs[lane]:
            at = max(shows, self._flipped[lane])
            return at + (at == ends), "stale"
        at = max(shows, self._free)
        if kept.stoppable:
            if flow and self._leaving and self._leaving[0].flow and self._leaving[0].lane == lane:
                shows = max(shows, ends + 1)
            last = min(at, until)
            killed = self.kills.first(lane, shows, last)
            if killed is not None and killed == ends:  # the cycle that reports the leaving frame
                killed = self.kills.first(lane, killed + 1, last)
            if killed is not None:
                return killed, "discarded"
        return at, ""

    def _drop(self, kind, kept, at):
        if kept.flow:
            kept.flow.current = kind == "discarded"
            if kept.flow.current:
                self.flip(kept.lane, at + 1)
        self._report(kind, kept, at + 1)

    def _take(self, kept, at):
        octets, flow = kept.octets, kept.flow
        if kept.reset:
            octets = self.reset(kept.lane)
        elif flow:
            flow.late = kept.rewritable and kept.live and bool(self.kills.mask(at) >> kept.lane & 1)
            octets = flow.sent(octets)
        self._leaving = kept, octets, at, at + PREAMBLE_OCTETS + len(octets) - 1
        self._free = self._leaving[3] + 1 + GAP_OCTETS

    def _finish(self):
        kept, octets, taken, last = self._leaving
        self._leaving = None
        self._head_from = max(self._head_from, last + 1)  # whatever waited for this one's end
        er_at = caught = None
        if kept.live and not (kept.flow and kept.flow.late):
            caught = self.kills.first(kept.lane, taken + 1, last)
        if kept.flow:
            kept.flow.current = kept.flow.epoch == self.epochs[kept.lane]
        if caught is not None:
            er_at = caught + 1
            # Octets of the FCS loaded from `caught` on are inverted: those on the pins from the next cycle on.
            kept_right = min(max(caught - (last - FCS_OCTETS + 1), 0), FCS_OCTETS)
            good = len(octets) - FCS_OCTETS + kept_right
            octets = octets[:good] + bytes(octet ^ 0xFF for octet in octets[good:])
            if kept.flow and kept.flow.current:
                self.flip(kept.lane, last + 1)
        self.left.append(Left(taken + 1, octets, er_at, kept))
        self._report("sent" if caught is None else "aborted", kept, last + 1)

    def _report(self, kind, kept, cycle):
        self._frees.append((cycle, len(kept.octets)))
        self.outcome(kind, kept, cycle)

"""The kill over time, and the way out: queue, buffer and gate. Part of the golden model.

Cycles are those of the pins. "Shows in c" is a register's value in cycle c; what is loaded into the pins' registers in
cycle c is on the pins in c + 1.
"""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from hdl.wire.ethernet import FCS_OCTETS, GAP_OCTETS, PREAMBLE_OCTETS

EVERY_LANE = 0xFF
WAITING = 32  # frames in the queue, the head included
ROOM = 8192 - 1536  # octets of kept frames with which the next frame may still begin


class Kills:
    """Which lanes are killed when. Requests and openings may be announced in any order before their time has come."""

    def __init__(self):
        self.shows, self.masks = [0], [EVERY_LANE]  # cycles from which on, and what
        self.edges = []  # (cycle, lanes newly killed, lowest source), in order
        self.opened = []  # (cycle, lanes)
        self.due, self._settled = [], 0  # a heap of edges to come

    def add(self, cycle: int, lanes: int, source: int = 0, opens: bool = False) -> None:
        """A request, or an opening, reaches the latch in `cycle`."""
        if cycle < self._settled:
            raise ValueError(f"cycle {cycle} is past: the model has come to {self._settled}")
        heappush(self.due, (cycle, opens, source, lanes))

    def settle(self, until: int) -> None:
        """Everything before cycle `until` has been announced."""
        self._settled = max(self._settled, until)
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
    """A frame that its verdict let through in cycle `ready` - 1."""

    ready: int
    octets: bytes
    lane: int
    orders: int
    reservations: list
    last_in: int  # cycle of its last octet on the way in


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


class Egress:
    """Queue, buffer and gate. `outcome(kind, kept, cycle)` is called for each frame in the order of the outcomes."""

    def __init__(self, kills: Kills, outcome):
        self.kills, self.outcome = kills, outcome
        self.left = []
        self._queue = deque()
        self._pops = deque(maxlen=4)  # cycles of the last ones
        self._head_from = 0  # first cycle in which the present head shows
        self._free = GAP_OCTETS  # first cycle in which a frame can be taken
        self._leaving = None  # (kept, cycle it was taken, cycle that loads its last octet)
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
            until = max(until, kept.ready) + len(kept.octets) + PREAMBLE_OCTETS + GAP_OCTETS + 2
        return until + 2

    def full(self, cycle: int) -> bool:
        """Tell whether a verdict in `cycle` finds the queue full, after `run` up to there: it learns of a pop late."""
        return len(self._queue) + sum(popped + 4 > cycle for popped in self._pops) >= WAITING

    def room(self, cycle: int) -> bool:
        """Tell whether a frame whose first octet is stored in `cycle` finds room, after `run` up to there."""
        while self._stores and self._stores[0][0] + 4 <= cycle:
            self._stored += self._stores.popleft()[1]
        while self._frees and self._frees[0][0] + 3 <= cycle:
            self._stored -= self._frees.popleft()[1]
        return self._stored <= ROOM

    def run(self, until: int) -> None:
        """Do everything that happens before cycle `until`."""
        self.kills.settle(until)
        while not self.idle:
            kept = at = None
            ends = self._leaving[2] if self._leaving else until
            if self._queue:
                kept = self._queue[0]
                shows = max(kept.ready, self._head_from)
                at, skip = max(shows, self._free), False
                if kept.orders:
                    killed = self.kills.first(kept.lane, shows, min(at, until))
                    if killed is not None and killed == ends:  # the cycle that reports the leaving frame
                        killed = self.kills.first(kept.lane, killed + 1, min(at, until))
                    if killed is not None:
                        at, skip = killed, True
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
                    self._report("discarded", kept, at + 1)
                else:
                    self._leaving = kept, at, at + PREAMBLE_OCTETS + len(kept.octets) - 1
                    self._free = self._leaving[2] + 1 + GAP_OCTETS

    def _finish(self):
        kept, taken, last = self._leaving
        self._leaving = None
        octets, er_at = kept.octets, None
        caught = self.kills.first(kept.lane, taken + 1, last) if kept.orders else None
        if caught is not None:
            er_at = caught + 1
            # Octets of the FCS loaded from `caught` on are inverted: those on the pins from the next cycle on.
            kept_right = min(max(caught - (last - FCS_OCTETS + 1), 0), FCS_OCTETS)
            good = len(octets) - FCS_OCTETS + kept_right
            octets = octets[:good] + bytes(octet ^ 0xFF for octet in octets[good:])
        self.left.append(Left(taken + 1, octets, er_at, kept))
        self._report("sent" if caught is None else "aborted", kept, last + 1)

    def _report(self, kind, kept, cycle):
        self._frees.append((cycle, len(kept.octets)))
        self.outcome(kind, kept, cycle)

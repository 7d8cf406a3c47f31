"""What the exchange's reports change of the open orders, and when it is there to be booked. Part of the golden model.

Reports, and withdrawals of Replaces that did not leave, are applied one after the other. What they change is
`sim.chain`'s; the times are the gateware's promise, in cycles. With h two cycles behind a report's coming, one behind a
withdrawal's, or one behind the end of the one before it, its order is known in h + 9, later if an order's place is
being looked up. It passes in y, the next cycle, or when it may: not in the 14 cycles behind a `seek`, nor, if it names
the order that was found then, up to four cycles behind the `release`. What it changes is worked out from t = y + 4 on,
y + 9 if it is about a chain with a pending Replace, or when the change before it has been taken, and is there in
t + 12; it has its end in t + 4. Second and third changes are worked out from t + 5 on, each when the one before it has
been taken; then the end is a cycle later.
"""

from collections import Counter, deque
from typing import NamedTuple

from hdl.wire.event import Contradiction
from sim.chain import Chain, Event, Replace
from sim.replies import Report

REPORTED, WITHDRAWN = 2, 1  # cycles until it may be looked for
KNOWN, PASSES, WORKED_OUT, WITH_REPLACE, THERE, ENDS = 8, 1, 4, 9, 12, 4
DIES = 2  # cycles from its working out until an order's place is free
APART, LOCKED = 15, 5  # cycles behind a seek, and behind the release, from which on a report passes
RECENT = 128
PROBE = 1, 4  # cycles behind a probe in which no search for a report begins
MOST = (1 << 20) - 1  # shares of one report: more say as many
BUCKET, TURNS = 8, (0, 3, 1, 5)  # orders of a bucket; how a number's octets go round in its bucket
WITHDRAWAL = "W"  # as a report's letter: no exchange's
TELLS = {
    Event.UNKNOWN: Contradiction.UNKNOWN,
    Event.OUT_OF_TURN: Contradiction.OUT_OF_TURN,
    Event.ABOVE: Contradiction.ABOVE,
}


class Change(NamedTuple):
    """What is to be booked; of `released` and `executed` shares, one may be more than the other."""

    row: int
    lane: int
    released: int
    executed: int
    notional: int  # of the gross notional, either way
    parent: int | None


class Told(NamedTuple):
    """A contradiction, told in cycle `at`."""

    at: int
    lane: int
    what: Contradiction
    report: Report
    kills: bool


class Sought(NamedTuple):
    """The chain that a Replace is to go on with, and a copy: as it showed when it was looked up."""

    chain: Chain
    shown: Chain


def bucket(ref: int) -> int:
    """Return in which of 64 buckets an order of this number is kept."""
    found = 0
    for octet, turn in enumerate(TURNS):
        low = ref >> 8 * octet & 63
        found ^= (low << turn | low >> 6 - turn) & 63
    return found


class Evidence:
    """The open orders by lane and number, a pending Replace by its own as well, and what waits to be applied.

    heard : lanes whose orders are kept. older : lanes of OUCH 4.2. offer : a `Change` and the cycle in which it is
    there, until it is taken. told : contradictions. seen : letters of reports, and W, that changed something.
    """

    def __init__(self, heard=(), older=()):
        self.heard, self.older = frozenset(heard), frozenset(older)
        self.orders: dict[tuple[int, int], Chain] = {}
        self.told: list[Told] = []
        self.seen: Counter[str] = Counter()
        self.offer: tuple[int, Change] | None = None
        self._waiting: tuple[deque, deque] = deque(), deque()  # (cycle, report), (cycle, withdrawal)
        self._turn = 0  # which of both comes first when both wait
        self._free = 0  # the next one is asked for here at the earliest
        self._drained = 0  # from here on no withdrawal has waited
        self._begun: tuple[int, int] | None = None  # (cycle, which of both): its search begins
        self._found: tuple[int, Report] | None = None  # (cycle, what is said): its order is known
        self._withdraws = False  # a withdrawal is being applied
        self._taken = 0  # when the last change was
        self._probes: deque[int] = deque()
        self._sought = -APART  # the cycle of the last seek
        self._locked: tuple[int, int] | None = None  # the order that was found then
        self._released: int | None = 0  # and the cycle in which the Replace was judged
        self._dying: list[tuple[int, int]] = []  # numbers of which what is being applied leaves nothing
        self._dead: deque[tuple[int, list[tuple[int, int]]]] = deque(maxlen=RECENT)  # (cycle, numbers), the last ones
        self._forgotten: deque[tuple[int, tuple[int, int], Chain]] = deque(maxlen=RECENT)
        self._writes: deque[int] = deque(maxlen=RECENT)  # cycles in which no place is freed
        self._changes: deque[Change] = deque()  # of what is being applied
        self._ready = 0  # the next of them can be worked out
        self._first = False  # that is the one of the order itself

    def room(self, lane: int, ref: int, cycle: int) -> bool:
        """Tell whether an order of this number can be kept, whose place is looked up in `cycle`."""
        if lane not in self.heard:
            return True
        kept = [*self.orders, *self._dying, *self._kept_yet(cycle)]
        return (lane, ref) not in kept and sum(bucket(number) == bucket(ref) for _, number in kept) < BUCKET

    def enter(self, cycle: int, lane: int, ref: int, row: int, quantity: int, price: int, parent: int | None) -> None:
        """An order is charged: it is kept in `cycle`."""
        if lane in self.heard:
            self._keep(cycle, lane, ref, Chain(lane, ref, row >> 1, not row & 1, parent, price, quantity))

    def ask(self, cycle: int, sought: Sought, ref: int, quantity: int, price: int) -> None:
        """A Replace of what was sought last is charged: it is kept in `cycle`."""
        chain = sought.chain
        chain.ask(Replace(chain.lane, chain.ref, ref, quantity, price))
        self._keep(cycle, chain.lane, ref, chain)

    def forget(self, cycle: int, lane: int, ref: int) -> None:
        """An order did not leave: it is forgotten in `cycle`."""
        if lane not in self.heard:
            return
        self._writes.append(cycle)
        if self._locked == (lane, ref):
            self._locked = None
        if chain := self.orders.pop((lane, ref), None):
            chain.withdraw(ref)
            self._forgotten.append((cycle, (lane, ref), chain))

    def withdraw(self, cycle: int, lane: int, ref: int) -> None:
        """A Replace did not leave: it waits from the next cycle on until this is applied."""
        self._waiting[1].append((cycle, Report(lane, ord(WITHDRAWAL), ref)))

    def drained(self, cycle: int) -> int | None:
        """Return the first cycle from `cycle` on in which no withdrawal waits; None if that is not known yet."""
        cycle, withdrawals = max(cycle, self._drained), self._waiting[1]
        return None if withdrawals and withdrawals[0][0] < cycle else cycle

    def clear(self) -> None:
        """The host forgets everything, when no change is on its way."""
        self.orders.clear()
        for waiting in self._waiting:
            waiting.clear()
        self._begun = self._found = self._locked = None
        self._withdraws, self._turn = False, 0

    def probe(self, cycle: int) -> None:
        """An order's place is looked up."""
        self._probes.append(cycle)

    def seek(self, cycle: int, lane: int, original: int) -> Sought | None:
        """Look up what a Replace is to replace, and return it; `run` has come to `cycle` and no further."""
        self.probe(cycle)
        self._sought, self._locked, self._released = cycle, None, None
        key = lane, original
        chain = self.orders.get(key)
        if chain:
            self._locked = key
        else:
            chain = next((chain for at, one, chain in self._forgotten if one == key and at > cycle), None)
        return Sought(chain, chain.copy()) if chain else None

    def release(self, cycle: int) -> None:
        """The Replace that was sought last has been judged, or its frame has ended; the first one counts."""
        if self._released is None:
            self._released = cycle

    def report(self, cycle: int, report: Report) -> None:
        """A report is applied: its strobe comes in `cycle`."""
        letter = chr(report.kind)
        if report.lane in self.heard and letter in ("AUECDMJG" if report.lane in self.older else "AUECDMJ"):
            self._waiting[0].append((cycle, report))

    @property
    def next(self) -> int | None:
        """When something goes on at the earliest; None if that takes a change to be taken, or a `release`."""
        if self._changes:
            return None if self.offer else max(self._ready, self._taken)
        if self._found:
            return self._passes()
        begun = self._begun or self._begins()
        return begun and begun[0]

    def run(self, last: int) -> None:
        """Do what begins up to and with cycle `last`; nothing more is known of probes and seeks behind it."""
        while (at := self.next) is not None and at <= last:
            if self._changes:
                self._work_out(at)
            elif self._found:
                self._pass(at)
            else:
                self._search(*(self._begun or self._begins()), last)

    def take(self, cycle: int) -> None:
        """The change that is offered is taken."""
        self.offer, self._taken = None, cycle + 1

    def _keep(self, cycle, lane, ref, chain):
        self.orders[lane, ref] = chain
        self._writes.extend((cycle, cycle + 1))

    def _kept_yet(self, cycle):
        """Yield the numbers that are over, and whose places are not free in `cycle`: one place a cycle is freed."""
        for at, numbers in self._dead:
            for number in numbers:
                while at in self._writes:
                    at += 1
                if at > cycle:
                    yield number
                at += 1

    def _begins(self):
        """Return when the next search begins, and for which of both; None if nothing waits."""
        comes = [
            waiting[0][0] + delay if waiting else None
            for waiting, delay in zip(self._waiting, (REPORTED, WITHDRAWN), strict=True)
        ]
        if comes == [None, None]:
            return None
        asked = max(self._free, min(one for one in comes if one is not None))
        ready = [which for which, one in enumerate(comes) if one is not None and one <= asked]
        return asked + 1, self._turn if len(ready) == 2 else ready[0]

    def _search(self, begins, which, last):
        """The index is asked, when no probe is in the way."""
        while self._probes and self._probes[0] + PROBE[1] < begins:
            self._probes.popleft()
        if self._probes and begins >= self._probes[0] + PROBE[0]:
            begins = self._probes[0] + PROBE[1] + 1
        self._begun = begins, which
        if begins > last:
            return
        self._begun, self._turn, self._withdraws = None, 1 - which, which == 1
        known, said = begins + KNOWN, self._waiting[which][0][1]
        if not self._withdraws:
            self._waiting[0].popleft()
        if (said.lane, said.user_ref) in self.orders:
            self._found = known, said
            return
        self._end(known + 2)
        letter = chr(said.kind)
        if letter not in ("J", WITHDRAWAL):
            harmless = letter in "CDM" or (letter == "A" and bool(said.dead))
            self._tell(known + 1, said, Event.UNKNOWN, kills=not harmless)

    def _passes(self):
        known, said = self._found
        at = max(known + PASSES, self._sought + APART)
        if self._locked != (said.lane, said.user_ref):
            return at
        return None if self._released is None else max(at, self._released + LOCKED)

    def _pass(self, at):
        """What is said of an order is applied to its chain."""
        (_, said), self._found = self._found, None
        key = said.lane, said.user_ref
        if key not in self.orders:  # it was forgotten in the meantime
            self._leave(at + WORKED_OUT)
            return
        chain = self.orders[key]
        was, letter = chain.copy(), "E" if said.kind == ord("G") else chr(said.kind)
        worked_out = at + (WITH_REPLACE if was.pending else WORKED_OUT)
        if letter != WITHDRAWAL:
            event = chain.hear(letter, said.user_ref, min(said.quantity, MOST), bool(said.dead))
            if event:
                self._tell(worked_out, said, event)
        elif chain.asks(said.user_ref):
            chain.withdraw(said.user_ref)
        self._dying = [(chain.lane, ref) for ref in was.refs if ref not in chain.refs]
        for number in self._dying:
            del self.orders[number]
        first, *others = _changes(was, chain, said.price)
        self._changes.extend(change for change in (first, *others) if change)
        self.seen[letter] += bool(self._changes)
        if first:
            self._first, self._ready = True, worked_out
        else:
            self._leave(worked_out)

    def _work_out(self, at):
        """A change is."""
        self.offer = at + THERE, self._changes.popleft()
        if self._first:
            self._leave(at)
        elif not self._changes:
            self._end(at + 2)

    def _leave(self, at):
        """The order's own change has been worked out, or there is none: its chain is as it is left from at + 4 on."""
        self._first, self._ready = False, at + ENDS + 1
        if self._dying:
            self._dead.append((at + DIES, self._dying))
            self._dying = []
        if not self._changes:
            self._end(self._ready)

    def _end(self, free):
        """All is done but what was worked out; the next search is asked for in `free`."""
        self._free = free
        if self._withdraws:
            self._waiting[1].popleft()
            self._withdraws, self._drained = False, free

    def _tell(self, at, report, event, *, kills=True):
        self.told.append(Told(at, report.lane, TELLS[event], report, kills))


def _changes(was: Chain, chain: Chain, price: int) -> tuple[Change | None, Change | None, Change | None]:
    """Return what is to be booked of an order, of what was executed above it, and of its Replace."""

    def change(released, executed, notional):
        return Change(2 * chain.index + (not chain.buy), chain.lane, released, executed, notional, chain.parent)

    replaced, asked = chain.ref != was.ref, was.pending
    over = asked and (chain.dead or chain.pending is None)
    gone, executed = was.left if replaced else was.left - chain.left, chain.exe - was.exe
    taken = min(executed, was.left)
    released = gone if over and not replaced else was.reserved - chain.reserved
    first = change(released, taken, taken * price - gone * was.px) if gone else None
    above = change(0, executed - taken, (executed - taken) * price) if executed > taken else None
    rest = asked.total - (chain.left if replaced else 0) if over else 0
    return first, above, change(0 if replaced else was.spare, 0, -rest * asked.price) if rest else None

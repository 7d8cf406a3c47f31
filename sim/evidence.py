"""What the exchange's reports change of the open orders, and when it is there to be booked. Part of the golden model.

Reports are applied one after the other. What they change is `sim.chain`'s; the times are the gateware's promise, in
cycles: with h two cycles behind a report's coming, or one behind the end of that before it, its order is known in
h + 9, later if an order's place is being looked up; what it changes is worked out from t = h + 14 on, or when the
change before it has been taken, and is there in t + 12; it has its end in t + 4.
"""

from collections import Counter, deque
from typing import NamedTuple

from hdl.wire.event import Contradiction
from sim.chain import Chain, Event
from sim.replies import Report

COMES, KNOWN, WORKED_OUT, THERE, ENDS = 2, 8, 5, 12, 4
DIES = 2  # cycles from its working out until an order's place is free
RECENT = 64
PROBE = 1, 4  # cycles behind a probe in which no search for a report begins
MOST = (1 << 20) - 1  # shares of one report: more say as many
BUCKET, TURNS = 8, (0, 3, 1, 5)  # orders of a bucket; how a number's octets go round in its bucket
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


def bucket(ref: int) -> int:
    """Return in which of 64 buckets an order of this number is kept."""
    found = 0
    for octet, turn in enumerate(TURNS):
        low = ref >> 8 * octet & 63
        found ^= (low << turn | low >> 6 - turn) & 63
    return found


class Evidence:
    """The open orders by lane and number, and the reports that wait.

    heard : lanes whose orders are kept. older : lanes of OUCH 4.2. offer : a `Change` and the cycle in which it is
    there, until it is taken. told : contradictions. seen : letters of reports that released something.
    """

    def __init__(self, heard=(), older=()):
        self.heard, self.older = frozenset(heard), frozenset(older)
        self.orders: dict[tuple[int, int], Chain] = {}
        self.told: list[Told] = []
        self.seen: Counter[str] = Counter()
        self.offer: tuple[int, Change] | None = None
        self._reports: deque[tuple[int, Report]] = deque()
        self._free = 0  # the next report is asked for here at the earliest
        self._taken = 0  # when the last change was
        self._probes: deque[int] = deque()
        self._dying: list[tuple[int, int]] = []  # of which the report that is being applied leaves nothing
        self._dead: deque[tuple[int, tuple[int, int]]] = deque(maxlen=RECENT)  # (cycle, order), the last ones
        self._writes: deque[int] = deque(maxlen=RECENT)  # cycles in which orders entered or were forgotten
        self._changes: deque[Change] = deque()  # of the report that is being applied
        self._ready = 0  # its next change can be worked out
        self._excess = False  # that is its second one

    def room(self, lane: int, ref: int, cycle: int) -> bool:
        """Tell whether an order of this number can be kept, whose place is looked up in `cycle`."""
        if lane not in self.heard:
            return True
        kept = [*self.orders, *self._dying, *(order for at, order in self._dead if self._free_from(at) > cycle)]
        return (lane, ref) not in kept and sum(bucket(number) == bucket(ref) for _, number in kept) < BUCKET

    def enter(self, cycle: int, lane: int, ref: int, row: int, quantity: int, price: int, parent: int | None) -> None:
        """An order is charged: it is kept in `cycle`."""
        if lane in self.heard:
            self.orders[lane, ref] = Chain(lane, ref, row >> 1, not row & 1, parent, price, quantity)
            self._writes.append(cycle)

    def forget(self, cycle: int, lane: int, ref: int) -> None:
        """An order did not leave: it is forgotten in `cycle`."""
        if lane in self.heard:
            self.orders.pop((lane, ref), None)
            self._writes.append(cycle)

    def clear(self) -> None:
        """The host forgets everything, when no change is on its way."""
        self.orders.clear()
        self._reports.clear()

    def probe(self, cycle: int) -> None:
        """An order's place is looked up."""
        self._probes.append(cycle)

    def report(self, cycle: int, report: Report) -> None:
        """A report is applied: its strobe comes in `cycle`."""
        letter = chr(report.kind)
        if report.lane in self.heard and letter in ("AUECDMJG" if report.lane in self.older else "AUECDMJ"):
            self._reports.append((cycle, report))

    @property
    def next(self) -> int | None:
        """When something goes on at the earliest, if it does not wait for a change to be taken."""
        if self._changes:
            return None if self.offer else max(self._ready, self._taken)
        return max(self._reports[0][0] + COMES, self._free) + 1 if self._reports else None

    def run(self, last: int) -> None:
        """Do what begins up to and with cycle `last`; nothing more is known of probes behind it."""
        while (begins := self.next) is not None and begins <= last:
            if self._changes:
                self.offer = begins + THERE, self._changes.popleft()
                self._dead.extend((begins + DIES, order) for order in self._dying)
                self._dying.clear()
                self._free = begins + (2 if self._excess else ENDS + 1)
                self._ready = begins + ENDS + 1
                self._excess = bool(self._changes)
                continue
            while self._probes and self._probes[0] + PROBE[1] < begins:
                self._probes.popleft()
            if self._probes and begins >= self._probes[0] + PROBE[0]:
                begins = self._probes[0] + PROBE[1] + 1
                if begins > last:
                    self._free = begins - 1
                    return
            self._apply(begins + KNOWN, self._reports.popleft()[1])

    def take(self, cycle: int) -> None:
        """The change that is offered is taken."""
        self.offer, self._taken = None, cycle + 1

    def _free_from(self, cycle):
        """A place is freed when no order enters or is forgotten."""
        while cycle in self._writes:
            cycle += 1
        return cycle

    def _apply(self, known, report):
        """A report's order is known."""
        letter, older = chr(report.kind), report.lane in self.older
        letter = "E" if letter == "G" and older else letter
        chain = self.orders.get((report.lane, report.user_ref))
        self._ready, self._excess = known + WORKED_OUT, False
        self._free = self._ready + ENDS + 1
        if chain is None:
            self._free = known + 2
            if letter != "J":
                harmless = letter in "CDM" or (letter == "A" and bool(report.dead))
                self._tell(known + 1, report, Event.UNKNOWN, kills=not harmless)
            return
        quantity, before = min(report.quantity, MOST), chain.reserved
        event = Event.OUT_OF_TURN if letter == "U" else chain.hear(letter, report.user_ref, quantity, bool(report.dead))
        if event:
            self._tell(known + WORKED_OUT, report, Event.ABOVE if report.quantity > before else event)
        if chain.dead:
            del self.orders[report.lane, report.user_ref]
            self._dying.append((report.lane, report.user_ref))
        released = before - chain.reserved
        row, executed = 2 * chain.index + (not chain.buy), released if letter == "E" else 0
        if released:
            self.seen[letter] += 1
            notional = released * ((report.price if executed else 0) - chain.px)
            self._changes.append(Change(row, chain.lane, released, executed, notional, chain.parent))
            if letter == "E" and quantity > before:
                excess = quantity - before
                self._changes.append(Change(row, chain.lane, 0, excess, excess * report.price, chain.parent))

    def _tell(self, at, report, event, *, kills=True):
        self.told.append(Told(at, report.lane, TELLS[event], report, kills))

"""What is open and was executed, and what is taken back when a frame does not leave. Part of the golden model.

Time matters here for one thing only: how soon a check sees what an abort or a discard gives back, and what a report
changes. The schedule is the risk engine's promise: with p the cycle in which the decoder has the whole price of an
Enter or a Replace, its check reads at p + 9, and with n then, or when its parent is named if that is later, the engine
is its own from p + 5 to the later of p + 14 and n + 2; and with c the cycle in which the order is judged, from c + 2 to
c + 6 if it is charged. What is given back goes entry by entry, and so do changes, which come first: three cycles each,
in between. One that begins by p + 4 counts for the check. An entry of a Replace gives nothing back in its three cycles:
its withdrawal brings about a change. Those that the gate has owed wait for one another's.
"""

from collections import deque
from typing import NamedTuple

from hdl.wire.registers import SHORTED, SYMBOLS, TRADED
from hdl.wire.verdict import FIRM, LANES, Reason
from sim.evidence import Evidence, Sought
from sim.parents import Parents, number_in

READS, DECIDED = 9, 15  # an Enter's check, after p
QUIET = 5  # from here on nothing begins
CHECKED = 5  # up to here after the reading
LOOKED, FOUND = 2, 5  # and after n; from when on it is known, what the parent has to say
JUDGED = 2  # or up to here after c, if that comes first
CHARGED = 2, 6  # from c
ENTERS = 2  # after c, an order is kept
CYCLES_EACH = 3
DRAINED = 2  # cycles before an owed entry begins, in which no withdrawal waits
PROBED = 2  # after p, an order's place is looked up
REPLACE, RESTRICTED, BLOCKED, SHORT, COLLAR, ORDER_VALUE, PARENT, POSITION, LANE_GROSS, FIRM_GROSS, FULL = (
    int(Reason[name])
    for name in (
        "REPLACE", "RESTRICTED", "BLOCKED", "SHORT", "COLLAR", "ORDER_VALUE", "PARENT", "POSITION", "LANE_GROSS",
        "FIRM_GROSS", "FULL",
    )
)  # fmt: skip
MOST = (1 << 31) - 1  # of a price in a symbol's terms


class Reservation(NamedTuple):
    """What an order was charged. row: 2 * index, and 1 more for a sell. parent: its number, if it needs one."""

    row: int
    lane: int
    quantity: int
    notional: int
    ref: int
    parent: int | None
    replaces: bool


class Budget:
    """Net position per symbol, exposure per symbol and side, gross notional per lane and firm, blocked symbols."""

    def __init__(self, config):
        self.net = [0] * SYMBOLS
        self.exposure = [0] * 2 * SYMBOLS  # shares released, and not executed or canceled since
        self.gross = [0] * 9  # 10^-4 dollars, open and executed; lanes 0 to 7, the firm
        self.blocked = set()  # indices
        self.limits = [0] * 2 * SYMBOLS
        for (index, buy), limit in config.limits.items():
            self.limits[2 * index + (not buy)] = limit
        self.gross_limits = list(config.gross_limits)
        older = [lane for lane in range(LANES) if config.modes[lane] & 2]
        self.evidence = Evidence([lane for lane in range(LANES) if config.heard(lane)], older)
        self._config = config
        self.parents = Parents(config.parents)
        self._owed = deque()  # (cycle of the outcome, reservations)
        self._next = 0  # the next one begins here at the earliest
        self._entry = self._change = 0  # and no sooner than this, of either
        self._started = False  # the first outcome's first entry is done
        self._quiet = deque()  # (first, last) cycles in which nothing begins

    def check(self, order, lane: int, probed: int, sought: Sought | None = None) -> int:
        """Return why an order may not be released, but for its fields by themselves; 0 if it may.

        An Enter is of a known symbol; a Replace of what was `sought`, and of its symbol and side. The order's place is
        looked up in cycle `probed`.
        """
        if order.replaces and not sought:
            return REPLACE
        row, shares, notional = _row(order), _more(order, sought), order.quantity * order.price
        low, high = self._config.terms.get(order.index, (0, 0))
        if not low & TRADED:
            return RESTRICTED
        if order.index in self.blocked:
            return BLOCKED
        if order.short and not high << 32 & SHORTED:
            return SHORT
        if not low & MOST <= order.price <= high & MOST:
            return COLLAR
        if notional > self._config.order_value:
            return ORDER_VALUE
        if sought and sought.shown.parent != self._parent(order, lane):
            return PARENT
        if not self._config.parentless(lane) and (reason := self.parents.check(order.parent, order, shares)):
            return reason
        held = -self.net[order.index] if row & 1 else self.net[order.index]
        if shares and held + self.exposure[row] + shares > self.limits[row]:
            return POSITION
        if self.gross[lane] + notional > self.gross_limits[lane]:
            return LANE_GROSS
        if self.gross[FIRM] + notional > self.gross_limits[FIRM]:
            return FIRM_GROSS
        if sought and sought.shown.pending:
            return FULL
        return 0 if self.evidence.room(lane, order.user_ref, probed) else FULL

    def reserve(self, order, lane: int, judged: int, sought: Sought | None = None) -> Reservation:
        """Charge an order; a Replace of what was `sought`."""
        row, shares, ref, parent = _row(order), _more(order, sought), order.user_ref, self._parent(order, lane)
        entry = Reservation(row, lane, shares, order.quantity * order.price, ref, parent, order.replaces)
        self._add(row, lane, shares, entry.notional)
        self.parents.take(parent, shares, not order.replaces)
        if sought:
            self.evidence.ask(judged + ENTERS, sought, ref, order.quantity, order.price)
        else:
            self.evidence.enter(judged + ENTERS, lane, ref, row, shares, order.price, parent)
        return entry

    def give_back(self, entries, begins: int) -> None:
        """Undo reservations, the first one from cycle `begins` on; that of a Replace by a withdrawal."""
        for number, (row, lane, shares, notional, ref, parent, replaces) in enumerate(entries):
            at = begins + CYCLES_EACH * number
            if replaces:
                self.evidence.withdraw(at, lane, ref)
                continue
            self._add(row, lane, -shares, -notional)
            self.parents.give(parent, shares, 1)
            self.evidence.forget(at, lane, ref)

    def owe(self, cycle: int, entries) -> None:
        """A frame that was kept did not leave: its outcome shows in `cycle`."""
        if entries:
            self._owed.append((cycle, deque(entries)))

    def quiet(self, first: int, last: int) -> None:
        """Nothing begins in these cycles; called in their order."""
        self._quiet.append((first, last))

    @property
    def next(self) -> int | None:
        """When something goes on of the reports at the earliest; None if there are none."""
        offer, found = self.evidence.offer, self.evidence.next
        booked = max(offer[0] + 1, self._change) if offer else None
        return min((one for one in (booked, found) if one is not None), default=None)

    def settle(self, last: int) -> None:
        """Book every change, and undo every entry, that begins up to and with cycle `last`."""
        while True:
            begins, offer = [], self.evidence.offer
            if offer:
                self._change = self._later(max(self._next, offer[0] + 1, self._change))
                begins.append((self._change, 0))
            if self._owed and (entry := self._owes()):
                self._entry = entry
                begins.append((entry, 1))
            at, is_entry = min(begins, default=(last + 1, 0))
            found = self.evidence.next
            if found is not None and found <= min(at, last):
                self.evidence.run(found)
                continue
            if at > last:
                break
            self._next = at + CYCLES_EACH
            if not is_entry:
                self._book(offer[1])
                self.evidence.take(at - 1)
                continue
            _, entries = self._owed[0]
            self.give_back([entries.popleft()], at)
            self._started = bool(entries)
            if not entries:
                self._owed.popleft()
        while self._quiet and self._quiet[0][1] <= last:
            self._quiet.popleft()

    def clear(self) -> None:
        """The host zeroes what there is; what is owed is forgotten with it."""
        self.net, self.exposure, self.gross = [0] * SYMBOLS, [0] * 2 * SYMBOLS, [0] * 9
        self.parents.clear()
        self.evidence.clear()
        self._owed.clear()
        self._started = False

    def _parent(self, order, lane):
        return None if self._config.parentless(lane) else number_in(order.parent)

    def _owes(self):
        """Return when the next owed entry begins, None if that is not known yet."""
        cycle = 0 if self._started else self._owed[0][0] + 5
        begins = self._later(max(self._next, cycle, self._entry))
        while (drained := self.evidence.drained(begins - DRAINED)) is not None and drained + DRAINED > begins:
            begins = self._later(drained + DRAINED)
        return None if drained is None else begins

    def _later(self, begins):
        for first, last in self._quiet:
            if first <= begins <= last:
                begins = last + 1
        return begins

    def _book(self, change):
        held = change.executed * (-1 if change.row & 1 else 1)
        self.net[change.row >> 1] += held
        self._add(change.row, change.lane, -change.released, change.notional)
        self.parents.give(change.parent, change.released - change.executed)

    def _add(self, row, lane, shares, notional):
        self.exposure[row] += shares
        self.gross[lane] += notional
        self.gross[FIRM] += notional
        assert self.exposure[row] >= 0 <= self.gross[lane], "more was given back than had been reserved"


def _row(order) -> int:
    return 2 * order.index + (not order.buy)


def _more(order, sought) -> int:
    """Return how many shares an order reserves: of a Replace those by which its total is above its chain's.

    None if it is one too many for its chain.
    """
    if not sought:
        return order.quantity
    return 0 if sought.shown.pending else max(0, order.quantity - sought.shown.live)

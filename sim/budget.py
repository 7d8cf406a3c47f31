"""What has been released, and what is taken back when a frame does not leave. Part of the golden model.

Time matters here for one thing only: how soon a check sees what an abort or a discard gives back. The schedule is the
risk engine's promise: with p the cycle in which the decoder has the whole price of an Enter, its check reads
at p + 9, and the engine is its own from p + 5 until it is judged in cycle c, or charged until c + 4. What is given back
goes entry by entry, three cycles each, in between; an entry that begins by p + 4 counts for the check.
"""

from collections import deque

from hdl.wire.registers import SHORTED, TRADED
from hdl.wire.verdict import FIRM, Reason

READS, DECIDED = 9, 15  # an Enter's check, after p
QUIET = 5  # from here on no entry begins
JUDGED, CHARGED = 1, 4  # up to here after c
CYCLES_EACH = 3
RESTRICTED, BLOCKED, SHORT, COLLAR, ORDER_VALUE, POSITION, LANE_GROSS, FIRM_GROSS = (
    int(Reason[name])
    for name in (
        "RESTRICTED", "BLOCKED", "SHORT", "COLLAR", "ORDER_VALUE", "POSITION", "LANE_GROSS", "FIRM_GROSS",
    )
)  # fmt: skip
MOST = (1 << 31) - 1  # of a price in a symbol's terms


class Budget:
    """Exposure per symbol and side, gross notional per lane and firm, blocked symbols.

    A reservation is (row, lane, quantity, notional); a row is 2 * index, and 1 more for a sell.
    """

    def __init__(self, config):
        self.exposure = [0] * 1024  # shares released
        self.gross = [0] * 9  # 10^-4 dollars released; lanes 0 to 7, the firm
        self.blocked = set()  # indices
        self.limits = [0] * 1024
        for (index, buy), limit in config.limits.items():
            self.limits[2 * index + (not buy)] = limit
        self.gross_limits = list(config.gross_limits)
        self._terms, self._order_value = config.terms, config.order_value
        self._owed = deque()  # (cycle of the outcome, reservations)
        self._next = 0  # the next entry begins here at the earliest
        self._started = False  # the first outcome's first entry is done
        self._quiet = deque()  # (first, last) cycles in which no entry begins

    def check(self, order, lane: int) -> int:
        """Return why an Enter of a known symbol may not be released, but for its fields by themselves; 0 if it may."""
        row, notional = 2 * order.index + (not order.buy), order.quantity * order.price
        low, high = self._terms.get(order.index, (0, 0))
        if not low & TRADED:
            return RESTRICTED
        if order.index in self.blocked:
            return BLOCKED
        if order.short and not high << 32 & SHORTED:
            return SHORT
        if not low & MOST <= order.price <= high & MOST:
            return COLLAR
        if notional > self._order_value:
            return ORDER_VALUE
        if self.exposure[row] + order.quantity > self.limits[row]:
            return POSITION
        if self.gross[lane] + notional > self.gross_limits[lane]:
            return LANE_GROSS
        if self.gross[FIRM] + notional > self.gross_limits[FIRM]:
            return FIRM_GROSS
        return 0

    def reserve(self, order, lane: int):
        """Charge an Enter; return its reservation."""
        entry = (2 * order.index + (not order.buy), lane, order.quantity, order.quantity * order.price)
        self._add(entry, 1)
        return entry

    def give_back(self, entries) -> None:
        """Undo the reservations of a frame dropped by its verdict."""
        for entry in entries:
            self._add(entry, -1)

    def owe(self, cycle: int, entries) -> None:
        """A frame that was kept did not leave: its outcome shows in `cycle`."""
        if entries:
            self._owed.append((cycle, deque(entries)))

    def quiet(self, first: int, last: int) -> None:
        """No entry begins in these cycles; called in their order."""
        self._quiet.append((first, last))

    def settle(self, last: int) -> None:
        """Undo every entry that begins up to and with cycle `last`."""
        quiet = self._quiet
        while self._owed:
            cycle, entries = self._owed[0]
            begins = self._next if self._started else max(self._next, cycle + 5)
            while quiet and quiet[0][0] <= begins:
                begins = max(begins, quiet[0][1] + 1)
                if quiet[0][1] >= last:
                    break
                quiet.popleft()
            if begins > last:
                self._next = max(self._next, begins if self._started or begins > cycle + 5 else 0)
                return
            self._add(entries.popleft(), -1)
            self._next, self._started = begins + CYCLES_EACH, True
            if not entries:
                self._owed.popleft()
                self._started = False
        while quiet and quiet[0][1] <= last:
            quiet.popleft()

    def clear(self) -> None:
        """The host zeroes what was released; what is owed is forgotten with it."""
        self.exposure, self.gross = [0] * 1024, [0] * 9
        self._owed.clear()
        self._started = False

    def _add(self, entry, sign):
        row, lane, quantity, notional = entry
        self.exposure[row] += sign * quantity
        self.gross[lane] += sign * notional
        self.gross[FIRM] += sign * notional
        assert self.exposure[row] >= 0 <= self.gross[lane], "more was given back than had been reserved"

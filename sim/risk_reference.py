"""What the risk engine promises, in plain Python: one step a cycle, with whole operations at once."""

from collections import deque
from dataclasses import dataclass, field

READS, SHOWS = 9, 15  # cycles after `price_ready`
FOUND = 5  # cycles from the look at a parent to what it tells
MOST = 31


@dataclass
class Order:
    """An order on its way: `price_ready` in cycle `at`.

    parent: the number of the one that it names, None if it needs none; named so many cycles behind `at`. Results are
    in the order of `RESULTS`.
    """

    at: int
    lane: int
    index: int | None
    sell: bool
    quantity: int
    price: int
    parent: int | None = None
    named: int = READS
    results: tuple | None = None
    judged: bool = False

    @property
    def notional(self):
        return self.quantity * self.price

    @property
    def shows(self):
        """When all is decided, in cycles behind `at`."""
        return max(SHOWS, self.named + FOUND)


@dataclass
class Reference:
    """The budgets, and what is reserved, undone and when.

    `limits` and `released` are by (index, sell), gross ones by lane with 8 for the firm. Only frames with legal gaps:
    no check may come while a dropped frame is still being undone.
    """

    limits: dict = field(default_factory=dict)
    released: dict = field(default_factory=dict)
    gross_limits: dict = field(default_factory=dict)
    gross: dict = field(default_factory=dict)
    blocked: set = field(default_factory=set)
    parents: dict = field(default_factory=dict)  # by number: index and side
    left: dict = field(default_factory=dict)  # shares and children

    def __post_init__(self):
        self.order, self.frame = None, []
        self.failed = deque()  # (earliest cycle, order)
        self.next = 0  # earliest cycle of the next undoing
        self.forbidden = []  # (first, last) cycles in which none begins
        self.began = []

    def room(self, key):
        return self.limits.get(key, 0) - self.released.get(key, 0)

    def gross_room(self, row):
        return self.gross_limits.get(row, 0) - self.gross.get(row, 0)

    def of_parent(self, order, key):
        """Return whether the order is none of its parent's or too large for it, and whether it is one too many."""
        if order.parent is None:
            return False, False
        shares, children = self.left.get(order.parent, (0, 0))
        return self.parents.get(order.parent) != key or order.quantity > shares, not children

    def charge(self, order, sign):
        key = (order.index, order.sell)
        self.released[key] = self.released.get(key, 0) + sign * order.quantity
        for row in (order.lane, 8):
            self.gross[row] = self.gross.get(row, 0) + sign * order.notional
        if order.parent is not None:
            self.left[order.parent][0] -= sign * order.quantity
            self.left[order.parent][1] -= sign
        assert min(self.released[key], self.gross[order.lane], self.gross[8]) >= 0

    def ready(self, order):
        self.order = order

    def fail(self, cycle, orders):
        """A kept frame did not leave: `orders` are those it had reserved."""
        for number, order in enumerate(orders):
            self.failed.append((cycle + 5 if number == 0 else 0, order))

    def end(self, cycle, kept):
        """Return the orders that the frame had reserved."""
        orders, self.frame = self.frame, []
        self.forbidden.append((cycle + 1, cycle + 1))
        if not kept and orders:
            for order in orders:
                self.charge(order, -1)
            self.forbidden.append((cycle + 1, cycle + 4 + 3 * len(orders)))
            self.next = 0
        if self.order and not self.order.judged:
            self.order = None
        return orders

    def judge(self, cycle, passes):
        """The order is judged; return whether it is charged, if it `passes` otherwise."""
        order = self.order
        order.judged = True
        passes &= not any(order.results) and len(self.frame) < MOST
        if passes:
            self.charge(order, 1)
            self.frame.append(order)
            self.forbidden.append((cycle + 2, cycle + 6))
        return passes

    def step(self, cycle):
        """Go through `cycle`."""
        order = self.order
        if order and cycle == order.at + READS:
            key = (order.index, order.sell)
            order.results = (
                order.index is None,
                order.index in self.blocked,
                order.quantity > self.room(key),
                order.notional > self.gross_room(order.lane),
                order.notional > self.gross_room(8),
                *self.of_parent(order, key),
            )
        if order and not order.judged and order.at + 5 <= cycle < order.at + max(SHOWS, order.named + 3):
            return
        if any(first <= cycle <= last for first, last in self.forbidden[-8:]):
            return
        if self.failed and cycle >= max(self.next, self.failed[0][0]):
            self.charge(self.failed.popleft()[1], -1)
            self.began.append(cycle)
            self.next = cycle + 3

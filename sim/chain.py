"""A chain: an order and all that replaces it, as the exchange's reports tell of it. Part of the golden model."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

LIVE = 2**21 - 1  # the largest total of a chain


class Event(IntEnum):
    """What the host is told of a report; of several the highest."""

    NONE = 0
    TRADE = 1  # a trade was broken or corrected: nothing here changes by it
    UNKNOWN = 2  # of an order that is unknown; a kill if it has been at the exchange
    OUT_OF_TURN = 3  # of a Replace that was not said to have replaced; a Replaced of one that is not pending
    ABOVE = 4  # of more shares than are reserved
    SATURATED = 5  # a sum


class Enter(NamedTuple):
    """An Enter. `price` is the one to be charged, `parent` None if the lane needs none."""

    lane: int
    ref: int
    index: int  # the symbol's
    buy: bool
    quantity: int
    price: int
    parent: int | None = None


class Replace(NamedTuple):
    """A Replace; `quantity` is the chain's total."""

    lane: int
    original: int
    ref: int
    quantity: int
    price: int
    parent: int | None = None


class Pending(NamedTuple):
    """A Replace of which nothing has been heard yet."""

    ref: int
    total: int
    price: int


@dataclass
class Chain:
    """ref: the newest order that is known to have replaced, or the Enter. live: the total that the exchange is known to
    allow. px: the highest price of the chain, but for the pending Replace's.
    """

    lane: int
    ref: int
    index: int
    buy: bool
    parent: int | None
    px: int
    live: int
    exe: int = 0
    pending: Pending | None = None
    dead: bool = False

    @classmethod
    def of(cls, order: Enter) -> "Chain":
        return cls(order.lane, order.ref, order.index, order.buy, order.parent, order.price, order.quantity)

    def copy(self) -> "Chain":
        return replace(self)

    @property
    def refs(self) -> tuple[int, ...]:
        """The numbers by which it is known."""
        return () if self.dead else (self.ref, self.pending.ref) if self.pending else (self.ref,)

    @property
    def reserved(self) -> int:
        """Shares that may still be executed, whatever becomes of a pending Replace."""
        total = self.pending.total if self.pending else 0
        return 0 if self.dead else max(0, max(self.live, total) - self.exe)

    @property
    def notional(self) -> int:
        return self.reserved * max(self.px, self.pending.price if self.pending else 0)

    def ask(self, order: Replace) -> None:
        self.pending = Pending(order.ref, order.quantity, order.price)

    def withdraw(self, ref: int) -> None:
        """An order of this number did not leave."""
        if ref == self.ref:
            self.dead = True
        elif not self.dead:
            assert self.pending and self.pending.ref == ref
            self.pending = None

    def hear(self, letter: str, ref: int, quantity: int, dead: bool) -> Event:
        """Apply a report: it is dead when nothing of it is open any more."""
        asked = self.pending is not None and self.pending.ref == ref
        event = Event.NONE
        if letter != "J" and asked != (letter == "U"):
            event = Event.OUT_OF_TURN
        if letter != "J" and quantity > self.reserved:
            event = Event.ABOVE
        match letter:
            case "J":
                dead = not asked
            case "U":
                self.live = min(LIVE, self.exe + quantity)
            case "E":
                self.exe += quantity
            case "C" | "D":
                self.live = max(0, self.live - quantity)
            case "M":
                self.live = min(self.live, self.exe + quantity)
        if asked and letter in "JU":
            self._settle(ref if letter == "U" else self.ref)
        self.dead = bool(dead) or (letter not in "AJ" and self.live <= self.exe)
        return event

    def _settle(self, ref: int) -> None:
        """The pending Replace has been answered; the price never falls."""
        self.ref, self.px, self.pending = ref, max(self.px, self.pending.price), None

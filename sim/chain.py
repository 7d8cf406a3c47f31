"""A chain: an order and all that replaces it, as the exchange's reports tell of it. Part of the golden model."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple


class Event(IntEnum):
    """What the host is told of a report; of several the highest."""

    NONE = 0
    TRADE = 1  # a trade was broken or corrected: nothing here changes by it
    UNKNOWN = 2  # of an order that is unknown; a kill if it has been at the exchange
    ABOVE = 3  # of more shares than are open; a Replaced of more than were asked for changes nothing
    OUT_OF_TURN = 4  # of a Replace that was not said to have replaced; a Replaced of one that is not pending
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
    """ref: the newest order that is known to have replaced, or the Enter; px: its price. live: the total that the
    exchange is known to allow; exe: shares executed of it. While a Replace is pending, both orders' notional counts.

    An Enter that did not leave, neither did its pending Replace: that stays by itself until it is withdrawn as well.
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
        order = (self.ref,) if self.left else ()
        return () if self.dead else (*order, self.pending.ref) if self.pending else order

    @property
    def left(self) -> int:
        """Shares that are open."""
        return 0 if self.dead else self.live - self.exe

    @property
    def spare(self) -> int:
        """Shares by which the pending Replace's total is above what is allowed."""
        return max(0, self.pending.total - self.live) if self.pending and not self.dead else 0

    @property
    def reserved(self) -> int:
        """Shares that may still be executed, whatever becomes of a pending Replace."""
        return self.left + self.spare

    @property
    def notional(self) -> int:
        asked = self.pending.total * self.pending.price if self.pending and not self.dead else 0
        return self.left * self.px + asked

    def ask(self, order: Replace) -> None:
        """A Replace is charged, even of an Enter that has just been withdrawn."""
        self.pending, self.dead = Pending(order.ref, order.quantity, order.price), False

    def asks(self, ref: int) -> bool:
        """Tell whether this is the number of the pending Replace."""
        return self.pending is not None and self.pending.ref == ref

    def withdraw(self, ref: int) -> None:
        """An order of this number did not leave."""
        if self.dead:
            return
        if self.asks(ref):
            self._lapse()
        else:
            assert ref == self.ref
            self.exe, self.dead = self.live, self.pending is None

    def hear(self, letter: str, ref: int, quantity: int, dead: bool) -> Event:
        """Apply a report: it is dead when nothing of it is open any more.

        One that is out of turn changes nothing; but what was executed of a pending Replace was executed of its order.
        """
        asks = self.asks(ref)
        if letter == "J":
            if asks:
                self._lapse()
            else:
                self.dead = True
            return Event.NONE
        if asks != (letter == "U") or (asks and not self.left):
            if letter == "E" and self.left:
                self._reduce(letter, quantity, dead)
            return Event.OUT_OF_TURN
        above = quantity > (max(0, self.pending.total - self.exe) if asks else self.left)
        if not asks:
            self._reduce(letter, quantity, dead)
        elif not above:
            self._replaced(quantity, dead)
        return Event.ABOVE if above else Event.NONE

    def _reduce(self, letter, quantity, dead):
        match letter:
            case "E":
                self.exe += quantity
            case "C" | "D":
                self.live -= min(quantity, self.left)
            case "M":
                self.live = min(self.live, self.exe + quantity)
        self.dead = bool(dead) or self.live <= self.exe

    def _replaced(self, outstanding, dead):
        self.dead = bool(dead) or not outstanding
        if not self.dead:
            self.ref, self.px, self.live = self.pending.ref, self.pending.price, self.exe + outstanding
            self.pending = None

    def _lapse(self):
        """The pending Replace comes to nothing."""
        self.dead = not self.left
        self.pending = None

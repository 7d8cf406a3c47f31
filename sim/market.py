"""An exchange that knows the truth: eight members' orders, what was executed, and reports of all of it.

Independent of `sim.positions`: an order has the shares that are open, as an exchange keeps it, not a total. Nothing
matches; orders are executed, canceled and decremented at random. What becomes of a Replace is the specification's
(OUCH 5.0, 2.2).
"""

from collections import Counter
from dataclasses import dataclass, replace
from random import Random

from sim.replies import Report

LANES = 8
HIGHEST = 1_999_999_900  # price
MOST = 999_999  # shares of a chain


@dataclass
class Order:
    """A live order. filled, prevented: shares of its chain, ever."""

    index: int
    buy: bool
    tag: int | None
    price: int
    open: int
    filled: int = 0
    prevented: int = 0


class Market:
    """The books. Every method returns reports, in the order in which they are sent.

    book: live orders by number, of each lane. net: shares by symbol's index, of each lane. turnover: executed notional
    of each lane. executed: shares by tag. seen: how often what happened. Lanes in `older` speak OUCH 4.2.
    """

    def __init__(self, random: Random, older=()):
        self.random, self.older = random, frozenset(older)
        self.book: list[dict[int, Order]] = [{} for _ in range(LANES)]
        self.net = [Counter() for _ in range(LANES)]
        self.turnover = [0] * LANES
        self.executed, self.seen = Counter(), Counter()
        self._used = [0] * LANES
        self._traded: list[tuple[int, int]] = []

    def enter(self, lane, ref, index, buy, quantity, price, tag) -> list[Report]:
        assert ref > self._used[lane], "a number that was used left"
        self._used[lane] = ref
        if self._now(0.06):
            return [self._say("J", lane, ref)]
        dead = self._now(0.08)
        accepted = self._say("A", lane, ref, quantity=quantity, dead=dead)
        if dead:
            return [accepted]
        self.book[lane][ref] = Order(index, buy, tag, price, quantity)
        return [accepted, *(self.fill(lane, ref) if self._now(0.25) else [])]

    def replace(self, lane, original, ref, quantity, price) -> list[Report]:
        order = self.book[lane].get(original)
        if order is None:
            return self._note("of an order that is dead")
        assert ref > self._used[lane], "a number that was used left"
        left = quantity - order.filled - order.prevented
        if (left <= 0 and self._now(0.5)) or self._now(0.06):
            return self._note("invalid", self._reduce("C", lane, original, order.open))
        self._used[lane] = ref
        if self._now(0.12):
            return self._note("rejected", [self._say("J", lane, ref)])
        del self.book[lane][original]
        order = replace(order, price=price, open=max(0, left))
        dead = left <= 0 or self._now(0.08)
        reports = [self._say("U", lane, ref, original, order.open, dead=dead)]
        if dead:
            return self._note("replaced and canceled", reports)
        self.book[lane][ref] = order
        self.seen["after executions"] += order.filled > 0
        self.seen["after decrements"] += order.prevented > 0
        return self._note("replaced", reports + (self.fill(lane, ref) if self._now(0.25) else []))

    def cancel(self, lane, ref, size) -> list[Report]:
        order = self.book[lane].get(ref)
        if order is None or self._now(0.1):
            return [self._say(self.random.choice("PI"), lane, ref)] if self._now(0.5) else []
        return self._reduce("C", lane, ref, order.open - max(0, size - order.filled - order.prevented))

    def modify(self, lane, ref, size) -> list[Report]:
        order = self.book[lane].get(ref)
        if order is None:
            return []
        order.open = min(order.open, max(0, size - order.filled - order.prevented))
        modified = [self._say("M", lane, ref, quantity=order.open)]
        if not order.open:
            del self.book[lane][ref]
        return modified

    def mass_cancel(self, lane, ref, index) -> list[Report]:
        if ref <= self._used[lane]:
            return []
        self._used[lane] = ref
        found = [number for number, order in self.book[lane].items() if order.index == index]
        canceled = [report for number in found for report in self._reduce("C", lane, number, MOST)]
        return canceled if lane in self.older else [self._say("X", lane, ref), *canceled]

    def close(self, lane) -> list[Report]:
        """Cancel all that rests of a lane."""
        return [report for ref in list(self.book[lane]) for report in self._reduce("C", lane, ref, MOST)]

    def begin(self) -> None:
        """Count what is held and what was executed from here on; nothing rests."""
        assert not any(self.book)
        self.net, self.turnover, self.executed = [Counter() for _ in range(LANES)], [0] * LANES, Counter()

    def move(self) -> list[Report]:
        """Something happens by itself."""
        lane = self.random.randrange(LANES)
        if not self.book[lane]:
            return []
        ref = self.random.choice(list(self.book[lane]))
        draw, opened = self.random.random(), self.book[lane][ref].open
        if draw < 0.6:
            return self.fill(lane, ref)
        if draw < 0.7:
            return self._reduce("C", lane, ref, self.random.choice((opened, self.random.randint(1, opened))))
        if draw < 0.8:
            return self._reduce("D", lane, ref, self.random.choice((opened, self.random.randint(1, opened))))
        if draw < 0.9 or not self._traded:  # of an order, or of what only has a number like one
            letters = "TP" if lane in self.older else "TRPGKXQS"
            return [self._say(self.random.choice(letters), lane, ref, quantity=self.random.randrange(2**32))]
        lane, ref = self.random.choice(self._traded)
        letters = "BF" if lane in self.older else "B"
        return [self._say(self.random.choice(letters), lane, ref, quantity=100, price=100)]

    def fill(self, lane, ref, more: int = 0) -> list[Report]:
        """Execute some of an order, at its price or a better one; with `more`, all and so many more shares."""
        order = self.book[lane][ref]
        quantity = self.random.choice((order.open, self.random.randint(1, order.open)))
        if more:
            quantity = order.open + more
        better = self.random.choice((0, 0, self.random.randint(0, order.price // 10)))
        price = max(1, order.price - better) if order.buy else min(HIGHEST, order.price + better)
        order.open, order.filled = max(0, order.open - quantity), order.filled + quantity
        self.net[lane][order.index] += quantity if order.buy else -quantity
        self.turnover[lane] += quantity * price
        self.executed[order.tag, lane] += quantity
        if not order.open:
            del self.book[lane][ref]
        self._traded.append((lane, ref))
        letter = self.random.choice("EG") if lane in self.older else "E"
        return [self._say(letter, lane, ref, quantity=quantity, price=price)]

    def _reduce(self, letter, lane, ref, shares) -> list[Report]:
        """Take shares off an order; nothing happens where that is no reduction."""
        order = self.book[lane][ref]
        shares = min(shares, order.open)
        if shares <= 0:
            return []
        order.open -= shares
        if letter == "D":
            order.prevented += shares
        self.seen[f"{letter} in part" if order.open else f"{letter} whole"] += 1
        if not order.open:
            del self.book[lane][ref]
        return [self._say(letter, lane, ref, quantity=shares)]

    def _now(self, chance) -> bool:
        return self.random.random() < chance

    def _note(self, what, reports=()) -> list[Report]:
        self.seen[what] += 1
        return list(reports)

    def _say(self, letter, lane, ref, original=0, quantity=0, price=0, dead=False) -> Report:
        return Report(lane, ord(letter), ref, original, quantity, price, int(dead))

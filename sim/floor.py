"""The exchange behind the lanes whose reports are heard: it takes the orders that left, and reports what becomes of
them, as octets.
"""

from collections import Counter, deque
from dataclasses import replace
from random import Random
from typing import NamedTuple

from hdl.wire.registers import SYMBOLS
from hdl.wire.verdict import LANES
from sim.market import MOST, Market, Order
from sim.messages import Decoded
from sim.parents import number_in
from sim.receiver import Receiver
from sim.replies import OUCH42 as SHAPES42
from sim.replies import OUCH50 as SHAPES50
from sim.replies import Report

WRONG = 0.002  # chance of a report that contradicts
TAKES = 0.5  # that the exchange takes something that is on its way, when it moves
MOVES = 8  # tries of the market to report something
IDLE = b"S" + bytes(8) + b"S"


def encode(report: Report, older: bool, random: Random) -> bytes:
    """Return the octets of a report; what it does not say is drawn."""
    shape = (SHAPES42 if older else SHAPES50)[chr(report.kind)]
    octets = bytearray(random.randbytes(shape.length))
    octets[0] = report.kind

    def put(at, value, size=4):
        if at:
            octets[at : at + size] = value.to_bytes(size, "big")

    put(shape.user_ref, report.user_ref)
    put(shape.original_ref, report.original_ref)
    put(shape.quantity, report.quantity)
    put(shape.price[0], report.price, shape.price[1])
    if shape.state:
        octets[shape.state] = ord("D" if report.dead else "L")
    return bytes(octets) + (b"\0\0" if shape.tail == "+" else b"")


class Sent(NamedTuple):
    """A message that has left: the method of the market that takes it, and its fields; of a Replace, its parent."""

    kind: str
    fields: tuple
    parent: int | None = None


def number_at(message: bytes, place: int) -> int:
    return int.from_bytes(message[place : place + 4], "big")


class Floor:
    """The market of a configuration's heard lanes; `wrong` instead of WRONG.

    What has left is on its way until the exchange takes it, in the order of its lane.
    """

    def __init__(self, random: Random, config, *, wrong: float = WRONG):
        self.random, self.config, self.wrong = random, config, wrong
        self.lanes = [lane for lane in range(LANES) if config.heard(lane)]
        self.market = Market(random, [lane for lane in self.lanes if config.modes[lane] & 2])
        self.overfilled: set[int] = set()  # rows of which more was executed than was ordered
        self._children: Counter = Counter()  # orders that left, by parent
        self._receiver: Receiver | None = None
        self._coming: list[deque[Sent]] = [deque() for _ in range(LANES)]
        self._waiting: list[deque[Report]] = [deque() for _ in range(LANES)]
        self._read: dict[int, int] = {}  # octets of a stream, by its identity

    def take(self, model, *, everything: bool = False) -> None:
        """Take what is on its way; what has left since the last time is on its way from now on, or taken as well."""
        if not self.lanes:
            return
        self._receiver = self._receiver or Receiver(model)
        if everything:
            self._look()
        for lane in self.lanes:
            while self._coming[lane]:
                self._arrive(lane)
        self._look()

    def message(self, lane: int) -> bytes:
        """Return the next report of a lane."""
        if self.random.random() < self.wrong:
            report = self._overfill(lane) or Report(lane, ord("C"), 2**32 - 1)
            return encode(report, bool(self.config.modes[lane] & 2), self.random)
        for _ in range(MOVES):
            if message := self.waiting(lane):
                return message
            self.move()
        return IDLE

    def waiting(self, lane: int) -> bytes | None:
        """Return the next report of a lane, if there is one."""
        waiting = self._waiting[lane]
        return encode(waiting.popleft(), bool(self.config.modes[lane] & 2), self.random) if waiting else None

    def move(self) -> None:
        """The exchange takes the next message of a lane, or something happens there by itself."""
        lanes = [lane for lane in self.lanes if self._coming[lane]]
        if lanes and self.random.random() < TAKES:
            self._arrive(self.random.choice(lanes))
        else:
            self._put(self.market.move())

    def close(self) -> None:
        """The exchange cancels all that rests."""
        for lane in self.lanes:
            self._put(self.market.close(lane))

    def begin(self) -> None:
        """Count what is held, what was executed and what came from here on; nothing rests."""
        self.market.begin()
        self._children.clear()

    def never_beyond(self, limits) -> None:
        """P5: what these lanes hold, with what may still be executed of theirs, lies within the limits; and so it is
        with the children of a parent. What is on its way counts, as if it were taken.
        """
        if not self.lanes:
            return
        self._look()
        orders = [order for lane in self.lanes for order in self._possible(lane)]
        held, opened = self._held(), _opened(orders)
        for row, limit in enumerate(limits):
            beyond = (-held[row >> 1] if row & 1 else held[row >> 1]) + opened[row]
            held_in = row in self.overfilled or beyond <= limit
            assert held_in, f"symbol {row >> 1} has come to {beyond}, its limit is {limit}"
        used = self._used(orders)
        for number, parent in self.config.parents.items():
            held_in = 2 * parent.index + (not parent.buy) in self.overfilled or used[number] <= parent.shares
            assert held_in, f"the children of parent {number} have come to {used[number]}, it has {parent.shares}"

    def settled(self, budget) -> None:
        """All lanes are heard, and nothing is on its way: the budget is what the exchange has, and not a share more."""
        assert not any(self._coming), "something is on its way"
        orders = [order for lane in self.lanes for order in self.market.book[lane].values()]
        assert budget.net == self._held(), "a position is not the exchange's"
        assert budget.exposure == _opened(orders), "more is reserved than rests at the exchange, or less"
        gross = [
            self.market.turnover[lane] + sum(order.open * order.price for order in self.market.book[lane].values())
            for lane in range(LANES)
        ]
        assert budget.gross == [*gross, sum(gross)], "gross notional is not what was executed and what rests"
        used = self._used(orders)
        for number, left in budget.parents.left.items():
            parent = self.config.parents[number]
            assert left == [parent.shares - used[number], parent.children - self._children[number]], f"parent {number}"
            assert min(left) >= 0, f"the children of parent {number} are more than it has"

    def _possible(self, lane) -> list[Order]:
        """Return a lane's orders, each as large as it can be when what is on its way is taken."""
        orders = {ref: replace(order) for ref, order in self.market.book[lane].items()}
        for kind, fields, _ in self._coming[lane]:
            if kind == "enter":
                _, ref, index, buy, quantity, price, parent = fields
                orders[ref] = Order(index, buy, parent, price, quantity)
            elif kind == "replace" and fields[1] in orders:
                _, original, ref, quantity, _ = fields
                order = orders[ref] = orders.pop(original)
                order.open = max(order.open, quantity - order.filled - order.prevented)
        return list(orders.values())

    def _used(self, orders) -> Counter:
        """Return the shares executed of parents' children, and those open of `orders`, by parent."""
        used: Counter = Counter()
        for (parent, _), shares in self.market.executed.items():
            used[parent] += shares
        for order in orders:
            used[order.tag] += order.open
        return used

    def _held(self):
        """Return the shares held of each symbol."""
        held = [0] * SYMBOLS
        for lane in self.lanes:
            for index, shares in self.market.net[lane].items():
                held[index] += shares
        return held

    def _overfill(self, lane) -> Report | None:
        """More is executed than was ordered."""
        if not self.market.book[lane]:
            return None
        ref = self.random.choice(list(self.market.book[lane]))
        order = self.market.book[lane][ref]
        self.overfilled.add(2 * order.index + (not order.buy))
        return self.market.fill(lane, ref, more=self.random.randint(1, MOST))[0]

    def _look(self):
        """What has left since the last time is on its way."""
        self._receiver.take()
        for (lane, _), streams in self._receiver.streams.items():
            if lane in self.lanes:
                for stream in streams:
                    self._follow(lane, stream)

    def _follow(self, lane, stream):
        """Read a stream on."""
        dialect = self.config.dialect(lane)
        place, left = self._read.get(id(stream), 0), stream.left
        while place + 2 <= len(left):
            end = place + 2 + (left[place] << 8 | left[place + 1])
            if end > len(left):
                break
            if left[place + 2] == ord("U") and (sent := self._sent(lane, bytes(left[place + 3 : end]), dialect)):
                self._coming[lane].append(sent)
            place = end
        self._read[id(stream)] = place

    def _sent(self, lane, message, dialect) -> Sent | None:
        """Return what a message asks for. What names an order by its number has it in the same place as an Enter."""
        kind = message[:1]
        said = Decoded(message, 0, len(message), self.config, dialect)
        parentless, ref = self.config.parentless(lane), said.user_ref
        if kind == b"O":
            assert not said.malformed and said.index is not None, "an order left that should not"
            parent = None if parentless else number_in(said.parent)
            self._children[parent] += 1
            return Sent("enter", (lane, ref, said.index, said.buy, said.quantity, said.price, parent))
        if kind == b"U":
            assert said.replaces and not said.reason, "a Replace left that should not"
            parent = None if parentless else number_in(said.parent)
            return Sent("replace", (lane, said.original, ref, said.quantity, said.price), parent)
        if kind == b"X":
            return Sent("cancel", (lane, ref, number_at(message, dialect.named + 4)))
        if kind == b"M":
            return Sent("modify", (lane, ref, number_at(message, dialect.named + 5)))
        if kind == b"C" and (index := self.config.symbols.get(message[9:17])) is not None:
            return Sent("mass_cancel", (lane, ref, index))
        return None

    def _arrive(self, lane):
        """The exchange takes the next message of a lane; it does not know of parents in a Replace."""
        kind, fields, parent = self._coming[lane].popleft()
        if kind == "replace" and (order := self.market.book[lane].get(fields[1])):
            assert order.tag == parent, "a Replace left that names another parent"
        self._put(getattr(self.market, kind)(*fields))

    def _put(self, reports):
        for report in reports:
            self._waiting[report.lane].append(report)


def _opened(orders) -> list[int]:
    """Return the shares of orders that are open, by symbol and side."""
    opened = [0] * 2 * SYMBOLS
    for order in orders:
        opened[2 * order.index + (not order.buy)] += order.open
    return opened

"""The exchange behind the lanes whose reports are heard: it takes the orders that left, and reports what becomes of
them, as octets.
"""

from collections import Counter, deque
from random import Random

from hdl.wire.registers import SYMBOLS
from hdl.wire.verdict import LANES
from sim.market import MOST, Market
from sim.messages import OUCH42, OUCH50, Decoded
from sim.parents import number_in
from sim.receiver import Receiver
from sim.replies import OUCH42 as SHAPES42
from sim.replies import OUCH50 as SHAPES50
from sim.replies import Report

WRONG = 0.002  # chance of a report that contradicts
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


def number_at(message: bytes, place: int) -> int:
    return int.from_bytes(message[place : place + 4], "big")


class Floor:
    """The market of a configuration's heard lanes; `wrong` instead of WRONG."""

    def __init__(self, random: Random, config, *, wrong: float = WRONG):
        self.random, self.config, self.wrong = random, config, wrong
        self.lanes = [lane for lane in range(LANES) if config.heard(lane)]
        self.market = Market(random, [lane for lane in self.lanes if config.modes[lane] & 2])
        self.overfilled: set[int] = set()  # rows of which more was executed than was ordered
        self._children: Counter = Counter()  # orders that came, by parent
        self._receiver: Receiver | None = None
        self._waiting: list[deque[Report]] = [deque() for _ in range(LANES)]
        self._taken: dict[int, int] = {}  # octets of a stream that were taken, by its identity

    def take(self, model) -> None:
        """Take what has left since the last time."""
        if not self.lanes:
            return
        self._receiver = self._receiver or Receiver(model)
        self._receiver.take()
        for (lane, _), streams in self._receiver.streams.items():
            if lane in self.lanes:
                for stream in streams:
                    self._read(lane, stream)

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
        """Something happens at the exchange by itself."""
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
        """P5: what these lanes hold, with what the exchange may still execute of theirs, lies within the limits."""
        held, opened = self._books()
        for row, limit in enumerate(limits):
            beyond = (-held[row >> 1] if row & 1 else held[row >> 1]) + opened[row]
            held_in = row in self.overfilled or beyond <= limit
            assert held_in, f"symbol {row >> 1} has come to {beyond}, its limit is {limit}"

    def settled(self, budget) -> None:
        """All lanes are heard, and nothing is on its way: the budget is what the exchange has, and not a share more."""
        held, opened = self._books()
        assert budget.net == held, "a position is not the exchange's"
        assert budget.exposure == opened, "more is reserved than rests at the exchange, or less"
        gross = [
            self.market.turnover[lane] + sum(order.open * order.price for order in self.market.book[lane].values())
            for lane in range(LANES)
        ]
        assert budget.gross == [*gross, sum(gross)], "gross notional is not what was executed and what rests"
        for number, left in budget.parents.left.items():
            parent, used = self.config.parents[number], self._used(number)
            assert left == [parent.shares - used, parent.children - self._children[number]], f"parent {number}"
            assert min(left) >= 0, f"the children of parent {number} are more than it has"

    def _used(self, parent):
        """Return the shares executed of a parent's children, and those that rest."""
        orders = [order for lane in self.lanes for order in self.market.book[lane].values() if order.tag == parent]
        return sum(self.market.executed[parent, lane] for lane in self.lanes) + sum(order.open for order in orders)

    def _books(self):
        """Return the shares held of each symbol, and those that rest, by symbol and side."""
        held, opened = [0] * SYMBOLS, [0] * 2 * SYMBOLS
        for lane in self.lanes:
            for index, shares in self.market.net[lane].items():
                held[index] += shares
            for order in self.market.book[lane].values():
                opened[2 * order.index + (not order.buy)] += order.open
        return held, opened

    def _overfill(self, lane) -> Report | None:
        """More is executed than was ordered."""
        if not self.market.book[lane]:
            return None
        ref = self.random.choice(list(self.market.book[lane]))
        order = self.market.book[lane][ref]
        self.overfilled.add(2 * order.index + (not order.buy))
        return self.market.fill(lane, ref, more=self.random.randint(1, MOST))[0]

    def _read(self, lane, stream):
        dialect = OUCH42 if self.config.modes[lane] & 2 else OUCH50
        place, left = self._taken.get(id(stream), 0), stream.left
        while place + 2 <= len(left):
            end = place + 2 + (left[place] << 8 | left[place + 1])
            if end > len(left):
                break
            if left[place + 2] == ord("U"):
                self._hear(lane, bytes(left[place + 3 : end]), dialect)
            place = end
        self._taken[id(stream)] = place

    def _hear(self, lane, message, dialect):
        """A message is there. What names an order by its number has it in the same place as an Enter."""
        market, kind = self.market, message[:1]
        said = Decoded(message, 0, len(message), self.config, dialect)
        if kind == b"O":
            assert not said.malformed and said.index is not None, "an order left that should not"
            parent = None if self.config.parentless(lane) else number_in(said.parent)
            self._children[parent] += 1
            self._put(market.enter(lane, said.user_ref, said.index, said.buy, said.quantity, said.price, parent))
        elif kind == b"X":
            self._put(market.cancel(lane, said.user_ref, number_at(message, dialect.named + 4)))
        elif kind == b"M":
            self._put(market.modify(lane, said.user_ref, number_at(message, dialect.named + 5)))
        elif kind == b"C" and (index := self.config.symbols.get(message[9:17])) is not None:
            self._put(market.mass_cancel(lane, said.user_ref, index))

    def _put(self, reports):
        for report in reports:
            self._waiting[report.lane].append(report)

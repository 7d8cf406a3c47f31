"""The exchange behind the lanes whose reports are heard: it takes the orders that left, and reports what becomes of
them, as octets.
"""

from collections import deque
from random import Random

from hdl.wire.verdict import LANES
from sim.market import MOST, Market
from sim.messages import OUCH42, OUCH50, Decoded
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


class Floor:
    """The market of a configuration's heard lanes. Of Enters alone: others change nothing here."""

    def __init__(self, random: Random, config):
        self.random, self.config = random, config
        self.lanes = [lane for lane in range(LANES) if config.heard(lane)]
        self.market = Market(random, [lane for lane in self.lanes if config.modes[lane] & 2])
        self.overfilled = False
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
        waiting, older = self._waiting[lane], bool(self.config.modes[lane] & 2)
        if self.random.random() < WRONG:
            return encode(self._overfill(lane) or Report(lane, ord("C"), 2**32 - 1), older, self.random)
        for _ in range(MOVES):
            if waiting:
                return encode(waiting.popleft(), older, self.random)
            self._put(self.market.move())
        return IDLE

    def never_beyond(self, limits) -> None:
        """P5: what these lanes hold, with what the exchange may still execute of theirs, lies within the limits."""
        held, opened = [0] * 512, [0] * 1024
        for lane in self.lanes:
            for index, shares in self.market.net[lane].items():
                held[index] += shares
            for order in self.market.book[lane].values():
                opened[2 * order.index + (not order.buy)] += order.open
        for row, limit in enumerate(limits):
            beyond = (-held[row >> 1] if row & 1 else held[row >> 1]) + opened[row]
            assert self.overfilled or beyond <= limit, f"symbol {row >> 1} has come to {beyond}, its limit is {limit}"

    def _overfill(self, lane) -> Report | None:
        """More is executed than was ordered."""
        if not self.market.book[lane]:
            return None
        self.overfilled = True
        ref = self.random.choice(list(self.market.book[lane]))
        return self.market.fill(lane, ref, more=self.random.randint(1, MOST))[0]

    def _read(self, lane, stream):
        dialect = OUCH42 if self.config.modes[lane] & 2 else OUCH50
        place, left = self._taken.get(id(stream), 0), stream.left
        while place + 2 <= len(left):
            end = place + 2 + (left[place] << 8 | left[place + 1])
            if end > len(left):
                break
            packet = bytes(left[place + 2 : end])
            if packet[:2] == b"UO":
                order = Decoded(packet[1:], 0, len(packet) - 1, self.config, dialect)
                assert not order.malformed and order.index is not None, "an order left that should not"
                enter = (lane, order.user_ref, order.index, order.buy, order.quantity, order.price, None)
                self._put(self.market.enter(*enter))
            place = end
        self._taken[id(stream)] = place

    def _put(self, reports):
        for report in reports:
            self._waiting[report.lane].append(report)

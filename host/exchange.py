"""The emulated exchange on UDP: a book that fills every order, its reports in datagrams on the return path.

The reports are UFO sequenced packets (one implementation read, no second source): those on one request are the messages
of one packet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from hdl.wire import ouch, reports, ufo
from hdl.wire.board import CYCLE_NS, Side
from hdl.wire.format import Format, Value
from host import frames
from host.book import Book
from host.config import Lane, Limits
from host.dialect import DIALECTS
from host.rig import Frame

# Towards the client: the gateware reads no return path of UDP, so this is the host's alone.
SEQUENCED = Format("ufo_sequenced", "big", "length:2", "type:1", "sequence:4", "count:2")


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the exchange read it; `price` in 10⁻⁴ dollars. In OUCH 4.2 its token stands for `user_ref`."""

    lane: int
    user_ref: Value
    quantity: int
    price: int
    symbol: str
    buy: bool


def order_of(lane: int, message: bytes, dialect: str = "5.0") -> Order | None:
    """Return what an Enter Order of a lane says, None of any other message."""
    kind, v = DIALECTS[dialect].read(message)
    if kind != "enter":
        return None
    symbol, buy = v["symbol"], v["side"] == ouch.Side.BUY
    assert isinstance(symbol, bytes)
    name = v[DIALECTS[dialect].key]
    return Order(lane, name, int(v["quantity"]), int(v["price"]), symbol.decode().strip(), buy)


class Exchange:
    """Reads frames of the order path and answers them."""

    def __init__(self, limits: Limits):
        self._lanes = {frames.lane_key(lane): lane.number for lane in limits.lane}
        self._reports = {lane.number: _Reports(lane) for lane in limits.lane}
        self._dialects = {lane.number: lane.dialect for lane in limits.lane}
        self._book = Book(limits.symbols, dialects=self._dialects)

    def lane(self, frame: bytes) -> int:
        """Return the lane that a frame of the order path came from, 0 if from none."""
        parts = frames.udp_payload(frame)
        return self._lanes.get(parts[:2], 0) if parts else 0

    def lane_back(self, frame: bytes) -> int:
        """Return the lane that a frame of the return path goes to, 0 if to none."""
        parts = frames.udp_payload(frame)
        return self._lanes.get(parts[2:4], 0) if parts else 0

    def messages(self, frame: bytes) -> list[bytes]:
        """Return the messages of the order protocol in a frame."""
        return _messages(frame)

    def orders(self, frame: bytes) -> list[Order]:
        """Return the Enter Orders in a frame."""
        lane = self.lane(frame)
        dialect = self._dialects.get(lane, "5.0")
        return [order for message in _messages(frame) if (order := order_of(lane, message, dialect))]

    def answer(self, whole: Sequence[tuple[int, bytes]]) -> list[Frame]:
        """Return the reports on frames for the exchange side, each at the cycle given with its frame."""
        answers = []
        for lane in self._reports:
            mine = [
                (at, found)
                for at, frame in whole
                if self.lane(frame) == lane
                for message in _messages(frame)
                if (found := self._book.take(lane, message, at * CYCLE_NS))
            ]
            packed = self._reports[lane].pack([found for _, found in mine])
            answers += [Frame(at, Side.EXCHANGE, octets) for (at, _), octets in zip(mine, packed, strict=True)]
        return sorted(answers, key=lambda frame: frame.at)


def _messages(frame: bytes) -> list[bytes]:
    """Return the messages of the order protocol in a frame."""
    parts = frames.udp_payload(frame)
    return [message for kind, message in frames.packets(parts[4]) if kind == ufo.Packet.UNSEQUENCED] if parts else []


def executions(frame: bytes) -> list[tuple[int, int]]:
    """Return (UserRefNum, quantity) of each execution that a frame of the return path reports."""
    parts = frames.udp_payload(frame)
    if parts is None or parts[4][2:3] != b"S":
        return []
    payload, at, found = parts[4], SEQUENCED.size, []
    for _ in range(int(SEQUENCED.unpack(payload)["count"])):
        begin = at + ufo.LENGTH.size
        at = begin + int(ufo.LENGTH.unpack(payload, at)["length"])
        if payload[begin] == reports.Report.EXECUTED:
            v = reports.EXECUTED.unpack(payload, begin)
            found.append((int(v["user_ref"]), int(v["quantity"])))
    return found


class _Reports:
    """Datagrams to one server, built from a template for each sequence of lengths that its messages have."""

    def __init__(self, lane: Lane):
        self._lane = lane
        self._templates: dict[tuple[int, ...], frames.Template] = {}
        self._sequence = 0  # of the last message sent

    def pack(self, groups: Sequence[Sequence[bytes]]) -> list[bytes]:
        """Return one datagram for each group of messages."""
        shapes = [tuple(len(message) for message in group) for group in groups]
        first = [self._sequence + 1 + before for before in accumulate(map(len, groups), initial=0)]
        self._sequence = first[-1] - 1
        octets = [b""] * len(groups)
        for shape in set(shapes):
            rows = [row for row, other in enumerate(shapes) if other == shape]
            columns = {
                str(number): np.array([groups[row][number] for row in rows], f"S{size}")
                for number, size in enumerate(shape)
            }
            built = self._template(shape).build(len(rows), sequence=np.array([first[row] for row in rows]), **columns)
            for row, frame in zip(rows, built, strict=True):
                octets[row] = frame.tobytes()
        return octets

    def _template(self, shape: tuple[int, ...]) -> frames.Template:
        if shape not in self._templates:
            from host import layers

            size = SEQUENCED.size + sum(ufo.LENGTH.size + length for length in shape)
            payload = SEQUENCED.pack(length=size - ufo.LENGTH.size, type=ord("S"), sequence=0, count=len(shape))
            fields = {"sequence": (SEQUENCED["sequence"].offset, 4)}
            for number, length in enumerate(shape):
                payload += ufo.LENGTH.pack(length=length)
                fields[str(number)] = (len(payload), length)
                payload += bytes(length)
            self._templates[shape] = frames.over_udp(self._lane, layers.Raw(payload), fields, to_server=True)
        return self._templates[shape]

"""The emulated exchange: executes every order that reaches it, at its price, and reports on the return path.

The reports are UFO sequenced packets (one implementation read, no second source) with an OUCH 5.0 Executed message.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hdl.wire import ouch
from hdl.wire.board import CYCLE_NS, Side
from hdl.wire.format import Format
from host import frames
from host.config import Lane, Limits
from host.rig import Frame

# Towards the client. The gateware does not read the return path yet, so these are the host's alone.
SEQUENCED = Format("ufo_sequenced", "big", "length:2", "type:1", "sequence:4", "count:2", "message_length:2")
EXECUTED = Format(
    "ouch_executed", "big", "type:1", "timestamp:8", "user_ref:4", "quantity:4", "price:8", "liquidity:1:a", "match:8",
    "appendage:2",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the exchange read it; `price` in 10⁻⁴ dollars."""

    lane: int
    user_ref: int
    quantity: int
    price: int
    symbol: str
    buy: bool


class Exchange:
    """Reads frames of the order path and answers them."""

    def __init__(self, limits: Limits):
        self._lanes = {frames.lane_key(lane): lane.number for lane in limits.lane}
        self._reports = {lane.number: _Report(lane) for lane in limits.lane}
        self._match = 0

    def lane(self, frame: bytes) -> int:
        """Return the lane that a frame of the order path came from, 0 if from none."""
        parts = frames.udp_payload(frame)
        return self._lanes.get(parts[:2], 0) if parts else 0

    def lane_back(self, frame: bytes) -> int:
        """Return the lane that a frame of the return path goes to, 0 if to none."""
        parts = frames.udp_payload(frame)
        return self._lanes.get(parts[2:4], 0) if parts else 0

    def orders(self, frame: bytes) -> list[Order]:
        """Return the Enter Orders in a frame."""
        parts = frames.udp_payload(frame)
        if parts is None:
            return []
        lane, payload = self._lanes.get(parts[:2], 0), parts[4]
        found = []
        for _, message in frames.packets(payload):
            if message[:1] == b"O":
                v = ouch.ENTER.unpack(message)
                symbol = v["symbol"]
                assert isinstance(symbol, bytes)
                buy = v["side"] == ouch.Side.BUY
                found.append(
                    Order(lane, int(v["user_ref"]), int(v["quantity"]), int(v["price"]), symbol.decode().strip(), buy)
                )
        return found

    def execute(self, orders: Sequence[tuple[int, Order]]) -> list[Frame]:
        """Return the reports on orders for the exchange side, each at the cycle given with its order."""
        answers = []
        for lane in sorted({order.lane for _, order in orders}):
            mine = [(at, order) for at, order in orders if order.lane == lane]
            first, self._match = self._match + 1, self._match + len(mine)
            for (at, _), octets in zip(mine, self._reports[lane].executed(mine, first), strict=True):
                answers.append(Frame(at, Side.EXCHANGE, octets))
        return sorted(answers, key=lambda frame: frame.at)


def executions(frame: bytes) -> list[tuple[int, int]]:
    """Return (UserRefNum, quantity) of each execution that a frame of the return path reports."""
    parts = frames.udp_payload(frame)
    if parts is None or parts[4][2:3] != b"S":
        return []
    v = EXECUTED.unpack(parts[4], SEQUENCED.size)
    return [(int(v["user_ref"]), int(v["quantity"]))]


class _Report:
    """Executed messages to one server, one a datagram."""

    def __init__(self, lane: Lane):
        from host import layers

        head = layers.layer(
            SEQUENCED, length=SEQUENCED.size - 2 + EXECUTED.size, type=ord("S"), count=1, message_length=EXECUTED.size
        )
        message = layers.layer(EXECUTED, type=ord("E"), liquidity=b"R")
        at = SEQUENCED.size
        fields = {"sequence": (SEQUENCED["sequence"].offset, 4)} | {
            name: (at + EXECUTED[name].offset, EXECUTED[name].size)
            for name in ("timestamp", "user_ref", "quantity", "price", "match")
        }
        self._template = frames.over_udp(lane, head() / message(), fields, to_server=True)
        self._sequence = 0

    def executed(self, orders: Sequence[tuple[int, Order]], first_match: int) -> list[bytes]:
        count = len(orders)
        sequence = np.arange(self._sequence + 1, self._sequence + 1 + count)
        self._sequence += count
        rows = self._template.build(
            count,
            sequence=sequence,
            timestamp=np.array([at * CYCLE_NS for at, _ in orders]),
            user_ref=np.array([order.user_ref for _, order in orders]),
            quantity=np.array([order.quantity for _, order in orders]),
            price=np.array([order.price for _, order in orders]),
            match=np.arange(first_match, first_match + count),
        )
        return [row.tobytes() for row in rows]

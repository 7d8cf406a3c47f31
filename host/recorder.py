"""Records what goes into a board and comes out, as it happens: two pcapng files, and what is counted from the links.

Nothing here trusts the board: orders, bytes and times are taken from the frames alone, to be compared with the
board's counters and captures afterwards.
"""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hdl.wire import ethernet
from hdl.wire.board import CYCLE_NS, Side
from host import frames
from host.config import Limits
from host.pcapng import INBOUND, OUTBOUND, PcapngWriter
from host.rig import Frame, Movement
from host.watch import watch

FCS = ethernet.FCS_OCTETS
HOLD = 16_000  # cycles: longer than the longest frame
FOREVER = 1 << 64
SERVER_FILE, EXCHANGE_FILE = "server.pcapng", "exchange.pcapng"


@dataclass(frozen=True, slots=True)
class Offered:
    """A frame of a server as it went in: `value` is the notional of its orders in 10⁻⁴ dollars."""

    at: int
    lane: int
    orders: int
    value: int
    octets: int

    @property
    def end(self) -> int:
        return self.at + ethernet.PREAMBLE_OCTETS + self.octets - 1


@dataclass(frozen=True, slots=True)
class Left:
    """A frame that left towards the exchange; `good` if its FCS is right and no tx_er was seen."""

    at: int
    end: int
    lane: int
    orders: int
    value: int
    good: bool


@dataclass
class Recorder:
    """Records into a folder. `epoch_ns` is the time of the board's cycle 0, for the files."""

    folder: Path
    limits: Limits
    epoch_ns: int = 0
    offered: list[Offered] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    t_pass: list[int] = field(default_factory=list)  # from the frames' times, against P7's reference
    altered: int = 0  # frames that left and had not come in so, or not in that order, or not once
    injected: int = 0  # frames that left and are the filter's own

    def __post_init__(self) -> None:
        self.watch = watch(self.limits)
        self._server = PcapngWriter(self.folder / SERVER_FILE, "server side", epoch_ns=self.epoch_ns)
        self._exchange = PcapngWriter(self.folder / EXCHANGE_FILE, "exchange side", epoch_ns=self.epoch_ns)
        self._queued: dict[Side, deque[Frame]] = {Side.SERVER: deque(), Side.EXCHANGE: deque()}
        self._inside: dict[bytes, deque[tuple[int, bytes]]] = {}  # (number, octets) of what came in, by fingerprint
        self._unwritten: list[tuple[Frame, int]] = []
        self._last_number = -1
        self._last_end = -(1 << 20)

    def queue(self, sent: list[Frame]) -> None:
        """Note frames that were given to the rig; they are recorded when the board says that they began."""
        for frame in sent:
            self._queued[frame.side].append(frame)

    def take(self, moved: Movement) -> None:
        """Record what happened."""
        happened = [(Frame(at, side, self._queued[side].popleft().octets), INBOUND) for side, at in moved.started]
        happened += [(frame, OUTBOUND) for frame in moved.frames]
        for frame, direction in sorted(happened, key=lambda item: item[0].at):
            if frame.side == Side.SERVER and direction == INBOUND:
                self._goes_in(frame)
            elif frame.side == Side.EXCHANGE and direction == OUTBOUND:
                self._comes_out(frame)
        # A frame is told when it ends, but stands in the file when it began.
        self._unwritten = sorted(self._unwritten + happened, key=lambda item: item[0].at)
        self._write(moved.now - HOLD)

    def _write(self, until: int) -> None:
        """Write the frames that began until a cycle."""
        kept = []
        for frame, direction in self._unwritten:
            if frame.at > until:
                kept.append((frame, direction))
                continue
            comment = "aborted by the filter" if frame.error and direction == OUTBOUND else ""
            file = self._server if frame.side == Side.SERVER else self._exchange
            file.write(frame.at * CYCLE_NS, frame.octets, direction=direction, error=frame.error, comment=comment)
        self._unwritten = kept
        self._server.flush()
        self._exchange.flush()

    def _goes_in(self, frame: Frame) -> None:
        orders = self.watch.goes_in(frame)
        lane = self.watch.lane(frame.octets)
        value = sum(order.quantity * order.price for order in orders)
        alike = self._inside.setdefault(self.watch.fingerprint(frame.octets), deque())
        alike.append((len(self.offered), frame.octets))
        self.offered.append(Offered(frame.at, lane, len(orders), value, len(frame.octets)))

    def _comes_out(self, frame: Frame) -> None:
        number, came = self._origin(frame)
        good = frames.has_good_fcs(frame.octets) and not frame.error
        known = number > self._last_number and good != frame.error and self.watch.is_faithful(came, frame.octets)
        orders = self.watch.comes_out(frame) if number >= 0 and good else []
        if known:
            entered = self.offered[number]
            begin = max(entered.end + 5, self._last_end + ethernet.GAP_OCTETS + 1)  # P7's reference
            self.t_pass.append(4 + frame.at - begin)
            self._last_number = number
        elif number < 0 and good and self.watch.is_injected(frame.octets):
            self.injected += 1
        else:
            self.altered += 1
        self._last_end = frame.end
        lane = self.watch.lane(frame.octets) if number >= 0 else 0
        value = sum(order.quantity * order.price for order in orders)
        self.left.append(Left(frame.at, frame.end, lane, len(orders), value, good))

    def _origin(self, frame: Frame) -> tuple[int, bytes]:
        """Return (number, octets) of what left as `frame`, the last of several alike; (-1, b"") if nothing did."""
        alike = self._inside.get(self.watch.fingerprint(frame.octets), deque())
        while len(alike) > 1 and self.offered[alike[1][0]].end + 5 <= frame.at:
            alike.popleft()
        return alike.popleft() if alike else (-1, b"")

    def orders_offered(self, lane: int) -> int:
        return sum(frame.orders for frame in self.offered if frame.lane == lane)

    def orders_left(self, lane: int) -> int:
        return sum(frame.orders for frame in self.left if frame.lane == lane and frame.good)

    def completed_between(self, lanes: int, after: int, before: int) -> int:
        """Return the orders of a mask of lanes that completed later than `after` and not later than `before`."""
        return sum(
            frame.orders
            for frame in self.left
            if frame.good and frame.lane and lanes >> (frame.lane - 1) & 1 and after < frame.end <= before
        )

    def close(self) -> None:
        self._write(FOREVER)
        self._server.close()
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

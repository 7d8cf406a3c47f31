"""The servers' orders over TCP: a session a lane through the board, the emulated exchange behind it, in virtual time.

Whatever reaches an end is taken LATENCY later. So the rig may run that long before it has to be asked what came out
(`horizon`), and what it says then is never late. Acknowledgments are delayed up to as long, and left out when what
follows carries them. Time-outs of TCP and heartbeats of SoupBinTCP are in the same virtual time.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush

from hdl.wire import ouch, reports
from hdl.wire.board import CYCLE_NS, Side
from hdl.wire.reports import Report
from host import frames, segments
from host.book import USER, Book, Holding
from host.config import CYCLES_PER_S, Limits
from host.ends import End
from host.market import DAY_NS, Market
from host.outcome import Canceled, Told
from host.rig import Frame, Movement, last_cycle
from host.router import Sent, What
from host.segments import ACK, Path, Segment
from host.soup import ClientSession, ServerSession, Session
from host.tcp import Endpoint
from host.traffic import NEXT, Filled

LATENCY = CYCLES_PER_S // 100  # cycles: of the way, and of the host at its end
SETTLED = 3000  # cycles after which a frame has left the board, or never will
FIRST_PORT = 40_000
PASSWORD = "knight"
DAY, AT_ONCE = b"0", b"3"  # times in force: at this exchange a day order rests, any other is filled

Event = Callable[[float], End | None]  # of a time in seconds; returns the end that may have something to send


class Streams:
    """Eight servers' sessions with an exchange (`host.traffic`), which rejects orders in the last symbol as halted.

    Parameters
    ----------
    start_s : float
        Time of day of cycle 0.
    """

    protocol = "tcp"

    def __init__(self, limits: Limits, filled: Filled, *, seed: int, start_s: float = 0.0):
        self.free = 0
        self._lanes = {lane.number: lane for lane in limits.lane}
        self._lane_of = {frames.lane_key(lane)[0]: lane.number for lane in limits.lane}
        symbols = sorted(limits.symbols)
        self.market = Market(Book(symbols[:-1] or symbols, resting=[DAY]), {_user(n): PASSWORD for n in self._lanes})
        self._filled = filled
        self._told = Told()
        self._start_s = start_s
        self._draw = random.Random(f"{seed} sequence numbers")
        self._events: list[tuple[int, int, Event]] = []  # a heap
        self._number = 0  # of the last event or segment
        self._servers: dict[int, End] = {}  # by lane
        self._ends: dict[tuple[Side, int, int], End] = {}  # by side, lane and port of the server
        self._ways: dict[End, tuple[Side, Path]] = {}
        self._ticks: dict[End, int] = {}  # the cycle of each end's next tick
        self._exchange_free = self._last_end = self._connections = 0

    # What the servers do.

    def connect(self, lane: int, at: int) -> None:
        """Let a server connect and log in."""
        self._schedule(at, partial(self._connect, lane))

    def close(self, lane: int, at: int) -> None:
        """Let a server close its connection, as happens when its process ends."""
        self._schedule(at, partial(self._close, lane))

    def enter(self, messages: Iterable[tuple[int, Sent]]) -> None:
        """Let servers send messages, each at its cycle. One without a session keeps quiet."""
        for at, sent in messages:
            self._schedule(at, partial(self._enter, sent))

    @property
    def connected(self) -> list[int]:
        """The lanes whose server has a session."""
        return [lane for lane, end in sorted(self._servers.items()) if _is_open(end)]

    def notional(self) -> dict[int, int]:
        """Return what the exchange makes of each lane's gross notional, in 10⁻⁴ dollars.

        Of a lane with evidence that is what was executed and what is open, of another every order that came.
        """
        total = dict.fromkeys(self._lanes, 0)
        for arrival in self.market.orders():
            order = ouch.ENTER.unpack(arrival.message)
            total[_lane(arrival.user)] += int(order["quantity"]) * int(order["price"])
        heard = [number for number, lane in self._lanes.items() if lane.evidence]
        return total | {number: self.market.book.notional(_user(number)) for number in heard}

    def holdings(self) -> dict[str, Holding]:
        """Return what the exchange's books have of each symbol."""
        return self.market.book.holdings()

    def told(self) -> Told:
        """Return what the ends know by now."""
        told, users = self._told, {lane: _user(lane) for lane in self._lanes}
        told.retransmissions = sum(end.retransmissions for end in self._ways)
        told.debugs = {lane: self.market.debugs(user) for lane, user in users.items()}
        told.orders = {lane: [] for lane in users}
        for arrival in self.market.orders():
            told.orders[_lane(arrival.user)].append(arrival.message)
        told.reports = Counter(
            Report(message[0]).name.lower() for user in users.values() for message in self.market.reported(user)
        )
        return told

    # Time.

    def horizon(self, now: int, until: int) -> int:
        """Return how far time may go before what came out has to be taken."""
        first = self._events[0][0] if self._events else until
        if self._last_end + SETTLED > now:
            first = now
        return min(until, max(first, now) + LATENCY)

    def frames(self, now: int, until: int) -> list[Frame]:
        """Return the frames that are to be sent from `now` to before `until`."""
        said: dict[End, list[tuple[int, int, Segment]]] = {}
        while self._events and self._events[0][0] < until:
            at, _, event = heappop(self._events)
            at = max(at, now)
            if (end := event(at / CYCLES_PER_S)) is None:
                continue
            for segment in end.outgoing:
                self._number += 1
                said.setdefault(end, []).append((at, self._number, segment))
            end.outgoing.clear()
            self._schedule_tick(end)
        left = [(*entry, *self._ways[end]) for end, queue in said.items() for entry in _delayed(queue)]
        return [
            self._place(at, side, path.pack(segment))
            for at, _, segment, side, path in sorted(left, key=lambda e: e[:2])
        ]

    def take(self, moved: Movement) -> None:
        """Bring what came out of the board to the ends. What is aborted, or a checksum denies, is lost."""
        for frame in moved.frames:
            if frame.error or (parts := segments.unpack(frame.octets)) is None:
                continue
            source, source_port, destination, destination_port, segment = parts
            if frame.side == Side.EXCHANGE:
                lane, port = self._lane_of[source], source_port
            else:
                lane, port = self._lane_of[destination], destination_port
            self._schedule(frame.end + LATENCY, partial(self._arrive, frame.side, lane, port, segment))

    def _schedule(self, at: int, event: Event) -> None:
        self._number += 1
        heappush(self._events, (at, self._number, event))

    def _schedule_tick(self, end: End) -> None:
        if end.due_s == math.inf:
            return
        at = int(end.due_s * CYCLES_PER_S) + 1
        if at < self._ticks.get(end, at + 1):
            self._ticks[end] = at
            self._schedule(at, partial(self._tick, end, at))

    def _place(self, at: int, side: Side, octets: bytes) -> Frame:
        """Return a frame for as soon as its line is free."""
        begin = max(at, self.free if side == Side.SERVER else self._exchange_free)
        end = last_cycle(begin, len(octets))
        if side == Side.SERVER:
            self.free = end + NEXT
        else:
            self._exchange_free = end + NEXT
        self._last_end = max(self._last_end, end)
        return Frame(begin, side, octets)

    # What happens at a time.

    def _connect(self, lane: int, now_s: float) -> End:
        self._connections += 1
        before = self._servers.get(lane)
        following = before.session.next if before and isinstance(before.session, ClientSession) else 1
        session = ClientSession(_user(lane), PASSWORD, now_s, sequence=following)
        end = self._add(Side.SERVER, lane, FIRST_PORT + self._connections, session, partial(self._reported, lane))
        self._servers[lane] = end
        end.connect(now_s)
        return end

    def _close(self, lane: int, now_s: float) -> End:
        end = self._servers[lane]
        end.close(now_s)
        return end

    def _enter(self, sent: Sent, now_s: float) -> End | None:
        end = self._servers.get(sent.lane)
        if end is None or not _is_open(end):
            self._told.unsent += 1
            return None
        assert isinstance(end.session, ClientSession)
        end.session.enter(encode(sent), now_s)
        end.settle(now_s)
        return end

    def _arrive(self, out_of: Side, lane: int, port: int, segment: Segment, now_s: float) -> End | None:
        end = self._ends.get((out_of, lane, port))
        if end is None and out_of == Side.EXCHANGE:
            session = self.market.open(now_s)
            end = self._add(out_of, lane, port, session, partial(self._requested, session))
            end.listen()
        if end:
            end.receive(segment, now_s)
            if end.is_listening:  # nobody knows this connection: it was told so
                del self._ends[out_of, lane, port]
        return end

    def _tick(self, end: End, at: int, now_s: float) -> End | None:
        if self._ticks.get(end) != at:
            return None  # another was due earlier
        del self._ticks[end]
        end.tick(now_s)
        return end

    def _add(self, side: Side, lane: int, port: int, session: Session, take: Callable[[bytes, float], None]) -> End:
        end = End(Endpoint(self._draw.getrandbits(32)), session, take, partial(self._left, lane))
        self._ends[side, lane, port] = end
        self._ways[end] = side, Path(self._lanes[lane], port, to_server=side == Side.EXCHANGE)
        return end

    def _requested(self, session: ServerSession, message: bytes, now_s: float) -> None:
        """The exchange has a message of a server."""
        self.market.take(session, message, now_s, self._day_ns(now_s))

    def _reported(self, lane: int, message: bytes, now_s: float) -> None:
        """A server has a report of the exchange."""
        if message[0] == Report.EXECUTED:
            v = reports.EXECUTED.unpack(message)
            self._filled(lane, int(v["user_ref"]), int(v["quantity"]))
        elif message[0] == Report.CANCELED:
            v = reports.CANCELED.unpack(message)
            if v["reason"] == USER:
                self._told.canceled.append(Canceled(round(now_s * CYCLES_PER_S), lane, int(v["user_ref"])))

    def _left(self, lane: int, end: End, now_s: float) -> None:
        """A connection has ended."""
        if isinstance(end.session, ServerSession):
            self.market.left(end.session, end.how, self._day_ns(now_s))
        elif not end.asked:
            self._told.lost.append((lane, end.how))

    def _day_ns(self, now_s: float) -> int:
        return round((self._start_s + now_s) * CYCLES_PER_S) * CYCLE_NS % DAY_NS


def encode(sent: Sent) -> bytes:
    """Return a server's message in OUCH 5.0."""
    if sent.what == What.CANCEL:
        return ouch.CANCEL.pack(type=ouch.Message.CANCEL, user_ref=sent.user_ref, quantity=0)
    return ouch.ENTER.pack(
        type=ouch.Message.ENTER, user_ref=sent.user_ref, side=ouch.Side.BUY if sent.buy else ouch.Side.SELL,
        quantity=sent.quantity, symbol=sent.symbol.encode(), price=sent.price * 100,
        time_in_force=DAY if sent.rests else AT_ONCE, display=b"Y", capacity=b"P", sweep=b"N", cross=b"N",
        order_id=sent.order_id.encode(), appendage=0,
    )  # fmt: skip


def _delayed(queue: list[tuple[int, int, Segment]]) -> list[tuple[int, int, Segment]]:
    """Return what one end says in a while without the acknowledgments that a later segment carries too."""
    *earlier, last = queue
    covers = bool(last[2].flags & ACK)
    return [entry for entry in earlier if not (covers and _only_acknowledges(entry[2]))] + [last]


def _only_acknowledges(segment: Segment) -> bool:
    return segment.flags == ACK and not segment.payload


def _is_open(end: End) -> bool:
    assert isinstance(end.session, ClientSession)
    return end.session.accepted and not end.is_closing


def _user(lane: int) -> str:
    return f"lane{lane}"


def _lane(user: str) -> int:
    return int(user.removeprefix("lane"))

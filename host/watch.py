"""What passes on the two links, told from the frames alone: orders as they come in, and what of them leaves.

A message is known by its content, so an order that turns up a second time is the same order, however it came there.
"""

from dataclasses import dataclass, field
from typing import Protocol

from hdl.wire import ethernet, ouch, soup
from host import frames, segments
from host.config import Limits
from host.exchange import Exchange, Order, order_of
from host.rig import Frame
from host.segments import RST, SYN, Segment
from host.soup import Packet, SoupError, decode

FCS = ethernet.FCS_OCTETS
ORDERS = tuple(bytes([kind]) for kind in ouch.ORDERS)
FILLER, TYPE, DEBUG = soup.FILLER, soup.Client.UNSEQUENCED, soup.Client.DEBUG


@dataclass(frozen=True, slots=True)
class Passed:
    """A message that left towards the exchange; `at` is the last cycle of the frame that completed it."""

    at: int
    lane: int
    message: bytes

    @property
    def is_order(self) -> bool:
        return self.message.startswith(ORDERS)


@dataclass
class Seen:
    """The messages of all lanes. `born` has the cycle at which each was first offered, by lane and content."""

    born: dict[tuple[int, bytes], int] = field(default_factory=dict)
    passed: list[Passed] = field(default_factory=list)
    stopped: list[Passed] = field(default_factory=list)  # orders that left overwritten
    heartbeats: list[tuple[int, int]] = field(default_factory=list)  # (cycle, lane) of those that left
    altered: int = 0  # packets that left otherwise than they came, and are no order that was overwritten


class Watch(Protocol):
    """What a recorder needs to understand the frames of a protocol."""

    seen: Seen

    def lane(self, octets: bytes) -> int:
        """Return the lane that a frame of the order path belongs to, 0 if to none."""

    def goes_in(self, frame: Frame) -> list[Order]:
        """Read a frame of a server; return the orders that are offered with it for the first time."""

    def comes_out(self, frame: Frame) -> list[Order]:
        """Read a frame that left whole; return the orders that it completes."""

    def fingerprint(self, octets: bytes) -> bytes:
        """Return what a filter leaves as it is in a frame that it lets out."""

    def is_faithful(self, before: bytes, after: bytes) -> bool:
        """Tell whether a frame may leave as `after`; their fingerprints are the same."""

    def is_injected(self, octets: bytes) -> bool:
        """Tell whether a frame may be a filter's own."""


class DatagramWatch:
    """UDP: each frame stands for itself and leaves as it came."""

    def __init__(self, limits: Limits):
        self.seen = Seen()
        self._exchange = Exchange(limits)

    def lane(self, octets: bytes) -> int:
        return self._exchange.lane(octets)

    def goes_in(self, frame: Frame) -> list[Order]:
        lane = self.lane(frame.octets)
        for message in self._exchange.messages(frame.octets):
            self.seen.born.setdefault((lane, message), frame.at)
        return self._exchange.orders(frame.octets)

    def comes_out(self, frame: Frame) -> list[Order]:
        lane = self.lane(frame.octets)
        self.seen.passed += [Passed(frame.end, lane, message) for message in self._exchange.messages(frame.octets)]
        return self._exchange.orders(frame.octets)

    def fingerprint(self, octets: bytes) -> bytes:
        return octets[:-FCS]

    def is_faithful(self, before: bytes, after: bytes) -> bool:
        return True

    def is_injected(self, octets: bytes) -> bool:
        return False


class Stream:
    """The packets of one session's stream, read from segments of which some come twice."""

    def __init__(self, first: int):
        self.first = first
        self.packets: list[Packet] = []
        self.broken = False  # octets are missing, or they are no SoupBinTCP
        self._next = first
        self._received = bytearray()

    def take(self, segment: Segment) -> list[Packet]:
        """Return the packets that a segment completes."""
        known = (self._next - segment.sequence + (1 << 31)) % (1 << 32) - (1 << 31)
        if known < 0 and segment.payload:
            self.broken = True
        fresh = segment.payload[max(0, known) :]
        if self.broken or not fresh:
            return []
        self._next = (self._next + len(fresh)) % (1 << 32)
        self._received += fresh
        try:
            found = list(decode(self._received))
        except SoupError:
            self.broken, found = True, []
        self.packets += found
        return found


class StreamWatch:
    """TCP: the streams of both links, packet by packet. An order may leave as a Debug packet full of spaces."""

    def __init__(self, limits: Limits):
        self.seen = Seen()
        self._lanes = {frames.lane_key(lane)[0]: lane.number for lane in limits.lane}
        self._in: dict[tuple[int, int], Stream] = {}  # by lane and the server's port
        self._out: dict[tuple[int, int], Stream] = {}

    def lane(self, octets: bytes) -> int:
        at = frames.packet_at(octets, ethernet.Protocol.TCP)
        return 0 if at is None else self._lanes.get(octets[at + 12 : at + 16], 0)

    def goes_in(self, frame: Frame) -> list[Order]:
        lane, _, found = self._read(self._in, frame)
        messages = [packet.payload for packet in found if packet.type == TYPE]
        for message in messages:
            self.seen.born.setdefault((lane, message), frame.at)
        return [order for message in messages if (order := order_of(lane, message))]

    def comes_out(self, frame: Frame) -> list[Order]:
        lane, port, found = self._read(self._out, frame)
        if not found:
            return []
        entered, left, orders = self._in[lane, port].packets, self._out[lane, port].packets, []
        for number, packet in enumerate(found, len(left) - len(found)):
            came = entered[number] if number < len(entered) else None
            if came and packet == came:
                if packet.type == TYPE:
                    self.seen.passed.append(Passed(frame.end, lane, packet.payload))
                    orders += [order] if (order := order_of(lane, packet.payload)) else []
                elif packet.type == soup.Client.HEARTBEAT:
                    self.seen.heartbeats.append((frame.end, lane))
            elif came and _is_overwritten(came, packet):
                self.seen.stopped.append(Passed(frame.end, lane, came.payload))
            else:
                self.seen.altered += 1
        return orders

    def fingerprint(self, octets: bytes) -> bytes:
        at = frames.packet_at(octets, ethernet.Protocol.TCP)
        if at is None:
            return octets[:-FCS]
        begin = at + 4 * (octets[at] & 0xF)
        check = begin + ethernet.TCP["checksum"].offset
        payload = begin + (octets[begin + ethernet.TCP["offset"].offset] >> 4 << 2)
        return octets[:check] + octets[check + 2 : payload] + len(octets).to_bytes(2, "big")

    def is_faithful(self, before: bytes, after: bytes) -> bool:
        """Whether what was overwritten is whole orders, the streams tell."""
        first, second = segments.unpack(before), segments.unpack(after)
        if first is None or second is None:
            return before[:-FCS] == after[:-FCS]
        return first == second or all(
            a in (b, FILLER) or (b, a) == (TYPE, DEBUG)
            for b, a in zip(first[4].payload, second[4].payload, strict=True)
        )

    def is_injected(self, octets: bytes) -> bool:
        parts = segments.unpack(octets)
        return parts is not None and bool(parts[4].flags & RST) and not parts[4].payload

    def _read(self, streams: dict[tuple[int, int], Stream], frame: Frame) -> tuple[int, int, list[Packet]]:
        """Return (lane, port of the server, packets that a frame completes)."""
        parts = segments.unpack(frame.octets)
        if parts is None or (lane := self._lanes.get(parts[0], 0)) == 0:
            return 0, 0, []
        port, segment = parts[1], parts[4]
        stream = streams.get((lane, port))
        if segment.flags & SYN and (stream is None or stream.first != segment.end):
            stream = streams[lane, port] = Stream(segment.end)
        if stream is None:
            return lane, port, []
        was_whole = not stream.broken
        found = stream.take(segment)
        self.seen.altered += was_whole and stream.broken
        return lane, port, found


def _is_overwritten(came: Packet, left: Packet) -> bool:
    return (
        came.type == TYPE
        and came.payload.startswith(ORDERS)
        and left == Packet(DEBUG, bytes([FILLER]) * len(came.payload))
    )


def watch(limits: Limits) -> Watch:
    """Return what understands the frames of these limits' lanes; they all speak the same protocol."""
    return StreamWatch(limits) if limits.lane and limits.lane[0].is_tcp else DatagramWatch(limits)

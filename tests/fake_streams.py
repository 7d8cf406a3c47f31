"""What `tests.fake_board` does on TCP lanes: it overwrites stopped orders, or starves, and remembers what it overwrote.

An order that has to be overwritten lies in one segment, as the drill's servers send them; nothing fences.
"""

from dataclasses import dataclass, field

from hdl.wire.event import Kind
from hdl.wire.registers import Count, Reg
from hdl.wire.verdict import Action, Reason
from host import segments
from host.frames import close_frame
from host.segments import SYN, Segment, checksum


@dataclass
class Lane:
    """A session: `sent` is every octet that left, from `first` on."""

    first: int = 0
    sent: bytearray = field(default_factory=bytearray)
    withheld: int = 0  # octets from `first` on that a kill withheld
    begun: int = 0  # octets of the last packet, of which only a part has left

    def offset(self, segment: Segment) -> int:
        return (segment.sequence - self.first) % (1 << 32)


@dataclass
class Verdict:
    """What becomes of a segment: the octets that leave, b"" for none; orders that pass, their notional and reasons."""

    octets: bytes
    orders: int = 0
    value: int = 0
    stopped: list[int] = field(default_factory=list)
    begin: int = 0  # where its new octets begin in the stream
    breached: int = 0


def is_tcp(octets: bytes) -> bool:
    return octets[14 + 4 + 9] == 6


class FakeStreams:
    """The sessions of a board's TCP lanes."""

    def __init__(self, board):
        self.board = board
        self.lanes = [Lane() for _ in range(8)]

    def judge(self, octets: bytes) -> tuple[int, Verdict, int]:
        """Return (lane from 0, verdict, reason to drop the frame)."""
        source, _, _, _, segment = segments.unpack(octets)
        number = source[3] - 1
        lane, board = self.lanes[number], self.board
        if segment.flags & SYN:
            self.lanes[number] = Lane((segment.sequence + 1) % (1 << 32))
        if not segment.payload:
            return number, Verdict(octets), 0
        at, starves = lane.offset(segment), board.memory[Reg.LANE_MODE + number] >> 2 & 3 == Action.STARVE
        killed = bool(board.killed >> number & 1) and not board.leaky
        if killed and not starves:
            lane.withheld = max(lane.withheld, at + len(segment.payload))
        if at > len(lane.sent):
            return number, Verdict(b""), Reason.GAP
        killed |= lane.withheld > len(lane.sent) and not starves
        fresh = len(lane.sent) - at
        payload = bytearray(lane.sent[at : at + len(segment.payload)]) + segment.payload[fresh:]
        verdict = Verdict(b"", begin=len(lane.sent))
        before = lane.sent[len(lane.sent) - lane.begun :]
        payload[fresh:fresh] = before
        old = fresh
        while old + 2 < len(payload) and (end := old + 2 + int.from_bytes(payload[old : old + 2], "big")) <= len(
            payload
        ):
            message = payload[old + 3 : end]
            if payload[old + 2 : old + 3] == b"U" and message[:1] == b"O":
                value = int.from_bytes(message[6:10], "big") * int.from_bytes(message[18:26], "big")
                reason = self._reason(number, killed, verdict, value)
                if reason:
                    assert starves or not before, "a part has left"
                    payload[old + 2 : end] = b"+" + b" " * len(message)
                    verdict.stopped.append(reason)
                else:
                    verdict.orders, verdict.value = verdict.orders + 1, verdict.value + value
            old = end
        if verdict.stopped and starves:
            return number, verdict, verdict.stopped[0]
        lane.begun = len(payload) - old
        del payload[fresh : fresh + len(before)]
        lane.sent[at:] = payload
        verdict.octets = octets if payload == segment.payload else overwritten(octets, bytes(payload))
        return number, verdict, 0

    def _reason(self, number, killed, verdict, value):
        board = self.board
        if killed:
            return Reason.KILLED
        if verdict.breached:
            return Reason.BLOCKED
        if board.gross[number] + verdict.value + value > board.limit(number):
            verdict.breached = 1 << number
            return Reason.LANE_GROSS
        return 0

    def late(self, left, number: int) -> None:
        """A kill comes between verdict and egress: overwrite the orders of a frame that waits."""
        lane, board, row = self.lanes[number], self.board, self.board.counters[number]
        segment = segments.unpack(left.frame.octets)[4]
        payload, at = bytearray(segment.payload), 0
        while at < len(payload):
            end = at + 2 + int.from_bytes(payload[at : at + 2], "big")
            if payload[at + 2 : at + 4] == b"UO":
                payload[at + 2 : end] = b"+" + b" " * (end - at - 3)
            at = end
        lane.sent[lane.offset(segment) :] = payload
        left.frame = type(left.frame)(left.begin, left.frame.side, overwritten(left.frame.octets, bytes(payload)))
        row[Count.ORDER_DROP + Reason.KILLED] += left.orders
        board.event(Kind.NEUTRALISE, lane=number, reason=Reason.KILLED, count=left.orders)
        left.orders = left.value = 0

    def roll_back(self, left, number: int) -> None:
        """A frame was aborted: what it held has not left, and no order in it may leave later."""
        lane = self.lanes[number]
        lane.withheld = max(lane.withheld, len(lane.sent))
        del lane.sent[left.verdict.begin :]


def overwritten(octets: bytes, payload: bytes) -> bytes:
    """Return a frame (one tag, no options) with another payload of the same length."""
    frame = bytearray(octets[:-4])
    begin = 14 + 4 + 20
    end = begin + 20 + len(payload)
    frame[begin + 20 : end] = payload
    frame[begin + 16 : begin + 18] = b"\0\0"
    pseudo = bytes(frame[begin - 8 : begin]) + bytes((0, 6)) + (end - begin).to_bytes(2, "big")
    frame[begin + 16 : begin + 18] = checksum(pseudo + frame[begin:end]).to_bytes(2, "big")
    return close_frame(bytes(frame))

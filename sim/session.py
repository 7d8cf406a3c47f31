"""The TCP session of a lane: what of a segment is new, what has left, what is overwritten. Part of the golden model.

Sequence numbers count modulo 2^32 and are compared by their signed difference.
"""

from zlib import crc32

from hdl.wire.soup import FILLER, Client
from hdl.wire.verdict import Action, Reason
from sim.parse import ACK, FIN, RST, SYN, Config, Segment
from sim.soup import Context, Reading

HISTORY = 2048  # octets that have left and can be compared
RESET_LENGTH = 66  # of an RST: what it takes with two tags
ASKED = 4  # cycles from a SYN's verdict to the first answer that can be its own
MASK = (1 << 32) - 1
# Marks of an octet of payload.
PLAIN, ORDER, BODY, TYPE, OLD_ORDER = 3, 4, 5, 6, 7
_MARK_OF = bytes((PLAIN, OLD_ORDER, BODY, TYPE)).ljust(256, b"\0")  # of what the history keeps
_KEPT_AS = bytes((0, 0, 0, 0, 1, 2, 3, 1)).ljust(256, b"\0")  # by mark as sent
FENCED, NO_SESSION, ROLLED_BACK, GAP, OLD, IN_FLIGHT, WINDOW, DIFFERS, FINISHED, FRAMING = (
    int(Reason[name])
    for name in (
        "FENCED", "NO_SESSION", "ROLLED_BACK", "GAP", "OLD", "IN_FLIGHT", "WINDOW", "HISTORY", "FINISHED", "FRAMING"
    )
)  # fmt: skip
FENCES = frozenset((DIFFERS, FINISHED, FRAMING))  # frame reasons that fence the lane


def signed(difference: int) -> int:
    """Return the difference of two sequence numbers as a number from -2^31 on."""
    return (difference + (1 << 31) & MASK) - (1 << 31)


class Ring:
    """The last `HISTORY` octets, by sequence number."""

    def __init__(self):
        self._octets = bytearray(HISTORY)

    def put(self, sequence: int, octets: bytes) -> None:
        at = sequence % HISTORY
        first = min(len(octets), HISTORY - at)
        self._octets[at : at + first] = octets[:first]
        self._octets[: len(octets) - first] = octets[first:]

    def get(self, sequence: int, count: int) -> bytes:
        assert count <= HISTORY
        at = sequence % HISTORY
        return bytes((self._octets[at:] + self._octets[:at])[:count])


class Flow:
    """A segment as its session met it.

    epoch: of the lane then. reason: the lowest failure but for ROLLED_BACK, 0 if none. old: octets of the payload that
    were accepted before. advance: octets behind them, to be accepted. reading: of those, None if they are not read.
    marks: of the payload, as it came.

    By the verdict: stops, the numbers of the runs to be overwritten; stopped, how many orders that are, and `why` the
    first one; everything: all orders are overwritten. context and finished as they are behind the segment. By the gate:
    `late`, everything is overwritten by a kill after the verdict; `current`, it was of the lane's epoch to its end.
    """

    def __init__(self, segment: Segment, epoch: int):
        self.segment, self.epoch, self.reason = segment, epoch, 0
        self.syn, self.fin = bool(segment.flags & SYN), bool(segment.flags & FIN)
        self.old = self.advance = 0
        self.reading: Reading | None = None
        self.marks = bytearray((PLAIN,)) * len(segment.payload)
        self.stops: set[int] = set()
        self.stopped = self.why = 0
        self.everything = self.late = self.current = False
        self.context, self.finished = Context(), False

    @property
    def repeats_order(self) -> bool:
        """An order that left before, or part of it, is repeated."""
        return OLD_ORDER in self.marks[: self.old]

    @property
    def holds_old(self) -> bool:
        return OLD_ORDER in self.marks

    @property
    def unfinished(self) -> bool:
        return self.reading is not None and self.reading.unfinished

    @property
    def live(self) -> bool:
        """Octets of an order are sent as they are, if nothing more is overwritten."""
        if self.everything:
            return False
        runs = len(self.reading.runs) if self.reading else 0
        return self.holds_old or len(self.stops) < runs

    def mark(self) -> None:
        """Mark the new octets by what was read in them."""
        reading, marks, old = self.reading, self.marks, self.old
        for (begin, end), mark in (
            (reading.body, BODY),
            (reading.old, OLD_ORDER),
            *((run, ORDER) for run in reading.runs),
        ):
            marks[old + begin : old + end] = bytes((mark,)) * (end - begin)

    def stop(self, stopped) -> None:
        """The verdict keeps the segment and stops these orders: (item, reason) of each."""
        self.stops = {item.run for item, _ in stopped}
        self.stopped, self.why = len(stopped), stopped[0][1] if stopped else 0

    def sent_marks(self) -> bytearray:
        """Return the marks with the overwritten orders as such."""
        marks = self.marks
        if self.stops or self.everything or self.late:
            marks = bytearray(marks)
            for number, (begin, end) in enumerate(self.reading.runs):
                if self.everything or self.late or number in self.stops:
                    begin, end = begin + self.old, end + self.old
                    marks[begin:end] = bytes((TYPE,)) + bytes((BODY,)) * (end - begin - 1)
        return marks

    def sent(self, octets: bytes) -> bytes:
        """Return the frame `octets` as it leaves: overwritten, its checksums right."""
        marks, segment = self.sent_marks(), self.segment
        if BODY not in marks and TYPE not in marks:
            return octets
        payload = bytes(
            FILLER if mark == BODY else int(Client.DEBUG) if mark == TYPE else octet
            for octet, mark in zip(segment.payload, marks, strict=True)
        )
        at, first = segment.at, segment.payload_at
        header = octets[at : at + 16] + b"\0\0" + octets[at + 18 : first]
        sums = int.from_bytes(segment.addresses, "big") + 6 + len(header) + len(payload)
        whole = header + payload
        sums += int.from_bytes(whole, "big") << 8 * (len(whole) & 1)
        check = 0xFFFF - ((sums - 1) % 0xFFFF + 1)  # as RFC 1071 adds: a sum is never 0
        frame = octets[: at + 16] + check.to_bytes(2, "big") + header[18:] + payload
        frame += octets[len(frame) : -4]
        return frame + crc32(frame).to_bytes(4, "little")


class Session:
    """State of a TCP lane. All of it is as after reset at first: nothing is open."""

    def __init__(self, lane: int, config: Config):
        self.lane, self.config = lane, config
        self.fenced = self.open = False
        self._asked = self._before = None  # by the last SYN that was kept, the one before it: (port, number expected)
        self._asked_at = self.port = 0
        self.next = self.sent = self.acked = self.back = self.withheld = 0
        self.heard, self.overlaps = b"", 0  # frames that repeated octets of the exchange before new ones
        self.finished = self.sent_finished = False
        self.context = self.sent_context = Context()
        self.template: Segment | None = None  # the last SYN that was kept
        self._octets, self._classes = Ring(), Ring()

    def meet(self, segment: Segment, epoch: int) -> Flow:
        """Return the segment as it is met now. Changes nothing."""
        flow = Flow(segment, epoch)
        if self.fenced:
            flow.reason = FENCED
        elif not flow.syn and not (self.open and segment.port == self.port):
            flow.reason = NO_SESSION
        elif not flow.syn and (segment.payload or flow.fin):
            self._place(flow)
        return flow

    def _place(self, flow):
        """Find out what is new in a segment with payload or FIN."""
        segment, payload = flow.segment, flow.segment.payload
        begin, count = segment.sequence, len(payload)
        ahead, above = signed(begin - self.next), signed(begin - self.acked)
        past = signed(begin + count - self.next)  # its end, likewise
        if ahead > 0:
            flow.reason = GAP
            return
        if count == 1 and not flow.fin and ahead == -1 and above < 0:  # a keep-alive
            return
        old = min(count, -ahead)
        if above < 0 or (flow.fin and past < 0):
            flow.reason = OLD
        elif old and signed(begin + old - self.sent) > 0:
            flow.reason = IN_FLIGHT
        elif count and signed(begin + count - self.acked) > HISTORY:
            flow.reason = WINDOW
        if flow.reason:
            return
        flow.old = old
        if old:
            flow.marks[:old] = self._classes.get(begin, old).translate(_MARK_OF)
            if self._octets.get(begin, old) != payload[:old]:
                flow.reason = DIFFERS
        if count == old:
            return
        if self.finished:
            flow.reason = flow.reason or FINISHED
            return
        flow.advance = count - old
        first = segment.payload_at + old
        flow.reading = Reading(self.context, payload[old:], first, self.config, self.config.dialect(self.lane))
        flow.mark()
        if flow.reading.framing:
            flow.reason = flow.reason or FRAMING

    def accept(self, flow: Flow, verdict: int) -> None:
        """The segment is kept."""
        if flow.syn:
            self._before, self._asked_at = self._asked, verdict
            self._asked, self.template = (flow.segment.port, flow.segment.sequence + 1 & MASK), flow.segment
        self.next = self.next + flow.advance & MASK
        self.finished |= flow.fin
        if flow.advance:
            last = len(flow.reading.runs) - 1
            self.context = flow.reading.context(flow.everything or last in flow.stops)
        flow.context, flow.finished = self.context, self.finished

    def commit(self, flow: Flow) -> None:
        """The segment has left."""
        if flow.advance:
            self._octets.put(self.sent, flow.segment.payload[flow.old :])
            self._classes.put(self.sent, flow.sent_marks()[flow.old :].translate(_KEPT_AS))
        self.sent = self.sent + flow.advance & MASK
        self.sent_context, self.sent_finished = flow.context, flow.finished

    def roll_back(self) -> None:
        """A segment that was accepted did not leave: neither will those behind it, nor what they held, later."""
        self.withhold(self.next)
        self.next, self.context, self.finished = self.sent, self.sent_context, self.sent_finished

    def withhold(self, end: int) -> None:
        """A kill withheld octets up to `end`: no order that begins below may leave later."""
        if signed(end - self.withheld) > 0:
            self.withheld = end & MASK

    def arm(self) -> None:
        if self.fenced:
            self.fenced = self.open = False

    def lacks(self, segment: Segment) -> bool:
        """Tell whether a segment of the return path has payload and octets before it are missing."""
        ours = self.open and segment.destination_port == self.port
        return ours and segment.some and signed(self.back - segment.sequence) < 0

    def hear(self, segment: Segment, cycle: int) -> bool:
        """Learn from a segment of the return path; return whether it opens a session.

        `heard` are the octets of its payload that go on with the exchange's stream.
        """
        self.heard = b""
        if self.lacks(segment):
            return False
        flags, port = segment.flags, segment.destination_port
        if flags & SYN and flags & ACK and not flags & RST:
            expected = segment.acknowledgment
            asked = self._asked if self._asked_at + ASKED <= cycle else self._before
            opens = asked == (port, expected)
            if opens:
                self.open, self.port = True, port
                self._asked = self._before = None
                self.next = self.sent = self.acked = self.withheld = expected
                self.finished = self.sent_finished = False
                self.context = self.sent_context = Context()
                self.back = segment.sequence + 1 & MASK
            return opens
        if not (self.open and port == self.port):
            return False
        if flags & ACK:
            beyond = signed(segment.acknowledgment - self.sent)
            if signed(segment.acknowledgment - self.acked) > 0 and beyond <= 0:
                self.acked = segment.acknowledgment
        below, taken = signed(self.back - segment.sequence), len(segment.payload) + bool(flags & FIN)
        if 0 <= below < taken and not flags & SYN:
            self.heard = segment.payload[below:]
            self.overlaps += below > 0
            self.back = segment.sequence + taken & MASK
        return False

    @property
    def left(self) -> int:
        """The number behind everything that has left, a FIN included."""
        return self.sent + self.sent_finished & MASK

    def reset(self, left: int | None = None) -> bytes:
        """Return the RST to the exchange as it would leave now; the one to the server, as `left` was when it began."""
        forward = left is None
        head, addresses = self.template.head, self.template.addresses
        ports = self.port.to_bytes(2, "big"), self.template.destination_port.to_bytes(2, "big")
        numbers = [number.to_bytes(4, "big") for number in (self.left if forward else left, self.back)]
        if not forward:
            head = head[6:12] + head[:6] + head[12:]
            addresses, ports, numbers = addresses[4:] + addresses[:4], ports[::-1], numbers[::-1]
        packet = bytearray((0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0)) + addresses
        packet[10:12] = _check(packet)
        tcp = bytearray(b"".join(ports) + b"".join(numbers)) + bytes((0x50, RST | ACK)) + bytes(6)
        tcp[16:18] = _check(addresses + bytes((0, 6, 0, 20)) + tcp)
        frame = (head + packet + tcp).ljust(RESET_LENGTH - 4, b"\0")
        return frame + crc32(frame).to_bytes(4, "little")


def _check(octets) -> bytes:
    return (0xFFFF - (int.from_bytes(octets, "big") - 1) % 0xFFFF - 1).to_bytes(2, "big")


def rewritable(flow: Flow, action: int) -> bool:
    """Tell whether all orders of a kept segment can still be overwritten behind its verdict."""
    return action == Action.NEUTRALISE and not flow.holds_old and not flow.unfinished

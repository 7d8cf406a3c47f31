"""A TCP endpoint without a kernel: segments in, segments out, time as an argument; the same inputs, the same outputs.

For drills on a virtual clock. It has sequence numbers, the peer's window, retransmission with doubling time-outs, early
segments kept, FIN and RST as RFC 9293 and 5961 want them. It has no congestion control, no delayed acknowledgment, no
Nagle, no SACK and no TIME-WAIT. On a time-out it goes back and sends all that is unacknowledged again, cut anew into
segments as large as allowed: a sender that a filter must expect.
"""

from enum import Enum, auto

from host.segments import ACK, FIN, MOST_PAYLOAD, PSH, RST, SYN, Segment

TIMEOUT_S = 0.2  # the first; each further one doubles it
LONGEST_S = 60.0
TRIES = 15  # time-outs in a row, and then the peer is given up
MASK = (1 << 32) - 1
MSS = b"\x02\x04" + MOST_PAYLOAD.to_bytes(2, "big")  # the option of a SYN


class State(Enum):
    """Where a connection is. OPEN covers every state in which data may still come or go."""

    CLOSED = auto()
    LISTEN = auto()
    SYN_SENT = auto()
    SYN_RECEIVED = auto()
    OPEN = auto()


class Endpoint:
    """One end of one connection; `connect` or `listen` begins it.

    `outgoing` collects the segments to be sent, `incoming` the octets that came in order; whoever uses the endpoint
    empties both. `how` says how the connection ended: "closed" (FIN both ways), "reset", "timeout", "" before that.

    Parameters
    ----------
    isn : int
        Initial sequence number.
    window : int
        What the peer is told that it may have in flight.
    """

    def __init__(self, isn: int, *, window: int = 0xFFFF):
        self.state = State.CLOSED
        self.how = ""
        self.outgoing: list[Segment] = []
        self.incoming = bytearray()
        self.finished = False  # the peer has said that nothing follows
        self.retransmissions = 0
        self.due_s: float | None = None  # when `tick` has something to do
        self._window = window
        self._first = self._acked = self._next = self._top = isn & MASK  # _top: behind all that was ever sent
        self._text = bytearray()  # from _acked on (from _first + 1 before the handshake is over)
        self._closing = False
        self._fin_acked = False
        self._peer_window = 0
        self._expected = 0
        self._early: dict[int, bytes] = {}
        self._peer_end: int | None = None  # sequence number of its FIN
        self._tries = 0

    def connect(self, now_s: float) -> None:
        self.state = State.SYN_SENT
        self._handshake(now_s)

    def listen(self) -> None:
        self.state = State.LISTEN

    def write(self, octets: bytes, now_s: float) -> None:
        """Send octets, now or as soon as the window allows."""
        self._text += octets
        self._flush(now_s)

    def close(self, now_s: float) -> None:
        """Send what waits, then a FIN."""
        self._closing = True
        self._flush(now_s)

    def abort(self) -> None:
        """Reset the connection."""
        self._emit(RST | ACK, self._next)
        self._end("reset")

    def tick(self, now_s: float) -> None:
        """Do what is due: send again what has not been acknowledged."""
        if self.due_s is None or now_s < self.due_s:
            return
        self._tries += 1
        if self._tries > TRIES:
            self._end("timeout")
            return
        self.due_s = None
        self.retransmissions += 1
        if self.state is not State.OPEN:
            self._handshake(now_s)
        elif not self._peer_window:
            self._emit(ACK, self._acked - 1)  # a probe: below what is expected, so it is answered
            self._start_timer(now_s)
        else:
            self._next = self._acked
            self._flush(now_s)

    def receive(self, segment: Segment, now_s: float) -> None:
        """Take a segment of the peer's."""
        match self.state:
            case State.CLOSED:
                if segment.flags & FIN:  # our last acknowledgment was lost
                    self._emit(ACK, self._next)
            case State.LISTEN:
                self._receive_first(segment, now_s)
            case State.SYN_SENT:
                self._receive_answer(segment, now_s)
            case _:
                self._receive_more(segment, now_s)

    def _receive_first(self, segment: Segment, now_s: float) -> None:
        if segment.flags & (SYN | ACK | RST) == SYN:
            self.state = State.SYN_RECEIVED
            self._expected = segment.end
            self._peer_window = segment.window
            self._handshake(now_s)
        elif segment.flags & ACK and not segment.flags & RST:
            self.outgoing.append(Segment(segment.acknowledgment, 0, RST))  # of a connection that is no more

    def _receive_answer(self, segment: Segment, now_s: float) -> None:
        if not segment.flags & ACK or segment.acknowledgment != (self._first + 1) & MASK:
            return
        if segment.flags & RST:
            self._end("reset")
        elif segment.flags & SYN:
            self._expected = segment.end
            self._established(segment, now_s)
            self._emit(ACK, self._next)
            self._flush(now_s)

    def _receive_more(self, segment: Segment, now_s: float) -> None:
        ahead = signed(segment.sequence - self._expected)
        if segment.flags & RST:
            if ahead == 0:
                self._end("reset")
            elif 0 < ahead < self._window:
                self._emit(ACK, self._next)  # RFC 5961 §3.2: let the peer prove that it knows the number
            return
        if segment.flags & SYN:
            if self.state is State.SYN_RECEIVED:
                self._handshake(now_s)
            else:
                self._emit(ACK, self._next)
            return
        if not segment.flags & ACK:
            return
        if self.state is State.SYN_RECEIVED:
            if segment.acknowledgment != (self._first + 1) & MASK:
                return
            self._established(segment, now_s)
        self._take_acknowledgment(segment, now_s)
        if segment.payload or segment.flags & FIN or ahead < 0:
            self._take_text(segment, ahead)
            self._emit(ACK, self._next)
        self._flush(now_s)
        if self._fin_acked and self.finished:
            self._end("closed")

    def _established(self, segment: Segment, now_s: float) -> None:
        self.state = State.OPEN
        self._acked = self._next = self._top = (self._first + 1) & MASK
        self._peer_window = segment.window
        self._stop_timer()

    def _take_acknowledgment(self, segment: Segment, now_s: float) -> None:
        fresh = signed(segment.acknowledgment - self._acked)
        if not 0 <= fresh <= signed(self._top - self._acked):
            return
        self._peer_window = segment.window
        if not fresh:
            return
        self._fin_acked = self._closing and fresh > len(self._text)
        del self._text[:fresh]
        self._acked = segment.acknowledgment
        if signed(self._next - self._acked) < 0:
            self._next = self._acked
        self._stop_timer()
        if self._next != self._acked:
            self._start_timer(now_s)

    def _take_text(self, segment: Segment, ahead: int) -> None:
        if ahead >= self._window:
            return
        if segment.flags & FIN:
            self._peer_end = (segment.sequence + len(segment.payload)) & MASK
        if segment.payload and len(segment.payload) > len(self._early.get(segment.sequence, b"")):
            self._early[segment.sequence] = segment.payload
        for sequence in sorted(self._early, key=lambda sequence: signed(sequence - self._expected)):
            known = signed(self._expected - sequence)
            if known < 0:
                break
            octets = self._early.pop(sequence)[known:]
            self.incoming += octets
            self._expected = (self._expected + len(octets)) & MASK
        if self._expected == self._peer_end and not self.finished:
            self.finished = True
            self._expected = (self._expected + 1) & MASK

    def _flush(self, now_s: float) -> None:
        """Send what the window allows."""
        if self.state is not State.OPEN or self._fin_acked:
            return
        while True:
            sent = signed(self._next - self._acked)
            size = min(len(self._text) - sent, self._peer_window - sent, MOST_PAYLOAD)
            if size <= 0:
                break
            self._emit(PSH | ACK, self._next, bytes(self._text[sent : sent + size]))
        if self._closing and signed(self._next - self._acked) == len(self._text):
            self._emit(FIN | ACK, self._next)
        if self._next != self._acked or self._text:
            self._start_timer(now_s)

    def _handshake(self, now_s: float) -> None:
        """Send our SYN, for the first time or again."""
        self._next = self._first
        self._emit(SYN if self.state is State.SYN_SENT else SYN | ACK, self._first, options=MSS)
        self._start_timer(now_s)

    def _emit(self, flags: int, sequence: int, payload: bytes = b"", options: bytes = b"") -> None:
        acknowledgment = self._expected if flags & ACK else 0
        segment = Segment(sequence & MASK, acknowledgment, flags, self._window, payload, options)
        self.outgoing.append(segment)
        if flags & (SYN | FIN) or payload:
            self._next = segment.end
            if signed(self._next - self._top) > 0:
                self._top = self._next

    def _start_timer(self, now_s: float) -> None:
        if self.due_s is None:
            self.due_s = now_s + min(TIMEOUT_S * 2**self._tries, LONGEST_S)

    def _stop_timer(self) -> None:
        self.due_s, self._tries = None, 0

    def _end(self, how: str) -> None:
        self.state, self.how = State.CLOSED, how
        self._stop_timer()


def signed(difference: int) -> int:
    """Return a difference of sequence numbers as the nearest: RFC 9293 §3.4."""
    return (difference + (1 << 31) & MASK) - (1 << 31)

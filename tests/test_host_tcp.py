"""host.segments and host.tcp: TCP without a kernel, on a virtual clock and a line that can lose and reorder."""

import heapq
import random

import pytest

from hdl.wire import ouch
from host import config, frames, segments
from host.book import Book
from host.segments import ACK, FIN, PSH, RST, SYN, Path, Segment
from host.soup import ClientSession, Journal, ServerSession
from host.tcp import Endpoint, signed
from tests.test_host_config import GOOD

LIMITS = config.parse(GOOD.replace("source_port = 26002", 'protocol = "tcp"'))
LANE = LIMITS.lane_of(2)


class Line:
    """Two endpoints and a line of 1 ms between them; `fate(segment)` gives the delays of its copies in seconds."""

    def __init__(self, fate=lambda segment: [0.001], *, isn=(1000, 0xFFFFFFF0), window=0xFFFF):
        self.client, self.server = Endpoint(isn[0]), Endpoint(isn[1], window=window)
        self.fate = fate
        self.now = 0.0
        self.log = []  # (time, "c" or "s", segment) as sent
        self._flying, self._number = [], 0
        self.server.listen()
        self.client.connect(0.0)
        self.collect()

    def collect(self):
        for name, sender, receiver in (("c", self.client, self.server), ("s", self.server, self.client)):
            for segment in sender.outgoing:
                self.log.append((self.now, name, segment))
                for delay in self.fate(segment):
                    self._number += 1
                    heapq.heappush(self._flying, (self.now + delay, self._number, receiver, segment))
            sender.outgoing.clear()

    def run(self, until):
        """Let time pass until `until`, or until nothing is left to happen."""
        self.collect()
        while True:
            dues = [end.due_s for end in (self.client, self.server) if end.due_s is not None]
            due = min([*dues, *(entry[0] for entry in self._flying[:1])], default=None)
            if due is None or due > until:
                self.now = until
                return
            self.now = due
            if self._flying and self._flying[0][0] <= due:
                _, _, receiver, segment = heapq.heappop(self._flying)
                receiver.receive(segment, due)
            self.client.tick(due)
            self.server.tick(due)
            self.collect()

    def payloads(self, name="c"):
        return [segment.payload for _, sender, segment in self.log if sender == name and segment.payload]


def test_a_segment_in_its_frame_is_scapys():
    """Lane 2, tag 100: every header, both checksums and the padding, as Scapy makes them."""
    layers = pytest.importorskip("host.layers")
    from scapy.layers.inet import TCP

    for payload, options in ((b"", b""), (b"\0\x01R", b""), (b"x" * 1460, b""), (b"", b"\x02\x04\x05\xb4")):
        segment = Segment(0xFFFFFFFF, 7, PSH | ACK, 512, payload, options)
        tcp = TCP(sport=40_000, dport=9001, seq=0xFFFFFFFF, ack=7, flags="PA", window=512)
        if options:
            tcp.options = [("MSS", 1460)]
        wanted = frames.close_frame(bytes(frames.network(LANE) / tcp / layers.Raw(payload)))
        frame = Path(LANE, 40_000).pack(segment)
        assert frame == wanted
        assert segments.unpack(frame) == (bytes([10, 1, 0, 2]), 40_000, bytes([10, 9, 0, 1]), 9001, segment)
    back = segments.unpack(Path(LANE, 40_000, to_server=True).pack(segment))
    assert back[:4] == (bytes([10, 9, 0, 1]), 9001, bytes([10, 1, 0, 2]), 40_000)


def test_a_frame_with_a_bad_checksum_holds_no_segment():
    frame = Path(LANE, 40_000).pack(Segment(1, 2, PSH | ACK, payload=b"order"))
    assert segments.unpack(frame)
    assert segments.unpack(frame[:-1] + bytes([frame[-1] ^ 1])) is None
    for at in (18 + 8, 18 + 20 + 4, 18 + 40):  # time to live, sequence number, payload
        spoilt = bytearray(frame[:-4])
        spoilt[at] ^= 1
        assert segments.unpack(frames.close_frame(bytes(spoilt))) is None


def test_differences_of_sequence_numbers_wrap():
    assert [signed(5 - 0xFFFFFFFB), signed(0xFFFFFFFB - 5), signed(0)] == [10, -10, 0]


def test_a_session_by_hand():
    """Handshake, one octet each way, FIN both ways: every segment, its numbers counted by hand."""
    line = Line()
    line.run(0.1)
    line.client.write(b"q", line.now)
    line.run(0.2)
    line.server.write(b"a", line.now)
    line.run(0.3)
    line.client.close(line.now)
    line.run(0.4)
    assert line.server.finished and line.server.how == ""
    line.server.close(line.now)
    line.run(0.5)
    told = [(who, s.flags, s.sequence, s.acknowledgment, s.payload) for _, who, s in line.log]
    assert told == [
        ("c", SYN, 1000, 0, b""),
        ("s", SYN | ACK, 0xFFFFFFF0, 1001, b""),
        ("c", ACK, 1001, 0xFFFFFFF1, b""),
        ("c", PSH | ACK, 1001, 0xFFFFFFF1, b"q"),
        ("s", ACK, 0xFFFFFFF1, 1002, b""),
        ("s", PSH | ACK, 0xFFFFFFF1, 1002, b"a"),
        ("c", ACK, 1002, 0xFFFFFFF2, b""),
        ("c", FIN | ACK, 1002, 0xFFFFFFF2, b""),
        ("s", ACK, 0xFFFFFFF2, 1003, b""),
        ("s", FIN | ACK, 0xFFFFFFF2, 1003, b""),
        ("c", ACK, 1003, 0xFFFFFFF3, b""),
    ]
    assert (line.client.how, line.server.how) == ("closed", "closed")
    assert (line.client.incoming, line.server.incoming) == (b"a", b"q")
    assert line.client.due_s is line.server.due_s is None


@pytest.mark.parametrize("seed", range(30))
def test_all_octets_arrive_in_order_over_a_bad_line(seed):
    """A fifth of the segments lost, a tenth twice, all delayed at random: the sequence numbers wrap on the way."""
    draw = random.Random(seed)

    def fate(segment):
        copies = draw.choices([0, 1, 2], [20, 70, 10])[0]
        return [draw.uniform(0.001, 0.05) for _ in range(copies)]

    line = Line(fate, isn=(0xFFFFF000, 0xFFFFFFFE))
    sent = {name: draw.randbytes(draw.randrange(1, 20_000)) for name in "cs"}
    for name, end in (("c", line.client), ("s", line.server)):
        rest = sent[name]
        while rest:
            size = draw.randrange(1, 3000)
            end.write(rest[:size], line.now)
            rest = rest[size:]
            line.run(line.now + 0.01)
        end.close(line.now)
    line.run(1000.0)
    assert (bytes(line.server.incoming), bytes(line.client.incoming)) == (sent["c"], sent["s"])
    assert (line.client.how, line.server.how) == ("closed", "closed")


def test_what_is_lost_is_sent_again_after_doubling_times_and_merged():
    """Thirteen orders into a hole, one each 10 ms; released after 3 s they arrive in one segment."""
    hole = [False]
    line = Line(lambda segment: [] if hole[0] and segment.payload else [0.001])
    line.run(0.1)
    hole[0] = True
    for number in range(13):
        line.client.write(bytes([number]) * 50, line.now)
        line.run(line.now + 0.01)
    line.run(3.0)
    assert line.server.incoming == b""
    hole[0] = False
    line.run(10.0)
    assert line.server.incoming == b"".join(bytes([number]) * 50 for number in range(13))
    again = [round(at, 6) for at, who, segment in line.log if who == "c" and len(segment.payload) == 650]
    assert again == [0.3, 0.7, 1.5, 3.1]


def test_a_peer_that_never_answers_is_given_up():
    line = Line(lambda segment: [])
    line.run(10_000.0)
    assert line.client.how == "timeout" and line.client.due_s is None
    assert len(line.log) == 1 + 15


def test_the_window_is_kept_and_a_closed_one_probed():
    line = Line(window=100)
    line.run(0.1)
    line.client.write(b"x" * 250, line.now)
    line.collect()
    assert [len(payload) for payload in line.payloads()] == [100]
    line.run(0.2)
    assert [len(payload) for payload in line.payloads()] == [100, 100, 50]
    line.client.receive(Segment(0xFFFFFFF1, 1251, ACK, window=0), line.now)
    line.client.write(b"y", line.now)
    line.run(0.39)
    assert line.server.incoming == b"x" * 250
    line.run(0.5)  # the probe is answered, with the window that is open again
    assert line.server.incoming == b"x" * 250 + b"y"
    probes = [s for _, who, s in line.log if who == "c" and s.sequence == 1250 and not s.payload]
    assert len(probes) == 1


@pytest.mark.parametrize(("ahead", "how", "answers"), [(0, "reset", 0), (1, "", 1), (-1, "", 0), (70_000, "", 0)])
def test_only_a_reset_with_the_exact_number_resets(ahead, how, answers):
    """RFC 5961: in the window but not exact, it is answered; outside it is ignored."""
    line = Line()
    line.run(0.1)
    line.client.receive(Segment((0xFFFFFFF1 + ahead) % (1 << 32), 0, RST), line.now)
    assert line.client.how == how and len(line.client.outgoing) == answers


def test_an_old_connections_segments_are_reset_by_a_new_listener():
    listener = Endpoint(5)
    listener.listen()
    listener.receive(Segment(77, 1234, PSH | ACK, payload=b"old"), 0.0)
    assert listener.outgoing == [Segment(1234, 0, RST)] and listener.how == ""


def test_a_refused_connection_and_an_abort():
    line = Line(lambda segment: [])
    line.client.receive(Segment(0, 999, RST | ACK), 0.0)
    assert line.client.how == ""
    line.client.receive(Segment(0, 1001, RST | ACK), 0.0)
    assert line.client.how == "reset"
    line = Line()
    line.run(0.1)
    line.client.abort()
    line.run(0.2)
    assert (line.client.how, line.server.how) == ("reset", "reset")


def test_an_order_and_its_reports_cross_a_lossy_line():
    """SoupBinTCP and the book on top, each third segment lost: login, order, Accepted and Executed."""
    number = [0]

    def fate(segment):
        number[0] += 1
        return [0.001] if number[0] % 3 else []

    line = Line(fate)
    journal, book, reported = Journal("DAY1"), Book(["AAA"]), []
    client, server = ClientSession("user", "pass", 0.0), ServerSession(lambda login: journal, 0.0)
    client.enter(
        ouch.ENTER.pack(
            type=ord("O"), user_ref=1, side=ord("B"), quantity=100, symbol=b"AAA", price=10_000, time_in_force=b"0",
            display=b"Y", capacity=b"P", sweep=b"N", cross=b"N", order_id=b"", appendage=0,
        ),
        0.0,
    )  # fmt: skip
    for _ in range(500):
        line.run(line.now + 0.01)
        for message in server.receive(bytes(line.server.incoming), line.now):
            journal.messages += book.take("user", message, 0)
        reported += client.receive(bytes(line.client.incoming), line.now)
        server.pump(line.now)
        for end, session in ((line.client, client), (line.server, server)):
            end.incoming.clear()
            end.write(bytes(session.outgoing), line.now)
            session.outgoing.clear()
    assert [message[:1] for message in reported] == [b"A", b"E"]
    assert line.client.retransmissions + line.server.retransmissions > 0

"""host.streams and host.ends: sessions in virtual time, over a board that lets everything through at once."""

from itertools import pairwise

import pytest

from hdl.wire.board import Side
from host import config, segments
from host.rig import Frame, Movement
from host.router import Sent, What
from host.segments import ACK, SYN
from host.streams import LATENCY, Streams
from tests.test_host_config import GOOD

LIMITS = config.speaking(config.parse(GOOD), "tcp")  # lanes 1 and 2; AAA trades, B.C is halted
SECOND = 125_000_000
MINUTE = 60 * SECOND


class Wire:
    """Streams and what carries them; `fate(frame)` tells whether a frame arrives. `log` keeps every frame sent."""

    def __init__(self, fate=lambda frame: True):
        self.filled = []
        self.streams = Streams(LIMITS, lambda *of: self.filled.append(of), seed=1, start_s=9.5 * 3600)
        self.fate, self.now, self.log = fate, 0, []

    def run(self, until):
        while self.now < until:
            end = self.streams.horizon(self.now, until)
            frames = self.streams.frames(self.now, end)
            assert all(self.now <= frame.at for frame in frames)
            self.log += frames
            arrived = [frame for frame in frames if self.fate(frame)]
            moved = [Frame(frame.at + 4, Side(1 - frame.side), frame.octets) for frame in arrived]
            self.streams.take(Movement(moved, [], end))
            self.now = end
        return self.streams

    def log_in(self, lanes=(1,)):
        for lane in lanes:
            self.streams.connect(lane, self.now + 1000)
        self.run(self.now + SECOND)
        assert self.streams.connected == sorted(lanes)

    def told(self, since=0):
        """Return (side that sent, flags, octets of payload) of the frames since a number."""
        parts = [(frame.side, segments.unpack(frame.octets)[4]) for frame in self.log[since:]]
        return [(side, segment.flags, len(segment.payload)) for side, segment in parts]


def order(ref, *, lane=1, symbol="AAA", rests=False):
    return Sent(0.0, What.ENTER, lane, ref, symbol, True, 50, 1000, rests=rests, order_id="RLP1P001")


def cancel(ref, *, lane=1):
    return Sent(0.0, What.CANCEL, lane, ref)


def test_a_login_frame_by_frame():
    """SYN, SYN with ACK, login (49 octets) with the last ACK, accepted (33) with its ACK, ACK; each LATENCY later."""
    wire = Wire()
    wire.log_in()
    assert wire.told() == [
        (Side.SERVER, SYN, 0),
        (Side.EXCHANGE, SYN | ACK, 0),
        (Side.SERVER, 0x18, 49),
        (Side.EXCHANGE, 0x18, 33),
        (Side.SERVER, ACK, 0),
    ]
    first = wire.log[0]
    assert first.at == 1000
    for before, after in pairwise(wire.log):
        assert after.at == before.end + 4 + LATENCY


def test_an_order_its_reports_and_their_acknowledgment():
    """Three frames: 50 octets, Accepted and Executed in sequenced packets (67 + 39), and one ACK."""
    wire = Wire()
    wire.log_in()
    before = len(wire.log)
    wire.streams.enter([(wire.now + 1, order(1))])
    wire.run(wire.now + SECOND // 10)
    assert wire.told(before) == [(Side.SERVER, 0x18, 50), (Side.EXCHANGE, 0x18, 106), (Side.SERVER, ACK, 0)]
    assert wire.filled == [(1, 1, 50)]
    assert wire.streams.notional() == {1: 50 * 100_000, 2: 0}
    (report,) = [message for message in wire.streams.market.reported("lane1") if message[:1] == b"A"]
    assert int.from_bytes(report[1:9], "big") // 10**9 == 9.5 * 3600 + 1  # the time of day


def test_orders_of_a_burst_leave_one_behind_the_other():
    """12 octet times apart, each in a segment of its own; what answers them says one ACK for all."""
    wire = Wire()
    wire.log_in((1, 2))
    before = len(wire.log)
    wire.streams.enter([(wire.now + 1, order(1 + at // 2, lane=1 + at % 2)) for at in range(8)])
    wire.run(wire.now + SECOND // 10)
    burst = wire.log[before : before + 8]
    assert {len(frame.octets) for frame in burst if frame.side == Side.SERVER} == {108, 112}  # lane 2 has a tag
    assert all(after.at == before.end + 13 for before, after in pairwise(burst))
    assert len([1 for side, flags, size in wire.told(before + 8) if not size]) == 2  # a last ACK a lane


def test_what_is_lost_is_sent_again_in_virtual_time():
    lost = []

    def fate(frame):
        if len(frame.octets) == 108 and not lost:
            lost.append(frame)
            return False
        return True

    wire = Wire(fate)
    wire.log_in()
    wire.streams.enter([(wire.now + 1, order(1))])
    wire.run(wire.now + SECOND)
    again = [frame for frame in wire.log if frame.octets == lost[0].octets]
    assert len(again) == 2 and again[1].at - again[0].at - SECOND // 5 in (0, 1)
    assert wire.filled == [(1, 1, 50)] and wire.streams.told().retransmissions == 1


def test_quiet_sessions_stay_up_and_cost_little():
    """A heartbeat each way at least every second and a quarter, and its ACK."""
    wire = Wire()
    wire.log_in()
    before = len(wire.log)
    wire.run(wire.now + MINUTE)
    beats = [side for side, _, size in wire.told(before) if size == 3]
    assert min(beats.count(Side.SERVER), beats.count(Side.EXCHANGE)) >= 48
    assert len(wire.log) - before <= 4 * 60 and wire.streams.connected == [1]
    assert wire.streams.told().retransmissions == 0


def test_a_cancel_is_told_when_its_server_has_read_so():
    wire = Wire()
    wire.log_in()
    wire.streams.enter([(wire.now + 1, order(1, rests=True)), (wire.now + SECOND, cancel(1))])
    wire.run(wire.now + 2 * SECOND)
    (canceled,) = wire.streams.told().canceled
    assert (canceled.lane, canceled.user_ref) == (1, 1) and wire.filled == []
    assert 2 * LATENCY < canceled.at - 2 * SECOND < 3 * LATENCY


def test_orders_in_the_halted_symbol_are_rejected():
    wire = Wire()
    wire.log_in()
    wire.streams.enter([(wire.now + 1, order(1, symbol="B.C"))])
    wire.run(wire.now + SECOND)
    assert wire.streams.told().reports == {"rejected": 1}


def test_a_server_that_goes_is_cancelled_and_told_at_its_next_login():
    """Nothing that its exchange does by itself counts as an acknowledged cancel; an end that was wanted is no loss."""
    wire = Wire()
    wire.log_in((1, 2))
    wire.streams.enter([(wire.now + 1, order(1, rests=True)), (wire.now + 1, order(1, lane=2, rests=True))])
    wire.run(wire.now + SECOND)
    wire.streams.close(1, wire.now)
    wire.run(wire.now + SECOND)
    assert wire.streams.connected == [2] and wire.streams.market.ends == [("lane1", "closed")]
    assert wire.streams.market.book.working("lane1") == [] and wire.streams.market.book.working("lane2") == [1]
    wire.streams.connect(1, wire.now)
    wire.streams.enter([(wire.now + SECOND, order(2))])
    wire.run(wire.now + 2 * SECOND)
    told = wire.streams.told()
    assert (told.lost, told.canceled, wire.streams.connected) == ([], [], [1, 2])
    assert told.reports == {"accepted": 3, "canceled": 1, "executed": 1} and wire.filled == [(1, 2, 50)]


def test_a_server_without_a_session_keeps_quiet():
    wire = Wire()
    wire.streams.enter([(5, order(1))])
    wire.run(SECOND)
    assert wire.log == [] and wire.streams.told().unsent == 1


@pytest.mark.parametrize("silent", [Side.SERVER, Side.EXCHANGE])
def test_a_session_whose_peer_is_silent_is_lost(silent):
    """After 15 s; the exchange cancels what rests."""
    gone = []
    wire = Wire(lambda frame: not (gone and frame.side == silent))
    wire.log_in()
    wire.streams.enter([(wire.now + 1, order(1, rests=True))])
    wire.run(wire.now + SECOND)
    gone.append(True)
    wire.run(wire.now + 14 * SECOND)
    assert wire.streams.connected == [1]
    wire.run(wire.now + 15 * MINUTE)
    assert wire.streams.connected == [] and len(wire.streams.told().lost) == 1
    assert wire.streams.market.book.working("lane1") == []


def test_a_segment_of_no_connection_is_reset():
    """An exchange that knows nothing of it says so, and keeps nothing."""
    wire = Wire()
    path = segments.Path(LIMITS.lane_of(1), 45_000)
    stray = path.pack(segments.Segment(1000, 2000, 0x18, payload=b"old"))
    wire.streams.take(Movement([Frame(100, Side.EXCHANGE, stray)], [], 200))
    wire.run(SECOND)
    assert wire.told() == [(Side.EXCHANGE, 0x04, 0)]
    assert wire.streams.market.sessions == {}

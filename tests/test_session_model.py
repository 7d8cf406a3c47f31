"""The golden model's TCP, worked out by hand: sessions, what is neutralised, fences, roll back; checksums by Scapy."""

from zlib import crc32

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from hdl.wire.event import NO_SYMBOL, Kind, Loss
from hdl.wire.registers import Count
from hdl.wire.verdict import Action, Reason, Source
from sim import packets
from sim.model import Config, Event, Model
from sim.packets import ACK, FIN, PREAMBLE, RST, SYN, URG, cancel, enter, enter42, packet, segment
from sim.parse import lenient
from sim.replies import Report

SERVER = packets.Address(bytes([10, 0, 0, 1]), bytes([10, 9, 0, 1]), 40_000, 26_400)
KEY = SERVER._replace(source_port=0).key
BUY_AAPL = 2 * 5
ISN, BACK = 0xFFFFFF00, 5000  # the server's numbers pass 2^32 on the way
FIRST = ISN + 1
ORDER = packet(enter(7, b"AAPL", 100, 10_000))  # 50 octets: length 2, type 1, Enter 47
BAD = packet(enter(8, b"IBM", 100, 10_000))
CANCEL = packet(cancel(7))  # 12 octets
GONE = b"\x00\x30+" + b" " * 47  # ORDER, neutralised


class Line:
    """A model with one TCP lane, armed, and both ends of it; frames follow one another at leisure."""

    def __init__(
        self, action: Action = Action.NEUTRALISE, *, dialect: int = 0, shares: int = 10**6, opened: bool = True
    ):
        self.model = Model(
            Config(
                lanes=[KEY, *[bytes(16)] * 7],
                enabled=1,
                order_size=500,
                symbols={b"AAPL    ": 5},
                limits={(5, True): shares, (5, False): shares},
                gross_limits=[10**15] * 9,
                **lenient(packets.TAG_OF_ORDERS, [5], [1 | dialect << 1 | action << 2] + [0] * 7),
            )
        )
        self.now = 1000
        self.model.open(10, 0xFF)
        if opened:
            self.open()

    @property
    def session(self):
        return self.model.sessions[0]

    @property
    def counters(self):
        return self.model.counters[0]

    @property
    def sent(self) -> list[bytes]:
        """Payloads that left whole, in order."""
        return [payload(left.octets) for left in self.model.left if left.er_at is None]

    def open(self, isn: int = ISN, port: int = 40_000) -> None:
        self.say(sequence=isn, flags=SYN, server=SERVER._replace(source_port=port))
        self.answer(sequence=BACK - 1, acknowledgment=isn + 1, flags=SYN | ACK, port=port)

    def say(self, octets: bytes = b"", *, server=SERVER, rest: bool = True, gap: int = 4000, **fields) -> int:
        """Send a segment; return what became of it. `gap` cycles later the next one may begin."""
        frame = segment(server, octets, **fields)
        self.last = self.now + 7 + len(frame)
        self.model.carrier(self.now, PREAMBLE + frame)
        if rest:
            self.model.rest()
        self.now = self.last + gap
        return self.model.verdicts[-1][2]

    def answer(self, octets: bytes = b"", *, port: int = 40_000, gap: int = 4000, **fields) -> None:
        """Send a segment of the return path."""
        there = packets.answering(SERVER._replace(source_port=port))
        frame = segment(there, octets, **fields)
        self.model.back(self.now, PREAMBLE + frame)
        self.now += len(frame) + gap
        self.model.rest(self.now)

    def kill(self, lanes: int = 1) -> None:
        self.model.kill(self.now, lanes, Source.SERIAL)
        self.now += 100

    def arm(self, lanes: int = 0xFF) -> None:
        self.model.open(self.now, lanes)
        self.now += 100

    def events(self, *kinds: Kind) -> list[Event]:
        return [event for event in self.model.events() if event.kind in kinds]


def payload(frame: bytes) -> bytes:
    return bytes(Ether(frame[:-4])[TCP].payload)[: Ether(frame)[IP].len - 40] if TCP in Ether(frame) else b""


def right(frame: bytes) -> bool:
    """Tell whether Scapy computes the checksums that the frame has."""
    made = Ether(frame[:-4])
    ip_check, tcp_check = made[IP].chksum, made[TCP].chksum
    del made[IP].chksum, made[TCP].chksum
    again = Ether(bytes(made))
    fcs = packets.fcs(frame[:-4]) == frame
    return fcs and (ip_check, tcp_check) == (again[IP].chksum, again[TCP].chksum)


def test_octets_of_ouch_42():
    """Samples decoded by an independent decoder."""
    order = "4f544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59504e000000004e52"
    assert enter42(b"TOK1", b"AAPL", 100, 1_234_500).hex() == order
    changed = "55544f4b3120202020202020202020544f4b3220202020202020202020000000c80012d6a80001869e594e00000000"
    assert packets.replace42(b"TOK1", b"TOK2", 200, 1_234_600).hex() == changed
    assert packets.cancel42(b"TOK2").hex() == "58544f4b322020202020202020202000000000"
    assert packets.modify42(b"TOK2", 50, b"T").hex() == "4d544f4b32202020202020202020205400000032"


def test_a_session_opens_when_the_exchange_answers():
    line = Line(opened=False)
    assert line.say(CANCEL, sequence=FIRST) == Reason.NO_SESSION
    assert line.say(sequence=ISN, flags=SYN) == 0
    line.answer(sequence=BACK - 1, acknowledgment=FIRST + 1, flags=SYN | ACK)  # of another number
    line.answer(sequence=BACK - 1, acknowledgment=FIRST, flags=SYN | ACK, port=40_001)  # to another port
    line.answer(sequence=BACK - 1, acknowledgment=FIRST, flags=SYN | ACK | RST)
    assert line.say(CANCEL, sequence=FIRST) == Reason.NO_SESSION
    line.answer(sequence=BACK - 1, acknowledgment=FIRST, flags=SYN | ACK)
    assert line.say(CANCEL, sequence=FIRST) == 0
    assert line.say(CANCEL, sequence=FIRST + 12, server=SERVER._replace(source_port=40_001)) == Reason.NO_SESSION
    assert line.model.sessions_word == 1
    assert (line.session.next, line.session.back) == (0xFFFFFF0D, BACK)
    (event,) = line.events(Kind.SESSION)
    assert event[1:] == (Kind.SESSION, 0, 0, 0, 40_000, 0, 0, 0)


def test_a_kill_overwrites_orders_and_lets_cancels_go():
    """P9: what left is retransmitted as it left, also behind an arm, whole or in parts."""
    line = Line()
    line.kill()
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    assert line.sent[-1] == GONE + CANCEL
    line.arm()
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    assert line.say(ORDER[2:7], sequence=FIRST + 2) == 0
    assert line.say((ORDER + CANCEL + ORDER)[40:], sequence=FIRST + 40) == 0  # and goes on
    assert line.sent[-3:] == [GONE + CANCEL, GONE[2:7], GONE[40:] + CANCEL + ORDER]
    assert all(right(left.octets) for left in line.model.left)
    assert line.model.budget.exposure[BUY_AAPL] == 100
    counts = line.counters
    assert (counts[Count.ORDERS_IN], counts[Count.ORDERS_OUT]) == (2, 1)
    assert counts[Count.ORDER_DROP + Reason.KILLED] == counts[Count.NEUTRALISED] == 1
    (event,) = line.events(Kind.NEUTRALISE)
    assert event[2:] == (0, Reason.KILLED, 1, 7, 5, 100, 10_000)


def test_an_order_that_fails_is_overwritten_alone():
    line = Line()
    assert line.say(ORDER + BAD + ORDER, sequence=FIRST) == 0
    assert line.sent[-1] == ORDER + GONE + ORDER
    assert line.model.budget.exposure[BUY_AAPL] == 200
    assert line.counters[Count.ORDER_DROP + Reason.SYMBOL] == 1


def test_behind_a_breach_every_order_of_the_frame_is_stopped():
    """P5: 100 of 150 shares pass, 100 more breach, and 1 more that would fit is stopped too; then the block holds."""
    line = Line(shares=150)
    one = packet(enter(9, b"AAPL", 1, 10_000))
    assert line.say(ORDER + ORDER + one + CANCEL, sequence=FIRST) == 0
    assert line.sent[-1] == ORDER + GONE + GONE + CANCEL
    assert line.counters[Count.ORDER_DROP + Reason.POSITION] == 2
    assert line.say(one, sequence=FIRST + 162) == 0
    assert line.sent[-1] == GONE
    assert line.counters[Count.ORDER_DROP + Reason.BLOCKED] == 1
    assert line.model.budget.exposure[BUY_AAPL] == 100


def test_the_thirty_second_order_of_a_frame_is_stopped():
    line = Line(dialect=1)
    small = b"\0\1R" * 3
    many = b"".join(packet(enter42(b"BLD1%d" % number, b"AAPL", 1, 1)) for number in range(28))
    line.say(many, sequence=FIRST)
    assert line.counters[Count.ORDERS_OUT] == 28
    line = Line()
    empty = packet(packets.entry(b"E", 1))  # an order of 14 octets
    line.say(small + empty * 33, sequence=FIRST)
    assert line.sent[-1] == small + empty * 31 + (b"\0\x0c+" + b" " * 11) * 2
    assert line.counters[Count.ORDER_DROP + Reason.BUSY] == 2


@pytest.mark.parametrize(("cut", "left"), [(4, ORDER[:4]), (20, ORDER[:20]), (49, ORDER[:49])])
def test_an_order_that_began_earlier_passes_whole(cut, left):
    line = Line()
    assert line.say(ORDER[:cut], sequence=FIRST, options=bytes([1]) * 12) == 0
    assert line.sent[-1] == left
    assert line.model.budget.exposure[BUY_AAPL] == 0
    assert line.say(ORDER[cut:] + CANCEL, sequence=FIRST + cut, options=bytes([1]) * 12) == 0
    assert line.sent[-1] == ORDER[cut:] + CANCEL
    assert line.model.budget.exposure[BUY_AAPL] == 100


def test_an_order_that_began_earlier_and_must_be_stopped_fences():
    """One octet of it is enough, and it need not end. With only the Soup type gone it is no order yet."""
    for cut, pieces in ((20, ORDER[20:21]), (3, ORDER[3:]), (49, ORDER[49:])):
        line = Line()
        assert line.say(ORDER[:cut], sequence=FIRST) == 0
        line.kill()
        assert line.say(pieces, sequence=FIRST + cut) == Reason.KILLED
        assert line.session.fenced
        assert line.say(CANCEL, sequence=FIRST + cut) == Reason.FENCED
    line = Line()
    assert line.say(BAD[:20], sequence=FIRST) == 0
    assert line.say(BAD[20:], sequence=FIRST + 20, options=bytes([1]) * 12) == Reason.SYMBOL
    assert line.session.fenced
    assert line.counters[Count.ORDER_DROP + Reason.SYMBOL] == 1


def test_an_order_stopped_before_its_end_is_overwritten_to_its_end():
    line = Line()
    line.kill()
    assert line.say(ORDER[:20], sequence=FIRST) == 0
    line.arm()
    assert line.say(ORDER[20:] + CANCEL, sequence=FIRST + 20) == 0
    assert b"".join(line.sent[-2:]) == GONE + CANCEL
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    assert line.sent[-1] == GONE + CANCEL
    assert line.counters[Count.ORDERS_IN] == line.counters[Count.ORDER_DROP + Reason.KILLED] == 1


def test_an_order_whose_price_came_earlier_is_checked_late():
    """Sampled in a, checked from a + 6, judged in a + 21, so that the verdict may come in a + 22: 64 octets are just
    enough, and with IP options too few. Octet 34 + 3 of the frame is the port's; a is 7 cycles later, the verdict 3
    after the last octet."""
    line = Line()
    assert line.say(ORDER[:49], sequence=FIRST) == 0
    assert line.say(ORDER[49:], sequence=FIRST + 49) == 0
    line = Line()
    assert line.say(ORDER[:49], sequence=FIRST) == 0
    assert line.say(ORDER[49:], sequence=FIRST + 49, ip={"options": bytes((1, 1, 1, 1))}) == Reason.BUSY
    assert line.session.fenced
    line = Line()
    assert line.say(ORDER[:49], sequence=FIRST) == 0
    assert line.say(ORDER[49:] + CANCEL, sequence=FIRST + 49) == 0


def test_an_order_that_was_never_checked_has_no_symbol():
    """Its price came earlier, and what a bad frame of 28 orders reserved is still being undone when it is judged.

    It fences, and all that is known of it is told.
    """
    line = Line()
    assert line.say(ORDER[:49], sequence=FIRST) == 0
    spoilt = {"check": 1, "rest": False, "gap": 12}
    assert line.say(ORDER[49:] + ORDER * 28, sequence=FIRST + 49, **spoilt) == Reason.TCP_CHECKSUM
    assert line.say(ORDER[49:] + CANCEL, sequence=FIRST + 49) == Reason.BUSY
    (fence,) = line.events(Kind.FENCE)
    assert fence[2:] == (0, Reason.BUSY, 1, 7, NO_SYMBOL, 100, 10_000)


@pytest.mark.parametrize(
    ("octets", "fields", "reason"),
    [
        (CANCEL, {"sequence": FIRST + 24}, 0),
        (CANCEL, {"sequence": FIRST + 25}, Reason.GAP),
        (b"", {"sequence": FIRST + 9999, "flags": ACK}, 0),
        (b"", {"sequence": FIRST, "flags": RST}, 0),
        (b"", {"sequence": FIRST + 24, "flags": FIN | ACK}, 0),
        (b"", {"sequence": FIRST + 25, "flags": FIN | ACK}, Reason.GAP),
        (b"", {"sequence": FIRST + 23, "flags": FIN | ACK}, Reason.OLD),
        (CANCEL, {"sequence": FIRST + 12}, 0),
        (CANCEL, {"sequence": FIRST + 11}, Reason.OLD),  # acknowledged up to 12
        (CANCEL[:-1] + b"?", {"sequence": FIRST + 12}, Reason.HISTORY),
        (CANCEL * 2, {"sequence": FIRST + 12}, 0),
        (b"?", {"sequence": FIRST + 23}, Reason.HISTORY),  # a keep-alive's garbage, not acknowledged
        (CANCEL * 171, {"sequence": FIRST + 24}, Reason.GIANT),
        (b"\0\0", {"sequence": FIRST + 24}, Reason.FRAMING),
        (b"\x80\0", {"sequence": FIRST + 24}, Reason.FRAMING),
        (b"\x7f\xff+", {"sequence": FIRST + 24}, 0),
        (b"\0\1T", {"sequence": FIRST + 24}, Reason.FRAMING),
        (b"\0\1U", {"sequence": FIRST + 24}, Reason.FRAMING),
        (b"\0\2RR", {"sequence": FIRST + 24}, Reason.FRAMING),
        (packet(bytes(46), b"L"), {"sequence": FIRST + 24}, 0),
        (packet(bytes(26), b"L"), {"sequence": FIRST + 24}, Reason.FRAMING),
        (packet(b"Z"), {"sequence": FIRST + 24}, Reason.MESSAGE),
        (packet(b"Zz")[:-1], {"sequence": FIRST + 24}, 0),
        (packet(b"Zz"), {"sequence": FIRST + 24, "check": 1}, Reason.TCP_CHECKSUM),
        (CANCEL, {"sequence": FIRST + 24, "flags": ACK | URG}, Reason.TCP_FLAGS),
        (CANCEL, {"sequence": FIRST + 24, "flags": 0}, Reason.TCP_FLAGS),
        (CANCEL, {"sequence": FIRST + 24, "flags": SYN}, Reason.TCP_FLAGS),
        (b"", {"sequence": FIRST + 24, "flags": SYN | ACK}, Reason.TCP_FLAGS),
        (b"", {"sequence": FIRST + 24, "flags": SYN | FIN}, Reason.TCP_FLAGS),
        (CANCEL, {"sequence": FIRST + 24, "flags": RST}, Reason.TCP_FLAGS),
        (CANCEL, {"sequence": FIRST + 24, "offset": 4}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "offset": 9}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\2\4\5\xb4"}, 0),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\2\5\5\xb4"}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\1\1\1\2"}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\2\1\1\1"}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\0\2\1\1"}, 0),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\x1e\4\1\1"}, Reason.TCP_HEADER),
        (CANCEL, {"sequence": FIRST + 24, "options": b"\1" * 40}, 0),
    ],
)
def test_segments(octets, fields, reason):
    """24 octets have left, 12 are acknowledged."""
    line = Line()
    assert line.say(CANCEL * 2, sequence=FIRST) == 0
    line.answer(sequence=BACK, acknowledgment=FIRST + 12, flags=ACK)
    assert line.say(octets, **fields) == reason
    fences = reason in (Reason.HISTORY, Reason.FINISHED, Reason.FRAMING, Reason.MESSAGE)
    assert line.session.fenced == fences
    assert line.counters[Count.FENCES] == line.counters[Count.FRAMES_INJECTED] == fences


def test_a_keep_alive_of_what_is_acknowledged_passes_uncompared():
    line = Line()
    line.say(CANCEL, sequence=FIRST)
    line.answer(sequence=BACK, acknowledgment=FIRST + 12, flags=ACK)
    assert line.say(b"?", sequence=FIRST + 11) == 0
    assert line.sent[-1] == b"?"
    assert line.say(b"", sequence=FIRST + 11, flags=ACK) == 0
    assert line.say(b"??", sequence=FIRST + 10) == Reason.OLD


def test_the_window_is_what_the_history_holds():
    line = Line()
    for number in range(2):
        assert line.say(packet(bytes(1021), b"+"), sequence=FIRST + 1024 * number) == 0
    assert line.say(b"\0", sequence=FIRST + 2048) == Reason.WINDOW
    line.answer(sequence=BACK, acknowledgment=FIRST + 2049, flags=ACK)  # of what has not left
    assert line.say(b"\0", sequence=FIRST + 2048) == Reason.WINDOW
    line.answer(sequence=BACK, acknowledgment=FIRST + 1, flags=ACK)
    assert line.say(b"\0", sequence=FIRST + 2048) == 0
    assert line.say(packet(bytes(1021), b"+")[1:], sequence=FIRST + 1) == 0


def test_behind_a_fin():
    line = Line()
    assert line.say(CANCEL, sequence=FIRST, flags=FIN | ACK) == 0
    assert line.say(CANCEL, sequence=FIRST, flags=FIN | ACK) == 0
    assert line.say(b"", sequence=FIRST + 13, flags=ACK) == 0
    line.answer(sequence=BACK, acknowledgment=FIRST + 13, flags=ACK)  # of the FIN: says nothing of octets
    assert line.session.acked == FIRST
    line.answer(sequence=BACK, acknowledgment=FIRST + 12, flags=ACK)
    assert line.session.acked == line.session.next
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.FINISHED
    (left,) = [left for left in line.model.left if left.kept.reset]
    assert Ether(left.octets)[TCP].seq == FIRST + 13 & 0xFFFFFFFF


def test_a_retransmission_waits_until_the_first_copy_has_left():
    line = Line()
    line.say(CANCEL * 50, sequence=FIRST, rest=False, gap=12)
    assert line.say(CANCEL * 50, sequence=FIRST) == Reason.IN_FLIGHT
    assert line.say(CANCEL * 50, sequence=FIRST) == 0


def test_a_fence_sends_resets_to_both_ends():
    """Octets worked out by hand. The frame is dropped; 42 octets came back, and 12 have left."""
    line = Line(Action.FENCE)
    line.say(CANCEL, sequence=FIRST)
    line.answer(bytes(42), sequence=BACK, acknowledgment=FIRST + 12, flags=ACK)
    line.kill()
    assert line.say(CANCEL + ORDER, sequence=FIRST + 12) == Reason.KILLED
    forward, backward = line.model.left[-1].octets, line.model.returned[-1][1]
    addresses = packets.DESTINATION + packets.SOURCE + b"\x08\x00"
    assert forward[:14] == addresses
    assert forward[14:34].hex() == "45000028000040004006" + "26c6" + "0a000001" + "0a090001"
    ports, numbers = "9c40" + "6720", "ffffff0d" + "000013b2"
    assert forward[34:54].hex() == ports + numbers + "5014" + "0000" + forward[50:52].hex() + "0000"
    assert forward[54:62] == bytes(8) and len(forward) == 66
    assert right(forward) and right(backward[8:])
    answer = Ether(backward[8:])
    assert (answer.src, answer.dst) == ("02:b0:b0:b0:b0:02", "02:a0:a0:a0:a0:01")
    assert (answer[IP].src, answer[TCP].sport, answer[TCP].dport) == ("10.9.0.1", 26_400, 40_000)
    assert (answer[TCP].seq, answer[TCP].ack, answer[TCP].flags) == (5042, 0xFFFFFF0D, "RA")
    # The RST has the dropped frame's slot.
    assert line.model.left[-1].at == line.last + 5
    assert len(backward) == 8 + 66
    (fence,) = line.events(Kind.DROP, Kind.FENCE)
    assert fence[1:] == (Kind.FENCE, 0, Reason.KILLED, 1, 7, 5, 100, 10_000)
    assert line.model.sessions_word == 0x10101
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.FENCED
    line.arm(0b10)
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.FENCED
    line.arm(0b1)
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.NO_SESSION
    line.open(77)
    assert line.say(ORDER, sequence=78) == 0
    assert line.sent[-1] == ORDER


def test_a_starved_order_comes_back():
    """The baseline: it leaves when the lane is armed and the server repeats it, so P9 does not hold."""
    line = Line(Action.STARVE)
    line.kill()
    assert line.say(ORDER, sequence=FIRST) == Reason.KILLED
    assert line.say(CANCEL, sequence=FIRST + 50) == Reason.GAP
    line.arm()
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    assert line.sent[-1] == ORDER + CANCEL


def test_cut_stops_everything_and_shuts_the_lane():
    line = Line(Action.CUT)
    assert line.say(CANCEL, sequence=FIRST) == 0
    line.kill()
    line.answer(b"x" * 20, sequence=BACK, acknowledgment=FIRST + 12, flags=ACK)
    _, octets, er, count = line.model.returned[-1]
    assert (er, count) == (8 + 34 + 9, 35) and packets.fcs(octets[8:-4]) != octets[8:]
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.KILLED
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.FENCED
    assert line.session.fenced and line.counters[Count.FRAMES_INJECTED] == 0
    line.arm()
    assert line.say(CANCEL, sequence=FIRST + 12) == Reason.NO_SESSION


def test_a_retransmission_of_an_order_that_left_fences_while_killed():
    line = Line()
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    line.kill()
    assert line.say(CANCEL, sequence=FIRST + 50) == 0
    assert line.say(ORDER + CANCEL, sequence=FIRST) == Reason.KILLED
    assert line.session.fenced


LATE = [
    (-1, "verdict"),  # shows at the verdict: overwritten there
    (0, "taken"),  # shows when it is taken: overwritten there
    (1, "aborted"),
]


@pytest.mark.parametrize(("after", "what"), LATE)
def test_a_kill_edge_and_a_segment_on_its_way(after, what):
    """P1: the verdict comes 3 cycles after the last octet, the frame is taken one later."""
    line = Line()
    frame = segment(SERVER, ORDER + CANCEL, sequence=FIRST)
    last = line.now + 7 + len(frame)
    line.model.kill(last + 3 + after, 1, Source.SERIAL)
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0
    left, counts = line.model.left[-1], line.counters
    assert line.model.budget.exposure[BUY_AAPL] == 0
    assert counts[Count.NEUTRALISED] == (what != "aborted")
    if what != "aborted":
        assert (left.er_at, payload(left.octets)) == (None, GONE + CANCEL)
        assert counts[Count.ORDER_DROP + Reason.KILLED] == 1
        assert right(left.octets)
        (event,) = line.events(Kind.NEUTRALISE)
        assert event.at == (last + 3 if what == "verdict" else left.end)
        return
    assert left.er_at == last + 6
    assert counts[Count.ORDER_DROP + Reason.ABORTED] == counts[Count.FRAME_DROP + Reason.ABORTED] == 1
    assert line.session.next == line.session.sent == FIRST
    assert line.say(ORDER + CANCEL, sequence=FIRST) == 0  # as new, and the lane is killed
    assert line.sent[-1] == GONE + CANCEL


def test_what_was_behind_an_abort_does_not_leave():
    """The first frame holds half an order, which cannot be overwritten later: the kill aborts it as it leaves. Those
    behind it are stale; the one that comes behind is a gap."""
    line = Line()
    start = line.now
    line.say(CANCEL * 90 + ORDER[:30], sequence=FIRST, rest=False, gap=12)
    first = line.last
    line.say(b"\0\1R", sequence=FIRST + 1110, rest=False, gap=12)
    line.say(b"", sequence=FIRST + 1113, flags=ACK, rest=False, gap=12)
    assert first - start > 1000
    line.model.kill(first + 300, 1, Source.SERIAL)
    line.now = first + 2000
    assert line.say(b"\0\1R", sequence=FIRST + 1113) == Reason.GAP
    counts = line.counters
    assert counts[Count.FRAME_DROP + Reason.ABORTED] == 1
    assert counts[Count.FRAME_DROP + Reason.ROLLED_BACK] == 2
    assert [event.reason for event in line.events(Kind.DROP)] == [Reason.ROLLED_BACK] * 2 + [Reason.GAP]
    assert line.session.next == FIRST
    line.arm()
    assert line.say(CANCEL * 90 + ORDER[:30], sequence=FIRST) == 0


def test_what_a_kill_withheld_does_not_leave_after_an_arm():
    """P9. An order was aborted by the kill, another was sent while there was a hole before it: repeated after the arm
    both are overwritten; what is behind them is not. With STARVE they would leave."""
    for action in (Action.NEUTRALISE, Action.STARVE):
        line = Line(action)
        last = line.now + 7 + len(segment(SERVER, ORDER, sequence=FIRST))
        line.model.kill(last + 3 + 1, 1, Source.SERIAL)
        assert line.say(ORDER, sequence=FIRST) == 0
        assert line.model.left[-1].er_at
        assert line.say(ORDER, sequence=FIRST + 50) == Reason.GAP
        line.arm()
        assert line.say(ORDER, sequence=FIRST) == 0
        assert line.say(ORDER + CANCEL, sequence=FIRST + 50) == 0
        assert line.say(ORDER, sequence=FIRST + 112) == 0
        first, second, third = line.sent[-3:]
        stale = GONE if action == Action.NEUTRALISE else ORDER
        assert (first, second, third) == (stale, stale + CANCEL, ORDER)


def test_a_discard_rolls_back_to_what_has_left():
    """Half an order waits behind a long frame of its lane when the kill comes: it goes when that frame has left, and
    the lane falls back to that frame's end."""
    line = Line()
    line.say(CANCEL * 90, sequence=FIRST, rest=False, gap=12)
    first = line.last
    line.say(ORDER[:30], sequence=FIRST + 1080, rest=False, gap=12)
    line.model.kill(first + 300, 1, Source.SERIAL)
    line.model.rest()
    assert line.counters[Count.FRAME_DROP + Reason.KILLED] == 1
    assert line.session.next == line.session.sent == FIRST + 1080 & 0xFFFFFFFF
    line.now = first + 5000
    assert line.say(ORDER, sequence=FIRST + 1080) == 0
    assert line.sent[-1] == GONE


def test_a_verdict_finds_its_lane_rolled_back():
    """The order behind a long frame is discarded while a frame of its lane comes in."""
    line = Line()
    line.say(packet(bytes(1000), b"+"), sequence=FIRST, rest=False, gap=12)
    ends = line.last + 5 + 8 + 1061  # the long frame's last octet out
    line.say(ORDER[:30], sequence=FIRST + 1003, rest=False, gap=12)
    line.model.kill(ends - 50, 1, Source.SERIAL)
    line.now = ends - 200
    assert line.say(bytes(300), sequence=FIRST + 1033) == Reason.ROLLED_BACK
    assert line.session.next == FIRST + 1003 & 0xFFFFFFFF


def test_a_new_session_makes_waiting_frames_of_the_old_one_stale():
    line = Line()
    assert line.say(sequence=99, flags=SYN) == 0
    line.say(CANCEL * 100, sequence=FIRST, rest=False, gap=12)
    out = line.last + 5
    line.say(CANCEL, sequence=FIRST + 1200, rest=False, gap=12)
    there = packets.answering(SERVER)
    answer = PREAMBLE + segment(there, sequence=BACK - 1, acknowledgment=100, flags=SYN | ACK)
    line.model.back(out + 500, answer)
    line.model.rest()
    assert line.counters[Count.FRAME_DROP + Reason.ROLLED_BACK] == 1
    assert line.session.next == line.session.sent == 100
    line.now += 5000
    assert line.say(CANCEL, sequence=100) == 0


def test_dialect_42():
    """The same letters, other places and lengths; an order is overwritten as one."""
    line = Line(dialect=1)
    order = packet(enter42(b"BLD1TOK1", b"AAPL", 100, 10_000))
    assert line.say(order + packet(packets.cancel42(b"TOK1")), sequence=FIRST) == 0
    assert line.model.budget.exposure[BUY_AAPL] == 100
    bad = packet(packets.replace42(b"TOK1", b"TOK2", 1, 1))
    assert line.say(bad, sequence=FIRST + 74) == 0
    assert line.sent[-1] == b"\0\x30+" + b" " * 47
    assert line.counters[Count.ORDER_DROP + Reason.REPLACE] == 1
    assert line.say(ORDER, sequence=FIRST + 124) == Reason.MESSAGE


def test_udp_and_tcp_lanes_are_told_apart():
    line = Line()
    udp = packets.datagram(SERVER._replace(source_port=0), cancel(1))
    line.model.carrier(line.now, PREAMBLE + udp)
    assert line.model.verdicts[-1][2] == Reason.NO_LANE


def test_a_malformed_order_fences_even_a_killed_lane():
    line = Line()
    line.kill()
    wrong = packet(enter(7, b"AAPL", 100, 10_000) + b"\0")
    assert line.say(ORDER + wrong, sequence=FIRST) == Reason.MESSAGE
    (fence,) = line.events(Kind.FENCE)
    assert (fence.count, fence.symbol) == (2, NO_SYMBOL)


def test_a_gap_of_the_return_path_does_not_get_past():
    """Spoilt from the octet before its payload on: 8 of preamble, 54 of headers. What overlaps goes on."""
    line = Line()
    login = b"\0\x1fA      DAY1" + b"%20d" % 1
    executed = bytes.fromhex("0025" + "53" + "4500001f1aced9f0000000000100000028000000000012d6445200000000000000630000")
    line.answer((login + executed)[:40], sequence=BACK, acknowledgment=FIRST, flags=ACK)
    line.answer((login + executed)[45:], sequence=BACK + 45, acknowledgment=FIRST, flags=ACK)
    _, octets, er, count = line.model.returned[-1]
    frame = octets[8:]
    assert (er, count, len(frame)) == (8 + 53, len(octets) - 61, 54 + 27 + 4)
    assert frame[53:57] == (crc32(frame[:53]) ^ 0xFFFFFFFF).to_bytes(4, "little") and frame[57:] == bytes(28)
    assert (line.session.back, line.counters[Count.RETURN_GAPS], line.counters[Count.REPORTS]) == (BACK + 40, 1, 0)
    line.answer((login + executed)[33:], sequence=BACK + 33, acknowledgment=FIRST, flags=ACK)
    assert line.model.returned[-1][2] == -1
    assert (line.session.back, line.counters[Count.REPORTS]) == (BACK + 72, 1)
    assert line.model.replies[0].applied == [Report(0, ord("E"), 1, 0, 40, 0x12D644)]
    line.answer(b"\0\0", sequence=BACK + 72, acknowledgment=FIRST, flags=ACK)
    assert line.counters[Count.RETURN_GAPS] == 1
    (lost,) = line.events(Kind.EVIDENCE_LOST)
    assert lost[1:4] == (Kind.EVIDENCE_LOST, 0, Loss.PACKET)
    assert line.model.sessions_word == 0x10001

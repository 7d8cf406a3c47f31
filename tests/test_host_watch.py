"""host.watch: what passes on the links, told from the frames; an order is what it says, however often it comes."""

import pytest

from hdl.wire.board import Side
from host import config
from host.rig import Frame
from host.segments import ACK, PSH, SYN, Path, Segment
from host.soup import encode
from host.streams import encode as message_of
from host.watch import DatagramWatch, StreamWatch, watch
from tests.test_host_config import GOOD
from tests.test_host_streams import cancel, order

LIMITS = config.speaking(config.parse(GOOD), "tcp")
LANE = 2  # it has a tag
ONE, TWO, CANCEL = message_of(order(1)), message_of(order(2)), message_of(cancel(1))


def packets(*messages):
    return b"".join(encode(ord("U"), message) for message in messages)


DEBUG = bytes.fromhex("00302b") + b" " * 47


class Links:
    """Both links of lane 2; its stream begins with number 1000."""

    def __init__(self, port=40_001):
        self.watch = StreamWatch(LIMITS)
        self.path = Path(LIMITS.lane_of(LANE), port)
        for give in (self.goes_in, self.comes_out):
            give(b"", 0, SYN, at=10)

    def frame(self, payload, begin, flags, side, at):
        return Frame(at, side, self.path.pack(Segment(999 + begin, 1, flags, payload=payload)))

    def goes_in(self, payload, begin=1, flags=PSH | ACK, at=1000):
        return self.watch.goes_in(self.frame(payload, begin, flags, Side.SERVER, at))

    def comes_out(self, payload, begin=1, flags=PSH | ACK, at=2000):
        return self.watch.comes_out(self.frame(payload, begin, flags, Side.EXCHANGE, at))


def test_an_order_that_leaves_as_it_came():
    links = Links()
    (offered,) = links.goes_in(packets(ONE))
    (left,) = links.comes_out(packets(ONE))
    assert offered == left and (left.lane, left.user_ref, left.quantity, left.price) == (2, 1, 50, 100_000)
    (passed,) = links.watch.seen.passed
    # 14 + 4 octets of link, 20 + 20 of headers, 50 of payload, 4 of FCS, 8 of preamble: 120 cycles from 2000 on.
    assert (passed.at, passed.lane, passed.message, passed.is_order) == (2119, 2, ONE, True)
    assert links.watch.seen.born == {(2, ONE): 1000} and links.watch.seen.altered == 0


def test_an_order_that_is_overwritten_whole():
    """Between a cancel that passes and another order."""
    links = Links()
    assert len(links.goes_in(packets(CANCEL, ONE, TWO))) == 2
    left = links.comes_out(packets(CANCEL) + DEBUG + packets(TWO))
    assert [order.user_ref for order in left] == [2]
    assert [passed.message for passed in links.watch.seen.passed] == [CANCEL, TWO]
    assert [stopped.message for stopped in links.watch.seen.stopped] == [ONE]
    assert links.watch.seen.altered == 0


@pytest.mark.parametrize(
    "left",
    [
        DEBUG[:-1] + b"x",  # not all of it
        packets(ONE[:-20] + b"Z" * 20),  # other octets
        encode(ord("+"), b" " * 46) + b"\0",  # another length
        packets(TWO),  # another order
    ],
)
def test_an_order_that_is_altered_otherwise(left):
    links = Links()
    links.goes_in(packets(ONE))
    assert len(left) == 50 and links.comes_out(left) == []
    assert links.watch.seen.altered == 1 and links.watch.seen.passed == links.watch.seen.stopped == []


def test_only_an_order_may_be_overwritten():
    links = Links()
    links.goes_in(packets(CANCEL))
    links.comes_out(bytes.fromhex("000a2b") + b" " * 9)
    assert links.watch.seen.altered == 1


def test_what_comes_again_is_known():
    """Merged and cut anew: each order counts where its last octet comes for the first time."""
    links = Links()
    stream = packets(ONE, TWO, CANCEL)
    assert len(links.goes_in(stream[:70])) == 1
    assert links.goes_in(stream[:70], at=3000) == []
    assert [order.user_ref for order in links.goes_in(stream[50:], 51, at=4000)] == [2]
    assert links.watch.seen.born == {(2, ONE): 1000, (2, TWO): 4000, (2, CANCEL): 4000}
    assert len(links.comes_out(stream[:60])) == 1
    assert len(links.comes_out(stream)) == 1 and links.comes_out(stream) == []
    assert [passed.message for passed in links.watch.seen.passed] == [ONE, TWO, CANCEL]


def test_an_order_that_is_sent_anew_keeps_its_age():
    links = Links()
    links.goes_in(packets(ONE))
    links.comes_out(DEBUG)
    links.goes_in(packets(ONE), 51, at=9000)
    links.comes_out(packets(ONE), 51, at=9500)
    assert [(p.message, links.watch.seen.born[p.lane, p.message]) for p in links.watch.seen.passed] == [(ONE, 1000)]


def test_octets_that_are_missing_are_told_once():
    links = Links()
    links.goes_in(packets(ONE, TWO))
    links.comes_out(packets(TWO), 51)
    links.comes_out(packets(TWO), 51)
    assert links.watch.seen.altered == 1 and links.watch.seen.passed == []


def test_heartbeats_that_leave_are_counted():
    links = Links()
    links.goes_in(encode(ord("R")))
    links.comes_out(encode(ord("R")))
    assert [lane for _, lane in links.watch.seen.heartbeats] == [2]


def test_a_new_session_has_a_stream_of_its_own():
    links = Links()
    links.goes_in(packets(ONE))
    links.path = Path(LIMITS.lane_of(LANE), 40_002)
    for give in (links.goes_in, links.comes_out):
        give(b"", 500, SYN)
        assert len(give(packets(TWO), 501)) == 1
    assert [passed.message for passed in links.watch.seen.passed] == [TWO]


def test_what_an_overwriting_filter_may_do_to_a_frame():
    links = Links()
    before, after, other, longer, later = (
        links.frame(payload, begin, ACK, Side.SERVER, 0).octets
        for payload, begin in ((packets(ONE), 1), (DEBUG, 1), (packets(TWO), 1), (packets(CANCEL), 1), (DEBUG, 51))
    )
    see = links.watch
    assert see.fingerprint(before) == see.fingerprint(after) == see.fingerprint(other)
    assert see.fingerprint(before) not in (see.fingerprint(longer), see.fingerprint(later))
    assert see.is_faithful(before, before) and see.is_faithful(before, after) and not see.is_faithful(before, other)
    assert not see.is_injected(after) and see.is_injected(links.frame(b"", 7, 0x14, Side.EXCHANGE, 0).octets)


def test_the_lanes_protocol_decides_how_frames_are_read():
    assert isinstance(watch(LIMITS), StreamWatch)
    assert isinstance(watch(config.speaking(LIMITS, "udp")), DatagramWatch)

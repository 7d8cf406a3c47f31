"""The golden model, worked out by hand: what passes, when it leaves, what a kill does, what is counted."""

from collections import Counter

import pytest

from hdl.wire.event import NO_SYMBOL, Kind
from hdl.wire.registers import Count, drops
from hdl.wire.verdict import Reason, Source
from sim import packets
from sim.model import Config, Event, Model
from sim.packets import PREAMBLE, TAG_OF_ORDERS, cancel, datagram, enter, entry, packet, replace, tag_value
from sim.parents import Parent
from sim.parse import lenient
from sim.traffic import Traffic

SERVER = packets.Address(bytes([10, 0, 0, 1]), bytes([10, 9, 0, 1]), 40_000, 26_400)
TAGGED = packets.Address(bytes([10, 0, 0, 2]), bytes([10, 9, 0, 1]), 40_001, 26_400, (101,))
BUY_AAPL = 2 * 5  # row of index 5


def model(
    *,
    armed: bool = True,
    policy: int = 0,
    shares: int = 1000,
    lane: int = 10**12,
    firm: int = 10**12,
    value: int = 1 << 51,
) -> Model:
    """Return a model with lanes 0 and 1, symbol AAPL as number 5, and these limits; orders up to 500 shares."""
    made = Model(
        Config(
            policy=policy,
            lanes=[SERVER.key, TAGGED.key, *[bytes(16)] * 6],
            enabled=0b11,
            order_size=500,
            symbols={b"AAPL    ": 5},
            limits={(5, True): shares, (5, False): 10},
            gross_limits=[lane] * 8 + [firm],
            **lenient(TAG_OF_ORDERS, [5]) | {"order_value": value},
        )
    )
    if armed:
        made.open(10, 0xFF)
    return made


def order(quantity: int = 100, *, server=SERVER, price: int = 10_000, side: bytes = b"B", count: int = 1) -> bytes:
    return datagram(server, *[enter(7, b"AAPL", quantity, price, side)] * count)


def numbered(*numbers: int, tag: bytes = TAG_OF_ORDERS, server=SERVER) -> bytes:
    return datagram(server, *[enter(number, b"AAPL", 1, 1, order_id=tag + b"P001") for number in numbers])


def play(made: Model, *frames: bytes, start: int = 1000, gap: int = 12) -> list[int]:
    """Send frames, the first octet of the first preamble in cycle `start`; return the reasons."""
    before = len(made.verdicts)
    for frame in frames:
        made.carrier(start, PREAMBLE + frame)
        start += 8 + len(frame) + gap
    made.rest()
    return [reason for _, _, reason in made.verdicts[before:]]


def test_an_order_begins_with_the_tag_of_its_lane():
    made = model()
    made.config.tags = [b"NEW1", b"OLD1", *[b"    "] * 6]
    frames = [numbered(1, tag=b"NEW1"), numbered(2, tag=b"OLD1"), numbered(2, tag=b"NEW2"), numbered(2, tag=b"\0NEW")]
    frames += [numbered(1, tag=b"OLD1", server=TAGGED)]
    assert play(made, *frames) == [0, Reason.TAG, Reason.TAG, Reason.TAG, 0]


def test_the_numbers_of_a_lane_rise():
    """What was let go counts, by the verdict: not what was dropped with another's failure, nor what is no order."""
    made = model()
    made.config.modes = [64] * 8
    frames = [numbered(5), numbered(5), numbered(4), numbered(6, 7), numbered(8, 8), numbered(8), numbered(1 << 31)]
    assert play(made, *frames) == [0, Reason.DUPLICATE, Reason.DUPLICATE, 0, Reason.DUPLICATE, 0, 0]
    assert play(made, numbered(1, server=TAGGED), start=9000) == [0]
    assert made.standing.last_refs[:2] == [1 << 31, 1]
    assert play(made, datagram(TAGGED, entry(b"D", 50)), numbered(50, server=TAGGED), start=9500) == [
        0,
        Reason.DUPLICATE,
    ]
    assert play(made, datagram(TAGGED, cancel(90)), numbered(51, server=TAGGED), start=9900) == [0, 0]


def test_the_terms_of_a_symbol():
    """Exactly at each bound passes, one beyond it is stopped."""
    made = model(value=1_000_000)
    made.config.terms[5] = (100 | 1 << 31, 20_000)
    cases = (
        (100, 10_000, b"B", 0),
        (101, 10_000, b"B", Reason.ORDER_VALUE),
        (1, 100, b"B", 0),
        (1, 99, b"B", Reason.COLLAR),
        (1, 20_000, b"B", 0),
        (1, 20_001, b"B", Reason.COLLAR),
        (1, 100, b"T", Reason.SHORT),
        (1, 100, b"E", Reason.SHORT),
        (1, 100, b"S", 0),
    )
    for number, (quantity, price, side, reason) in enumerate(cases, 1):
        assert play(made, order(quantity, price=price, side=side), start=1000 * number) == [reason]
    made = model()
    made.config.terms[5] = (0, 0xFFFFFFFF)
    assert play(made, order(1)) == [Reason.RESTRICTED]


def test_the_children_of_a_parent():
    """The last share and the last child pass, one more is stopped; so is what names no parent, or one that is not its.

    A datagram that is dropped for one order gives back what its others took.
    """
    made = model(shares=10_000)
    made.config.modes = [16, 16 | 64, *[0] * 6]
    made.config.parents = {0x1A7: Parent("P", 5, True, 1000, 3), 0: Parent("A", 5, False, 5, 9)}
    made.budget.parents.load(made.config.parents)

    def child(name, *quantities, side=b"B", server=SERVER):
        orders = [enter(1, b"AAPL", quantity, 1, side, order_id=TAG_OF_ORDERS + name) for quantity in quantities]
        return datagram(server, *orders)

    cases = (
        (child(b"P1A7", 500, 500, 1), Reason.PARENT),
        (child(b"P1A7", 500), 0),
        (child(b"P1A7", 501), Reason.ORDER_SIZE),
        (child(b"P1A7", 499), 0),
        (child(b"P1A7", 2), Reason.PARENT),
        (child(b"P1A7", 1), 0),
        (child(b"P1A7", 1), Reason.PARENT),
        (child(b"A000", 5, side=b"T"), 0),
        (child(b"A000", 1, side=b"S"), Reason.PARENT),
        *((child(name, 1), Reason.PARENT) for name in (b"P000", b"A000", b"P1A8", b"Q1A7", b"p1a7", b"    ", b"P3A7")),
        (child(b"    ", 1, server=TAGGED), 0),
    )
    for number, (frame, reason) in enumerate(cases, 1):
        assert play(made, frame, start=1000 * number) == [reason], number
    assert made.budget.parents.left == {0x1A7: [0, 0], 0: [0, 8]}
    made.budget.parents.load(made.config.parents)
    assert play(made, *[child(b"P1A7", 1)] * 4, start=20_000) == [0, 0, 0, Reason.CHILDREN]


def test_the_rate_of_a_lane():
    """An order takes 1,000 cycles, and 2,000 ahead are allowed: three at once, the next when the lead is 2,000 again.

    A frame counts as of 21 cycles behind its first octet: the place of its destination port, and 7 more.
    """
    made = model()
    made.config.rates = [(1000, 2000), *[(1, 0)] * 7]
    assert play(made, order(1, count=4)) == [Reason.RATE]
    assert play(made, order(1, count=3), start=2000) == [0]
    assert play(made, order(1), start=2999) == [Reason.RATE]
    assert play(made, order(1), start=3131) == [0]  # a few frames later, so that they do not overlap
    assert play(made, order(1), start=3999) == [Reason.RATE]
    assert play(made, order(1), start=4131) == [0]


def test_a_frame_leaves_five_cycles_after_its_end():
    """96 octets behind 8 of preamble from cycle 1000: the last one in 1103, the verdict in 1106, out from 1108 on."""
    made = model()
    frame = order()
    assert len(frame) == 14 + 20 + 8 + 3 + 47 + 4 == 96
    play(made, frame)
    assert made.verdicts == [(1106, 0, 0)]
    (left,) = made.left
    assert (left.at, left.octets, left.er_at, left.end) == (1108, frame, None, 1108 + 8 + 96 - 1)


def test_a_frame_waits_for_its_predecessor_and_a_gap():
    """1000 octets leave from 2012 to 3019; the 64 octets that came in until 2103 follow 13 cycles later."""
    made = model()
    long = packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, packet(cancel(1)))), least=996)
    short = datagram(SERVER, cancel(2))
    play(made, long, short)
    assert [(left.at, left.end) for left in made.left] == [(2012, 3019), (3032, 3032 + 71)]


def test_nothing_leaves_before_the_arm():
    """P4: an order is dropped as KILLED, what is no order passes."""
    made = model(armed=False)
    assert play(made, order(), datagram(SERVER, cancel(1))) == [Reason.KILLED, Reason.PASSED]
    assert made.budget.exposure[BUY_AAPL] == 0


@pytest.mark.parametrize(
    ("edge", "error"),
    [
        (1105, "killed"),  # shows in 1106: at the verdict
        (1106, "discarded"),  # shows in 1107, in which it would be taken
        (1107, 1109),  # shows in 1108: what is loaded then is on the pins in 1109, the second octet of the preamble
        (1206, 1208),  # all but the first octets of the FCS: those on the pins in 1208 to 1211
        (1209, 1211),  # the last octet, on the pins in 1211, loaded in 1210
        (1210, None),  # complete one cycle after the edge
    ],
)
def test_a_kill_edge_and_the_frame_on_its_way(edge, error):
    """P1: the frame of the first test, out from 1108 to 1211, its FCS from 1208 on."""
    made = model()
    made.kill(edge, 0b1, Source.SERIAL)
    frame = order()
    (reason,) = play(made, frame)
    counters = made.counters[0]
    if error == "killed":
        assert reason == Reason.KILLED
    elif error == "discarded":
        assert reason == Reason.PASSED
        assert counters[Count.FRAME_DROP + Reason.KILLED] == 1
    if isinstance(error, str):
        assert not made.left
        assert made.budget.exposure[BUY_AAPL] == 0
        return
    (left,) = made.left
    assert left.er_at == error
    right = {1109: 92, 1208: 92, 1211: 95, None: 96}[error]  # octets that are as they should be
    assert left.octets == frame[:right] + bytes(octet ^ 0xFF for octet in frame[right:])
    assert counters[Count.FRAME_DROP + Reason.ABORTED] == (error is not None)
    assert counters[Count.FRAMES_OUT] == (error is None)
    assert made.budget.exposure[BUY_AAPL] == (0 if error else 100)


def test_a_kill_aborts_no_other_lane_and_no_other_frame():
    made = model()
    made.kill(1150, 0b10)  # lane 1, while an order of lane 0 leaves
    assert play(made, order(), datagram(TAGGED, cancel(1)), order(server=TAGGED)) == [0, 0, Reason.KILLED]
    assert [left.er_at for left in made.left] == [None, None]


def test_a_request_wins_over_an_arm():
    made = model(armed=False)
    made.open(10, 0b11)
    made.kill(10, 0b10, Source.LOOP)
    made.kill(20, 0b10, Source.SERIAL)  # killed already: no edge
    made.rest()
    assert (made.kills.shows, made.kills.masks) == ([0, 11], [0xFF, 0b11111110])
    assert made.events() == [Event(10, Kind.ARM, user_ref=0b11)]


def test_the_last_share_passes_and_one_more_blocks_the_symbol():
    """P5: 500 + 500 reach the limit of 1000. The breach blocks the symbol, also for a sell, until a firm arm."""
    made = model()
    sell = order(1, side=b"S")
    reasons = play(made, order(500), order(500), order(1), sell)
    assert reasons == [0, 0, Reason.POSITION, Reason.BLOCKED]
    assert made.budget.exposure[BUY_AAPL : BUY_AAPL + 2] == [1000, 0]
    blocked = [event for event in made.events() if event.kind == Kind.BLOCK]
    assert blocked == [Event(1000 + 2 * 116 + 103 + 3, Kind.BLOCK, lane=0, symbol=5)]
    made.open(9000, 0b11)
    assert play(made, sell, start=9100) == [Reason.BLOCKED]
    made.open(10_000, 0xFF)
    assert play(made, sell, start=10_100) == [Reason.PASSED]


def test_a_breach_of_a_lanes_gross_kills_that_lane():
    """100 shares at $1.0000 are 1,000,000. The second order reaches the limit, the third kills 2 cycles later."""
    made = model(lane=2_000_000)
    reasons = play(made, order(), order(), order(1), order(), order(server=TAGGED))
    assert reasons == [0, 0, Reason.LANE_GROSS, Reason.KILLED, 0]
    third = 1000 + 2 * 116 + 103 + 3
    assert made.kills.edges == [(third + 2, 0b1, Source.BREACH)]
    assert made.budget.gross[:2] == [2_000_000, 1_000_000]
    assert made.budget.gross[8] == 3_000_000


def test_a_breach_of_the_firms_gross_kills_every_lane():
    made = model(firm=1_500_000)
    reasons = play(made, order(), order(server=TAGGED), datagram(TAGGED, cancel(1)))
    assert reasons == [0, Reason.FIRM_GROSS, 0]
    assert made.kills.masks[-1] == 0xFF


def test_orders_of_a_datagram_see_each_other_and_fall_together():
    """Three times 400 shares: the third breaches, the others are siblings, and their reservations are undone."""
    made = model()
    assert play(made, order(400, count=3)) == [Reason.POSITION]
    counters = made.counters[0]
    assert counters[Count.ORDERS_IN] == 3
    assert counters[Count.ORDER_DROP + Reason.POSITION] == 1
    assert counters[Count.ORDER_DROP + Reason.SIBLING] == 2
    assert made.budget.exposure[BUY_AAPL] == 0
    (dropped, _) = made.events()[1:]
    assert dropped[1:] == (Kind.DROP, 0, Reason.POSITION, 3, 7, 5, 400, 10_000)


def test_the_first_failing_message_counts_and_of_it_the_lowest_reason():
    bad_side = enter(1, b"AAPL", 0, 0, b"?")  # SIDE before QUANTITY and PRICE
    unknown = enter(2, b"IBM", 0, 0, b"?")  # SYMBOL before all of them
    good = enter(3, b"AAPL", 1, 1)
    made = model()
    assert play(made, datagram(SERVER, good, bad_side, unknown)) == [Reason.SIDE]
    assert play(made, datagram(SERVER, good, unknown, bad_side), start=2000) == [Reason.SYMBOL]
    made.kill(3000, 0b1)
    bad = cancel(1)[:-1]
    frames = datagram(SERVER, bad, good), datagram(SERVER, good, bad), datagram(SERVER, bad_side), datagram(SERVER, bad)
    reasons = play(made, *frames, start=3100)
    assert reasons == [Reason.MESSAGE, Reason.KILLED, Reason.KILLED, Reason.MESSAGE]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (enter(1, b"AAPL", 500, 1_999_999_900), Reason.PASSED),
        (enter(1, b"AAPL", 500, 1_999_999_901), Reason.MARKET),
        (enter(1, b"AAPL", 500, 1 << 32), Reason.MARKET),
        (enter(1, b"AAPL", 500, 0), Reason.PRICE),
        (enter(1, b"AAPL", 501, 1), Reason.ORDER_SIZE),
        (enter(1, b"AAPL", 0, 1), Reason.QUANTITY),
        (enter(1, b"AAPL", 1_000_000, 1), Reason.QUANTITY),
        (enter(1, b"AAPL", 1, 1, b"T"), Reason.PASSED),
        (enter(1, b"AAPL", 1, 1, b"b"), Reason.SIDE),
        (enter(1, b"aapl", 1, 1), Reason.SYMBOL),
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(2, b"KCGM")), Reason.PASSED),
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(6, b"P")), Reason.PEGGED),
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(28, b"\1")), Reason.CHANNEL),
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(28, b"\1") + tag_value(6, b"P")), Reason.PEGGED),
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(27, b"B")), Reason.MESSAGE),  # Side is not for an Enter
        (enter(1, b"AAPL", 1, 1, appendage=tag_value(2, b"KCG")), Reason.MESSAGE),
        (enter(1, b"AAPL", 1, 1, appendage=b"\0\2"), Reason.MESSAGE),
        (enter(1, b"AAPL", 1, 1) + b"\0", Reason.MESSAGE),
        (enter(1, b"AAPL", 1, 1)[:-2], Reason.MESSAGE),
        (replace(1, 2, 1, 1), Reason.REPLACE),
        (replace(1, 2, 1, 1, tag_value(27, b"B")), Reason.REPLACE),
        (entry(b"E", 1), Reason.PASSED),
        (entry(b"E", 1, tag_value(28, b"\1")), Reason.CHANNEL),
        (entry(b"D", 1, tag_value(28, b"\1")), Reason.PASSED),
        (cancel(1), Reason.PASSED),
        (cancel(1, 0, b""), Reason.PASSED),
        (cancel(1, 0, tag_value(28, b"\1")), Reason.PASSED),
        (cancel(1, 0, tag_value(2, b"KCGM")), Reason.MESSAGE),
        (cancel(1) + b"\0", Reason.MESSAGE),
        (packets.query(), Reason.PASSED),
        (packets.query(b""), Reason.PASSED),
        (packets.modify(1, 5), Reason.PASSED),
        (packets.mass_cancel(1, b"AAPL", tag_value(27, b"B")), Reason.PASSED),
        (b"Z", Reason.MESSAGE),
    ],
)
def test_messages(message, reason):
    assert play(model(lane=10**13, firm=10**13), datagram(SERVER, message)) == [reason]


def framed(payload: bytes, **options) -> bytes:
    return packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, payload), **options))


LOGIN = packet(bytes(26), b"L")
ARP = packets.ethernet(bytes(28), ethertype=packets.ARP)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (order()[:60], Reason.RUNT),
        (packets.fcs(order()[:59]), Reason.RUNT),
        (packets.ethernet(bytes(28), ethertype=packets.ARP, least=1514), Reason.PASSED),
        (packets.ethernet(bytes(28), ethertype=packets.ARP, least=1515), Reason.GIANT),
        (packets.ethernet(bytes(28), (1,), ethertype=packets.ARP, least=1518), Reason.PASSED),
        (packets.ethernet(bytes(28), (1, 2), ethertype=packets.ARP, least=1523), Reason.GIANT),
        (order()[:-1] + b"?", Reason.FCS),
        (packets.ethernet(bytes(46), ethertype=0x86DD), Reason.ETHERTYPE),
        (packets.ethernet(bytes(46), (1, 2, 3)), Reason.VLAN_DEPTH),
        (packets.ethernet(packets.ipv4(SERVER, b"", version_ihl=0x44)), Reason.IP_HEADER),
        (packets.ethernet(packets.ipv4(SERVER, b"", check=1)), Reason.IP_HEADER),
        (packets.ethernet(packets.ipv4(SERVER, b"", total=19)), Reason.IP_HEADER),
        (framed(packet(cancel(1)), options=b"\1\1\1\0"), Reason.PASSED),
        (framed(packet(cancel(1)), options=b"\x83\3\4\0"), Reason.IP_HEADER),  # loose source route
        (framed(packet(cancel(1)), options=b"\x94\1\0\0"), Reason.IP_HEADER),  # an option of length 1
        (framed(packet(cancel(1)), options=b"\x94\5\0\0"), Reason.IP_HEADER),  # one that leaves the header
        (framed(packet(cancel(1)), fragment=0x2000), Reason.FRAGMENT),
        (framed(packet(cancel(1)), fragment=1), Reason.FRAGMENT),
        (framed(packet(cancel(1)), total=47), Reason.IP_LENGTH),  # 60 octets less 14 hold 46
        (packets.ethernet(packets.ipv4(SERVER, bytes(8), protocol=47)), Reason.PROTOCOL),
        (packets.ethernet(packets.ipv4(SERVER, bytes(8), protocol=1)), Reason.PASSED),
        (packets.ethernet(packets.ipv4(SERVER, bytes(3))), Reason.NO_LANE),
        (packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, b""), protocol=6)), Reason.NO_LANE),
        (datagram(SERVER._replace(source_port=1), cancel(1)), Reason.NO_LANE),
        (datagram(SERVER._replace(vids=(101,)), cancel(1)), Reason.NO_LANE),
        (datagram(TAGGED._replace(vids=(0xF000 | 101,)), cancel(1)), Reason.PASSED),  # priority 7, DEI
        (datagram(SERVER._replace(vids=(0,)), cancel(1)), Reason.PASSED),  # a priority tag
        (packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, LOGIN, length=34))), Reason.UDP_LENGTH),
        (packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, LOGIN, check=0))), Reason.UDP_CHECKSUM),
        (packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, LOGIN, check=1))), Reason.UDP_CHECKSUM),
        (framed(b""), Reason.FRAMING),
        (framed(b"\0"), Reason.FRAMING),
        (framed(b"\0\0"), Reason.FRAMING),
        (framed(b"\0\1U"), Reason.FRAMING),
        (framed(b"\0\1H"), Reason.FRAMING),
        (framed(b"\0\2RR"), Reason.FRAMING),
        (framed(b"\0\1R"), Reason.PASSED),
        (framed(LOGIN + packet(cancel(1))), Reason.PASSED),
        (framed(LOGIN[:-1]), Reason.FRAMING),
        (framed(packet(cancel(1)) + b"\0\1"), Reason.FRAMING),
        (packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, LOGIN)), trailer=b"capture"), Reason.PASSED),
    ],
)
def test_frames(frame, reason):
    made = model(policy=3)
    assert play(made, frame) == [reason]
    nowhere = 0 < reason <= Reason.NO_LANE or frame[12:14] == b"\x08\x06" or frame[16:18] == b"\x08\x06"
    row = made.verdicts[0][1]
    assert (row == 8) == (nowhere or frame[23] == 1)
    assert sum(sum(drops(cells, Count.FRAME_DROP).values()) for cells in made.counters) == (reason != 0)


def test_arp_and_icmp_pass_by_policy():
    icmp = packets.ethernet(packets.ipv4(SERVER, bytes(8), protocol=1))
    assert play(model(policy=0), ARP, icmp) == [Reason.POLICY, Reason.POLICY]
    assert play(model(policy=1), ARP, icmp) == [Reason.PASSED, Reason.POLICY]
    assert play(model(policy=2), ARP, icmp) == [Reason.POLICY, Reason.PASSED]


def test_carriers():
    """A short preamble, none at all, no start delimiter, nothing behind it, rx_er anywhere in the carrier."""
    made = model()
    frame = datagram(SERVER, cancel(1))
    made.carrier(1000, b"\xd5" + frame)
    made.carrier(2000, b"\x12\x34\xd5" + frame)
    made.carrier(3000, b"\x55" * 80)
    made.carrier(4000, PREAMBLE)
    made.carrier(5000, PREAMBLE + frame, er=(0, 1))
    made.carrier(6000, PREAMBLE + frame, er=(71, 9))
    made.carrier(7000, PREAMBLE + frame, er=(72, 9))  # behind the end
    made.rest()
    errors = [reason for _, _, reason in made.verdicts]
    assert errors == [0, 0, Reason.RUNT, Reason.RX_ERROR, Reason.RX_ERROR, 0]
    assert [left.at for left in made.left] == [1069, 2071, 7076]
    assert made.counters[8][Count.FRAMES_IN] == 3


def test_discards_give_back_what_they_had_reserved():
    """Two orders wait behind 1000 octets when the kill shows in 2500: discarded in 2500 and 2501."""
    made = model()
    long = packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, packet(cancel(1)))), least=996)
    made.kill(2499, 0b1)
    play(made, long, order(), order(count=2))
    assert [left.octets for left in made.left] == [long]
    drops = [event for event in made.events() if event.kind == Kind.DROP]
    assert drops == [
        Event(2501, Kind.DROP, 0, Reason.KILLED, 1, symbol=NO_SYMBOL),
        Event(2502, Kind.DROP, 0, Reason.KILLED, 2, symbol=NO_SYMBOL),
    ]
    counters = made.counters[0]
    assert counters[Count.ORDER_DROP + Reason.KILLED] == 2
    assert counters[Count.ORDER_DROP + Reason.SIBLING] == 1
    assert made.budget.exposure[BUY_AAPL] == made.budget.gross[0] == made.budget.gross[8] == 0


def test_the_queue_holds_thirty_two():
    """Shortest frames come in every 66 cycles and leave every 84: every 84 cycles 18/66 of a frame more wait.

    Frame n ends at 66 n, and 66 n / 84 have been taken by then: 32 wait from about n = 32 * 84 / 18 = 149 on.
    """
    made = model()
    for number in range(200):
        made.carrier(1000 + 66 * number, b"\xd5" + datagram(SERVER, cancel(1)))
    made.rest()
    overflown = [number for number, (_, _, reason) in enumerate(made.verdicts) if reason == Reason.OVERFLOW]
    assert 145 < overflown[0] < 155
    assert len(made.left) == 200 - len(overflown)
    assert made.counters[8][Count.FRAME_DROP + Reason.OVERFLOW] == len(overflown)


def test_the_buffer_keeps_room_for_the_longest_frame():
    """8192 octets less 1536: frames of 230 octets are too many once 6656 octets are kept, that is 29 frames."""
    made = model()
    frame = packets.ethernet(packets.ipv4(SERVER, packets.udp(SERVER, packet(cancel(1)))), least=226)
    for number in range(500):
        made.carrier(1000 + 232 * number, b"\xd5" + frame)
    made.rest()
    overflown = [number for number, (_, _, reason) in enumerate(made.verdicts) if reason == Reason.OVERFLOW]
    # Every 232 cycles 232 / 250 of a frame leave; 28 to 29 are kept when about 29 * 250 / 18 have come in.
    assert 380 < overflown[0] < 420


def test_kills_of_the_past_are_refused():
    made = model()
    play(made, order())
    with pytest.raises(ValueError, match=r"^cycle 1000 is past: the model has come to \d+$"):
        made.kill(1000, 1)


def test_traffic_repeats_with_its_seed_and_reaches_every_reason():
    assert list(Traffic(5).carriers(200)) == list(Traffic(5).carriers(200))
    assert list(Traffic(5).carriers(50)) != list(Traffic(6).carriers(50))
    reasons: Counter = Counter()
    for seed in range(12):
        traffic = Traffic(seed)
        made, now = Model(traffic.config), 1000
        for _ in range(3):
            made.open(now, 0xFF)
            for gap, octets, er in traffic.carriers(700):
                made.carrier(now + gap, octets, er)
                now += gap + len(octets)
            made.kill(now + 10, 0xFF)
            made.rest()
            now += 100_000
        reasons.update(reason for _, _, reason in made.verdicts)
    tcp = range(Reason.TCP_HEADER, Reason.FINISHED + 1)
    missing = [reason.name for reason in Reason if not reasons[reason] and reason not in tcp]
    assert missing == ["FULL", "BUSY", "ABORTED", "SIBLING"]  # lanes of TCP; rare; the others are no frame's reason

"""host.layers, host.frames and host.exchange: what goes on the wire, with Scapy as the specification."""

import random
import zlib

import numpy as np
import pytest

from hdl.wire import ouch
from hdl.wire.board import Side
from host import config, exchange, frames
from host.exchange import Exchange, Order
from host.rig import Frame
from tests.test_host_book import ENTER_42
from tests.test_host_config import GOOD

LIMITS = config.parse(GOOD)
PLAIN, TAGGED = LIMITS.lane_of(1), LIMITS.lane_of(2)
DOUBLE = config.Lane(
    number=3, server="three", source="10.1.0.3", source_port=26003, destination="10.9.0.1", destination_port=9001,
    gross=1, vlan=100, inner_vlan=7,
)  # fmt: skip


@pytest.fixture(scope="module")
def layers():
    return pytest.importorskip("host.layers")


def test_an_order_in_octets(layers):
    """The Enter Order of the reference, 47 octets, framed by hand: length 48, U."""
    order = layers.Enter(user_ref=1, quantity=100, symbol=b"AAPL", price=1_234_500, order_id=b"CL1", time_in_force=b"0")
    octets = "0030 55 4f0000000142000000644141504c20202020000000000012d6443059504e4e434c31" + "20" * 11 + "0000"
    assert bytes(layers.Ufo() / order) == bytes.fromhex(octets)


def test_every_message_has_its_length(layers):
    """Bare or full, as in the specification."""
    made = (layers.Enter, layers.Replace, layers.Cancel, layers.Modify, layers.MassCancel, layers.Disable, layers.Query)
    assert [len(bytes(layer())) for layer in made] == [47, 40, 9, 10, 19, 11, 1]
    for layer in made:
        length = ouch.LENGTHS[ouch.Message(bytes(layer())[0])]
        assert len(bytes(layer())) in (length.full, length.bare)


@pytest.mark.parametrize("lane", [PLAIN, TAGGED, DOUBLE], ids=["no tag", "one tag", "two tags"])
def test_templates_build_what_scapy_builds(layers, lane):
    """Octet for octet, checksum and FCS included, right at the ends of the fields."""
    draw = random.Random(1)
    orders = [
        {"user_ref": ref, "side": side, "quantity": quantity, "symbol": symbol, "price": price, "order_id": order_id}
        for ref, side, quantity, symbol, price, order_id in [
            (0, 0x42, 0, b"        ", 0, b" " * 14),
            (2**32 - 1, 0x53, 2**32 - 1, b"ZZZZZZZZ", 2**63 - 1, b"z" * 14),
            *((draw.getrandbits(32), 0x54, draw.getrandbits(20), b"AAPL    ", draw.getrandbits(31), b"RLP1P001      ")
              for _ in range(200)),
        ]
    ]  # fmt: skip
    columns = {name: [order[name] for order in orders] for name in orders[0]}
    arrays = {
        name: np.array(values, f"S{len(values[0])}") if isinstance(values[0], bytes) else np.array(values)
        for name, values in columns.items()
    }
    built = frames.enter_template(lane).build(len(orders), **arrays)
    for row, order in zip(built, orders, strict=True):
        assert row.tobytes() == frames.close_frame(bytes(frames.packet(lane, layers.Ufo() / layers.Enter(**order))))
        assert zlib.crc32(row.tobytes()[:-4]).to_bytes(4, "little") == row.tobytes()[-4:]
        assert frames.has_good_fcs(row.tobytes())


def test_a_checksum_of_zero_is_sent_as_ffff(layers):
    """RFC 768: 0 says that there is no checksum. All 65,536 sums occur as user_ref runs."""
    rows = frames.cancel_template(PLAIN).build(65_536, user_ref=np.arange(65_536), quantity=np.zeros(65_536, int))
    sums = rows[:, 40].astype(int) << 8 | rows[:, 41]
    assert 0 not in sums and sorted(set(sums)) == list(range(1, 65_536))
    for at in np.flatnonzero(sums == 0xFFFF):
        cancel = layers.Ufo() / layers.Cancel(user_ref=int(at))
        assert rows[at].tobytes() == frames.close_frame(bytes(frames.packet(PLAIN, cancel)))


def test_a_short_frame_is_padded_to_64_octets():
    assert frames.cancel_template(PLAIN).size == 64


def test_a_packed_datagram_holds_its_orders(layers):
    template = frames.packed_template(TAGGED, 28)
    values = {}
    for number in range(28):
        values |= {
            f"user_ref_{number}": np.array([100 + number]),
            f"side_{number}": np.array([ord("B")]),
            f"quantity_{number}": np.array([number + 1]),
            f"symbol_{number}": np.array([b"AAA     "]),
            f"price_{number}": np.array([10_000]),
            f"order_id_{number}": np.array([b" " * 14], "S14"),
        }
    row = template.build(1, **values)[0].tobytes()
    assert len(row) == 14 + 4 + 20 + 8 + 28 * 50 + 4 and frames.has_good_fcs(row)
    found = Exchange(LIMITS).orders(row)
    assert [(order.user_ref, order.quantity, order.lane) for order in found] == [(100 + n, n + 1, 2) for n in range(28)]


def test_a_field_that_is_not_given_is_refused():
    with pytest.raises(ValueError, match=r"^varying fields are \['quantity', 'user_ref'\], not \['user_ref'\]$"):
        frames.cancel_template(PLAIN).build(1, user_ref=np.array([1]))


def test_the_exchange_reads_what_a_server_sent_and_the_server_its_execution(layers):
    """There and back: an order of lane 2, and the report on it, good down to the checksums."""
    order = layers.Enter(user_ref=7, side=ord("S"), quantity=99, symbol=b"AAA", price=123_400)
    place = Exchange(LIMITS)
    frame = frames.close_frame(bytes(frames.packet(TAGGED, layers.Ufo() / order)))
    assert place.lane(frame) == 2
    found = place.orders(frame)
    assert found == [Order(lane=2, user_ref=7, quantity=99, price=123_400, symbol="AAA", buy=False)]

    again = frames.close_frame(
        bytes(frames.packet(TAGGED, layers.Ufo() / layers.Enter(**order.fields | {"user_ref": 8})))
    )
    answers = place.answer([(1000, frame), (1500, frame), (2000, again)])
    assert [(answer.at, answer.side) for answer in answers] == [(1000, Side.EXCHANGE), (2000, Side.EXCHANGE)]
    assert [exchange.executions(answer.octets) for answer in answers] == [[(7, 99)], [(8, 99)]]
    assert place.lane_back(answers[0].octets) == 2 and frames.has_good_fcs(answers[0].octets)
    decoded = layers.Ether(answers[1].octets[:-4])
    assert (decoded[layers.IP].dst, decoded[layers.UDP].dport) == ("10.1.0.2", 26002)
    # The packet's length, S, its first message's number, two messages; the length of an Accepted, and its type.
    assert bytes(decoded[layers.UDP].payload)[:12].hex() == "006f" + "53" + "00000003" + "0002" + "0040" + "41"
    sent_sum = decoded[layers.UDP].chksum
    del decoded[layers.UDP].chksum
    assert layers.Ether(bytes(decoded))[layers.UDP].chksum == sent_sum


def test_a_lane_of_42_is_read_and_answered_in_42(layers):
    """An order of 49 octets in a packet of 50; back 7 octets of header, Accepted and Executed: 2 + 66 and 2 + 40."""
    limits = config.parse(GOOD.replace("vlan = 100", 'vlan = 100\ndialect = "4.2"').replace("AAA =", "AAPL ="))
    place = Exchange(limits)
    payload = layers.Raw(bytes.fromhex("003255") + ENTER_42)
    frame = frames.close_frame(bytes(frames.packet(limits.lane_of(2), payload)))
    token = b"TOK1          "
    assert place.orders(frame) == [Order(2, token, quantity=100, price=1_234_500, symbol="AAPL", buy=True)]
    (answer,) = place.answer([(1000, frame)])
    _, _, _, _, told = frames.udp_payload(answer.octets)
    assert told.hex().startswith("0075" + "53" + "00000001" + "0002" + "0042" + "41")
    assert told[11 + 66 :].hex().startswith("0028" + "45")


def test_a_frame_of_nobody_has_no_lane_and_no_orders():
    place = Exchange(LIMITS)
    for octets in (bytes(64), bytes.fromhex("ffffffffffff0200000001010806") + bytes(50)):
        assert place.lane(octets) == 0 and place.orders(octets) == []
        assert exchange.executions(octets) == []


def test_a_frames_last_octet():
    assert Frame(at=100, side=Side.SERVER, octets=bytes(64)).end == 171

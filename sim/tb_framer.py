"""Bench of `hdl.filter.framer`: datagrams split by hand, then at random."""

import random
import struct

import cocotb

from hdl.filter.framer import Framer
from hdl.filter.marks import Mark
from sim.play import Packed, ahead, play, reset

OUTPUTS = Packed(Framer()).fields
TAIL = 6  # cycles from the last octet of a payload to the end of its frame: two, and the FCS
ENTER = b"O" + bytes(46)
LOGIN, RETRANSMIT = b"L" + b"u" * 26, b"T\0\0\0\1\0\2"


def packet(octets):
    return struct.pack(">H", len(octets)) + octets


def rows(payload, *, cut=False, noise=lambda: 0, tail=TAIL):
    """A datagram behind its ``open``, to the frame's end; `cut`: with the last octet."""
    idle = {"open": 0, "payload_valid": 0, "payload_start": 0, "payload_last": 0}
    levels = {"soup": 0, "dialect": 0, "overwritten": 0, "load": 0, "word": 0}
    table = [{**idle, **levels, "open": 1, "payload_octet": noise()}]
    for number, octet in enumerate(payload):
        last = number == len(payload) - 1 and not cut
        table.append(
            {
                **idle,
                "payload_octet": octet,
                "payload_valid": 1,
                "payload_start": int(not number),
                "payload_last": int(last),
            }
        )
    if not payload:
        table.append({**idle, "payload_start": 1})
    table += [{**idle, "payload_octet": noise()} for _ in range(0 if cut else tail)]
    return ahead(table, "payload_octet", "next_octet")


async def split(dut, payload, **options):
    """Return the messages, whether each was closed, the marked octets' numbers, and `framing`."""
    record = await play(dut, rows(payload, **options), OUTPUTS)
    messages, closed = [], []
    for row in record:
        if row["message_valid"]:
            if row["message_first"]:
                messages.append(b"")
                closed.append(0)
            messages[-1] += bytes([row["message_octet"]])
            closed[-1] = row["message_last"]
        else:
            assert not row["message_first"] and not row["message_last"]
    lefts = [row["message_left"] for row in record if row["message_last"]]
    assert lefts == [1] * len(lefts)
    first = [row["message_left"] for row in record if row["message_first"]]
    assert all(left == len(m) for left, m, done in zip(first, messages, closed, strict=True) if done)
    marks = [cycle - 2 for cycle, row in enumerate(record) if row["mark"] == Mark.ORDER.value]
    assert {row["mark"] for row in record} <= {mark.value for mark in (Mark.OTHER, Mark.PLAIN, Mark.ORDER)}
    return messages, closed, marks, record[-1]["framing"]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def right_datagrams(dut):
    """Every packet type; one message of one octet; many in a row; a payload that ends with each of them."""
    await reset(dut)
    for payload, messages in (
        (packet(b"R"), []),
        (packet(b"O"), []),
        (packet(LOGIN), []),
        (packet(RETRANSMIT), []),
        (packet(b"UQ"), [b"Q"]),
        (packet(b"U" + ENTER), [ENTER]),
        (packet(b"U" + bytes(1400)), [bytes(1400)]),
        (packet(b"U" + bytes(266)), [bytes(266)]),
        (packet(b"UQ") + packet(b"UQ") + packet(b"R") + packet(b"UX12345678"), [b"Q", b"Q", b"X12345678"]),
        (b"".join(packet(b"U" + ENTER) for _ in range(29)), [ENTER] * 29),
        (packet(b"U" + ENTER) + packet(LOGIN) + packet(b"O"), [ENTER]),
    ):
        for cut in (False, True):
            got = await split(dut, payload, cut=cut)
            assert got[:2] == (messages, [1] * len(messages)), payload.hex()
            assert got[3] == cut, payload.hex()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def wrong_datagrams(dut):
    """Each is a framing error; the messages before the error come out, nothing behind it does."""
    await reset(dut)
    good = packet(b"U" + ENTER)
    wrong_packets = (
        b"\0\0",
        b"\0\0R",
        packet(b"U"),
        packet(b"A"),
        packet(b"R\0"),
        packet(b"O\0"),
        packet(LOGIN[:-1]),
        packet(LOGIN + b"\0"),
        packet(RETRANSMIT[:-1]),
        b"\1\7" + RETRANSMIT,
        b"\1\1R",
        b"\1\0" + bytes(256),
    )
    cut_packets = (b"\0", b"\0\1", packet(LOGIN)[:-1], packet(RETRANSMIT)[:-1], packet(RETRANSMIT) + b"\0")
    assert await split(dut, b"") == ([], [], [], 1)
    for wrong in wrong_packets + cut_packets:
        assert await split(dut, wrong) == ([], [], [], 1), wrong.hex()
        marks = list(range(2, 50))
        assert await split(dut, good + wrong) == ([ENTER], [1], marks, 1), wrong.hex()
        if wrong in wrong_packets:
            assert await split(dut, good + wrong + good) == ([ENTER], [1], marks, 1), wrong.hex()
        assert await split(dut, good) == ([ENTER], [1], marks, 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_payload_that_ends_early_is_an_error(dut):
    """Whatever octet is missing; the message that lacks it is not closed."""
    await reset(dut)
    whole = packet(b"UQ") + packet(b"U" + ENTER)
    for size in range(len(whole)):
        messages, closed, _, framing = await split(dut, whole[:size])
        assert framing == (size != 4), size
        assert closed == [1, 0][: len(messages)], size
    assert (await split(dut, whole))[3] == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def orders_are_marked_from_their_packet_type(dut):
    """O, U and E by the OUCH type, whatever their lengths; one cycle late, from the Soup type to the last octet."""
    await reset(dut)
    packets = [b"U" + kind + b"OUE" for kind in (b"O", b"U", b"X", b"E", b"M", b"C", b"D", b"Q", b"?")]
    packets += [b"UO", b"R", b"UE", b"O", b"L" + b"UO" * 13, b"U" + ENTER]
    payload, expected = b"", []
    for octets in packets:
        payload += b"\0" + bytes([len(octets)])
        if octets[:2] in (b"UO", b"UU", b"UE"):
            expected += range(len(payload), len(payload) + len(octets))
        payload += octets
    _, _, marks, framing = await split(dut, payload)
    assert marks == expected
    assert framing == 0


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def random_datagrams(dut):
    """Seeded; split by a plain reading; a frame that was cut changes nothing in the next one (P12)."""
    await reset(dut)
    rng = random.Random(3)
    for _ in range(150):
        payload = b""
        for _ in range(rng.randrange(1, 6)):
            body = rng.choice((b"R", b"O", LOGIN, RETRANSMIT, b"UQ", b"U" + rng.randbytes(rng.randrange(1, 60))))
            if rng.random() < 0.1:
                body = rng.randbytes(rng.randrange(3))
            payload += struct.pack(">H", len(body) + rng.choice((0,) * 15 + (1, -1))) + body if body else b"\0\0"
        cut = rng.random() < 0.2
        payload = payload[: rng.randrange(1, len(payload) + 1)] if cut else payload
        expected, closed, at, framing = [], [], 0, 1
        while True:
            if at == len(payload):
                framing = int(at == 0 or cut)
                break
            size = int.from_bytes(payload[at : at + 2], "big")
            body = payload[at + 2 : at + 2 + size]
            if len(payload) < at + 3 or size == 0:
                break
            fixed = {b"L": 27, b"T": 7, b"R": 1, b"O": 1}.get(body[:1])
            if not (body[:1] == b"U" and size > 1) and fixed != size:
                break
            if body[:1] == b"U" and len(body) > 1:
                expected.append(body[1:])
                closed.append(int(len(body) == size))
            if len(body) < size:
                break
            at += 2 + size
        got = await split(dut, payload, cut=cut, noise=lambda: rng.randrange(256))
        assert (got[0], got[1], got[3]) == (expected, closed, framing), payload.hex()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_frame_without_datagram_has_no_framing_error(dut):
    """ARP and the like never have a payload; they must not fail here."""
    await reset(dut)
    idle = {"payload_valid": 0, "payload_start": 0, "payload_last": 0}
    record = await play(dut, [{**idle, "open": int(n % 3 == 0), "next_octet": n} for n in range(30)], OUTPUTS)
    assert not any(row["framing"] or row["message_valid"] or row["mark"] for row in record[1:])


SOUP_LOGIN = b"L" + b"u" * 46


async def stream(dut, payload, *, dialect=0):
    """Return the messages of a stream's first frame, the marks of its octets, and the levels at its end."""
    table = rows(payload)
    table[0] |= {"soup": 1, "dialect": dialect}
    record = await play(dut, table, OUTPUTS)
    messages = []
    for row in record:
        if row["message_valid"]:
            messages += [b""] if row["message_first"] else []
            messages[-1] += bytes([row["message_octet"]])
    marks = [record[2 + n]["mark"] for n in range(len(payload))]
    return messages, marks, [record[-1][name] for name in ("framing", "inside", "continued")]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def packets_of_a_stream(dut):
    """All types of a client; the payload may end behind any octet, or be empty."""
    await reset(dut)
    bodies = [b"R", b"+", b"+UO", SOUP_LOGIN, b"UQ", b"+" + bytes(300), b"U" + ENTER, b"O", b"U" + bytes(1000)]
    payload = b"".join(packet(body) for body in bodies)
    for size in (*range(80), *range(360, 420), len(payload)):
        messages, _, (framing, inside, continued) = await stream(dut, payload[:size])
        whole = [body[1:] for n, body in enumerate(bodies) if body[:1] == b"U" and size > place_of(bodies, n) + 3]
        cut = [message[: max(0, size - place_of(bodies, bodies.index(b"U" + message)) - 3)] for message in whole]
        assert messages == cut, size
        begins = place_of(bodies, bodies.index(b"U" + ENTER))
        assert (framing, inside, continued) == (0, begins + 3 < size < begins + 50, 0), size


def place_of(bodies, number):
    """Return the place of a packet in the payload."""
    return sum(2 + len(body) for body in bodies[:number])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def wrong_packets_of_a_stream(dut):
    """Each is a framing error as soon as its type, or its length, is there; nothing behind it is read."""
    await reset(dut)
    wrong = [b"\0\0", b"\0\1U", b"\0\1L", b"\0\2R", b"\0\2O", b"\0\x2eL", b"\0\x30L", b"\0\x1bL", b"\1\x2fL", b"\x80\0"]
    wrong += [b"\xff\xff", b"\1\1R", b"\0\7T", b"\0\1T"]
    wrong += [b"\0\5" + bytes([n]) for n in range(256) if n not in b"+U"]
    good = packet(b"U" + ENTER)
    for octets in wrong:
        assert (await stream(dut, octets[:-1]))[2][0] == 0, octets.hex()
        for behind in (b"", good * 2, bytes(80)):
            messages, marks, (framing, inside, _) = await stream(dut, good + octets + behind)
            assert (messages, framing, inside) == ([ENTER], 1, 0), octets.hex()
            assert marks == [3] * 2 + [4] * 48 + [3] * len(octets + behind), octets.hex()
    assert (await stream(dut, b"\x7f\xffU" + bytes(500)))[2] == [0, 0, 0]
    assert (await stream(dut, good))[2] == [0, 0, 0]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_orders_of_each_dialect(dut):
    """Marked by the OUCH type: O, U and E of 5.0, O and U of 4.2."""
    await reset(dut)
    for dialect, orders in ((0, b"OUE"), (1, b"OU")):
        for kind in range(256):
            _, marks, levels = await stream(dut, b"\0\x10U" + bytes([kind]) + b"OU", dialect=dialect)
            assert marks == [3, 3] + [4 if kind in orders else 3] * 4, (dialect, kind)
            assert levels == [0, kind in orders, 0], (dialect, kind)

"""Bench of `hdl.filter.segment` in `Headers` with its lanes: TCP frames that Scapy built, right and wrong.

Every output is compared, cycle by cycle, with what a plain reading of the frame's octets says. BACK=1 reads the return
path: the same frames with source and destination exchanged.
"""

import itertools
import os
import random
import struct
from dataclasses import dataclass

import cocotb
from scapy.all import IP, TCP, UDP, Dot1Q, IPOption_NOP, Raw

from hdl.wire.verdict import Reason
from sim.ingress import Ingress
from sim.play import Packed, play, reset, stream
from sim.tb_headers import ether, frame, header_right, ones

BACK = os.environ["BACK"] == "1"
OUTPUTS = Packed(Ingress(back=BACK)).fields
FIN, SYN, RST, PSH, ACK, URG = (1 << bit for bit in range(6))
STAMPS = [("NOP", None), ("NOP", None), ("Timestamp", (0x01020304, 0x05060708))]
TEXT = bytes(range(1, 52))  # an odd number
SERVER, EXCHANGE, PORT = "10.0.0.5", "10.1.0.1", 9001
# Lane: VIDs, server's port, TCP. What the key of a TCP lane says of the server's port counts for nothing.
TABLE = {
    1: (0, 0, 4005, False),
    4: (0, 0, 0xFFFF, True),
    5: (0, 0, 4005, True),
    6: (7, 0, 4005, True),
    7: (7, 4095, 4005, True),
}  # fmt: skip
LANE = 4  # of untagged frames: the lower of two equal ones


def addresses():
    return {"src": EXCHANGE, "dst": SERVER} if BACK else {"src": SERVER, "dst": EXCHANGE}


def ports(server=4005, exchange=PORT):
    return {"sport": exchange, "dport": server} if BACK else {"sport": server, "dport": exchange}


def segment(payload=TEXT, *, server=4005, words=0, vids=(), **fields):
    """A TCP frame; `words` of options in the IP header."""
    head = ether()
    for vid in vids:
        head /= Dot1Q(vlan=vid)
    packet = IP(**addresses(), options=[IPOption_NOP()] * 4 * words)
    given = {"seq": 0x12345678, "ack": 0x9ABCDEF0, "flags": "PA"} | ports(server) | fields
    return frame(head / packet / TCP(**given) / Raw(payload))


def with_options(octets, payload=TEXT, **fields):
    """A frame whose TCP options are these octets, padded by END to whole words."""
    octets = octets.ljust(-(-len(octets) // 4) * 4, b"\0")
    return segment(octets + payload, dataofs=5 + len(octets) // 4, **fields)


@dataclass
class Reading:
    """What a frame holds, read the plain way; places are numbers of octets of the frame."""

    reason: int  # that the headers can see, 0 for none
    tags: int
    lane: int = 8
    tcp: bool = False
    transport: int = 0
    packet_end: int = 0
    header: bytes = b""  # of TCP, as far as it is there
    payload: int = 0
    right: bool = False  # the TCP header


def options_right(rest):
    while rest and rest[0]:
        if rest[0] == 1:
            rest = rest[1:]
        elif rest[0] == 30 or len(rest) < 2 or not 2 <= rest[1] <= len(rest):
            return False
        else:
            rest = rest[rest[1] :]
    return True


def flags_right(flags, payload):
    if flags & URG or not flags & (SYN | RST | ACK):
        return False
    if flags & SYN and (payload or flags & (FIN | RST | ACK)):
        return False
    return not (flags & RST and (payload or flags & FIN))


def lane_of(vids, packet, inner, tcp):
    """The lane by `TABLE`, with every address and port where the direction has it."""
    ends = [(packet[12:16], inner[:2]), (packet[16:20], inner[2:4])]
    server, exchange = reversed(ends) if BACK else ends
    here = (bytes([10, 0, 0, 5]), bytes([10, 1, 0, 1]), struct.pack(">H", PORT))
    if len(inner) < 4 or (server[0], *exchange) != here:
        return 8
    for lane, (outer, second, port, is_tcp) in sorted(TABLE.items()):
        if is_tcp == tcp and [*vids, 0, 0][:2] == [outer, second] and (tcp or server[1] == struct.pack(">H", port)):
            return lane
    return 8


def reading(octets):
    """Read a frame; UDP only as far as its lane. IPv4 headers are whole and have no wrong version or length."""
    at, vids = 12, []
    while octets[at : at + 2] == b"\x81\x00":
        vids.append(int.from_bytes(octets[at + 2 : at + 4], "big") & 0xFFF)
        at += 4
    result = Reading(0, len(vids))
    packet = octets[at + 2 :]
    size, total = 4 * (packet[0] & 15), int.from_bytes(packet[2:4], "big")
    inner = packet[size:total]
    result.tcp = packet[9] == 6
    result.transport, result.packet_end = at + 2 + size, at + 2 + total
    result.lane = lane_of(vids, packet, inner, result.tcp)
    offset = 4 * (inner[12] >> 4) if len(inner) > 12 else 0
    result.header, result.payload = inner[: max(20, offset)], result.transport + offset
    # The header is right as soon as it is whole; whether the rest is there is another matter.
    result.right = 20 <= offset <= len(inner) and offset <= total - size and options_right(inner[20:offset])
    reasons = []
    if len(octets) > 1518 + 4 * len(vids):
        reasons.append(Reason.GIANT)
    if len(packet) < size + 4 or not header_right(packet[:size]):
        reasons.append(Reason.IP_HEADER)
    if total > len(packet) - 4:
        reasons.append(Reason.IP_LENGTH)
    if result.lane == 8:
        reasons.append(Reason.NO_LANE)
    if result.tcp:
        pseudo = packet[12:20] + struct.pack(">HH", 6, total - size)
        if not result.right:
            reasons.append(Reason.TCP_HEADER)
        elif not flags_right(inner[13], total - size - offset):
            reasons.append(Reason.TCP_FLAGS)
        elif ones(pseudo + inner + b"\0" * (len(inner) % 2)) != 0xFFFF:
            reasons.append(Reason.TCP_CHECKSUM)
    result.reason = min(reasons, default=0)
    return result


def cycles(record, name, first=0):
    return [cycle for cycle, row in enumerate(record) if cycle >= first and row[name]]


def check(octets, record):
    """Compare a frame's cycles, to `open` of the next one (cycle 12 of it), with its reading."""
    size, expected = len(octets), reading(octets)
    t, q, header = expected.transport, expected.payload, expected.header
    mine = expected.tcp and expected.lane != 8
    seen = record[: size + 1]  # with `end`
    if size >= 64:
        flags = seen[size]["flags"]
        reason = next((number for number in range(29) if flags >> number & 1), 0)
        assert reason == expected.reason, f"{Reason(reason)!r}, not {Reason(expected.reason)!r}"
        assert flags >> 19 == 0
        assert seen[size]["tcp"] == expected.tcp
    assert cycles(record[: size + 2], "open") == ([12] if size >= 12 else [])
    assert cycles(record, "located") == ([t + 8] if mine and size >= t + 8 else [])
    last = len(record) - 1
    if size >= t + 8:
        assert {row["lane"] for row in record[t + 8 : last]} == {expected.lane}
    if size >= 12:
        assert {row["lane"] for row in record[12 : min(t + 8, size + 1)]} == {8}

    fields = (
        ("source_port", 0, 2, t + 8),
        ("destination_port", 2, 4, t + 8),
        ("sequence", 4, 8, t + 8),
        ("acknowledgment", 8, 12, t + 13),
        ("tcp_flags", 13, 14, t + 15),
    )
    for name, begin, end, cycle in fields:
        if mine and len(header) >= end and size >= cycle:
            values = {row[name] for row in record[cycle:last]}
            assert values == {int.from_bytes(header[begin:end], "big")}, name
    length = expected.packet_end - q
    if mine and expected.right and size >= t + 17:
        assert {row["payload_length"] for row in record[t + 17 : last]} == {length % 2048}

    for name, place in (("check_high", 16), ("check_low", 17)):
        there = mine and len(header) > place and size > t + place
        assert cycles(record, name) == ([t + place + 1] if there else []), name
    if mine:
        # The options may be wrong, that is not known yet.
        known = len(header) > 12 and header[12] >> 4 >= 5
        assert cycles(record, "soon") == ([q - 2] if known and length > 0 and size > q - 2 else [])
        bounds = range(q, min(expected.packet_end, size, 1519 + 4 * expected.tags)) if expected.right else range(0)
        assert cycles(record, "payload_valid") == [place + 1 for place in bounds]
        assert all(record[place + 1]["payload_octet"] == octets[place] for place in bounds)
        assert cycles(record, "payload_start") == ([q + 1] if expected.right and size > q else [])
        ended = bounds and bounds[-1] == expected.packet_end - 1
        assert cycles(record, "payload_last") == ([expected.packet_end] if ended else [])
    elif expected.lane == 8:
        for name in ("soon", "payload_valid", "payload_start", "payload_last"):
            assert cycles(record, name) == [], name
    else:
        assert cycles(record, "soon") == []
    return expected


async def begin(dut):
    await reset(dut)
    quiet = {"next_octet": 0, "valid": 0, "start": 0, "end": 0, "length": 0}
    rows = [quiet | {"policy": 0, "enable": 0, "tcp_lanes": 0, "write": 0, "word": 0, "data": 0}]
    for lane in range(8):
        outer, inner, server, _ = TABLE.get(lane, (0xFFF, 0, 0, False))
        key = struct.pack(
            ">HH4B4BHH", outer, inner, *map(int, SERVER.split(".")), *map(int, EXCHANGE.split(".")), server, PORT
        )
        for word in range(4):
            data = int.from_bytes(key[4 * word : 4 * word + 4], "little")
            rows += [{"write": 1, "word": 4 * lane + word, "data": data}] + [{"write": 0}] * 6
    tcp_lanes = sum(1 << lane for lane, row in TABLE.items() if row[3])
    rows.append({"enable": sum(1 << lane for lane in TABLE), "tcp_lanes": tcp_lanes})
    await play(dut, rows, OUTPUTS)


async def read(dut, frames, *, gap=2, noise=None):
    """Check each of `frames`; return their readings, and one more good frame's at the end."""
    rows, starts = stream([*frames, segment()], gap=gap, noise=noise)
    rows += [{}] * 12
    record = await play(dut, rows, OUTPUTS)
    ends = [start + 12 for start in starts[1:]] + [len(rows)]
    results = []
    for octets, start, end in zip([*frames, segment()], starts, ends, strict=True):
        try:
            results.append(check(octets, record[start:end]))
        except AssertionError as error:
            raise AssertionError(f"{octets.hex(' ', 4)}: {error}") from error
    assert (results[-1].reason, results[-1].lane) == (0, LANE)
    return results


CASES = [
    ("good", segment(), 0),
    ("no payload", segment(b""), 0),
    ("one octet", segment(b"x"), 0),
    ("timestamps", segment(options=STAMPS), 0),
    ("longest", segment(bytes(n % 251 for n in range(1460))), 0),
    ("longest with timestamps", segment(bytes(n % 251 for n in range(1448)), options=STAMPS), 0),
    ("giant by one octet", segment(bytes(n % 251 for n in range(1460))) + b"\0", Reason.GIANT),
    ("giant", segment(bytes(n % 251 for n in range(2500))), Reason.GIANT),
    ("SYN as systems send it", segment(b"", flags="S", options=[
        ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]), 0),
    ("selective ACK", segment(b"", flags="A", options=[("NOP", None), ("NOP", None), ("SAck", (5, 6, 9, 10))]), 0),
    ("any port of the server's", segment(server=65535), 0),
    ("another port of the exchange's", segment(**ports(exchange=9002)), Reason.NO_LANE),
    ("with a tag", segment(vids=(7,)), 0),
    ("with two tags", segment(vids=(7, 4095)), 0),
    ("with another tag", segment(vids=(8,)), Reason.NO_LANE),
    ("UDP on its lane", frame(ether() / IP(**addresses()) / UDP(**ports()) / Raw(TEXT)), 0),
    ("UDP of another port", frame(ether() / IP(**addresses()) / UDP(**ports(4006)) / Raw(TEXT)), Reason.NO_LANE),
    ("only TCP owns the tag", frame(ether() / Dot1Q(vlan=7) / IP(**addresses()) / UDP(**ports()) / Raw(TEXT)), 13),
    ("from the other side", frame(ether() / IP(src=addresses()["dst"], dst=addresses()["src"]) / TCP(
        sport=ports()["dport"], dport=ports()["sport"]) / Raw(TEXT)), Reason.NO_LANE),
    ("offset 4", segment(dataofs=4), Reason.TCP_HEADER),
    ("offset 0", segment(dataofs=0), Reason.TCP_HEADER),
    ("offset beyond the packet", segment(b"abc", dataofs=6), Reason.TCP_HEADER),
    ("offset to the end of the packet", segment(b"\1\1\1\0", dataofs=6), 0),
    ("nothing behind END is read", with_options(b"\0\x1e\1\xff"), 0),
    ("MPTCP", with_options(b"\x1e\4\0\0"), Reason.TCP_HEADER),
    ("MPTCP in a SYN", with_options(b"\2\4\5\xb4\x1e\x0c" + bytes(10), b"", flags="S"), Reason.TCP_HEADER),
    ("30 is a value", with_options(b"\x05\4\x1e\x1e"), 0),
    ("IPv4's source routes mean nothing here", with_options(b"\x83\4\x89\2\x83\2\0\0"), 0),
    ("option of length 0", with_options(b"\1\1\5\0"), Reason.TCP_HEADER),
    ("option of length 1", with_options(b"\1\1\5\1"), Reason.TCP_HEADER),
    ("option of length 2", with_options(b"\1\1\5\2"), 0),
    ("option one octet too long", with_options(b"\1\5\4\0"), Reason.TCP_HEADER),
    ("option without length", with_options(b"\1\1\1\5"), Reason.TCP_HEADER),
    ("option of length 255", with_options(b"\1\1\5\xff"), Reason.TCP_HEADER),
    ("checksum 0", segment(chksum=0), Reason.TCP_CHECKSUM),
    ("reserved bits, ECE, CWR", segment(reserved=7, flags="PAEC"), 0),
    ("reset", segment(b"", flags="R"), 0),
    ("end", segment(flags="FA"), 0),
    ("nothing at all", segment(flags=0), Reason.TCP_FLAGS),
]  # fmt: skip


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def one_thing_at_a_time(dut):
    """Each has its reason, worked out by hand, and what it hands on comes in the promised cycles."""
    await begin(dut)
    rng = random.Random(1)
    results = await read(dut, [octets for _, octets, _ in CASES], noise=lambda: rng.randrange(256))
    for (name, _, reason), result in zip(CASES, results, strict=False):
        assert result.reason == reason, f"{name}: {Reason(result.reason)!r}"


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def every_data_offset_and_header_length(dut):
    """Data offsets and header lengths 5 to 15, up to two tags, payloads of both parities and none."""
    await begin(dut)
    rng = random.Random(2)
    frames = []
    for words, offset, vids in itertools.product(range(11), range(5, 16), ((), (7,), (7, 4095))):
        payload = rng.randbytes(rng.choice((0, 0, 1, 2, 3, 8, 51)))
        options = [("NOP", None)] * 4 * (offset - 5)
        frames.append(segment(payload, words=words, vids=vids, options=options, seq=rng.getrandbits(32)))
        assert int(frames[-1][14 + 4 * len(vids) + 20 + 4 * words + 12] >> 4) == offset
    results = await read(dut, frames, gap=lambda: rng.choice((2, 3, 12)))
    assert {result.reason for result in results} == {0}
    assert {result.lane for result in results} == {4, 6, 7}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_combination_of_flags(dut):
    """All 256, with payload and without."""
    await begin(dut)
    frames = [segment(payload, flags=flags) for flags in range(256) for payload in (b"", b"x")]
    results = await read(dut, frames)
    passed = [number for number, result in enumerate(results[:512]) if result.reason == 0]
    # Of the five flags (PSH, ECE and CWR don't matter): ACK, ACK and FIN, with and without payload; SYN; RST, RST and
    # ACK. Eight each.
    assert len(passed) == 8 * (4 + 1 + 2)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_octet_is_in_the_checksum(dut):
    """Of the pseudo header and of the segment, whether the number of octets is even or odd; padding is not."""
    await begin(dut)
    for payload in (b"", b"x", TEXT, TEXT[1:]):
        good = segment(payload, options=STAMPS)
        frames = []
        for place in range(34, len(good) - 4):
            frames.append(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        results = await read(dut, frames)
        end = 34 + 32 + len(payload)
        for place, result in enumerate(results[:-1], 34):
            if place in (36, 37):
                assert result.reason == (Reason.TCP_CHECKSUM if BACK else Reason.NO_LANE), place
            elif place in (34, 35):
                assert result.reason == (Reason.NO_LANE if BACK else Reason.TCP_CHECKSUM), place
            elif place >= 48 and place not in (54, 55, 56, 57):
                assert result.reason == (Reason.TCP_CHECKSUM if place < end else 0), place


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def sums_that_are_all_ones_or_zero(dut):
    """The checksums 0x0000 and 0xFFFF mean the same sum and are both right: TCP knows no frame without one."""
    await begin(dut)
    plain = segment(b"\0\0" + TEXT[2:50])
    given = int.from_bytes(plain[50:52], "big")
    zero = plain[:54] + struct.pack(">H", given) + plain[56:]  # the word makes up for the checksum
    frames = [zero[:50] + check + zero[52:] for check in (b"\0\0", b"\xff\xff", b"\0\1", b"\xff\xfe")]
    results = await read(dut, frames)
    assert [result.reason for result in results[:4]] == [0, 0, Reason.TCP_CHECKSUM, Reason.TCP_CHECKSUM]


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(options=[[], STAMPS])
async def p12_a_frame_cut_anywhere_does_not_change_the_next(dut, options):
    """P12: cut behind each of its octets from the IP header's end on, and by the total length at each octet."""
    await begin(dut)
    whole = segment(TEXT, words=1, vids=(7,), options=options)
    begin_of_packet, size = 18, len(whole) - 4 - 18
    frames = [whole[:cut] for cut in range(18 + 24, len(whole))]
    for total in range(24, size + 9):
        header = bytearray(whole[begin_of_packet : begin_of_packet + 24])
        header[2:4], header[10:12] = struct.pack(">H", total), b"\0\0"
        header[10:12] = struct.pack(">H", 0xFFFF - ones(bytes(header)))
        frames.append(whole[:begin_of_packet] + bytes(header) + whole[begin_of_packet + 24 :])
    good = segment(options=options)
    results = await read(dut, [each for cut in frames for each in (cut, good)])
    assert {(result.reason, result.lane) for result in results[1::2]} == {(0, LANE)}
    seen = {result.reason for result in results[::2]}
    assert {Reason.IP_LENGTH, Reason.NO_LANE, Reason.TCP_HEADER, Reason.TCP_CHECKSUM, 0} <= seen


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_lane_stays_through_frames_too_short_to_be_one(dut):
    """Frames below 12 octets: no `open`, and the lane and the fields of the frame before them stay."""
    await begin(dut)
    good = segment()
    for size in range(12):
        rows, starts = stream([good, good[:size], good])
        record = await play(dut, rows, OUTPUTS)
        between = record[starts[0] + 42 : starts[2] + 12]
        assert {(row["lane"], row["sequence"]) for row in between} == {(LANE, 0x12345678)}
        assert cycles(between[20:], "located") == []
        assert cycles(record, "open") == [starts[0] + 12, starts[2] + 12]


def damaged(rng):
    """A frame with options, sizes and flags at random, most of them spoilt somewhere in the segment."""
    pool = (
        b"\1",
        b"\0",
        b"\5\4\4\0",
        b"\x08\x0a" + bytes(8),
        b"\5\2",
        b"\2\4\5\xb4",
        b"\x1e\4\0\0",
        b"\5\1",
        b"\7\x20",
    )
    options = b"".join(rng.choices(pool, (9, 1, 9, 9, 9, 9, 1, 1, 1), k=40))[: 4 * rng.choice((0, 0, 3, 3, *range(11)))]
    payload = rng.randbytes(rng.choice((0, 1, 2, 3, 17, 50, 51, 200)))
    flags = rng.choice((ACK, ACK, ACK | PSH, ACK | FIN, SYN, RST, rng.randrange(256)))
    head = {"words": rng.choice((0, 0, 0, 1, 10)), "vids": rng.choice(((), (), (7,), (7, 4095), (9,)))}
    octets = with_options(options, payload, flags=flags, server=rng.getrandbits(16), seq=rng.getrandbits(32), **head)
    begin_of_packet = 14 + 4 * len(head["vids"])
    t = begin_of_packet + 20 + 4 * head["words"]
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        place = rng.choice((t + 12, t + 13, rng.randrange(t, len(octets) - 4)))
        octets = octets[:place] + bytes([octets[place] ^ 1 << rng.randrange(8)]) + octets[place + 1 :]
    if rng.random() < 0.5:
        total = int.from_bytes(octets[begin_of_packet + 2 : begin_of_packet + 4], "big")
        inner = octets[t : begin_of_packet + total]
        pseudo = octets[begin_of_packet + 12 : begin_of_packet + 20] + struct.pack(">HH", 6, len(inner))
        wrong = pseudo + inner[:16] + b"\0\0" + inner[18:]
        right = struct.pack(">H", 0xFFFF - ones(wrong + b"\0" * (len(wrong) % 2)))
        octets = octets[: t + 16] + right + octets[t + 18 :]
    if rng.random() < 0.2:
        octets = octets[: rng.randrange(max(60, t), len(octets) + 1)]
    return octets


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def random_damage_is_read_as_by_hand(dut):
    """Seeded; frames of every kind in a row, with the smallest gap and longer ones."""
    await begin(dut)
    rng = random.Random(3)
    frames = [damaged(rng) for _ in range(500)]
    results = await read(dut, frames, gap=lambda: rng.choice((2, 2, 3, 12)), noise=lambda: rng.randrange(256))
    assert {result.reason for result in results} == {0, 10, 13, 16, 17, 18}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_the_middle_of_a_frame_is_safe(dut):
    """P4: whatever octet the reset hits, the next frame is read right."""
    await begin(dut)
    good = segment(options=STAMPS)
    for cut in range(1, len(good), 3):
        rows, _ = stream([good])
        await play(dut, rows[: cut + 1], OUTPUTS)
        dut.rst.value = 1
        await dut.clk.rising_edge
        dut.rst.value = 0
        await read(dut, [good])

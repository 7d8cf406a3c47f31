"""Bench of `hdl.filter.headers`: frames that Scapy built, spoilt one field at a time, and random damage."""

import random
import struct

import cocotb
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPOption, IPOption_LSRR, IPOption_NOP, Raw

from hdl.filter.headers import FLAGS, Headers
from hdl.wire.verdict import Reason
from sim.play import Packed, play, reset, stream

OUTPUTS = Packed(Headers()).fields
FCS = b"\xde\xad\xbe\xef"
LANE = 5
# The key of the one lane there is: untagged, 10.0.0.5:4005 to 10.1.0.1:9001.
KEY = bytes.fromhex("0000 0000 0a000005 0a010001 0fa5 2329")
ORDERS = bytes(range(50))


def ether(**fields):
    return Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02", **fields)


def ip(**fields):
    return IP(src="10.0.0.5", dst="10.1.0.1", **fields)


def udp(**fields):
    return UDP(sport=4005, dport=9001, **fields)


def frame(packet, fcs=FCS):
    """The octets of a packet, padded to 60, and something for the FCS, which is the receiver's to check."""
    return bytes(packet).ljust(60, b"\0") + fcs


def good(payload=ORDERS, **fields):
    return frame(ether() / ip(**fields) / udp() / Raw(payload))


def patched(octets, at, value, *, checksum=False):
    """Overwrite octets, and make the IPv4 header's checksum right again if asked to."""
    octets = octets[:at] + value + octets[at + len(value) :]
    if checksum:
        header = octets[14 : 14 + 4 * (octets[14] & 15)]
        words = struct.unpack(f">{len(header) // 2}H", header[:10] + b"\0\0" + header[12:])
        total = sum(words) % 0xFFFF
        octets = octets[:24] + struct.pack(">H", 0xFFFF - total) + octets[26:]
    return octets


def with_checksum(checksum):
    """A good frame whose UDP checksum is `checksum`: the last word of the payload makes up for it."""
    octets = good()
    was, word = (int.from_bytes(octets[at : at + 2], "big") for at in (40, 90))
    word = (word + was - int.from_bytes(checksum, "big")) % 0xFFFF
    return patched(patched(octets, 40, checksum), 90, struct.pack(">H", word))


class Lane:
    """Stands for `Lanes`: collects a key and answers three cycles after its last octet."""

    def __init__(self, key=KEY):
        self.key, self.got, self.due, self.seen = key, bytearray(16), {}, []

    def __call__(self, cycle, outputs):
        if outputs["key_valid"]:
            index = outputs["key_index"]
            self.got[index] = outputs["key_octet"]
            if index == 15:
                self.seen.append(bytes(self.got))
                self.due[cycle + 2] = LANE if self.got == self.key else 8
        if cycle in self.due:
            return {"found": 1, "found_lane": self.due[cycle]}
        return {"found": 0}


async def read(dut, frames, *, policy=0, gap=2, noise=None, key=KEY):
    """Return what the component said of each frame: reason, lane, tags, tcp, payload, and the cycle of its octets."""
    lanes = Lane(key)
    rows, starts = stream(frames, gap=gap, noise=noise)
    rows[0] |= {"policy": policy, "found": 0, "found_lane": 8}
    record = await play(dut, rows, OUTPUTS, lanes)
    results = []
    for octets, start in zip(frames, starts, strict=True):
        end = start + len(octets)
        window = record[start + 1 : end + 1]
        flags = record[end]["flags"]
        payload = bytes(r["payload_octet"] for r in window if r["payload_valid"])
        places = [n for n, r in enumerate(window) if r["payload_valid"]]
        begins = [n for n, r in enumerate(window) if r["payload_start"]]
        lasts = [n for n, r in enumerate(window) if r["payload_last"]]
        assert [r["payload_valid"] for r in record[start : start + 1]] == [0]
        results.append(
            {
                "reason": next((n for n in range(FLAGS) if flags >> n & 1), 0),
                "lane": record[end]["lane"],
                "tags": record[end]["tags"],
                "tcp": record[end]["tcp"],
                "payload": payload,
                "places": places,
                "begins": begins,
                "lasts": lasts,
            }
        )
        assert record[end + 1]["lane"] == record[end]["lane"]
        assert record[end + 1]["flags"] == 0
    return results, lanes.seen


CASES = [
    ("good", good(), 0),
    ("one octet", good(b"x"), 0),
    ("odd payload", good(bytes(range(51))), 0),
    ("empty datagram", good(b""), 0),
    ("longest", good(bytes(n % 251 for n in range(1472))), 0),
    ("giant by one octet", good(bytes(n % 251 for n in range(1472))) + b"\0", Reason.GIANT),
    ("ethertype IPv6", frame(ether(type=0x86DD) / Raw(bytes(50))), Reason.ETHERTYPE),
    ("length instead of a type", frame(ether(type=46) / Raw(bytes(50))), Reason.ETHERTYPE),
    ("three tags", frame(ether() / Dot1Q() / Dot1Q() / Dot1Q() / ip() / udp() / Raw(ORDERS)), Reason.VLAN_DEPTH),
    ("version 6", patched(good(), 14, b"\x65", checksum=True), Reason.IP_HEADER),
    ("header of 4 words", patched(good(), 14, b"\x44", checksum=True), Reason.IP_HEADER),
    ("total length 19", patched(good(), 16, b"\0\x13", checksum=True), Reason.IP_HEADER),
    ("total length 0", patched(good(), 16, b"\0\0", checksum=True), Reason.IP_HEADER),
    ("total length below the header's", patched(good(options=[IPOption_NOP()]), 16, b"\0\x17", checksum=True), 8),
    ("header checksum", patched(good(), 24, b"\x12\x34"), Reason.IP_HEADER),
    ("time to live changed", patched(good(), 22, b"\x3f"), Reason.IP_HEADER),
    ("options", good(options=[IPOption_NOP(), IPOption_NOP(), IPOption(option=7, value=b"\4\0\0\0\0")]), 0),
    ("option padded by END", good(options=[IPOption(option=7, value=b"\4")]), 0),
    ("loose source route", good(options=[IPOption_LSRR(routers=["1.2.3.4"])]), Reason.IP_HEADER),
    ("more fragments", good(flags="MF"), Reason.FRAGMENT),
    ("do not fragment", good(flags="DF"), 0),
    ("offset 1", good(frag=1), Reason.FRAGMENT),
    ("offset 4096", good(frag=4096), Reason.FRAGMENT),
    ("a fragment with a wrong checksum", patched(good(flags="MF"), 24, b"\0\0"), Reason.IP_HEADER),
    ("total length into the FCS", patched(good(), 16, b"\0\x4f", checksum=True), Reason.IP_LENGTH),
    ("total length of 65535", patched(good(), 16, b"\xff\xff", checksum=True), Reason.IP_LENGTH),
    ("protocol 132", good(proto=132), Reason.PROTOCOL),
    ("another source", frame(ether() / IP(src="10.0.0.6", dst="10.1.0.1") / udp() / Raw(ORDERS)), Reason.NO_LANE),
    ("another port", frame(ether() / ip() / UDP(sport=4005, dport=9002) / Raw(ORDERS)), Reason.NO_LANE),
    ("tagged, lane is not", frame(ether() / Dot1Q(vlan=5) / ip() / udp() / Raw(ORDERS)), Reason.NO_LANE),
    ("no room for ports", frame(ether() / ip(proto=17) / Raw(b"\x0f\xa5\x23")), Reason.NO_LANE),
    ("no IP payload", frame(ether() / ip(proto=17)), Reason.NO_LANE),
    ("TCP elsewhere", frame(ether() / ip() / TCP(sport=1, dport=9001)), Reason.NO_LANE),
    ("TCP", frame(ether() / ip() / TCP(sport=4005, dport=9001) / Raw(ORDERS)), Reason.TCP_FLAGS),
    ("ports only", frame(ether() / ip(proto=17) / Raw(KEY[12:])), Reason.UDP_LENGTH),
    ("UDP length 7", good(b"")[:38] + b"\0\7" + good(b"")[40:], Reason.UDP_LENGTH),
    ("UDP length one short", patched(good(), 38, b"\0\x39"), Reason.UDP_LENGTH),
    ("UDP length 256 more", patched(good(), 38, b"\1\x3a"), Reason.UDP_LENGTH),
    ("UDP checksum", patched(good(), 40, b"\x12\x34"), Reason.UDP_CHECKSUM),
    ("UDP checksum 0x1200", with_checksum(b"\x12\0"), 0),
    ("UDP checksum 0x0012", with_checksum(b"\0\x12"), 0),
    ("no UDP checksum", patched(good(), 40, b"\0\0"), Reason.UDP_CHECKSUM),
    ("last octet damaged", patched(good(), 91, b"\xff"), Reason.UDP_CHECKSUM),
    ("ARP", frame(ether() / ARP()), Reason.POLICY),
    ("ICMP", frame(ether() / ip() / ICMP() / Raw(ORDERS)), Reason.POLICY),
]  # fmt: skip


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def one_field_at_a_time(dut):
    """Each damage has its reason; only a whole datagram of the lane hands on a payload, and exactly that."""
    await reset(dut)
    rng = random.Random(1)
    results, _ = await read(dut, [octets for _, octets, _ in CASES], noise=lambda: rng.randrange(256))
    for (name, octets, reason), result in zip(CASES, results, strict=True):
        assert result["reason"] == reason, f"{name}: {Reason(result['reason'])!r}"
        if reason == 0:
            size = int.from_bytes(octets[16:18], "big")
            begin = 14 + 4 * (octets[14] & 15) + 8
            assert result["lane"] == LANE, name
            assert result["payload"] == octets[begin : 14 + size], name
            assert result["begins"] == [begin], name
            assert result["places"] == list(range(begin, 14 + size)), name
            assert result["lasts"] == ([13 + size] if size > 28 else []), name
        if reason and reason <= Reason.NO_LANE:
            assert result["lane"] == 8 or reason in (Reason.IP_HEADER, Reason.IP_LENGTH, Reason.GIANT), name
        if reason in (Reason.FRAGMENT, Reason.PROTOCOL):
            assert result["payload"] == b"" and result["begins"] == [], name
        assert result["tcp"] == name.startswith("TCP"), name


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def policy_decides_about_arp_and_icmp(dut):
    """Each bit for its own; neither frame has a lane, and a bad ICMP datagram is refused all the same."""
    await reset(dut)
    arp, icmp = frame(ether() / ARP()), frame(ether() / ip() / ICMP() / Raw(ORDERS))
    bad = patched(icmp, 24, b"\0\0")
    short = patched(icmp, 16, b"\1\0", checksum=True)
    for policy, expected in (
        (0, [Reason.POLICY, Reason.POLICY, Reason.IP_HEADER, Reason.IP_LENGTH]),
        (1, [0, Reason.POLICY, Reason.IP_HEADER, Reason.IP_LENGTH]),
        (2, [Reason.POLICY, 0, Reason.IP_HEADER, Reason.IP_LENGTH]),
        (3, [0, 0, Reason.IP_HEADER, Reason.IP_LENGTH]),
    ):
        results, _ = await read(dut, [arp, icmp, bad, short], policy=policy)
        assert [result["reason"] for result in results] == expected, policy
        assert {result["lane"] for result in results} == {8}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_key_holds_both_vids(dut):
    """Outer VID first; priority and DEI don't count; any of the three tag types; giants are 4 octets longer a tag."""
    await reset(dut)
    tail = KEY[4:]
    body = ip() / udp() / Raw(ORDERS)
    long = ip() / udp() / Raw(bytes(1472))
    old = bytes(frame(ether() / Dot1Q(vlan=0x123) / body))
    frames = [
        (frame(ether() / body), 0, b"\0\0\0\0"),
        (frame(ether() / Dot1Q(vlan=0x123, prio=7, id=1) / body), 1, b"\x01\x23\0\0"),
        (frame(ether() / Dot1AD(vlan=0xABC) / Dot1Q(vlan=0xFFF, prio=3) / body), 2, b"\x0a\xbc\x0f\xff"),
        (old[:12] + b"\x91\x00" + old[14:], 1, b"\x01\x23\0\0"),
        (frame(ether() / Dot1Q(vlan=2) / long), 1, b"\0\2\0\0"),
        (frame(ether() / Dot1Q(vlan=2) / long) + b"\0", 1, b"\0\2\0\0"),
        (frame(ether() / Dot1Q(vlan=2) / Dot1Q(vlan=3) / long), 2, b"\0\2\0\3"),
        (frame(ether() / Dot1Q(vlan=2) / Dot1Q(vlan=3) / long) + b"\0", 2, b"\0\2\0\3"),
    ]
    results, seen = await read(dut, [octets for octets, _, _ in frames], key=None)
    assert seen == [vids + tail for _, _, vids in frames]
    assert [result["tags"] for result in results] == [tags for _, tags, _ in frames]
    giant = [result["reason"] == Reason.GIANT for result in results]
    assert giant == [False] * 5 + [True, False, True]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_header_must_end_before_the_fcs(dut):
    """A right header of 60 octets and `more` octets behind it: below 4 the header reaches into the FCS."""
    await reset(dut)
    header = bytes(ether() / ip(proto=1, options=[IPOption_NOP()] * 40))
    assert len(header) == 74
    results, _ = await read(dut, [header + bytes(more) for more in range(7)], policy=2)
    assert [result["reason"] for result in results] == [Reason.IP_HEADER] * 4 + [0] * 3


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_payload_of_a_giant_stops(dut):
    """Up to the octet that makes the frame a giant, number 1519: a frame never holds more than 33 orders."""
    await reset(dut)
    results, _ = await read(dut, [good(bytes(3000)), good()])
    assert results[0]["reason"] == Reason.GIANT
    assert (len(results[0]["payload"]), results[0]["lasts"]) == (1519 - 14 - 20 - 8, [])
    assert (results[1]["reason"], results[1]["payload"]) == (0, ORDERS)


def reading(octets):
    """Reason, lane and payload of a frame of at least 64 octets, read the plain way (policy 0)."""
    n, at, vids = len(octets), 12, []
    kind = octets[at : at + 2]
    while kind in (b"\x81\x00", b"\x88\xa8", b"\x91\x00") and len(vids) < 2:
        vids.append(int.from_bytes(octets[at + 2 : at + 4], "big") & 0xFFF)
        at += 4
        kind = octets[at : at + 2]
    reasons, lane, payload = set(), 8, b""
    if n > 1518 + 4 * len(vids):
        reasons.add(Reason.GIANT)
    if kind in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        reasons.add(Reason.VLAN_DEPTH)
    elif kind == b"\x08\x06":
        reasons.add(Reason.POLICY)
    elif kind != b"\x08\x00":
        reasons.add(Reason.ETHERTYPE)
    else:
        packet = octets[at + 2 : -4]
        size = 4 * (packet[0] & 15)
        total = int.from_bytes(packet[2:4], "big")
        header = packet[:size]
        if packet[0] >> 4 != 4 or size < 20 or total < size or len(header) < size or not header_right(header):
            reasons.add(Reason.IP_HEADER)
        fragment = int.from_bytes(packet[6:8], "big") & 0x3FFF
        if fragment:
            reasons.add(Reason.FRAGMENT)
        if total > len(packet):
            reasons.add(Reason.IP_LENGTH)
        if packet[9] not in (1, 6, 17):
            reasons.add(Reason.PROTOCOL)
        elif packet[9] == 1:
            reasons.add(Reason.POLICY)
        else:
            inner = packet[size:total]
            key = b"".join(struct.pack(">H", v) for v in [*vids, 0, 0][:2]) + packet[12:20] + inner[:4]
            lane = LANE if key == KEY and not fragment else 8
            reasons.add(Reason.NO_LANE if lane == 8 else 0)
            if packet[9] == 6:
                reasons.add(Reason.TCP_HEADER)
            elif len(inner) != int.from_bytes(inner[4:6], "big") or len(inner) < 8:
                reasons.add(Reason.UDP_LENGTH)
            else:
                pseudo = packet[12:20] + b"\0\x11" + inner[4:6] + inner + b"\0" * (len(inner) % 2)
                if inner[6:8] == b"\0\0" or ones(pseudo) != 0xFFFF:
                    reasons.add(Reason.UDP_CHECKSUM)
                payload = inner[8:]
    return min(reasons - {0}, default=0), lane, payload


def ones(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def header_right(header):
    if ones(header) != 0xFFFF:
        return False
    rest = header[20:]
    while rest and rest[0]:
        if rest[0] == 1:
            rest = rest[1:]
        elif rest[0] in (131, 137) or len(rest) < 2 or not 2 <= rest[1] <= len(rest):
            return False
        else:
            rest = rest[rest[1] :]
    return True


def damaged(rng):
    """A good frame with tags, options and sizes at random, most of them spoilt somewhere near the headers."""
    packet = ether()
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2, 3))):
        packet /= Dot1Q(vlan=rng.choice((0, 0, 0, 7)), prio=rng.randrange(8))
    packet /= ip() / udp() / Raw(rng.randbytes(rng.choice((0, 1, 2, 3, 17, 18, 19, 50, 51, 200))))
    octets = bytes(packet)
    at = octets.index(b"\x08\x00\x45") + 2
    if rng.random() < 0.5:
        words = rng.randrange(1, 11)
        pool = (
            b"\1",
            b"\0",
            b"\7\4\4\0",
            b"\x94\4\0\0",
            b"\7\2",
            b"\7\3\0",
            b"\x83\3\4",
            b"\x89\2",
            b"\7\1",
            b"\7\x20",
        )
        options = b"".join(rng.choices(pool, (9, 1, 9, 9, 9, 9, 1, 1, 1, 1), k=40))[: 4 * words]
        total = len(octets) - at + len(options)
        head = bytes([0x45 + words]) + octets[at + 1 : at + 2] + struct.pack(">H", total) + octets[at + 4 : at + 20]
        octets = octets[:at] + head + options + octets[at + 20 :]
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        place = rng.randrange(12, min(len(octets), at + 34))
        value = rng.choice((0, 1, octets[place] ^ 1 << rng.randrange(8), rng.randrange(256)))
        octets = octets[:place] + bytes([value]) + octets[place + 1 :]
    size = 4 * (octets[at] & 15)
    if rng.random() < 0.8 and at + size <= len(octets) and size >= 12:
        header = octets[at : at + size]
        short = 0xFFFF - ones(header[:10] + b"\0\0" + header[12:])
        octets = octets[: at + 10] + struct.pack(">H", short) + octets[at + 12 :]
    if rng.random() < 0.2:
        octets = octets[: rng.randrange(60, 130)]
    return octets.ljust(60 + rng.choice((0, 0, 1, 5)), b"\0") + rng.randbytes(4)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def random_damage_is_read_as_by_hand(dut):
    """Seeded; frames of every kind in a row, with the smallest gap and longer ones."""
    await reset(dut)
    rng = random.Random(2)
    frames = [damaged(rng) for _ in range(300)]
    results, _ = await read(dut, frames, gap=lambda: rng.choice((2, 2, 3, 12)), noise=lambda: rng.randrange(256))
    reasons = set()
    for octets, result in zip(frames, results, strict=True):
        reason, lane, payload = reading(octets)
        reasons.add(reason)
        assert result["reason"] == reason, f"{octets.hex()}: {Reason(reason)!r} expected"
        if reason == 0 or reason > Reason.NO_LANE:
            assert result["lane"] == lane, octets.hex()
        if reason == 0:
            assert result["payload"] == payload, octets.hex()
    assert len(reasons) >= 9, reasons


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def p12_a_frame_cut_anywhere_does_not_change_the_next(dut):
    """P12: after a datagram cut behind each of its octets, a VLAN frame is read as if it came alone."""
    await reset(dut)
    options = [IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_NOP()]
    whole = frame(ether() / Dot1Q() / ip(options=options) / udp() / Raw(ORDERS))
    arp, order = frame(ether() / ARP()), good()
    frames = [f for cut in range(len(whole)) for f in (whole[:cut], arp if cut % 2 else order)]
    results, _ = await read(dut, frames, policy=1)
    for number, result in enumerate(results[1::2]):
        assert result["reason"] == 0, number
        assert result["lane"] == (8 if number % 2 else LANE), number
        assert result["payload"] == (b"" if number % 2 else ORDERS), number


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_the_middle_of_a_frame_is_safe(dut):
    """P4: whatever octet the reset hits, the next frame is read right."""
    await reset(dut)
    for cut in range(1, 60, 3):
        rows, _ = stream([good()[:cut]])
        await play(dut, rows[: cut + 1], OUTPUTS)
        dut.rst.value = 1
        await dut.clk.rising_edge
        dut.rst.value = 0
        (result,), _ = await read(dut, [good()])
        assert (result["reason"], result["lane"], result["payload"]) == (0, LANE, ORDERS), cut

"""Builds frames octet by octet, right or wrong in any field: for benches, the fuzz and the model's tests.

Shares nothing with the host, which builds its frames with Scapy. Everything is big-endian, as on the wire; checksums
are computed here unless a wrong one is asked for.
"""

from struct import pack
from typing import NamedTuple
from zlib import crc32

DESTINATION, SOURCE = bytes.fromhex("02b0b0b0b002"), bytes.fromhex("02a0a0a0a001")
PREAMBLE = b"\x55" * 7 + b"\xd5"
IPV4, ARP, TAG, SERVICE_TAG, OLD_TAG = 0x0800, 0x0806, 0x8100, 0x88A8, 0x9100
ICMP, TCP, UDP = 1, 6, 17
TAG_OF_ORDERS = b"BLD1"  # ClOrdIDs begin with it
FIN, SYN, RST, PSH, ACK, URG = (1 << bit for bit in range(6))  # of TCP


class Address(NamedTuple):
    """Where a server's orders come from and go to. `vids`: none, one or two, the outer first."""

    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    vids: tuple[int, ...] = ()

    @property
    def key(self) -> bytes:
        """The 16 octets by which the filter tells lanes apart."""
        outer, inner = (*self.vids, 0, 0)[:2]
        return pack(">HH4s4sHH", outer, inner, self.source, self.destination, self.source_port, self.destination_port)


def servers() -> list[Address]:
    """Return eight servers: untagged, with a tag, with two."""
    vids = [(), (101,), (102,), (), (104, 7), (105, 4095), (), (107,)]
    return [
        Address(bytes((10, 0, 0, 1 + number)), bytes((10, 9, 0, 1)), 40_000 + number, 26_400, vids[number])
        for number in range(8)
    ]


def enter(
    user_ref: int,
    symbol: bytes,
    quantity: int,
    price: int,
    side: bytes = b"B",
    appendage: bytes = b"",
    order_id: bytes = TAG_OF_ORDERS,
) -> bytes:
    """Return an OUCH 5.0 Enter; `symbol` and `order_id` are padded, `price` in 10^-4 dollars."""
    head = pack(">cI1sI8sQ", b"O", user_ref, side, quantity, symbol.ljust(8), price)
    return head + b"0YPNN" + order_id.ljust(14) + pack(">H", len(appendage)) + appendage


def replace(
    original: int,
    user_ref: int,
    quantity: int,
    price: int,
    appendage: bytes = b"",
    order_id: bytes = TAG_OF_ORDERS,
) -> bytes:
    """Return an OUCH 5.0 Replace; `order_id` is padded."""
    head = pack(">cIIIQ", b"U", original, user_ref, quantity, price)
    return head + b"0YN" + order_id.ljust(14) + pack(">H", len(appendage)) + appendage


def cancel(user_ref: int, quantity: int = 0, appendage: bytes | None = None) -> bytes:
    """Return an OUCH 5.0 Cancel; bare without appendage."""
    return pack(">cII", b"X", user_ref, quantity) + _appended(appendage)


def modify(user_ref: int, quantity: int, side: bytes = b"S", appendage: bytes | None = None) -> bytes:
    """Return an OUCH 5.0 Modify; bare without appendage."""
    return pack(">cI1sI", b"M", user_ref, side, quantity) + _appended(appendage)


def mass_cancel(user_ref: int, symbol: bytes = b"", appendage: bytes = b"") -> bytes:
    """Return an OUCH 5.0 Mass Cancel."""
    return pack(">cI4s8s", b"C", user_ref, b"KCGM", symbol.ljust(8)) + _appended(appendage)


def entry(kind: bytes, user_ref: int, appendage: bytes = b"") -> bytes:
    """Return an OUCH 5.0 Enable (E) or Disable (D)."""
    return pack(">cI4s", kind, user_ref, b"KCGM") + _appended(appendage)


def query(appendage: bytes | None = None) -> bytes:
    """Return an OUCH 5.0 Account Query; bare without appendage."""
    return b"Q" + _appended(appendage)


def tag_value(tag: int, value: bytes) -> bytes:
    """Return one TagValue of an appendage."""
    return bytes((1 + len(value), tag)) + value


def _appended(appendage):
    return b"" if appendage is None else pack(">H", len(appendage)) + appendage


def packet(message: bytes, kind: bytes = b"U") -> bytes:
    """Return a UFO packet: length, type, body."""
    return pack(">H", 1 + len(message)) + kind + message


def checksum(octets: bytes) -> int:
    """Return the Internet checksum of `octets` (RFC 1071): 0xFFFF less their sum, never -0."""
    rest = (int.from_bytes(octets, "big") << 8 * (len(octets) & 1)) % 0xFFFF
    return 0xFFFF - rest


def udp(address: Address, payload: bytes, *, length: int | None = None, check: int | None = None) -> bytes:
    """Return the UDP segment; `length` and `check` instead of the right ones."""
    right = 8 + len(payload)
    ports = pack(">HH", address.source_port, address.destination_port)
    size = pack(">H", right if length is None else length)
    if check is None:
        pseudo = address.source + address.destination + pack(">HH", UDP, right)
        check = checksum(pseudo + ports + size + b"\0\0" + payload) or 0xFFFF
    return ports + size + pack(">H", check) + payload


def ipv4(
    address: Address,
    segment: bytes,
    *,
    protocol: int = UDP,
    options: bytes = b"",
    total: int | None = None,
    fragment: int = 0x4000,
    version_ihl: int | None = None,
    check: int | None = None,
) -> bytes:
    """Return the IPv4 packet; `options` in whole words; fields instead of the right ones."""
    size = 20 + len(options)
    head = pack(
        ">BBHHHBBH4s4s",
        0x40 | size // 4 if version_ihl is None else version_ihl,
        0,
        size + len(segment) if total is None else total,
        0x1234,
        fragment,
        64,
        protocol,
        0,
        address.source,
        address.destination,
    )
    check = checksum(head + options) if check is None else check
    return head[:10] + pack(">H", check) + head[12:] + options + segment


def ethernet(
    body: bytes,
    vids: tuple[int, ...] = (),
    *,
    ethertype: int = IPV4,
    tags: tuple[int, ...] = (TAG,),
    least: int = 60,
    trailer: bytes = b"",
) -> bytes:
    """Return the frame with its FCS, padded to `least` octets before it. `tags`: tag types, the last one repeated."""
    head = DESTINATION + SOURCE
    for number, vid in enumerate(vids):
        head += pack(">HH", tags[min(number, len(tags) - 1)], vid)
    return fcs((head + pack(">H", ethertype) + body + trailer).ljust(least, b"\0"))


def fcs(octets: bytes) -> bytes:
    """Return `octets` with their frame check sequence, low octet first (IEEE 802.3-2022 §3.2.9)."""
    return octets + pack("<I", crc32(octets))


def datagram(address: Address, *messages: bytes) -> bytes:
    """Return the frame of a server's datagram that carries these OUCH messages."""
    payload = b"".join(packet(message) for message in messages)
    return ethernet(ipv4(address, udp(address, payload)), address.vids)


def tcp(
    address: Address,
    payload: bytes = b"",
    *,
    sequence: int = 0,
    acknowledgment: int = 0,
    flags: int = PSH | ACK,
    options: bytes = b"",
    offset: int | None = None,
    window: int = 0xFFFF,
    urgent: int = 0,
    check: int | None = None,
) -> bytes:
    """Return the TCP segment; `options` in whole words; `offset` and `check` instead of the right ones."""
    head = pack(
        ">HHIIBBHHH",
        address.source_port,
        address.destination_port,
        sequence & 0xFFFFFFFF,
        acknowledgment & 0xFFFFFFFF,
        (5 + len(options) // 4 if offset is None else offset) << 4,
        flags,
        window,
        0,
        urgent,
    )
    segment = head + options + payload
    if check is None:
        pseudo = address.source + address.destination + pack(">HH", TCP, len(segment))
        check = checksum(pseudo + segment)
    return segment[:16] + pack(">H", check) + segment[18:]


def segment(address: Address, payload: bytes = b"", *, ip: dict | None = None, link: dict | None = None, **fields):
    """Return the frame of a TCP segment: `fields` of `tcp`, `ip` of `ipv4`, `link` of `ethernet`."""
    packet_with = {"protocol": TCP} | (ip or {})
    return ethernet(ipv4(address, tcp(address, payload, **fields), **packet_with), address.vids, **(link or {}))


def answering(address: Address) -> Address:
    """Return the address of what is sent back."""
    return Address(
        address.destination, address.source, address.destination_port, address.source_port, address.vids
    )  # fmt: skip


def enter42(token: bytes, symbol: bytes, quantity: int, price: int, side: bytes = b"B") -> bytes:
    """Return an OUCH 4.2 Enter; `token` and `symbol` are padded, `price` in 10^-4 dollars."""
    head = pack(">c14s1sI8sI", b"O", token.ljust(14), side, quantity, symbol.ljust(8), price)
    return head + pack(">I4s", 99_998, b"KCGM") + b"YPN" + bytes(4) + b"NR"


def replace42(original: bytes, token: bytes, quantity: int, price: int) -> bytes:
    """Return an OUCH 4.2 Replace."""
    return pack(">c14s14sIII", b"U", original.ljust(14), token.ljust(14), quantity, price, 99_998) + b"YN" + bytes(4)


def cancel42(token: bytes, quantity: int = 0) -> bytes:
    """Return an OUCH 4.2 Cancel."""
    return pack(">c14sI", b"X", token.ljust(14), quantity)


def modify42(token: bytes, quantity: int, side: bytes = b"S") -> bytes:
    """Return an OUCH 4.2 Modify."""
    return pack(">c14s1sI", b"M", token.ljust(14), side, quantity)

"""What the octets of one frame say: lane, messages, and every failure that needs no state. Part of the golden model.

Written from the rules, not from the gateware. Numbers of octets count from the first octet of the frame, 0.
"""

from dataclasses import dataclass, field
from zlib import crc32

from hdl.wire.ethernet import (
    FRAGMENT_OFFSET,
    LONGEST,
    MORE_FRAGMENTS,
    MOST_TAGS,
    OPTION_END,
    OPTION_LSRR,
    OPTION_NOP,
    OPTION_SSRR,
    SHORTEST,
    TAGS,
    TCP_OPTION_END,
    TCP_OPTION_MPTCP,
    TCP_OPTION_NOP,
    EtherType,
    Protocol,
    TcpFlag,
)
from hdl.wire.registers import TRADED
from hdl.wire.ufo import FIXED, Packet
from hdl.wire.verdict import LANES, NO_LANE, Action, Reason, Trip
from sim.messages import OUCH42, OUCH50, REPLACEABLE, Decoded, Dialect
from sim.parents import Parent

GOOD_FCS = 0x2144DF1C  # crc32 over a frame with its FCS, low octet first

_TAGS = frozenset(int(tag) for tag in TAGS)
_FIXED = {int(packet): length for packet, length in FIXED.items()}
# As plain integers: comparing and counting them is most of what the model does.
RUNT, RX_ERROR, GIANT, FCS = (int(r) for r in (Reason.RUNT, Reason.RX_ERROR, Reason.GIANT, Reason.FCS))
_UNSEQUENCED = int(Packet.UNSEQUENCED)
_UDP, _TCP, _ICMP = int(Protocol.UDP), int(Protocol.TCP), int(Protocol.ICMP)
_IPV4, _ARP = int(EtherType.IPV4), int(EtherType.ARP)
FIN, SYN, RST, ACK, URG = (1 << flag for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.ACK, TcpFlag.URG))


@dataclass
class Config:
    """What the host has loaded. Everything starts as after reset: nothing passes."""

    policy: int = 0  # bit 0 ARP passes, bit 1 ICMP passes
    lanes: list[bytes] = field(default_factory=lambda: [bytes(16)] * 8)  # LANE_KEY octets
    enabled: int = 0  # lanes, bits 7..0
    order_size: int = 0  # largest quantity of one order
    order_value: int = 0  # and quantity times price; 10^-4 dollars
    symbols: dict[bytes, int] = field(default_factory=dict)  # 8 octets to index
    limits: dict[tuple[int, bool], int] = field(default_factory=dict)  # (index, buy) to shares
    terms: dict[int, tuple[int, int]] = field(default_factory=dict)  # the two words of SYMBOL_TERMS, by index
    trips: dict[int, int] = field(default_factory=dict)  # by reason
    parents: dict[int, Parent] = field(default_factory=dict)  # by number
    gross_limits: list[int] = field(default_factory=lambda: [0] * 9)  # lanes 0 to 7, the firm; 10^-4 dollars

    tags: list[bytes] = field(default_factory=lambda: [bytes(4)] * LANES)  # how a lane's ClOrdIDs begin
    rates: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)] * LANES)  # RATE_INTERVAL, RATE_DEPTH
    modes: list[int] = field(default_factory=lambda: [0] * LANES)  # LANE_MODE words

    def tcp(self, lane: int) -> bool:
        return bool(self.modes[lane] & 1)

    def dialect(self, lane: int) -> Dialect:
        if self.modes[lane] & 2:
            return OUCH42
        return REPLACEABLE if self.heard(lane) else OUCH50

    def ordered(self, lane: int) -> bool:
        """Tell whether the numbers of its orders must rise."""
        return not self.modes[lane] & 16

    def heard(self, lane: int) -> bool:
        """Tell whether the exchange's reports release what its orders were charged."""
        return self.modes[lane] & 33 == 33

    def parentless(self, lane: int) -> bool:
        """Tell whether its orders need no parent."""
        return bool(self.modes[lane] & 64)

    def action(self, lane: int) -> int:
        return self.modes[lane] >> 2 & 3

    def cuts(self, lane: int) -> bool:
        return lane != NO_LANE and self.action(lane) == Action.CUT

    def lane_of(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """Return the lane of each key, the first one of several: of UDP; of TCP, without the source port."""
        udp, tcp = {}, {}
        for lane in reversed(range(LANES)):
            key = self.lanes[lane]
            if self.enabled >> lane & 1 and self.tcp(lane):
                tcp[key[:12] + key[14:]] = lane
            elif self.enabled >> lane & 1:
                udp[key] = lane
        return udp, tcp


BREACHES = {Reason.POSITION: Trip.SYMBOL, Reason.LANE_GROSS: Trip.LANE, Reason.FIRM_GROSS: Trip.FIRM}
ANY_RATE = 1, (1 << 32) - 1  # RATE_INTERVAL, RATE_DEPTH


def lenient(tag: bytes, indices, modes=(0,) * LANES) -> dict:
    """Return fields of a `Config`: lanes with these modes want only the tag of an order, no parent, symbols nothing."""
    lanes = {"tags": [tag] * LANES, "rates": [ANY_RATE] * LANES, "modes": [mode | 80 for mode in modes]}
    symbols = {"terms": dict.fromkeys(indices, (TRADED, 0xFFFFFFFF)), "trips": BREACHES}
    return lanes | symbols | {"order_value": 1 << 51}


class Segment:
    """What a TCP segment of a lane says, if its header can be read.

    at, payload_at: numbers of its first octet and of its payload's. payload: as far as the packet goes and the frame.
    some: the packet has payload.
    head: the octets before the IPv4 header. addresses: source and destination.
    """

    __slots__ = (
        "acknowledgment",
        "addresses",
        "at",
        "destination_port",
        "flags",
        "head",
        "payload",
        "payload_at",
        "port",
        "sequence",
        "some",
    )

    def __init__(self, octets: bytes, base: int, at: int, size: int, end: int):
        header = octets[at : at + 16]
        self.at, self.payload_at, self.payload = at, at + size, octets[at + size : end]
        self.some = end > at + size
        self.port, self.destination_port = header[0] << 8 | header[1], header[2] << 8 | header[3]
        self.sequence = int.from_bytes(header[4:8], "big")
        self.acknowledgment = int.from_bytes(header[8:12], "big")
        self.flags = header[13]
        self.head, self.addresses = octets[:base], octets[base + 12 : base + 20]


class Parsed:
    """A frame: `link` is its receive error, `net` what else is wrong up to the framing; 0 if nothing.

    lane: 0 to 7, 8 if none. messages: those of a lane's datagram, also behind a failure, as far as the frame goes.
    ports: number of the octet at which they begin, if they are there. segment: of a lane's TCP segment, if its header
    can be read. backward: the frame is of the return path; its lane is the one of the frames that it answers, and what
    there is of a runt is read as if zeros followed.
    """

    __slots__ = ("_backward", "lane", "length", "link", "messages", "net", "ports", "segment")

    def __init__(self, octets: bytes, error: bool, config: Config, lanes, backward: bool = False):
        self.length, self.lane, self.messages, self.net = len(octets), NO_LANE, [], 0
        self.segment, self.ports, self._backward = None, None, backward
        runt = self.length < SHORTEST
        if runt:
            self.link = RUNT
            if not backward:
                return
            octets = octets.ljust(SHORTEST, b"\0")
        at, vids = 12, b""
        ethertype = octets[12] << 8 | octets[13]
        while ethertype in _TAGS and at < 12 + 4 * MOST_TAGS:
            vids += bytes((octets[at + 2] & 0x0F, octets[at + 3]))
            at += 4
            ethertype = octets[at] << 8 | octets[at + 1]
        longest = LONGEST + at - 12
        if runt:
            pass
        elif error:
            self.link = RX_ERROR
        elif self.length > longest:
            self.link = GIANT
        else:
            self.link = 0 if crc32(octets) == GOOD_FCS else FCS
        if ethertype == _IPV4:
            self.net = self._ipv4(octets, at + 2, vids.ljust(4, b"\0"), longest, config, lanes)
        elif ethertype == _ARP:
            self.net = 0 if config.policy & 1 else int(Reason.POLICY)
        else:
            self.net = int(Reason.VLAN_DEPTH if ethertype in _TAGS else Reason.ETHERTYPE)

    def _ipv4(self, octets, base, vids, longest, config, lanes) -> int:
        """Return the lowest failure of the packet that begins at `base`."""
        size = 4 * (octets[base] & 0x0F)
        total = octets[base + 2] << 8 | octets[base + 3]
        room = len(octets) - base - 4
        fragment = (octets[base + 6] << 8 | octets[base + 7]) & (MORE_FRAGMENTS | FRAGMENT_OFFSET)
        protocol = octets[base + 9]
        readable = octets[base] >> 4 == 4 and 20 <= size <= total
        header = octets[base : base + size]
        failures = []
        if not readable or size > room or int.from_bytes(header, "big") % 0xFFFF or (size > 20 and options(header)):
            failures.append(Reason.IP_HEADER)
        if fragment:
            failures.append(Reason.FRAGMENT)
        if total > room:
            failures.append(Reason.IP_LENGTH)
        if protocol not in (_UDP, _TCP, _ICMP):
            failures.append(Reason.PROTOCOL)
        elif protocol == _ICMP:
            if not config.policy & 2:
                failures.append(Reason.POLICY)
        elif readable and not fragment and total - size >= 4:
            self.ports = ports = base + size
            self.lane = self._lane(vids, octets[base + 12 : base + 20], octets[ports : ports + 4], protocol, lanes)
            if self.lane == NO_LANE:
                failures.append(Reason.NO_LANE)
            elif protocol == _TCP:
                failures += self._tcp(octets, base, size, total)
            else:
                failures += self._udp(octets, base, size, total, longest, config)
        else:
            failures.append(Reason.NO_LANE)
        return int(failures[0]) if failures else 0

    def _lane(self, vids, addresses, ports, protocol, lanes) -> int:
        if self._backward:
            addresses, ports = addresses[4:] + addresses[:4], ports[2:] + ports[:2]
        if protocol == _TCP:
            return lanes[1].get(vids + addresses + ports[2:], NO_LANE)
        return lanes[0].get(vids + addresses + ports, NO_LANE)

    def _tcp(self, octets, base, size, total):
        """Return the failures of a lane's segment, in order."""
        failures = []
        at, end, left = base + size, base + total, total - size
        offset = 4 * (octets[at + 12] >> 4) if left >= 20 and at + 13 < len(octets) else 0
        if not 20 <= offset <= left:
            return [Reason.TCP_HEADER]
        if tcp_options(octets[at + 20 : at + offset]):
            failures.append(Reason.TCP_HEADER)
        self.segment = segment = Segment(octets, base, at, offset, end)
        flags, some = segment.flags, left > offset
        if (
            flags & URG
            or (flags & SYN and (some or flags & (FIN | RST | ACK)))
            or (flags & RST and (some or flags & FIN))
            or not flags & (SYN | RST | ACK)
        ):
            failures.append(Reason.TCP_FLAGS)
        whole = octets[at:end]
        sums = int.from_bytes(octets[base + 12 : base + 20], "big") + _TCP + left
        if (sums + (int.from_bytes(whole, "big") << 8 * (len(whole) & 1))) % 0xFFFF:
            failures.append(Reason.TCP_CHECKSUM)
        return failures

    def _udp(self, octets, base, size, total, longest, config):
        """Return the failures of a lane's datagram, in order, and read its messages."""
        failures = []
        udp, left = base + size, total - size
        segment = octets[udp : base + total]
        if left < 8 or int.from_bytes(segment[4:6], "big") != left:
            failures.append(Reason.UDP_LENGTH)
        sums = int.from_bytes(octets[base + 12 : base + 20], "big") + _UDP + left
        sums += int.from_bytes(segment, "big") << 8 * (len(segment) & 1)
        if segment[6:8] == b"\0\0" or sums % 0xFFFF:
            failures.append(Reason.UDP_CHECKSUM)
        # What is behind the end of the longest frame is not looked at but for one octet.
        if not self._walk(octets[: longest + 1], udp + 8, base + total, config):
            failures.append(Reason.FRAMING)
        return failures

    def _walk(self, octets, at, end, config) -> bool:
        """Read the packets in the octets from `at` to `end`; return whether they fill them exactly."""
        if at >= end:
            return False
        there, dialect = len(octets), config.dialect(self.lane)
        while at < end:
            if at + 3 > min(end, there):
                return False
            length, packet = octets[at] << 8 | octets[at + 1], octets[at + 2]
            behind = at + 2 + length
            if packet == _UNSEQUENCED:
                if length < 2:
                    return False
                message = octets[at + 3 : min(behind, end)]
                if message:
                    self.messages.append(Decoded(message, at + 3, length - 1, config, dialect))
            elif _FIXED.get(packet) != length:
                return False
            at = behind
        return at == end


def options(header: bytes) -> bool:
    """Tell whether the options of an IPv4 header are malformed or ask for a source route."""
    at = 20
    while at < len(header):
        option = header[at]
        if option == OPTION_END:
            return False
        if option == OPTION_NOP:
            at += 1
            continue
        if option in (OPTION_LSRR, OPTION_SSRR) or at + 1 >= len(header) or header[at + 1] < 2:
            return True
        at += header[at + 1]
        if at > len(header):
            return True
    return False


def tcp_options(octets: bytes) -> bool:
    """Tell whether the options of a TCP header are malformed, or one of them is MPTCP."""
    at = 0
    while at < len(octets):
        option = octets[at]
        if option == TCP_OPTION_END:
            return False
        if option == TCP_OPTION_NOP:
            at += 1
            continue
        if option == TCP_OPTION_MPTCP or at + 1 >= len(octets) or octets[at + 1] < 2:
            return True
        at += octets[at + 1]
        if at > len(octets):
            return True
    return False

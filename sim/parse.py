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
    EtherType,
    Protocol,
)
from hdl.wire.ouch import HIGHEST_PRICE, LENGTHS, MOST_SHARES, ORDERS, TAG_VALUES, Message, Side
from hdl.wire.ufo import FIXED, Packet
from hdl.wire.verdict import NO_LANE, Reason

GOOD_FCS = 0x2144DF1C  # crc32 over a frame with its FCS, low octet first
PRICE_COMPLETE = 26  # octets of an Enter up to its price: the budgets are asked then

_TAGS = frozenset(int(tag) for tag in TAGS)
_SIDES = frozenset(int(side) for side in Side)
_LENGTHS = {int(kind): (length.full, length.bare) for kind, length in LENGTHS.items()}
_ORDERS = frozenset(int(kind) for kind in ORDERS)
_FIXED = {int(packet): length for packet, length in FIXED.items()}
_REFUSED = {"pegged": Reason.PEGGED, "channel": Reason.CHANNEL}
# For each message and tag it may carry: octets of the value, and why an order with it is refused.
_TAG_VALUES = {
    (int(kind), number): (tag.size, _REFUSED[tag.refused] if tag.refused and kind in ORDERS else 0)
    for number, tag in TAG_VALUES.items()
    for kind in tag.messages
}
# As plain integers: comparing and counting them is most of what the model does.
RUNT, RX_ERROR, GIANT, FCS = (int(r) for r in (Reason.RUNT, Reason.RX_ERROR, Reason.GIANT, Reason.FCS))
_ENTER, _REPLACE, _UNSEQUENCED = int(Message.ENTER), int(Message.REPLACE), int(Packet.UNSEQUENCED)
_MESSAGE = int(Reason.MESSAGE)
_UDP, _TCP, _ICMP = int(Protocol.UDP), int(Protocol.TCP), int(Protocol.ICMP)
_IPV4, _ARP, _BUY = int(EtherType.IPV4), int(EtherType.ARP), int(Side.BUY)


@dataclass
class Config:
    """What the host has loaded. Everything starts as after reset: nothing passes."""

    policy: int = 0  # bit 0 ARP passes, bit 1 ICMP passes
    lanes: list[bytes] = field(default_factory=lambda: [bytes(16)] * 8)  # LANE_KEY octets
    enabled: int = 0  # lanes, bits 7..0
    order_size: int = 0  # largest quantity of one order
    symbols: dict[bytes, int] = field(default_factory=dict)  # 8 octets to index
    limits: dict[tuple[int, bool], int] = field(default_factory=dict)  # (index, buy) to shares
    gross_limits: list[int] = field(default_factory=lambda: [0] * 9)  # lanes 0 to 7, the firm; 10^-4 dollars

    def lane_of(self) -> dict[bytes, int]:
        """Return the lane of each key: the first one of several."""
        return {self.lanes[lane]: lane for lane in reversed(range(8)) if self.enabled >> lane & 1}


class Decoded:
    """One message of a datagram.

    at: number of its type octet. length: in octets, as framed. whole: the frame holds all of it. reason: the lowest
    failure that its octets and the directory show, 0 if none. malformed: that is MESSAGE. priced: an Enter with its
    price, of which the budgets are asked. early: and not reserved because its fields are bad. index: None when it is
    not in the directory.
    """

    __slots__ = (
        "at",
        "buy",
        "early",
        "enter",
        "index",
        "length",
        "malformed",
        "order",
        "price",
        "priced",
        "quantity",
        "reason",
        "user_ref",
        "whole",
    )

    def __init__(self, octets: bytes, at: int, length: int, config: Config):
        kind = octets[0]
        self.at, self.length = at, length
        self.whole = len(octets) == length
        self.enter, self.order = kind == _ENTER, kind in _ORDERS
        self.index, self.early, self.buy = None, True, False
        self.user_ref = self.quantity = self.price = 0
        self.reason = shape(octets) if self.whole else _MESSAGE
        self.malformed = self.reason == _MESSAGE
        if not self.malformed:
            first = 5 if kind == _REPLACE else 1
            self.user_ref = int.from_bytes(octets[first : first + 4], "big")
        self.priced = self.enter and len(octets) >= PRICE_COMPLETE
        if self.priced:
            self._fields(octets, config)
            self.early |= length < _LENGTHS[_ENTER][0]

    def _fields(self, octets, config):
        """Take what only an Enter has."""
        quantity, price = int.from_bytes(octets[6:10], "big"), int.from_bytes(octets[18:26], "big")
        self.buy = octets[5] == _BUY
        self.quantity, self.price = quantity, price
        self.index = config.symbols.get(octets[10:18])
        if octets[5] not in _SIDES:
            failure = Reason.SIDE
        elif not 0 < quantity <= MOST_SHARES:
            failure = Reason.QUANTITY
        elif quantity > config.order_size:
            failure = Reason.ORDER_SIZE
        elif not price:
            failure = Reason.PRICE
        elif price > HIGHEST_PRICE:
            failure = Reason.MARKET
        else:
            failure = 0
        self.early = bool(failure)
        if not self.reason:
            self.reason = int(Reason.SYMBOL if self.index is None else failure)


def shape(octets: bytes) -> int:
    """Return why a message as such is wrong or refused: MESSAGE, REPLACE, PEGGED, CHANNEL, or 0."""
    kind, length = octets[0], len(octets)
    if kind not in _LENGTHS:
        return _MESSAGE
    full, bare = _LENGTHS[kind]
    refused = 0
    if length != bare:
        if length < full or int.from_bytes(octets[full - 2 : full], "big") != length - full:
            return _MESSAGE
        at = full
        while at < length:  # TagValues: length of tag and value, tag, value
            size = octets[at]
            if not size or at + 1 + size > length:
                return _MESSAGE
            known = _TAG_VALUES.get((kind, octets[at + 1]))
            if known is None or size != 1 + known[0]:
                return _MESSAGE
            if known[1] and (not refused or known[1] < refused):
                refused = int(known[1])
            at += 1 + size
    return int(Reason.REPLACE) if kind == _REPLACE else refused


class Parsed:
    """A frame: `link` is its receive error, `net` what else is wrong up to the framing; 0 if nothing.

    lane: 0 to 7, 8 if none. messages: those of a lane's datagram, also behind a failure, as far as the frame goes.
    """

    __slots__ = ("lane", "length", "link", "messages", "net")

    def __init__(self, octets: bytes, error: bool, config: Config, lanes: dict[bytes, int]):
        self.length, self.lane, self.messages, self.net = len(octets), NO_LANE, [], 0
        if self.length < SHORTEST:
            self.link = RUNT
            return
        at, vids = 12, b""
        ethertype = octets[12] << 8 | octets[13]
        while ethertype in _TAGS and at < 12 + 4 * MOST_TAGS:
            vids += bytes((octets[at + 2] & 0x0F, octets[at + 3]))
            at += 4
            ethertype = octets[at] << 8 | octets[at + 1]
        longest = LONGEST + at - 12
        if error:
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
            ports = base + size
            key = vids + octets[base + 12 : base + 20] + octets[ports : ports + 4]
            self.lane = lanes.get(key, NO_LANE)
            if self.lane == NO_LANE:
                failures.append(Reason.NO_LANE)
            elif protocol == _TCP:
                failures.append(Reason.TCP_HEADER)
            else:
                failures += self._udp(octets, base, size, total, longest, config)
        else:
            failures.append(Reason.NO_LANE)
        return int(failures[0]) if failures else 0

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
        there = len(octets)
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
                    self.messages.append(Decoded(message, at + 3, length - 1, config))
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

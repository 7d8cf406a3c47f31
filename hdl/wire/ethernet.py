"""Ethernet, VLAN tags, ARP, IPv4, UDP and TCP: layouts and the limits of a frame (IEEE 802.3, RFC 791, 768, 9293)."""

from enum import IntEnum

from hdl.wire.format import Format

PREAMBLE, START = 0x55, 0xD5
PREAMBLE_OCTETS = 8  # seven of preamble and the start delimiter
GAP_OCTETS = 12  # smallest gap that the filter leaves between two frames
SHORTEST = 64  # octets with FCS; fewer are a runt
LONGEST = 1518  # octets with FCS, and 4 more for each VLAN tag; more are a giant
FCS_OCTETS = 4

ETHERNET = Format("ethernet", "big", "destination:6:a", "source:6:a", "ethertype:2")
VLAN = Format("vlan", "big", "control:2", "ethertype:2")  # control: bits 15..13 priority, 12 DEI, 11..0 VID
IPV4 = Format(
    "ipv4", "big", "version_ihl:1", "dscp:1", "length:2", "identification:2", "fragment:2", "ttl:1", "protocol:1",
    "checksum:2", "source:4", "destination:4",
)  # fmt: skip
UDP = Format("udp", "big", "source:2", "destination:2", "length:2", "checksum:2")
TCP = Format(
    "tcp", "big", "source:2", "destination:2", "sequence:4", "acknowledgment:4", "offset:1", "flags:1", "window:2",
    "checksum:2", "urgent:2",
)  # fmt: skip


class EtherType(IntEnum):
    """What follows the addresses or a tag."""

    IPV4 = 0x0800
    ARP = 0x0806
    TAG = 0x8100  # 802.1Q
    SERVICE_TAG = 0x88A8  # 802.1ad
    OLD_TAG = 0x9100


TAGS = (EtherType.TAG, EtherType.SERVICE_TAG, EtherType.OLD_TAG)
MOST_TAGS = 2


class Protocol(IntEnum):
    """IPv4 protocol numbers that the filter tells apart."""

    ICMP = 1
    TCP = 6
    UDP = 17


MORE_FRAGMENTS, FRAGMENT_OFFSET = 0x2000, 0x1FFF
OPTION_END, OPTION_NOP, OPTION_LSRR, OPTION_SSRR = 0, 1, 131, 137  # IPv4 options; the source routes are refused


class TcpFlag(IntEnum):
    """Bit numbers of TCP's flags."""

    FIN = 0
    SYN = 1
    RST = 2
    PSH = 3
    ACK = 4
    URG = 5


TCP_OPTION_END, TCP_OPTION_NOP, TCP_OPTION_MPTCP = 0, 1, 30  # the last one is refused

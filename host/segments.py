"""TCP segments and the frames that carry them on a lane. The headers below TCP are Scapy's, made once a direction."""

import struct
from typing import NamedTuple

from hdl.wire import ethernet
from hdl.wire.ethernet import TcpFlag
from host import frames
from host.config import Lane

FIN, SYN, RST, PSH, ACK = (1 << flag for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.PSH, TcpFlag.ACK))
MOST_PAYLOAD = 1460  # octets in a packet of 1500


class Segment(NamedTuple):
    """What one end says to the other; `flags` are bits, options a multiple of 4 octets."""

    sequence: int
    acknowledgment: int
    flags: int
    window: int = 0xFFFF
    payload: bytes = b""
    options: bytes = b""

    @property
    def end(self) -> int:
        """Sequence number behind it: SYN and FIN count as an octet each."""
        octets = len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)
        return (self.sequence + octets) % (1 << 32)


class Path:
    """One direction of a connection on a lane: from its server, or back to it. `port` is the server's."""

    def __init__(self, lane: Lane, port: int, *, to_server: bool = False):
        self._head = bytes(frames.network(lane, to_server=to_server))
        ports = (lane.destination_port, port) if to_server else (port, lane.destination_port)
        self._ports = {"source": ports[0], "destination": ports[1]}

    def pack(self, segment: Segment) -> bytes:
        """Return the frame with FCS."""
        header = ethernet.TCP.pack(
            **self._ports, sequence=segment.sequence, acknowledgment=segment.acknowledgment, flags=segment.flags,
            offset=(ethernet.TCP.size + len(segment.options)) // 4 << 4, window=segment.window, checksum=0, urgent=0,
        )  # fmt: skip
        text = header + segment.options + segment.payload
        link, packet = self._head[: -ethernet.IPV4.size], bytearray(self._head[-ethernet.IPV4.size :])
        struct.pack_into(">H", packet, ethernet.IPV4["length"].offset, len(packet) + len(text))
        packet[ethernet.IPV4["protocol"].offset] = ethernet.Protocol.TCP
        _put(packet, ethernet.IPV4["checksum"].offset, 0)
        _put(packet, ethernet.IPV4["checksum"].offset, checksum(packet))
        body = bytearray(text)
        pseudo = packet[ethernet.IPV4["source"].offset :] + struct.pack(">HH", ethernet.Protocol.TCP, len(text))
        _put(body, ethernet.TCP["checksum"].offset, checksum(pseudo + body))
        return frames.close_frame(link + packet + body)


def unpack(frame: bytes) -> tuple[bytes, int, bytes, int, Segment] | None:
    """Return (source, source port, destination, destination port, segment) of a TCP frame with FCS, else None.

    None also where a checksum is wrong, or a length impossible: what a kernel would drop.
    """
    at = frames.packet_at(frame, ethernet.Protocol.TCP)
    if at is None or not frames.has_good_fcs(frame):
        return None
    size = 4 * (frame[at] & 0xF)
    packet = frame[at : at + int.from_bytes(frame[at + 2 : at + 4], "big")]
    source, destination = packet[12:16], packet[16:20]
    text = packet[size:]
    if checksum(packet[:size]) or len(text) < ethernet.TCP.size:
        return None
    if checksum(source + destination + struct.pack(">HH", ethernet.Protocol.TCP, len(text)) + text):
        return None
    v = {name: int(value) for name, value in ethernet.TCP.unpack(text).items()}
    begin = v["offset"] >> 4 << 2
    if not ethernet.TCP.size <= begin <= len(text):
        return None
    segment = Segment(
        v["sequence"], v["acknowledgment"], v["flags"], v["window"], text[begin:], text[ethernet.TCP.size : begin]
    )
    return source, v["source"], destination, v["destination"], segment


def checksum(octets: bytes | bytearray) -> int:
    """Return the Internet checksum (RFC 1071); 0 when the octets hold their own and it is right.

    The words are digits to the base of 65,536, and their sum with end-around carry is the number modulo 65,535.
    """
    return -int.from_bytes(octets + bytes(len(octets) % 2), "big") % 0xFFFF


def _put(octets: bytearray, at: int, value: int) -> None:
    struct.pack_into(">H", octets, at, value)

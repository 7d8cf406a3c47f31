"""Order frames at rate: a Scapy packet becomes a template, numpy fills in what varies.

UDP checksum and FCS are not computed anew but from the template's, since both are linear in what varies: the checksum
is a sum (RFC 1624), the CRC-32 a sum modulo 2 of one table entry for each octet.
"""

import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hdl.wire import ethernet, ouch, ufo
from hdl.wire.format import Format
from host.config import Lane

if TYPE_CHECKING:
    from host.layers import Packet

Octets = NDArray[np.uint8]
EXCHANGE_MAC = "02:00:00:00:09:01"
RESIDUE = 0x2144DF1C  # zlib.crc32 over a whole frame whose FCS is right


class Template:
    """Frames that are equal but for some fields of their UDP payload.

    Parameters
    ----------
    frame : bytes
        A frame without FCS, its UDP checksum right. Its varying fields are overwritten.
    datagram : int
        Offset of the UDP header.
    fields : mapping of name to (offset, size)
        What varies, in octets from the frame's start.
    """

    def __init__(self, frame: bytes, datagram: int, fields: Mapping[str, tuple[int, int]]):
        self.fields = dict(fields)
        self._sum_at = datagram + ethernet.UDP["checksum"].offset
        base = bytearray(frame.ljust(ethernet.SHORTEST - ethernet.FCS_OCTETS, b"\0"))
        varying = sorted(at for offset, size in fields.values() for at in range(offset, offset + size))
        weights = [1 if (at - datagram) % 2 else 256 for at in varying]
        wire_sum = int.from_bytes(base[self._sum_at : self._sum_at + 2], "big")
        total = 0xFFFF - wire_sum
        for at, weight in zip(varying, weights, strict=True):
            total += (0xFFFF - weight * base[at] % 0xFFFF) % 0xFFFF  # take the octet out again
            base[at] = 0
        base[self._sum_at : self._sum_at + 2] = b"\0\0"
        self._base_sum = np.uint32(total % 0xFFFF)
        self._template = np.frombuffer(bytes(base) + bytes(4), np.uint8)
        self._varying = np.array(varying)
        self._weights = np.array(weights, np.uint32)
        self._base_crc = np.uint32(zlib.crc32(base))
        self._tables = {at: _crc_table(len(base), at) for at in (*varying, self._sum_at, self._sum_at + 1)}

    @property
    def size(self) -> int:
        """Octets of a frame, with FCS."""
        return len(self._template)

    def build(self, count: int, **values: NDArray[np.generic]) -> Octets:
        """Return `count` frames with FCS, one a row.

        Every varying field is given: an array of integers, or of octet strings of the field's size.
        """
        if values.keys() != self.fields.keys():
            raise ValueError(f"varying fields are {sorted(self.fields)}, not {sorted(values)}")
        frames: Octets = np.empty((count, self.size), np.uint8)
        frames[:] = self._template
        for name, (offset, size) in self.fields.items():
            value = values[name]
            if value.dtype.kind != "S":
                value = value.astype(f">u{size}")
            elif value.dtype.itemsize != size:
                raise ValueError(f"{name} takes {size} octets, not {value.dtype.itemsize}")
            frames[:, offset : offset + size] = np.ascontiguousarray(value).view(np.uint8).reshape(count, size)

        total = frames[:, self._varying].astype(np.uint32) @ self._weights + self._base_sum
        total = (total & 0xFFFF) + (total >> 16)
        total = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
        total[total == 0] = 0xFFFF  # 0 would say that there is no checksum
        frames[:, self._sum_at] = total >> 8
        frames[:, self._sum_at + 1] = total & 0xFF

        columns = np.ascontiguousarray(frames.T)
        crc = np.full(count, self._base_crc)
        for at, table in self._tables.items():
            crc ^= table[columns[at]]
        frames[:, -4:] = crc.astype("<u4").view(np.uint8).reshape(count, 4)
        return frames


def enter_template(lane: Lane) -> Template:
    """Return the template of one Enter Order a datagram: user_ref, side, quantity, symbol, price, order_id vary."""
    from host import layers

    return _template(lane, layers.Enter(), ouch.ENTER, ("user_ref", "side", "quantity", "symbol", "price", "order_id"))


def cancel_template(lane: Lane) -> Template:
    """Return the template of one Cancel a datagram; user_ref and quantity (what stays) vary."""
    from host import layers

    return _template(lane, layers.Cancel(), ouch.CANCEL, ("user_ref", "quantity"))


def packed_template(lane: Lane, orders: int) -> Template:
    """Return the template of `orders` Enter Orders in one datagram; user_ref_0, quantity_0, user_ref_1 ... vary."""
    from host import layers

    step = ufo.LENGTH.size + 1 + ouch.ENTER.size
    fields = {}
    for number in range(orders):
        for name in ("user_ref", "side", "quantity", "symbol", "price", "order_id"):
            field = ouch.ENTER[name]
            fields[f"{name}_{number}"] = (number * step + ufo.LENGTH.size + 1 + field.offset, field.size)
    return over_udp(lane, layers.datagram(*[layers.Enter()] * orders), fields)


def _template(lane: Lane, message: "Packet", form: Format, names: Iterable[str]) -> Template:
    from host import layers

    begin = ufo.LENGTH.size + 1
    fields = {name: (begin + form[name].offset, form[name].size) for name in names}
    return over_udp(lane, layers.Ufo() / message, fields)


def over_udp(
    lane: Lane, payload: "Packet", fields: Mapping[str, tuple[int, int]], *, to_server: bool = False
) -> Template:
    """Return the template of a datagram on a lane; `fields` are (offset, size) in its payload."""
    frame = bytes(packet(lane, payload, to_server=to_server))
    tags = (lane.vlan != 0) + (lane.inner_vlan != 0)
    datagram = ethernet.ETHERNET.size + tags * ethernet.VLAN.size + ethernet.IPV4.size
    begin = datagram + ethernet.UDP.size
    return Template(frame, datagram, {name: (begin + at, size) for name, (at, size) in fields.items()})


def packet(lane: Lane, payload: "Packet", *, to_server: bool = False) -> "Packet":
    """Return the Scapy packet that carries `payload` on a UDP lane, from its server or, with `to_server`, to it."""
    from host import layers

    ports = [lane.source_port, lane.destination_port]
    sport, dport = reversed(ports) if to_server else ports
    return network(lane, to_server=to_server) / layers.UDP(sport=sport, dport=dport) / payload


def network(lane: Lane, *, to_server: bool = False) -> "Packet":
    """Return the Scapy packet of a lane's Ethernet, tags and IP, from its server or, with `to_server`, to it."""
    from host import layers

    server = f"02:00:00:00:01:{lane.number:02x}"
    here, there = (server, EXCHANGE_MAC) if not to_server else (EXCHANGE_MAC, server)
    link = layers.Ether(src=here, dst=there)
    if lane.inner_vlan:
        link = link / layers.Dot1AD(vlan=lane.vlan) / layers.Dot1Q(vlan=lane.inner_vlan)
    elif lane.vlan:
        link = link / layers.Dot1Q(vlan=lane.vlan)
    ends = [lane.source, lane.destination]
    source, destination = reversed(ends) if to_server else ends
    return link / layers.IP(src=source, dst=destination, id=0, flags="DF")


def close_frame(frame: bytes) -> bytes:
    """Return a frame padded to 60 octets and closed by its FCS."""
    padded = frame.ljust(ethernet.SHORTEST - ethernet.FCS_OCTETS, b"\0")
    return padded + zlib.crc32(padded).to_bytes(4, "little")


def has_good_fcs(frame: bytes) -> bool:
    return zlib.crc32(frame) == RESIDUE


def udp_payload(frame: bytes) -> tuple[bytes, int, bytes, int, bytes] | None:
    """Return (source, source port, destination, destination port, payload) of a UDP frame with FCS, else None.

    Trusts the lengths in it: for frames of our own that came back.
    """
    at = packet_at(frame, ethernet.Protocol.UDP)
    if at is None:
        return None
    source, destination = frame[at + 12 : at + 16], frame[at + 16 : at + 20]
    at += 4 * (frame[at] & 0xF)
    header = ethernet.UDP.unpack(frame, at)
    ports = int(header["source"]), int(header["destination"])
    payload = frame[at + ethernet.UDP.size : at + int(header["length"])]
    return source, ports[0], destination, ports[1], payload


def packet_at(frame: bytes, protocol: ethernet.Protocol) -> int | None:
    """Return where a frame's IPv4 packet of a protocol begins, None if it holds none."""
    at = ethernet.ETHERNET.size - 2
    while int.from_bytes(frame[at : at + 2], "big") in ethernet.TAGS:
        at += ethernet.VLAN.size
    at += 2
    if int.from_bytes(frame[at - 2 : at], "big") != ethernet.EtherType.IPV4:
        return None
    return at if frame[at + ethernet.IPV4["protocol"].offset] == protocol else None


def packets(payload: bytes) -> list[tuple[int, bytes]]:
    """Return (type, message) of each UFO packet in a datagram's payload."""
    found = []
    at = 0
    while at + ufo.LENGTH.size < len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        found.append((payload[at + 2], payload[at + 3 : at + 2 + length]))
        at += 2 + length
    return found


def lane_key(lane: Lane) -> tuple[bytes, int]:
    """Return what tells a lane's frames apart from the other lanes' at the exchange: its source."""
    return ipaddress.IPv4Address(lane.source).packed, lane.source_port


def _crc_table(size: int, at: int) -> NDArray[np.uint32]:
    """Return what each value of octet `at` adds to the CRC-32 of `size` octets."""
    nothing = zlib.crc32(bytes(size))
    table = np.zeros(256, np.uint32)
    for bit in range(8):
        octets = bytearray(size)
        octets[at] = 1 << bit
        table[1 << bit : 2 << bit] = table[: 1 << bit] ^ np.uint32(zlib.crc32(octets) ^ nothing)
    return table

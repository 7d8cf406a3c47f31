"""Scapy layers for UFO and OUCH, made from hdl.wire's formats. Importing this imports Scapy (half a second).

Scapy is the specification of every frame that the host sends; `host.frames` turns its packets into templates.
"""

from typing import Any

from scapy.fields import ByteField, Field, IntField, LongField, ShortField, StrFixedLenField
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from hdl.wire import ouch, ufo
from hdl.wire.format import Format

INTEGERS: dict[int, type[Field]] = {1: ByteField, 2: ShortField, 4: IntField, 8: LongField}


class AlphaField(StrFixedLenField):  # type: ignore[misc]
    """Octets on the left, spaces on the right."""

    def i2m(self, packet: Any, value: bytes) -> bytes:
        return value.ljust(self.length_from(packet))


def layer(form: Format, *, before: tuple[Field, ...] = (), **defaults: Any) -> type[Packet]:
    """Return a Scapy layer with the fields of a format; fields not in `defaults` are 0 or spaces."""
    fields = list(before)
    for field in form:
        if field.alpha:
            fields.append(AlphaField(field.name, defaults.get(field.name, b""), length=field.size))
        else:
            fields.append(INTEGERS[field.size](field.name, defaults.get(field.name, 0)))
    return type(form.name, (Packet,), {"name": form.name, "fields_desc": fields})


Enter = layer(
    ouch.ENTER, type=ouch.Message.ENTER, side=ouch.Side.BUY, time_in_force=b"3", display=b"Y", capacity=b"P",
    sweep=b"N", cross=b"N",
)  # fmt: skip
Replace = layer(ouch.REPLACE, type=ouch.Message.REPLACE, time_in_force=b"3", display=b"Y", sweep=b"N")
Cancel = layer(ouch.CANCEL, type=ouch.Message.CANCEL)
Modify = layer(ouch.MODIFY, type=ouch.Message.MODIFY, side=ouch.Side.SHORT)
MassCancel = layer(ouch.MASS_CANCEL, type=ouch.Message.MASS_CANCEL)
Disable = layer(ouch.DISABLE, type=ouch.Message.DISABLE)
Enable = layer(ouch.ENABLE, type=ouch.Message.ENABLE)
Query = layer(ouch.QUERY, type=ouch.Message.QUERY)


class Ufo(Packet):  # type: ignore[misc]
    """One length-prefixed packet of a UFO datagram, client to server; the payload is one OUCH message."""

    name = "ufo"
    fields_desc = [ShortField("length", None), ByteField("type", ufo.Packet.UNSEQUENCED)]

    def post_build(self, header: bytes, payload: bytes) -> bytes:
        if self.length is None:
            header = ufo.LENGTH.pack(length=1 + len(payload)) + header[2:]
        return header + payload


def datagram(*messages: Packet) -> Packet:
    """Return the payload of a datagram with one unsequenced packet for each message."""
    return Raw(b"".join(bytes(Ufo() / message) for message in messages))


__all__ = [
    "ARP", "IP", "UDP", "Cancel", "Disable", "Dot1AD", "Dot1Q", "Enable", "Enter", "Ether", "MassCancel", "Modify",
    "Packet", "Query", "Raw", "Replace", "Ufo", "datagram", "layer",
]  # fmt: skip

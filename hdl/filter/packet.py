"""The IPv4 packet of a frame as it passes: what `Headers` shows to the readers of UDP and of TCP."""

from amaranth.lib import wiring
from amaranth.lib.wiring import Out

# As `Headers` drives it; all of it belongs to the octet of the same cycle. The packet ends where its total length says
# so: padding and FCS are in neither part. Both parts may be cut by the end of the frame.
Packet = wiring.Signature(
    {
        "octet": Out(8),
        "header": Out(1),  # the octet is of the IPv4 header
        "inner": Out(1),  # the octet is of what the packet carries
        "place": Out(6),  # its number there, modulo 64
        "deep": Out(1),  # of `inner`: not one of the first eight octets
        "left": Out(16),  # octets of the packet from this one on; from octet 4 of the header on
        "whole": Out(1),  # the last octet has passed
        "end": Out(1),  # the end of the frame: no state outlives it
    }
)

"""UFO 1.0: SoupBinTCP's length-prefixed packets in a UDP datagram (one or more a datagram), client to server.

Source: reference of the project, section 5.2; read in one implementation, no second source.
"""

from enum import IntEnum

from hdl.wire.format import Format

LENGTH = Format("ufo_length", "big", "length:2")  # octets that follow: type and payload, at least 1


class Packet(IntEnum):
    """Packet types that a client sends."""

    LOGIN = ord("L")
    RETRANSMIT = ord("T")
    UNSEQUENCED = ord("U")  # carries one order-entry message
    HEARTBEAT = ord("R")
    LOGOFF = ord("O")


# Length field (type and payload) of the packets that have only one; an unsequenced packet is 1 + message.
FIXED = {Packet.LOGIN: 27, Packet.RETRANSMIT: 7, Packet.HEARTBEAT: 1, Packet.LOGOFF: 1}
LOGIN = Format("ufo_login", "big", "user:6:a", "password:10:a", "session:10:a")
RETRANSMIT = Format("ufo_retransmit", "big", "sequence:4", "count:2")

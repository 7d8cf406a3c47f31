"""SoupBinTCP 3.00: length-prefixed packets in a TCP stream (22 Feb 2017; read in the specification's text).

A packet may begin and end anywhere in a segment, also between the two octets of its length.
"""

from enum import IntEnum

from hdl.wire.format import Format

LENGTH = Format("soup_length", "big", "length:2")  # octets that follow: type and payload, 1 to LONGEST
LONGEST = 0x7FFF  # longer ones break peers that take the length for a signed number


class Client(IntEnum):
    """Packet types that a client sends."""

    DEBUG = ord("+")  # free text
    LOGIN = ord("L")
    UNSEQUENCED = ord("U")  # carries one order-entry message
    HEARTBEAT = ord("R")
    LOGOUT = ord("O")


class Server(IntEnum):
    """Packet types that a server sends."""

    DEBUG = ord("+")
    ACCEPTED = ord("A")
    REJECTED = ord("J")
    SEQUENCED = ord("S")  # carries one message; its number is counted by both ends
    UNSEQUENCED = ord("U")
    HEARTBEAT = ord("H")
    END = ord("Z")


# Length field (type and payload) of the packets that have only one.
CLIENT_FIXED = {Client.LOGIN: 47, Client.HEARTBEAT: 1, Client.LOGOUT: 1}
SERVER_FIXED = {Server.ACCEPTED: 31, Server.REJECTED: 2, Server.HEARTBEAT: 1, Server.END: 1}
LOGIN = Format("soup_login", "big", "user:6:a", "password:10:a", "session:10:a", "sequence:20:a")
ACCEPTED = Format("soup_accepted", "big", "session:10:a", "sequence:20:a")
NUMBER_DIGITS = 9  # of a sequence number that the filter counts with; in front of them only spaces and zeros
FILLER = ord(" ")  # what a neutralised order is overwritten with, behind its type DEBUG

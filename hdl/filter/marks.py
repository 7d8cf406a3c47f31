"""The marks that travel with the octets of a frame through the buffer, and what the history keeps of them."""

from amaranth.lib import enum


class Mark(enum.Enum, shape=3):
    """What an octet is. An order begins in a frame when its packet's type and its OUCH type are both in it."""

    OTHER = 0  # header, padding, FCS
    CHECK_HIGH = 1  # the TCP checksum
    CHECK_LOW = 2
    PLAIN = 3  # payload
    ORDER = 4  # of an order that begins in this frame, from its packet type on
    BODY = 5  # to be sent as a space: of an order overwritten before
    TYPE = 6  # to be sent as the type of a Debug packet
    OLD_ORDER = 7  # of an order that has left, or that began in an earlier frame: never overwritten


PAYLOAD = (Mark.PLAIN, Mark.ORDER, Mark.BODY, Mark.TYPE, Mark.OLD_ORDER)


class Past(enum.Enum, shape=2):
    """What became of an octet that has left."""

    PLAIN = 0
    ORDER = 1  # left as it came
    BODY = 2  # left as a space
    TYPE = 3  # left as the type of a Debug packet

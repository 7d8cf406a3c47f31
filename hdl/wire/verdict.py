"""Why a frame or an order did not leave: the reasons, in order of evaluation."""

from enum import IntEnum


class Reason(IntEnum):
    """Reasons in order of evaluation: of a frame's failures the lowest number counts.

    Within a datagram the first failing message counts, and of its failures the lowest number.
    """

    PASSED = 0
    # Receive errors: the frame belongs to no lane.
    RUNT = 1  # fewer than 64 octets, whatever else is wrong
    RX_ERROR = 2  # rx_er during the frame or its preamble
    GIANT = 3  # more than 1518 octets and 4 for each VLAN tag
    FCS = 4
    # Drops of a frame that belongs to no lane, or not yet.
    OVERFLOW = 5  # the frame buffer or its descriptor queue was full
    ETHERTYPE = 6  # neither IPv4 nor ARP
    VLAN_DEPTH = 7  # more than two tags
    IP_HEADER = 8  # version, header length, total length below it, checksum, options malformed or source routed
    FRAGMENT = 9  # more fragments, or an offset
    IP_LENGTH = 10  # the total length reaches into the FCS or beyond the frame
    PROTOCOL = 11  # neither UDP, TCP nor ICMP
    POLICY = 12  # ARP or ICMP while the policy does not allow it
    NO_LANE = 13  # UDP or TCP that no configured lane owns
    # Drops of a lane's frame.
    TCP = 14  # TCP on a lane: not supported yet
    UDP_LENGTH = 15  # differs from what the IP header leaves, or below 8
    UDP_CHECKSUM = 16  # wrong, or 0 (none)
    FRAMING = 17  # empty datagram, packet of length 0, unknown type or wrong length, truncated last packet
    # Drops for a message.
    KILLED = 18  # an order of a killed lane, at the verdict or at the egress gate
    MESSAGE = 19  # unknown type, wrong length, malformed appendage
    REPLACE = 20  # refused until chains of orders are tracked
    PEGGED = 21  # option tag 6, 7, 9, 10 or 11
    CHANNEL = 22  # option tag 28 in an order
    SYMBOL = 23  # not in the directory
    BLOCKED = 24  # the symbol's block is latched
    SIDE = 25  # not B, S, T or E
    QUANTITY = 26  # 0, or above 999,999
    ORDER_SIZE = 27  # above the largest order size
    PRICE = 28  # 0
    MARKET = 29  # above $199,999.9900
    POSITION = 30  # exposure budget of the symbol and side; the breach blocks the symbol
    LANE_GROSS = 31  # gross notional of the lane; the breach kills the lane
    FIRM_GROSS = 32  # gross notional of the firm; the breach kills the firm
    BUSY = 33  # the risk engine had not decided in time (a gap far below 12 octet times)
    # Not a frame's reason.
    SIBLING = 34  # orders only: another message of the datagram failed
    ABORTED = 35  # left with an inverted FCS and tx_er: the kill came while it was leaving


RECEIVE_ERRORS = (Reason.RUNT, Reason.RX_ERROR, Reason.GIANT, Reason.FCS)
LAST_WITHOUT_LANE = Reason.NO_LANE  # reasons up to this one are counted in the row of no lane

LANES = 8
NO_LANE = 8  # row of frames that belong to no lane
FIRM = 8  # row of the firm in the tables of gross notional


class Source(IntEnum):
    """What asked for a kill, as bit numbers of the cause register."""

    RESET = 0  # power-up or reset: every lane starts killed
    LOOP = 1
    SERIAL = 2
    WATCHDOG = 3
    BREACH = 4
    FAULT = 5


class Refusal(IntEnum):
    """Why an arm command was refused; the lowest that holds is reported."""

    NONE = 0
    LOOP_OPEN = 1
    FAULT = 2
    CONFIG = 3  # the CRC-32 of the configuration in the board is not the one the host confirms
    WATCHDOG = 4  # no heartbeat within the time-out, or no time-out set
    NONCE = 5  # not the nonce last given, or used already
    BUSY = 6  # a table is being cleared

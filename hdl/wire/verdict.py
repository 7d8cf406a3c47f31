"""Why a frame or an order did not leave: the reasons, in order of evaluation."""

from enum import IntEnum


class Reason(IntEnum):
    """Reasons in order of evaluation: of a frame's failures the lowest number counts.

    Within a frame the first failing message counts, and of its failures the lowest number.
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
    UDP_LENGTH = 14  # differs from what the IP header leaves, or below 8
    UDP_CHECKSUM = 15  # wrong, or 0 (none)
    TCP_HEADER = 16  # data offset below 5 or beyond the packet, options malformed, MPTCP
    TCP_FLAGS = 17  # URG; SYN with payload, FIN, RST or ACK; RST with payload or FIN; none of SYN, RST and ACK
    TCP_CHECKSUM = 18
    FENCED = 19  # the lane's fence is latched: an arm clears it, and then only a new SYN opens a session
    NO_SESSION = 20  # no session is open, or another source port's
    ROLLED_BACK = 21  # a frame of the lane that was accepted before this one did not leave
    GAP = 22  # octets before it are missing
    OLD = 23  # begins below the exchange's last ACK, or a FIN before the end of what was accepted
    IN_FLIGHT = 24  # repeats octets that have not left yet
    WINDOW = 25  # more would be unacknowledged than the history holds
    HISTORY = 26  # repeats octets, but others: fences the lane
    FINISHED = 27  # goes on behind a FIN: fences the lane
    FRAMING = (
        28  # UDP: empty datagram or truncated packet; packet of length 0, unknown type or wrong length; TCP: fences
    )
    # Drops for a message; on a TCP lane an order is stopped, and its frame goes on, as the lane's action says.
    KILLED = 29  # an order of a killed lane, at the verdict or at the egress gate
    MESSAGE = 30  # unknown type, wrong length, malformed appendage; TCP: fences
    REPLACE = 31  # the lane may send none (OUCH 4.2, or no evidence), or no order of that number is open
    PEGGED = 32  # option tag 6, 7, 9, 10 or 11 in an order; 27 in a Replace
    CHANNEL = 33  # option tag 28 in an order
    TAG = 34  # the first four octets of its ClOrdID (4.2: of its token) are not the lane's build tag
    DUPLICATE = 35  # UserRefNum (4.2: the last four octets of the token) not above all that the lane let go
    SYMBOL = 36  # not in the directory
    RESTRICTED = 37  # the symbol may not be traded
    BLOCKED = 38  # the symbol's block is latched, or an order before it in the TCP frame breached a limit
    SIDE = 39  # not B, S, T or E
    SHORT = 40  # side T or E, and the symbol may not be sold short
    QUANTITY = 41  # 0, or above 999,999
    ORDER_SIZE = 42  # above the largest order size
    PRICE = 43  # 0
    MARKET = 44  # above $199,999.9900
    COLLAR = 45  # below the symbol's lowest price or above its highest
    ORDER_VALUE = 46  # quantity times price above the largest order value
    PARENT = 47  # its parent is unknown, of another symbol or side, not the replaced order's, or has fewer shares left
    CHILDREN = 48  # its parent has had all the children it may have
    RATE = 49  # sooner than the lane's rate allows
    POSITION = 50  # the position that the symbol and side could come to
    LANE_GROSS = 51  # gross notional of the lane
    FIRM_GROSS = 52  # gross notional of the firm
    FULL = 53  # no room among the open orders, or its number is one of theirs, or a Replace of its order is pending
    BUSY = 54  # not decided in time (a gap far below 12 octet times), or a Replace that is cut or too long for it
    # Not a verdict's reason.
    ABORTED = 55  # left with an inverted FCS and tx_er: the kill came while it was leaving
    SIBLING = 56  # orders only: another message of the frame failed


class Action(IntEnum):
    """What becomes of a TCP lane's orders that are to be stopped. A UDP lane drops the datagram."""

    NEUTRALISE = 0  # the order is overwritten in place, the frame goes on
    FENCE = 1  # the frame is dropped, RSTs go to both ends, nothing passes until the lane is armed
    STARVE = 2  # the frame is dropped, and retransmitted later: a baseline, for measuring only
    CUT = 3  # while the lane is killed nothing of it passes; any lane


class Trip(IntEnum):
    """What an order that fails a check brings about, beside being stopped itself."""

    NONE = 0
    SYMBOL = 1  # its symbol is blocked, if it is in the directory
    LANE = 2  # its lane is killed
    FIRM = 3  # every lane is


FIRST_TRIP, LAST_TRIP = Reason.TAG, Reason.FIRM_GROSS  # reasons that have one

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
    EVIDENCE = 6  # a report of the exchange contradicts what is known of open orders: every lane


class Refusal(IntEnum):
    """Why an arm command was refused; the lowest that holds is reported."""

    NONE = 0
    LOOP_OPEN = 1
    FAULT = 2
    CONFIG = 3  # the CRC-32 of the configuration in the board is not the one the host confirms
    WATCHDOG = 4  # no heartbeat within the time-out, or no time-out set
    NONCE = 5  # not the nonce last given, or used already
    BUSY = 6  # a table is being cleared

"""The record of the event log: eight 32-bit words."""

from enum import IntEnum

from hdl.wire.format import Format

EVENT = Format(
    "event", "little", "sequence:4", "kind:1", "lane:1", "reason:1", "count:1", "at:8", "user_ref:4", "symbol:4",
    "quantity:4", "price:4",
)  # fmt: skip
WORDS = 8
NO_SYMBOL = 0xFFFF  # none, one that is not in the directory, or of an order that was never checked


class Kind(IntEnum):
    """Kinds of event. Fields a kind does not name are 0; `at` is `now`, in cycles."""

    GAP = 0  # events were lost: user_ref = how many; their sequence numbers were never given
    DROP = 1  # a lane's frame dropped: lane, reason, count = its orders; the last four are the failing message's
    ABORT = 2  # lane's frame aborted on the egress: lane, reason KILLED, count = its orders
    KILL = 3  # lanes newly killed: reason = source (the lowest of several), user_ref = lanes
    ARM = 4  # user_ref = lanes opened
    ARM_REFUSED = 5  # reason = Refusal
    BLOCK = 6  # symbol blocked by a breach of its limit: lane, symbol
    CLEAR = 7  # net positions, exposure and gross notional were zeroed, open orders forgotten
    CONFIG = 8  # CONFIG_BEGIN was written
    NEUTRALISE = 9  # orders of a lane's frame overwritten: lane, reason, count = orders; the last four: the first one's
    FENCE = 10  # as DROP, and the lane is fenced
    SESSION = 11  # the exchange accepted a new session: lane, user_ref = source port
    EVIDENCE_LOST = 12  # from here on a lane's reports are not known: lane, reason = Loss
    CONTRADICTION = 13  # a report: lane, reason = Contradiction, user_ref, quantity; what can matter kills every lane


class Contradiction(IntEnum):
    """How a report contradicts what is known of open orders."""

    UNKNOWN = 1  # of an order that is not known; that it has become less kills nothing
    OUT_OF_TURN = 2  # a Replaced of what is not pending, or of what is pending anything but its answer
    ABOVE = 3  # of more shares than are open


class Loss(IntEnum):
    """Why a lane's evidence is lost: what the exchange reports to it can't be booked any more."""

    PACKET = 1  # SoupBinTCP: unknown type, wrong length, no number in a login, or out of place
    MESSAGE = 2  # a report of unknown type or wrong length
    SKIPPED = 3  # a login skipped numbers, or they have come to an end
    OVERRUN = 4  # octets came faster than they were read

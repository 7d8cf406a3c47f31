"""What becomes of a segment whose messages were judged: kept, dropped or fenced, and which of its orders are stopped.

Part of the golden model.
"""

from typing import NamedTuple

from hdl.wire.verdict import Action, Reason
from sim.soup import Item

KILLED, MESSAGE, BLOCKED, BUSY = (int(Reason[name]) for name in ("KILLED", "MESSAGE", "BLOCKED", "BUSY"))
MOST_RUNS = 31  # orders of a segment with a bit of their own: those behind are stopped


class Ruling(NamedTuple):
    """reason: 0 when the segment is kept; failing: the item that it comes from. orders: that are counted. stopped:
    the orders to be overwritten, and why, in a segment that is kept."""

    reason: int
    fence: bool
    failing: Item | None
    orders: int
    stopped: list[tuple[Item, int]]


def rule(judged: list[tuple[Item, int]], killed: bool, action: int) -> Ruling:
    """Rule on the items of a segment, each with the reason found for it by itself, 0 if none."""
    fencing, stopped, orders = None, [], 0
    for item, own in judged:
        reason = KILLED if killed and item.order else own
        # One that goes on is counted where it ends, or where it is stopped.
        orders += item.order and (item.message.whole or (bool(reason) and not item.continued))
        if not reason:
            continue
        if item.continued or action in (Action.FENCE, Action.CUT):
            fencing = fencing or (reason, item)
        elif own == MESSAGE:
            fencing = fencing or (MESSAGE, item)
        elif own == BUSY and not item.message.whole and not killed:  # one too many, and it can't be overwritten whole
            fencing = fencing or (BUSY, item)
        else:
            stopped.append((item, reason))
    if fencing:
        return Ruling(fencing[0], True, fencing[1], orders, [])
    if stopped and action == Action.STARVE:
        return Ruling(stopped[0][1], False, stopped[0][0], orders, [])
    return Ruling(0, False, None, orders, stopped)

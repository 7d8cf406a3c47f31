"""OUCH 5.0, exchange to client: the reports (Nasdaq, revision 1.04), each the payload of one sequenced packet.

The letters mean other things than from the client: the direction comes from the port. `timestamp` is in nanoseconds
since midnight. Where an appendage follows, `appendage` is its length; a report that ends with its appendage only if the
order used UserRefIdx is declared without it.
"""

from enum import IntEnum

from hdl.wire.format import Format
from hdl.wire.ouch import Length


class Report(IntEnum):
    """Message types that an exchange sends."""

    SYSTEM = ord("S")
    ACCEPTED = ord("A")
    REPLACED = ord("U")
    CANCELED = ord("C")
    AIQ_CANCELED = ord("D")
    EXECUTED = ord("E")
    BROKEN = ord("B")
    REJECTED = ord("J")
    CANCEL_PENDING = ord("P")
    CANCEL_REJECT = ord("I")
    PRIORITY = ord("T")
    MODIFIED = ord("M")
    RESTATED = ord("R")
    MASS_CANCEL = ord("X")
    DISABLED = ord("G")
    ENABLED = ord("K")
    QUERIED = ord("Q")


SYSTEM = Format("ouch_system", "big", "type:1", "timestamp:8", "event:1:a")
ACCEPTED = Format(
    "ouch_accepted", "big", "type:1", "timestamp:8", "user_ref:4", "side:1", "quantity:4", "symbol:8:a", "price:8",
    "time_in_force:1:a", "display:1:a", "order:8", "capacity:1:a", "sweep:1:a", "cross:1:a", "state:1:a",
    "order_id:14:a", "appendage:2",
)  # fmt: skip
REPLACED = Format(
    "ouch_replaced", "big", "type:1", "timestamp:8", "original_ref:4", "user_ref:4", "side:1", "quantity:4",
    "symbol:8:a", "price:8", "time_in_force:1:a", "display:1:a", "order:8", "capacity:1:a", "sweep:1:a", "cross:1:a",
    "state:1:a", "order_id:14:a", "appendage:2",
)  # fmt: skip
CANCELED = Format("ouch_canceled", "big", "type:1", "timestamp:8", "user_ref:4", "quantity:4", "reason:1:a")
AIQ_CANCELED = Format(
    "ouch_aiq_canceled", "big", "type:1", "timestamp:8", "user_ref:4", "quantity:4", "reason:1:a", "prevented:4",
    "price:8", "liquidity:1:a", "strategy:1:a",
)  # fmt: skip
EXECUTED = Format(
    "ouch_executed", "big", "type:1", "timestamp:8", "user_ref:4", "quantity:4", "price:8", "liquidity:1:a", "match:8",
    "appendage:2",
)  # fmt: skip
BROKEN = Format("ouch_broken", "big", "type:1", "timestamp:8", "user_ref:4", "match:8", "reason:1:a", "order_id:14:a")
REJECTED = Format("ouch_rejected", "big", "type:1", "timestamp:8", "user_ref:4", "reason:2", "order_id:14:a")
CANCEL_PENDING = Format("ouch_cancel_pending", "big", "type:1", "timestamp:8", "user_ref:4")
CANCEL_REJECT = Format("ouch_cancel_reject", "big", "type:1", "timestamp:8", "user_ref:4")
PRIORITY = Format(
    "ouch_priority", "big", "type:1", "timestamp:8", "user_ref:4", "price:8", "display:1:a", "order:8"
)  # fmt: skip
MODIFIED = Format("ouch_modified", "big", "type:1", "timestamp:8", "user_ref:4", "side:1", "quantity:4")
RESTATED = Format("ouch_restated", "big", "type:1", "timestamp:8", "user_ref:4", "reason:1:a", "appendage:2")
MASS_CANCEL = Format(
    "ouch_mass_cancel_response", "big", "type:1", "timestamp:8", "user_ref:4", "firm:4:a", "symbol:8:a", "appendage:2"
)
DISABLED = Format("ouch_disabled", "big", "type:1", "timestamp:8", "user_ref:4", "firm:4:a", "appendage:2")
ENABLED = Format("ouch_enabled", "big", "type:1", "timestamp:8", "user_ref:4", "firm:4:a", "appendage:2")
QUERIED = Format("ouch_queried", "big", "type:1", "timestamp:8", "user_ref:4")


class Reject(IntEnum):
    """Reasons of a Rejected, of those worth knowing."""

    SIDE = 0x0009
    QUANTITY = 0x0013
    SYMBOL = 0x0017
    PRICE = 0x001D


def form(kind: int) -> Format:
    """Return the layout of a report by its type. Raises ValueError when there is none."""
    found = globals()[Report(kind).name]
    assert isinstance(found, Format)
    return found


def _length(kind: Report) -> Length:
    size = form(kind).size
    if any(field.name == "appendage" for field in form(kind)):
        return Length(size)
    return Length(size + 2, bare=size)


LENGTHS = {kind: _length(kind) for kind in Report if kind != Report.SYSTEM}  # which has one length
DEAD = ord("D")  # state of an order that was accepted or replaced, and is not live

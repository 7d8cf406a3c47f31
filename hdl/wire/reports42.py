"""OUCH 4.2, exchange to client: the reports, each of one length (read in two dissectors that agree).

Letters and lengths of 4.0 and 4.1 (Price Correction, an Accepted without BBO weight) are unknown here.
"""

from enum import IntEnum

from hdl.wire.format import Format


class Report(IntEnum):
    """Message types that an exchange sends."""

    SYSTEM = ord("S")
    ACCEPTED = ord("A")
    REPLACED = ord("U")
    CANCELED = ord("C")
    AIQ_CANCELED = ord("D")
    EXECUTED = ord("E")
    REFERENCED = ord("G")
    CORRECTED = ord("F")
    BROKEN = ord("B")
    REJECTED = ord("J")
    CANCEL_PENDING = ord("P")
    CANCEL_REJECT = ord("I")
    PRIORITY = ord("T")
    MODIFIED = ord("M")


SYSTEM = Format("ouch42_system", "big", "type:1", "timestamp:8", "event:1:a")
ACCEPTED = Format(
    "ouch42_accepted", "big", "type:1", "timestamp:8", "token:14:a", "side:1", "quantity:4", "symbol:8:a", "price:4",
    "time_in_force:4", "firm:4:a", "display:1:a", "order:8", "capacity:1:a", "sweep:1:a", "min_quantity:4", "cross:1:a",
    "state:1:a", "weight:1:a",
)  # fmt: skip
REPLACED = Format(
    "ouch42_replaced", "big", "type:1", "timestamp:8", "token:14:a", "side:1", "quantity:4", "symbol:8:a", "price:4",
    "time_in_force:4", "firm:4:a", "display:1:a", "order:8", "capacity:1:a", "sweep:1:a", "min_quantity:4", "cross:1:a",
    "state:1:a", "original:14:a", "weight:1:a",
)  # fmt: skip
CANCELED = Format("ouch42_canceled", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "reason:1:a")
AIQ_CANCELED = Format(
    "ouch42_aiq_canceled", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "reason:1:a", "prevented:4",
    "price:4", "liquidity:1:a",
)  # fmt: skip
EXECUTED = Format(
    "ouch42_executed", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "price:4", "liquidity:1:a", "match:8"
)  # fmt: skip
REFERENCED = Format(
    "ouch42_referenced", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "price:4", "liquidity:1:a",
    "match:8", "reference_price:4", "reference_type:1:a",
)  # fmt: skip
CORRECTED = Format(
    "ouch42_corrected", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "price:4", "liquidity:1:a",
    "match:8", "reason:1:a",
)  # fmt: skip
BROKEN = Format("ouch42_broken", "big", "type:1", "timestamp:8", "token:14:a", "match:8", "reason:1:a")
REJECTED = Format("ouch42_rejected", "big", "type:1", "timestamp:8", "token:14:a", "reason:1:a")
CANCEL_PENDING = Format("ouch42_cancel_pending", "big", "type:1", "timestamp:8", "token:14:a")
CANCEL_REJECT = Format("ouch42_cancel_reject", "big", "type:1", "timestamp:8", "token:14:a")
PRIORITY = Format(
    "ouch42_priority", "big", "type:1", "timestamp:8", "token:14:a", "price:4", "display:1:a", "order:8"
)  # fmt: skip
MODIFIED = Format("ouch42_modified", "big", "type:1", "timestamp:8", "token:14:a", "side:1", "quantity:4")


def form(kind: int) -> Format:
    """Return the layout of a report by its type. Raises ValueError when there is none."""
    found = globals()[Report(kind).name]
    assert isinstance(found, Format)
    return found

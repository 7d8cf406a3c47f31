"""OUCH 4.2, exchange to client: the reports that are emulated (read in two dissectors that agree).

Types and times are those of `hdl.wire.reports`; an order is named by its token.
"""

from hdl.wire.format import Format
from hdl.wire.reports import Report

ACCEPTED = Format(
    "ouch42_accepted", "big", "type:1", "timestamp:8", "token:14:a", "side:1", "quantity:4", "symbol:8:a", "price:4",
    "time_in_force:4", "firm:4:a", "display:1:a", "order:8", "capacity:1:a", "sweep:1:a", "min_quantity:4", "cross:1:a",
    "state:1:a", "weight:1:a",
)  # fmt: skip
CANCELED = Format("ouch42_canceled", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "reason:1:a")
EXECUTED = Format(
    "ouch42_executed", "big", "type:1", "timestamp:8", "token:14:a", "quantity:4", "price:4", "liquidity:1:a", "match:8"
)
REJECTED = Format("ouch42_rejected", "big", "type:1", "timestamp:8", "token:14:a", "reason:1:a")


def form(kind: int) -> Format:
    """Return the layout of a report by its type. Raises ValueError when there is none."""
    found = globals().get(Report(kind).name)
    if not isinstance(found, Format):
        raise ValueError(f"no OUCH 4.2 layout of a report of type {chr(kind)!r}")
    return found

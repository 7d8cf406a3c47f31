"""OUCH 4.2, client to exchange: an older dialect of fixed lengths (read in two dissectors that agree)."""

from enum import IntEnum

from hdl.wire.format import Format


class Message(IntEnum):
    """Message types that a client sends. Trade Now (N) is in one of the two dissectors only: unknown here."""

    ENTER = ord("O")
    REPLACE = ord("U")
    CANCEL = ord("X")
    MODIFY = ord("M")


ORDERS = (Message.ENTER, Message.REPLACE)
MARKET_HOURS = 99_998  # a time in force

ENTER = Format(
    "ouch42_enter", "big", "type:1", "token:14:a", "side:1", "quantity:4", "symbol:8:a", "price:4", "time_in_force:4",
    "firm:4:a", "display:1:a", "capacity:1:a", "sweep:1:a", "min_quantity:4", "cross:1:a", "customer:1:a",
)  # fmt: skip
REPLACE = Format(
    "ouch42_replace", "big", "type:1", "original:14:a", "token:14:a", "quantity:4", "price:4", "time_in_force:4",
    "display:1:a", "sweep:1:a", "min_quantity:4",
)  # fmt: skip
CANCEL = Format("ouch42_cancel", "big", "type:1", "token:14:a", "quantity:4")
MODIFY = Format("ouch42_modify", "big", "type:1", "token:14:a", "side:1", "quantity:4")
LENGTHS = {
    Message.ENTER: ENTER.size,
    Message.REPLACE: REPLACE.size,
    Message.CANCEL: CANCEL.size,
    Message.MODIFY: MODIFY.size,
}

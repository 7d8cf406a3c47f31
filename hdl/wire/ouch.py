"""OUCH 5.0, client to exchange: messages, appendages and option tags (Nasdaq, revision 1.04)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from hdl.wire.format import Format


class Message(IntEnum):
    """Message types that a client sends."""

    ENTER = ord("O")
    REPLACE = ord("U")
    CANCEL = ord("X")
    MODIFY = ord("M")
    MASS_CANCEL = ord("C")
    DISABLE = ord("D")
    ENABLE = ord("E")
    QUERY = ord("Q")


ORDERS = (Message.ENTER, Message.REPLACE, Message.ENABLE)  # what can create or enlarge exposure
NUMBERED = (*ORDERS, Message.MASS_CANCEL, Message.DISABLE)  # whose UserRefNum is new, and above all before it

ENTER = Format(
    "ouch_enter", "big", "type:1", "user_ref:4", "side:1", "quantity:4", "symbol:8:a", "price:8", "time_in_force:1:a",
    "display:1:a", "capacity:1:a", "sweep:1:a", "cross:1:a", "order_id:14:a", "appendage:2",
)  # fmt: skip
REPLACE = Format(
    "ouch_replace", "big", "type:1", "original_ref:4", "user_ref:4", "quantity:4", "price:8", "time_in_force:1:a",
    "display:1:a", "sweep:1:a", "order_id:14:a", "appendage:2",
)  # fmt: skip
CANCEL = Format("ouch_cancel", "big", "type:1", "user_ref:4", "quantity:4")
MODIFY = Format("ouch_modify", "big", "type:1", "user_ref:4", "side:1", "quantity:4")
MASS_CANCEL = Format("ouch_mass_cancel", "big", "type:1", "user_ref:4", "firm:4:a", "symbol:8:a", "appendage:2")
DISABLE = Format("ouch_disable", "big", "type:1", "user_ref:4", "firm:4:a", "appendage:2")
ENABLE = Format("ouch_enable", "big", "type:1", "user_ref:4", "firm:4:a", "appendage:2")
QUERY = Format("ouch_query", "big", "type:1")


@dataclass(frozen=True)
class Length:
    """Octets of a message without its TagValues.

    `full` counts the 2 octets of the appendage length; `bare` is the form without them, where there is one.
    """

    full: int
    bare: int | None = None


LENGTHS = {
    Message.ENTER: Length(47),
    Message.REPLACE: Length(40),
    Message.CANCEL: Length(11, bare=9),
    Message.MODIFY: Length(12, bare=10),
    Message.MASS_CANCEL: Length(19),
    Message.DISABLE: Length(11),
    Message.ENABLE: Length(11),
    Message.QUERY: Length(3, bare=1),
}


class Side(IntEnum):
    """Sides of an order. All but BUY sell."""

    BUY = ord("B")
    SELL = ord("S")
    SHORT = ord("T")
    SHORT_EXEMPT = ord("E")


MOST_SHARES = 999_999
HIGHEST_PRICE = 1_999_999_900  # $199,999.9900; anything above is a market order

Refusal = Literal["pegged", "channel"]


@dataclass(frozen=True)
class Tag:
    """An option tag: octets of its value, the messages that may carry it, why an order with it is refused."""

    name: str
    size: int
    messages: tuple[Message, ...]
    refused: Refusal | None = None


_ENTER, _BOTH = (Message.ENTER,), (Message.ENTER, Message.REPLACE)
_ALL = tuple(Message)
# A TagValue is: length (1 + octets of the value), tag, value.
TAG_VALUES = {
    2: Tag("firm", 4, _ENTER),
    3: Tag("min_quantity", 4, _BOTH),
    4: Tag("customer_type", 1, _ENTER),
    5: Tag("max_floor", 4, _BOTH),
    6: Tag("price_type", 1, _BOTH, "pegged"),
    7: Tag("peg_offset", 4, _BOTH, "pegged"),
    9: Tag("discretion_price", 8, _BOTH, "pegged"),
    10: Tag("discretion_price_type", 1, _BOTH, "pegged"),
    11: Tag("discretion_peg_offset", 4, _BOTH, "pegged"),
    12: Tag("post_only", 1, _BOTH),
    13: Tag("random_reserves", 4, _BOTH),
    15: Tag("expire_time", 4, _BOTH),
    16: Tag("trade_now", 1, _BOTH),
    17: Tag("handle_inst", 1, _BOTH),
    24: Tag("group_id", 2, (Message.ENTER, Message.MASS_CANCEL)),
    25: Tag("shares_located", 1, (Message.ENTER, Message.REPLACE, Message.MODIFY)),
    26: Tag("locate_broker", 4, (Message.ENTER, Message.REPLACE, Message.MODIFY)),
    27: Tag("side", 1, (Message.REPLACE, Message.MASS_CANCEL), "pegged"),
    28: Tag("user_ref_index", 1, _ALL, "channel"),
}

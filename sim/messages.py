"""What the octets of one order-entry message say, in either dialect of OUCH. Part of the golden model.

Written from the rules, not from the gateware.
"""

from collections.abc import Callable
from typing import NamedTuple

from hdl.wire import ouch, ouch42
from hdl.wire.ouch import HIGHEST_PRICE, MOST_SHARES, TAG_VALUES, Message, Side
from hdl.wire.verdict import Reason

_SIDES = frozenset(int(side) for side in Side)
_BUY = int(Side.BUY)
_LENGTHS = {int(kind): (length.full, length.bare) for kind, length in ouch.LENGTHS.items()}
_LENGTHS_42 = {int(kind): length for kind, length in ouch42.LENGTHS.items()}
_REFUSED = {"pegged": Reason.PEGGED, "channel": Reason.CHANNEL}
# For each message and tag it may carry: octets of the value, and why an order with it is refused.
_TAG_VALUES = {
    (int(kind), number): (tag.size, _REFUSED[tag.refused] if tag.refused and kind in ouch.ORDERS else 0)
    for number, tag in TAG_VALUES.items()
    for kind in tag.messages
}
_ENTER, _REPLACE = int(Message.ENTER), int(Message.REPLACE)
_MESSAGE = int(Reason.MESSAGE)
NEVER = 1 << 32  # octets
_REPLACES = range(_LENGTHS[_REPLACE][0], 132)  # octets of a Replace that is looked up


def shape_replaceable(octets: bytes) -> int:
    """Return why an OUCH 5.0 message as such is wrong or refused: MESSAGE, PEGGED, CHANNEL, or 0."""
    kind, length = octets[0], len(octets)
    if kind not in _LENGTHS:
        return _MESSAGE
    full, bare = _LENGTHS[kind]
    refused = 0
    if length != bare:
        if length < full or int.from_bytes(octets[full - 2 : full], "big") != length - full:
            return _MESSAGE
        at = full
        while at < length:  # TagValues: length of tag and value, tag, value
            size = octets[at]
            if not size or at + 1 + size > length:
                return _MESSAGE
            known = _TAG_VALUES.get((kind, octets[at + 1]))
            if known is None or size != 1 + known[0]:
                return _MESSAGE
            if known[1] and (not refused or known[1] < refused):
                refused = int(known[1])
            at += 1 + size
    return refused


def shape(octets: bytes) -> int:
    """The same where no order can be replaced: a Replace that is not wrong is refused for REPLACE."""
    reason = shape_replaceable(octets)
    return int(Reason.REPLACE) if octets[0] == _REPLACE and reason != _MESSAGE else reason


def shape42(octets: bytes) -> int:
    """The same for OUCH 4.2, whose messages have one length each: MESSAGE, REPLACE, or 0."""
    if _LENGTHS_42.get(octets[0]) != len(octets):
        return _MESSAGE
    return int(Reason.REPLACE) if octets[0] == _REPLACE else 0


class Places(NamedTuple):
    """Where an Enter and a Replace have what both have."""

    tag: slice
    parent: slice
    quantity: slice
    price: slice


class Dialect(NamedTuple):
    """Where orders have their fields, and what is one. ENTER and REPLACE have the same letters in both."""

    shape: Callable[[bytes], int]
    orders: frozenset[int]
    numbered: frozenset[int]  # whose number must rise
    enter: Places
    side: int
    symbol: slice
    named: int  # place of the `user_ref`; and in a Replace
    replaced: int
    waits: int  # cycles from an Enter's price until the budgets are asked: the symbol may come just before it
    replace: Places | None = None  # of a Replace, where orders can be replaced


ORIGINAL = slice(1, 5)  # of a Replace that may be let go: the number of the order to be replaced
OUCH50 = Dialect(
    shape,
    frozenset(b"OUE"),
    frozenset(b"OUECD"),
    Places(slice(31, 35), slice(35, 39), slice(6, 10), slice(18, 26)),
    5,
    slice(10, 18),
    1,
    5,
    0,
)
REPLACEABLE = OUCH50._replace(
    shape=shape_replaceable,
    replace=Places(slice(24, 28), slice(28, 32), slice(9, 13), slice(13, 21)),
)
OUCH42 = Dialect(
    shape42,
    frozenset(b"OU"),
    frozenset(b"OU"),
    Places(slice(1, 5), slice(5, 9), slice(16, 20), slice(28, 32)),
    15,
    slice(20, 28),
    11,
    25,
    1,
)


class Decoded:
    """One message.

    at: number of its type octet in the frame; below 0 or wrong for one that began in an earlier frame, for which
    `continued` is true. length: in octets, as framed. whole: its last octet is there. reason: why it is wrong or
    refused as such, 0 if it is not. malformed: that is MESSAGE, or no field is told. replaces: it is a Replace that may
    be let go. original: number of the order that this is to replace, None if it is not there, or the message is too
    short or too long. priced: that, or an Enter, with its price, in place `complete`, of which the budgets are asked
    when `ready`. failure: the lowest one of its fields by themselves; tag, number and symbol have something to be
    compared with. index: None when it is not in the directory, or of a Replace as long as what it replaces is not
    known; likewise `buy`. user_ref, tag: of OUCH 4.2, the last and the first four octets of the token. parent: the four
    octets behind the tag; in place `named` all of them are there, or NEVER.
    """

    __slots__ = (
        "at",
        "buy",
        "complete",
        "continued",
        "failure",
        "index",
        "length",
        "malformed",
        "named",
        "numbered",
        "order",
        "original",
        "parent",
        "price",
        "priced",
        "quantity",
        "ready",
        "reason",
        "replaces",
        "short",
        "tag",
        "user_ref",
        "whole",
    )

    def __init__(self, octets: bytes, at: int, length: int, config, dialect: Dialect = OUCH50, continued: bool = False):
        kind = octets[0]
        self.at, self.length, self.continued = at, length, continued
        self.whole = len(octets) == length
        self.replaces, self.order = kind == _REPLACE and dialect.replace is not None, kind in dialect.orders
        self.numbered = kind in dialect.numbered
        self.index, self.buy, self.short, self.failure, self.tag, self.parent = None, False, False, 0, b"", b""
        self.user_ref = self.quantity = self.price = 0
        there, places = len(octets), dialect.replace if self.replaces else dialect.enter
        self.original = None
        if self.replaces and there >= ORIGINAL.stop and length in _REPLACES:
            self.original = int.from_bytes(octets[ORIGINAL], "big")
        self.complete = places.price.stop
        self.named = places.parent.stop if there >= places.parent.stop else NEVER
        self.ready = self.complete + dialect.waits
        self.reason = dialect.shape(octets) if self.whole else _MESSAGE
        self.malformed = self.reason == _MESSAGE
        if not self.malformed:
            first = dialect.replaced if kind == _REPLACE else dialect.named
            self.user_ref = int.from_bytes(octets[first : first + 4], "big")
        self.priced = (self.replaces or kind == _ENTER) and there >= self.complete
        if self.priced:
            self._fields(octets, config, places)
        if self.priced and not self.replaces:
            self._of_enter(octets, config, dialect)

    def _of_enter(self, octets, config, dialect):
        """Take what only an Enter has."""
        side = octets[dialect.side]
        self.buy, self.short = side == _BUY, side in b"TE"
        self.index = config.symbols.get(octets[dialect.symbol])
        if side not in _SIDES:
            self.failure = int(Reason.SIDE)

    def _fields(self, octets, config, places):
        """Take what an Enter and a Replace have."""
        quantity, price = int.from_bytes(octets[places.quantity], "big"), int.from_bytes(octets[places.price], "big")
        self.quantity, self.price = quantity, price
        self.tag, self.parent = octets[places.tag], octets[places.parent]
        if not 0 < quantity <= MOST_SHARES:
            self.failure = int(Reason.QUANTITY)
        elif quantity > config.order_size:
            self.failure = int(Reason.ORDER_SIZE)
        elif not price:
            self.failure = int(Reason.PRICE)
        elif price > HIGHEST_PRICE:
            self.failure = int(Reason.MARKET)

"""The decoder of OUCH messages: the fields of an order, and what is wrong with a message."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.appendage import Appendage
from hdl.wire.ouch import ENTER, HIGHEST_PRICE, LENGTHS, MOST_SHARES, ORDERS, REPLACE, Message, Side

_LAST_PLACE = 63


class Order(wiring.Component):
    """Reads messages octet by octet and keeps the fields of an Enter for the checks that follow.

    Let s0 be the cycle in which the type of a message is on the stream, so that its octet i comes in s0 + i. There is
    no backpressure: octets come every cycle, and at least three cycles lie between two messages. A message that
    the end of the frame cuts never has a ``message_end``. Of a message that is no Enter, the fields and checks of an
    Enter have no meaning.

    Members
    -------
    message_octet, message_valid, message_first, message_last, message_left, message_short, end : In
        The stream of `Framer`, and the frame's end.
    order_size : In(32)
        The largest quantity of one order.
    is_enter, is_order : Out(1)
        From s0 + 1 to the next message. Enter, Replace and Enable are orders.
    user_ref, quantity, buy, price : Out(32), Out(32), Out(1), Out(32)
        As they come in, complete one cycle after their last octet, until the same field of the next message.
        Of a Replace ``user_ref`` is the new one; of a price it is the low half (``market`` covers the high one).
    symbol_octet, symbol_valid, symbol_first : Out(8), Out(1), Out(1)
        The symbol of an Enter, octet by octet in s0 + 11 to s0 + 18.
    price_ready : Out(1)
        In s0 + 26 of an Enter that is at least so long.
    bad_side, bad_quantity, over_size, zero_price, market : Out(1)
        The checks on an Enter's fields; right from s0 + 27 to the next message's fields.
    early : Out(1)
        One of these, or the Enter is too short; right from s0 + 27.
    message_end : Out(1)
        One cycle after the message's last octet, whatever is wrong with it.
    bad_message, replace, pegged, channel : Out(1)
        Unknown type, wrong length or malformed appendage; a Replace; an Enter or Enable with a tag that is refused.
        Right with ``message_end`` and two cycles longer; `pegged` and `channel` only if the message is not bad.
    """

    message_octet: In(8)
    message_valid: In(1)
    message_first: In(1)
    message_last: In(1)
    message_left: In(16)
    message_short: In(1)
    end: In(1)
    order_size: In(32)
    is_enter: Out(1)
    is_order: Out(1)
    user_ref: Out(32)
    quantity: Out(32)
    buy: Out(1)
    price: Out(32)
    symbol_octet: Out(8)
    symbol_valid: Out(1)
    symbol_first: Out(1)
    price_ready: Out(1)
    bad_side: Out(1)
    bad_quantity: Out(1)
    over_size: Out(1)
    zero_price: Out(1)
    market: Out(1)
    early: Out(1)
    message_end: Out(1)
    bad_message: Out(1)
    replace: Out(1)
    pegged: Out(1)
    channel: Out(1)

    def elaborate(self, platform):
        m = Module()
        octet, valid, first, last = self.message_octet, self.message_valid, self.message_first, self.message_last

        place = Signal(range(_LAST_PLACE + 1))  # number of the octet that is here; stops at the last
        kinds = Signal(len(Message))  # the type, one bit each; none if unknown
        with m.If(valid):
            with m.If(place != _LAST_PLACE):
                m.d.sync += place.eq(place + 1)
        with m.If(last | self.end):
            m.d.sync += place.eq(0)
        with m.If(first):
            m.d.sync += kinds.eq(Cat(octet == message for message in Message))

        kind = {message: kinds[number] for number, message in enumerate(Message)}
        m.d.comb += [
            self.is_enter.eq(kind[Message.ENTER]),
            self.is_order.eq(Cat(kind[order] for order in ORDERS).any()),
            self.replace.eq(kind[Message.REPLACE]),
        ]
        m.d.sync += self.message_end.eq(last)
        self._fields(m, place, kind)
        self._checks(m, place)
        self._length(m, place, kind)
        return m

    def _fields(self, m, place, kind):
        octet, valid = self.message_octet, self.message_valid

        def within(field):
            return (place >= field.offset) & (place < field.offset + field.size)

        renamed = kind[Message.REPLACE] & within(REPLACE["user_ref"])
        with m.If(valid & (within(ENTER["user_ref"]) | renamed)):
            m.d.sync += self.user_ref.eq(Cat(octet, self.user_ref))
        with m.If(valid & within(ENTER["quantity"])):
            m.d.sync += self.quantity.eq(Cat(octet, self.quantity))
        with m.If(valid & within(ENTER["price"])):
            m.d.sync += self.price.eq(Cat(octet, self.price))
        with m.If(self.message_first):
            m.d.sync += self.user_ref.eq(0)

        symbol, price = ENTER["symbol"], ENTER["price"]
        m.d.sync += [
            self.symbol_octet.eq(octet),
            self.symbol_valid.eq(valid & self.is_enter & within(symbol)),
            self.symbol_first.eq(valid & self.is_enter & (place == symbol.offset)),
            self.price_ready.eq(valid & self.is_enter & (place == price.offset + price.size - 1)),
        ]

    def _checks(self, m, place):
        octet, valid = self.message_octet, self.message_valid
        with m.If(valid & (place == ENTER["side"].offset)):
            m.d.sync += self.bad_side.eq(~Cat(octet == side for side in Side).any())
            m.d.sync += self.buy.eq(octet == Side.BUY)

        # Each half of the price, and each limit, is compared by itself.
        high, none = Signal(), Signal()  # some octet of the high half; no octet at all is other than 0
        with m.If(valid & (place == ENTER["price"].offset)):
            m.d.sync += [high.eq(octet != 0), none.eq(octet == 0)]
        with m.Elif(valid & (place > ENTER["price"].offset) & (place < ENTER["price"].offset + 8)):
            m.d.sync += none.eq(none & (octet == 0))
            with m.If(place < ENTER["price"].offset + 4):
                m.d.sync += high.eq(high | (octet != 0))
        m.d.sync += [
            self.over_size.eq(self.quantity > self.order_size),
            self.bad_quantity.eq((self.quantity == 0) | (self.quantity > MOST_SHARES)),
            self.market.eq(high | (self.price > HIGHEST_PRICE)),
        ]
        short = Signal()
        with m.If(self.message_first):
            m.d.sync += short.eq(self.message_short)
        m.d.comb += self.zero_price.eq(none)
        failures = (self.bad_side, self.bad_quantity, self.over_size, self.zero_price, self.market, short)
        m.d.comb += self.early.eq(Cat(failures).any())

    def _length(self, m, place, kind):
        """A message is right without appendage length, with that length 0, or with the TagValues it announces."""
        octet, valid, first, last = self.message_octet, self.message_valid, self.message_first, self.message_last

        # `high`, `low`: an octet of the appendage length is here; `inside`: one of the appendage; `opening`: its first.
        high, low, inside, opening = Signal(), Signal(), Signal(), Signal()
        announced, differs = Signal(16), Signal()
        before = Signal.like(place)  # place of the octet before the appendage length; 0: never
        with m.If(valid):
            m.d.sync += [
                high.eq(~first & (place == before)),
                low.eq(high),
                inside.eq(low | inside),
                opening.eq(low),
            ]
            with m.If(high | low):
                m.d.sync += announced.eq(Cat(octet, announced))
            with m.If(opening):
                m.d.sync += differs.eq(announced != self.message_left)
        with m.If(first):
            m.d.sync += [high.eq(octet == Message.QUERY), before.eq(0), differs.eq(0)]
            with m.Switch(octet):
                for message, length in LENGTHS.items():
                    with m.Case(message):
                        m.d.sync += before.eq(length.full - 3)
        with m.If(last | self.end):
            m.d.sync += [high.eq(0), low.eq(0), inside.eq(0), opening.eq(0)]

        m.submodules.appendage = appendage = Appendage()
        m.d.comb += [
            appendage.octet.eq(octet),
            appendage.valid.eq(valid & inside),
            appendage.clear.eq(first | self.end),
            appendage.kind.eq(Cat(kind.values())),
        ]

        bare, empty = Signal(), Signal()
        ends = [kind[message] & (place == LENGTHS[message].bare - 1) for message in (Message.CANCEL, Message.MODIFY)]
        ends.append(first & (octet == Message.QUERY))
        with m.If(last):
            m.d.sync += [bare.eq(Cat(ends).any()), empty.eq(low & (octet == 0) & (announced[:8] == 0))]
        refusable = kind[Message.ENTER] | kind[Message.ENABLE]
        m.d.comb += [
            self.bad_message.eq(~bare & ~empty & ~(appendage.closed & ~appendage.wrong & ~differs)),
            self.pegged.eq(appendage.pegged & refusable),
            self.channel.eq(appendage.channel & refusable),
        ]

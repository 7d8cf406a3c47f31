"""The decoder of OUCH messages: the fields of an order, and what is wrong with a message."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.appendage import APPENDAGE_BITS, Appendage
from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.filter.ending import FLAGS, Ending
from hdl.filter.parents import NAME
from hdl.wire import ouch42
from hdl.wire.ouch import ENTER, HIGHEST_PRICE, LENGTHS, MOST_SHARES, NUMBERED, ORDERS, REPLACE, Message, Side

_LAST_PLACE = 63
# An Enter of OUCH 4.2 has the fields of one of 5.0 ten octets further behind, the end of its token where the user_ref
# is, and a price of half the size: so its places are counted from -10.
_SHIFT = ouch42.ENTER["side"].offset - ENTER["side"].offset
_REF, _NEW_REF = ENTER["user_ref"], REPLACE["user_ref"]
_NEW_TOKEN_END = ouch42.REPLACE["token"].offset + ouch42.REPLACE["token"].size - _REF.size - _SHIFT
_TAG = ENTER["order_id"].offset, (ouch42.ENTER["token"].offset - _SHIFT) % (2 * _LAST_PLACE + 2)
_PARENT = _TAG[0] + 4, _TAG[1] + 4
_LEFT = LENGTHS[Message.REPLACE].full - _REF.size  # octets of a Replace from the last one of its `original_ref` on
_LONG = 128
_PRICE, _HALF = ENTER["price"].offset, ouch42.ENTER["price"].size
# A Replace of OUCH 5.0 has its price and its ClOrdID as far from one another and from the end as an Enter, but for the
# octets in between: behind its quantity, and behind its sweep, its places go on with those of an Enter's.
_JUMPS = [(REPLACE["price"].offset - 1, _PRICE)]
_JUMPS.append((REPLACE["order_id"].offset - 1 + _PRICE - REPLACE["price"].offset, ENTER["order_id"].offset))


class Order(wiring.Component):
    """Reads messages octet by octet and keeps the fields of an Enter or a Replace for the checks that follow.

    Let s0 be the cycle in which the type of a message is on the stream, so that its octet i comes in s0 + i. There is
    no backpressure: octets come every cycle, and at least three cycles lie between two messages. A message that
    the end of the frame cuts never has a ``message_end``, unless it goes on in a later one. Of a message that is no
    Enter, and no Replace that is checked, their fields and checks have no meaning. A Replace is checked if it is of
    OUCH 5.0 and the lane is ``replaceable``; its octets are where an Enter has them, in square brackets where not.

    OUCH 4.2, in parentheses where it differs, has no appendages: its messages have one length each. Its types Enter,
    Replace, Cancel and Modify are known, and its user_ref is the last four octets of the token.

    What is known of a message stays until ``open``, to be saved (`hdl.filter.context`, words 1, 2 and 4 to 6). When a
    context is loaded, word 2 in cycle w, the message goes on with its next octet in w + 9 or later. If its price is
    there already, ``price_ready`` comes again in w + 1, with quantity, side and price, and ``message_end`` comes in
    w + 15 at the earliest, or when the next message ends. Until then and two cycles longer flags, fields and checks
    are held, unless another message ends in these two (`hdl.filter.ending`).

    Members
    -------
    message_octet, message_valid, message_first, message_last, message_left : In
        The stream of `Framer`.
    open : In(1)
        A frame has begun; comes before its context and its messages.
    message_gone : In(1)
        What came last of a message is nothing any more; comes before the context is saved.
    dialect : In(1)
        The lane's: OUCH 4.2, else 5.0.
    replaceable : In(1)
        Orders of the lane can be replaced; right from s0 on.
    over : In(1)
        The frame is over: a price that comes now is not told any more.
    order_size : In(32)
        The largest quantity of one order.
    tag : In(32)
        What the ClOrdID (the token) of the lane's orders begins with, its first octet highest; right from s0 on.
    load, word, context : In(8), In(36), Out(288)
    is_enter, is_order, numbered : Out(1)
        From s0 + 1 to the next message. Enter, Replace and Enable are orders. Numbered are those whose ``user_ref``
        must rise: orders, Mass Cancel and Disable.
    user_ref, quantity, buy, is_short, price : Out(32), Out(32), Out(1), Out(1), Out(32)
        As they come in, complete one cycle after their last octet (``user_ref`` two), until the same field of the next
        message.
        Of a Replace ``user_ref`` is the new one; of a price it is the low half (``market`` covers the high one).
    seek : Out(1)
        In s0 + 6 of a Replace of 40 to 131 octets: ``user_ref`` is that of the order to be replaced. All its TagValues
        take 42; one that repeats them would keep reports waiting too long.
    symbol_octet, symbol_valid, symbol_first : Out(8), Out(1), Out(1)
        The symbol of an Enter, octet by octet in s0 + 11 to s0 + 18 (s0 + 21 to s0 + 28).
    price_ready : Out(1)
        In s0 + 26 (s0 + 33, one cycle behind the price) [s0 + 21] of an Enter or a Replace that is at least so long.
    bad_tag : Out(1)
        The tag is another; right from s0 + 37 (s0 + 7) [s0 + 30] to the next message's.
    parent, named : Out(NAME), Out(1)
        The parent that the octets behind the tag name: a capital letter and three hexadecimal digits (0 to 1FF, capital
        ones); anything else has letter 0. Right from s0 + 40 (s0 + 10) [s0 + 33] on, when ``named`` comes up, to
        ``open`` or the next message's first octet, which takes ``named`` down.
    bad_side, bad_quantity, over_size, zero_price, market : Out(1)
        The checks on the fields; right from s0 + 27 (s0 + 33) [s0 + 22] to the next message's fields. A Replace has no
        side.
    message_end : Out(1)
        One cycle after the message's last octet, whatever is wrong with it.
    unjudged : Out(1)
        From one cycle after the last octet of a message whose end is held to one cycle after its ``message_end``: a
        frame that ends now ends too early for the order to be checked.
    replaces : Out(1)
        A Replace that is checked; from s0 + 1 to the next message, and with ``message_end`` and two cycles longer.
    bad_message, replace, pegged, channel : Out(1)
        Unknown type, wrong length or malformed appendage; a Replace that is not checked; an order with a tag that is
        refused. Right with ``message_end`` and two cycles longer; the last two only if the message is not bad.
    """

    message_octet: In(8)
    message_valid: In(1)
    message_first: In(1)
    message_last: In(1)
    message_left: In(16)
    open: In(1)
    message_gone: In(1)
    dialect: In(1)
    replaceable: In(1)
    over: In(1)
    order_size: In(32)
    tag: In(32)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)
    is_enter: Out(1)
    is_order: Out(1)
    numbered: Out(1)
    user_ref: Out(32)
    quantity: Out(32)
    buy: Out(1)
    is_short: Out(1)
    price: Out(32)
    seek: Out(1)
    symbol_octet: Out(8)
    symbol_valid: Out(1)
    symbol_first: Out(1)
    price_ready: Out(1)
    bad_tag: Out(1)
    parent: Out(NAME)
    named: Out(1)
    bad_side: Out(1)
    bad_quantity: Out(1)
    over_size: Out(1)
    zero_price: Out(1)
    market: Out(1)
    message_end: Out(1)
    unjudged: Out(1)
    replaces: Out(1)
    bad_message: Out(1)
    replace: Out(1)
    pegged: Out(1)
    channel: Out(1)

    def elaborate(self, platform):
        m = Module()
        octet, valid, first, last = self.message_octet, self.message_valid, self.message_first, self.message_last

        forget = Signal()
        m.d.comb += forget.eq(self.open | self.message_gone)

        # Number of the octet that is here; it stops at the last one. What an Enter has and a Replace not is left out.
        place = Signal(range(2 * _LAST_PLACE + 2))
        kinds = Signal(len(Message))  # the type, one bit each; none if unknown
        kind = {message: kinds[number] for number, message in enumerate(Message)}
        checked, jumps = Signal(), Signal()
        m.d.comb += [
            jumps.eq(kind[Message.REPLACE] & ~self.dialect),
            checked.eq(kind[Message.ENTER] | (jumps & self.replaceable)),
        ]
        with m.If(valid & (place != _LAST_PLACE)):
            m.d.sync += place.eq(place + 1)
            for before, behind in _JUMPS:
                with m.If(jumps & (place == before)):
                    m.d.sync += place.eq(behind)
        with m.If(first):
            m.d.sync += place.eq(Mux(self.dialect, 1 - _SHIFT, 1))
            for message, same in zip(Message, kinds, strict=True):
                m.d.sync += same.eq((octet == message) & (message in ouch42.LENGTHS or ~self.dialect))
        with m.If(last | forget):
            m.d.sync += place.eq(0)

        flags = {name: Signal(name=f"flag_{name}") for name in FLAGS}
        m.d.comb += [
            flags["is_enter"].eq(kind[Message.ENTER]),
            flags["is_order"].eq(Cat(kind[order] for order in ORDERS).any()),
            flags["numbered"].eq(Cat(kind[message] for message in NUMBERED).any()),
            flags["replaces"].eq(jumps & self.replaceable),
            flags["replace"].eq(kind[Message.REPLACE] & ~(jumps & self.replaceable)),
        ]
        user_ref, priced, ready_next = self._fields(m, place, kind, checked, flags["replaces"], forget)
        zeros = self._checks(m, place, kind[Message.ENTER])
        self._order_id(m, place, checked, forget)
        m.submodules.appendage = appendage = Appendage()
        length = self._length(m, place, kind, flags, appendage, forget)

        # A price that is there already is ready again: in word 2 `priced` follows the price.
        again, again_next = Signal(), Signal()
        m.d.comb += again_next.eq(self.load[2] & self.word[len(self.price)])
        m.d.sync += [again.eq(again_next), self.price_ready.eq(ready_next | again_next)]

        m.submodules.ending = ending = Ending()
        m.d.comb += [
            ending.last.eq(last),
            ending.again.eq(again),
            ending.flags.eq(Cat(flags.values())),
            ending.user_ref.eq(user_ref),
            self.user_ref.eq(ending.shown_user_ref),
            self.message_end.eq(ending.message_end),
            self.unjudged.eq(ending.unjudged),
            Cat(getattr(self, name) for name in FLAGS).eq(ending.shown_flags),
        ]

        words = {
            1: (self.quantity, self.buy, self.bad_side, *zeros),
            2: (self.price, priced, self.bad_tag, self.is_short),
            4: (user_ref,),
            5: (place, kinds, *length),
        }
        m.d.comb += [appendage.load.eq(self.load), appendage.word.eq(self.word)]
        name = keep(m, self, {6: (self.parent, self.named)}, first=APPENDAGE_BITS)
        m.d.comb += self.context.eq(keep(m, self, words) | name | appendage.context)
        return m

    def _fields(self, m, place, kind, checked, replaces, forget):
        octet, valid = self.message_octet, self.message_valid
        user_ref, enter = Signal(32), kind[Message.ENTER]
        new_ref = Mux(self.dialect, within(place, _NEW_TOKEN_END, _REF.size), within(place, _NEW_REF.offset, _REF.size))
        # It is told with the message's end: there is time to take it a cycle later.
        taken, taking, beginning, sought, fits = Signal(8), Signal(), Signal(), Signal(), Signal()
        m.d.comb += fits.eq((self.message_left >= _LEFT) & (self.message_left < _LONG))
        m.d.sync += [
            taken.eq(octet),
            taking.eq(valid & (within(place, _REF.offset, _REF.size) | (kind[Message.REPLACE] & new_ref))),
            beginning.eq(self.message_first),
            sought.eq(valid & replaces & (place == _REF.offset + _REF.size - 1) & fits),
            self.seek.eq(sought),
        ]
        with m.If(taking):
            m.d.sync += user_ref.eq(Cat(taken, user_ref))
        in_quantity = within(place, ENTER["quantity"].offset, ENTER["quantity"].size)
        in_quantity |= kind[Message.REPLACE] & within(place, REPLACE["quantity"].offset, REPLACE["quantity"].size)
        with m.If(valid & in_quantity):
            m.d.sync += self.quantity.eq(Cat(octet, self.quantity))
        with m.If(valid & self._in_price(place)):
            m.d.sync += self.price.eq(Cat(octet, self.price))
        with m.If(beginning):
            m.d.sync += user_ref.eq(0)

        symbol = ENTER["symbol"]
        m.d.sync += [
            self.symbol_octet.eq(octet),
            self.symbol_valid.eq(valid & enter & within(place, symbol.offset, symbol.size)),
            self.symbol_first.eq(valid & enter & (place == symbol.offset)),
        ]
        # The price of 4.2 follows its symbol at once: it is ready a cycle later, when the directory is.
        price_last, priced, later, ready_next = Signal(), Signal(), Signal(), Signal()
        final = Mux(self.dialect, place == _PRICE + _HALF - 1, place == _PRICE + ENTER["price"].size - 1)
        m.d.comb += price_last.eq(valid & checked & final)
        m.d.sync += later.eq(price_last)
        m.d.comb += ready_next.eq(Mux(self.dialect, later, price_last) & ~self.over)
        with m.If(price_last):
            m.d.sync += priced.eq(1)
        with m.If(self.message_last | forget):
            m.d.sync += priced.eq(0)
        return user_ref, priced, ready_next

    def _in_price(self, place):
        return Mux(self.dialect, within(place, _PRICE, _HALF), within(place, _PRICE, ENTER["price"].size))

    def _checks(self, m, place, enter):
        octet, valid = self.message_octet, self.message_valid
        with m.If(valid & (place == ENTER["side"].offset)):
            m.d.sync += self.bad_side.eq(enter & ~Cat(octet == side for side in Side).any())
            m.d.sync += self.buy.eq(octet == Side.BUY)
            m.d.sync += self.is_short.eq((octet == Side.SHORT) | (octet == Side.SHORT_EXEMPT))

        # Each half of the price, and each limit, is compared by itself.
        high, none = Signal(), Signal()  # some octet of the high half; no octet at all is other than 0
        taking, first, upper, zero = Signal(), Signal(), Signal(), Signal()  # of the octet before
        m.d.sync += [
            taking.eq(valid & self._in_price(place)),
            first.eq(place == _PRICE),
            upper.eq(place < _PRICE + _HALF),
            zero.eq(octet == 0),
        ]
        with m.If(taking):
            m.d.sync += none.eq((first | none) & zero)
            with m.If(upper):
                m.d.sync += high.eq(((high & ~first) | ~zero) & ~self.dialect)
        upper_above, upper_same, lower_above, high_before = (Signal() for _ in range(4))  # than the highest price
        m.d.sync += [
            self.over_size.eq(self.quantity > self.order_size),
            self.bad_quantity.eq((self.quantity == 0) | (self.quantity > MOST_SHARES)),
            upper_above.eq(self.price[16:] > HIGHEST_PRICE >> 16),
            upper_same.eq(self.price[16:] == HIGHEST_PRICE >> 16),
            lower_above.eq(self.price[:16] > HIGHEST_PRICE & 0xFFFF),
            high_before.eq(high),
        ]
        m.d.comb += self.market.eq(high_before | upper_above | upper_same & lower_above)
        m.d.comb += self.zero_price.eq(none)
        return high, none

    def _order_id(self, m, place, checked, forget):
        """Compare the tag and read the parent's name octet by octet.

        Four of each: the low bits of their places are the same in both dialects.
        """
        tag, name = (Mux(self.dialect, within(place, at[1], 4), within(place, at[0], 4)) for at in (_TAG, _PARENT))
        wanted = Array(self.tag.word_select((_TAG[0] + 3 - low) % 4, 8) for low in range(4))
        octet, low, taking, begins, differs = Signal(8), Signal(2), Signal(2), Signal(), Signal()
        naming, first = Signal(), Signal()
        m.d.comb += first.eq(low == _TAG[0] % 4)
        m.d.sync += [
            octet.eq(self.message_octet),
            low.eq(place),
            taking.eq(Cat(self.message_valid & checked & tag, taking)),
            begins.eq(first),
            differs.eq(octet != wanted[low]),
            naming.eq(self.message_valid & checked & name),
        ]
        with m.If(taking[1]):
            m.d.sync += self.bad_tag.eq((self.bad_tag & ~begins) | differs)

        # Of the first digit nine bits leave one.
        letter, digit, wrong, number = Signal(5), Signal(4), Signal(), self.parent.number
        is_letter, is_decimal, is_capital = Signal(), Signal(), Signal()
        m.d.comb += [
            letter.eq(octet),
            digit.eq(octet[:4] + Mux(octet[6], 9, 0)),
            is_letter.eq((octet >= ord("A")) & (octet <= ord("Z"))),
            is_decimal.eq((octet >= ord("0")) & (octet <= ord("9"))),
            is_capital.eq((octet >= ord("A")) & (octet <= ord("F"))),
            wrong.eq(~(is_decimal | is_capital) | ((low == (_PARENT[0] + 1) % 4) & (digit > 1))),
        ]
        with m.If(naming & first):
            m.d.sync += self.parent.letter.eq(Mux(is_letter, letter, 0))
        with m.Elif(naming):
            m.d.sync += number.eq(Cat(digit, number))
            with m.If(wrong):
                m.d.sync += self.parent.letter.eq(0)
        with m.If(naming & (low == (_PARENT[0] + 3) % 4)):
            m.d.sync += self.named.eq(1)
        with m.If(self.message_first | forget):
            m.d.sync += self.named.eq(0)

    def _length(self, m, place, kind, flags, appendage, forget):
        """One of 5.0 is right without appendage length, with that length 0, or with the TagValues it announces."""
        octet, valid, first, last = self.message_octet, self.message_valid, self.message_first, self.message_last

        # `high`, `low`: an octet of the appendage length is here; `inside`: one of the appendage; `opening`: its first.
        high, low, inside, opening = Signal(), Signal(), Signal(), Signal()
        announced, differs = Signal(16), Signal()
        full = {message: length.full for message, length in LENGTHS.items() if length.full > 3}
        full[Message.REPLACE] = full[Message.ENTER]
        before = [kind[message] & (place == octets - 3) for message, octets in full.items()]
        with m.If(valid):
            m.d.sync += [
                high.eq(Cat(before).any() & ~self.dialect),
                low.eq(high),
                inside.eq(low | inside),
                opening.eq(low),
            ]
            with m.If(high | low):
                m.d.sync += announced.eq(Cat(octet, announced))
            with m.If(opening):
                m.d.sync += differs.eq(announced != self.message_left)
        with m.If(first):
            m.d.sync += [high.eq((octet == Message.QUERY) & ~self.dialect), differs.eq(0)]
        with m.If(last | forget):
            m.d.sync += [high.eq(0), low.eq(0), inside.eq(0), opening.eq(0)]

        m.d.comb += [
            appendage.octet.eq(octet),
            appendage.valid.eq(valid & inside),
            appendage.clear.eq(first | forget),
            appendage.kind.eq(Cat(kind.values())),
        ]

        # Cancel and Modify of 4.2 end in the places of their bare forms in 5.0.
        bare, empty = Signal(), Signal()
        ends = [kind[message] & (place == LENGTHS[message].bare - 1) for message in (Message.CANCEL, Message.MODIFY)]
        ends.append(first & (octet == Message.QUERY) & ~self.dialect)
        for message in (Message.ENTER, Message.REPLACE):
            ends.append(kind[message] & (place == ouch42.LENGTHS[message] - 1 - _SHIFT) & self.dialect)
        with m.If(last):
            m.d.sync += [bare.eq(Cat(ends).any()), empty.eq(low & (octet == 0) & (announced[:8] == 0))]
        refusable = Cat(kind[order] for order in ORDERS).any()
        m.d.comb += [
            flags["bad_message"].eq(~bare & ~empty & ~(appendage.closed & ~appendage.wrong & ~differs)),
            flags["pegged"].eq(appendage.pegged & refusable),
            flags["channel"].eq(appendage.channel & refusable),
        ]
        return high, low, inside, opening, announced, differs


def within(place, first, size):
    """Tell whether the octet is one of a field of `size` octets."""
    return (place >= first) & (place < first + size)


for name in ("side", "quantity", "symbol", "price"):
    assert ouch42.ENTER[name].offset == ENTER[name].offset + _SHIFT
for message in (ouch42.ENTER, ouch42.CANCEL, ouch42.MODIFY):
    assert message["token"].offset + message["token"].size == _REF.offset + _REF.size + _SHIFT
for message in (Message.CANCEL, Message.MODIFY):
    assert ouch42.LENGTHS[message] == LENGTHS[message].bare + _SHIFT

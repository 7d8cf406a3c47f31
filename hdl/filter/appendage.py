"""The appendage of an OUCH message: a list of option tags."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.wire.ouch import TAG_VALUES, Message


class _State(enum.Enum):
    LENGTH = 0
    TAG = 1
    VALUE = 2


_SIZES = sorted({tag.size for tag in TAG_VALUES.values()})
APPENDAGE_BITS = 18  # of the context's word 6


class Appendage(wiring.Component):
    """Walks the TagValues of one message, an octet a cycle, and tells whether they are whole and allowed in it.

    A TagValue is a length (1 and the octets of the value), a tag and the value. The tag must be known and allowed in
    the message, and its value must have exactly the size that the tag has. The state of the walk can be saved from two
    cycles behind an octet on, and loaded before the next one (`hdl.filter.context`, word 6).

    Members
    -------
    octet, valid : In(8), In(1)
        The octets behind the appendage length.
    clear : In(1)
        Back to the beginning; comes before ``valid``.
    kind : In(8)
        One bit for each of `hdl.wire.ouch.Message`, in its order: the message's type.
    load, word, context : In(8), In(36), Out(288)
    closed : Out(1)
        The octet of the last cycle ended a TagValue; stays until the next octet.
    wrong : Out(1)
        A TagValue so far was malformed, unknown or not allowed. For the TagValue that ends it is right with ``closed``.
    pegged, channel : Out(1)
        A tag so far is one that makes an order be refused for that reason; right with ``closed``.
    """

    octet: In(8)
    valid: In(1)
    clear: In(1)
    kind: In(len(Message))
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)
    closed: Out(1)
    wrong: Out(1)
    pegged: Out(1)
    channel: Out(1)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        left = Signal(range(max(_SIZES) + 1))  # octets of the value from this one on
        sized = {size: Signal(name=f"length_of_{size}") for size in _SIZES}
        size_given, judging = Signal(range(max(_SIZES) + 1)), Signal()

        # The tag, one cycle late.
        fits, allowed = Signal(), Signal(len(Message))
        pegged, channel = Signal(), Signal()

        m.d.sync += judging.eq(0)
        with m.If(judging):
            m.d.sync += [
                self.wrong.eq(self.wrong | ~fits | ~(allowed & self.kind).any()),
                self.pegged.eq(self.pegged | pegged),
                self.channel.eq(self.channel | channel),
            ]

        # Of every octet: what it says as a tag counts if it was one.
        def is_some(chosen):
            return Cat(self.octet == number for number, tag in TAG_VALUES.items() if chosen(tag)).any()

        m.d.sync += [
            fits.eq(Cat(flag & is_some(lambda tag, size=size: tag.size == size) for size, flag in sized.items()).any()),
            allowed.eq(Cat(is_some(lambda tag, message=message: message in tag.messages) for message in Message)),
            pegged.eq(is_some(lambda tag: tag.refused == "pegged")),
            channel.eq(is_some(lambda tag: tag.refused == "channel")),
        ]
        with m.If(self.valid):
            m.d.sync += self.closed.eq(0)
            with m.Switch(state):
                with m.Case(_State.LENGTH):
                    m.d.sync += [flag.eq(self.octet == 1 + size) for size, flag in sized.items()]
                    m.d.sync += [size_given.eq(self.octet - 1), state.eq(_State.TAG)]
                with m.Case(_State.TAG):
                    m.d.sync += [left.eq(size_given), judging.eq(1), state.eq(_State.VALUE)]
                with m.Case(_State.VALUE):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.d.sync += [self.closed.eq(1), state.eq(_State.LENGTH)]
        with m.If(self.clear):
            m.d.sync += [state.eq(_State.LENGTH), judging.eq(0), self.closed.eq(0)]
            m.d.sync += [self.wrong.eq(0), self.pegged.eq(0), self.channel.eq(0)]
        found = (self.closed, self.wrong, self.pegged, self.channel)
        word = state, left, size_given, *sized.values(), *found
        assert len(Cat(*word)) == APPENDAGE_BITS
        m.d.comb += self.context.eq(keep(m, self, {6: word}))
        return m

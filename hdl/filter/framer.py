"""The framing of a lane's payload: which octets are messages."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.filter.marks import Mark
from hdl.wire import ouch, ouch42
from hdl.wire.soup import CLIENT_FIXED, Client
from hdl.wire.ufo import FIXED, Packet


class _State(enum.Enum):
    LENGTH_HIGH = 0
    LENGTH_LOW = 1
    TYPE = 2
    BODY = 3
    WRONG = 4  # to the end of the frame


class Framer(wiring.Component):
    """Splits a payload into packets, UFO or SoupBinTCP, and hands on the messages in them.

    A packet is a length of two octets, which counts what follows, a type and its body. A length of 0, a type that is
    none of the client's, a wrong length of a type that has only one, and an unsequenced packet without message are
    ``framing`` errors; behind the first one nothing more is read. In a datagram, whose types are
    `hdl.wire.ufo.Packet`, so are a payload that ends inside a packet, and one without packets; a message that is cut
    has no ``message_last``.

    In a stream, whose types are `hdl.wire.soup.Client`, a payload may end anywhere, or be empty; there a length above
    `hdl.wire.soup.LONGEST` is an error, when both its octets are there. Only octets new to the stream come here.

    The message stream is the payload stream of the same cycle, chosen from registers: no latency and no
    backpressure. ``open`` brings everything back to the beginning; until then the state stays as the frame left it, to
    be saved (`hdl.filter.context`, word 7), and behind it a context may be loaded, before the payload.

    Members
    -------
    next_octet : In(8)
        What ``payload_octet`` of `Headers` is in the next cycle: it is compared before it is needed.
    payload_valid, payload_start, payload_last : In
        From `Headers`.
    open : In(1)
        A frame has begun; comes before its payload and before its context.
    soup, dialect : In(1)
        The lane's, from the context on: TCP, and OUCH 4.2 (else 5.0).
    overwritten : In(1)
        Strobe behind the payload's end, before the context is saved: the order that the payload ended inside leaves
        overwritten. The rest of it will be skipped. Without effect on one that does not begin in this frame.
    load, word, context : In(8), In(36), Out(288)
    message_octet, message_valid, message_first, message_last : Out
        Octets of messages, from the OUCH type on. A message of one octet is first and last. One that began in an
        earlier frame goes on without ``message_first``, unless that frame held nothing of it but the packet type.
    message_left : Out(16)
        Octets of the message from this one on; right while ``message_valid``.
    message_gone : Out(1)
        With ``overwritten``, when it has an effect.
    framing : Out(1)
        Registered; right with the frame's end. 0 for a frame that never had a ``payload_start``.
    mark : Out(Mark)
        Belongs to the octet of one cycle ago. ORDER: of the packet of an order that begins in this frame, from its
        packet type on. OLD_ORDER: of one that began in an earlier frame and was not overwritten; of which no more than
        the packet type came there, it is known only from here on. BODY: the rest of one that was. PLAIN: any other of
        the payload. An order is known by the OUCH type alone, however wrong the message is.
    inside, begins : Out(1)
        Right behind the payload's end: it ended inside an order, behind its OUCH type, that was not overwritten; and
        that order's packet type was in this frame.
    continued : Out(1)
        Right behind the payload's end: OLD_ORDER octets were in it.
    """

    next_octet: In(8)
    payload_valid: In(1)
    payload_start: In(1)
    payload_last: In(1)
    open: In(1)
    soup: In(1)
    dialect: In(1)
    overwritten: In(1)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)
    message_octet: Out(8)
    message_valid: Out(1)
    message_first: Out(1)
    message_last: Out(1)
    message_left: Out(16)
    message_gone: Out(1)
    framing: Out(1)
    mark: Out(Mark)
    inside: Out(1)
    begins: Out(1)
    continued: Out(1)

    def elaborate(self, platform):
        m = Module()
        octet = Signal(8)
        m.d.sync += octet.eq(self.next_octet)
        state = Signal(_State)
        length_high, high_zero = Signal(8), Signal()
        left, one_left = Signal(16), Signal()  # of the packet behind its type; one, and it is here
        one = Signal()  # the packet is its type alone
        # The length is the one that this type has, in the protocol that is spoken.
        fits = {packet: Signal(name=f"fits_{packet.name.lower()}") for packet in sorted({*FIXED, *CLIENT_FIXED})}
        fits |= {packet: one for packet in fits if FIXED.get(packet) == CLIENT_FIXED.get(packet) == 1}
        unsequenced, first = Signal(), Signal()
        begun = Signal()  # the packet's type was in this frame
        order, skipped = Signal(), Signal()  # its message is an order; what comes of it is no message any more

        # The octet is this value.
        types = fits | {Packet.UNSEQUENCED: ~one, Client.DEBUG: self.soup}
        values = {0, 1, *types, *FIXED.values(), *CLIENT_FIXED.values()}
        same = {int(value): Signal(name=f"is_{int(value):02x}") for value in sorted(values)}
        m.d.sync += [flag.eq(self.next_octet == value) for value, flag in same.items()]
        type_right = Signal()
        m.d.comb += type_right.eq(Cat(same[packet] & fit for packet, fit in types.items()).any())

        closes, wrong, failed = Signal(), Signal(), Signal()  # this octet ends a packet that is right; is, was an error
        m.d.sync += failed.eq(wrong)
        with m.If(self.payload_start):
            m.d.sync += self.framing.eq(~self.soup)
        with m.If(self.payload_valid):
            with m.Switch(state):
                with m.Case(_State.LENGTH_HIGH):
                    m.d.sync += [length_high.eq(octet), high_zero.eq(same[0]), state.eq(_State.LENGTH_LOW)]
                with m.Case(_State.LENGTH_LOW):
                    m.d.sync += [left.eq(Cat(octet, length_high) - 1), state.eq(_State.TYPE)]
                    m.d.sync += one.eq(high_zero & same[1])
                    for packet in (Packet.LOGIN, Packet.RETRANSMIT):
                        right = fits[packet]
                        datagram, stream = (same[fixed.get(packet, 0)] for fixed in (FIXED, CLIENT_FIXED))
                        m.d.sync += right.eq(high_zero & Mux(self.soup, stream, datagram))
                    m.d.comb += wrong.eq((high_zero & same[0]) | (self.soup & length_high[7]))
                with m.Case(_State.TYPE):
                    m.d.sync += [unsequenced.eq(same[Packet.UNSEQUENCED]), first.eq(1), one_left.eq(left == 1)]
                    m.d.sync += [begun.eq(1), order.eq(0), skipped.eq(0)]
                    m.d.sync += state.eq(Mux(one, _State.LENGTH_HIGH, _State.BODY))
                    m.d.comb += [closes.eq(type_right & one), wrong.eq(~type_right)]
                with m.Case(_State.BODY):
                    m.d.sync += [left.eq(left - 1), first.eq(0), one_left.eq(left == 2)]
                    m.d.comb += closes.eq(one_left)
                    with m.If(one_left):
                        m.d.sync += state.eq(_State.LENGTH_HIGH)
            with m.If(self.payload_last & closes):
                m.d.sync += self.framing.eq(0)
        with m.If(failed):  # of the octet behind the error nothing is told
            m.d.sync += [state.eq(_State.WRONG), self.framing.eq(1)]

        m.d.comb += [
            self.message_octet.eq(octet),
            self.message_valid.eq(self.payload_valid & (state == _State.BODY) & unsequenced & ~skipped),
            self.message_first.eq(self.message_valid & first),
            self.message_last.eq(self.message_valid & one_left),
            self.message_left.eq(left),
        ]
        self._mark(m, state, begun, order, skipped)

        m.d.comb += [
            self.inside.eq((state == _State.BODY) & order & ~skipped),
            self.begins.eq(self.inside & begun),
            self.message_gone.eq(self.overwritten & self.begins),
        ]
        with m.If(self.message_gone):
            m.d.sync += skipped.eq(1)
        with m.If(self.open):
            m.d.sync += [state.eq(_State.LENGTH_HIGH), self.framing.eq(0), begun.eq(0), self.continued.eq(0)]
        packet = (state, length_high, high_zero, left, one_left, one, fits[Client.LOGIN])
        m.d.comb += self.context.eq(keep(m, self, {7: (*packet, unsequenced, first, order, skipped)}))
        return m

    def _mark(self, m, state, begun, order, skipped):
        """The packet type is marked one cycle late, by the OUCH type that follows it; the rest from a register."""
        octet = self.next_octet
        is_order, opens = Signal(), Signal()
        m.d.sync += is_order.eq(Mux(self.dialect, among(octet, ouch42.ORDERS), among(octet, ouch.ORDERS)))
        m.d.comb += opens.eq(self.message_first & is_order)
        with m.If(opens):
            m.d.sync += order.eq(1)

        here, before = Signal(Mark), Signal(Mark)
        with m.If(self.payload_valid):
            m.d.comb += here.eq(Mark.PLAIN)
            with m.If(self.message_valid & (opens | order)):
                m.d.comb += here.eq(Mux(begun, Mark.ORDER, Mark.OLD_ORDER))
                m.d.sync += self.continued.eq(self.continued | ~begun)
            with m.If((state == _State.BODY) & skipped):
                m.d.comb += here.eq(Mark.BODY)
        m.d.sync += before.eq(here)
        m.d.comb += self.mark.eq(before)
        with m.If(opens & begun):
            m.d.comb += self.mark.eq(Mark.ORDER)


def among(octet, values):
    """Tell whether `octet` is one of `values`."""
    return Cat(octet == value for value in values).any()

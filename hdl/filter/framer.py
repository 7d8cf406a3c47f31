"""The framing of a datagram: which octets are messages."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.ouch import LENGTHS, ORDERS, Message
from hdl.wire.ufo import FIXED, Packet


class _State(enum.Enum):
    LENGTH_HIGH = 0
    LENGTH_LOW = 1
    TYPE = 2
    BODY = 3
    WRONG = 4  # to the end of the frame


class Framer(wiring.Component):
    """Splits the payload of a lane's datagram into UFO packets and hands on the messages in them.

    A packet is a length of two octets, which counts what follows, a type and its body. A length of 0, a type that is
    none of `hdl.wire.ufo.Packet`, a wrong length of a type that has only one, an unsequenced packet without message, a
    payload that ends inside a packet, and a payload without packets are ``framing`` errors; behind the first one
    nothing more is read. A packet that the end of the frame cuts leaves a message without ``message_last``.

    The message stream is the payload stream of the same cycle, chosen from registers: no latency and no
    backpressure. ``end`` brings everything back to the beginning.

    Members
    -------
    payload_octet, payload_valid, payload_start, payload_last : In
        From `Headers`.
    end : In(1)
        The frame's end; a last octet of the payload may come in the same cycle.
    message_octet, message_valid, message_first, message_last : Out
        Octets of messages, from the OUCH type on. A message of one octet is first and last.
    message_left : Out(16)
        Octets of the message from this one on; right while ``message_valid``.
    message_short : Out(1)
        The message is shorter than an Enter without appendage; right while ``message_valid``.
    framing : Out(1)
        Registered; right with ``end``. 0 for a frame that never had a ``payload_start``.
    order_mark : Out(1)
        Belongs to the octet of one cycle ago: that is of the packet of an order, from its packet type on. An order is
        known by the OUCH type alone, however wrong the message is.
    """

    payload_octet: In(8)
    payload_valid: In(1)
    payload_start: In(1)
    payload_last: In(1)
    end: In(1)
    message_octet: Out(8)
    message_valid: Out(1)
    message_first: Out(1)
    message_last: Out(1)
    message_left: Out(16)
    message_short: Out(1)
    framing: Out(1)
    order_mark: Out(1)

    def elaborate(self, platform):
        m = Module()
        octet = self.payload_octet
        state = Signal(_State)
        length_high, high_zero = Signal(8), Signal()
        left, one_left = Signal(16), Signal()  # of the packet behind its type; one, and it is here
        lengths = {number: Signal(name=f"length_is_{number}") for number in sorted({1, *FIXED.values()})}
        unsequenced, first = Signal(), Signal()
        short = Signal()

        closes = Signal()  # this octet ends a packet that is right
        type_right = Signal()
        with m.Switch(octet):
            for packet, length in FIXED.items():
                with m.Case(packet):
                    m.d.comb += type_right.eq(lengths[length])
            with m.Case(Packet.UNSEQUENCED):
                m.d.comb += type_right.eq(~lengths[1])

        with m.If(self.payload_start):
            m.d.sync += self.framing.eq(1)
        with m.If(self.payload_valid):
            with m.Switch(state):
                with m.Case(_State.LENGTH_HIGH):
                    m.d.sync += [length_high.eq(octet), high_zero.eq(octet == 0), state.eq(_State.LENGTH_LOW)]
                with m.Case(_State.LENGTH_LOW):
                    m.d.sync += [left.eq(Cat(octet, length_high) - 1), state.eq(_State.TYPE)]
                    m.d.sync += [flag.eq(high_zero & (octet == number)) for number, flag in lengths.items()]
                    m.d.sync += short.eq(high_zero & (octet < 1 + LENGTHS[Message.ENTER].full))
                    with m.If(high_zero & (octet == 0)):
                        m.d.sync += state.eq(_State.WRONG)
                with m.Case(_State.TYPE):
                    m.d.sync += [unsequenced.eq(octet == Packet.UNSEQUENCED), first.eq(1), one_left.eq(left == 1)]
                    m.d.comb += closes.eq(type_right & lengths[1])
                    with m.If(~type_right):
                        m.d.sync += state.eq(_State.WRONG)
                    with m.Elif(lengths[1]):
                        m.d.sync += state.eq(_State.LENGTH_HIGH)
                    with m.Else():
                        m.d.sync += state.eq(_State.BODY)
                with m.Case(_State.BODY):
                    m.d.sync += [left.eq(left - 1), first.eq(0), one_left.eq(left == 2)]
                    m.d.comb += closes.eq(one_left)
                    with m.If(one_left):
                        m.d.sync += state.eq(_State.LENGTH_HIGH)
            with m.If(self.payload_last & closes):
                m.d.sync += self.framing.eq(0)
        with m.If(self.end):
            m.d.sync += [state.eq(_State.LENGTH_HIGH), self.framing.eq(0)]

        m.d.comb += [
            self.message_octet.eq(octet),
            self.message_valid.eq(self.payload_valid & (state == _State.BODY) & unsequenced),
            self.message_first.eq(self.message_valid & first),
            self.message_last.eq(self.message_valid & one_left),
            self.message_left.eq(left),
            self.message_short.eq(short),
        ]

        # The packet type is marked one cycle late, by the OUCH type that follows it; the rest from a register.
        opens, marking = Signal(), Signal()
        m.d.comb += opens.eq(self.message_first & Cat(octet == order for order in ORDERS).any())
        m.d.comb += self.order_mark.eq(opens | marking)
        with m.If(self.message_valid):
            m.d.sync += marking.eq(opens | marking)
        with m.Else():
            m.d.sync += marking.eq(0)
        return m

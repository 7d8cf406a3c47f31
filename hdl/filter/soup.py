"""The framing of what the exchange says to a server: which octets are reports, and which a login."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.wire.soup import SERVER_FIXED, Server


class _State(enum.Enum):
    LENGTH_HIGH = 0  # as in a new session
    LENGTH_LOW = 1
    TYPE = 2
    BODY = 3
    BROKEN = 4  # to the end of the session


class ServerFramer(wiring.Component):
    """Splits a session's stream into packets of SoupBinTCP, as `hdl.wire.soup.Server` has them, cut anywhere.

    Errors are a length of 0 or above `hdl.wire.soup.LONGEST`, an unknown type, a wrong length of a type that has only
    one, an empty Sequenced Data, one before the session's Login Accepted, and a second Login Accepted. Behind one, or
    when told to ``stop``, nothing more is read.

    Members
    -------
    octet, valid : In
    message, login : Out(1)
        This octet is of a sequenced message, or of a Login Accepted, behind the packet type. Combinational, as the next
        three are.
    place, left, last : Out(7), Out(16), Out(1)
        Of that octet: its place, counted from 1, 127 for any further one; octets from this one on; there is one.
    wrong : Out(1)
        Strobe, one cycle behind the octet that is an error.
    accepted : Out(1)
        Strobe, one cycle behind the last octet of a Login Accepted.
    broken : Out(1)
        Nothing more is read.
    fresh, stop : In(1), In(1)
        Strobes: a new session begins, behind the loading and before its octets; nothing more is read.
    load, word, context : In(8), In(36), Out(288)
        Word 0 of `hdl.filter.replies`.
    """

    octet: In(8)
    valid: In(1)
    message: Out(1)
    login: Out(1)
    place: Out(7)
    left: Out(16)
    last: Out(1)
    wrong: Out(1)
    accepted: Out(1)
    broken: Out(1)
    fresh: In(1)
    stop: In(1)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        sequenced, signing, signed = Signal(), Signal(), Signal()  # the packet's type; a login has been accepted
        fits, wrong = Signal(), Signal()
        one = self.last
        m.d.comb += one.eq(self.left == 1)
        with m.Switch(self.octet):
            for packet, length in SERVER_FIXED.items():
                with m.Case(packet):
                    m.d.comb += fits.eq((self.left == length) & ~((packet == Server.ACCEPTED) & signed))
            with m.Case(Server.SEQUENCED):
                m.d.comb += fits.eq(signed & ~one)
            with m.Case(Server.DEBUG, Server.UNSEQUENCED):
                m.d.comb += fits.eq(1)

        with m.If(self.valid):
            with m.Switch(state):
                with m.Case(_State.LENGTH_HIGH):
                    m.d.sync += [self.left[8:].eq(self.octet), state.eq(_State.LENGTH_LOW)]
                with m.Case(_State.LENGTH_LOW):
                    m.d.sync += [self.left[:8].eq(self.octet), state.eq(_State.TYPE)]
                    m.d.comb += wrong.eq(self.left[15] | ((self.left[8:] == 0) & (self.octet == 0)))
                with m.Case(_State.TYPE):
                    m.d.sync += [
                        self.left.eq(self.left - 1),
                        self.place.eq(1),
                        sequenced.eq(self.octet == Server.SEQUENCED),
                        signing.eq(self.octet == Server.ACCEPTED),
                        state.eq(Mux(one, _State.LENGTH_HIGH, _State.BODY)),
                    ]
                    m.d.comb += wrong.eq(~fits)
                with m.Case(_State.BODY):
                    m.d.sync += [self.left.eq(self.left - 1), self.place.eq(self.place + ~self.place.all())]
                    with m.If(one):
                        m.d.sync += state.eq(_State.LENGTH_HIGH)
        inside = Signal()
        m.d.comb += [
            self.broken.eq(state == _State.BROKEN),
            inside.eq(self.valid & (state == _State.BODY) & ~self.wrong),
            self.message.eq(inside & sequenced),
            self.login.eq(inside & signing),
        ]
        m.d.sync += [self.wrong.eq(wrong), self.accepted.eq(self.login & one)]
        with m.If(self.accepted):
            m.d.sync += signed.eq(1)
        with m.If(self.fresh):
            m.d.sync += [state.eq(_State.LENGTH_HIGH), signed.eq(0)]
        with m.If(self.wrong | self.stop):
            m.d.sync += state.eq(_State.BROKEN)
        kept = (self.left, self.place, state, sequenced, signing, signed)
        m.d.comb += self.context.eq(keep(m, self, {0: kept}))
        return m

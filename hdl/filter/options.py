"""The options of an IPv4 header (RFC 791) or of a TCP header (RFC 9293)."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.ethernet import OPTION_END, OPTION_NOP


class _State(enum.Enum):
    TYPE = 0
    LENGTH = 1
    BODY = 2
    ENDED = 3


class Options(wiring.Component):
    """Walks the options, one octet a cycle, and tells whether they may pass.

    END closes the list, and what follows it is not looked at; NOP is one octet; every other option is type, length (of
    the whole option, at least 2) and the rest. Both protocols use the same two numbers.

    Parameters
    ----------
    refused : tuple[int, ...]
        Types that may not pass.

    Members
    -------
    octet, valid : In(8), In(1)
        The octets of the header behind the first 20.
    clear : In(1)
        Back to the beginning; comes before `valid`.
    right : Out(1)
        The octets so far, those of the last cycle included, are whole options and none is refused; also when there
        are none.
    """

    octet: In(8)
    valid: In(1)
    clear: In(1)
    right: Out(1)

    def __init__(self, *, refused: tuple[int, ...]):
        self.refused = refused
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        state, refused = Signal(_State), Signal()
        left, last = Signal(8), Signal()  # octets left of this option; it is one

        with m.If(self.clear):
            m.d.sync += [state.eq(_State.TYPE), refused.eq(0)]
        with m.Elif(self.valid):
            with m.Switch(state):
                with m.Case(_State.TYPE):
                    with m.If(Cat(self.octet == number for number in self.refused).any()):
                        m.d.sync += refused.eq(1)
                    with m.If(self.octet == OPTION_END):
                        m.d.sync += state.eq(_State.ENDED)
                    with m.Elif(self.octet != OPTION_NOP):
                        m.d.sync += state.eq(_State.LENGTH)
                with m.Case(_State.LENGTH):
                    # A length of 0 or 1 leaves 254 or 255 octets, which no header has.
                    m.d.sync += [left.eq(self.octet - 2), last.eq(self.octet == 3), state.eq(_State.BODY)]
                    with m.If(self.octet == 2):
                        m.d.sync += state.eq(_State.TYPE)
                with m.Case(_State.BODY):
                    m.d.sync += [left.eq(left - 1), last.eq(left == 2)]
                    with m.If(last):
                        m.d.sync += state.eq(_State.TYPE)

        m.d.comb += self.right.eq(~refused & ((state == _State.TYPE) | (state == _State.ENDED)))
        return m

"""The end of a message: when it is told, and what it has turned out to be."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

FLAGS = ("is_enter", "is_order", "numbered", "replaces", "replace", "bad_message", "pegged", "channel")
_AGAIN = 14  # cycles from a price that is shown again to the earliest end of its message


class Ending(wiring.Component):
    """Tells the end of each message one cycle after its last octet, with its flags; of some messages later.

    A message of an earlier frame whose price is there already is checked anew, and may end before the risk engine can
    have decided. Let its price be shown in cycle p: then its ``message_end`` comes in p + 14 at the earliest, or when
    the next message ends, and what it was is held. No octet of the message comes before p + 8, none of the next one
    before p + 12, and three cycles lie between the two.

    Members
    -------
    last : In(1)
        The last octet of a message is here.
    again : In(1)
        The price of a message that goes on is shown again, in this cycle.
    flags, user_ref : In(8), In(32)
        Of the message that comes in, `FLAGS` in their order; right from one cycle after its last octet to the first one
        of the next.
    message_end : Out(1)
    unjudged : Out(1)
        A message is held, or has been until the cycle before.
    shown_flags, shown_user_ref : Out(8), Out(32)
        What has come in, or what is held. What was held stays for two cycles behind its end, or until another message
        ends: the flags until that cycle, the other through it.
    """

    last: In(1)
    again: In(1)
    flags: In(len(FLAGS))
    user_ref: In(32)
    message_end: Out(1)
    unjudged: Out(1)
    shown_flags: Out(len(FLAGS))
    shown_user_ref: Out(32)

    def elaborate(self, platform):
        m = Module()
        # A last octet while `waits` lasts is too early; from `over` on, one cycle behind it, what is held can end.
        count, waits, over = Signal(range(_AGAIN)), Signal(), Signal()
        m.d.comb += waits.eq(count != 0)
        m.d.sync += over.eq(~waits)
        with m.If(waits):
            m.d.sync += count.eq(count - 1)
        with m.If(self.again):
            m.d.sync += count.eq(_AGAIN - 2)

        ended, holding, releases, released = Signal(), Signal(), Signal(), Signal(2)
        early = Signal()
        m.d.comb += [
            early.eq(self.last & waits & ~holding),
            releases.eq(holding & (over | self.last)),
            self.message_end.eq(ended | releases),
        ]
        m.d.sync += [
            self.unjudged.eq(holding | early),
            ended.eq(self.last & ~early),
            holding.eq((holding & ~releases) | early),
            released.eq(Cat(releases, released)),
        ]

        shown = Cat(self.shown_flags, self.shown_user_ref)
        coming = Cat(self.flags, self.user_ref)
        held, showing = Signal.like(coming), Signal()
        with m.If(~showing):
            m.d.sync += held.eq(coming)
        m.d.sync += showing.eq((holding | showing) & ~(ended | released[1]))
        m.d.comb += shown.eq(Mux(showing, held, coming))
        with m.If(ended):
            m.d.comb += self.shown_flags.eq(self.flags)
        return m

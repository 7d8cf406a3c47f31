"""UserRefNum: every order of a lane must have a higher one than all that were let go before it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Ascent(wiring.Component):
    """Compares the number of each message with the highest of its lane, and keeps the highest of those let go.

    ``begin`` gives the lane's highest, from before the frame. A message ends in cycle c: ``repeated`` in c+1 tells that
    its number is not above the highest so far; ``passes`` in c+2, that it is let go: its number is the highest from
    c+3 on if it is above. The next one ends in c+3 or later.

    Members
    -------
    begin, last_ref : In(1), In(32)
    message_end, numbered, user_ref : In(1), In(1), In(32)
        ``numbered``: its number is one of the rising ones.
    passes : In(1)
    repeated : Out(1)
    highest : Out(32)
    """

    begin: In(1)
    last_ref: In(32)
    message_end: In(1)
    numbered: In(1)
    user_ref: In(32)
    passes: In(1)
    repeated: Out(1)
    highest: Out(32)

    def elaborate(self, platform):
        m = Module()
        above, user_ref, numbered, rising = Signal(), Signal(64), Signal(), Signal()
        m.d.comb += self.repeated.eq(~above)
        m.d.sync += [
            above.eq(self.user_ref > self.highest),
            user_ref.eq(Cat(self.user_ref, user_ref)),
            numbered.eq(self.message_end & self.numbered),
            rising.eq(numbered & above),
        ]
        with m.If(self.passes & rising):
            m.d.sync += self.highest.eq(user_ref[32:])
        with m.If(self.begin):
            m.d.sync += self.highest.eq(self.last_ref)
        return m

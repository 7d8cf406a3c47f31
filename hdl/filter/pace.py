"""The rate of a lane's orders: the generic cell rate algorithm on `now`."""

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gross import LANE_BITS
from hdl.wire.verdict import LANES

AHEAD_BITS = 34  # of what a lane can be ahead of time: at most a depth and an interval


class Pace(wiring.Component):
    """Tells whether one more order would come too soon on its lane.

    Each order let go takes ``interval`` cycles of its lane's time, which is never behind ``now``. An order is too soon
    when its lane's time is more than ``depth`` ahead: so there can be ``1 + depth // interval`` at once, and one every
    ``interval`` in the long run. An interval of 0 lets nothing go.

    All orders of a frame count as of its ``begin`` in cycle b, when ``now`` is taken. ``over`` shows from b+8 on,
    what ``charge`` takes two cycles behind it. ``commit`` keeps what the frame's orders took; without it they
    took nothing. A frame begins two cycles behind a commit or later. A reset forgets every lane's time.

    Members
    -------
    now : In(64)
    begin, lane : In(1), In(3)
    interval, depth : In(32)
        Right from b+7 to the next ``begin``.
    charge, commit : In(1)
        ``charge`` only if the order is not ``over``.
    over : Out(1)
    """

    now: In(64)
    begin: In(1)
    lane: In(LANE_BITS)
    interval: In(32)
    depth: In(32)
    charge: In(1)
    commit: In(1)
    over: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.times = times = memory.Memory(
            shape=64, depth=LANES, init=[], attrs={"ram_style": "distributed"}
        )  # fmt: skip
        write, read = times.write_port(), times.read_port(domain="comb")
        lane, now, time, known = Signal(LANE_BITS), Signal(64), Signal(64), Signal(LANES)
        begun, ahead, difference, was_known = Signal(3), Signal(AHEAD_BITS), Signal(65), Signal()
        with m.If(self.begin):
            m.d.sync += [lane.eq(self.lane), now.eq(self.now)]
        m.d.comb += read.addr.eq(lane)
        m.d.sync += [
            begun.eq(Cat(self.begin, begun)),
            time.eq(read.data),
            was_known.eq(known.bit_select(lane, 1)),
            difference.eq(time - now),
            self.over.eq((self.depth < ahead) | (self.interval == 0)),
        ]
        # A time that is past is no lead, and one too far ahead is a long one.
        with m.If(begun[2]):
            m.d.sync += ahead.eq(difference[:AHEAD_BITS] | difference[AHEAD_BITS:].any().replicate(AHEAD_BITS))
            with m.If(difference[-1] | ~was_known):
                m.d.sync += ahead.eq(0)
        with m.Elif(self.charge):
            m.d.sync += ahead.eq(ahead + self.interval)

        taken = Signal()
        m.d.comb += [write.addr.eq(lane), write.en.eq(taken)]
        m.d.sync += [write.data.eq(now + ahead), taken.eq(self.commit)]
        with m.If(taken):
            m.d.sync += known.eq(known | C(1, LANES) << lane)
        return m

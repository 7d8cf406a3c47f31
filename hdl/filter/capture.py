"""Capture registers: the moments from which the latencies are computed (DESIGN: the five latencies)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES, Source

BOUND = 4  # cycles after its kill edge in which an order may still complete (P1)


class Capture(wiring.Component):
    """Tells when things happened, in cycles at the pins, and latches what belongs to them.

    The kill registers hold the first kill edge after an arm: the cycle in which a request met a lane that was open. An
    order frame that completes on a killed lane is counted against that lane's own edge. Everything else follows the
    last frame.

    Members
    -------
    request, sources, killed, opened : In
        Of the kill latch, in the cycle of the edge; ``opened`` the lanes that an arm opens.
    sent : In(1)
        A frame has completed with a valid FCS: its last octet is on the pins now.
    aborted : In(1)
        A frame has been aborted. Each comes at least 40 cycles after the one before.
    lane, orders : In(4), In(7)
        Of that frame.
    started : In(1)
        A frame's first preamble octet is on the pins now.
    measured, dwell, gap, length : In
        Cycles from its own last octet in, and from its predecessor's last octet out, to its first preamble octet; its
        octets.
    last_octet, tripped : In(1)
        The last octet of a message is in the decoder; a message has just been found to trip.
    kill, after, passing, breach, opening : Out(1)
        Strobes, two cycles after the kill edge, the completion of an order frame on a killed lane, the first preamble
        octet, the decision that a message trips. ``opening`` forgets the first two; it comes one cycle after an arm
        opened a lane.
    """

    DECODER_DELAY = 3  # cycles from the pins to `last_octet`

    request: In(LANES)
    sources: In(len(Source))
    killed: In(LANES)
    opened: In(LANES)
    sent: In(1)
    aborted: In(1)
    lane: In(4)
    orders: In(7)
    started: In(1)
    measured: In(1)
    dwell: In(16)
    gap: In(16)
    length: In(11)
    last_octet: In(1)
    tripped: In(1)

    kill: Out(1)
    after: Out(1)
    passing: Out(1)
    breach: Out(1)
    opening: Out(1)
    kill_cause: Out(32)
    cause: Out(len(Source), init=1 << Source.RESET)
    after_orders: Out(32)
    aborts: Out(32)
    pass_dwell: Out(32)
    pass_gap: Out(32)
    breach_after: Out(32)

    @property
    def registers(self) -> dict[Reg, Signal]:
        """The status registers that this component drives."""
        return {
            Reg.CAUSE: self.cause,
            Reg.KILL_CAUSE: self.kill_cause,
            Reg.AFTER_ORDERS: self.after_orders,
            Reg.ABORTS: self.aborts,
            Reg.PASS_DWELL: self.pass_dwell,
            Reg.PASS_GAP: self.pass_gap,
            Reg.BREACH_AFTER: self.breach_after,
        }

    @property
    def moments(self) -> dict[Reg, tuple[Signal, Value]]:
        """The strobes of this component's moments: they happened, and are forgotten."""
        return {
            Reg.KILL_AT: (self.kill, self.opening),
            Reg.AFTER_END: (self.after, self.opening),
            Reg.PASS_START: (self.passing, Const(0, 1)),
            Reg.BREACH_AT: (self.breach, Const(0, 1)),
        }

    def elaborate(self, platform):
        m = Module()

        # The kill: what an edge met, two cycles later, behind what an arm of its own cycle clears.
        edge, edge_sources = Signal(LANES), Signal.like(self.sources)
        first, first_sources, meets_lane, seen = Signal(LANES), Signal.like(self.sources), Signal(), Signal()
        m.d.sync += [
            edge.eq(self.request & ~self.killed),
            edge_sources.eq(self.sources),
            self.opening.eq(self.opened.any()),
            first.eq(edge),
            first_sources.eq(edge_sources),
            meets_lane.eq(edge.any()),
        ]
        m.d.comb += self.kill.eq(meets_lane & ~seen)
        with m.If(self.opening):
            m.d.sync += [self.kill_cause.eq(0), seen.eq(0), self.cause.eq(self.sources)]
        with m.Else():
            m.d.sync += self.cause.eq(self.cause | self.sources)
            with m.If(self.kill):
                m.d.sync += [seen.eq(1), self.kill_cause.eq(first_sources | (first << 8))]

        # Late: the lane is killed in this cycle, and was in the `BOUND` before: two of them, and two cycles ago two.
        late, once, twice, between, before_twice = (Signal(LANES, name=f"killed_{n}") for n in range(5))
        m.d.sync += [
            once.eq(self.killed),
            twice.eq(self.killed & once),
            between.eq(twice),
            before_twice.eq(between),
            late.eq(self.killed & twice & before_twice),
        ]

        completed, lane, orders, was_killed = Signal(), Signal(3), Signal(7), Signal(LANES)
        of_lane = Signal()
        m.d.sync += [
            completed.eq(self.sent & self.orders.any()),
            of_lane.eq(~self.lane[3]),
            lane.eq(self.lane),
            orders.eq(self.orders),
            was_killed.eq(self.killed),
        ]
        too_late, after_by, aborted = Signal(), Signal(7), Signal()
        m.d.sync += [
            self.after.eq(completed & of_lane & was_killed.bit_select(lane, 1)),
            too_late.eq(late.bit_select(lane, 1)),
            after_by.eq(orders),
            aborted.eq(self.aborted),
        ]

        # Both are counted bit by bit: a frame takes longer than a word has bits.
        counts = (self.after_orders, self.aborts)
        counting, bit_at, amount, carry = Signal(len(counts)), Signal(5), Signal(7), Signal()
        m.d.sync += [bit_at.eq(bit_at + 1), amount.eq(amount >> 1)]
        with m.If(self.opening):
            m.d.sync += counting.eq(0)
        with m.Elif((self.after & too_late) | aborted):
            m.d.sync += [counting.eq(Mux(aborted, 0b10, 0b01)), amount.eq(Mux(aborted, 1, after_by))]
            m.d.sync += [bit_at.eq(0), carry.eq(0)]
        with m.Elif(bit_at == 31):
            m.d.sync += counting.eq(0)
        for number, count in enumerate(counts):
            turning = Signal(32, name=f"turning_{number}")
            with m.If(self.opening):
                m.d.sync += [turning.eq(0), count.eq(0)]
            with m.Elif(counting[number]):
                total = turning[0] + amount[0] + carry
                m.d.sync += [turning.eq(Cat(turning[1:], total[0])), carry.eq(total[1])]
            with m.Else():
                m.d.sync += count.eq(turning)

        started, decided = Signal(), Signal()
        m.d.sync += [started.eq(self.started), self.passing.eq(started)]
        with m.If(self.measured):
            m.d.sync += [self.pass_dwell.eq(self.dwell | (self.length << 16)), self.pass_gap.eq(self.gap)]

        # Cycles since the last octet of the last message was on the pins.
        since = Signal(16)
        m.d.sync += since.eq(Mux(self.last_octet, self.DECODER_DELAY + 1, since + 1))
        m.d.sync += [decided.eq(self.tripped), self.breach.eq(decided)]
        with m.If(self.tripped):
            m.d.sync += self.breach_after.eq(since)
        return m

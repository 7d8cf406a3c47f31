"""Capture registers: the moments from which the latencies are computed (DESIGN: the five latencies)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES

BOUND = 4  # cycles after its kill edge in which an order may still complete (P1)


class Capture(wiring.Component):
    """Latches when things happened, in cycles of ``now`` at the pins.

    The kill registers hold the first kill edge after an arm: the cycle in which a request met a lane that was open. An
    order frame that completes on a killed lane is counted against that lane's own edge. Everything else follows the
    last frame.

    Members
    -------
    now : In(64)
    request, sources, killed, opened : In
        Of the kill latch, in the cycle of the edge; ``opened`` the lanes that an arm opens.
    sent : In(1)
        A frame has completed with a valid FCS: its last octet is on the pins now.
    aborted : In(1)
    lane, orders : In(4), In(7)
        Of that frame.
    started, dwell, gap, length : In
        A frame's first preamble octet is on the pins now; cycles from its own last octet in, and from its
        predecessor's last octet out; its octets.
    last_octet, breached : In(1)
        The last octet of a message is in the decoder; a message has just been found to breach a limit.
    """

    DECODER_DELAY = 3  # cycles from the pins to `last_octet`

    now: In(64)
    request: In(LANES)
    sources: In(6)
    killed: In(LANES)
    opened: In(LANES)
    sent: In(1)
    aborted: In(1)
    lane: In(4)
    orders: In(7)
    started: In(1)
    dwell: In(16)
    gap: In(16)
    length: In(11)
    last_octet: In(1)
    breached: In(1)

    kill_at: Out(64)
    kill_cause: Out(32)
    cause: Out(6, init=1)
    after_orders: Out(32)
    after_end: Out(64)
    aborts: Out(32)
    pass_start: Out(64)
    pass_dwell: Out(32)
    pass_gap: Out(32)
    breach_at: Out(64)
    breach_after: Out(32)

    @property
    def registers(self) -> dict[Reg, Signal]:
        """The status registers that this component drives."""
        return {
            Reg.CAUSE: self.cause,
            Reg.KILL_AT: self.kill_at,
            Reg.KILL_CAUSE: self.kill_cause,
            Reg.AFTER_ORDERS: self.after_orders,
            Reg.AFTER_END: self.after_end,
            Reg.ABORTS: self.aborts,
            Reg.PASS_START: self.pass_start,
            Reg.PASS_DWELL: self.pass_dwell,
            Reg.PASS_GAP: self.pass_gap,
            Reg.BREACH_AT: self.breach_at,
            Reg.BREACH_AFTER: self.breach_after,
        }

    def elaborate(self, platform):
        m = Module()
        before = Signal(64)  # `now` of the previous cycle
        m.d.sync += before.eq(self.now)

        # The kill: the edge is decided one cycle late, from registers, and stamped with the cycle in which it was.
        edge, edge_sources, seen, opening = Signal(LANES), Signal(6), Signal(), Signal()
        m.d.sync += [
            edge.eq(self.request & ~self.killed),
            edge_sources.eq(self.sources),
            opening.eq(self.opened.any()),
        ]
        with m.If(opening):
            m.d.sync += [
                self.cause.eq(self.sources),
                self.after_orders.eq(0),
                self.after_end.eq(0),
                self.aborts.eq(0),
                self.kill_at.eq(0),
                self.kill_cause.eq(0),
                seen.eq(0),
            ]
        with m.Else():
            m.d.sync += self.cause.eq(self.cause | self.sources)
        with m.If(edge.any() & ~seen):
            m.d.sync += [seen.eq(1), self.kill_at.eq(before), self.kill_cause.eq(edge_sources | (edge << 8))]

        # Cycles since each lane's own edge: `age` is 0 in the cycle after it.
        late = Signal(LANES)
        for lane in range(LANES):
            age = Signal(3, name=f"age{lane}")
            m.d.sync += late[lane].eq(self.killed[lane] & (age >= BOUND))
            with m.If(~self.killed[lane]):
                m.d.sync += age.eq(0)
            with m.Elif(age != 7):
                m.d.sync += age.eq(age + 1)

        mine, completed, orders, was_killed = Signal(LANES), Signal(), Signal(7), Signal(LANES)
        m.d.sync += [
            mine.eq(1 << self.lane),
            completed.eq(self.sent & self.orders.any()),
            orders.eq(self.orders),
            was_killed.eq(self.killed),
        ]
        after, too_late, after_by, after_at = Signal(), Signal(), Signal(7), Signal(64)
        m.d.sync += [
            after.eq(completed & (mine & was_killed).any()),
            too_late.eq((mine & late).any()),
            after_by.eq(orders),
            after_at.eq(before),
        ]
        with m.If(after & ~opening):
            m.d.sync += self.after_end.eq(after_at)
            with m.If(too_late):
                m.d.sync += self.after_orders.eq(self.after_orders + after_by)
        with m.If(self.aborted & ~opening):
            m.d.sync += self.aborts.eq(self.aborts + 1)

        with m.If(self.started):
            m.d.sync += [
                self.pass_start.eq(self.now),
                self.pass_dwell.eq(self.dwell | (self.length << 16)),
                self.pass_gap.eq(self.gap),
            ]

        # Cycles since the last octet of the last message was on the pins.
        since = Signal(16)
        m.d.sync += since.eq(Mux(self.last_octet, self.DECODER_DELAY + 1, since + 1))
        with m.If(self.breached):
            m.d.sync += [self.breach_at.eq(self.now), self.breach_after.eq(since)]
        return m

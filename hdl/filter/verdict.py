"""The verdict on a frame: kept or dropped, for which reason, and what follows from it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.particulars import ORDER, Particulars
from hdl.filter.settings import TRIPS
from hdl.filter.tally import DECODE_CHECKS, ENTER_CHECKS, Tally, first
from hdl.wire.event import NO_SYMBOL
from hdl.wire.verdict import LANES, LAST_WITHOUT_LANE, NO_LANE, RECEIVE_ERRORS, Action, Reason, Trip

FRAME_REASONS = Reason.FRAMING + 1  # flags of a frame are numbered as in Reason, 0 unused
FENCING = (Reason.HISTORY, Reason.FINISHED, Reason.FRAMING)  # of a segment
# Flags that are final before the frame's end, or another one is up that is not.
SETTLED = sum(1 << number for number in range(Reason.FENCED, FRAME_REASONS) if number != Reason.ROLLED_BACK) | sum(
    1 << reason
    for reason in (
        Reason.ETHERTYPE, Reason.VLAN_DEPTH, Reason.FRAGMENT, Reason.PROTOCOL, Reason.POLICY, Reason.NO_LANE,
        Reason.UDP_LENGTH, Reason.UDP_CHECKSUM, Reason.TCP_HEADER, Reason.TCP_FLAGS, Reason.TCP_CHECKSUM,
    )
)  # fmt: skip

LOGGED_LATER = 4  # cycles from `judged` to `logged`


class Verdict(wiring.Component):
    """Joins what every check found into one verdict for each frame.

    A message is judged when it ends (`hdl.filter.tally`), the frame in the cycle of ``end``: ``keep``, ``reset`` and
    ``overwrite`` are combinational there, everything else follows registered. The kill is sampled in that
    cycle, for frames that hold orders, or octets of orders, and on lanes that it cuts off for every frame; and again by
    the egress gate. A datagram with a failing message is dropped. What a TCP lane does with orders to be stopped is
    its action: NEUTRALISE keeps the frame, FENCE fences the lane, STARVE drops, and CUT fences unless the lane is
    killed, when it drops every frame and shuts the lane silently. Whatever the action, these fence: flags that are in
    ``FENCING``, what the tally fences for, and octets, on a killed lane, of an order that has left or began in an
    earlier frame; and an order that ends too early to be judged, or that is more than the 31st and does not end.

    Members
    -------
    start, end, closes : In(1)
        The receiver's strobes; ``closes`` is ``end`` of the next cycle.
    flags : In(29)
        One bit for each reason below KILLED, by number, valid with ``end``; those in ``SETTLED`` a cycle before, too.
    lane : In(4)
        Right from two cycles before ``end``, and before the first message, to two cycles behind ``end``; 8: no lane.
    action : In(2)
        Of the lane.
    tcp : In(1)
        The frame is a segment of a TCP lane.
    continued, unfinished, old_order : In(1)
        The first order began in an earlier frame; the payload ends in an order that begins here; it repeats octets of
        an order that left. Valid with ``end`` and a cycle before, ``continued`` with the first order's message_end.
    unjudged : In(1)
        With ``end``: an order that began in an earlier frame has ended, too late to be checked. It fences (BUSY).
    stale : In(1)
        What a kill withheld is not over yet on this lane: it counts as killed, unless it is to starve.
    killing : In(8)
        Lanes that are killed in the next cycle.
    message_end, is_order, is_enter, replaces, bad_message, …, undecided, forbidden : In(1)
    user_ref, index, quantity, price : In
        As `Tally` has them.
    judged_order, stop : Out(1)
        Its ``judged`` and ``stop``.
    keep, enter, reset : Out(1)
        Combinational, with ``end``: the frame goes to the egress queue; it goes there, or an RST in its place does;
        which of the two, if one does.
    overwrite : Out(1)
        Combinational: a frame kept leaves with all its orders overwritten.
    lets_go : Out(1)
        Some order is let go, if the frame is kept and not overwritten; right with ``end``.
    orders, stopped, stop_reason : Out(7), Out(7), Out(Reason)
        One cycle after ``end``: orders let go, orders overwritten and for what.
    passes, checked, charge : Out(1)
        As `Tally` has them.
    frame_end, kept, released : Out(1)
        One cycle after ``end``; the frame is kept; and its orders go out.
    fence, latch, withhold : Out(1)
        One cycle after ``end``: the lane is fenced, with RSTs or without; it was killed, and the frame right, but maybe
        its place.
    block, block_index, breach : Out
        One cycle after ``end``: a symbol is to be blocked; the lanes to be killed.
    runt : Out(1)
        Three cycles after ``end``: the frame was a runt. They can come every few cycles, and have no verdict.
    judged, passed, fenced, row, reason, failing_is_order, counted_orders : Out
        Three cycles after ``end``: what the counters book. Of a frame that passed, ``reason`` is its first stopped
        order's.
    logged, overwritten, order : Out
        Four cycles after ``judged``, with which the others stay as they are for 30 cycles: the frame had a lane and was
        dropped, or had so many orders overwritten; fields of the failing message.
    trips, tripped : In(TRIPS), Out(1)
        As `Tally` has them.
    """

    def __init__(self):
        checks = (*DECODE_CHECKS, *ENTER_CHECKS, "forbidden")
        messages = {name: In(1) for name in ("message_end", "is_order", "is_enter", "replaces", *checks)}
        super().__init__(
            {
                "start": In(1),
                "end": In(1),
                "closes": In(1),
                "flags": In(FRAME_REASONS),
                "lane": In(4),
                "action": In(Action),
                "tcp": In(1),
                "continued": In(1),
                "unfinished": In(1),
                "old_order": In(1),
                "unjudged": In(1),
                "stale": In(1),
                "killing": In(LANES),
                **messages,
                "user_ref": In(32),
                "index": In(9),
                "quantity": In(32),
                "price": In(32),
                "judged_order": Out(1),
                "stop": Out(1),
                "keep": Out(1),
                "reset": Out(1),
                "enter": Out(1),
                "overwrite": Out(1),
                "lets_go": Out(1),
                "orders": Out(7),
                "stopped": Out(7),
                "stop_reason": Out(Reason),
                "passes": Out(1),
                "checked": Out(1),
                "charge": Out(1),
                "frame_end": Out(1),
                "kept": Out(1),
                "released": Out(1),
                "fence": Out(1),
                "latch": Out(1),
                "withhold": Out(1),
                "block": Out(1),
                "block_index": Out(9),
                "breach": Out(LANES),
                "runt": Out(1),
                "judged": Out(1),
                "row": Out(4),
                "reason": Out(Reason),
                "failing_is_order": Out(1),
                "counted_orders": Out(7),
                "fenced": Out(1),
                "logged": Out(1),
                "passed": Out(1),
                "overwritten": Out(7),
                "order": Out(ORDER),
                "trips": In(TRIPS),
                "tripped": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.tally = tally = Tally()
        tcp = Signal()  # as of the cycle before, like the lane and its action
        m.d.sync += tcp.eq(self.tcp)
        names = ("start", "continued", "message_end", "is_order", "is_enter", "replaces", *DECODE_CHECKS, *ENTER_CHECKS)
        for name in (*names, "forbidden", "index"):
            m.d.comb += getattr(tally, name).eq(getattr(self, name))
        m.submodules.particulars = particulars = Particulars()
        for name in ("note", "keep", "clear", "known", "enter"):
            m.d.comb += getattr(particulars, name).eq(getattr(tally, name))
        for name in ("user_ref", "quantity", "price"):
            m.d.comb += getattr(particulars, name).eq(getattr(self, name))
        m.d.comb += [
            tally.place.eq(particulars.place),
            # Undecided, it may not have been looked up yet: the index is another order's.
            particulars.symbol.eq(Mux(self.missing | self.undecided, NO_SYMBOL, self.index)),
            self.order.eq(particulars.fields),
        ]
        over = Signal()
        with m.If(self.end):
            m.d.sync += over.eq(1)
        with m.Elif(self.start):
            m.d.sync += over.eq(0)
        m.d.comb += [
            tally.tcp.eq(tcp),
            tally.over.eq(self.closes | self.end | over & ~self.start),
            self.judged_order.eq(tally.judged),
            self.stop.eq(tally.stop),
            tally.trips.eq(self.trips),
            self.tripped.eq(tally.tripped),
            self.passes.eq(tally.passes),
            self.checked.eq(tally.checked),
            self.charge.eq(tally.charge),
        ]

        mine, action = Signal(LANES), {name: Signal(name=f"is_{name.name.lower()}") for name in Action}
        m.d.sync += mine.eq(1 << self.lane)  # one bit; none for no lane
        killed, lane_killed = Signal(), Signal()  # in this cycle; or it counts as if it were
        stale = self.stale & (self.action != Action.STARVE)
        m.d.sync += [
            killed.eq((self.killing & mine).any()),
            lane_killed.eq((self.killing & mine).any() | stale),
        ]
        m.d.sync += [flag.eq(self.action == name) for name, flag in action.items()]

        # What is settled a cycle before the end. Stopped orders alone do not drop the frame; do not fence; whatever the
        # tally says, it is dropped on a killed lane; it fences there.
        keeps, spares, drops_dead, fences_dead = Signal(), Signal(), Signal(), Signal()
        returns, unfinished, crowded, late = Signal(), Signal(), Signal(), Signal()
        returned, cut = self.continued | self.old_order, self.action == Action.CUT
        m.d.sync += [
            keeps.eq(tcp & (self.action == Action.NEUTRALISE)),
            spares.eq((self.action == Action.NEUTRALISE) | (self.action == Action.STARVE)),
            returns.eq(tcp & returned),
            unfinished.eq(tcp & self.unfinished),
            crowded.eq(tcp & self.unfinished & tally.full),  # the 31st has ended long before another one goes on
            drops_dead.eq(cut | tcp & (returned | self.unfinished & (self.action != Action.NEUTRALISE))),
            fences_dead.eq(returned | self.unfinished & (self.action == Action.FENCE)),
        ]
        # What becomes of the frame if its lane is not killed, and if it is: dropped, fenced.
        drop, fence, refused = Signal(2), Signal(2), Signal()
        # `late`: an order that can't be judged, since it began before, or not be overwritten, since it is one too many.
        m.d.comb += [
            refused.eq(Mux(spares, tally.fencing, tally.failed)),
            late.eq(tcp & self.unjudged | crowded & ~refused),
            drop[0].eq(Mux(keeps, tally.fencing, tally.failed) | late),
            drop[1].eq(Mux(keeps, tally.fencing, tally.failed | tally.some_order) | drops_dead),
            fence[0].eq(refused | late),
            fence[1].eq(Mux(spares, tally.fencing, tally.failed | tally.some_order) | fences_dead),
        ]

        frame_bad, bad_before, bad_place, settled = (Signal() for _ in range(4))
        dropped, fences, cut_off, begun = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            settled.eq((self.flags & SETTLED)[: FENCING[0]].any()),
            bad_place.eq((self.flags & SETTLED)[FENCING[0] :].any()),
        ]
        m.d.comb += [
            bad_before.eq(settled | (self.flags & ~SETTLED).any()),
            frame_bad.eq(bad_before | bad_place),
            dropped.eq(Mux(lane_killed, drop[1], drop[0])),
            cut_off.eq(lane_killed & action[Action.CUT]),
            fences.eq(tcp & ~cut_off & (bad_place | Mux(lane_killed, fence[1], fence[0]))),
            self.keep.eq(self.end & ~frame_bad & ~dropped),
            self.reset.eq(fences),
            # The flags come last, and are to meet as little as can be.
            self.enter.eq(self.end & ~bad_before & (fences | ~bad_place & ~dropped)),
            self.overwrite.eq(lane_killed & tcp),
            self.lets_go.eq(tally.lets_go),
            begun.eq(self.overwrite & unfinished),  # an order that is overwritten before it is whole counts
        ]

        # For which reason: the kill, if it came before any other failure; else the message that fences, else the first
        # that fails. Where orders alone do not fence, a message that does is the reason.
        by_kill, by_fence, holds = Signal(), Signal(), Signal()
        m.d.comb += [
            holds.eq(tally.some_order | unfinished),
            by_fence.eq(tcp & tally.fencing & (action[Action.NEUTRALISE] | action[Action.STARVE])),
            by_kill.eq(
                lane_killed & (returns | action[Action.CUT] | holds & ~by_fence & (~tally.failed | tally.order_first))
            ),
        ]

        # One cycle later.
        flags = Signal.like(self.flags)
        killing, missing, fencing, some_more = Signal(), Signal(), Signal(), Signal()
        tripping, tripping_lane = Signal(), Signal(LANES)
        m.d.sync += [
            self.frame_end.eq(self.end),
            self.kept.eq(self.keep),
            self.released.eq(self.keep & ~self.overwrite),
            self.fence.eq(self.end & ~bad_before & fences),
            self.withhold.eq(self.end & tcp & killed & ~self.flags[: Reason.ROLLED_BACK].any()),
            self.latch.eq(self.end & tcp & ~bad_before & cut_off),
            tripping.eq(self.end & ~frame_bad & ~Mux(tcp, lane_killed, by_kill)),
            tripping_lane.eq(mine),
            flags.eq(self.flags),
            killing.eq(by_kill),
            missing.eq(late & ~lane_killed),
            some_more.eq(begun | late),
            fencing.eq(by_fence),
        ]
        overwritten, half, segment = Signal(), Signal(), Signal()
        m.d.sync += [overwritten.eq(self.overwrite), half.eq(unfinished), segment.eq(tcp)]
        m.d.comb += [
            self.orders.eq(Mux(overwritten, 0, tally.let_go)),
            self.stopped.eq(Mux(overwritten, tally.orders + half, Mux(segment, tally.stopped, 0))),
            self.stop_reason.eq(Mux(overwritten, Reason.KILLED, tally.failing)),
        ]
        m.d.comb += [
            self.block.eq(tripping & (tally.trip == Trip.SYMBOL)),
            self.block_index.eq(tally.trip_index),
        ]
        with m.If(tripping & (tally.trip == Trip.LANE)):
            m.d.comb += self.breach.eq(tripping_lane)
        with m.If(tripping & (tally.trip == Trip.FIRM)):
            m.d.comb += self.breach.eq((1 << LANES) - 1)

        # Two: the reason. Three: what depends on it.
        halves = range(1, FRAME_REASONS // 2), range(FRAME_REASONS // 2, FRAME_REASONS)
        by_frame = [first((n, flags[n]) for n in half) for half in halves]
        lower, upper, some_lower = Signal(Reason), Signal(Reason), Signal()
        ended, kept, frame_reason, frame_has = Signal(), Signal(), Signal(Reason), Signal()
        message_reason, is_order, blank = Signal(Reason), Signal(), Signal()
        hits, orders, fence_2, runt = Signal(7), Signal(7), Signal(), Signal()
        m.d.sync += [
            ended.eq(self.frame_end & ~flags[Reason.RUNT]),
            runt.eq(self.frame_end & flags[Reason.RUNT]),
            kept.eq(self.kept),
            fence_2.eq(self.fence),
            lower.eq(by_frame[0]),
            upper.eq(by_frame[1]),
            some_lower.eq(Cat(flags[n] for n in halves[0]).any()),
            frame_has.eq(flags.any()),
            message_reason.eq(tally.failing),
            is_order.eq(tally.failing_is_order),
            particulars.which.eq(tally.failing_place),
            blank.eq(~tally.failed),
            hits.eq(self.stopped),
            orders.eq(tally.orders + some_more),
        ]
        with m.If(killing):
            m.d.sync += [message_reason.eq(Reason.KILLED), is_order.eq(1)]
            m.d.sync += [particulars.which.eq(tally.first_place), blank.eq(~tally.some_order)]
        with m.Elif(missing):
            m.d.sync += [message_reason.eq(Reason.BUSY), is_order.eq(1), blank.eq(1)]
        with m.Elif(fencing):
            m.d.sync += [message_reason.eq(tally.fence_reason), is_order.eq(tally.fence_is_order)]
            m.d.sync += [particulars.which.eq(tally.fence_place), blank.eq(0)]
        m.d.comb += [particulars.recall.eq(ended), particulars.blank.eq(blank | frame_has)]
        nowhere = Signal()
        m.d.comb += frame_reason.eq(Mux(some_lower, lower, upper))
        m.d.comb += nowhere.eq(frame_has & (frame_reason <= LAST_WITHOUT_LANE))
        due = Signal(LOGGED_LATER)  # to be logged, when its particulars are there
        m.d.sync += [
            self.runt.eq(runt),
            self.judged.eq(ended),
            due.eq(Cat(ended & ~nowhere & ~self.lane[3] & (~kept | hits.any()), due)),
            self.logged.eq(due[-1]),
        ]
        with m.If(ended):
            m.d.sync += [
                self.row.eq(Mux(nowhere, NO_LANE, self.lane)),
                self.reason.eq(Mux(frame_has, frame_reason, message_reason)),
                self.counted_orders.eq(Mux(frame_has, 0, orders)),
                self.overwritten.eq(Mux(kept, hits, 0)),
                self.failing_is_order.eq(is_order),
                self.passed.eq(kept),
                self.fenced.eq(fence_2),
            ]
        return m


assert max(RECEIVE_ERRORS) < Reason.OVERFLOW  # receive errors come first: nothing in such a frame can be trusted

"""The verdict on a frame: kept or dropped, for which reason, and what follows from it."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.event import NO_SYMBOL
from hdl.wire.verdict import LANES, LAST_WITHOUT_LANE, NO_LANE, RECEIVE_ERRORS, Reason

FRAME_REASONS = Reason.FRAMING + 1  # flags of a frame are numbered as in Reason, 0 unused

# Checks of one order message, in order of evaluation; the verdict's inputs of the same names.
DECODE_CHECKS = {
    "bad_message": Reason.MESSAGE,
    "replace": Reason.REPLACE,
    "pegged": Reason.PEGGED,
    "channel": Reason.CHANNEL,
}
ENTER_CHECKS = {
    "missing": Reason.SYMBOL,
    "blocked": Reason.BLOCKED,
    "bad_side": Reason.SIDE,
    "bad_quantity": Reason.QUANTITY,
    "over_size": Reason.ORDER_SIZE,
    "zero_price": Reason.PRICE,
    "market": Reason.MARKET,
    "over_position": Reason.POSITION,
    "over_lane": Reason.LANE_GROSS,
    "over_firm": Reason.FIRM_GROSS,
    "undecided": Reason.BUSY,
}

ORDER = data.StructLayout({"user_ref": 32, "symbol": 16, "quantity": 32, "price": 32})
NO_ORDER = {"user_ref": 0, "symbol": NO_SYMBOL, "quantity": 0, "price": 0}


def first(m, flags, *, name):
    """Return the lowest reason whose flag is set, 0 if none: `flags` are (reason, signal) in order."""
    reason = Signal(Reason, name=name)
    for number, flag in reversed(list(flags)):
        with m.If(flag):
            m.d.comb += reason.eq(number)
    return reason


class Verdict(wiring.Component):
    """Joins what every check found into one verdict for each frame.

    A message is judged when it ends, from the flags of its decoder and, for an Enter, of the risk engine: the first
    failing message of a frame gives its reason, and of that message's failures the lowest ``Reason``. The frame is
    judged in the cycle of ``end``: ``keep`` is combinational there, everything else follows registered. The kill is
    sampled in that cycle for frames that hold an order, and again by the egress gate.

    Members
    -------
    start, end : In(1)
        The receiver's strobes.
    flags : In(18)
        One bit for each reason below KILLED, by number, valid with ``end``.
    lane : In(4)
        Valid from before the first message to ``end``; 8: no lane.
    killed : In(8)
    message_end, is_order, is_enter : In(1)
        A message has ended; its decoder's flags are valid in this cycle, the risk engine's in the next one.
    bad_message, …, undecided : In(1)
        The flags, named as in ``DECODE_CHECKS`` and ``ENTER_CHECKS``.
    user_ref, index, quantity, price : In
        Of the message that ends; taken one cycle later.
    keep : Out(1)
        Combinational, with ``end``: the frame goes to the egress queue.
    orders : Out(7)
        Orders in the frame, valid with ``end``.
    doomed : Out(1)
        A message of this frame has failed.
    frame_end, kept, block, block_index, breach : Out
        One cycle after ``end``; ``block`` when a breach of its budget blocks a symbol, ``breach`` the lanes to kill.
    judged, row, reason, failing_is_order, counted_orders : Out
        Three cycles after ``end``: what the counters book.
    logged, order : Out
        With ``judged``: the frame had a lane and was dropped; the failing message's fields.
    breached : Out(1)
        A message has just failed POSITION, LANE_GROSS or FIRM_GROSS.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "end": In(1),
                "flags": In(FRAME_REASONS),
                "lane": In(4),
                "killed": In(LANES),
                "message_end": In(1),
                "is_order": In(1),
                "is_enter": In(1),
                **{name: In(1) for name in (*DECODE_CHECKS, *ENTER_CHECKS)},
                "user_ref": In(32),
                "index": In(9),
                "quantity": In(32),
                "price": In(32),
                "keep": Out(1),
                "orders": Out(7),
                "doomed": Out(1),
                "breach": Out(LANES),
                "frame_end": Out(1),
                "kept": Out(1),
                "block": Out(1),
                "block_index": Out(9),
                "judged": Out(1),
                "row": Out(4),
                "reason": Out(Reason),
                "failing_is_order": Out(1),
                "counted_orders": Out(7),
                "logged": Out(1),
                "order": Out(ORDER),
                "breached": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # A message: its decoder's verdict, then, one cycle later, the risk engine's.
        decoded = first(m, [(r, getattr(self, name)) for name, r in DECODE_CHECKS.items()], name="decoded")
        ended, was_order, was_enter, well_formed, by_decoder = Signal(), Signal(), Signal(), Signal(), Signal(Reason)
        m.d.sync += [
            ended.eq(self.message_end),
            was_order.eq(self.is_order),
            was_enter.eq(self.is_enter),
            well_formed.eq(~self.bad_message),
            by_decoder.eq(decoded),
        ]
        by_risk = first(m, [(r, getattr(self, name)) for name, r in ENTER_CHECKS.items()], name="by_risk")
        reason = Signal(Reason)
        m.d.comb += reason.eq(Mux(by_decoder != Reason.PASSED, by_decoder, Mux(was_enter, by_risk, Reason.PASSED)))
        fields = Signal(ORDER)
        m.d.comb += fields.eq(ORDER.const(NO_ORDER))
        with m.If(well_formed):
            m.d.comb += fields.user_ref.eq(self.user_ref)
            with m.If(was_enter):
                m.d.comb += [fields.quantity.eq(self.quantity), fields.price.eq(self.price)]
                m.d.comb += fields.symbol.eq(Mux(self.missing, NO_SYMBOL, self.index))

        # The frame so far.
        failed, failing, failing_is_order, some_order = Signal(), Signal(Reason), Signal(), Signal()
        order_first = Signal()  # an order came before the failing message, or is the failing one
        failing_fields, first_order = Signal(ORDER), Signal(ORDER)
        m.d.comb += self.doomed.eq(failed)
        m.d.sync += self.breached.eq(0)
        with m.If(ended):
            with m.If(was_order):
                m.d.sync += [self.orders.eq(self.orders + 1), some_order.eq(1)]
                with m.If(~some_order):
                    m.d.sync += first_order.eq(fields)
            with m.If(~failed):
                m.d.sync += [
                    failing.eq(reason),
                    failing_fields.eq(fields),
                    failing_is_order.eq(was_order),
                    order_first.eq(was_order | some_order),
                ]
                with m.If(reason != Reason.PASSED):
                    m.d.sync += [
                        failed.eq(1),
                        self.breached.eq(
                            (reason == Reason.POSITION) | (reason == Reason.LANE_GROSS) | (reason == Reason.FIRM_GROSS)
                        ),
                    ]
        # A message may still end in the cycle after its frame; so the next frame clears the state, four octets in.
        opening = Signal(4)
        m.d.sync += opening.eq(opening << 1 | self.start)
        with m.If(opening[3]):
            m.d.sync += [self.orders.eq(0), some_order.eq(0), failed.eq(0), failing.eq(Reason.PASSED)]

        # The frame's verdict.
        mine = Signal(LANES)  # its lane, one bit; none for no lane
        m.d.sync += mine.eq(1 << self.lane)
        lane_killed, frame_bad, message_bad, kill = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            lane_killed.eq((self.killed & mine).any() & some_order),
            frame_bad.eq(self.flags.any()),
            kill.eq(lane_killed & (~failed | order_first)),
            message_bad.eq(failed | lane_killed),
            self.keep.eq(self.end & ~frame_bad & ~message_bad),
        ]
        # One cycle later.
        flags, killing, message_reason, lane = Signal.like(self.flags), Signal(), Signal(Reason), Signal(4)
        breaching, breaching_lane = Signal(), Signal(LANES)
        m.d.sync += [
            self.frame_end.eq(self.end),
            self.kept.eq(self.keep),
            breaching.eq(self.end & ~frame_bad & failed & ~kill),
            breaching_lane.eq(mine),
            self.block_index.eq(failing_fields.symbol),
            flags.eq(self.flags),
            killing.eq(kill),
            message_reason.eq(failing),
            lane.eq(self.lane),
        ]
        m.d.comb += self.block.eq(breaching & (message_reason == Reason.POSITION))
        with m.If(breaching & (message_reason == Reason.LANE_GROSS)):
            m.d.comb += self.breach.eq(breaching_lane)
        with m.If(breaching & (message_reason == Reason.FIRM_GROSS)):
            m.d.comb += self.breach.eq((1 << LANES) - 1)

        # Two: the reason. Three: what depends on it.
        by_frame = first(m, [(Reason(n), flags[n]) for n in range(1, FRAME_REASONS)], name="by_frame")
        ended_frame, frame_reason, frame_has, killing_2, lane_2 = (
            Signal(), Signal(Reason), Signal(), Signal(), Signal(4),
        )  # fmt: skip
        message_reason_2 = Signal(Reason)
        m.d.sync += [
            ended_frame.eq(self.frame_end),
            frame_reason.eq(by_frame),
            frame_has.eq(flags.any()),
            killing_2.eq(killing),
            message_reason_2.eq(message_reason),
            lane_2.eq(lane),
        ]
        nowhere = Signal()
        m.d.comb += nowhere.eq(frame_has & (frame_reason <= LAST_WITHOUT_LANE))
        m.d.sync += [
            self.judged.eq(ended_frame),
            self.row.eq(Mux(nowhere, NO_LANE, lane_2)),
            self.reason.eq(Mux(frame_has, frame_reason, Mux(killing_2, Reason.KILLED, message_reason_2))),
            self.counted_orders.eq(Mux(frame_has, 0, self.orders)),
            self.failing_is_order.eq(killing_2 | failing_is_order),
            self.logged.eq(
                ended_frame & ~nowhere & ~lane_2[3] & (frame_has | killing_2 | (message_reason_2 != Reason.PASSED))
            ),
            self.order.eq(Mux(frame_has, ORDER.const(NO_ORDER), Mux(killing_2, first_order, failing_fields))),
        ]
        return m


assert max(RECEIVE_ERRORS) < Reason.OVERFLOW  # receive errors come first: nothing in such a frame can be trusted

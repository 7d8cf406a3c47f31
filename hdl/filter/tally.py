"""The tally of a frame: its messages, judged one by one as they end."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.settings import TRIPS
from hdl.wire.verdict import FIRST_TRIP, LAST_TRIP, Reason, Trip

# Checks of one order message, in order of evaluation; the inputs of the same names.
DECODE_CHECKS = {
    "bad_message": Reason.MESSAGE,
    "replace": Reason.REPLACE,
    "pegged": Reason.PEGGED,
    "channel": Reason.CHANNEL,
}
ENTER_CHECKS = {
    "bad_tag": Reason.TAG,
    "repeated": Reason.DUPLICATE,
    "missing": Reason.SYMBOL,
    "restricted": Reason.RESTRICTED,
    "blocked": Reason.BLOCKED,
    "bad_side": Reason.SIDE,
    "unborrowed": Reason.SHORT,
    "bad_quantity": Reason.QUANTITY,
    "over_size": Reason.ORDER_SIZE,
    "zero_price": Reason.PRICE,
    "market": Reason.MARKET,
    "off_collar": Reason.COLLAR,
    "over_value": Reason.ORDER_VALUE,
    "over_parent": Reason.PARENT,
    "over_children": Reason.CHILDREN,
    "over_rate": Reason.RATE,
    "over_position": Reason.POSITION,
    "over_lane": Reason.LANE_GROSS,
    "over_firm": Reason.FIRM_GROSS,
    "no_room": Reason.FULL,
    "undecided": Reason.BUSY,
}
FIELD_CHECKS = ("bad_tag", "bad_side", "bad_quantity", "over_size", "zero_price", "market")  # the decoder's
# Of the risk engine's those that are known early enough to be told together, as ``forbidden``.
TOGETHER = ("missing", "restricted", "blocked", "unborrowed", "off_collar", "over_value", "over_lane", "no_room")
GROUP = 5  # checks among which the first one that fails is found in one step
LAST_NUMBER = 31  # orders of a frame that can be told apart when it is rewritten: 0 to 30


def first(flags):
    """Return the value of the first flag that is set, 0 if none: `flags` are (value, signal) in order."""

    def halve(flags):
        if len(flags) == 1:
            return flags[0]
        (value, some), (other, more) = (halve(half) for half in (flags[: len(flags) // 2], flags[len(flags) // 2 :]))
        return Mux(some, value, other), some | more

    value, some = halve(list(flags))
    return Mux(some, value, 0)


class Tally(wiring.Component):
    """Judges each message of a frame when it ends, and keeps what the frame's verdict needs of them.

    A message fails for the lowest ``Reason`` of its decoder's flags and, for an Enter or a Replace that is checked, of
    all the others. What is ``missing`` of a Replace is the order to be replaced (REPLACE). On a TCP lane
    an order that fails is stopped, and the frame goes on; but a malformed message, or a stopped order that began in an
    earlier frame, fences. Behind a trip every later order of a TCP frame is stopped too (BLOCKED), and so is an order
    whose number in the frame is above 30 (BUSY). The decoder's flags are taken with ``message_end``, the others one
    cycle later; what follows is right two cycles after ``message_end``, and holds until the next frame is four
    octets in. Sums, reasons, a trip and what it stops take three cycles: an order that ends a cycle behind another is
    malformed.

    Members
    -------
    start : In(1)
        The receiver's strobe.
    over : In(1)
        What would be judged in the next cycle comes too late: from the cycle before the frame's end to the next start.
    tcp : In(1)
        The frame is a segment of a TCP lane.
    continued : In(1)
        The first order of the frame began in an earlier one.
    message_end, is_order, is_enter, replaces : In(1)
        ``replaces``: a Replace that is checked.
    bad_message, …, undecided : In(1)
        Named as in ``DECODE_CHECKS`` and ``ENTER_CHECKS``.
    forbidden : In(1)
        One of ``TOGETHER`` is up.
    index : In(9)
        An order has these fields as far as they are known: an undecided one has no symbol, a malformed one nothing.
    judged, stop : Out(1)
        Strobe one cycle after ``message_end``: an order that began in this frame has ended, and whether it is stopped.
    orders, stopped, let_go : Out(7)
        Whole orders, those that failed, those that did not.
    lets_go : Out(1)
        One did not.
    some_order, order_first : Out(1)
        There is an order; one came before the first failing message, or is it.
    failed, failing, failing_is_order, failing_place : Out
        The first message that fails, and where its particulars are.
    fencing, fence_reason, fence_is_order, fence_place : Out
        The first message that fences.
    passes : Out(1)
        Strobe two cycles after ``message_end``: the message does not fail.
    checked, charge : Out(1)
        Strobes, one and two cycles after ``message_end``: an Enter or a Replace has been judged; it is let go, and so
        is its frame as far as that is known.
    full : Out(1)
        As many orders have begun and ended here as can be told apart.
    first_place : Out(2)
        Of the first order.
    note, keep, clear, known, enter, place
        To and from `Particulars`.
    trips : In(TRIPS)
        What each reason brings about.
    trip, trip_index : Out(Trip), Out(9)
        Of the first order whose reason brings about something, and its symbol. In a datagram only the first failing
        message can.
    tripped : Out(1)
        Strobe three cycles after ``message_end``: that order has just been judged.
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "over": In(1),
                "tcp": In(1),
                "continued": In(1),
                "message_end": In(1),
                "is_order": In(1),
                "is_enter": In(1),
                "replaces": In(1),
                **{name: In(1) for name in (*DECODE_CHECKS, *ENTER_CHECKS, "forbidden")},
                "index": In(9),
                "judged": Out(1),
                "stop": Out(1),
                "orders": Out(7),
                "stopped": Out(7),
                "let_go": Out(7),
                "lets_go": Out(1),
                "some_order": Out(1),
                "order_first": Out(1),
                "failed": Out(1),
                "failing": Out(Reason),
                "failing_is_order": Out(1),
                "failing_place": Out(2),
                "fencing": Out(1),
                "fence_reason": Out(Reason),
                "fence_is_order": Out(1),
                "fence_place": Out(2),
                "passes": Out(1),
                "checked": Out(1),
                "charge": Out(1),
                "full": Out(1),
                "first_place": Out(2),
                **{name: Out(1) for name in ("note", "keep", "clear", "known", "enter")},
                "place": In(2),
                "trips": In(TRIPS),
                "trip": Out(Trip),
                "trip_index": Out(9),
                "tripped": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()

        # The decoder's verdict, then, one cycle later, the risk engine's.
        decoded = Signal(Reason)
        m.d.comb += decoded.eq(first((r, getattr(self, name)) for name, r in DECODE_CHECKS.items()))
        ended, was_order, was_checked, well_formed, by_decoder = Signal(), Signal(), Signal(), Signal(), Signal(Reason)
        refused, unfit, in_segment, replaced = Signal(), Signal(), Signal(), Signal()
        is_checked = self.is_enter | self.replaces
        m.d.sync += [
            ended.eq(self.message_end & ~self.over),
            was_order.eq(self.is_order),
            was_checked.eq(is_checked),
            replaced.eq(self.replaces),
            well_formed.eq(~self.bad_message),
            by_decoder.eq(decoded),
            refused.eq(decoded != Reason.PASSED),
        ]
        behind, number = Signal(), Signal(range(LAST_NUMBER + 1))  # of a trip; orders that began here
        # `unfit`: by what the decoder found; `late`, an order before it has decided; `crowded`, there are too many.
        late, crowded = Signal(), Signal()
        bad_field = is_checked & Cat(getattr(self, name) for name in FIELD_CHECKS).any()
        m.d.sync += [unfit.eq((decoded != Reason.PASSED) | bad_field), in_segment.eq(self.tcp & self.is_order)]
        m.d.comb += [late.eq(in_segment & behind), crowded.eq(in_segment & self.full)]
        flags = {r: was_checked & getattr(self, name) for name, r in ENTER_CHECKS.items() if name not in FIELD_CHECKS}
        alone = [name for name in ENTER_CHECKS if name not in (*FIELD_CHECKS, *TOGETHER)]
        by_risk = was_checked & Cat(self.forbidden, *(getattr(self, name) for name in alone)).any()
        for name in FIELD_CHECKS:
            m.d.sync += (bad := Signal(name=name)).eq(is_checked & getattr(self, name))
            flags[ENTER_CHECKS[name]] = bad
        flags[Reason.REPLACE] = flags[Reason.SYMBOL] & replaced
        flags[Reason.BLOCKED] |= late
        flags[Reason.BUSY] |= crowded
        fails = Signal()
        m.d.comb += fails.eq(unfit | late | crowded | by_risk)
        earlier, fences = Signal(), Signal()
        m.d.comb += [
            earlier.eq(self.continued & ~self.some_order),  # this order began in an earlier frame
            fences.eq(self.tcp & fails & (~well_formed | earlier)),
            self.judged.eq(ended & was_order & ~earlier),
            self.stop.eq(fails),
            self.checked.eq(ended & was_checked),
            self.note.eq(ended),
            self.known.eq(well_formed),
            self.enter.eq(was_checked),
        ]
        stops, goes = Signal(), Signal()  # it counts a cycle later
        m.d.sync += [
            self.keep.eq(was_order & ~self.some_order | fails & ~self.failed | fences & ~self.fencing),
            self.passes.eq(ended & ~fails),
            self.charge.eq(self.checked & ~fails & (self.tcp | ~self.failed)),
            stops.eq(ended & was_order & fails),
            goes.eq(ended & was_order & ~fails),
            self.stopped.eq(self.stopped + stops),
            self.let_go.eq(self.let_go + goes),
            self.orders.eq(self.orders + (stops | goes)),
        ]
        with m.If(ended):
            with m.If(was_order):
                m.d.sync += self.some_order.eq(1)
                with m.If(~fails):
                    m.d.sync += self.lets_go.eq(1)
                with m.If(~self.some_order):
                    m.d.sync += self.first_place.eq(self.place)
                with m.If(~earlier & ~self.full):
                    m.d.sync += [number.eq(number + 1), self.full.eq(number == LAST_NUMBER - 1)]
            with m.If(~self.failed):
                m.d.sync += [
                    self.failed.eq(fails),
                    self.failing_is_order.eq(was_order),
                    self.failing_place.eq(self.place),
                    self.order_first.eq(was_order | self.some_order),
                ]
            with m.If(~self.fencing):
                m.d.sync += [
                    self.fencing.eq(fences),
                    self.fence_is_order.eq(was_order),
                    self.fence_place.eq(self.place),
                ]

        self._explain(m, ended, refused, by_decoder, flags, behind)

        # A message may still end in the cycle after its frame; so the next frame clears the state, four octets in.
        opening = Signal(4)
        m.d.sync += opening.eq(opening << 1 | self.start)
        m.d.comb += self.clear.eq(opening[3])
        with m.If(self.clear):
            counts = (self.orders, self.stopped, self.let_go, number)
            states = (self.lets_go, self.full, self.some_order, self.failed, self.fencing, behind)
            m.d.sync += [cleared.eq(0) for cleared in (*counts, *states)]
            m.d.sync += [self.failing.eq(Reason.PASSED), self.order_first.eq(0)]
        return m

    def _explain(self, m, ended, refused, by_decoder, flags, behind):
        """For which reason a message fails, a cycle later, and what that brings about, two."""
        # Each flag of a group excludes those behind it a cycle before the groups do.
        order, groups = sorted(flags), []
        for group in (order[start : start + GROUP] for start in range(0, len(order), GROUP)):
            firsts, some = {reason: Signal(name=f"by_{reason.name.lower()}") for reason in group}, Signal()
            before = 0
            for reason, by in firsts.items():
                m.d.sync += by.eq(flags[reason] & ~before)
                before = before | flags[reason]
            m.d.sync += some.eq(before)
            groups.append((firsts, some))

        def of_first(values):  # by reason
            return first(
                (reduce(or_, (Mux(by, values[number], 0) for number, by in firsts.items())), some)
                for firsts, some in groups
            )

        was_refused, decoders = Signal(), Signal(Reason)
        reason, trip = Signal(Reason), Signal(Trip)
        # Before its tags counts that what a Replace is to replace is not there, but not before its form.
        first_by_risk = flags[Reason.REPLACE] & (by_decoder != Reason.MESSAGE)
        m.d.sync += [was_refused.eq(refused & ~first_by_risk), decoders.eq(by_decoder)]
        trips = {
            r: self.trips.word_select(r - FIRST_TRIP, 2) if FIRST_TRIP <= r <= LAST_TRIP else Trip.NONE.value
            for r in order
        }
        m.d.comb += [
            reason.eq(Mux(was_refused, decoders, of_first({number: int(number) for number in order}))),
            trip.eq(of_first(trips)),
        ]
        fails_first, fences_first = Signal(), Signal()
        m.d.sync += [fails_first.eq(ended & ~self.failed), fences_first.eq(ended & ~self.fencing)]
        with m.If(fails_first):
            m.d.sync += self.failing.eq(reason)
        with m.If(fences_first):
            m.d.sync += self.fence_reason.eq(reason)

        may_trip, its_trip, its_index, its_known = Signal(2), Signal(Trip), Signal(9), Signal()
        held_trip, held_index = Signal(Trip), Signal(9)
        m.d.sync += [
            may_trip.eq(Cat(ended & (self.tcp | ~self.failed), may_trip)),
            its_trip.eq(Mux(was_refused, Trip.NONE, trip)),
            its_index.eq(self.index),
            its_known.eq(~(self.missing | self.undecided)),
        ]
        m.d.comb += [
            self.tripped.eq(may_trip[1] & ~behind & (its_trip != Trip.NONE) & ((its_trip != Trip.SYMBOL) | its_known)),
            self.trip.eq(Mux(behind, held_trip, Mux(self.tripped, its_trip, Trip.NONE))),
            self.trip_index.eq(Mux(behind, held_index, its_index)),
        ]
        with m.If(self.tripped):
            m.d.sync += [held_trip.eq(its_trip), held_index.eq(its_index), behind.eq(1)]


assert min(ENTER_CHECKS.values()) == FIRST_TRIP

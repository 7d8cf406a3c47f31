"""The journal of reservations: what to undo when a frame does not leave."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.blocks import SYMBOL_BITS
from hdl.filter.failures import COUNT_BITS, FAILURE, PLACE_BITS, FailureQueue
from hdl.filter.gross import LANE_BITS
from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS, QUANTITY_BITS
from hdl.filter.order_index import SLOT_BITS
from hdl.filter.parents import PARENT_BITS

ENTRIES = 1 << PLACE_BITS
ERA_BITS = 3
TAPS = (2, 1)  # x^3 + x^2 + 1 is primitive: an era comes again when all but 0 have come
MOST = (1 << COUNT_BITS) - 1  # of one frame; the longest frame has 29 Enters, or 33 Replaces

# ``kept``: as an open order, in ``slot``. ``child``: of ``parent``. ``asks``: of a Replace, with its number as
# ``notional``, which has a bit less than a product: no order can be worth more.
ENTRY = data.StructLayout(
    {
        "index": SYMBOL_BITS,
        "sell": 1,
        "lane": LANE_BITS,
        "quantity": QUANTITY_BITS,
        "notional": NOTIONAL_BITS - 1,
        "asks": 1,
        "slot": SLOT_BITS,
        "kept": 1,
        "parent": PARENT_BITS,
        "child": 1,
    }
)


class Journal(wiring.Component):
    """Keeps an entry for each reservation in a ring, and hands out those to be undone.

    The entries of the current frame begin at ``base`` and there are ``reservations`` of them. When the frame ends and
    is kept they stay, and its descriptor carries the two numbers along; when it is dropped, its entries are owed at
    once and their places are used again. A frame that fails later, at the gate, comes back as a ``failed`` item with
    the same two numbers, in any order.

    An entry to be undone is handed out as follows. ``hurried`` or ``taken`` in a cycle y-1 with ``due`` takes it: it is
    on ``entry`` from y to y+2, and the next one can be taken in y+2. Those of the dropped frame come first, and
    ``urgent`` says that some are left; then the failed ones, in the order of their items. A drop in cycle c makes
    ``due`` from c+4, an item accepted in c, if nothing else is left, from c+4 on.

    An entry's frame, and what stands behind it, is at most 8192 octets in the frame buffer, which are 190 orders. So
    the ring is overrun only if failed frames' entries are not undone before 66 more orders have come in: those of
    Enters take nine cycles or more between two orders, those of Replaces wait for one another. Then ``overrun`` tells
    it. An entry that was annulled seven times would count again, but the control link is not so fast.

    Members
    -------
    reserve, reserved : In(1), In(ENTRY)
        One more entry of the current frame, counted in the next cycle; not when ``full``.
    full : Out(1)
        The frame has as many entries as its descriptor can count.
    frame_end, kept : In(1)
    base, reservations : Out(8), Out(5)
        Of the current frame, up to and with the cycle of ``frame_end``.
    failed : In(stream.Signature(FAILURE))
        Queued, as `FailureQueue` has it.
    due, urgent, active : Out(1)
        ``active``: some entry is left to be undone.
    hurried, taken : In(1)
        Only with ``due``: an urgent one; another one, not in the cycle of ``frame_end``.
    entry : Out(ENTRY)
    void : Out(1)
        ``entry`` was reserved before an ``annul``, or is a Replace's: undoing it must change nothing by itself.
    asked : Out(1)
        It is a Replace's, and was not annulled.
    annul : In(1)
        Annuls all entries; not together with ``reserve``.
    overrun : Out(1)
        An entry that is left to be undone has been written over (strobe).
    """

    reserve: In(1)
    reserved: In(ENTRY)
    full: Out(1)
    frame_end: In(1)
    kept: In(1)
    base: Out(PLACE_BITS)
    reservations: Out(COUNT_BITS)
    failed: In(stream.Signature(FAILURE))
    due: Out(1)
    urgent: Out(1)
    active: Out(1)
    hurried: In(1)
    taken: In(1)
    entry: Out(ENTRY)
    void: Out(1)
    asked: Out(1)
    annul: In(1)
    overrun: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = Memory(ENTRY.size + ERA_BITS, ENTRIES)
        m.submodules.failures = failures = FailureQueue()
        wiring.connect(m, wiring.flipped(self.failed), failures.i)

        # An entry knows the era in which it was reserved, and counts in no other.
        era = Signal(ERA_BITS, init=1)
        with m.If(self.annul):
            m.d.sync += era.eq(Cat(era[TAPS[0]] ^ era[TAPS[1]], era))

        # The current frame.
        write = Signal(PLACE_BITS)
        m.d.comb += [
            ring.write_en.eq(self.reserve),
            ring.write_addr.eq(write),
            ring.write_data.eq(Cat(self.reserved, era)),
            self.full.eq(self.reservations == MOST),
        ]
        entries, behind = Signal(COUNT_BITS), Signal(PLACE_BITS)
        m.d.comb += [entries.eq(self.reservations + self.reserve), behind.eq(write + self.reserve)]
        m.d.sync += [self.reservations.eq(entries), write.eq(behind)]
        with m.If(self.frame_end):
            m.d.sync += self.reservations.eq(0)
            with m.If(self.kept):
                m.d.sync += self.base.eq(behind)
            with m.Else():
                m.d.sync += write.eq(self.base)

        # What is left to be undone of the dropped frame, and of the failed one at the head of the queue.
        dropped_place, dropped_left = Signal(PLACE_BITS), Signal(COUNT_BITS)
        failed_place, failed_left, holding = Signal(PLACE_BITS), Signal(COUNT_BITS), Signal()
        final = Signal()  # `failed_left` is 1; it has been so or not for a cycle whenever one is taken
        drop, spent, waits, goes, failure = Signal(), Signal(), Signal(), self.taken, failures.o.payload
        m.d.comb += [
            drop.eq(self.frame_end & ~self.kept & (self.reserve | self.reservations.any())),
            spent.eq(~holding | final),  # the failed one has no other entry than this
            waits.eq(failures.o.valid & ~holding),
            failures.o.ready.eq(~holding | (goes & final)),
        ]
        with m.If(drop):
            m.d.sync += [dropped_place.eq(self.base), dropped_left.eq(entries), self.urgent.eq(1)]
        with m.Elif(self.hurried):
            m.d.sync += [dropped_place.eq(dropped_place + 1), dropped_left.eq(dropped_left - 1)]
            m.d.sync += self.urgent.eq(dropped_left != 1)
        with m.If(goes | waits):
            m.d.sync += [
                failed_place.eq(Mux(spent, failure.base, failed_place + 1)),
                failed_left.eq(Mux(spent, failure.count, failed_left - 1)),
                holding.eq(failures.o.valid | ~spent),
            ]

        # The ring's read address changes with these events, and its word is on `entry` three cycles later: for two
        # cycles nothing is due.
        # What was charged in the last cycle of a dropped frame comes first: for one more.
        event, before, dropped = Signal(), Signal(), Signal()
        asks = data.View(ENTRY, ring.read_data[: ENTRY.size]).asks
        m.d.comb += event.eq(drop | dropped | self.hurried | self.taken | (waits & ~self.urgent))
        m.d.sync += [
            dropped.eq(drop),
            before.eq(event),
            final.eq(failed_left == 1),
            self.due.eq(~(event | before) & (self.urgent | holding)),
            self.entry.eq(ring.read_data),
            self.void.eq(asks | (ring.read_data[ENTRY.size :] != era)),
            self.asked.eq(asks & (ring.read_data[ENTRY.size :] == era)),
        ]
        m.d.sync += self.overrun.eq(self.reserve & holding & (write == failed_place))
        m.d.comb += [
            self.active.eq(self.urgent | holding | failures.o.valid),
            ring.read_addr.eq(Mux(self.urgent, dropped_place, failed_place)),
        ]
        return m

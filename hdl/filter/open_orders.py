"""The open orders: what may still be executed of each, and what each report of the exchange changes."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory as SmallMemory
from amaranth.lib.wiring import In, Out

from hdl.filter.blocks import SYMBOL_BITS
from hdl.filter.gross import LANE_BITS
from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS, PRICE_BITS, QUANTITY_BITS, Multiplier
from hdl.filter.order_index import REF_BITS, SLOT_BITS, OrderIndex
from hdl.filter.parents import PARENT_BITS
from hdl.filter.report import REPORT
from hdl.wire.event import Contradiction
from hdl.wire.verdict import LANES

PLACES = 16  # for reports
MOST = (1 << QUANTITY_BITS) - 1  # shares of a report; one of more says as many

# ``child``: of ``parent``.
_FAMILY = {"parent": PARENT_BITS, "child": 1}
ORDER = data.StructLayout(
    {"index": SYMBOL_BITS, "sell": 1, "price": PRICE_BITS - 1, "quantity": QUANTITY_BITS, **_FAMILY}
)
# `released`: shares that were open and are not any more. `notional`: what gross notional changes by, signed. `back`:
# what the parent's shares left change by, signed.
CHANGE = data.StructLayout(
    {
        "index": SYMBOL_BITS,
        "sell": 1,
        "lane": LANE_BITS,
        "released": QUANTITY_BITS,
        "executed": QUANTITY_BITS,
        "notional": NOTIONAL_BITS + 1,
        "back": signed(QUANTITY_BITS + 1),
        **_FAMILY,
    }
)
CONTRADICTED = data.StructLayout({"lane": LANE_BITS, "what": Contradiction, "user_ref": REF_BITS, "quantity": 32})


class _Says(enum.Enum):
    """What a report says of an order."""

    ACCEPTED = 0
    EXECUTED = 1
    REDUCED = 2  # by so many shares
    LEFT = 3  # so many shares are
    OVER = 4  # rejected, or accepted and not live
    REPLACED = 5


_HEARD = data.StructLayout(
    {"lane": LANE_BITS, "says": _Says, "forgives": 1, "user_ref": REF_BITS, "quantity": 32, "price": PRICE_BITS}
)


class OpenOrders(wiring.Component):
    """Keeps what may still be executed of each order, and tells what a report changes of it.

    An order is kept from ``enter`` on, in the slot that its ``probe`` found (`OrderIndex`, to which probe cycles and
    ``room`` belong), until nothing of it is open any more or ``forget``: it did not leave. The ring of reports takes
    those that name an order of a lane that is ``heard``: Accepted, Executed (of 4.2 also with a reference price),
    Canceled, AIQ Canceled, Modified, Rejected and Replaced. They are applied in order.

    With h two cycles behind a report's coming, or the cycle behind the end of the report before it, the index is
    asked from h on; the words are asked for from h+2 on, or behind those of a probe. Let d be the cycle in which
    the index is ``done``, h+9 if no probe is in the way. What is released is taken to be multiplied in t = d+5, or
    in the cycle behind that in which the ``change`` before it is taken; t is d+5 for a report that releases
    nothing. The order is as the report leaves it from t+4 on, which is the report's end, and the ``change`` is
    there from t+12 on. A report of an unknown order ends in d+1; one of more shares than are open in t'+1, with t'
    = t+5, or the cycle behind that in which its first change is taken, and has the second one from t'+12 on.

    The slot of an order of which nothing is open any more is free from t+2 on, if no order enters or is forgotten in
    this cycle and none is being looked for by a probe; else behind that. So one that is free in the cycle of a probe
    counts for it.

    A report contradicts what is known, and changes nothing, when there is no such order (a Rejected excepted, which
    says nothing new then) or when it is a Replaced, since nothing was; also when it is of more shares than are open:
    then all that are open are released, and every share executed is told, in two changes.

    Members
    -------
    probe, probe_lane, probe_ref, room, slot : In(1), In(3), In(32), Out(1), Out(9)
    enter, order : In(1), In(ORDER)
        The order of the last ``probe`` is charged; in the cycle behind it its slot is taken.
    forget, forget_slot : In(1), In(9)
        Not together with ``enter``.
    heard : In(8)
        Lanes whose orders are kept.
    report_valid, report, older : In(1), In(REPORT), In(1)
        ``older``: the report's lane speaks OUCH 4.2.
    change : Out(stream.Signature(CHANGE))
    contradicted_valid, contradicted : Out(1), Out(CONTRADICTED)
        Strobe in d+1, or in d+5 when there is such an order.
    contradicts : Out(1)
        With it: there may be more at the exchange than is known. Of an unknown order that holds for a report that it
        lives or was executed, not for one that it has become less.
    clearing : In(1)
        Level: no report is taken, and what has come is forgotten.
    clear, clear_place : In(1), In(8)
        Forgets the orders of two slots; only while ``clearing``.
    busy : Out(1)
        Reports wait, or are being applied.
    fault : Out(1)
        Strobe: a report was lost, since the ring was full.
    """

    probe: In(1)
    probe_lane: In(LANE_BITS)
    probe_ref: In(REF_BITS)
    room: Out(1)
    slot: Out(SLOT_BITS)
    enter: In(1)
    order: In(ORDER)
    forget: In(1)
    forget_slot: In(SLOT_BITS)
    heard: In(LANES)
    report_valid: In(1)
    report: In(REPORT)
    older: In(1)
    change: Out(stream.Signature(CHANGE))
    contradicted_valid: Out(1)
    contradicted: Out(CONTRADICTED)
    contradicts: Out(1)
    clearing: In(1)
    clear: In(1)
    clear_place: In(SLOT_BITS - 1)
    busy: Out(1)
    fault: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.index = index = OrderIndex()
        m.submodules.rows = rows = Memory(ORDER.size, 1 << SLOT_BITS)
        m.submodules.multiplier = multiplier = Multiplier(differences=True)
        for name in ("probe", "probe_lane", "probe_ref", "clear", "clear_place"):
            m.d.comb += getattr(index, name).eq(getattr(self, name))
        m.d.comb += [self.room.eq(index.room), self.slot.eq(index.slot)]
        ends, waits = Signal(), Signal()
        head = self._listen(m, ends, waits)

        # The first report, step by step: step 0 lasts until the index is done, the order is there from step 3 on. It is
        # written in steps 6 to 9, of which in one no order enters and none is forgotten.
        step = Signal(range(12))
        was, shares, price, executes = Signal(ORDER), Signal(QUANTITY_BITS), Signal(PRICE_BITS), Signal()
        above, less, difference = Signal(), Signal(QUANTITY_BITS + 1), Signal(signed(PRICE_BITS + 1))
        released, remaining, excess = Signal(QUANTITY_BITS), Signal(QUANTITY_BITS), Signal(QUANTITY_BITS)
        changes, writes, deletes, gone = (Signal() for _ in range(4))
        twice, back = Signal(), Signal()  # it has a second change; a change is on its way
        m.d.comb += [
            index.find.eq((step == 0) & waits & ~self.clearing),
            index.lane.eq(head.lane),
            index.ref.eq(head.user_ref),
            executes.eq(head.says == _Says.EXECUTED),
        ]
        m.d.sync += [
            shares.eq(Mux(head.quantity[QUANTITY_BITS:].any(), MOST, head.quantity)),
            price.eq(Mux(executes, head.price, 0)),
            above.eq(shares > was.quantity),
            less.eq(was.quantity - shares),
            difference.eq(price - was.price),
            remaining.eq(was.quantity - released),
            excess.eq(-less),
        ]
        with m.If(step == 2):
            m.d.sync += was.eq(rows.read_data)
        with m.Switch(head.says):
            with m.Case(_Says.EXECUTED, _Says.REDUCED):
                m.d.sync += released.eq(Mux(above, was.quantity, shares))
            with m.Case(_Says.LEFT):
                m.d.sync += released.eq(Mux(above, 0, less))
            with m.Case(_Says.OVER):
                m.d.sync += released.eq(was.quantity)
            with m.Default():
                m.d.sync += released.eq(0)
        m.d.comb += changes.eq(released.any())

        with m.If(step != 0):
            m.d.sync += step.eq(step + 1)
        with m.If(~self.enter):
            m.d.sync += writes.eq(0)
        m.d.comb += gone.eq(deletes & ~(self.enter | self.forget | index.looks))
        with m.If(gone):
            m.d.sync += deletes.eq(0)
        with m.Switch(step):
            with m.Case(0):
                with m.If(index.done):
                    m.d.sync += [step.eq(Mux(index.found, 1, 9)), twice.eq(0)]
            with m.Case(5):
                with m.If(changes & back):
                    m.d.sync += step.eq(5)
                with m.Else():
                    m.d.comb += multiplier.start.eq(changes)
                    m.d.sync += [writes.eq(1), twice.eq(executes & above)]
            with m.Case(6):
                m.d.sync += deletes.eq((head.says == _Says.OVER) | (head.says.matches(*_REDUCES) & (remaining == 0)))
            with m.Case(9):
                m.d.comb += ends.eq(~twice)
            with m.Case(10):
                m.d.comb += multiplier.start.eq(~back)
                with m.If(back):
                    m.d.sync += step.eq(10)
            with m.Case(11):
                m.d.comb += ends.eq(1)
        with m.If(ends):
            m.d.sync += step.eq(0)
        with m.If(self.clearing):
            m.d.sync += [step.eq(0), writes.eq(0), deletes.eq(0)]

        # The change, and what of it is told in a second one.
        change, second = self.change, Signal()
        m.d.comb += [
            second.eq(step == 10),
            multiplier.quantity.eq(Mux(second, excess, released)),
            multiplier.price.eq(Mux(second, price, difference)),
            change.valid.eq(back & multiplier.ready),
            change.payload.notional.eq(multiplier.product),
        ]
        taken = change.valid & change.ready
        m.d.sync += back.eq(((back & ~taken) | multiplier.start) & ~self.clearing)
        with m.If(multiplier.start):
            m.d.sync += [
                change.payload.index.eq(was.index),
                change.payload.sell.eq(was.sell),
                change.payload.lane.eq(head.lane),
                change.payload.released.eq(Mux(second, 0, released)),
                change.payload.executed.eq(Mux(executes, multiplier.quantity, 0)),
                change.payload.back.eq(Mux(second, less, Mux(executes, 0, released)).as_signed()),
                change.payload.parent.eq(was.parent),
                change.payload.child.eq(was.child),
            ]

        unknown, wrong, told = Signal(), Signal(), self.contradicted
        m.d.comb += [
            unknown.eq((step == 0) & index.done & ~index.found & ~head.forgives),
            wrong.eq((step == 4) & (above | (head.says == _Says.REPLACED))),
        ]
        m.d.sync += [
            self.contradicted_valid.eq((unknown | wrong) & ~self.clearing),
            self.contradicts.eq(((unknown & ~head.says.matches(*_HARMLESS)) | wrong) & ~self.clearing),
            told.lane.eq(head.lane),
            told.what.eq(
                Mux(unknown, Contradiction.UNKNOWN, Mux(above, Contradiction.ABOVE, Contradiction.OUT_OF_TURN))
            ),
            told.user_ref.eq(head.user_ref),
            told.quantity.eq(head.quantity),
        ]

        # What is kept: an order that enters comes first, then one that is forgotten.
        left = Signal(ORDER)
        m.d.comb += [
            left.eq(was),
            left.quantity.eq(remaining),
            index.write.eq(self.enter | self.forget | gone),
            index.write_slot.eq(Mux(self.enter, index.slot, Mux(self.forget, self.forget_slot, index.found_slot))),
            index.write_key.eq(Mux(self.enter, index.key.as_value(), 0)),
            rows.read_addr.eq(index.found_slot),
            rows.write_en.eq(self.enter | writes),
            rows.write_addr.eq(Mux(self.enter, index.slot, index.found_slot)),
            rows.write_data.eq(Mux(self.enter, self.order.as_value(), left.as_value())),
            self.busy.eq(waits | step.any() | back),
        ]
        return m

    def _listen(self, m, ends, waits):
        """Keep the reports that say something of an order in a ring; return the first one."""
        # Look-up tables, read without a clock. One place stays free.
        m.submodules.ring = ring = SmallMemory(shape=_HEARD, depth=PLACES, init=[], attrs={"ram_style": "distributed"})
        write, read = ring.write_port(), ring.read_port(domain="comb")
        into, out_of = Signal(range(PLACES)), Signal(range(PLACES))
        said, here, names, full = Signal(_HEARD), Signal(), Signal(), Signal()
        m.d.comb += names.eq(1)
        with m.Switch(self.report.kind):
            with m.Case(ord("A")):
                m.d.comb += said.says.eq(Mux(self.report.dead, _Says.OVER, _Says.ACCEPTED))
            with m.Case(ord("E")):
                m.d.comb += said.says.eq(_Says.EXECUTED)
            with m.Case(ord("G")):  # of 5.0 it names no order
                m.d.comb += [said.says.eq(_Says.EXECUTED), names.eq(self.older)]
            with m.Case(ord("C"), ord("D")):
                m.d.comb += said.says.eq(_Says.REDUCED)
            with m.Case(ord("M")):
                m.d.comb += said.says.eq(_Says.LEFT)
            with m.Case(ord("J")):
                m.d.comb += [said.says.eq(_Says.OVER), said.forgives.eq(1)]
            with m.Case(ord("U")):
                m.d.comb += said.says.eq(_Says.REPLACED)
            with m.Default():
                m.d.comb += names.eq(0)
        is_heard = self.heard.bit_select(self.report.lane, 1)
        m.d.sync += [
            write.data.eq(said),
            here.eq(self.report_valid & names & is_heard & ~self.clearing),
            full.eq((into + 1)[: len(into)] == out_of),
            self.fault.eq(here & full),
        ]
        m.d.comb += [
            write.en.eq(here),
            write.addr.eq(into),
            read.addr.eq(out_of),
            waits.eq(into != out_of),
        ]
        with m.If(here):
            m.d.sync += into.eq(into + 1)
        with m.If(ends):
            m.d.sync += out_of.eq(out_of + 1)
        with m.If(self.clearing):
            m.d.sync += out_of.eq(into)
        for name in ("lane", "user_ref", "quantity", "price"):
            m.d.comb += said[name].eq(self.report[name])
        return read.data


_HARMLESS = (_Says.REDUCED, _Says.LEFT, _Says.OVER)  # of an order that is not known: nothing more can come of it
_REDUCES = (_Says.EXECUTED, _Says.REDUCED, _Says.LEFT)

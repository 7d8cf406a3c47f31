"""The open orders: what may still be executed of each, and what each report of the exchange changes."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.blocks import SYMBOL_BITS
from hdl.filter.gross import LANE_BITS
from hdl.filter.hearing import WITHDRAWN, Hearing, Says
from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS, PRICE_BITS, QUANTITY_BITS, Multiplier
from hdl.filter.order_index import REF_BITS, SLOT_BITS, OrderIndex
from hdl.filter.outcome import FAMILY, ORDER, PART, ROW, Outcome
from hdl.filter.report import REPORT
from hdl.wire.event import Contradiction
from hdl.wire.verdict import LANES

SOUGHT, SHOWN = 12, 15  # cycles from a ``seek`` to its slot, and to its row
APART = 14  # cycles behind a ``seek`` in which nothing passes
LOCKED = 4  # cycles behind a ``release`` in which nothing of the same order does

# `released`: shares that were reserved and are not any more. `notional`: what gross notional changes by, signed.
# `back`: what the parent's shares left change by, signed.
CHANGE = data.StructLayout(
    {
        "index": SYMBOL_BITS,
        "sell": 1,
        "lane": LANE_BITS,
        "released": QUANTITY_BITS,
        "executed": QUANTITY_BITS,
        "notional": NOTIONAL_BITS + 1,
        "back": signed(QUANTITY_BITS + 1),
        **FAMILY,
    }
)
CONTRADICTED = data.StructLayout({"lane": LANE_BITS, "what": Contradiction, "user_ref": REF_BITS, "quantity": 32})
_HARMLESS = (Says.REDUCED, Says.LEFT, Says.DEAD)  # of an order that is not known: nothing more can come of it
_WHOSE = ("index", "sell", *FAMILY)


class OpenOrders(wiring.Component):
    """Keeps what may still be executed of each order and of its Replace, and tells what a report changes of it.

    An order is kept from ``enter`` on, in the slot that its ``probe`` found (`OrderIndex`, to which probe cycles and
    ``room`` belong), until nothing of it is open any more or ``forget``: it did not leave. So is a Replace, of the
    order that was sought: from then on both make a chain. What a chain reserves are the shares that are open, and by
    how much the total that the Replace asks for is above that of its order. When the exchange says that it has
    replaced, the order is gone and the Replace is an order; when it is rejected or withdrawn (it did not leave), it is
    gone alone; with its order it is gone as well.

    What is said of orders is applied one by one, as `Hearing` has it.

    With h two cycles behind a report's coming, one behind a withdrawal's, or the cycle behind the end of the report
    before it, the index is asked from h on; the words are asked for from h+2 on, or behind those of a probe. Let d be
    the cycle in which the index is ``done``, h+9 if no probe is in the way. In d+1, or when it may, the report passes:
    in y. What it changes is taken to be multiplied in t = y+4, y+9 if the order is one of a chain, or in the cycle
    behind that in which the ``change`` before it is taken; t is y+4 or y+9 for a report that releases nothing. The
    order is as the report leaves it in t+4, which is the report's end, and the ``change`` is there from t+12 on. Second
    and third changes are taken in t' = t+5, or in the cycle behind that in which the one before it is taken: there
    from t'+12 on, and the report ends in t'+1. A report of an unknown order ends in d+1.

    The slot of an order of which nothing is open any more is free from t+2 on, if no order enters or is forgotten in
    this cycle or entered in that before, and none is being looked for by a probe; else behind that, and a Replace's
    that is gone with its order behind that. So one that is free in the cycle of a probe counts for it.

    ``seek`` is a probe for the order that a Replace is to replace, in cycle k. What passed in k or before counts;
    nothing passes in k+1 to k+14, and then nothing that names the order found, up to four cycles behind ``release``.
    ``open`` and ``original`` are right from k+17 to the next ``seek``.

    A report contradicts what is known, and changes nothing, when there is no such order (a Rejected excepted, which
    says nothing new then), when it is a Replaced of what is not pending, or another one than Rejected of what is; but
    what was executed of this one was executed of its order. So does one of more shares than are open: then all that are
    open are released, and every share executed is told, in changes of their own; of a Replaced nothing is changed.

    Members
    -------
    probe, probe_lane, probe_ref, room, slot : In(1), In(3), In(32), Out(1), Out(9)
    seek : In(1)
        With ``probe``.
    open, original : Out(1), Out(ROW)
        There is an order of that lane and number.
    release : In(1)
        The Replace has been judged, or its frame has ended.
    enter, order, asks : In(1), In(ORDER), In(1)
        The order of the last ``probe`` is charged; in the cycle behind it its slot is taken. With ``asks`` it is a
        Replace of the order that was sought, which is one cycle later.
    forget, forget_slot : In(1), In(9)
        Not together with ``enter``, nor in the cycle behind it.
    withdraw, withdrawn : In(1), In(WITHDRAWN)
        A Replace did not leave. Nothing happens if it is not pending.
    withdrawing : Out(1)
        Some waited in the cycle before.
    heard : In(8)
        Lanes whose orders are kept.
    report_valid, report, older : In(1), In(REPORT), In(1)
        ``older``: the report's lane speaks OUCH 4.2.
    change : Out(stream.Signature(CHANGE))
    contradicted_valid, contradicted : Out(1), Out(CONTRADICTED)
        Strobe in d+1, or in y+4 or y+9 when there is such an order.
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
        Strobe: a report or a withdrawal was lost, since there was no place.
    """

    probe: In(1)
    probe_lane: In(LANE_BITS)
    probe_ref: In(REF_BITS)
    room: Out(1)
    slot: Out(SLOT_BITS)
    seek: In(1)
    open: Out(1)
    original: Out(ROW)
    release: In(1)
    enter: In(1)
    order: In(ORDER)
    asks: In(1)
    forget: In(1)
    forget_slot: In(SLOT_BITS)
    withdraw: In(1)
    withdrawn: In(WITHDRAWN)
    withdrawing: Out(1)
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
        m.submodules.rows = rows = Memory(ROW.size, 1 << SLOT_BITS, part=PART)
        m.submodules.multiplier = multiplier = Multiplier(differences=True)
        m.submodules.hearing = hearing = Hearing()
        m.submodules.outcome = outcome = Outcome()
        for name in ("probe", "probe_lane", "probe_ref", "clear", "clear_place"):
            m.d.comb += getattr(index, name).eq(getattr(self, name))
        for name in ("heard", "report_valid", "report", "older", "withdraw", "withdrawn", "clearing"):
            m.d.comb += getattr(hearing, name).eq(getattr(self, name))
        m.d.comb += [
            self.room.eq(index.room),
            self.slot.eq(index.slot),
            self.fault.eq(hearing.fault),
        ]
        m.d.sync += self.withdrawing.eq(hearing.withdrawing)
        said = hearing.said

        # Step by step: step 0 lasts until the index is done. It passes in step 1, and the row is there from step 3 on.
        # If it is one of a chain, the other one's is asked for then, and there in step 14.
        step, ends = Signal(range(17)), Signal()
        was, new, names, linked = Signal(ROW), Signal(ROW), Signal(), Signal()
        look, sought, waits, locked = self._seek(m, index, rows)
        m.d.comb += [
            index.find.eq((step == 0) & hearing.waits & ~self.clearing),
            index.lane.eq(said.lane),
            index.ref.eq(said.user_ref),
            hearing.begins.eq(index.find),
            hearing.ends.eq(ends),
            rows.read_addr.eq(Mux(look, sought, Mux(step == 3, was.link, index.found_slot))),
            outcome.says.eq(said.says),
            outcome.shares.eq(said.quantity),
            outcome.was.eq(was),
            outcome.new.eq(new),
            outcome.names.eq(names),
            outcome.back.eq(was.link == index.found_slot),
        ]
        other = step == 13
        with m.If((step == 2) | (other & names)):
            m.d.sync += was.eq(rows.read_data)
        with m.If((step == 2) | (other & ~names)):
            m.d.sync += new.eq(rows.read_data)

        # What is told: of the order; of what was executed of it above that; of its Replace. `on_way`: a change is.
        first, second, third, on_way = Signal(), Signal(), Signal(), Signal()
        starts = Signal()
        with m.If(step != 0):
            m.d.sync += step.eq(step + 1)
        with m.Switch(step):
            with m.Case(0):
                m.d.sync += [second.eq(0), third.eq(0)]
                with m.If(index.done):
                    m.d.sync += step.eq(Mux(index.found, 1, 9))
            with m.Case(1), m.If(waits):
                m.d.sync += step.eq(1)
            with m.Case(3):
                m.d.sync += [
                    names.eq(was.pending),
                    linked.eq(was.pending | was.asked),
                    step.eq(Mux(was.pending | was.asked, 12, 4)),
                ]
            with m.Case(16):
                m.d.sync += step.eq(4)
            with m.Case(5):
                with m.If(outcome.moves & on_way):
                    m.d.sync += step.eq(5)
                with m.Else():
                    m.d.comb += [first.eq(1), starts.eq(outcome.moves)]
                    m.d.sync += [
                        second.eq(outcome.overfills),
                        third.eq(
                            outcome.lapses | (outcome.asked & outcome.dies) | (outcome.settles & outcome.rest.any())
                        ),
                    ]
            with m.Case(9):
                m.d.comb += ends.eq(~(second | third))
            with m.Case(10):
                m.d.comb += starts.eq(~on_way)
                with m.If(on_way | (second & third)):
                    m.d.sync += step.eq(10)
                with m.If(~on_way):
                    m.d.sync += second.eq(0)
            with m.Case(11):
                m.d.comb += ends.eq(1)
        with m.If(ends | self.clearing):
            m.d.sync += step.eq(0)
        m.d.comb += self.busy.eq(hearing.waits | step.any() | on_way)

        # Three of them have one multiplier.
        change, offers, taken = self.change, Signal(), Signal()
        price, rise, fall = Signal(PRICE_BITS), Signal(signed(PRICE_BITS + 1)), Signal(signed(PRICE_BITS + 1))
        alive = outcome.settles & ~outcome.dies
        m.d.sync += [
            price.eq(Mux(outcome.executes, said.price, 0)),
            rise.eq(price - was.price),
            fall.eq(-new.price),
        ]
        m.d.comb += [
            multiplier.start.eq(starts),
            multiplier.quantity.eq(Mux(outcome.settles, was.quantity, outcome.taken)),
            multiplier.price.eq(rise),
            taken.eq(offers & change.ready),
            change.valid.eq(offers),
            change.payload.notional.eq(multiplier.product),
        ]
        released, last = Signal(QUANTITY_BITS), third & ~second
        m.d.comb += released.eq(outcome.released)
        with m.If(second):
            m.d.comb += [multiplier.quantity.eq(outcome.excess), multiplier.price.eq(price), released.eq(0)]
        with m.Elif(third):
            m.d.comb += [multiplier.quantity.eq(outcome.rest), multiplier.price.eq(fall)]
            m.d.comb += released.eq(Mux(alive, 0, outcome.spare))
        m.d.sync += [
            on_way.eq(((on_way & ~taken) | starts) & ~self.clearing),
            offers.eq(on_way & ~taken & ~starts & multiplier.soon & ~self.clearing),
        ]
        with m.If(starts):
            executed = Mux(outcome.executes & ~last, multiplier.quantity, 0)
            m.d.sync += [
                *(change.payload[name].eq(Mux(last, new[name], was[name])) for name in _WHOSE),
                change.payload.lane.eq(said.lane),
                change.payload.released.eq(released),
                change.payload.executed.eq(executed),
            ]
        m.d.sync += change.payload.back.eq(change.payload.released - change.payload.executed)  # there is time

        # What contradicts.
        unknown, found, judged, told = Signal(), Signal(), Signal(), self.contradicted
        m.d.comb += [
            found.eq(judged & (outcome.turns | outcome.exceeds) & ~self.clearing),
            self.contradicted_valid.eq(unknown | found),
            told.what.eq(
                Mux(unknown, Contradiction.UNKNOWN, Mux(outcome.turns, Contradiction.OUT_OF_TURN, Contradiction.ABOVE))
            ),
        ]
        silent = said.says.matches(Says.REJECTED, Says.WITHDRAWN)
        harmful = Signal()
        m.d.sync += [
            judged.eq(step == 4),
            unknown.eq((step == 0) & index.done & ~index.found & ~silent & ~self.clearing),
            harmful.eq(~said.says.matches(*_HARMLESS)),
            *(told[name].eq(said[name]) for name in ("lane", "user_ref", "quantity")),
        ]
        m.d.comb += self.contradicts.eq((unknown & harmful) | found)

        self._keep(m, index, rows, outcome, was, new, names, sought, locked, judged, first)
        return m

    def _seek(self, m, index, rows):
        """What a Replace is to replace: return when its row is asked for, its slot, who waits, and if it is locked."""
        since, look, found = Signal(range(SHOWN + 2)), Signal(), Signal()
        sought, closed, locked, same = Signal(SLOT_BITS), Signal(), Signal(), Signal()
        released, over = Signal(LOCKED), Signal()  # over: it has been released before its slot was known
        with m.If(since != 0):
            m.d.sync += since.eq(since + 1)
        with m.If(since == SHOWN + 1):
            m.d.sync += since.eq(0)
        with m.If(since == SOUGHT):
            m.d.sync += [sought.eq(index.same_slot), found.eq(index.same), locked.eq(index.same & ~over)]
        with m.If(since == SHOWN):
            m.d.sync += self.original.eq(rows.read_data)
        m.d.sync += [
            look.eq(since == SOUGHT),
            released.eq(Cat(self.release, released)),
            same.eq(index.found_slot == sought),
            self.open.eq(found & self.original.quantity.any()),
        ]
        with m.If(since == APART):
            m.d.sync += closed.eq(0)
        forgets = self.forget & (self.forget_slot == sought)
        with m.If(released[-1]):
            m.d.sync += over.eq(1)
        with m.If(released[-1] | forgets | self.clearing):
            m.d.sync += locked.eq(0)
        with m.If(self.probe & self.seek):  # what was released before was another one's
            m.d.sync += [since.eq(1), closed.eq(1), locked.eq(0), over.eq(0), released.eq(0)]
        return look, sought, closed | (locked & same), locked

    def _keep(self, m, index, rows, outcome, was, new, names, sought, locked, judged, first):
        """What enters is written first, then what is forgotten, then what is left of an order and of its Replace."""
        entered, asks = Signal(), Signal()  # an order has in the cycle before; its original is told that it is asked
        m.d.sync += [entered.eq(self.enter), asks.eq(self.enter & self.asks)]
        # What is forgotten is asked no more, as soon as nothing enters: nobody finds it, but its Replace leads to it.
        forgotten, forgotten_slot = Signal(), Signal(SLOT_BITS)
        m.d.sync += forgotten.eq(self.forget | (forgotten & (self.enter | asks)))
        with m.If(self.forget):
            m.d.sync += forgotten_slot.eq(self.forget_slot)
        settled, alive = outcome.settles | outcome.lapses | outcome.dies, outcome.settles & ~outcome.dies
        order, asked, left, renewed = Signal(ROW), Signal(ROW), Signal(ROW), Signal(ROW)
        m.d.comb += [
            *(order[name].eq(self.order[name]) for name in ORDER.members),
            order.link.eq(sought),
            asked.total.eq(self.original.total),
            asked.asked.eq(1),
            asked.link.eq(index.slot),
            left.eq(was),
            left.quantity.eq(Mux(outcome.settles, 0, outcome.remaining)),
            left.total.eq(outcome.total),
            left.asked.eq(was.asked & ~settled),
            renewed.eq(new),
            renewed.pending.eq(~settled),
            renewed.quantity.eq(Mux(alive, outcome.remaining, Mux(settled, 0, new.quantity))),
            renewed.total.eq(Mux(alive, outcome.total, outcome.more)),
        ]
        # Both are written at a fixed time, so that who seeks knows when.
        writes, deletes, later = Signal(2), Signal(2), Signal()
        waits = self.enter | asks | forgotten
        with m.If(judged):
            m.d.sync += writes.eq(
                Cat(
                    outcome.books | outcome.settles | (outcome.lapses & outcome.asked),
                    outcome.lapses | outcome.settles | (outcome.books & outcome.asked),
                )
            )
        with m.Elif(~waits):
            m.d.sync += writes.eq(writes & (writes - 1))
        m.d.sync += later.eq(first)
        gone = deletes.any() & ~(self.enter | entered | self.forget | index.looks)
        with m.If(later):
            m.d.sync += deletes.eq(Cat(outcome.dies | outcome.settles, outcome.lapses | (outcome.dies & outcome.asked)))
        with m.Elif(gone):
            m.d.sync += deletes.eq(deletes & (deletes - 1))
        with m.If(self.clearing):
            m.d.sync += [writes.eq(0), deletes.eq(0), later.eq(0)]

        slots = Signal(SLOT_BITS), Signal(SLOT_BITS)
        whole = self.enter | (writes.any() & ~waits)
        m.d.comb += [
            slots[0].eq(Mux(names, new.link, index.found_slot)),
            slots[1].eq(Mux(names, index.found_slot, was.link)),
            index.write.eq(self.enter | self.forget | gone),
            index.write_slot.eq(
                Mux(self.enter, index.slot, Mux(self.forget, self.forget_slot, Mux(deletes[0], slots[0], slots[1])))
            ),
            index.write_key.eq(Mux(self.enter, index.key.as_value(), 0)),
            rows.write_en.eq(Cat(whole, whole, whole | (asks & locked) | (forgotten & ~self.enter & ~asks))),
        ]
        with m.If(self.enter):
            m.d.comb += [rows.write_addr.eq(index.slot), rows.write_data.eq(order)]
        with m.Elif(asks):
            m.d.comb += [rows.write_addr.eq(sought), rows.write_data.eq(asked)]
        with m.Elif(forgotten):
            m.d.comb += rows.write_addr.eq(forgotten_slot)
        with m.Elif(writes[0]):
            m.d.comb += [rows.write_addr.eq(slots[0]), rows.write_data.eq(left)]
        with m.Else():
            m.d.comb += [rows.write_addr.eq(slots[1]), rows.write_data.eq(renewed)]

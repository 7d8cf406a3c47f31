"""The risk engine: releases an order only within the limits of its symbol and side, its lane and the firm."""

from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.blocks import SYMBOL_BITS, Blocks
from hdl.filter.bus import Bus
from hdl.filter.context import WORD_BITS, WORDS
from hdl.filter.directory import Directory
from hdl.filter.exposure import ROW_BITS, ROWS, Exposure
from hdl.filter.failures import COUNT_BITS, FAILURE, PLACE_BITS
from hdl.filter.gross import CHECK_CYCLES, LANE_BITS, ROW, Gross
from hdl.filter.journal import Journal
from hdl.filter.multiplier import NOTIONAL_BITS, PRICE_BITS, QUANTITY_BITS, Multiplier
from hdl.filter.net import Net
from hdl.filter.open_orders import CHANGE, CONTRADICTED, OpenOrders
from hdl.filter.order_index import REF_BITS
from hdl.filter.outcome import TOTAL
from hdl.filter.parents import NAME, Parents
from hdl.filter.report import REPORT
from hdl.filter.symbol_terms import SymbolTerms
from hdl.filter.tables import Tables
from hdl.filter.tally import TOGETHER
from hdl.wire.registers import KEY_BITS
from hdl.wire.verdict import LANES

PROBED, ASKED, CHECK_BEGINS = 2, 4, 9  # cycles after `price_ready`
APPLY_CYCLES, ACCESS_CYCLES = 3, 3
APPLY_WRITES = 4  # cycles after it began
LOOK_CYCLES = 4


class Risk(wiring.Component):
    """Checks each Enter and each Replace against the limits, reserves it when it is let go, undoes what does not leave,
    and books what the exchange reports.

    An order is checked between its symbol's octets and the end of its message. With p the cycle of ``price_ready``:
    the tables are read in p+9, and from p+15 on the results show, until the next ``price_ready`` or first octet of a
    symbol. Its parent is looked up in n = p+9, or in the first later cycle with ``named``: what that tells shows from
    n+5 on. ``decided`` shows with the later of both. With ``missing`` the other results mean nothing. An order beyond
    31 reservations of a frame stays undecided.

    ``checked`` in cycle c tells that the order has been judged, and ``charge`` in c+1 that it is let go: then it is
    reserved. Its symbol and side, its lane and the firm are charged in c+4 to c+6, and a check that reads in c+9 sees
    it. The next price may come from c+8 on; on the wire orders follow every 50 cycles. What is not decided in c never
    will be.

    ``frame_end`` in cycle e. A frame that is not kept has its n reservations undone, three cycles each: they begin in
    e+5, e+8, …, e+2+3n. A check whose time comes meanwhile reads in e+7+3n. An order not judged in e is forgotten, its
    message was cut short. A symbol or a price later than ``frame_end`` belongs to the next frame.

    ``failed`` items, accepted in cycle o, name reservations of frames that were kept and then did not leave. They are
    undone in their order, three cycles each, back to back, the first not before o+5. What a report changes
    (`OpenOrders`, of which the probe is in p+2) takes three cycles as well, begins in the cycle behind that in which it
    is there, and comes before what failed. None of both begins from p+5 to the check's end, the later of p+14 and n+2,
    or up to c+2 or e+2 if that comes first; from c+2 to c+6 if the order is charged; in e+1, nor up to e+4+3n: then it
    begins in the cycle behind. So one that begins in p+4 or earlier counts for the check of p, and one that begins
    later does not.

    On a lane that is ``heard`` an order is kept in c+2 when it is charged, and what the exchange reports of it releases
    its shares and its notional; of what was executed, shares are added to the net position and notional stays, and its
    parent gets nothing back.

    A Replace has symbol, side and parent of the order that it replaces, which is sought with ``seek`` in cycle k, p-9
    or before; if that was not in its frame, it stays undecided. It is charged the shares by which the total that it
    asks for is above that of the order, which may be none, and its whole notional: gross notional has both until the
    exchange answers (`OpenOrders`). It is no child of its own. One that is undone is withdrawn, in the first of its
    three cycles; of frames that were kept, only when no other withdrawal waits.

    The host's accesses wait until nothing is to be done or about to come: they change no order's timing. While
    ``clearing``, after a reset and when the host clears the exposure, orders are checked but make no reservation,
    exposure and gross read 0, and undoing changes nothing; after a reset accesses wait for its end, 1024 cycles. It
    zeroes the parents, too.

    Members
    -------
    key : In(70)
        The directory's.
    load, word, context : In(8), In(36), Out(288)
        The directory's.
    lane : In(4)
        Of the current frame.
    symbol_valid, symbol_first, symbol_data : In(1), In(1), In(8)
        The eight octets of the symbol, in as many cycles; the first in p-12 at the latest. OUCH has it in p-15.
    user_ref : In(32)
        Right in p+2; the number of the order to be replaced in k.
    seek, replaces : In(1), In(1)
        ``replaces`` in p+4: it is a Replace. Its lane is ``heard``.
    price_ready : In(1)
    quantity, buy, is_short, price : In(20), In(1), In(1), In(32)
        Held from p to p+10.
    parent, named : In(NAME), In(1)
        The parent that the order names; ``parent`` is right while ``named`` is up.
    parentless : In(8)
        Lanes whose orders need no parent. Like ``heard`` it stays as it is while an order is between its price and its
        charge; host.loader sets it before it loads parents, which gives every one all that it has.
    order_value : In(52)
        The largest quantity times price of one order.
    checked, charge : In(1)
        ``charge`` in e-1 at the latest, and only for an order that no result forbids.
    index, decided : Out(9), Out(1)
    missing, restricted, blocked, unborrowed, off_collar, over_value, over_position, over_lane, over_firm : Out(1)
        ``missing``: the symbol is unknown, or the order to be replaced.
    over_parent, over_children : Out(1)
        Of an order that needs a parent: it is none of its parent's, or more than that has left; one child too many. A
        Replace has to name the parent of its order.
    no_room : Out(1)
        The order could not be kept, or a Replace of the order to be replaced is pending.
    forbidden : Out(1)
        One of `hdl.filter.tally.TOGETHER` is up.
    frame_end, kept : In(1)
        The frame's verdict.
    base, reservations : Out(8), Out(5)
        Of the current frame, for its descriptor, up to and with the cycle of ``frame_end``.
    failed : In(stream.Signature(FAILURE))
        A queue of 64 stands behind it.
    block, block_index : In(1), In(9)
        Blocks a symbol: for the checks of the frames behind.
    lift : In(1)
        Lifts all blocks: in p+13 at the latest for the check of p.
    heard : In(8)
        Lanes whose orders are kept.
    report_valid, report, older : In(1), In(REPORT), In(1)
        ``older``: the report's lane speaks OUCH 4.2.
    contradicted_valid, contradicted, contradicts : Out(1), Out(CONTRADICTED), Out(1)
    directory_bus, bus : In(Bus)
        The targets for DIRECTORY; and for SYMBOL_TERMS, EXPOSURE_LIMIT, NET, EXPOSURE, GROSS_LIMIT, GROSS, PARENT,
        PARENT_LEFT and CLEAR_EXPOSURE.
    clearing, cleared : Out(1)
        Tables are being zeroed; the host has cleared the exposure (strobe).
    busy : Out(1)
    fault : Out(1)
        Since the reset more was undone than had been reserved, a sum came to be beyond what it can be, or a report was
        lost: an internal fault.
    """

    key: In(KEY_BITS)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)
    lane: In(4)
    symbol_valid: In(1)
    symbol_first: In(1)
    symbol_data: In(8)
    user_ref: In(REF_BITS)
    seek: In(1)
    replaces: In(1)
    price_ready: In(1)
    quantity: In(QUANTITY_BITS)
    buy: In(1)
    is_short: In(1)
    price: In(PRICE_BITS)
    parent: In(NAME)
    named: In(1)
    parentless: In(LANES)
    order_value: In(NOTIONAL_BITS)
    checked: In(1)
    charge: In(1)
    index: Out(SYMBOL_BITS)
    missing: Out(1)
    restricted: Out(1)
    blocked: Out(1)
    unborrowed: Out(1)
    off_collar: Out(1)
    over_value: Out(1)
    over_position: Out(1)
    over_lane: Out(1)
    over_firm: Out(1)
    over_parent: Out(1)
    over_children: Out(1)
    no_room: Out(1)
    forbidden: Out(1)
    decided: Out(1)
    frame_end: In(1)
    kept: In(1)
    base: Out(PLACE_BITS)
    reservations: Out(COUNT_BITS)
    failed: In(stream.Signature(FAILURE))
    block: In(1)
    block_index: In(SYMBOL_BITS)
    lift: In(1)
    heard: In(LANES)
    report_valid: In(1)
    report: In(REPORT)
    older: In(1)
    contradicted_valid: Out(1)
    contradicted: Out(CONTRADICTED)
    contradicts: Out(1)
    directory_bus: In(Bus)
    bus: In(Bus)
    clearing: Out(1)
    cleared: Out(1)
    busy: Out(1)
    fault: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.directory = directory = Directory()
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.terms = terms = SymbolTerms()
        m.submodules.exposure = exposure = Exposure()
        m.submodules.gross = gross = Gross()
        m.submodules.net = net = Net()
        m.submodules.parents = parents = Parents()
        m.submodules.orders = orders = OpenOrders()
        m.submodules.blocks = blocks = Blocks()
        m.submodules.journal = journal = Journal()
        m.submodules.tables = tables = Tables()
        wiring.connect(m, wiring.flipped(self.directory_bus), directory.bus)
        wiring.connect(m, wiring.flipped(self.failed), journal.failed)
        wiring.connect(m, wiring.flipped(self.bus), tables.bus)
        for name in ("key", "load", "word", "symbol_valid", "symbol_first", "symbol_data"):
            m.d.comb += getattr(directory, name).eq(getattr(self, name))
        for name in ("block", "block_index", "lift"):
            m.d.comb += getattr(blocks, name).eq(getattr(self, name))
        for name in ("heard", "report_valid", "report", "older"):
            m.d.comb += getattr(orders, name).eq(getattr(self, name))
        for name in ("contradicted_valid", "contradicted", "contradicts"):
            m.d.comb += getattr(self, name).eq(getattr(orders, name))
        m.d.comb += [
            multiplier.start.eq(self.price_ready),
            multiplier.quantity.eq(self.quantity),
            multiplier.price.eq(self.price),
            journal.frame_end.eq(self.frame_end),
            journal.kept.eq(self.kept),
            self.context.eq(directory.context),
            self.base.eq(journal.base),
            self.reservations.eq(journal.reservations),
        ]

        # Who has the tables: one bit for each cycle of an operation. Decided one cycle before an operation begins.
        check, apply, sweep = Signal(CHECK_CYCLES), Signal(APPLY_CYCLES), Signal()
        access = Signal(ACCESS_CYCLES + 1)  # in the last one only the answer is due
        go_check, go_charge, go_undo, go_change, go_access, go_sweep = (Signal() for _ in range(6))
        hurries, undoes = Signal(), Signal()  # what is undone: of a frame that was dropped, or of another
        m.d.sync += [
            check.eq(Cat(go_check, check)),
            apply.eq(Cat(go_charge | go_undo | go_change, apply)),
            access.eq(Cat(go_access, access)),
            sweep.eq(go_sweep),
        ]
        # `free`: none of them goes on in the next cycle. A price or the frame's end breaks off a check.
        free, busy, breaks = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            breaks.eq(self.price_ready | self.frame_end),
            busy.eq(
                (go_check | check[:-2].any())
                | (go_charge | go_undo | go_change | apply[:-2].any())
                | (go_access | access[:-3].any())
            ),
        ]
        m.d.sync += free.eq(~busy)

        # An order waits for its check from p+1 on; `due` in p+8. From p+4 to the end of the check, and until its parent
        # is looked up (`orphan`), the engine is its own (`soon`): what is applied before must be written before it
        # reads.
        waiting, held, since = Signal(), Signal(), Signal(range(CHECK_BEGINS))
        soon, due = Signal(), Signal()
        orphan, look, go_look = Signal(), Signal(LOOK_CYCLES), Signal()
        m.d.comb += [
            soon.eq((waiting | check[:-2].any() | orphan) & (since >= CHECK_BEGINS - APPLY_WRITES - 2)),
            go_look.eq(orphan & self.named),
        ]
        m.d.sync += [look.eq(Cat(go_look, look)), orphan.eq(go_check | (orphan & ~self.named))]
        m.d.sync += due.eq(waiting & (since >= CHECK_BEGINS - 2))
        with m.If(since != CHECK_BEGINS - 1):
            m.d.sync += since.eq(since + 1)
        with m.If(go_check):
            m.d.sync += [waiting.eq(0), due.eq(0)]
        with m.If(self.price_ready):
            m.d.sync += [waiting.eq(1), held.eq(1), since.eq(1)]
        with m.If(self.frame_end | self.checked):
            m.d.sync += [waiting.eq(0), held.eq(0)]
        with m.If(breaks | self.checked):
            m.d.sync += [due.eq(0), check.eq(0), orphan.eq(0), look.eq(0)]
        # What is applied is written behind its three cycles, which only the next one allows for.
        # A charge begins two cycles late, so that what begins until it is known is over then.
        clean, writing, others = Signal(), Signal(), Signal()
        may, idle = Signal(), Signal()  # something may be applied as far as is known before; nothing is to be
        reserve, charges, is_heard, enters = Signal(), Signal(2), Signal(), Signal()
        counts = Signal()  # nothing was swept in the cycle before: a sweep does not begin while an order waits
        m.d.sync += counts.eq(~tables.sweeping)
        m.d.comb += reserve.eq(self.charge & counts)
        m.d.sync += [
            writing.eq(apply[-1]),
            charges.eq(Cat(reserve, charges)),
            enters.eq(reserve & is_heard),
            may.eq(~(busy | soon | reserve | charges[0])),
        ]
        m.d.comb += [
            clean.eq(free & ~apply[-1] & ~writing),
            idle.eq(~(journal.active | orders.change.valid | held | self.charge | charges.any())),
            go_check.eq(clean & due),
            go_charge.eq(charges[-1]),
            others.eq(may & ~(self.charge | self.frame_end | journal.urgent)),
            go_change.eq(others & orders.change.valid),
            hurries.eq(journal.due & journal.urgent & free & ~go_charge),
            undoes.eq(journal.due & others & ~(orders.change.valid | orders.withdrawing)),
            go_undo.eq(hurries | undoes),
            go_access.eq(clean & tables.wanted & idle & ~self.frame_end),
            go_sweep.eq(clean & tables.sweeping & idle & ~tables.wanted),
            orders.change.ready.eq(go_change),
        ]

        # The order, held while it is checked. `quantity`: shares that are charged; `total`: those that it asks for.
        row, quantity, lane = Signal(ROW_BITS), Signal(QUANTITY_BITS), Signal(LANE_BITS)
        known, is_short, total, beyond = Signal(), Signal(), Signal(QUANTITY_BITS), Signal(TOTAL)
        parent, needs = Signal(NAME), Signal()
        # Of a Replace: the order that it replaces, and by how much it is to be more.
        asks, sought, blind, engaged = Signal(), Signal(), Signal(), Signal()
        original, rises, ref = orders.original, Signal(TOTAL), Signal(REF_BITS)
        m.d.sync += [rises.eq(self.quantity - original.total), engaged.eq(original.asked | original.pending)]
        with m.If(self.seek):
            m.d.sync += sought.eq(1)
        with m.Elif(self.frame_end):
            m.d.sync += sought.eq(0)
        with m.If(self.price_ready):
            m.d.sync += lane.eq(self.lane)
        with m.If(held & (since == PROBED)):
            m.d.sync += ref.eq(self.user_ref)
        with m.If(held & (since == ASKED)):
            m.d.sync += [asks.eq(self.replaces), blind.eq(self.replaces & ~sought)]
        with m.If(go_look):
            m.d.sync += parent.eq(self.parent)
        m.d.sync += [is_heard.eq(self.heard.bit_select(lane, 1)), needs.eq(~self.parentless.bit_select(lane, 1))]
        with m.If(go_check):
            m.d.sync += [
                row.eq(Mux(asks, Cat(original.sell, original.index), Cat(~self.buy, directory.index))),
                quantity.eq(Mux(asks, Mux(rises[-1] | engaged, 0, rises), self.quantity)),
                total.eq(self.quantity),
                beyond.eq(Mux(asks, rises, self.quantity)),
                is_short.eq(self.is_short & ~asks),
                terms.price.eq(self.price),
                known.eq(Mux(asks, orders.open, directory.done & directory.found)),
            ]
        over_value, notional, adds, strange = Signal(), Signal(NOTIONAL_BITS), Signal(), Signal()
        m.d.sync += [
            adds.eq(quantity.any()),
            # Another parent than its order's, or one though it should have none.
            strange.eq(Mux(needs, (original.parent != parent.number) | ~original.child, original.child)),
        ]
        m.d.comb += self.index.eq(row[1:])
        m.d.sync += [
            over_value.eq(multiplier.product > self.order_value),
            notional.eq(multiplier.product),  # there is time, and the journal is far from the sums
        ]
        results = {
            "missing": ~known,
            "restricted": terms.restricted,
            "blocked": blocks.blocked,
            "unborrowed": is_short & terms.unborrowed,
            "off_collar": terms.off_collar,
            "over_value": over_value,
            "over_position": exposure.over & adds,
            "over_lane": gross.over_lane,
            "over_firm": gross.over_firm,
            "no_room": is_heard & (~orders.room | (asks & engaged)),
        }
        results["forbidden"] = Cat(results[name] for name in TOGETHER).any()
        of_parent = {
            "over_parent": (needs & parents.over) | (asks & strange),
            "over_children": needs & parents.spent & ~asks,
        }
        checked, looked = Signal(), Signal()
        m.d.comb += self.decided.eq(checked & looked)
        for strobe, told, done, good in ((check, results, checked, ~journal.full), (look, of_parent, looked, 1)):
            with m.If(strobe[-1] & ~blind):
                m.d.sync += [getattr(self, name).eq(now) for name, now in told.items()]
                m.d.sync += done.eq(good)
            with m.If(self.price_ready):
                m.d.sync += [getattr(self, name).eq(0) for name in told]
        with m.If(self.price_ready | (self.symbol_valid & self.symbol_first)):
            m.d.sync += [checked.eq(0), looked.eq(0)]

        # The tables. An entry is there for three cycles, from its first on.
        entry, undoing, changing, accessing = journal.entry, Signal(), Signal(), Signal()
        charging = Signal(3)  # what is applied, is a charge: from its first cycle on, and two cycles later
        change = Signal(CHANGE)  # the one that is being applied
        m.d.sync += [
            charging.eq(Cat(go_charge | (charging[0] & ~(go_undo | go_change)), charging)),
            undoing.eq(go_undo | (undoing & apply[:-1].any())),
            changing.eq(go_change | (changing & apply[:-1].any())),
            accessing.eq(go_access | access[:-2].any()),
            gross.hosting.eq(go_access | access[:-2].any() | go_sweep),
        ]
        with m.If(go_change):
            m.d.sync += change.eq(orders.change.payload)
        # What is taken away of open shares, and what gross notional changes by: less what is undone, its complement.
        less, more, carry, sell, executed = (
            Signal(QUANTITY_BITS),
            Signal(signed(NOTIONAL_BITS + 1)),
            Signal(),
            Signal(),
            Signal(QUANTITY_BITS),
        )
        with m.If(apply[-1]):
            m.d.sync += [
                less.eq(Mux(changing, change.released, Mux(journal.void, 0, entry.quantity))),
                more.eq(
                    Mux(
                        changing,
                        change.notional.as_signed(),
                        ~Cat(Mux(journal.void, 0, entry.notional), C(0, 1)).as_signed(),
                    )
                ),
                carry.eq(~changing),
                parents.back.eq(Mux(changing, change.back, entry.quantity)),
                sell.eq(change.sell),
                executed.eq(change.executed),
            ]
        # Who presents a row, and a parent: one of them, or nobody, then it is the order.
        rows = [
            (~(undoing | changing | accessing | sweep), row, parent.number),
            (undoing, Cat(entry.sell, entry.index), entry.parent),
            (changing, Cat(change.sell, change.index), change.parent),
            (accessing, tables.row, tables.symbol),
            (sweep, tables.place, tables.place[1:]),
        ]
        m.d.comb += [
            exposure.row.eq(reduce(or_, (one & who.replicate(ROW_BITS) for who, one, _ in rows))),
            parents.number.eq(reduce(or_, (one & who.replicate(len(one)) for who, _, one in rows))),
            gross.lane.eq(lane),
            gross.row.eq(Mux(sweep, tables.place, tables.gross_row)),
            gross.check.eq(check),
            gross.apply.eq(apply),
            exposure.add.eq(check[3]),
            exposure.apply.eq(apply[-1]),
        ]
        with m.If(undoing):
            m.d.comb += gross.lane.eq(entry.lane)
        with m.If(changing):
            m.d.comb += gross.lane.eq(change.lane)
        m.d.comb += terms.index.eq(Mux(accessing, tables.symbol, Mux(sweep, tables.place[1:], row[1:])))
        for budget in (exposure, gross):
            m.d.comb += [
                budget.plus.eq(charging[-1]),
                budget.clear.eq(sweep),
                budget.wipe.eq(tables.wiping),
                budget.zero.eq(tables.sweeping),
            ]
        m.d.comb += [
            net.index.eq(exposure.row[1:]),
            net.apply.eq(apply[-1] & changing),
            net.sell.eq(sell),
            net.executed.eq(executed),
            net.clear.eq(sweep),
            net.zero.eq(tables.sweeping),
            blocks.index.eq(row[1:]),
            exposure.quantity.eq(quantity),
            exposure.net.eq(net.net),
            exposure.undo_quantity.eq(less),
            parents.letter.eq(parent.letter),
            parents.index.eq(row[1:]),
            parents.sell.eq(row[0]),
            parents.quantity.eq(quantity),
            parents.apply.eq(
                apply[-1] & Mux(charging[-1], needs, Mux(changing, change.child, entry.child & ~journal.void))
            ),
            parents.charge.eq(charging[-1]),
            parents.whole.eq(carry & ~(charging[-1] & asks)),
            parents.load.eq(tables.load_parent),
            parents.clear.eq(sweep),
            parents.data.eq(tables.data),
            terms.load.eq(tables.load_terms),
            terms.clear.eq(sweep & tables.wiping),
            terms.data.eq(tables.data),
            exposure.load.eq(tables.load_exposure),
            exposure.data.eq(tables.data),
            gross.notional.eq(multiplier.product),
            gross.change.eq(more),
            gross.carry.eq(carry),
            gross.load.eq(tables.load_gross),
            gross.data.eq(tables.data),
            journal.reserve.eq(reserve),
            journal.reserved.index.eq(row[1:]),
            journal.reserved.sell.eq(row[0]),
            journal.reserved.lane.eq(lane),
            journal.reserved.quantity.eq(quantity),
            journal.reserved.notional.eq(Mux(asks, ref, notional)),
            journal.reserved.asks.eq(asks),
            journal.reserved.slot.eq(orders.slot),
            journal.reserved.kept.eq(is_heard),
            journal.reserved.parent.eq(parent.number),
            journal.reserved.child.eq(needs),
            orders.probe.eq(self.seek | (held & (since == PROBED))),
            orders.seek.eq(self.seek),
            orders.probe_lane.eq(Mux(self.seek, self.lane, lane)),
            orders.probe_ref.eq(self.user_ref),
            orders.release.eq(self.checked | self.frame_end),
            orders.enter.eq(enters),
            orders.asks.eq(asks),
            orders.order.index.eq(row[1:]),
            orders.order.sell.eq(row[0]),
            orders.order.price.eq(terms.price),
            orders.order.quantity.eq(total),
            orders.order.pending.eq(asks),
            orders.order.total.eq(beyond),
            orders.order.parent.eq(parent.number),
            orders.order.child.eq(needs),
            orders.forget.eq(apply[0] & undoing & entry.kept & ~journal.void),
            orders.forget_slot.eq(entry.slot),
            orders.withdraw.eq(apply[0] & undoing & journal.asked),
            orders.withdrawn.lane.eq(entry.lane),
            orders.withdrawn.user_ref.eq(entry.notional),
            orders.clearing.eq(tables.sweeping),
            orders.clear.eq(sweep),
            orders.clear_place.eq(tables.place[2:]),
            journal.hurried.eq(hurries),
            journal.taken.eq(undoes),
            journal.annul.eq(tables.cleared),
            tables.swept.eq(sweep),
            tables.step.eq(access),
            tables.released.eq(exposure.released),
            tables.limit.eq(exposure.limit),
            tables.net.eq(net.net),
            tables.gross.eq(gross.sum),
            tables.gross_limit.eq(gross.limit),
            tables.terms.eq(terms.word),
            tables.parent.eq(parents.word),
            tables.parent_left.eq(parents.left),
        ]

        with m.If(exposure.below | gross.beyond | net.beyond | parents.beyond | orders.fault | journal.overrun):
            m.d.sync += self.fault.eq(1)
        m.d.comb += [
            self.clearing.eq(tables.sweeping | directory.clearing),
            self.cleared.eq(tables.cleared),
            self.busy.eq(
                self.clearing
                | held
                | self.charge
                | charges.any()
                | apply.any()
                | access.any()
                | journal.active
                | orders.busy
                | tables.wanted
            ),
        ]
        return m


assert ROWS >= 1 << ROW.size  # one sweep covers gross notional as well

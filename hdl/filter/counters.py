"""The counters: every frame and every order is booked once, in a row for its lane."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.filter.gate import OutcomeKind
from hdl.filter.jobs import JobQueue
from hdl.filter.memory import Memory
from hdl.filter.records import Account
from hdl.wire.registers import COUNTERS_PER_ROW, Count
from hdl.wire.verdict import NO_LANE, Reason

ROWS = 16
USED_ROWS = NO_LANE + 1
ADDRESS = (ROWS * COUNTERS_PER_ROW - 1).bit_length()
ADDITIONS = 6  # of a job at most
READ_CYCLES = 2

Judged = data.StructLayout({"row": 4, "reason": 6, "orders": 7, "failing_is_order": 1, "fenced": 1})
Left = data.StructLayout(
    {"kind": OutcomeKind, "lane": 4, "orders": 7, "stopped": 7, "reason": 6, "reset": 1, "all": 1, "moment": 16}
)
Addition = data.StructLayout({"cell": 7, "amount": 16})


class Counters(wiring.Component):
    """Adds up frames and orders: `hdl.wire.registers.Count` names the counters of a row; they wrap at 2^32.

    Three kinds of job are booked, each whole before the next begins, so that what goes in balances what comes out:

    - a verdict (``judged``): FRAMES_IN of its row, FENCES if it fenced the lane; with a reason, FRAME_DROP + reason.
      Its orders are booked when it passed or its reason is KILLED or higher: ORDERS_IN, and when dropped ORDER_DROP +
      reason for one, if the failing message is an order, and ORDER_DROP + SIBLING for the others;
    - an outcome of the gate: SENT is FRAMES_OUT, ORDERS_OUT for the orders let go, ORDER_DROP + their reason for those
      overwritten, and NEUTRALISED if there were any; a frame that a kill at the gate overwrote lets no order go, they
      count for KILLED. An RST is FRAMES_INJECTED and FRAMES_OUT. DISCARDED is a drop for KILLED, ABORTED for ABORTED,
      STALE for ROLLED_BACK, in both FRAME_DROP and ORDER_DROP: of the orders one has that reason, the others SIBLING;
    - runts, which can come every other cycle: they are added up, and booked in the row of no lane when nothing else
      waits.

    Nothing is lost: 32 verdicts and 64 outcomes wait in queues, and a job takes at most 36 cycles. Should a queue run
    over all the same, or 65,535 runts wait, ``fault`` stays high until reset. Reset zeroes all counters, which takes
    1152 cycles in which jobs wait.

    The bus target (a row's 128 counters one after another, rows 9 and up always 0) answers between two jobs, within 40
    cycles, or after reset when the counters are zero. Writes are errors.

    Members
    -------
    bus : In(Bus)
    judged, row, reason, counted_orders, failing_is_order, fenced : In
        A verdict. A runt has no verdict.
    runt : In(1)
    account_valid, account : In(1), In(Account)
    now : In(16)
        Low bits.
    log_ready : In(1)
        An outcome is booked only then.
    booked, booked_kind, booked_lane, booked_orders, booked_all, booked_age : Out(1), …
        Strobe: an outcome is being booked, which came ``booked_age`` cycles ago; ``booked_orders`` are those that it
        did not let go. For the event log: in a burst the gate has an outcome in every cycle, this strobe follows at the
        pace of the log.
    fault : Out(1)
    busy : Out(1)
        Jobs wait or are being booked, or the counters are being zeroed.
    """

    bus: In(Bus)
    judged: In(1)
    row: In(4)
    reason: In(6)
    counted_orders: In(7)
    failing_is_order: In(1)
    fenced: In(1)
    runt: In(1)
    account_valid: In(1)
    account: In(Account)
    now: In(16)
    log_ready: In(1, init=1)
    booked: Out(1)
    booked_kind: Out(OutcomeKind)
    booked_lane: Out(4)
    booked_orders: Out(7)
    booked_all: Out(1)
    booked_age: Out(16)
    fault: Out(1)
    busy: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(32, ROWS * COUNTERS_PER_ROW)
        m.submodules.verdicts = verdicts = JobQueue(Judged, 32)
        m.submodules.outcomes = outcomes = JobQueue(Left, 64)
        m.d.comb += [
            verdicts.push.eq(self.judged),
            verdicts.job.row.eq(self.row),
            verdicts.job.reason.eq(self.reason),
            verdicts.job.orders.eq(self.counted_orders),
            verdicts.job.failing_is_order.eq(self.failing_is_order),
            verdicts.job.fenced.eq(self.fenced),
            outcomes.push.eq(self.account_valid),
        ]
        for name in ("kind", "lane", "orders", "stopped", "reason", "reset", "all"):
            m.d.comb += outcomes.job[name].eq(self.account[name])
        with m.If(self.account.reset):  # the orders are those of the frame that it replaces
            m.d.comb += [outcomes.job.orders.eq(0), outcomes.job.stopped.eq(0)]

        before = Signal(16)
        # `now` runs evenly while anything is under way: one less here makes up for the cycle that `booked` comes later.
        m.d.sync += before.eq(self.now)
        m.d.comb += outcomes.job.moment.eq(before)

        runts, overflow = Signal(16), Signal()
        take_runts = Signal()
        m.d.sync += runts.eq(Mux(take_runts, 0, runts) + self.runt)
        m.d.sync += [overflow.eq(overflow | runts.all()), self.fault.eq(verdicts.overrun | outcomes.overrun | overflow)]

        # What a verdict books, one cycle behind the head of its queue.
        judged = verdicts.head
        dropped, ordered, one, others = Signal(), Signal(), Signal(), Signal(7)
        m.d.sync += [
            dropped.eq(judged.reason != Reason.PASSED),
            ordered.eq((judged.reason == Reason.PASSED) | (judged.reason >= Reason.KILLED)),
            one.eq((judged.reason >= Reason.KILLED) & judged.failing_is_order & (judged.orders != 0)),
            others.eq(judged.orders - (judged.failing_is_order & (judged.orders != 0))),
        ]
        # What an outcome books. A frame that did not leave has all its orders dropped for one reason; of one that did,
        # some may have been overwritten, and then those let go have the cell ORDERS_OUT, or KILLED at the gate.
        left = outcomes.head
        sent, orders, siblings, rewritten = Signal(), Signal(7), Signal(7), Signal()
        frame_cell, order_cell, other_cell = Signal(7), Signal(7), Signal(7)
        dropped_for = Signal(6)
        with m.Switch(left.kind):
            with m.Case(OutcomeKind.ABORTED):
                m.d.comb += dropped_for.eq(Reason.ABORTED)
            with m.Case(OutcomeKind.STALE):
                m.d.comb += dropped_for.eq(Reason.ROLLED_BACK)
            with m.Default():
                m.d.comb += dropped_for.eq(Reason.KILLED)
        m.d.comb += [sent.eq(left.kind == OutcomeKind.SENT), orders.eq(left.orders + left.stopped)]
        m.d.sync += [
            rewritten.eq(sent & (left.all | (left.stopped != 0))),
            siblings.eq(orders - 1),
            frame_cell.eq(Mux(sent, Count.FRAMES_OUT, Count.FRAME_DROP + dropped_for)),
            order_cell.eq(Mux(sent & ~left.all, Count.ORDERS_OUT, Count.ORDER_DROP + dropped_for)),
            other_cell.eq(Count.ORDER_DROP + Mux(sent, left.reason, Reason.SIBLING)),
        ]

        # A job is a row and up to six additions to cells of that row; none of zero is made.
        row, additions = Signal(4), Signal(data.ArrayLayout(Addition, ADDITIONS))

        def load(lane, *pairs):
            m.d.sync += row.eq(lane)
            for number in range(ADDITIONS):
                cell, amount = pairs[number] if number < len(pairs) else (0, 0)
                m.d.sync += [additions[number].cell.eq(cell), additions[number].amount.eq(amount)]

        address, amount, total = Signal(ADDRESS), Signal(16), Signal(32)
        step, to_do, asked = Signal(2), Signal(range(ADDITIONS + 1)), Signal()
        m.d.sync += [self.booked.eq(0), self.bus.ack.eq(0), self.bus.error.eq(self.bus.write)]
        with m.If(self.bus.request):
            m.d.sync += asked.eq(1)
        m.d.comb += [
            memory.read_addr.eq(address),
            memory.write_addr.eq(address),
            memory.write_data.eq(total),
            self.bus.value.eq(total),
        ]
        with m.FSM() as machine:
            with m.State("sweep"):
                m.d.comb += memory.write_en.eq(1)
                m.d.sync += address.eq(address + 1)
                with m.If(address == USED_ROWS * COUNTERS_PER_ROW - 1):
                    m.next = "rest"
            with m.State("rest"):
                m.d.sync += [step.eq(0), amount.eq(0), to_do.eq(ADDITIONS)]
                with m.If(asked):
                    m.d.sync += [address.eq(self.bus.address), asked.eq(0)]
                    m.next = "look"
                with m.Elif(outcomes.some & self.log_ready):
                    m.next = "outcome"
                with m.Elif(verdicts.some):
                    m.next = "verdict"
                with m.Elif(runts.any()):
                    m.next = "runts"
            with m.State("look"):
                m.d.sync += [step.eq(step + 1), total.eq(memory.read_data)]
                with m.If(step == READ_CYCLES):
                    m.d.sync += self.bus.ack.eq(1)
                    m.next = "rest"

            with m.State("outcome"):
                some = orders != 0
                load(
                    left.lane,
                    (frame_cell, 1),
                    (order_cell, Mux(sent, left.orders, some)),
                    (other_cell, Mux(sent, left.stopped, Mux(some, siblings, 0))),
                    (Count.NEUTRALISED, rewritten),
                    (Count.FRAMES_INJECTED, left.reset),
                )
                m.d.comb += outcomes.pop.eq(1)
                m.d.sync += [self.booked.eq(1), self.booked_kind.eq(left.kind), self.booked_lane.eq(left.lane)]
                m.d.sync += [self.booked_orders.eq(Mux(sent, left.orders, orders)), self.booked_all.eq(left.all)]
                m.d.sync += self.booked_age.eq(self.now - left.moment)
                m.next = "next"
            with m.State("verdict"):
                load(
                    judged.row,
                    (Count.FRAMES_IN, 1),
                    (Count.FRAME_DROP + judged.reason, dropped),
                    (Count.ORDERS_IN, Mux(ordered, judged.orders, 0)),
                    (Count.ORDER_DROP + judged.reason, one),
                    (Count.ORDER_DROP + Reason.SIBLING, Mux(ordered & dropped, others, 0)),
                    (Count.FENCES, judged.fenced),
                )
                m.d.comb += verdicts.pop.eq(1)
                m.next = "next"
            with m.State("runts"):
                load(NO_LANE, (Count.FRAMES_IN, runts), (Count.FRAME_DROP + Reason.RUNT, runts))
                m.d.comb += take_runts.eq(1)
                m.next = "next"

            with m.State("next"):
                m.d.sync += [address.eq(Cat(additions[0].cell, row)), amount.eq(additions[0].amount), step.eq(0)]
                m.d.sync += [additions[n].eq(additions[n + 1]) for n in range(ADDITIONS - 1)]
                m.d.sync += to_do.eq(to_do - 1)
                with m.If(to_do == 0):
                    m.next = "rest"
                with m.Elif(additions[0].amount != 0):
                    m.next = "add"
            with m.State("add"):
                m.d.sync += [step.eq(step + 1), total.eq(memory.read_data + amount)]
                with m.If(step == READ_CYCLES):
                    m.next = "store"
            with m.State("store"):
                m.d.comb += memory.write_en.eq(1)
                m.next = "next"
        m.d.sync += self.busy.eq(
            Cat(self.judged, self.account_valid, self.runt, verdicts.waiting, outcomes.waiting, runts.any()).any()
            | ~machine.ongoing("rest")
        )
        return m

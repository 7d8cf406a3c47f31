"""The counters: every frame and every order is booked once, in a row for its lane."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.filter.gate import OutcomeKind
from hdl.filter.jobs import JobQueue
from hdl.filter.log import MOMENT
from hdl.filter.memory import Memory
from hdl.filter.records import Account
from hdl.wire.registers import COUNTERS_PER_ROW, Count
from hdl.wire.verdict import LANES, LAST_WITHOUT_LANE, NO_LANE, Reason

CELL = (COUNTERS_PER_ROW - 1).bit_length()
ADDRESS = CELL + (LANES - 1).bit_length()
SPARE = (16, 72)  # from either on, eight cells of a lane's row count nothing: there are those of the row of no lane
RUNTS = 6  # bits
AMOUNT = 8  # bits, with a sign
LAST_STEP = 7
COUNTED = (Reason.PASSED, *range(Reason.KILLED, 64))  # reasons of frames whose orders count


class What(enum.Enum, shape=2):
    """What a job is about."""

    LOST = 0  # a frame that was kept and did not leave
    FORCED = 1  # one that left with its orders overwritten by a kill
    LEFT = 2  # one that left as its verdict had it, or an RST
    CAME = 3  # a verdict, or runts; or what came back


# As wide as a block RAM. `reason` is the low part of a reason; of LOST and CAME the other two bits are the lowest of
# `stopped`. If orders of LEFT or FORCED were stopped, these have a lane, whose highest bit is the reason's bit 4: with
# it that is KILLED or higher. Only of LOST and FORCED the log wants to know when they came: of LEFT and CAME the lowest
# bits of `moment` tell what they are. Whatever does not apply is 0.
Job = data.StructLayout({"what": What, "lane": 4, "orders": 7, "stopped": 7, "reason": 4, "moment": MOMENT})
BY_ORDER, FENCED = 2, 3  # bits of `stopped` of LOST and CAME: the failing message is an order; the lane was fenced
INJECTED = 0  # bit of `moment` of LEFT
DROPPED, RUNTS_CAME, HEARD, SPOILT = range(4)  # of CAME; runts: as many as `orders` says; the last two are no verdicts

LOST_FOR = {
    OutcomeKind.DISCARDED: Reason.KILLED,
    OutcomeKind.ABORTED: Reason.ABORTED,
    OutcomeKind.STALE: Reason.ROLLED_BACK,
}


def _place(cell, row):
    """Return the address of a counter."""
    first = Mux(cell[6], SPARE[1] >> 3, SPARE[0] >> 3)
    return Mux(row[-1], Cat(cell[:3], first, cell[3:6]), Cat(cell, row[:-1]))


class Counters(wiring.Component):
    """Adds up frames and orders: `hdl.wire.registers.Count` names the counters of a row; they wrap at 2^32.

    Four kinds of job are booked, each whole before the next begins, so that what goes in balances what comes out:

    - a verdict (``judged``): FRAMES_IN of its row, FENCES if it fenced the lane; with a reason, FRAME_DROP + reason.
      Its orders are booked when it passed or its reason is KILLED or higher: ORDERS_IN, and when dropped ORDER_DROP +
      reason for one, if the failing message is an order, and ORDER_DROP + SIBLING for the others;
    - an outcome of the gate: SENT is FRAMES_OUT, ORDERS_OUT for the orders let go, ORDER_DROP + their reason for those
      overwritten, and NEUTRALISED if there were any; a frame that a kill at the gate overwrote lets no order go, they
      count for KILLED. An RST is FRAMES_INJECTED and FRAMES_OUT. DISCARDED is a drop for KILLED, ABORTED for ABORTED,
      STALE for ROLLED_BACK, in both FRAME_DROP and ORDER_DROP: of the orders one has that reason, the others SIBLING;
    - runts, which can come every other cycle: they are added up, and booked in the row of no lane when nothing else
      waits, or when there are 32;
    - what came back: reports are REPORTS and REPORTS_REPEATED, a frame that was spoilt for octets missing before it is
      RETURN_GAPS. Each kind waits for a cycle in which nothing else comes, and has one place to do so.

    Nothing is lost: 126 jobs wait in one queue, and each takes 11 cycles, so that none waits for 2^11 if the log is
    ready in time. An outcome can come in every cycle; a verdict waits for a cycle without one. Should the queue run
    over all the same, a verdict or what came back come while one waits like this, or 63 runts wait, ``fault`` stays
    high until reset. Reset zeroes all counters, which takes 1024 cycles in which jobs wait.

    The bus target (a row's 128 counters one after another, rows 9 and up always 0) answers between two jobs, within 20
    cycles, or after reset when the counters are zero. Writes are errors.

    Members
    -------
    bus : In(Bus)
    judged, row, reason, counted_orders, failing_is_order, fenced : In
        A verdict. A runt has no verdict.
    runt : In(1)
    heard, heard_lane, applied, repeated : In(1), In(3), In(7), In(7)
    spoilt, spoilt_lane : In(1), In(3)
    account_valid, account : In(1), In(Account)
    now : In(12)
        Low bits.
    log_ready : In(1)
        A job is begun only then.
    booked, booked_kind, booked_lane, booked_orders, booked_at : Out(1), …
        Strobe: an outcome is being booked that the event log tells of, one that is not SENT, or is SENT with ``all``;
        ``booked_orders`` are those that it did not let go, ``booked_at`` is ``now`` when it came. In a burst the gate
        has an outcome in every cycle, this strobe follows at the pace of the log.
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
    heard: In(1)
    heard_lane: In(3)
    applied: In(7)
    repeated: In(7)
    spoilt: In(1)
    spoilt_lane: In(3)
    account_valid: In(1)
    account: In(Account)
    now: In(MOMENT)
    log_ready: In(1, init=1)
    booked: Out(1)
    booked_kind: Out(OutcomeKind)
    booked_lane: Out(4)
    booked_orders: Out(7)
    booked_at: Out(MOMENT)
    fault: Out(1)
    busy: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(32, 1 << ADDRESS)
        m.submodules.jobs = jobs = JobQueue(Job)
        pending = self._queue(m, jobs)
        step, running, sweeping, asked = Signal(3), Signal(), Signal(init=1), Signal()
        target, act, amount = self._plan(m, jobs.head, running, step)

        # What is read in one cycle is written three cycles later: no step comes so soon after another of its cell.
        sweep, inquiry, place = Signal(ADDRESS), Signal(ADDRESS), Signal(ADDRESS)
        places, amounts, acts, sweeps = Signal(2 * ADDRESS), Signal(3 * AMOUNT), Signal(3), Signal(2)
        total, looked, unused = Signal(32), Signal(3), Signal()
        m.d.comb += [
            memory.read_addr.eq(place | inquiry | sweep),  # at most one of them is not 0
            memory.write_data.eq(total),
            self.bus.value.eq(total),
        ]
        m.d.sync += [
            place.eq(Mux(running, target, 0)),
            amounts.eq(Cat(amount, amounts)),
            Cat(places, memory.write_addr).eq(Cat(memory.read_addr, places)),
            Cat(acts, memory.write_en).eq(Cat(act, acts[0] | sweeping, acts[1:])),
            sweeps.eq(Cat(sweeping, sweeps)),
            total.eq(Mux(sweeps[1] | (looked[-1] & unused), 0, memory.read_data + amounts[2 * AMOUNT :].as_signed())),
        ]
        with m.If(sweeping):
            m.d.sync += sweep.eq(sweep + 1)
        with m.If(sweep.all()):
            m.d.sync += sweeping.eq(0)

        # Between two jobs: first what is asked, as soon as nothing is about to be written.
        rest, look, start = Signal(), Signal(), Signal()
        number, row = self.bus.address[:CELL], self.bus.address[CELL:][:4]
        m.d.comb += [
            rest.eq(~sweeping & ~running),
            look.eq(rest & asked & ~acts[1:].any()),
            start.eq(rest & ~asked & jobs.some & self.log_ready),
            jobs.pop.eq(step == LAST_STEP),
        ]
        m.d.sync += [
            asked.eq(self.bus.request | (asked & ~look)),
            inquiry.eq(Mux(look, _place(number, row), 0)),
            unused.eq(Mux(row[-1], row[:-1].any(), Cat(number[3:] == first >> 3 for first in SPARE).any())),
            Cat(looked, self.bus.ack).eq(Cat(look, looked)),
            self.bus.error.eq(self.bus.write),
            running.eq(start | (running & ~jobs.pop)),
            step.eq(step + running),
            self.booked.eq(start & ((jobs.head.what == What.LOST) | (jobs.head.what == What.FORCED))),
            self.busy.eq(pending | jobs.waiting | ~rest),
        ]
        return m

    def _queue(self, m, jobs):
        """Make jobs of what comes. Return whether any is on its way to the queue."""
        gone, came, runts_came, back = (Signal(Job, name=f"{name}_job") for name in ("gone", "came", "runts", "back"))
        pushes = Signal(4)
        m.d.comb += [
            jobs.push.eq(pushes.any()),
            jobs.job.as_value().eq(
                gone.as_value() | came.as_value() | runts_came.as_value() | back.as_value()
            ),  # all but one are 0
        ]

        # An outcome, in two cycles. Of an RST the orders are those of the frame that it replaces.
        outcome = self.account
        left, valid = Signal(Account), Signal()
        moment, stopped, also_lost = Signal(MOMENT), Signal(7), Signal(7)
        was_sent, sent, forced = Signal(), Signal(), Signal()
        m.d.comb += was_sent.eq(outcome.kind == OutcomeKind.SENT)
        m.d.sync += [
            valid.eq(self.account_valid),
            left.eq(outcome),
            left.orders.eq(Mux(outcome.reset, 0, outcome.orders)),
            stopped.eq(Mux(was_sent & ~outcome.reset, outcome.stopped, 0)),
            also_lost.eq(Mux(was_sent, 0, outcome.stopped)),
            sent.eq(was_sent),
            forced.eq(was_sent & outcome.all),
            moment.eq(self.now),
        ]
        reason = Signal(Reason)
        m.d.comb += reason.eq(left.reason)
        with m.Switch(left.kind):
            for kind, why in LOST_FOR.items():
                with m.Case(kind):
                    m.d.comb += reason.eq(why)
        m.d.sync += [pushes[0].eq(valid), gone.eq(0)]
        with m.If(valid):
            m.d.sync += [
                gone.what.eq(Mux(forced, What.FORCED, Mux(sent, What.LEFT, What.LOST))),
                gone.lane.eq(left.lane | (stopped.any() & reason[4]) << 3),
                gone.orders.eq(left.orders + also_lost),
                gone.stopped.eq(stopped | Mux(sent, 0, reason[4:] | 1 << BY_ORDER)),
                gone.reason.eq(reason[:4]),
                gone.moment.eq(Mux(sent & ~forced, left.reset << INJECTED, moment)),
            ]

        # A verdict waits for a cycle without an outcome, and runts for one without either.
        verdict, waits, reason = Signal(Job), Signal(), Signal(Reason)
        with m.If(self.judged):
            m.d.sync += [
                verdict.lane.eq(self.row),
                verdict.orders.eq(self.counted_orders),
                verdict.stopped[BY_ORDER].eq(self.failing_is_order),
                verdict.stopped[FENCED].eq(self.fenced),
                reason.eq(self.reason),
            ]
        m.d.sync += [waits.eq(self.judged | (waits & valid)), pushes[1].eq(waits & ~valid), came.eq(0)]
        with m.If(waits & ~valid):
            m.d.sync += [
                came.eq(verdict),
                came.what.eq(What.CAME),
                came.stopped[:2].eq(reason[4:]),
                came.reason.eq(reason[:4]),
                came.moment[DROPPED].eq(reason != Reason.PASSED),
            ]
            with m.If(~Const(sum(1 << one for one in COUNTED)).bit_select(reason, 1)):
                m.d.sync += came.orders.eq(0)

        runts, take_runts, due = Signal(RUNTS), Signal(), Signal()
        m.d.sync += due.eq(runts[-1] | (runts.any() & ~jobs.waiting))
        m.d.comb += take_runts.eq(due & ~valid & ~waits & ~pushes[2])
        m.d.sync += [runts.eq(runts + self.runt), pushes[2].eq(take_runts), runts_came.eq(0)]
        with m.If(take_runts):
            m.d.sync += [
                runts.eq(self.runt),
                runts_came.what.eq(What.CAME),
                runts_came.lane.eq(NO_LANE),
                runts_came.orders.eq(runts),
                runts_came.reason.eq(Reason.RUNT),
                runts_came.moment.eq(1 << DROPPED | 1 << RUNTS_CAME),
            ]

        # What came back waits for a cycle without anything else.
        heard, hears, spoils, spoilt_lane = Signal(Job), Signal(), Signal(), Signal(3)
        with m.If(self.heard):
            m.d.sync += [heard.lane.eq(self.heard_lane), heard.orders.eq(self.applied), heard.stopped.eq(self.repeated)]
        with m.If(self.spoilt):
            m.d.sync += spoilt_lane.eq(self.spoilt_lane)
        idle, quiet, spoilt_now = Signal(), Signal(), Signal()  # `idle`: neither `valid` nor `waits`
        m.d.sync += idle.eq(~(self.account_valid | self.judged | (waits & valid)))
        m.d.comb += [quiet.eq(idle & ~(due & ~pushes[2])), spoilt_now.eq(quiet & ~hears & spoils)]
        m.d.sync += [
            hears.eq(self.heard | (hears & ~quiet)),
            spoils.eq(self.spoilt | (spoils & ~spoilt_now)),
            pushes[3].eq(quiet & (hears | spoils)),
            back.eq(0),
        ]
        with m.If(quiet & hears):
            m.d.sync += [back.eq(heard), back.what.eq(What.CAME), back.moment.eq(1 << HEARD)]
        with m.Elif(spoilt_now):
            m.d.sync += [back.lane.eq(spoilt_lane), back.what.eq(What.CAME), back.moment.eq(1 << SPOILT)]

        twice = Cat(self.judged & waits & valid, self.heard & hears & ~quiet, self.spoilt & spoils & ~spoilt_now)
        m.d.sync += self.fault.eq(self.fault | jobs.overrun | twice.any() | runts.all())
        pending = Signal()
        comes = Cat(self.judged, self.account_valid, self.runt, self.heard, self.spoilt)
        m.d.comb += pending.eq(Cat(comes, valid, waits, runts.any(), hears, spoils, pushes).any())
        return pending

    def _plan(self, m, job, running, step):
        """Return what is to be added in a step of the job: where, whether anything, how much."""
        # What the job is, registered in the cycle before its first step.
        came, sent, forced, injected, dropped = (Signal() for _ in range(5))
        runts, one, rewritten, fenced, heard, spoilt = (Signal() for _ in range(6))
        high = Signal(2)
        is_back = job.moment[HEARD] | job.moment[SPOILT]
        is_lost, is_came = job.what == What.LOST, (job.what == What.CAME) & ~is_back
        is_sent = (job.what == What.LEFT) | (job.what == What.FORCED)
        is_dropped = is_lost | (is_came & job.moment[DROPPED])
        m.d.sync += [
            came.eq(is_came),
            sent.eq(is_sent),
            forced.eq(job.what == What.FORCED),
            injected.eq((job.what == What.LEFT) & job.moment[INJECTED]),
            dropped.eq(is_dropped),
            runts.eq(is_came & job.moment[RUNTS_CAME]),
            one.eq(is_dropped & job.stopped[BY_ORDER] & job.orders.any()),
            rewritten.eq((job.what == What.FORCED) | (is_sent & job.stopped.any())),
            fenced.eq(is_came & job.stopped[FENCED]),
            heard.eq((job.what == What.CAME) & job.moment[HEARD]),
            spoilt.eq((job.what == What.CAME) & job.moment[SPOILT]),
            high.eq(Mux(is_sent, Cat(job.lane[3], Cat(job.reason, job.lane[3]) < Reason.KILLED & 31), job.stopped[:2])),
        ]

        cell, act, amount = Signal(CELL), Signal(), Signal(AMOUNT)
        orders, stopped, single, less = (Signal() for _ in range(4))  # what is added
        m.d.comb += amount.eq(Mux(orders, job.orders, 0) | Mux(stopped, job.stopped, 0) | single)
        with m.If(less):
            m.d.comb += amount.eq(~0)
        reason = Cat(job.reason, high)
        with m.Switch(step):
            with m.Case(0):
                m.d.comb += [act.eq((came & ~runts) | sent | heard), orders.eq(1)]
                m.d.comb += cell.eq(
                    Mux(came, Count.ORDERS_IN, Mux(forced, Count.ORDER_DROP + Reason.KILLED, Count.ORDERS_OUT))
                )
                with m.If(heard):
                    m.d.comb += cell.eq(Count.REPORTS)
            with m.Case(1):
                m.d.comb += [act.eq(came | sent), orders.eq(runts), single.eq(~runts)]
                m.d.comb += cell.eq(Mux(came, Count.FRAMES_IN, Count.FRAMES_OUT))
            with m.Case(2):
                m.d.comb += [act.eq(dropped & ~runts), orders.eq(1), cell.eq(Count.ORDER_DROP + Reason.SIBLING)]
            with m.Case(3):
                m.d.comb += [act.eq(dropped), orders.eq(runts), single.eq(~runts), cell.eq(Count.FRAME_DROP + reason)]
            with m.Case(4):
                m.d.comb += [act.eq(sent | one | heard), stopped.eq(sent | heard), single.eq(one)]
                m.d.comb += cell.eq(Mux(heard, Count.REPORTS_REPEATED, Count.ORDER_DROP | reason))
            with m.Case(5):
                m.d.comb += [act.eq(injected | rewritten | fenced | spoilt), single.eq(1)]
                m.d.comb += cell.eq(Mux(injected, Count.FRAMES_INJECTED, Mux(sent, Count.NEUTRALISED, Count.FENCES)))
                with m.If(spoilt):
                    m.d.comb += cell.eq(Count.RETURN_GAPS)
            with m.Case(6):
                m.d.comb += [act.eq(one), less.eq(1), cell.eq(Count.ORDER_DROP + Reason.SIBLING)]
        with m.If(~running):
            m.d.comb += [act.eq(0), orders.eq(0)]

        # For the log.
        row = Cat(job.lane[:3], job.lane[3] & ~rewritten)
        m.d.comb += [
            self.booked_lane.eq(row),
            self.booked_orders.eq(job.orders),
            self.booked_at.eq(job.moment),
        ]
        with m.If(job.what == What.LOST):
            with m.Switch(Cat(job.reason, job.stopped[:2])):
                for kind, why in LOST_FOR.items():
                    with m.Case(why):
                        m.d.comb += self.booked_kind.eq(kind)
        return _place(cell, row), act, amount


assert Reason.ABORTED < Reason.KILLED + 32
assert SPARE[0] == Count.FRAME_DROP and SPARE[0] + 7 <= Count.FRAME_DROP + LAST_WITHOUT_LANE
assert Count.FRAME_DROP + Reason.ABORTED < SPARE[1] and SPARE[1] + 7 < Count.ORDER_DROP + Reason.ROLLED_BACK
assert Count.ORDER_DROP + max(Reason) < COUNTERS_PER_ROW

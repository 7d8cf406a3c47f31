"""Bench of `hdl.filter.counters` against sums in Python (P8)."""

import random
from collections import Counter
from typing import NamedTuple

import cocotb

from sim.serial import reset, start

# By hand from hdl.wire: counters of a row, reasons, kinds of outcome.
FRAMES_IN, FRAMES_OUT, INJECTED, ORDERS_IN, ORDERS_OUT, NEUTRALISED, FENCES, REPORTS, REPEATED, GAPS = range(10)
FRAME_DROP, ORDER_DROP = 16, 64
RUNT, NO_LANE, ROLLED_BACK, KILLED, BUSY, ABORTED, SIBLING = 1, 13, 21, 29, 54, 55, 56
SENT, DISCARDED, ABORT, STALE = range(4)
DROPPED_FOR = {DISCARDED: KILLED, ABORT: ABORTED, STALE: ROLLED_BACK}
BASE = 0x3000


class Outcome(NamedTuple):
    """What the counters take of `hdl.filter.records.Account`."""

    lane: int
    kind: int
    orders: int = 0
    stopped: int = 0
    reason: int = 0
    reset: bool = False
    all: bool = False

    @property
    def bits(self):
        """The layout by hand: kind 2, lane 4, reset, all, length 11, base 8, reservations 5, orders 7, stopped 7,
        reason 6."""
        value = self.kind | self.lane << 2 | self.reset << 6 | self.all << 7
        return value | random.getrandbits(24) << 8 | self.orders << 32 | self.stopped << 39 | self.reason << 46


def booking(row, *cells):
    return Counter({(row, cell): amount for cell, amount in cells if amount})


def of_verdict(row, reason, orders, failing_is_order):
    """What a verdict adds, from the plan of the counters."""
    total = booking(row, (FRAMES_IN, 1))
    if reason:
        total += booking(row, (FRAME_DROP + reason, 1))
    if reason == 0 or reason >= KILLED:
        total += booking(row, (ORDERS_IN, orders))
    if reason >= KILLED and orders:
        failing = int(failing_is_order)
        total += booking(row, (ORDER_DROP + reason, failing), (ORDER_DROP + SIBLING, orders - failing))
    return total


def of_outcome(outcome):
    lane, kind, orders, stopped, reason, reset, late = outcome
    if reset:  # what else it says is of another frame
        orders = stopped = 0
    if kind == SENT:
        let_go = ORDER_DROP + KILLED if late else ORDERS_OUT
        total = booking(lane, (FRAMES_OUT, 1), (INJECTED, int(reset)), (NEUTRALISED, int(late or stopped > 0)))
        return total + booking(lane, (let_go, orders)) + booking(lane, (ORDER_DROP + reason, stopped))
    reason, orders = DROPPED_FOR[kind], orders + stopped
    total = booking(lane, (FRAME_DROP + reason, 1))
    if orders:
        total += booking(lane, (ORDER_DROP + reason, 1), (ORDER_DROP + SIBLING, orders - 1))
    return total


def any_outcome(lane=None):
    """An outcome of a frame, or of an RST."""
    lane = random.randrange(8) if lane is None else lane
    if random.random() < 0.1:
        return Outcome(lane, SENT, random.randrange(30), random.randrange(3), KILLED, reset=True)
    kind, orders, stopped = random.randrange(4), random.choice([0, 1, 2, 30]), random.choice([0, 0, 0, 1, 29])
    reason = random.randrange(KILLED, BUSY + 1) if stopped else 0
    return Outcome(lane, kind, orders, stopped, reason, all=kind == SENT and orders > 0 and random.random() < 0.3)


class Bench:
    """Gives jobs, reads counters, and keeps the sums of what was given."""

    def __init__(self, dut):
        self.dut, self.expected, self.now = dut, Counter(), random.getrandbits(12)
        self.leaving, self.left, self.booked = None, [], []  # outcomes for the log: (kind, lane, orders, when)
        dut.judged.value = dut.runt.value = dut.account_valid.value = dut.bus__request.value = 0
        dut.heard.value = dut.spoilt.value = 0
        dut.log_ready.value = 1
        dut.now.value = self.now
        self.lazy_log = False

    async def start(self):
        await start(self.dut)
        cocotb.start_soon(self.time())

    async def time(self):
        """Runs `now`, and records what is booked for the log as (kind, lane, orders, when it came)."""
        while True:
            await self.dut.clk.falling_edge
            if self.dut.booked.value == 1:
                dut = self.dut
                fields = (dut.booked_kind, dut.booked_lane, dut.booked_orders, dut.booked_at)
                self.booked.append(tuple(int(field.value) for field in fields))
            await self.dut.clk.rising_edge
            self.now = (self.now + 1) % 2**12
            self.dut.now.value = self.now
            self.dut.log_ready.value = not self.lazy_log or random.random() < 0.1

    async def cycles(self, number):
        for _ in range(number):
            await self.dut.clk.rising_edge

    def judge(self, row, reason, orders, failing_is_order, fenced=False):
        """Offer a verdict in this cycle."""
        self.dut.fenced.value = fenced
        self.dut.judged.value = 1
        self.dut.row.value, self.dut.reason.value = row, reason
        self.dut.counted_orders.value, self.dut.failing_is_order.value = orders, failing_is_order
        self.expected += of_verdict(row, reason, orders, failing_is_order) + booking(row, (FENCES, int(fenced)))

    def leave(self, outcome):
        """Offer an outcome in this cycle."""
        self.dut.account_valid.value = 1
        self.dut.account.value = outcome.bits
        self.expected += of_outcome(outcome)
        if outcome.kind != SENT or outcome.all:
            orders = outcome.orders + (outcome.stopped if outcome.kind != SENT else 0)
            self.leaving = outcome.kind, outcome.lane, orders

    def run(self):
        self.dut.runt.value = 1
        self.expected += booking(8, (FRAMES_IN, 1), (FRAME_DROP + RUNT, 1))

    def hear(self, lane, applied, repeated):
        """Offer the reports of a chunk in this cycle."""
        self.dut.heard.value, self.dut.heard_lane.value = 1, lane
        self.dut.applied.value, self.dut.repeated.value = applied, repeated
        self.expected += booking(lane, (REPORTS, applied), (REPEATED, repeated))

    def spoil(self, lane):
        self.dut.spoilt.value, self.dut.spoilt_lane.value = 1, lane
        self.expected += booking(lane, (GAPS, 1))

    async def cycle(self):
        """End a cycle in which jobs were offered."""
        await self.dut.clk.falling_edge
        if self.leaving:
            self.left.append((*self.leaving, self.now))
            self.leaving = None
        await self.dut.clk.rising_edge
        self.dut.judged.value = self.dut.account_valid.value = self.dut.runt.value = 0
        self.dut.heard.value = self.dut.spoilt.value = 0

    async def rest(self):
        await self.cycles(2)
        while self.dut.busy.value == 1:
            await self.cycles(1)

    async def access(self, address, write=False):
        """Return (value, error, cycles until the ack)."""
        self.dut.bus__address.value, self.dut.bus__write.value = address, write
        self.dut.bus__data.value = 0xFFFFFFFF
        self.dut.bus__request.value = 1
        await self.dut.clk.rising_edge
        self.dut.bus__request.value = 0
        waited = 0
        while True:
            await self.dut.clk.falling_edge
            waited += 1
            if self.dut.bus__ack.value == 1:
                break
        answer = int(self.dut.bus__value.value), self.dut.bus__error.value == 1, waited
        await self.dut.clk.rising_edge
        return answer

    async def check(self, cells=None):
        """Compare counters, those that should not be 0 and some others, with the sums."""
        await self.rest()
        cells = {*self.expected, *((random.randrange(16), random.randrange(128)) for _ in range(50)), *(cells or ())}
        for row, cell in sorted(cells):
            value, error, _ = await self.access(BASE + 128 * row + cell)
            assert (value, error) == (self.expected[row, cell], False), f"{row=} {cell=}"
        assert self.dut.fault.value == 0


def any_verdict():
    """A row and reason that go together."""
    reason = random.choice([0, 0, *range(2, BUSY + 1)])
    row = 8 if 1 <= reason <= NO_LANE else random.randrange(9)
    orders = random.choice([0, 1, 2, 29, 127])
    return row, reason, orders, bool(orders) and reason >= KILLED and random.random() < 0.5


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def every_kind_of_job_is_booked_once(dut):
    """Each reason, each kind of outcome, each number of orders at its edges."""
    bench = Bench(dut)
    await bench.start()
    jobs = []
    for reason in [0, *range(2, BUSY + 1)]:
        for orders in (0, 1, 127):
            for failing in {False, orders > 0 and reason >= KILLED}:
                jobs.append((bench.judge, (8 if 1 <= reason <= NO_LANE else 5, reason, orders, failing)))
    edges = [(lane, kind, orders) for lane in (0, 7, 8) for kind in range(4) for orders in (0, 1, 2, 127)]
    jobs += [(bench.leave, (Outcome(*edge),)) for edge in edges]
    jobs += [(bench.leave, (any_outcome(),)) for _ in range(200)]
    jobs += [(bench.judge, (3, BUSY, 2, True, True))]
    jobs += [(bench.run, ())]
    jobs += [(bench.hear, (lane, *counts)) for lane in (0, 7) for counts in ((1, 0), (0, 1), (113, 13), (127, 127))]
    jobs += [(bench.spoil, (lane,)) for lane in range(8)]
    random.shuffle(jobs)
    for job, arguments in jobs:
        job(*arguments)
        await bench.cycle()
        await bench.rest()
    await bench.check((row, cell) for row in (5, 8) for cell in range(128))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def nothing_is_lost_at_line_rate(dut):
    """P8: a verdict every 65 cycles, outcomes as often and in bursts of 32, runts every other cycle, what comes back
    three times as often as a frame, and the bus."""
    bench = Bench(dut)
    await bench.start()
    waits = []

    async def read():
        while True:
            waits.append((await bench.access(BASE + random.randrange(2048)))[2])
            await bench.cycles(random.randrange(100))

    await bench.rest()
    reading = cocotb.start_soon(read())
    for cycle in range(20000):
        if cycle % 65 == 0:
            bench.judge(*any_verdict())
        if cycle % 65 == 40 or cycle % 6500 < 32:
            bench.leave(any_outcome())
        if cycle % 65 in (0, 39):
            bench.hear(random.randrange(8), random.randrange(128), random.randrange(128))
        if cycle % 65 == 0:
            bench.spoil(random.randrange(8))
        if cycle % 2 and cycle % 1000 > 300:
            bench.run()
        await bench.cycle()
    reading.cancel()
    await bench.cycles(1000)
    await bench.check()
    assert bench.booked == bench.left
    assert len(waits) > 200 and max(waits) <= 20


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_counter_is_read_between_two_jobs(dut):
    """Whenever it is asked for: never when of two orders of a job both, or neither, count as siblings."""
    bench = Bench(dut)
    await bench.start()
    await bench.rest()
    seen = []
    for later in range(25):
        bench.judge(3, KILLED, 2, True)
        await bench.cycle()
        await bench.cycles(later)
        value, _, _ = await bench.access(BASE + 3 * 128 + ORDER_DROP + SIBLING)
        assert value - later in (0, 1), later
        seen.append(value - later)
        await bench.rest()
    assert seen == sorted(seen) and set(seen) == {0, 1}
    await bench.check()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def outcomes_wait_for_the_log(dut):
    """In order, each once, with the cycle in which it came, however long the log takes."""
    bench = Bench(dut)
    await bench.start()
    await bench.rest()
    bench.lazy_log = True
    for _ in range(5):
        for _ in range(32):
            bench.leave(any_outcome())
            await bench.cycle()
        await bench.rest()
    assert bench.booked == bench.left
    await bench.check()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_zeroes_every_counter_and_loses_no_job_after_it(dut):
    bench = Bench(dut)
    await bench.start()
    for _ in range(300):
        bench.judge(*any_verdict())
        bench.run()
        await bench.cycle()
        await bench.cycles(64)
    await reset(dut)
    bench.expected.clear()
    for cycle in range(1300):
        assert dut.busy.value == 1 or cycle > 1024
        if cycle % 65 == 64:
            bench.judge(*any_verdict())
        if cycle % 65 == 1:
            bench.leave(Outcome(random.randrange(9), SENT))
        if cycle % 2:
            bench.run()
        await bench.cycle()
    await bench.check((row, cell) for row in range(9) for cell in range(128))


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(jobs=["verdicts", "outcomes"])
async def a_queue_that_runs_over_is_a_fault(dut, jobs):
    """P4: what can't be counted is told, and stays told. Until then nothing was."""
    bench = Bench(dut)
    await bench.start()
    for number in range(126 + 1):
        assert dut.fault.value == 0, number
        if jobs == "verdicts":
            bench.judge(*any_verdict())
        else:
            bench.leave(Outcome(3, SENT, 1))
        await bench.cycle()
    await bench.cycles(4)
    assert dut.fault.value == 1
    await bench.cycles(3000)
    assert dut.fault.value == 1


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(what=["verdicts", "runts", "reports", "gaps"])
async def what_finds_no_place_beside_outcomes_is_a_fault(dut, what):
    """P4: while they come in every cycle one of each and 62 runts wait, and are booked; one more is told."""
    bench = Bench(dut)
    await bench.start()
    room = 62 if what == "runts" else 1
    offer = {
        "verdicts": lambda: bench.judge(3, 0, 1, False),
        "runts": bench.run,
        "reports": lambda: bench.hear(3, 5, 6),
        "gaps": lambda: bench.spoil(3),
    }[what]

    async def burst(number):
        for cycle in range(80):
            bench.leave(Outcome(3, SENT, 1))
            if cycle < number:
                offer()
            await bench.cycle()

    await bench.rest()
    await burst(room)
    await bench.check()
    await burst(room + 1)
    await bench.cycles(3)
    assert dut.fault.value == 1
    await bench.cycles(3000)
    assert dut.fault.value == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_counter_cannot_be_written(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.rest()
    bench.judge(3, 0, 5, False)
    await bench.cycle()
    await bench.rest()
    _, error, _ = await bench.access(BASE + 3 * 128 + ORDERS_IN, write=True)
    assert error
    await bench.check()

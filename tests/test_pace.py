"""The rate of a lane's orders, against the generic cell rate algorithm on integers."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.filter.pace import Pace
from tests.cycles import simulate


class Cells:
    """The algorithm, for eight lanes."""

    def __init__(self):
        self.times = [0] * 8

    def over(self, lane, now, interval, depth):
        return self.times[lane] - now > depth or not interval

    def take(self, lane, now, interval):
        self.times[lane] = max(self.times[lane], now) + interval


async def frame(ctx, pace, lane, now, interval, depth, orders, *, commit=True):
    """A frame of up to `orders` orders begins at `now`; return how many were let go."""
    ctx.set(pace.now, now)
    ctx.set(pace.lane, lane)
    ctx.set(pace.begin, 1)
    await ctx.tick()
    ctx.set(pace.begin, 0)
    ctx.set(pace.now, random.getrandbits(64))
    ctx.set(pace.lane, lane ^ 3)
    await ctx.tick().repeat(6)
    ctx.set(pace.interval, interval)
    ctx.set(pace.depth, depth)
    await ctx.tick()
    let_go = 0
    for _ in range(orders):
        if ctx.get(pace.over):
            break
        let_go += 1
        ctx.set(pace.charge, 1)
        await ctx.tick()
        ctx.set(pace.charge, 0)
        await ctx.tick()
    ctx.set(pace.commit, commit)
    await ctx.tick()
    ctx.set(pace.commit, 0)
    await ctx.tick()
    return let_go


@pytest.mark.parametrize(("interval", "depth", "burst"), [(1, 0, 1), (100, 99, 1), (100, 100, 2), (100, 1000, 11)])
def test_a_burst_and_then_one_an_interval(interval, depth, burst):
    """Exactly as many at once as fit the depth; a cycle before the next is due none, then one."""
    pace = Pace()

    async def bench(ctx):
        start = 1 << 40
        assert await frame(ctx, pace, 3, start, interval, depth, 20) == burst
        due = start + burst * interval - depth
        if due > start:
            assert await frame(ctx, pace, 3, due - 1, interval, depth, 20) == 0
        assert await frame(ctx, pace, 3, due, interval, depth, 20) == 1
        assert await frame(ctx, pace, 4, start, interval, depth, 20) == burst  # another lane has its own time

    simulate(pace, bench)


def test_p4_a_rate_that_is_not_set_lets_nothing_go():
    pace = Pace()

    async def bench(ctx):
        assert await frame(ctx, pace, 0, 1 << 20, 0, (1 << 32) - 1, 3) == 0

    simulate(pace, bench)


def test_orders_of_a_frame_that_is_not_let_go_take_nothing():
    pace = Pace()

    async def bench(ctx):
        assert await frame(ctx, pace, 0, 1000, 50, 100, 9, commit=False) == 3
        assert await frame(ctx, pace, 0, 1001, 50, 100, 9) == 3
        assert await frame(ctx, pace, 0, 1002, 50, 100, 9) == 0

    simulate(pace, bench)


def test_a_time_from_before_a_reset_is_forgotten():
    """The clock starts again at 0 and the memory keeps its words: what is in it would be days ahead."""
    reset, pace = Signal(), Pace()
    held = ResetInserter(reset)(pace)

    async def bench(ctx):
        assert await frame(ctx, pace, 3, 1 << 47, 100, 100, 9) == 2
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await ctx.tick()
        assert await frame(ctx, pace, 3, 20, 100, 100, 9) == 2
        assert await frame(ctx, pace, 3, 21, 100, 100, 9) == 0

    simulate(held, bench)


def test_a_clock_that_goes_back_lets_nothing_go():
    """A time further ahead than any depth, at whatever low bits it has."""
    pace = Pace()

    async def bench(ctx):
        assert await frame(ctx, pace, 3, 1 << 47, 100, 100, 9) == 2
        assert await frame(ctx, pace, 3, 0, 100, (1 << 32) - 1, 9) == 0

    simulate(pace, bench)


def test_against_the_algorithm():
    """Random lanes, times that jump by a cycle or by days, limits up to the highest there are."""
    pace, rng, cells = Pace(), random.Random(3), Cells()

    async def bench(ctx):
        now, seen = 5, set()
        terms = [(rng.choice((1, 40, 1 << 31, (1 << 32) - 1)), rng.choice((0, 100, (1 << 32) - 1))) for _ in range(8)]
        for _ in range(300):
            now += rng.choice((0, 1, 30, 100, 1 << 31, 1 << 33, 1 << 47, rng.randrange(200)))
            lane, commit = rng.randrange(8), rng.random() < 0.8
            interval, depth = terms[lane]
            before, expected, orders = cells.times[lane], 0, rng.randrange(1, 6)
            while expected < orders and not cells.over(lane, now, interval, depth):
                cells.take(lane, now, interval)
                expected += 1
            if not commit:
                cells.times[lane] = before
            assert await frame(ctx, pace, lane, now, interval, depth, orders, commit=commit) == expected
            seen.add(expected < orders)
        assert seen == {True, False}

    simulate(pace, bench)

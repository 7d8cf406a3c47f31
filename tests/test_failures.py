"""The queue of failures: order, latency of one cycle, and what a full queue does."""

import random

from hdl.filter.failures import FailureQueue
from tests.cycles import simulate


def failure(number):
    return {"base": number % 256, "count": 1 + number % 31}


def test_an_item_is_offered_in_the_cycle_after_it_came_and_none_without_reservations():
    queue = FailureQueue()

    async def bench(ctx):
        assert ctx.get(queue.i.ready)
        ctx.set(queue.i.valid, 1)
        ctx.set(queue.i.payload, {"base": 3, "count": 0})
        await ctx.tick()
        assert not ctx.get(queue.o.valid)
        ctx.set(queue.i.payload, {"base": 200, "count": 31})
        await ctx.tick()
        ctx.set(queue.i.valid, 0)
        assert ctx.get(queue.o.valid)
        assert ctx.get(queue.o.payload.base) == 200
        assert ctx.get(queue.o.payload.count) == 31
        ctx.set(queue.o.ready, 1)
        await ctx.tick()
        assert not ctx.get(queue.o.valid)

    simulate(queue, bench)


def test_sixty_failures_in_as_many_cycles_wait_in_order():
    queue = FailureQueue()

    async def bench(ctx):
        for number in range(60):
            assert ctx.get(queue.i.ready)
            ctx.set(queue.i.valid, 1)
            ctx.set(queue.i.payload, failure(number))
            await ctx.tick()
        ctx.set(queue.i.valid, 0)
        await ctx.tick()
        assert not ctx.get(queue.i.ready)
        ctx.set(queue.o.ready, 1)
        for number in range(60):
            assert ctx.get(queue.o.valid)
            assert ctx.get(queue.o.payload.base) == number
            assert ctx.get(queue.o.payload.count) == failure(number)["count"]
            await ctx.tick()
        assert not ctx.get(queue.o.valid)
        assert ctx.get(queue.i.ready)

    simulate(queue, bench)


def test_random_items_come_out_in_order_whoever_waits():
    queue, rng = FailureQueue(8), random.Random(3)

    async def bench(ctx):
        waiting, number = [], 0
        for cycle in range(3000):
            slow = cycle // 500 % 2
            offered, taken = rng.random() < 0.8 - 0.5 * slow, rng.random() < 0.3 + 0.5 * slow
            ctx.set(queue.i.valid, offered)
            ctx.set(queue.i.payload, failure(number))
            ctx.set(queue.o.ready, taken)
            assert ctx.get(queue.o.valid) == bool(waiting)
            if waiting:
                assert ctx.get(queue.o.payload.base) == waiting[0] % 256
            accepted = offered and ctx.get(queue.i.ready)
            if taken and waiting:
                waiting.pop(0)
            if accepted:
                waiting.append(number)
                number += 1
            assert len(waiting) < 8
            await ctx.tick()
        assert number > 500

    simulate(queue, bench)

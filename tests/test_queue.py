"""The egress queue: order, latency of one cycle, and what a full queue does."""

import random

from hdl.filter.queue import EgressQueue
from tests.cycles import simulate


def descriptor(number):
    return {"length": number, "lane": 3, "orders": 1}


def test_a_frame_pushed_into_an_empty_queue_is_the_head_in_the_next_cycle():
    queue = EgressQueue()

    async def bench(ctx):
        assert not ctx.get(queue.head_valid)
        ctx.set(queue.end, 1)
        ctx.set(queue.keep, 1)
        ctx.set(queue.descriptor, descriptor(77))
        await ctx.tick()
        ctx.set(queue.keep, 0)
        assert ctx.get(queue.head_valid)
        assert ctx.get(queue.head.length) == 77
        ctx.set(queue.pop, 1)
        await ctx.tick()
        assert not ctx.get(queue.head_valid)

    simulate(queue, bench)


def test_thirty_two_frames_wait_and_the_thirty_third_is_ignored():
    queue = EgressQueue()

    async def bench(ctx):
        for number in range(33):
            assert ctx.get(queue.count) == min(number, 32)
            ctx.set(queue.end, 1)
            ctx.set(queue.keep, 1)
            ctx.set(queue.descriptor, descriptor(number))
            await ctx.tick()
            ctx.set(queue.keep, 0)
            await ctx.tick().repeat(3)
            assert ctx.get(queue.full) == (number >= 31)
        seen = []
        ctx.set(queue.pop, 1)
        while ctx.get(queue.head_valid):
            seen.append(ctx.get(queue.head.length))
            await ctx.tick()
        assert seen == list(range(32))

    simulate(queue, bench)


def test_random_pushes_and_pops_keep_the_order():
    queue = EgressQueue()
    rng = random.Random(1)

    async def bench(ctx):
        waiting, number, before, end = [], 0, 0, False
        for cycle in range(3000):
            assert ctx.get(queue.head_valid) == bool(waiting), cycle
            assert ctx.get(queue.count) == before
            before = len(waiting)
            if waiting:
                assert ctx.get(queue.head.length) == waiting[0], cycle
            end = not end and rng.random() < 0.9  # never in two cycles, one behind the other
            push = end and rng.random() < 0.9 and len(waiting) < 30  # `full` shows three cycles late
            pop = bool(waiting) and rng.random() < (0.2 if cycle // 300 % 2 else 0.8)
            ctx.set(queue.end, end)
            ctx.set(queue.keep, push)
            ctx.set(queue.descriptor, descriptor(number))
            ctx.set(queue.pop, pop)
            if pop:
                waiting.pop(0)
            if push:
                waiting.append(number)
            number = (number + 1) % 2048
            await ctx.tick()

    simulate(queue, bench)

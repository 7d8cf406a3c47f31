"""The net position against Python's integers, in its cycles."""

from random import Random

from hdl.filter.net import Net
from tests.cycles import simulate


def test_what_is_executed_adds_up_and_is_seen_three_cycles_later():
    net, rng = Net(width=24), Random(1)
    held = dict.fromkeys(range(512), 0)

    async def apply(ctx, index, sell, executed, wait):
        ctx.set(net.index, index)
        await ctx.tick().repeat(2)
        ctx.set(net.apply, 1)
        await ctx.tick()
        ctx.set(net.apply, 0)
        ctx.set(net.index, rng.randrange(512))
        ctx.set(net.sell, sell)
        ctx.set(net.executed, executed)
        await ctx.tick()
        ctx.set(net.executed, rng.getrandbits(20))
        assert not ctx.get(net.beyond)
        await ctx.tick().repeat(wait)
        held[index] += -executed if sell else executed

    async def shown(ctx, index):
        ctx.set(net.index, index)
        await ctx.tick().repeat(3)
        return ctx.get(net.net)

    async def bench(ctx):
        few = [0, 1, 255, 511]
        for _ in range(400):
            index, sell = rng.choice(few), rng.getrandbits(1)
            await apply(ctx, index, sell, rng.choice((0, 1, rng.getrandbits(18))), rng.choice((1, 1, 5)))
            assert await shown(ctx, index) == held[index]
        assert min(held.values()) < 0 < max(held.values())
        for index in few:
            assert await shown(ctx, index) == held[index]

    simulate(net, bench)


def test_beyond_either_end_is_told():
    """Exactly at the end is not."""
    net = Net(width=22)

    async def apply(ctx, sell, executed):
        await ctx.tick().repeat(2)
        ctx.set(net.apply, 1)
        await ctx.tick()
        ctx.set(net.apply, 0)
        ctx.set(net.sell, sell)
        ctx.set(net.executed, executed)
        await ctx.tick()
        beyond = ctx.get(net.beyond)
        await ctx.tick().repeat(3)
        return beyond

    async def bench(ctx):
        most = (1 << 20) - 1
        for index, sell in ((3, 0), (4, 1)):
            ctx.set(net.index, index)
            assert not await apply(ctx, sell, most)
            assert not await apply(ctx, sell, most)
            assert not await apply(ctx, sell, 1 + sell)  # 2^21 - 1, or -2^21
            assert await apply(ctx, sell, 1)

    simulate(net, bench)


def test_what_is_cleared_is_zero():
    net = Net(width=24)

    async def bench(ctx):
        ctx.set(net.index, 7)
        ctx.set(net.executed, 5)
        await ctx.tick().repeat(2)
        ctx.set(net.apply, 1)
        await ctx.tick()
        ctx.set(net.apply, 0)
        await ctx.tick().repeat(6)
        assert ctx.get(net.net) == 5
        ctx.set(net.clear, 1)
        await ctx.tick()
        ctx.set(net.clear, 0)
        await ctx.tick().repeat(6)
        assert ctx.get(net.net) == 0
        ctx.set(net.zero, 1)
        ctx.set(net.apply, 1)
        await ctx.tick()
        ctx.set(net.apply, 0)
        await ctx.tick().repeat(6)
        assert ctx.get(net.net) == 0

    simulate(net, bench)

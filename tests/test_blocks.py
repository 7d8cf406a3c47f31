"""Blocked symbols: from which cycle on a block and a lift count, against a set."""

import random

from amaranth.hdl import ResetInserter, Signal

from hdl.filter.blocks import Blocks
from tests.cycles import simulate


async def strobe(ctx, blocks, *, block=None, lift=False):
    """Block a symbol or lift all, in this cycle; ends in the next one."""
    ctx.set(blocks.lift, lift)
    if block is not None:
        ctx.set(blocks.block, 1)
        ctx.set(blocks.block_index, block)
    await ctx.tick()
    ctx.set(blocks.block, 0)
    ctx.set(blocks.lift, 0)


async def look(ctx, blocks, index):
    """Present `index` from this cycle on and return what shows three cycles later."""
    ctx.set(blocks.index, index)
    await ctx.tick().repeat(3)
    return bool(ctx.get(blocks.blocked))


def test_random_blocks_and_lifts_are_those_of_a_set():
    blocks, rng = Blocks(), random.Random(1)

    async def bench(ctx):
        blocked = set()
        crowd = rng.sample(range(512), 20)
        for _ in range(1500):
            index = rng.choice([rng.choice(crowd), rng.randrange(512)])
            action = rng.random()
            if action < 0.004:
                await strobe(ctx, blocks, lift=True)
                blocked.clear()
            elif action < 0.25:
                await strobe(ctx, blocks, block=index)
                blocked.add(index)
                await ctx.tick()
            assert await look(ctx, blocks, index) == (index in blocked)
        assert len(blocked) > 5

    simulate(blocks, bench)


def test_a_block_counts_for_an_index_presented_two_cycles_later():
    blocks = Blocks()

    async def bench(ctx):
        await strobe(ctx, blocks, block=77)
        await ctx.tick()
        assert await look(ctx, blocks, 77)
        assert not await look(ctx, blocks, 76)
        assert not await look(ctx, blocks, 77 ^ 256)

    simulate(blocks, bench)


def test_a_lift_wins_over_every_block_before_it_and_not_over_one_in_its_cycle():
    blocks = Blocks()

    async def bench(ctx):
        for cycles in range(1, 9):
            await strobe(ctx, blocks, block=5)
            if cycles > 1:
                await ctx.tick().repeat(cycles - 1)
            await strobe(ctx, blocks, lift=True)
            await ctx.tick().repeat(6)
            assert not await look(ctx, blocks, 5), f"{cycles=}"
        await strobe(ctx, blocks, block=6)
        await ctx.tick().repeat(6)
        await strobe(ctx, blocks, block=5, lift=True)
        await ctx.tick().repeat(6)
        assert await look(ctx, blocks, 5)
        assert not await look(ctx, blocks, 6)

    simulate(blocks, bench)


def test_a_lift_counts_from_the_next_cycle_on():
    blocks = Blocks()

    async def bench(ctx):
        await strobe(ctx, blocks, block=300)
        await ctx.tick()
        assert await look(ctx, blocks, 300)
        ctx.set(blocks.lift, 1)
        assert ctx.get(blocks.blocked)
        await ctx.tick()
        ctx.set(blocks.lift, 0)
        assert not ctx.get(blocks.blocked)

    simulate(blocks, bench)


def test_a_reset_lifts_all_blocks():
    reset = Signal()
    blocks = ResetInserter(reset)(Blocks())

    async def bench(ctx):
        for _ in range(3):
            await strobe(ctx, blocks, block=300)
            await ctx.tick()
            assert await look(ctx, blocks, 300)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not await look(ctx, blocks, 300)

    simulate(blocks, bench)

"""UserRefNum must rise: exactly the highest number let go is refused, and one above it passes."""

import random

import pytest

from hdl.filter.ascent import Ascent
from tests.cycles import simulate


async def end(ctx, ascent, number, *, numbered=1, passes=1, gap=1):
    """A message ends; return whether it is told to be repeated. The next one ends 3 + `gap` cycles later."""
    ctx.set(ascent.user_ref, number)
    ctx.set(ascent.message_end, 1)
    ctx.set(ascent.numbered, numbered)
    await ctx.tick()
    ctx.set(ascent.message_end, 0)
    ctx.set(ascent.user_ref, random.getrandbits(32))
    repeated = ctx.get(ascent.repeated)
    await ctx.tick()
    ctx.set(ascent.passes, passes)
    await ctx.tick()
    ctx.set(ascent.passes, 0)
    for _ in range(gap):
        await ctx.tick()
    return repeated


async def begin(ctx, ascent, last_ref):
    ctx.set(ascent.last_ref, last_ref)
    ctx.set(ascent.begin, 1)
    await ctx.tick()
    ctx.set(ascent.begin, 0)


@pytest.mark.parametrize("last_ref", [0, 1, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE])
def test_the_boundary(last_ref):
    """One above the highest passes; the highest and all below do not."""
    ascent = Ascent()

    async def bench(ctx):
        for number, repeated in ((last_ref, 1), (last_ref + 1, 0), (last_ref >> 1, 1), (0, 1)):
            await begin(ctx, ascent, last_ref)
            assert await end(ctx, ascent, number, passes=0) == repeated
            assert ctx.get(ascent.highest) == last_ref

    simulate(ascent, bench)


def test_each_message_sees_those_before_it():
    """What is stopped, or has no number of its own, raises nothing; messages end four cycles apart."""
    ascent, rng = Ascent(), random.Random(2)

    async def bench(ctx):
        for _ in range(40):
            highest = rng.choice((0, 7, 1 << 31))
            await begin(ctx, ascent, highest)
            for _ in range(12):
                number = max(0, highest + rng.choice((-1, 0, 1, 1, 2, 1000)))
                numbered, passes = rng.random() < 0.8, rng.random() < 0.7
                assert await end(ctx, ascent, number, numbered=numbered, passes=passes) == (number <= highest)
                if numbered and passes:
                    highest = max(highest, number)
                assert ctx.get(ascent.highest) == highest

    simulate(ascent, bench)

"""The multiplier against Python's, and its latency."""

import random

from hdl.filter.multiplier import LATENCY, Multiplier
from tests.cycles import simulate


async def start(ctx, multiplier, quantity, price, rng):
    """Start in one cycle; the operands do not stay."""
    ctx.set(multiplier.quantity, quantity)
    ctx.set(multiplier.price, price)
    ctx.set(multiplier.start, 1)
    await ctx.tick()
    ctx.set(multiplier.start, 0)
    ctx.set(multiplier.quantity, rng.getrandbits(20))
    ctx.set(multiplier.price, rng.getrandbits(32))


def test_the_product_is_there_twelve_cycles_after_the_start_and_stays():
    multiplier, rng = Multiplier(), random.Random(1)
    pairs = [(0, 0), (1, 1), (999_999, 1_999_999_900), (2**20 - 1, 2**32 - 1), (2**20 - 1, 1), (1, 2**32 - 1), (3, 5)]
    pairs += [(0xFFFFC, 2**32 - 1), (0xC0000, 2**32 - 1), (0x55555, 2**32 - 1), (0xAAAAA, 2**32 - 1), (0xBFFFF, 1)]
    pairs += [(rng.getrandbits(20), rng.getrandbits(32)) for _ in range(200)]

    async def bench(ctx):
        assert LATENCY == 12
        for quantity, price in pairs:
            await start(ctx, multiplier, quantity, price, rng)
            await ctx.tick().repeat(11)
            assert ctx.get(multiplier.product) == quantity * price
            await ctx.tick().repeat(rng.randrange(1, 5))
            assert ctx.get(multiplier.product) == quantity * price

    simulate(multiplier, bench)


def test_a_start_in_the_middle_begins_anew():
    multiplier, rng = Multiplier(), random.Random(2)

    async def bench(ctx):
        for interrupted in range(1, 14):
            for wait in (interrupted, 11):
                quantity, price = rng.getrandbits(20), rng.getrandbits(32)
                await start(ctx, multiplier, quantity, price, rng)
                await ctx.tick().repeat(wait)
            assert ctx.get(multiplier.product) == quantity * price, f"{interrupted=}"

    simulate(multiplier, bench)


def test_a_difference_of_prices_may_be_negative():
    """The product is there in its cycle, and told the cycle before."""
    multiplier, rng = Multiplier(differences=True), random.Random(3)
    most = 2**32 - 1
    pairs = [(0, 0), (1, -1), (999_999, most), (999_999, -most), (2**20 - 1, -(2**32)), (1, most), (3, -5)]
    pairs += [(rng.getrandbits(20), rng.randrange(-most, most)) for _ in range(200)]

    async def bench(ctx):
        for quantity, price in pairs:
            await start(ctx, multiplier, quantity, price, rng)
            for cycle in range(11):
                assert ctx.get(multiplier.soon) == (cycle == 10)
                await ctx.tick()
            assert ctx.get(multiplier.product) == quantity * price
            await ctx.tick().repeat(rng.randrange(1, 5))
            assert ctx.get(multiplier.soon) and ctx.get(multiplier.product) == quantity * price

    simulate(multiplier, bench)

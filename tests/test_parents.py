"""The parent orders: what is left is exact at every distance of operations, and what is none's passes nowhere."""

import random

import pytest

from hdl.filter.parents import Parents
from hdl.wire.registers import MOST_CHILDREN, MOST_PARENT_SHARES
from tests.cycles import simulate

LETTER, INDEX, SELL = 16, 300, 1  # of the parent that is loaded
IDLE, CHARGE, BACK = range(3)


def word(shares, children, *, index=INDEX, sell=SELL, letter=LETTER):
    """By hand: shares from bit 0, the symbol from 32, the side in 41, the letter from 42, children from 47."""
    return shares | index << 32 | sell << 41 | letter << 42 | children << 47


async def load(ctx, parents, number, data):
    ctx.set(parents.number, number)
    ctx.set(parents.data, data)
    ctx.set(parents.load, 1)
    await ctx.tick()
    ctx.set(parents.load, 0)
    ctx.set(parents.data, random.getrandbits(64))


async def ask(ctx, parents, number, *, letter=LETTER, index=INDEX, sell=SELL, quantity=1):
    """Return (over, spent), three cycles behind the number."""
    ctx.set(parents.number, number)
    await ctx.tick().repeat(3)
    for name, value in {"letter": letter, "index": index, "sell": sell, "quantity": quantity}.items():
        ctx.set(getattr(parents, name), value)
    return ctx.get(parents.over), ctx.get(parents.spent)


async def left(ctx, parents, number):
    """Return the shares and the children left, as the words of PARENT_LEFT have them."""
    await ask(ctx, parents, number)
    found = ctx.get(parents.left)
    shares = found & 0xFFFFFFFF
    return shares - (shares >> 31 << 32), found >> 32


def never_beyond(parents):
    async def watch(ctx):
        async for *_, beyond in ctx.tick().sample(parents.beyond):
            assert not beyond

    return watch


async def run(ctx, parents, operations, gap=lambda: 0):
    """Apply (kind, number, shares, whole), three cycles each, with so many cycles before."""
    for kind, number, shares, whole in [*operations, *[(IDLE, 0, 0, 0)] * 2]:
        for _ in range(gap()):
            ctx.set(parents.number, number ^ 1)
            await ctx.tick()
        ctx.set(parents.number, number)
        await ctx.tick().repeat(2)
        ctx.set(parents.apply, kind != IDLE)
        await ctx.tick()
        ctx.set(parents.apply, 0)
        # In the cycle behind `apply`, the first of the next one.
        ctx.set(parents.charge, kind == CHARGE)
        ctx.set(parents.quantity if kind == CHARGE else parents.back, shares)
        ctx.set(parents.whole, whole)


def test_the_last_share_and_the_last_child_pass_and_one_more_does_not():
    parents = Parents()

    async def bench(ctx):
        await load(ctx, parents, 5, word(1000, 2))
        await load(ctx, parents, 511, word(MOST_PARENT_SHARES, MOST_CHILDREN, index=511, sell=0, letter=26))
        assert await ask(ctx, parents, 5, quantity=1000) == (0, 0)
        assert await ask(ctx, parents, 5, quantity=1001) == (1, 0)
        await run(ctx, parents, [(CHARGE, 5, 999, 1)])
        assert await ask(ctx, parents, 5, quantity=1) == (0, 0)
        assert await ask(ctx, parents, 5, quantity=2) == (1, 0)
        await run(ctx, parents, [(CHARGE, 5, 1, 1)])
        assert await ask(ctx, parents, 5, quantity=1) == (1, 1)
        await run(ctx, parents, [(BACK, 5, 1, 1)])
        assert await ask(ctx, parents, 5, quantity=1) == (0, 0)
        assert await ask(ctx, parents, 511, letter=26, index=511, sell=0, quantity=999_999) == (0, 0)
        assert await left(ctx, parents, 511) == (MOST_PARENT_SHARES, MOST_CHILDREN)
        assert ctx.get(parents.word) == word(MOST_PARENT_SHARES, 0, index=511, sell=0, letter=26)

    simulate(parents, bench, never_beyond(parents))


@pytest.mark.parametrize(
    "wrong",
    [{"letter": LETTER ^ bit} for bit in (1, 2, 4, 8, 16)]
    + [{"index": INDEX ^ 1 << bit} for bit in range(9)]
    + [{"sell": 0}, {"letter": 0}],
)
def test_an_order_of_another_symbol_or_side_or_with_another_letter_is_none_of_its(wrong):
    parents = Parents()

    async def bench(ctx):
        await load(ctx, parents, 5, word(1000, 2))
        assert await ask(ctx, parents, 5) == (0, 0)
        assert await ask(ctx, parents, 5, **wrong) == (1, 0)

    simulate(parents, bench)


def test_a_parent_that_is_not_there_has_nothing_and_letter_0_names_none():
    """P4: after a clear everything is over and spent; a word with letter 0 gives nothing to anybody."""
    parents = Parents()

    async def bench(ctx):
        assert await ask(ctx, parents, 9, letter=0, index=0, sell=0) == (1, 1)
        await load(ctx, parents, 9, word(1000, 5, letter=0))
        assert await ask(ctx, parents, 9, letter=0) == (1, 0)
        await load(ctx, parents, 9, word(1000, 5))
        assert await ask(ctx, parents, 9) == (0, 0)
        ctx.set(parents.clear, 1)
        ctx.set(parents.data, word(1000, 5))
        await ctx.tick()
        ctx.set(parents.clear, 0)
        assert await ask(ctx, parents, 9) == (1, 1)
        assert await left(ctx, parents, 9) == (0, 0)

    simulate(parents, bench)


@pytest.mark.parametrize("seed", range(4))
def test_operations_at_every_distance_and_of_every_kind(seed):
    """Of three parents, back to back and apart: what is left is plain arithmetic's, whichever comes before which."""
    parents, rng = Parents(), random.Random(seed)
    has = {number: [1_000_000, 1000] for number in (0, 7, 511)}

    async def bench(ctx):
        for number, (shares, children) in has.items():
            await load(ctx, parents, number, word(shares, children))
        for _ in range(150):
            operations = []
            for _ in range(rng.randrange(1, 9)):
                kind, number, shares = rng.choice((IDLE, CHARGE, CHARGE, BACK, BACK)), rng.choice(list(has)), 0
                whole = rng.randrange(2)
                if kind == CHARGE:
                    shares = rng.randrange(1, 4000)
                    has[number][0] -= shares
                    has[number][1] -= whole
                elif kind == BACK:
                    shares = rng.randrange(-3000, 5000)
                    has[number][0] += shares
                    has[number][1] += whole
                operations.append((kind, number, shares, whole))
            await run(ctx, parents, operations, lambda: rng.choice((0, 0, 1, 2)))
            await ctx.tick().repeat(rng.randrange(1, 4))
        for number, what in has.items():
            assert await left(ctx, parents, number) == tuple(what)

    simulate(parents, bench, never_beyond(parents))


def test_more_executed_than_there_was_is_below_zero_and_a_fault_where_there_is_no_place():
    """The lowest that there is place for is -2^21; what is charged then passes nowhere."""
    parents, most, faults = Parents(), 999_999, []

    async def watch(ctx):
        async for *_, beyond in ctx.tick().sample(parents.beyond):
            faults.append(beyond)

    async def bench(ctx):
        await load(ctx, parents, 5, word(10, 9))
        await run(ctx, parents, [(BACK, 5, -most, 0)])
        assert await left(ctx, parents, 5) == (10 - most, 9)
        assert await ask(ctx, parents, 5, quantity=1) == (1, 0)
        await run(ctx, parents, [(BACK, 5, -most, 0), (BACK, 5, 2 * most - 10 - 2**21, 0)])
        assert await left(ctx, parents, 5) == (-(2**21), 9)
        assert not any(faults)
        await run(ctx, parents, [(BACK, 5, -1, 0)])
        assert sum(faults) == 1

    simulate(parents, bench, watch)

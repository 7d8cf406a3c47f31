"""The terms of a symbol: exactly at a bound passes, one beyond it does not; terms of 0 forbid everything."""

import random

import pytest

from hdl.filter.symbol_terms import SymbolTerms
from hdl.wire.registers import SHORTED, TRADED
from tests.cycles import simulate

MOST = (1 << 31) - 1


async def load(ctx, table, index, word):
    ctx.set(table.index, index)
    ctx.set(table.data, word)
    ctx.set(table.load, 1)
    await ctx.tick()
    ctx.set(table.load, 0)
    ctx.set(table.data, random.getrandbits(64))


async def ask(ctx, table, index, price):
    """Return (restricted, unborrowed, off_collar), three cycles behind the index."""
    ctx.set(table.index, index)
    await ctx.tick().repeat(2)
    assert ctx.get(table.word) == WORDS[index]
    ctx.set(table.price, price)
    await ctx.tick()
    return tuple(ctx.get(flag) for flag in (table.restricted, table.unborrowed, table.off_collar))


WORDS = {
    0: 0,
    1: 10_000 | TRADED | 20_000 << 32,
    300: 0 | TRADED | MOST << 32 | SHORTED,
    511: 5 | 5 << 32 | SHORTED,
}


@pytest.mark.parametrize(
    ("index", "price", "expected"),
    [
        (0, 0, (1, 1, 0)),
        (0, 1, (1, 1, 1)),
        (1, 9_999, (0, 1, 1)),
        (1, 10_000, (0, 1, 0)),
        (1, 20_000, (0, 1, 0)),
        (1, 20_001, (0, 1, 1)),
        (1, 10_000 | 1 << 31, (0, 1, 1)),
        (300, MOST, (0, 0, 0)),
        (300, MOST + 1, (0, 0, 1)),
        (511, 4, (1, 0, 1)),
        (511, 5, (1, 0, 0)),
        (511, 6, (1, 0, 1)),
    ],
)
def test_the_bounds(index, price, expected):
    table = SymbolTerms()

    async def bench(ctx):
        for other, word in WORDS.items():
            await load(ctx, table, other, word)
        assert await ask(ctx, table, index, price) == expected

    simulate(table, bench)


def test_p4_cleared_terms_forbid_everything():
    table = SymbolTerms()

    async def bench(ctx):
        await load(ctx, table, 0, MOST << 32 | TRADED | SHORTED)
        ctx.set(table.clear, 1)
        await ctx.tick()
        ctx.set(table.clear, 0)
        assert await ask(ctx, table, 0, 1) == (1, 1, 1)

    simulate(table, bench)

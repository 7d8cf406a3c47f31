"""Exposure and gross notional by themselves, narrow enough to fill: a sum beyond their width is a breach."""

import random

import pytest

from hdl.filter.exposure import Exposure
from hdl.filter.gross import Gross
from tests.cycles import simulate


class Shares:
    """Drives an exposure table of 22 bits, two rows of it."""

    width, rows = 22, (5, 1022)

    def __init__(self):
        self.table = table = Exposure(self.width)
        self.row, self.amount, self.undone = table.row, table.quantity, table.undo_quantity
        self.overs = {"own": table.over}
        self.released = {"own": table.released}
        self.loads = {"own": table.load}


class Notionals:
    """Drives the gross tables at 54 bits: two lanes, and the firm."""

    width, rows = 54, (0, 7)

    def __init__(self):
        self.table = table = Gross(self.width)
        self.row, self.amount, self.undone = table.lane, table.notional, table.undo_notional
        self.overs = {"own": table.over_lane, "firm": table.over_firm}
        self.released = {"own": table.released, "firm": table.firm_released}
        self.loads = {"own": table.load, "firm": table.load_firm}


async def strobe(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


@pytest.mark.parametrize("kind", [Shares, Notionals])
def test_sums_are_compared_with_all_their_bits(kind):
    """Filled to the brim under the highest limit, and reserved only where that fits, with undoing in between."""
    budget, rng = kind(), random.Random(1)
    highest = (1 << budget.width) - 1

    async def bench(ctx):
        table, overs, undone = budget.table, set(), 0
        for row in budget.rows:
            ctx.set(budget.row, row)
            ctx.set(table.data, highest)
            for load in budget.loads.values():
                await strobe(ctx, load)
        released = {**dict.fromkeys(budget.rows, 0), "firm": 0}
        for _ in range(300):
            row = rng.choice(budget.rows)
            keys = {name: row if name == "own" else name for name in budget.overs}
            amount = rng.getrandbits(len(budget.amount)) | 1 << len(budget.amount) - 2
            if rng.random() < 0.2:
                amount = min(highest - released[row], (1 << len(budget.amount)) - 1)
            ctx.set(budget.row, row)
            ctx.set(budget.amount, amount)
            await ctx.tick().repeat(5)
            for name, key in keys.items():
                assert ctx.get(budget.released[name]) == released[key]
                assert ctx.get(budget.overs[name]) == (released[key] + amount > highest), f"{name=} {amount=}"
            breach = {name for name in keys if ctx.get(budget.overs[name])}
            overs |= breach
            if not breach:
                await strobe(ctx, table.reserve)
                for key in keys.values():
                    released[key] += amount
            if rng.random() < 0.3:
                amount = min(released[row], (1 << len(budget.amount)) - 1)
                await ctx.tick().repeat(2)
                await strobe(ctx, table.undo)
                ctx.set(budget.undone, amount)
                await ctx.tick()
                ctx.set(budget.undone, 0)
                assert not ctx.get(table.below)
                await ctx.tick()
                for key in keys.values():
                    released[key] -= amount
                undone += 1
        assert overs == set(budget.overs)
        assert undone > 50

    simulate(budget.table, bench)


@pytest.mark.parametrize("kind", [Shares, Notionals])
def test_undoing_more_than_was_released_is_told(kind):
    """Two cycles behind the undoing, in one cycle: an internal fault."""
    budget = kind()

    async def bench(ctx):
        await ctx.tick().repeat(2)
        await strobe(ctx, budget.table.undo)
        ctx.set(budget.undone, 1)
        await ctx.tick()
        assert ctx.get(budget.table.below)

    simulate(budget.table, bench)

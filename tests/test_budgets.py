"""Exposure and gross notional by themselves, narrow enough to fill: a sum beyond their width is a breach."""

import random

import pytest

from hdl.filter.exposure import Exposure
from hdl.filter.gross import Gross
from tests.cycles import simulate


async def strobe(ctx, signal, value=1):
    ctx.set(signal, value)
    await ctx.tick()
    ctx.set(signal, 0)


class Shares:
    """Drives an exposure table of 22 bits, two rows of it."""

    width, rows, sums = 22, (5, 1022), ("own",)

    def __init__(self):
        self.table = Exposure(self.width)
        self.amount_bits = len(self.table.quantity)

    async def load(self, ctx, row, limit):
        ctx.set(self.table.row, row)
        await strobe(ctx, self.table.load)
        await ctx.tick()
        await strobe(ctx, self.table.data, limit)

    async def check(self, ctx, row, amount):
        """Return which sums would be over their limits; if none, reserve."""
        ctx.set(self.table.row, row)
        ctx.set(self.table.quantity, amount)
        await ctx.tick().repeat(3)
        await strobe(ctx, self.table.add)
        ctx.set(self.table.quantity, 0)
        await ctx.tick()
        if ctx.get(self.table.over):
            return {"own"}
        await self.apply(ctx, row, amount, True)
        return set()

    async def apply(self, ctx, row, amount, plus, pause=0):
        """Reserve or undo, and end `pause` cycles after the first one in which the next may begin."""
        ctx.set(self.table.row, row)
        await ctx.tick().repeat(2)
        await strobe(ctx, self.table.apply)
        ctx.set(self.table.plus, plus)
        ctx.set(self.table.quantity if plus else self.table.undo_quantity, amount)
        for _ in range(pause):
            await ctx.tick()

    async def below(self, ctx):
        """Return the sums from which an undoing without a pause took more than they had."""
        await ctx.tick()
        return {"own"} if ctx.get(self.table.below) else set()

    async def released(self, ctx, name, row):
        ctx.set(self.table.row, row)
        await ctx.tick().repeat(5)
        return ctx.get(self.table.released)


class Notionals:
    """Drives the gross tables at 54 bits: two lanes, and the firm."""

    width, rows, sums = 54, (0, 7), ("own", "firm")

    def __init__(self):
        self.table = Gross(self.width)
        self.amount_bits = len(self.table.notional)

    async def host(self, ctx, name, row):
        ctx.set(self.table.row, {"lane": row if name == "own" else 0, "firm": name == "firm"})
        ctx.set(self.table.hosting, 1)
        await ctx.tick().repeat(2)

    async def load(self, ctx, row, limit):
        for name in self.sums:
            await self.host(ctx, name, row)
            ctx.set(self.table.data, limit)
            await strobe(ctx, self.table.load)
            ctx.set(self.table.data, 0)
            ctx.set(self.table.hosting, 0)
            await ctx.tick()

    async def check(self, ctx, row, amount):
        ctx.set(self.table.lane, row)
        await ctx.tick()
        breaches = set()
        for step in range(6):
            ctx.set(self.table.check, 1 << step)
            if step == 3:
                ctx.set(self.table.notional, amount)
            if step == 5:
                over = {"own": self.table.over_lane, "firm": self.table.over_firm}
                breaches = {name for name, signal in over.items() if ctx.get(signal)}
            await ctx.tick()
        ctx.set(self.table.check, 0)
        if not breaches:
            await self.apply(ctx, row, amount, True)
        return breaches

    async def apply(self, ctx, row, amount, plus, pause=0):
        ctx.set(self.table.lane, row)
        for step in range(3):
            if step:  # in the first cycle it may still be another's
                ctx.set(self.table.plus, plus if step == 2 else not plus)
            await strobe(ctx, self.table.apply, 1 << step)
        if plus:
            ctx.set(self.table.notional, amount)
        else:  # what is undone comes as a complement, and one more
            carry = amount & 1
            ctx.set(self.table.change, -amount - carry)
            ctx.set(self.table.carry, carry)
        for _ in range(pause):
            await ctx.tick()

    async def below(self, ctx):
        await ctx.tick()
        names = {"own"} if ctx.get(self.table.beyond) else set()
        await ctx.tick()
        return names | ({"firm"} if ctx.get(self.table.beyond) else set())

    async def released(self, ctx, name, row):
        await ctx.tick().repeat(3)
        await self.host(ctx, name, row)
        ctx.set(self.table.hosting, 0)
        return ctx.get(self.table.sum)


@pytest.mark.parametrize("kind", [Shares, Notionals])
def test_sums_are_compared_with_all_their_bits(kind):
    """Filled to the brim under the highest limit, and reserved only where that fits, with undoing in between.

    Limits move a little meanwhile, the firm's with a lane's.
    """
    budget, rng = kind(), random.Random(1)
    highest = (1 << budget.width) - 1

    async def bench(ctx):
        breaches, undone = set(), 0
        for row in budget.rows:
            await budget.load(ctx, row, highest)
        released = {**dict.fromkeys(budget.rows, 0), "firm": 0}
        limits = dict.fromkeys(released, highest)
        for _ in range(300):
            row = rng.choice(budget.rows)
            if rng.random() < 0.1:
                limits[row] = limits["firm"] = highest - rng.choice([0, rng.getrandbits(20)])
                await budget.load(ctx, row, limits[row])
            keys = {name: row if name == "own" else name for name in budget.sums}
            amount = rng.getrandbits(budget.amount_bits) | 1 << budget.amount_bits - 2
            if rng.random() < 0.2:
                amount = min(max(limits[row] - released[row] + rng.randrange(2), 0), (1 << budget.amount_bits) - 1)
            breach = {name for name, key in keys.items() if released[key] + amount > limits[key]}
            assert await budget.check(ctx, row, amount) == breach, f"{amount=}"
            breaches |= breach
            if not breach:
                for key in keys.values():
                    released[key] += amount
            if rng.random() < 0.3:
                for _ in range(rng.randrange(1, 5)):
                    row = rng.choice(budget.rows)
                    amount = min(released[row], (1 << budget.amount_bits) - 1) >> rng.randrange(3)
                    await budget.apply(ctx, row, amount, False, rng.choice([0, 0, 1, 2]))
                    for key in [row, "firm"]:
                        released[key] -= amount
                    undone += 1
                assert not await budget.below(ctx)
            for name in budget.sums:
                assert await budget.released(ctx, name, row) == released[row if name == "own" else name]
        assert breaches == set(budget.sums)
        assert undone > 50

    simulate(budget.table, bench)


def test_the_net_position_takes_of_a_buys_room_and_gives_to_a_sells():
    """Exactly at the limit fits, one more does not; also where either is as far out as it can be."""
    budget, rng = Shares(), random.Random(2)
    highest, far = (1 << budget.width) - 1, (1 << 39) - 1

    async def bench(ctx):
        seen = set()
        for _ in range(400):
            row, limit, net = rng.choice(budget.rows), rng.randrange(1 << 20), rng.randrange(-(1 << 20), 1 << 20)
            if rng.random() < 0.1:
                limit, net = rng.choice((0, highest)), rng.choice((-far - 1, far))
            await budget.load(ctx, row, limit)
            ctx.set(budget.table.net, net)
            room = limit + (net if row & 1 else -net)
            for amount in {0, 1, min(max(room, 0), (1 << 20) - 1), min(max(room + 1, 0), (1 << 20) - 1)}:
                over = await budget.check(ctx, row, amount)
                assert over == ({"own"} if amount > room else set()), f"{row=} {limit=} {net=} {amount=}"
                seen.add((row, bool(over), net < 0))
                if not over:
                    await budget.apply(ctx, row, amount, False, 3)
        assert len(seen) == 8

    simulate(budget.table, bench)


def test_a_sum_of_notional_beyond_its_width_is_told():
    """What is executed may be worth more than what was open: exactly the highest sum is not beyond, one more is."""
    budget = Notionals()
    highest = (1 << budget.width) - 1

    async def bench(ctx):
        await ctx.tick().repeat(2)
        left = highest
        while left:
            step = min(left, (1 << 52) - 1)
            await budget.apply(ctx, 0, -step, False)
            assert not await budget.below(ctx)
            left -= step
        assert await budget.released(ctx, "firm", 0) == highest
        await budget.apply(ctx, 0, -1, False)
        assert await budget.below(ctx) == {"own", "firm"}

    simulate(budget.table, bench)


@pytest.mark.parametrize("kind", [Shares, Notionals])
def test_undoing_more_than_was_released_is_told(kind):
    """For each sum, in its cycle: an internal fault."""
    budget = kind()

    async def bench(ctx):
        await ctx.tick().repeat(2)
        await budget.apply(ctx, budget.rows[0], 1, False)
        assert await budget.below(ctx) == set(budget.sums)

    simulate(budget.table, bench)

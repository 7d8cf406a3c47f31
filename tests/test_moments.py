"""When things happened, as it is kept and read."""

import random

import pytest

from hdl.filter.moments import DELAY, MOST, READ_DELAY, Moments, check_things
from tests.cycles import simulate

SHOWS = 34  # cycles after a strobe


class Bench:
    """Plays strobes, and keeps what must show: (cycle of the strobe, moment) of each thing, and what is latched."""

    def __init__(self, ctx, moments, now):
        self.ctx, self.moments, self.now, self.cycle = ctx, moments, now, 0
        self.past = [now - 1] * DELAY
        self.told = [[(-SHOWS, 0)] for _ in range(moments.things)]
        self.latched = [0] * moments.things

    async def tick(self, happened=(), forgotten=()):
        ctx, moments = self.ctx, self.moments
        for thing in happened:
            self.told[thing].append((self.cycle, self.past[0]))
        for thing in forgotten:
            self.told[thing] = [(-SHOWS, 0)]
        ctx.set(moments.now, self.now)
        ctx.set(moments.happened, sum(1 << thing for thing in happened))
        ctx.set(moments.forgotten, sum(1 << thing for thing in forgotten))
        await ctx.tick()
        self.past = [*self.past[1:], self.now]
        self.now += 1
        self.cycle += 1

    async def rest(self):
        while True:
            await self.tick()
            if not self.ctx.get(self.moments.busy) and not self.ctx.get(self.moments.pending):
                return

    async def read(self, thing, high, **strobes):
        """Return the word, and those that it may be: what has been there for long, or came later."""
        ctx, moments = self.ctx, self.moments
        ctx.set(moments.read, 1)
        ctx.set(moments.thing, thing)
        ctx.set(moments.high, high)
        asked = self.cycle
        told = list(self.told[thing])
        await self.tick(**strobes)
        ctx.set(moments.read, 0)
        for _ in range(READ_DELAY - 1):
            await self.tick(**dict.fromkeys(strobes, ()))
        settled = max(number for number, (cycle, _) in enumerate(told) if asked - cycle >= SHOWS)
        return ctx.get(moments.value), [moment for _, moment in told[settled:]]


@pytest.mark.parametrize("begin", [3, 0xFFFF_FFE9, 0x1234_FFFF_FFF0, 0xFFFF_FFFF_FF00])
def test_moments_are_exact_on_both_sides_of_every_carry(begin):
    """Each in a cycle of its own, and all in the same; a pair read as it is."""
    moments = Moments(5)

    async def bench(ctx):
        b = Bench(ctx, moments, begin)
        assert [(await b.read(thing, high))[0] for thing in range(5) for high in (0, 1)] == [0] * 10
        for distance in range(40):
            for thing in range(5):
                await b.tick(happened=[thing] if distance % 3 else range(5))
            for _ in range(SHOWS + distance):
                await b.tick()
            for thing in (3, 0, 4, 1, 2):
                low, high = (await b.read(thing, 0))[0], (await b.read(thing, 1))[0]
                assert low | high << 32 == b.told[thing][-1][1]

    simulate(moments, bench)


def test_the_high_word_stays_with_the_low_word_that_was_read():
    """At random: strobes close together, reads in between, time that jumps while nothing is pending."""
    moments, rng = Moments(MOST), random.Random(7)

    async def bench(ctx):
        b = Bench(ctx, moments, 0x1_FFFF_FF00)
        latched, seen = [[0]] * MOST, 0
        for _ in range(4000):
            some = [thing for thing in range(MOST) if rng.random() < 0.05]
            if rng.random() < 0.02:
                await b.rest()
                b.now += rng.choice([rng.getrandbits(34), rng.randrange(40), (1 << 32) - 1])
                for _ in range(DELAY):
                    await b.tick()
            if rng.random() < 0.3:
                thing = rng.randrange(MOST)
                low, allowed = await b.read(thing, 0, happened=some)
                matching = [moment for moment in allowed if moment & 0xFFFFFFFF == low]
                assert matching
                latched[thing] = matching
                seen += len(allowed) > 1
            elif rng.random() < 0.3:
                thing = rng.randrange(MOST)
                high, _ = await b.read(thing, 1, happened=some)
                assert high in [moment >> 32 for moment in latched[thing]]
            else:
                await b.tick(happened=some)
        assert seen > 200

    simulate(moments, bench)


@pytest.mark.parametrize(("thing", "other"), [(0, 1), (6, 5)])
def test_what_is_forgotten_does_not_come_back(thing, other):
    """In any cycle between its strobe and when it shows; what another thing has told stays, and so does a latch."""
    moments = Moments(MOST)

    async def bench(ctx):
        b = Bench(ctx, moments, 0x5_0000_0000)
        for _ in range(DELAY):
            await b.tick()
        for distance in range(40):
            await b.tick(happened=[thing, other])
            first = b.told[thing][-1][1]
            for _ in range(SHOWS):
                await b.tick()
            assert (await b.read(thing, 0))[0] == first & 0xFFFFFFFF
            await b.tick(happened=[thing])
            for _ in range(distance):
                await b.tick()
            await b.tick(forgotten=[thing])
            for _ in range(SHOWS):
                await b.tick()
            assert (await b.read(thing, 1))[0] == 5
            assert [(await b.read(thing, high))[0] for high in (0, 1)] == [0, 0]
            assert (await b.read(other, 0))[0] == b.told[other][-1][1] & 0xFFFFFFFF
        await b.tick(happened=[thing], forgotten=[thing])
        await b.rest()
        assert (await b.read(thing, 0))[0] == 0

    simulate(moments, bench)


@pytest.mark.parametrize("things", [0, 8])
def test_a_number_of_things_that_does_not_fit_is_refused(things):
    with pytest.raises(ValueError, match=f"^moments must be of 1 to 7 things, not {things}$"):
        check_things(things)

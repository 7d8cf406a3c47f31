"""The journal of reservations: that it tells when an entry which is owed is written over."""

from hdl.filter.journal import ENTRIES, Journal
from tests.cycles import simulate

FRAME = 10  # orders


def test_an_entry_that_is_owed_and_written_over_is_told():
    """A frame fails and is not undone; the order that takes the place of its first entry tells, none before it."""
    journal = Journal()

    async def bench(ctx):
        async def frame():
            told = []
            for _ in range(FRAME):
                ctx.set(journal.reserve, 1)
                await ctx.tick()
                ctx.set(journal.reserve, 0)
                told.append(ctx.get(journal.overrun))
            ctx.set(journal.frame_end, 1)
            ctx.set(journal.kept, 1)
            base = ctx.get(journal.base)
            await ctx.tick()
            ctx.set(journal.frame_end, 0)
            return base, told

        for fails in (False, True):
            base, _ = await frame()
            if fails:
                ctx.set(journal.failed.payload, {"base": base, "count": FRAME})
                ctx.set(journal.failed.valid, 1)
                await ctx.tick()
                ctx.set(journal.failed.valid, 0)
            told = []
            for _ in range(-(-ENTRIES // FRAME)):
                told += (await frame())[1]
            assert sum(told) == fails
            assert not fails or told.index(1) == ENTRIES - FRAME

    simulate(journal, bench)

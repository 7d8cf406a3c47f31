"""The particulars of orders: what was noted comes back, of any that was kept, at the promised cycle."""

import random

from hdl.filter.particulars import NO_ORDER, Particulars
from tests.cycles import simulate


def test_what_was_kept_comes_back_and_what_was_not_gives_its_place_away():
    """Frames of some messages, at most three of them kept; each of these is recalled, and none with `blank`."""
    particulars, rng = Particulars(), random.Random(8)
    seen = {"kept": 0, "passed over": 0, "unknown": 0, "no Enter": 0}

    async def bench(ctx):
        for _ in range(60):
            kept = {}
            for _ in range(rng.randrange(1, 9)):
                fields = {name: rng.getrandbits(16 if name == "symbol" else 32) for name in NO_ORDER}
                known, enter = rng.random() < 0.8, rng.random() < 0.8
                keep = len(kept) < 3 and rng.random() < 0.5
                for cycle, name in enumerate(fields):  # each in its own cycle, noise in the others
                    ctx.set(particulars.note, cycle == 0)
                    ctx.set(particulars.keep, keep if cycle == 1 else rng.randrange(2))
                    ctx.set(particulars.known, known if cycle == 0 else rng.randrange(2))
                    ctx.set(particulars.enter, enter if cycle == 0 else rng.randrange(2))
                    for other in fields:
                        ctx.set(getattr(particulars, other), fields[name] if other == name else rng.getrandbits(16))
                    if cycle == 0:
                        place = ctx.get(particulars.place)
                    await ctx.tick()
                ctx.set(particulars.note, 0)
                if keep:
                    told = fields if enter else NO_ORDER | {"user_ref": fields["user_ref"]}
                    assert place not in kept
                    kept[place] = told if known else NO_ORDER
                seen["kept" if keep else "passed over"] += 1
                seen["unknown"] += keep and not known
                seen["no Enter"] += keep and known and not enter
                if rng.random() < 0.3:
                    await ctx.tick().repeat(3)
            for which, expected in [*kept.items(), (0, None)]:
                ctx.set(particulars.recall, 1)
                ctx.set(particulars.which, which)
                ctx.set(particulars.blank, expected is None)
                await ctx.tick()
                ctx.set(particulars.recall, 0)
                await ctx.tick().repeat(4)
                found = {name: ctx.get(particulars.fields[name]) for name in NO_ORDER}
                assert found == (NO_ORDER if expected is None else expected)
            ctx.set(particulars.clear, 1)
            await ctx.tick()
            ctx.set(particulars.clear, 0)

    simulate(particulars, bench)
    assert min(seen.values()) > 10, seen

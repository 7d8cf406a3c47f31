"""The records of queued frames: every frame's own, when it leaves and when it is discarded."""

import random

from hdl.filter.gate import OutcomeKind, Rest
from hdl.filter.records import Books, Records
from tests.cycles import simulate

RIGHT_FROM = {"stops": 6, "check_some": 8, "check_all": 8, "stamp": 8}  # cycles behind `take`; others: 7, the books 9
APART = 8  # cycles between the ends of two frames that are kept, at least


def drawn(layout, rng):
    return {name: rng.getrandbits(layout[name].width) for name in layout.members}


def test_every_frame_has_its_own_record_and_every_outcome_its_account():
    """Frames come, leave and are discarded at random, some in the first cycle in which they can be."""
    records, rng = Records(), random.Random(3)
    seen = {"taken": 0, "discarded": 0, "dropped": 0, "at once": 0}

    async def bench(ctx):
        queue, new, wait, busy_until = [], None, 0, 0
        frame, taken_at, ends_at = None, -100, -1
        accounts = {}  # by cycle
        for cycle in range(12_000):
            # A frame ends; what is known of it comes a cycle later.
            end = rng.random() < 0.3
            keep = end and wait == 0 and len(queue) < 32 and rng.random() < 0.8
            ctx.set(records.end, end)
            ctx.set(records.keep, keep or (not end and rng.random() < 0.5))
            if new:
                ctx.set(records.new, new[0])
                ctx.set(records.new_books, new[1])
                ctx.set(records.length, new[2])
            else:
                ctx.set(records.new, drawn(Rest, rng))
            fresh = None
            if end:
                books = drawn(Books, rng) | {"orders": rng.randrange(40), "stopped": rng.randrange(40)}
                fresh = drawn(Rest, rng), books, rng.randrange(64, 2048)
                wait = APART if keep else wait
                seen["dropped"] += not keep
            wait -= wait > 0

            # The gate: takes, discards behind it, ends.
            outcome = None
            take = bool(queue) and cycle > busy_until and rng.random() < 0.5
            ending = cycle == ends_at
            skip = bool(queue) and not take and not ending and rng.random() < (0.7 if cycle // 400 % 2 else 0.05)
            if take or skip:
                seen["at once"] += queue[0][3] == cycle - 1
                record = queue.pop(0)
            if take:
                frame, taken_at, ends_at = record, cycle, cycle + 20 + rng.randrange(30)
                busy_until = ends_at + 12
                seen["taken"] += 1
            if skip:
                kind = rng.choice((OutcomeKind.DISCARDED, OutcomeKind.STALE))
                _, books, length, _ = record
                numbers = {name: books[name] for name in ("base", "reservations")}
                numbers |= {"orders": books["orders"] + books["stopped"], "stopped": 0, "reason": 0, "length": length}
                outcome = kind, numbers
                seen["discarded"] += 1
            if ending:
                kind = rng.choice((OutcomeKind.SENT, OutcomeKind.ABORTED))
                outcome = kind, frame[1] | {"length": frame[2]}
            ctx.set(records.pop, take or skip)
            ctx.set(records.take, take)

            # What is right now.
            if frame:
                for name, value in frame[0].items():
                    if cycle >= taken_at + RIGHT_FROM.get(name, 7):
                        assert ctx.get(records.rest[name]) == value, (cycle, name)
                if cycle >= taken_at + 9:
                    assert {name: ctx.get(records.books[name]) for name in Books.members} == frame[1]
            assert ctx.get(records.account_valid) == (cycle in accounts), cycle
            if cycle in accounts:
                expected = accounts.pop(cycle)
                assert {name: ctx.get(records.account[name]) for name in expected} == expected, cycle
            assert ctx.get(records.busy) >= bool(accounts)
            if keep:
                queue.append((*fresh, cycle))
            new = fresh
            await ctx.tick()
            ctx.set(records.outcome_valid, outcome is not None)
            if outcome:
                lane, reset, every = rng.randrange(9), rng.randrange(2), rng.randrange(2)
                fields = {"kind": outcome[0], "lane": lane, "reset": reset, "all": every}
                ctx.set(records.outcome, fields)
                accounts[cycle + 1 + Records.DELAY] = fields | outcome[1]
            if frame:
                ctx.set(records.frame_length, frame[2])

    simulate(records, bench)
    assert min(seen.values()) > 50, seen

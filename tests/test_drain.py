"""The drain: how long an arm must wait after a kill (P9)."""

import random

from hdl.filter.drain import Drain
from tests.cycles import simulate


def run(rows):
    """Play rows of (request, frames waiting, pop), the queue's side told a cycle late; return ``draining`` of each."""
    drain, seen = Drain(), []

    async def bench(ctx):
        await ctx.tick().repeat(4)  # a reset drains as well
        before = (0, 0)
        for request, *queue in rows:
            ctx.set(drain.request, request)
            ctx.set(drain.waiting, before[0])
            ctx.set(drain.pop, before[1])
            seen.append(ctx.get(drain.draining))
            before = queue
            await ctx.tick()

    simulate(drain, bench)
    return seen


def test_nothing_waits_nothing_drains():
    assert run([(0, 0, 0), (4, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]) == [0, 0, 1, 1, 0]


def test_it_lasts_until_the_last_frame_from_before_the_kill_is_gone():
    """Two wait at the edge, the verdict of a third comes with it; a fourth has met the kill and does not count."""
    queue = [(2, 0), (2, 0), (3, 0), (4, 0), (4, 1), (3, 1), (2, 0), (2, 1), (1, 0), (1, 1), (0, 0)]
    rows = [(int(cycle == 1), *state) for cycle, state in enumerate(queue)]
    assert run(rows) == [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_a_second_kill_begins_anew():
    queue = [(1, 0), (1, 0), (1, 0), (5, 1), (4, 1), (3, 1), (2, 1), (1, 1), (0, 0), (0, 0)]
    rows = [({0: 1, 3: 128}.get(cycle, 0), *state) for cycle, state in enumerate(queue)]
    assert run(rows) == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_p9_random_queues_keep_it_up_while_a_stale_frame_waits():
    """P9: against a queue that knows which frames came before the kill; it ends one cycle after the last left."""
    rng, rows, stale = random.Random(3), [], [False]
    expected, queue, edge = [], [], -9
    for cycle in range(4000):
        request = int(rng.random() < 0.02)
        pop = int(bool(queue) and rng.random() < 0.3)
        rows.append((request, len(queue), pop))
        edge = cycle if request else edge
        expected.append(1 <= cycle - edge <= 2 or stale[-1])
        stale.append(any(came <= edge for came in queue))
        if pop:
            queue.pop(0)
        if len(queue) < 32 and rng.random() < 0.32:
            queue.append(cycle)
    assert run(rows) == expected

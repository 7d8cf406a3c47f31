"""The open orders: what reports change, by hand and against the golden model, each change in its cycle."""

from collections import Counter
from random import Random

import pytest

from hdl.filter.hearing import REPORTS
from hdl.wire.event import Contradiction
from sim.evidence import BUCKET, Change, bucket
from sim.replies import Report
from tests.open_orders_bench import ALL, LOOKUP, bench, play_by_hand, says

CASES = {
    "executed in part": ([says("E", 7, 40, 9_000)], [(40, 40, 40 * 9_000 - 40 * 10_000)], []),
    "executed whole": ([says("E", 7, 100, 9_000), says("E", 7, 1, 1)], [(100, 100, -100_000)], ["UNKNOWN"]),
    "at a higher price": ([says("E", 7, 100, 2**32 - 1)], [(100, 100, 100 * (2**32 - 1 - 10_000))], []),
    "executed above": ([says("E", 7, 130, 500)], [(100, 100, 100 * (500 - 10_000)), (0, 30, 30 * 500)], ["ABOVE"]),
    "executed far above": (
        [says("E", 7, 2**20 + 5, 1)],
        [(100, 100, 100 * (1 - 10_000)), (0, 2**20 - 101, 2**20 - 101)],
        ["ABOVE"],
    ),
    "canceled in part, then whole": ([says("C", 7, 30), says("C", 7, 70), says("C", 7, 1)],
                                     [(30, 0, -300_000), (70, 0, -700_000)], ["UNKNOWN"]),
    "canceled above": ([says("C", 7, 101)], [(100, 0, -1_000_000)], ["ABOVE"]),
    "decremented": ([says("D", 7, 1)], [(1, 0, -10_000)], []),
    "modified": ([says("M", 7, 60), says("M", 7, 60), says("M", 7, 0)],
                 [(40, 0, -400_000), (60, 0, -600_000)], []),
    "modified above": ([says("M", 7, 101)], [], ["ABOVE"]),
    "rejected, and once more": ([says("J", 7), says("J", 7)], [(100, 0, -1_000_000)], []),
    "accepted": ([says("A", 7, 100), says("E", 7, 1, 10_000)], [(1, 1, 0)], []),
    "accepted above": ([says("A", 7, 101)], [], ["ABOVE"]),
    "accepted behind an execution, of more than is left": (
        [says("E", 7, 40, 10_000), says("A", 7, 100)],
        [(40, 40, 0)],
        ["ABOVE"],
    ),
    "accepted and dead": ([says("A", 7, 100, dead=1), says("A", 7, 100)], [(100, 0, -1_000_000)], ["UNKNOWN"]),
    "replaced, which it was not to be": ([says("U", 7, 100)], [], ["OUT_OF_TURN"]),
    "of another lane": ([says("E", 7, 1, 1, lane=4)], [], ["UNKNOWN"]),
    "of a number in the same bucket": ([says("E", 7 ^ 1 << 6, 1, 1)], [], ["UNKNOWN"]),
    "what says nothing of an order": ([says(kind, 7, 5) for kind in "SPITRGKQXBF"], [], []),
}  # fmt: skip


@pytest.mark.parametrize("parent", [None, 300])
@pytest.mark.parametrize("name", CASES)
def test_what_a_report_changes(name, parent):
    """Released, executed and notional, worked out by hand; and whose child."""
    play_by_hand(*CASES[name], parent=parent)


def test_executions_with_a_reference_price_are_of_42_only():
    """G: Disabled in 5.0."""

    async def scene(one):
        for lane in (0, 1):
            await one.enter(lane, 7)
            await one.tick(report=says("G", 7, 10, 20_000, lane=lane))
            await one.rest()
        assert one.changes == [Change(10, 1, 10, 10, 100_000, None)]

    bench(scene, older=2)


def test_a_lane_that_is_not_heard_changes_nothing():
    async def scene(one):
        await one.tick(report=says("E", 7, 1, 1))
        await one.rest()
        assert not one.changes and not one.told

    bench(scene, heard=ALL & ~8)


def test_a_bucket_has_room_for_eight_orders():
    """The ninth has none until one of them is gone; and none has an order of a number that is open."""
    refs = [ref for ref in range(1, 4000) if bucket(ref) == 5][:10]

    async def scene(one):
        slots = [await one.enter(3, ref) for ref in refs[:8]]
        assert sorted(slots) == list(range(5 * 8, 5 * 8 + 8))
        assert await one.enter(3, refs[8]) is None
        assert await one.enter(4, refs[0]) is None
        await one.tick(report=says("C", refs[4], 100))
        await one.rest()
        assert await one.enter(3, refs[3]) is None  # its number is open
        assert await one.enter(3, refs[8]) == slots[4]
        await one.tick(forget=(3, refs[2], slots[2]))
        assert await one.enter(4, refs[0]) == slots[2]

    bench(scene)


def test_an_order_is_found_from_the_cycle_behind_its_entering_on():
    """At every distance of a report's search from it; and one that is forgotten is not."""

    async def scene(one):
        for wait in range(20):
            ref = 100 + wait
            slot = await one.probe(2, ref)
            await one.tick(enter=(2, ref, 5, 9, 3, 511), report=says("E", 1, lane=7))
            for _ in range(wait):
                await one.tick()
            await one.tick(report=says("C", ref, 4, lane=2))
            await one.rest()
            assert one.changes.pop() == Change(5, 2, 4, 0, -12, 511)
            await one.tick(forget=(2, ref, slot))
            await one.tick(report=says("C", ref, 4, lane=2))
            await one.rest()
            assert one.told[-1] == Contradiction.UNKNOWN and not one.changes

    bench(scene)


class Play:
    """Orders and reports at random, of few buckets."""

    def __init__(self, one, random):
        self.one, self.random = one, random
        self.open, self.doomed, self.seen = {}, [], Counter()
        self.number = 0
        self.probed = self.since = None
        self.next_report = 0
        one.ready = lambda: random.random() < self.pace
        self.pace = 0.5

    async def step(self):
        one, random = self.one, self.random
        events = {}
        if self.probed is None:
            if random.random() < 0.06:
                self.number += random.choice((1, 64, 64, 3))
                self.probed, self.since = (random.randrange(8), self.number), one.cycle
                events["probe"] = self.probed
        elif one.cycle == self.since + LOOKUP:
            self.room = one.evidence.room(*self.probed, self.since)
            assert one.ctx.get(one.parts.room) == self.room
            self.seen["room" if self.room else "none"] += 1
            self.slot = one.ctx.get(one.parts.slot)
        elif one.cycle > self.since + LOOKUP and random.random() < 0.3:
            if self.room and random.random() < 0.9:
                quantity = random.choice((1, 100, random.randrange(1, 1_000_000)))
                price, parent = random.randrange(1, 2**31), random.choice((None, random.randrange(512)))
                events["enter"] = *self.probed, random.randrange(1024), quantity, price, parent
                if random.random() < 0.8:
                    self.open[self.probed] = quantity
                else:
                    self.doomed.append((*self.probed, self.slot))
            self.probed = None
        looks = self.probed is not None and one.cycle in range(self.since + 3, self.since + LOOKUP)
        if self.doomed and "enter" not in events and not looks and random.random() < 0.05:
            events["forget"] = self.doomed.pop(random.randrange(len(self.doomed)))
        if one.cycle >= self.next_report and random.random() < 0.5:
            events["report"] = self.report()
            self.next_report = one.cycle + random.choice((23, 23, 30, 100))
        await one.tick(**events)

    def report(self):
        random = self.random
        if not self.open or random.random() < 0.02:
            return says("E", 2**31 + random.randrange(100), 1, 1, lane=random.randrange(8))
        lane, ref = random.choice(list(self.open))
        kind = random.choice("AEEEECDMJPT")
        most = self.open[lane, ref]
        quantity = random.choice((most, random.randint(1, most), random.randint(1, most), 0))
        if random.random() < 0.02:
            quantity = random.choice((most + 1, 2**20 - 1, 2**32 - 1))
        if kind in "JPT":  # have no quantity
            quantity = 0
        dead = kind == "A" and random.random() < 0.1
        if dead or kind == "J" or (kind in "ECD" and quantity >= most) or (kind == "M" and not quantity):
            del self.open[lane, ref]
            self.seen["over"] += 1
        elif kind in "ECD":
            self.open[lane, ref] -= quantity
        elif kind == "M":
            self.open[lane, ref] = min(most, quantity)
        return Report(lane, ord(kind), ref, 0, quantity, random.randrange(2**32), int(dead))


@pytest.mark.parametrize("seed", range(4))
def test_random_reports_change_what_the_golden_model_says_in_its_cycle(seed):
    async def scene(one):
        play = Play(one, Random(seed))
        for number in range(20_000):
            if number % 1000 == 0:
                play.pace = play.random.choice((1.0, 0.5, 0.1))
            await play.step()
        assert len(one.changes) > 200 and play.seen["none"] > 10 and play.seen["over"] > 100, play.seen
        assert set(one.told) == set(Contradiction) - {Contradiction.OUT_OF_TURN}

    bench(scene)


@pytest.mark.parametrize("behind", range(-9, 10))
def test_a_place_that_is_free_in_the_cycle_of_a_probe_counts_for_it(behind):
    """The last share of one of eight orders is canceled: so many cycles before a probe, or behind it."""
    refs = [ref for ref in range(1, 4000) if bucket(ref) == 5][:9]

    async def scene(one):
        for ref in refs[:8]:
            await one.enter(3, ref)
        free = one.cycle + 18
        await one.tick(report=says("C", refs[4], 100))
        while one.cycle != free + behind:
            await one.tick()
        assert (await one.enter(3, refs[8]) is not None) == (behind >= 0)
        await one.rest()
        assert await one.enter(3, refs[8]) is None if behind >= 0 else await one.enter(3, refs[8]) is not None

    bench(scene)


@pytest.mark.parametrize("entered", [-1, 0])
@pytest.mark.parametrize("late", [0, 1])
def test_no_place_is_free_while_an_order_enters_or_in_the_cycle_behind(entered, late):
    """It enters in the cycle in which the place would be, or before; who looks one cycle later finds it."""
    refs = [ref for ref in range(1, 4000) if bucket(ref) == 5][:9]

    async def scene(one):
        for ref in refs[:8]:
            await one.enter(3, ref)
        await one.probe(4, 1 << 31)
        free = one.cycle + 18
        await one.wait(18 + entered, report=says("C", refs[4], 100))
        await one.tick(enter=(4, 1 << 31, 5, 9, 3, None))
        while one.cycle != free + entered + 1 + late:
            await one.tick()
        assert (await one.enter(3, refs[8]) is not None) == late

    bench(scene)


def test_a_report_too_many_is_a_fault():
    async def scene(one):
        ctx, parts = one.ctx, one.parts
        ctx.set(parts.report_valid, 1)
        ctx.set(parts.report, says("C", 7, 1)._asdict())
        faults = []
        for _ in range(REPORTS + 8):
            await ctx.tick()
            faults.append(ctx.get(parts.fault))
        assert not any(faults[:REPORTS]) and any(faults)

    bench(scene)


def test_the_reports_that_wait_are_bounded():
    """Reports at the pace of the wire, 21 octets each, and nothing taken: as many as the ring has are not lost."""

    async def scene(one):
        await one.enter(3, 7, quantity=1000)
        one.ready = False
        for _ in range(REPORTS - 1):
            await one.tick(report=says("C", 7, 1))
            for _ in range(20):
                await one.tick()
        one.ready = True
        await one.rest()
        assert len(one.changes) == REPORTS - 1

    bench(scene)


@pytest.mark.parametrize("kind", "AECDMU")
@pytest.mark.parametrize("dead", [0, 1])
def test_what_is_said_of_an_unknown_order_kills_where_more_can_come_of_it(kind, dead):
    """It lives, was executed, or has replaced another: not that it has become less, or is over."""

    async def scene(one):
        kills = []
        await one.tick(report=says(kind, 8, 5, 1, dead))
        for _ in range(60):
            await one.tick()
            kills.append(one.ctx.get(one.parts.contradicts))
        assert one.told == [Contradiction.UNKNOWN]
        assert sum(kills) == (kind in "EU" or (kind == "A" and not dead))

    bench(scene)


def test_what_is_cleared_is_forgotten():
    async def scene(one):
        await one.enter(3, 7)
        for _ in range(3):
            await one.tick(report=says("C", 8, 1))
        await one.empty()
        await one.rest()
        assert not one.told
        await one.tick(report=says("E", 7, 1, 1))
        await one.rest()
        assert one.told == [Contradiction.UNKNOWN]

    bench(scene)


assert BUCKET == 8

"""Chains: an order and its Replace, what reports change of both, and who waits while one is sought."""

from collections import Counter
from random import Random

import pytest

from hdl.filter.hearing import WITHDRAWALS
from hdl.wire.event import Contradiction
from sim.evidence import Change, bucket
from sim.replies import Report
from tests.open_orders_bench import LOOKUP, SEEN, bench, play_by_hand, says

SAME = [ref for ref in range(1, 4000) if bucket(ref) == 5][:2]  # numbers that have a bucket in common
CASES = {  # total that the Replace asks for, reports, changes, what is told
    "replaced by more": (150, [says("U", 9, 150)], [(0, 0, -1_000_000)], []),
    "and executed": (
        150,
        [says("U", 9, 150), says("E", 9, 150, 10_000)],
        [(0, 0, -1_000_000), (150, 150, -150_000)],
        [],
    ),
    "replaced by less": (60, [says("U", 9, 60)], [(40, 0, -1_000_000)], []),
    "at another price alone": (100, [says("U", 9, 100)], [(0, 0, -1_000_000)], []),
    "executed before it": (
        150,
        [says("E", 7, 30, 10_000), says("U", 9, 120)],
        [(30, 30, 0), (0, 0, -700_000), (0, 0, -330_000)],
        [],
    ),
    "canceled before it": (150, [says("C", 7, 30), says("U", 9, 150)], [(0, 0, -300_000), (0, 0, -700_000)], []),
    "less, and canceled before it": (
        90,
        [says("C", 7, 30), says("U", 9, 90)],
        [(10, 0, -300_000), (0, 0, -700_000)],
        [],
    ),
    "less than was executed": (
        30,
        [says("E", 7, 40, 10_000), says("U", 9, 0, dead=1)],
        [(40, 40, 0), (60, 0, -600_000), (0, 0, -330_000)],
        [],
    ),
    "replaced and dead": (150, [says("U", 9, 150, dead=1)], [(100, 0, -1_000_000), (50, 0, -1_650_000)], []),
    "rejected": (150, [says("J", 9), says("E", 7, 100, 10_000)], [(50, 0, -1_650_000), (100, 100, 0)], []),
    "its order is executed": (150, [says("E", 7, 100, 10_000)], [(100, 100, 0), (50, 0, -1_650_000)], []),
    "its order is canceled": (80, [says("C", 7, 100)], [(100, 0, -1_000_000), (0, 0, -880_000)], []),
    "executed above": (
        150,
        [says("E", 7, 120, 10_000)],
        [(100, 100, 0), (0, 20, 200_000), (50, 0, -1_650_000)],
        ["ABOVE"],
    ),
    "replaced by too many": (150, [says("U", 9, 151)], [], ["ABOVE"]),
    "executed out of turn": (150, [says("E", 9, 10, 10_000)], [(10, 10, 0)], ["OUT_OF_TURN"]),
    "executed out of turn and above": (
        150,
        [says("E", 9, 120, 10_000)],
        [(100, 100, 0), (0, 20, 200_000), (50, 0, -1_650_000)],
        ["OUT_OF_TURN"],
    ),
    "canceled out of turn": (150, [says("C", 9, 10)], [], ["OUT_OF_TURN"]),
    "replaced by name of its order": (150, [says("U", 7, 150)], [], ["OUT_OF_TURN"]),
    "its order again": (150, [says("U", 9, 150), says("E", 7, 1, 1)], [(0, 0, -1_000_000)], ["UNKNOWN"]),
}


@pytest.mark.parametrize("parent", [None, 300])
@pytest.mark.parametrize("name", CASES)
def test_what_a_report_changes(name, parent):
    total, *case = CASES[name]
    play_by_hand(*case, parent=parent, total=total)


def test_what_can_be_replaced():
    """An order that is open, once; not one that is over or has a Replace, nor that Replace, nor another lane's."""

    async def scene(one):
        await one.enter(3, 7)
        assert not await one.replace(4, 7, 9, 150)
        assert not await one.replace(3, 8, 9, 150)
        assert await one.replace(3, 7, 9, 150)
        assert not await one.replace(3, 7, 10, 150)
        assert not await one.replace(3, 9, 10, 150)
        await one.tick(report=says("U", 9, 150))
        await one.rest()
        assert not await one.replace(3, 7, 10, 150)
        assert await one.replace(3, 9, 10, 150)
        await one.tick(withdraw=(3, 10))
        await one.rest()
        assert await one.replace(3, 9, 11, 150)
        await one.tick(report=says("C", 9, 150))
        await one.rest()
        assert not await one.replace(3, 9, 12, 150) and not await one.replace(3, 11, 12, 150)
        assert not one.told

    bench(scene)


@pytest.mark.parametrize("after", range(45))
def test_a_report_counts_before_a_replace_or_behind_it(after):
    """Shares are canceled so many cycles behind a seek, or before: the Replace sees all of it or waits with it."""

    async def scene(one):
        await one.enter(3, 7)
        start = one.cycle + 30
        report = start - 20 + after
        for _ in range(60):
            sought, said = one.cycle == start, one.cycle == report
            await one.tick(seek=(3, 7) if sought else None, report=says("C", 7, 40) if said else None)
        left = one.sought.shown.left
        assert (one.ctx.get(one.parts.original).quantity, left) in ((100, 100), (60, 60))
        assert await one.ask(3, 9)
        await one.rest()
        assert [change[2:5] for change in one.changes] == [(0 if left == 100 else 40, 0, -400_000)]

    bench(scene)


@pytest.mark.parametrize("behind", range(1, 24))
def test_a_replace_that_is_cut_holds_nothing_up(behind):
    """P12: its frame ends so many cycles behind the seek."""

    async def scene(one):
        await one.enter(3, 7)
        await one.wait(behind, seek=(3, 7), report=says("C", 7, 40))
        await one.wait(60, release=True)
        assert len(one.changes) == 1

    bench(scene)


@pytest.mark.parametrize("before", range(1, 8))
def test_the_release_of_another_one_does_not_unlock(before):
    """P5: a message that was held is judged so many cycles before a seek; then shares of the order are canceled."""

    async def scene(one):
        await one.enter(3, 7)
        await one.wait(before, release=True)
        assert await one.seek(3, 7)
        await one.wait(40, report=says("C", 7, 40))
        assert await one.ask(3, 9)
        await one.rest()
        assert [change[2:5] for change in one.changes] == [(0, 0, -400_000)]
        assert not await one.replace(3, 7, 10, 150)

    bench(scene)


def test_a_replace_whose_order_did_not_leave_is_withdrawn_by_itself():
    """The order is forgotten, and another one has its slot: nothing of that changes."""

    async def scene(one):
        slot = await one.enter(3, SAME[0])
        assert await one.replace(3, SAME[0], 9, 150)
        await one.tick(forget=(3, SAME[0], slot))
        assert await one.enter(4, SAME[1], row=20, quantity=7) == slot
        for _ in range(2):
            await one.tick(withdraw=(3, 9))
        await one.rest()
        assert one.changes == [Change(10, 3, 50, 0, -1_650_000, None)] and not one.told
        await one.tick(report=says("C", SAME[1], 7, lane=4))
        await one.rest()
        assert one.changes[1:] == [Change(20, 4, 7, 0, -70_000, None)]

    bench(scene)


@pytest.mark.parametrize("behind", range(1, 36))
def test_what_is_withdrawn_leaves_the_slot_of_its_order_to_another_one(behind):
    """The order was forgotten; another one enters its slot so many cycles behind the withdrawal."""

    async def scene(one):
        slot = await one.enter(3, SAME[0])
        assert await one.replace(3, SAME[0], 9, 150)
        await one.tick(forget=(3, SAME[0], slot))
        assert await one.probe(4, SAME[1]) == slot
        await one.wait(behind, withdraw=(3, 9))
        await one.tick(enter=(4, SAME[1], 20, 7, 10_000, None))
        await one.rest()
        await one.tick(report=says("C", SAME[1], 3, lane=4))
        await one.rest()
        assert one.changes == [Change(10, 3, 50, 0, -1_650_000, None), Change(20, 4, 3, 0, -30_000, None)]
        assert await one.seek(4, SAME[1])

    bench(scene)


def test_an_order_that_is_forgotten_before_its_replace_is_charged_is_not_asked():
    """Another one has its slot by then: nothing of that changes, and the Replace is by itself."""

    async def scene(one):
        slot = await one.enter(3, SAME[0])
        assert await one.seek(3, SAME[0])
        await one.tick(forget=(3, SAME[0], slot))
        assert await one.enter(4, SAME[1], row=20, quantity=7) == slot
        assert await one.ask(3, 9)
        assert await one.seek(4, SAME[1])
        await one.tick(release=True)
        await one.tick(withdraw=(3, 9))
        await one.rest()
        await one.tick(report=says("C", SAME[1], 7, lane=4))
        await one.rest()
        assert one.changes == [Change(10, 3, 50, 0, -1_650_000, None), Change(20, 4, 7, 0, -70_000, None)]

    bench(scene)


def test_a_withdrawal_too_many_is_a_fault_and_the_others_are_applied():
    async def scene(one):
        ctx, parts = one.ctx, one.parts
        await one.enter(3, 7)
        assert await one.replace(3, 7, 9, 150)
        ctx.set(parts.withdraw, 1)
        faults, changes = [], 0
        for number in range(WITHDRAWALS + 8):
            ctx.set(parts.withdrawn, {"lane": 3, "user_ref": number})
            await ctx.tick()
            faults.append(ctx.get(parts.fault))
        ctx.set(parts.withdraw, 0)
        for _ in range(1000):
            await ctx.tick()
            changes += ctx.get(parts.change.valid)
        assert not any(faults[: WITHDRAWALS - 1]) and any(faults)
        assert changes == 1

    bench(scene)


class Chains:
    """Orders, Replaces of them and reports at random, as an exchange could send them; some Replaces do not leave."""

    def __init__(self, one, random):
        self.one, self.random, self.seen = one, random, Counter()
        self.number, self.plan, self.withdrawn, self.next_report = 0, [], [], 0
        one.ready = lambda: random.random() < self.pace
        self.pace = 0.5

    def choose(self):
        """Return the next things to do, with the cycles between them."""
        self.number += self.random.choice((1, 64, 64))
        live = list(self.one.evidence.orders)
        lane, original = self.random.choice(live) if live and self.random.random() < 0.9 else (0, 2**31)
        if self.random.random() < 0.3:
            lane = self.random.randrange(8)
            return [("probe", (lane, self.number), LOOKUP + 1), ("enter", (lane, self.number), 4)]
        steps = [("seek", (lane, original), SEEN), ("probe", (lane, self.number), LOOKUP + 1)]
        if self.random.random() < 0.3:  # another one's, just before
            steps.insert(0, ("release", None, self.random.randint(1, 6)))
        return [*steps, ("release", None, 2), ("ask", (lane, original), 3)]

    async def step(self):
        one, random, events = self.one, self.random, {}
        if not self.plan:
            self.plan, self.at = self.choose(), one.cycle + random.choice((5, 20, 60))
        if one.cycle == self.at:
            kind, what, wait = self.plan.pop(0)
            self.at += wait + (random.choice((0, 0, 3)) if kind != "release" else 0)
            if kind in ("probe", "seek"):
                events[kind] = what
                self.probed = one.cycle
            elif kind == "release":
                events["release"] = True
            else:
                self.enter(kind, what, events)
        if self.withdrawn and random.random() < 0.02:
            events["withdraw"] = self.withdrawn.pop(0)
        if one.cycle >= self.next_report and random.random() < 0.5 and (report := self.report()):
            events["report"] = report
            self.next_report = one.cycle + random.choice((23, 40, 100))
        await one.tick(**events)

    def enter(self, kind, what, events):
        one, random, lane = self.one, self.random, what[0]
        room = one.evidence.room(lane, self.number, self.probed)
        assert one.ctx.get(one.parts.room) == room
        if kind == "enter" and room:
            quantity, price = random.choice((1, 100, random.randrange(1, 1_000_000))), random.randrange(1, 2**31)
            parent = random.choice((None, random.randrange(512)))
            events["enter"] = lane, self.number, random.randrange(1024), quantity, price, parent
        elif kind == "ask":
            shown = one.sought and one.sought.shown
            can = shown is not None and shown.left and not shown.pending
            assert one.ctx.get(one.parts.open) == bool(shown and (shown.left or shown.asks(what[1])))
            self.seen["sought" if can else "none"] += 1
            if can:
                seen = one.ctx.get(one.parts.original)
                assert (seen.quantity, seen.total, seen.asked, seen.pending) == (shown.left, shown.live, 0, 0)
            if can and room and random.random() < 0.9:
                total = random.choice((shown.live, random.randrange(1, 1_000_000), max(1, shown.exe)))
                events["ask"] = self.number, total, random.randrange(1, 2**31)
                self.seen["asked"] += 1
                if random.random() < 0.2:
                    self.withdrawn.append((lane, self.number))

    def report(self):
        """Return what an exchange could say, mostly: it does not know of Replaces that did not leave."""
        random, orders = self.random, self.one.evidence.orders
        if not orders or random.random() < 0.02:
            return says("E", 2**31 + 1, 1, 1)
        lane, ref = random.choice(list(orders))
        chain = orders[lane, ref]
        if chain.asks(ref):
            if (lane, ref) in self.withdrawn:
                return None
            kind, most = random.choice("UUUUJ" + "ECA" * (random.random() < 0.05)), chain.pending.total - chain.exe
        else:
            kind, most = random.choice("AEEECDMJ" + "U" * (random.random() < 0.05)), chain.left
        most = max(0, most)
        quantity = random.choice((most, random.randint(0, most), random.randint(0, most)))
        if random.random() < 0.02:
            quantity = random.choice((most + 1, 2**20 - 1, 2**32 - 1))
        dead = kind in "AU" and random.random() < 0.1
        self.seen[kind + "-" * chain.asks(ref)] += 1
        return Report(lane, ord(kind), ref, 0, quantity * (kind != "J"), random.randrange(2**32), int(dead))


@pytest.mark.parametrize("seed", range(4))
def test_random_reports_change_what_the_golden_model_says_in_its_cycle(seed):
    async def scene(one):
        play = Chains(one, Random(seed))
        for number in range(20_000):
            if number % 1000 == 0:
                play.pace = play.random.choice((1.0, 0.5, 0.1))
            await play.step()
        assert min(play.seen[what] for what in ("sought", "none", "asked", "U-", "J-", "E", "C")) > 4, play.seen
        assert set(one.told) == set(Contradiction), one.told
        assert one.evidence.seen["W"] > 5

    bench(scene)

"""The open orders: what reports change, by hand and against the golden model, each change in its cycle."""

from collections import Counter
from random import Random

import pytest

from hdl.filter.hearing import REPORTS, WITHDRAWALS
from hdl.filter.open_orders import OpenOrders
from hdl.wire.event import Contradiction
from sim.evidence import BUCKET, Change, Evidence, bucket
from sim.replies import Report
from tests.cycles import simulate

ALL = 0xFF
LOOKUP = 12  # cycles from a probe to its result
SEEN = 17  # from a seek to what it has found
LIMIT = 1000


class Bench:
    """One cycle after the other, beside the golden model."""

    def __init__(self, ctx, parts, *, heard=ALL, older=0):
        self.ctx, self.parts, self.cycle = ctx, parts, 0
        self.evidence = Evidence(*([n for n in range(8) if lanes >> n & 1] for lanes in (heard, older)))
        self.older, self.changes, self.told, self.ready = older, [], [], True
        ctx.set(parts.heard, heard)

    async def empty(self):
        """Forget everything, as after a reset."""
        ctx, parts = self.ctx, self.parts
        ctx.set(parts.clearing, 1)
        ctx.set(parts.clear, 1)
        self.evidence.clear()
        for place in range(256):
            ctx.set(parts.clear_place, place)
            await self.tick()
        ctx.set(parts.clearing, 0)
        ctx.set(parts.clear, 0)

    async def tick(
        self, *, probe=None, enter=None, forget=None, report=None, seek=None, ask=None, release=False, withdraw=None
    ):
        """One cycle. enter: (lane, ref, row, quantity, price, parent), probed before; forget: (lane, ref, slot); ask:
        (ref, total, price), probed before, of what was sought last."""
        ctx, parts, model, now = self.ctx, self.parts, self.evidence, self.cycle
        probes, enters = seek or probe, enter or ask
        for name, value in (("probe", probes), ("enter", enters), ("forget", forget), ("report_valid", report)):
            ctx.set(getattr(parts, name), value is not None)
        for name, value in (("seek", seek), ("asks", ask), ("withdraw", withdraw)):
            ctx.set(getattr(parts, name), value is not None)
        ctx.set(parts.release, release)
        if probes:
            ctx.set(parts.probe_lane, probes[0])
            ctx.set(parts.probe_ref, probes[1])
        if probe:
            model.probe(now)
        if seek:
            model.run(now)
            self.sought = model.seek(now, *seek)
        if release:
            model.release(now)
        if withdraw:
            ctx.set(parts.withdrawn, {"lane": withdraw[0], "user_ref": withdraw[1]})
            model.withdraw(now, *withdraw)
        if enter:
            _, _, row, quantity, price, parent = enter
            family = {"parent": parent or 0, "child": parent is not None}
            order = {"index": row >> 1, "sell": row & 1, "price": price, "quantity": quantity, "pending": 0}
            ctx.set(parts.order, order | family | {"total": quantity})
            model.enter(now, *enter)
        if ask:
            _, total, price = ask
            shown = self.sought.shown
            order = {"index": shown.index, "sell": not shown.buy, "price": price, "quantity": total, "pending": 1}
            family = {"parent": shown.parent or 0, "child": shown.parent is not None}
            ctx.set(parts.order, order | family | {"total": total - shown.live})
            model.ask(now, self.sought, *ask)
        if forget:
            ctx.set(parts.forget_slot, forget[2])
            model.forget(now, *forget[:2])
        if report:
            ctx.set(parts.report, report._asdict())
            ctx.set(parts.older, self.older >> report.lane & 1)
            model.report(now, report)
        ready = self.ready if isinstance(self.ready, bool) else self.ready()
        ctx.set(parts.change.ready, ready)
        model.run(now)
        await ctx.delay(1e-9)
        expected = model.offer and model.offer[0] <= now
        assert ctx.get(parts.change.valid) == bool(expected), f"cycle {now}: {model.offer}"
        if expected:
            seen = ctx.get(parts.change.payload)
            notional = (seen.notional ^ 1 << 52) - (1 << 52)
            parent = seen.parent if seen.child else None
            change = Change(2 * seen.index + seen.sell, seen.lane, seen.released, seen.executed, notional, parent)
            assert seen.back == seen.released - seen.executed
            assert change == model.offer[1]
            if ready:
                self.changes.append(change)
                model.take(now)
                model.run(now)
        told = [one for one in model.told if one.at == now]
        assert ctx.get(parts.contradicted_valid) == len(told), f"cycle {now}: {model.told[-1:]}"
        if told:
            seen = ctx.get(parts.contradicted)
            report = told[0].report
            assert (seen.lane, seen.what, seen.user_ref) == (told[0].lane, told[0].what, report.user_ref)
            assert seen.quantity == report.quantity
            assert ctx.get(parts.contradicts) == told[0].kills
            self.told.append(told[0].what)
        else:
            assert not ctx.get(parts.contradicts)
        assert not ctx.get(parts.fault)
        await ctx.tick()
        self.cycle += 1

    async def rest(self):
        for _ in range(LIMIT):
            await self.tick()
            if not self.ctx.get(self.parts.busy):
                await self.tick()  # what contradicts is told a cycle later
                return
        raise AssertionError("never at rest")

    async def enter(self, lane, ref, row=10, quantity=100, price=10_000, parent=None):
        """Look up and enter an order; return its slot, None if there is no room."""
        await self.tick(probe=(lane, ref))
        for _ in range(LOOKUP):
            await self.tick()
        room, slot = self.ctx.get(self.parts.room), self.ctx.get(self.parts.slot)
        assert room == self.evidence.room(lane, ref, self.cycle - LOOKUP - 1)
        if not room:
            return None
        await self.tick(enter=(lane, ref, row, quantity, price, parent))
        return slot

    async def seek(self, lane, original):
        """Look up what is to be replaced; return whether it is there, and can be."""
        await self.tick(seek=(lane, original))
        for _ in range(SEEN - 1):
            await self.tick()
        shown, seen = self.sought and self.sought.shown, self.ctx.get(self.parts.original)
        found = shown is not None and bool(shown.left or shown.asks(original))
        assert self.ctx.get(self.parts.open) == found
        if not found:
            return False
        if shown.asks(original):
            assert seen.pending
            return False
        told = (seen.index, seen.sell, seen.quantity, seen.total, seen.parent if seen.child else None, seen.pending)
        assert told == (shown.index, not shown.buy, shown.left, shown.live, shown.parent, 0)
        assert seen.asked == (shown.pending is not None)
        return not seen.asked

    async def replace(self, lane, original, ref, total, price=11_000):
        """Let a Replace go; return whether there was an order, and room."""
        if not await self.seek(lane, original):
            await self.tick(release=True)
            return False
        await self.tick(probe=(lane, ref))
        for _ in range(LOOKUP):
            await self.tick()
        room = self.ctx.get(self.parts.room)
        await self.tick(release=True)
        await self.tick()
        if room:
            await self.tick(ask=(ref, total, price))
            await self.tick()
        return bool(room)


def bench(scene, **lanes):
    """Play `scene(bench)` on a component whose index is empty."""
    parts = OpenOrders()

    async def play(ctx):
        one = Bench(ctx, parts, **lanes)
        await one.empty()
        await scene(one)

    simulate(parts, play)


def says(kind, ref, quantity=0, price=0, dead=0, lane=3):
    return Report(lane, ord(kind), ref, 0, quantity, price, dead)


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
    """An order of 100 shares at one dollar: released, executed and notional, worked out by hand; and whose child."""
    reports, changes, told = CASES[name]

    async def scene(one):
        await one.enter(3, 7, parent=parent)
        for report in reports:
            await one.tick(report=report)
            await one.rest()
        assert [(*change[2:5], change.parent) for change in one.changes] == [(*change, parent) for change in changes]
        assert [what.name for what in one.told] == told

    bench(scene)


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
            await one.tick(probe=(2, ref))
            for _ in range(LOOKUP):
                await one.tick()
            slot = one.ctx.get(one.parts.slot)
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


@pytest.mark.parametrize("behind", range(1, 24))
def test_a_replace_that_is_cut_holds_nothing_up(behind):
    """P12: its frame ends so many cycles behind the seek."""

    async def scene(one):
        await one.enter(3, 7)
        await one.tick(seek=(3, 7), report=says("C", 7, 40))
        for cycle in range(1, 60):
            await one.tick(release=cycle == behind)
        assert len(one.changes) == 1

    bench(scene)


@pytest.mark.parametrize("before", range(1, 8))
def test_the_release_of_another_one_does_not_unlock(before):
    """P5: a message that was held is judged so many cycles before a seek; then shares of the order are canceled."""

    async def scene(one):
        await one.enter(3, 7)
        await one.tick(release=True)
        for _ in range(before - 1):
            await one.tick()
        assert await one.seek(3, 7)
        await one.tick(probe=(3, 9), report=says("C", 7, 40))
        for _ in range(40):
            await one.tick()
        await one.tick(release=True)
        await one.tick()
        await one.tick(ask=(9, 150, 11_000))
        await one.rest()
        assert [change[2:5] for change in one.changes] == [(0, 0, -400_000)]
        assert not await one.replace(3, 7, 10, 150)

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
def test_random_reports_of_chains_change_what_the_golden_model_says_in_its_cycle(seed):
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


ASKED = {  # by hand: an order of 100 shares at one dollar, its Replace of so many at 1.10, reports, changes, told
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
@pytest.mark.parametrize("name", ASKED)
def test_what_a_report_changes_of_a_chain(name, parent):
    total, reports, changes, told = ASKED[name]

    async def scene(one):
        await one.enter(3, 7, parent=parent)
        assert await one.replace(3, 7, 9, total)
        for report in reports:
            await one.tick(report=report)
            await one.rest()
        assert [(*change[2:5], change.parent) for change in one.changes] == [(*change, parent) for change in changes]
        assert [what.name for what in one.told] == told

    bench(scene)


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


def test_a_replace_whose_order_did_not_leave_is_withdrawn_by_itself():
    """The order is forgotten, and another one has its slot: nothing of that changes."""

    async def scene(one):
        refs = [ref for ref in range(1, 4000) if bucket(ref) == 5][:2]
        slot = await one.enter(3, refs[0])
        assert await one.replace(3, refs[0], 9, 150)
        await one.tick(forget=(3, refs[0], slot))
        assert await one.enter(4, refs[1], row=20, quantity=7) == slot
        await one.tick(withdraw=(3, 9))
        await one.tick(withdraw=(3, 9))
        await one.rest()
        assert one.changes == [Change(10, 3, 50, 0, -1_650_000, None)] and not one.told
        await one.tick(report=says("C", refs[1], 7, lane=4))
        await one.rest()
        assert one.changes[1:] == [Change(20, 4, 7, 0, -70_000, None)]

    bench(scene)


SAME = [ref for ref in range(1, 4000) if bucket(ref) == 5][:2]  # numbers that have a bucket in common


@pytest.mark.parametrize("behind", range(1, 36))
def test_what_is_withdrawn_leaves_the_slot_of_its_order_to_another_one(behind):
    """The order was forgotten; another one enters its slot so many cycles behind the withdrawal."""

    async def scene(one):
        slot = await one.enter(3, SAME[0])
        assert await one.replace(3, SAME[0], 9, 150)
        await one.tick(forget=(3, SAME[0], slot))
        await one.tick(probe=(4, SAME[1]))
        for _ in range(LOOKUP):
            await one.tick()
        assert one.ctx.get(one.parts.slot) == slot
        await one.tick(withdraw=(3, 9))
        for _ in range(behind - 1):
            await one.tick()
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
        await one.tick(probe=(3, 9))
        for _ in range(LOOKUP):
            await one.tick()
        await one.tick(release=True)
        await one.tick()
        await one.tick(ask=(9, 150, 11_000))
        await one.tick()
        assert await one.seek(4, SAME[1])
        await one.tick(release=True)
        await one.tick(withdraw=(3, 9))
        await one.rest()
        await one.tick(report=says("C", SAME[1], 7, lane=4))
        await one.rest()
        assert one.changes == [Change(10, 3, 50, 0, -1_650_000, None), Change(20, 4, 7, 0, -70_000, None)]

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
        await one.tick(probe=(3, 9))
        for _ in range(LOOKUP):
            await one.tick()
        await one.tick(release=True)
        await one.tick()
        await one.tick(ask=(9, 150, 11_000))
        await one.rest()
        assert [change[2:5] for change in one.changes] == [(0 if left == 100 else 40, 0, -400_000)]

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


def test_a_withdrawal_too_many_is_a_fault():
    async def scene(one):
        ctx, parts = one.ctx, one.parts
        ctx.set(parts.withdraw, 1)
        faults = []
        for _ in range(WITHDRAWALS + 8):
            await ctx.tick()
            faults.append(ctx.get(parts.fault))
        assert not any(faults[: WITHDRAWALS - 1]) and any(faults)

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

"""A bench of the open orders: one cycle after the other, beside the golden model; shared by two files of tests."""

from hdl.filter.open_orders import OpenOrders
from sim.evidence import Change, Evidence
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

    async def wait(self, cycles, **events):
        """The first of so many cycles has `events`."""
        for cycle in range(cycles):
            await self.tick(**(events if not cycle else {}))

    async def probe(self, lane, ref):
        """Look up a place; return its slot, None if there is none."""
        await self.wait(1 + LOOKUP, probe=(lane, ref))
        room = self.ctx.get(self.parts.room)
        assert room == self.evidence.room(lane, ref, self.cycle - LOOKUP - 1)
        return self.ctx.get(self.parts.slot) if room else None

    async def enter(self, lane, ref, row=10, quantity=100, price=10_000, parent=None):
        """Look up and enter an order; return its slot, None if there is no room."""
        slot = await self.probe(lane, ref)
        if slot is not None:
            await self.tick(enter=(lane, ref, row, quantity, price, parent))
        return slot

    async def seek(self, lane, original):
        """Look up what is to be replaced; return whether it is there, and can be."""
        await self.wait(SEEN, seek=(lane, original))
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
        return await self.ask(lane, ref, total, price)

    async def ask(self, lane, ref, total=150, price=11_000):
        """A Replace of what was sought last is judged; return whether there was room."""
        slot = await self.probe(lane, ref)
        await self.wait(2, release=True)
        if slot is not None:
            await self.wait(2, ask=(ref, total, price))
        return slot is not None


def bench(scene, **lanes):
    """Play `scene(bench)` on a component whose index is empty."""
    parts = OpenOrders()

    async def play(ctx):
        one = Bench(ctx, parts, **lanes)
        await one.empty()
        await scene(one)

    simulate(parts, play)


def play_by_hand(reports, changes, told, *, parent, total=None):
    """An order of 100 shares at one dollar, number 7 of lane 3, and with `total` its Replace at 1.10, number 9.

    The changes of `reports` are (released, executed, notional) each, and belong to `parent`.
    """

    async def scene(one):
        await one.enter(3, 7, parent=parent)
        if total is not None:
            assert await one.replace(3, 7, 9, total)
        for report in reports:
            await one.tick(report=report)
            await one.rest()
        assert [(*change[2:5], change.parent) for change in one.changes] == [(*change, parent) for change in changes]
        assert [what.name for what in one.told] == told

    bench(scene)


def says(kind, ref, quantity=0, price=0, dead=0, lane=3):
    return Report(lane, ord(kind), ref, 0, quantity, price, dead)

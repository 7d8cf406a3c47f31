"""The capture registers: which cycle each of them holds."""

from hdl.filter.capture import Capture
from tests.cycles import simulate


class Clock:
    """Advances `now` with every tick, from a time far from 0."""

    def __init__(self, ctx, capture, now=0x1_0000_0000):
        self.ctx, self.capture, self.now = ctx, capture, now

    async def tick(self, cycles=1, **strobes):
        for name, value in strobes.items():
            self.ctx.set(getattr(self.capture, name), value)
        for _ in range(cycles):
            self.ctx.set(self.capture.now, self.now)
            await self.ctx.tick()
            self.now += 1
        for name in strobes:
            self.ctx.set(getattr(self.capture, name), 0)


def test_the_first_kill_edge_after_an_arm_is_kept_with_its_source_and_lanes():
    capture = Capture()

    async def bench(ctx):
        clock = Clock(ctx, capture)
        await clock.tick(5, killed=0xFF)
        await clock.tick(request=0xFF, sources=0b10, killed=0xFF)  # every lane is killed already: no edge
        await clock.tick(3)
        assert ctx.get(capture.kill_at) == 0
        await clock.tick(opened=0xFF)
        await clock.tick(10)
        edge = clock.now
        await clock.tick(request=0x80, sources=0b10000)
        await clock.tick(4)
        await clock.tick(request=0x7F, sources=0b100)  # a later edge does not replace it
        await clock.tick(4)
        assert ctx.get(capture.kill_at) == edge
        assert ctx.get(capture.kill_cause) == 0x8010
        assert ctx.get(capture.cause) == 0b10100

    simulate(capture, bench)


def test_an_order_that_completes_on_a_killed_lane_is_late_from_five_cycles_after_the_edge():
    """P1: 4 cycles after the edge is still within the bound, 5 is not; other lanes do not count."""
    for distance, lane, late, ends in ((1, 2, 0, 1), (4, 2, 0, 1), (5, 2, 3, 1), (5, 1, 0, 0), (0, 2, 0, 0)):
        capture = Capture()

        async def bench(ctx, capture=capture, distance=distance, lane=lane, late=late, ends=ends):
            clock = Clock(ctx, capture)
            await clock.tick(opened=0xFF)
            await clock.tick(9)
            edge = clock.now
            for cycle in range(12):
                ctx.set(capture.request, 0x04 if cycle == 0 else 0)
                ctx.set(capture.killed, 0x04 if cycle > 0 else 0)
                ctx.set(capture.sent, cycle == distance)
                ctx.set(capture.lane, lane)
                ctx.set(capture.orders, 3)
                await clock.tick()
            assert ctx.get(capture.after_orders) == late
            assert ctx.get(capture.after_end) == (edge + distance if ends else 0)

        simulate(capture, bench)


def test_a_breach_is_dated_from_its_orders_last_octet_on_the_pins():
    capture = Capture()

    async def bench(ctx):
        clock = Clock(ctx, capture)
        await clock.tick(20)
        on_the_pins = clock.now - 3
        await clock.tick(last_octet=1)
        await clock.tick(2)
        decided = clock.now
        await clock.tick(breached=1)
        await clock.tick(30)
        assert ctx.get(capture.breach_at) == decided
        assert ctx.get(capture.breach_after) == decided - on_the_pins

    simulate(capture, bench)


def test_an_arm_clears_what_the_kill_left():
    capture = Capture()

    async def bench(ctx):
        clock = Clock(ctx, capture)
        await clock.tick(opened=0xFF)
        await clock.tick(request=0xFF, sources=0b10)
        await clock.tick(3, killed=0xFF)
        await clock.tick(killed=0xFF, aborted=1, lane=1, orders=1)
        await clock.tick(3, killed=0xFF)
        assert ctx.get(capture.aborts) == 1
        await clock.tick(opened=0x01)
        await clock.tick(2)
        for register in (capture.kill_at, capture.kill_cause, capture.aborts, capture.cause, capture.after_end):
            assert ctx.get(register) == 0

    simulate(capture, bench)

"""The capture registers: which cycle each of them holds."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.filter.bus import Bus
from hdl.filter.capture import Capture
from hdl.filter.status import Status
from hdl.wire.registers import Reg
from hdl.wire.verdict import Source
from tests.cycles import simulate


class Board(wiring.Component):
    """The capture registers, with the status from which they are read."""

    bus: In(Bus)
    now: In(64)

    def __init__(self):
        super().__init__()
        self.capture = Capture()
        self.status = Status(self.capture.registers, self.capture.moments)

    def elaborate(self, platform):
        m = Module()
        m.submodules.capture, m.submodules.status = self.capture, self.status
        wiring.connect(m, wiring.flipped(self.bus), self.status.bus)
        m.d.comb += self.status.now.eq(self.now)
        return m


class Clock:
    """Advances `now` with every tick, from a time far from 0, and reads registers."""

    def __init__(self, ctx, board, now=0x1_0000_0000):
        self.ctx, self.board, self.now = ctx, board, now

    async def tick(self, cycles=1, **strobes):
        for name, value in strobes.items():
            self.ctx.set(getattr(self.board.capture, name), value)
        for _ in range(cycles):
            self.ctx.set(self.board.now, self.now)
            await self.ctx.tick()
            self.now += 1
        for name in strobes:
            self.ctx.set(getattr(self.board.capture, name), 0)

    async def word(self, address):
        ctx, bus = self.ctx, self.board.bus
        ctx.set(bus.address, address)
        ctx.set(bus.request, 1)
        await self.tick()
        ctx.set(bus.request, 0)
        while not ctx.get(bus.ack):
            await self.tick()
        assert not ctx.get(bus.error)
        return ctx.get(bus.value)

    async def read(self, reg):
        """Return a register as it is in a while, when moments show: 64 bits of a moment."""
        await self.tick(34)
        low = await self.word(reg)
        return low | await self.word(reg + 1) << 32 if reg in self.board.capture.moments else low


def test_every_source_has_its_bit():
    board = Board()

    async def bench(ctx):
        clock = Clock(ctx, board)
        for source in Source:
            await clock.tick(opened=0xFF)
            await clock.tick(10)
            await clock.tick(request=0xFF, sources=1 << source)
            await clock.tick(4, killed=0xFF)
            assert await clock.read(Reg.KILL_CAUSE) == 0xFF << 8 | 1 << source
            assert await clock.read(Reg.CAUSE) == 1 << source

    simulate(board, bench)


def test_the_first_kill_edge_after_an_arm_is_kept_with_its_source_and_lanes():
    board = Board()

    async def bench(ctx):
        clock = Clock(ctx, board)
        await clock.tick(5, killed=0xFF)
        await clock.tick(request=0xFF, sources=0b10, killed=0xFF)  # every lane is killed already: no edge
        await clock.tick(3)
        assert await clock.read(Reg.KILL_AT) == 0
        await clock.tick(opened=0xFF)
        await clock.tick(10)
        edge = clock.now
        await clock.tick(request=0x80, sources=0b10000)
        await clock.tick(4)
        await clock.tick(request=0x7F, sources=0b100)  # a later edge does not replace it
        await clock.tick(4)
        assert await clock.read(Reg.KILL_AT) == edge
        assert await clock.read(Reg.KILL_CAUSE) == 0x8010
        assert await clock.read(Reg.CAUSE) == 0b10100

    simulate(board, bench)


def test_an_order_that_completes_on_a_killed_lane_is_late_from_five_cycles_after_the_edge():
    """P1: 4 cycles after the edge is still within the bound, 5 is not; other lanes do not count."""
    for distance, lane, late, ends in ((1, 2, 0, 1), (4, 2, 0, 1), (5, 2, 3, 1), (5, 1, 0, 0), (0, 2, 0, 0)):
        board = Board()

        async def bench(ctx, board=board, distance=distance, lane=lane, late=late, ends=ends):
            clock, capture = Clock(ctx, board), board.capture
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
            assert await clock.read(Reg.AFTER_ORDERS) == late
            assert await clock.read(Reg.AFTER_END) == (edge + distance if ends else 0)

        simulate(board, bench)


def test_a_lane_that_was_open_in_between_is_late_from_its_last_edge():
    """P1: a cycle or more of open lane ends the age of the edge before."""
    for open_cycles in (1, 2, 3, 4):
        for distance, late in ((1, 0), (2, 0), (3, 0), (4, 0), (5, 3)):
            board = Board()

            async def bench(ctx, board=board, open_cycles=open_cycles, distance=distance, late=late):
                clock, capture = Clock(ctx, board), board.capture
                await clock.tick(opened=0xFF)
                await clock.tick(9)
                await clock.tick(10, killed=0x10)
                await clock.tick(open_cycles, killed=0x00)
                ctx.set(capture.killed, 0x10)
                await clock.tick(distance - 1)
                await clock.tick(sent=1, lane=4, orders=3)
                assert await clock.read(Reg.AFTER_ORDERS) == late

            simulate(board, bench)


def test_a_breach_is_dated_from_its_orders_last_octet_on_the_pins():
    board = Board()

    async def bench(ctx):
        clock = Clock(ctx, board)
        await clock.tick(20)
        on_the_pins = clock.now - 3
        await clock.tick(last_octet=1)
        await clock.tick(2)
        decided = clock.now
        await clock.tick(tripped=1)
        await clock.tick(30)
        assert await clock.read(Reg.BREACH_AT) == decided
        assert await clock.read(Reg.BREACH_AFTER) == decided - on_the_pins

    simulate(board, bench)


def test_an_arm_clears_what_the_kill_left():
    board = Board()

    async def bench(ctx):
        clock = Clock(ctx, board)
        await clock.tick(opened=0xFF)
        await clock.tick(request=0xFF, sources=0b10)
        await clock.tick(3, killed=0xFF)
        await clock.tick(killed=0xFF, aborted=1, lane=1, orders=1)
        await clock.tick(3, killed=0xFF)
        assert await clock.read(Reg.ABORTS) == 1
        await clock.tick(opened=0x01)
        await clock.tick(2)
        for register in (Reg.KILL_AT, Reg.KILL_CAUSE, Reg.ABORTS, Reg.CAUSE, Reg.AFTER_END):
            assert await clock.read(register) == 0

    simulate(board, bench)


def test_late_orders_and_aborts_add_up():
    """Frames one behind the other, of up to 127 orders; an arm clears also what is being counted."""
    board = Board()

    async def bench(ctx):
        clock = Clock(ctx, board)
        await clock.tick(opened=0xFF)
        await clock.tick(request=0xFF, sources=0b10)
        await clock.tick(6, killed=0xFF)
        ctx.set(board.capture.killed, 0xFF)
        late, aborts = 0, 0
        for number in range(600):
            orders = (0, 1, 127, 85)[number % 4]
            if number % 3:
                await clock.tick(sent=1, lane=number % 9, orders=orders)
                late += orders if number % 9 < 8 else 0
            else:
                await clock.tick(aborted=1, lane=number % 9, orders=orders)
                aborts += 1
            await clock.tick(39)
        assert (await clock.read(Reg.AFTER_ORDERS), await clock.read(Reg.ABORTS)) == (late, aborts)
        assert late > 1 << 14
        for strobes in ({"sent": 1, "lane": 1, "orders": 127}, {"aborted": 1}):
            for cycles in (1, 2, 20):
                await clock.tick(**strobes)
                await clock.tick(cycles)
                await clock.tick(opened=0x01)
                assert (await clock.read(Reg.AFTER_ORDERS), await clock.read(Reg.ABORTS)) == (0, 0), cycles

    simulate(board, bench)

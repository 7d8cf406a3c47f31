"""The index of open orders: what a search sees of what is written meanwhile, word by word."""

from collections import Counter

import pytest

from hdl.filter.order_index import OrderIndex
from sim.evidence import bucket
from tests.cycles import simulate

LANE, REF = 5, 0x1234_5678
BUCKET = bucket(REF)
KEY = {"high": REF >> 6, "lane": LANE, "used": 1}
NONE = {"high": 0, "lane": 0, "used": 0}
ASKED = 2  # cycles from a search's begin to its first word
SEEN = 8  # cycles from there to the end


class Bench:
    def __init__(self, ctx, index):
        self.ctx, self.index = ctx, index

    async def write(self, slot, key):
        self.put(slot, key)
        await self.ctx.tick()
        self.ctx.set(self.index.write, 0)

    def put(self, slot, key):
        self.ctx.set(self.index.write, 1)
        self.ctx.set(self.index.write_slot, slot)
        self.ctx.set(self.index.write_key, key)

    async def fill(self, last):
        """Others are in every slot of the bucket, but `last` in the last one."""
        for place in range(8):
            await self.write(BUCKET << 3 | place, last if place == 7 else KEY | {"lane": place % 5})

    async def search(self, begin, *, write=None):
        """Search from now on; `write`: (cycle, slot, key), counted from here."""
        ctx, index = self.ctx, self.index
        begin()
        for cycle in range(ASKED + 4 + SEEN):
            ctx.set(index.write, 0)
            if write and cycle == write[0]:
                self.put(*write[1:])
            await ctx.tick()
            ctx.set(index.probe, 0)
            if ctx.get(index.done):
                ctx.set(index.find, 0)

    def find(self):
        self.ctx.set(self.index.find, 1)
        self.ctx.set(self.index.lane, LANE)
        self.ctx.set(self.index.ref, REF)

    def probe(self):
        self.ctx.set(self.index.probe, 1)
        self.ctx.set(self.index.probe_lane, LANE)
        self.ctx.set(self.index.probe_ref, REF)


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_what_is_written_in_the_cycle_of_a_word_s_address_is_seen(place, offset):
    """For a report: an order that enters or is forgotten. For a probe: a slot that is taken or freed."""
    index, slot = OrderIndex(), BUCKET << 3 | place
    cycle, seen = ASKED + place // 2 + offset, offset <= 0

    async def testbench(ctx):
        bench = Bench(ctx, index)
        await bench.search(bench.find, write=(cycle, slot, KEY))
        assert ctx.get(index.found) == seen
        await bench.search(bench.find)
        assert ctx.get(index.found) and ctx.get(index.found_slot) == slot
        await bench.search(bench.find, write=(cycle, slot, NONE))
        assert ctx.get(index.found) != seen
        for other in range(8):
            await bench.write(BUCKET << 3 | other, KEY | {"lane": 0})
        await bench.search(bench.probe, write=(cycle, slot, NONE))
        assert ctx.get(index.room) == seen
        await bench.search(bench.probe)
        assert ctx.get(index.room) and ctx.get(index.slot) == slot
        await bench.search(bench.probe, write=(cycle, slot, KEY | {"lane": 0}))
        assert ctx.get(index.room) != seen

    simulate(index, testbench)


def test_a_number_that_is_open_has_no_room():
    index = OrderIndex()

    async def testbench(ctx):
        bench = Bench(ctx, index)
        await bench.search(bench.probe)
        assert ctx.get(index.room)
        await bench.write(BUCKET << 3 | 6, KEY)
        await bench.search(bench.probe)
        assert not ctx.get(index.room)
        await bench.write(BUCKET << 3 | 6, KEY | {"lane": 4})
        await bench.search(bench.probe)
        assert ctx.get(index.room)

    simulate(index, testbench)


@pytest.mark.parametrize("distance", range(-14, 14))
def test_a_probe_comes_first_and_neither_disturbs_the_other(distance):
    """A search for a report that begins so many cycles behind a probe: both see their own, in their cycles."""
    index = OrderIndex()

    async def testbench(ctx):
        bench = Bench(ctx, index)
        await bench.fill(NONE)
        await bench.write(3 << 3 | 4, KEY | {"high": 0})
        looks, begin = [], 16
        for cycle in range(60):
            if cycle == begin:
                bench.probe()
            if cycle == begin + distance:
                ctx.set(index.find, 1)
                ctx.set(index.lane, LANE)
                ctx.set(index.ref, 3)
            if ctx.get(index.looks):
                looks.append(cycle - begin)
            await ctx.tick()
            ctx.set(index.probe, 0)
            if ctx.get(index.done):
                done = cycle + 1 - begin
                ctx.set(index.find, 0)
        assert ctx.get(index.found) and ctx.get(index.found_slot) == 3 << 3 | 4
        assert ctx.get(index.room) and ctx.get(index.slot) == BUCKET << 3 | 7
        waits = distance + 1 in range(1, 5)
        assert done == (5 if waits else distance + 1) + 8
        assert looks[0] == 1 and looks[-1] == (distance + 5 + 4 if distance + 2 in range(-1, 2) else 5)

    simulate(index, testbench)


def test_the_bucket_of_a_number():
    """By hand: octets turned by 0, 3, 1 and 5 bits of six. The model's own function gives the same."""
    assert [bucket(ref) for ref in (5, 0x0100, 0x2000, 0x01_0000, 0x0100_0000, 0xC0C0_C0C0)] == [5, 8, 4, 2, 32, 0]
    index = OrderIndex()

    async def testbench(ctx):
        for ref in (0, 1, 0x3F, 0xFFFF_FFFF, 0x3031_3233, 0xDEAD_BEEF):
            ctx.set(index.probe_ref, ref)
            ctx.set(index.probe, 1)
            await ctx.tick()
            ctx.set(index.probe, 0)
            await ctx.tick().repeat(14)
            assert ctx.get(index.slot) >> 3 == bucket(ref)

    simulate(index, testbench)


def test_numbers_in_a_row_and_tokens_that_count_in_digits_spread_over_the_buckets():
    numbers = Counter(bucket(ref) for ref in range(70_000, 70_448))
    tokens = Counter(bucket(int.from_bytes(b"%04d" % ref, "big")) for ref in range(3000, 3128))
    assert max(numbers.values()) <= 8 and max(tokens.values()) <= 8

"""Memory: latency and order of writes, and that the block RAM form is the plain form, cycle by cycle."""

import random
import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.filter.memory import Memory, arrangement, parts
from sim import dp16kd
from tests.cycles import simulate

SHAPES = [
    (1, 2),
    (9, 8192),
    (2, 8192),
    (1, 16384),
    (4, 4096),
    (10, 1024),
    (32, 2048),
    (36, 512),
    (40, 1024),
    (85, 256),
    (20, 1500),
]
PARTS = [(90, 1024, 45), (72, 300, 36), (36, 700, 9)]  # and how many bits can be written by themselves


class Twins(wiring.Component):
    """The plain form and the block RAM form of one memory, side by side."""

    def __init__(self, width, depth, part=None):
        self.plain = Memory(width, depth, part=part)
        self.board = dp16kd.Modelled(Memory(width, depth, part=part))
        super().__init__({name: member for name, member in self.plain.signature.members.items() if member.flow == In})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.plain, self.board]
        for name in self.signature.members:
            m.d.comb += [getattr(memory, name).eq(getattr(self, name)) for memory in (self.plain, self.board)]
        return m


def accesses(rng, depth, count, enables=1):
    """Random accesses, often to addresses used just before, and now and then a write and a read of the same word."""
    recent = [0, depth - 1]
    for _ in range(count):
        write, read = (rng.choice(recent) if rng.random() < 0.6 else rng.randrange(depth) for _ in range(2))
        recent = [*recent[-6:], write, read]
        enable = rng.getrandbits(enables) if enables > 1 else rng.random() < 0.6
        yield enable, write, write if rng.random() < 0.2 else read


@pytest.mark.parametrize(("width", "depth", "part"), [(*shape, shape[0]) for shape in SHAPES] + PARTS)
def test_the_block_ram_form_is_the_plain_form(width, depth, part):
    """Every cycle, but for words that were read while they were written: the device promises nothing about them."""
    twins, rng = Twins(width, depth, part), random.Random(width * depth)

    async def bench(ctx):
        promised, compared = [True, True], 0
        for enable, write, read in accesses(rng, depth, 1500, width // part):
            ctx.set(twins.write_en, enable)
            ctx.set(twins.write_addr, write)
            ctx.set(twins.write_data, rng.getrandbits(width))
            ctx.set(twins.read_addr, read)
            promised.append(not (enable and write == read))
            if promised.pop(0):
                assert ctx.get(twins.board.read_data) == ctx.get(twins.plain.read_data)
                compared += 1
            await ctx.tick()
        assert compared > 800

    simulate(twins, bench)


def test_the_model_of_the_block_ram_shows_a_collision():
    """So that whoever relies on such a word fails in a test with the model."""
    twins = Twins(18, 1024)

    async def bench(ctx):
        ctx.set(twins.write_en, 1)
        ctx.set(twins.write_data, 0x12345)
        await ctx.tick().repeat(2)
        assert ctx.get(twins.plain.read_data) == 0
        assert ctx.get(twins.board.read_data) == 0x3FFFF

    simulate(twins, bench)


@pytest.mark.parametrize("distributed", [False, True])
def test_a_word_is_there_two_cycles_after_its_address_and_one_cycle_after_it_was_written(distributed):
    memory = Memory(12, 40, distributed)

    async def bench(ctx):
        words, shown = [0] * 40, [0, 0]
        rng = random.Random(7)
        for enable, write, read in accesses(rng, 40, 1000):
            assert ctx.get(memory.read_data) == shown.pop(0)
            data = rng.getrandbits(12)
            ctx.set(memory.write_en, enable)
            ctx.set(memory.write_addr, write)
            ctx.set(memory.write_data, data)
            ctx.set(memory.read_addr, read)
            shown.append(words[read])
            if enable:
                words[write] = data
            await ctx.tick()

    simulate(memory, bench)


def test_wide_and_deep_memories_take_the_fewest_block_rams():
    """Counted by hand from 18,432 bits each: journal, frame buffer (octets and marks), event log, exposure."""
    assert arrangement(85, 256) == (36, 3, 1)
    assert arrangement(9, 8192) == (9, 1, 4)
    assert arrangement(2, 8192) == (2, 1, 1)
    assert arrangement(32, 2048) == (9, 4, 1)
    assert arrangement(40, 1024) == (18, 3, 1)


def test_parts_that_a_block_ram_cannot_write_are_refused():
    for width, depth, part in [(40, 1024, 20), (18, 2048, 9), (90, 1024, 36)]:
        message = f"memory of {width} x {depth} can't be written in parts of {part} bits"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            parts(width, depth, part)


def test_a_memory_without_words_is_refused():
    message = "memory must have at least 1 word of 1 bit, not 0 words of 8"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        arrangement(8, 0)

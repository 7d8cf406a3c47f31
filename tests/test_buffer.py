"""The frame buffer: what is stored, what is used again, and how much room a frame needs."""

import random

from hdl.filter.buffer import FrameBuffer
from hdl.filter.marks import Mark
from tests.cycles import simulate

GAP = 13  # cycles between a frame's end and the next frame's first octet


async def receive(ctx, buffer, octets, *, keep, marks=None):
    """Feed one frame as the receiver would; its mark comes four cycles behind each octet."""
    late = [Mark.OTHER] * 4
    for number in range(len(octets) + 1 + GAP):
        inside = number < len(octets)
        ctx.set(buffer.octet, octets[number] if inside else 0)
        ctx.set(buffer.valid, inside)
        ctx.set(buffer.start, inside and number == 0)
        ctx.set(buffer.end, number == len(octets))
        ctx.set(buffer.keep, keep and number == len(octets))
        ctx.set(buffer.length, min(len(octets), 2047))
        ctx.set(buffer.mark, late.pop(0))
        late.append(marks[number] if marks and inside else Mark.OTHER)
        await ctx.tick()


async def leave(ctx, buffer, length, *, take=True):
    """Pop a head and, with `take`, fetch it: return its octets and their marks."""
    ctx.set(buffer.pop, 1)
    ctx.set(buffer.head_length, length)
    ctx.set(buffer.take, take)
    await ctx.tick()
    ctx.set(buffer.pop, 0)
    ctx.set(buffer.take, 0)
    await ctx.tick()
    octets, marks = bytearray(), []
    for number in range(length + 3 if take else 0):
        ctx.set(buffer.fetch, number < length)
        if number >= 3:
            octets.append(ctx.get(buffer.fetched))
            marks.append(ctx.get(buffer.fetched_mark))
        await ctx.tick()
    ctx.set(buffer.freed, 1)
    ctx.set(buffer.freed_octets, length)
    await ctx.tick()
    ctx.set(buffer.freed, 0)
    await ctx.tick().repeat(3)  # until the room shows
    return bytes(octets), marks


def test_kept_frames_come_out_with_their_marks_and_dropped_ones_leave_no_trace():
    buffer = FrameBuffer()
    rng = random.Random(3)

    async def bench(ctx):
        for _ in range(40):
            kept = []
            for _ in range(rng.randrange(1, 5)):
                octets = rng.randbytes(rng.randrange(64, 200))
                marks = rng.choices(list(Mark), k=len(octets))
                keep = rng.random() < 0.6
                await receive(ctx, buffer, octets, keep=keep, marks=marks)
                assert not ctx.get(buffer.overflow)
                if keep:
                    kept.append((octets, marks))
            for octets, marks in kept:
                if rng.random() < 0.2:
                    await leave(ctx, buffer, len(octets), take=False)  # discarded
                else:
                    assert await leave(ctx, buffer, len(octets)) == (octets, marks)

    simulate(buffer, bench)


def test_a_giant_takes_no_more_room_than_the_longest_frame():
    buffer = FrameBuffer()

    async def bench(ctx):
        await receive(ctx, buffer, bytes(5000), keep=False)
        await receive(ctx, buffer, bytes(range(100)), keep=True)
        assert (await leave(ctx, buffer, 100))[0] == bytes(range(100))

    simulate(buffer, bench)


def test_a_frame_that_begins_with_fewer_than_1536_octets_free_overflows():
    """8192 - 1536 = 6656 octets may be taken: 104 frames of 64 octets, and not one octet more."""
    buffer = FrameBuffer()

    async def bench(ctx):
        for _ in range(104):
            await receive(ctx, buffer, bytes(64), keep=True)
            assert not ctx.get(buffer.overflow)
        await receive(ctx, buffer, bytes(64), keep=True)  # begins at exactly 6656 taken
        assert not ctx.get(buffer.overflow)
        await receive(ctx, buffer, bytes(64), keep=False)  # begins at 6720
        assert ctx.get(buffer.overflow)
        await leave(ctx, buffer, 64, take=False)
        await receive(ctx, buffer, b"\xaa" * 64, keep=True)
        assert not ctx.get(buffer.overflow)
        for _ in range(104):
            await leave(ctx, buffer, 64, take=False)
        assert (await leave(ctx, buffer, 64))[0] == b"\xaa" * 64

    simulate(buffer, bench)

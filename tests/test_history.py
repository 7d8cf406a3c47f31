# amaranth: UnusedElaboratable=no
"""The history: what left is compared with what comes in again, octet by octet."""

import random
import re

import pytest
from amaranth.hdl import Fragment, Instance

from hdl.filter.history import History
from hdl.filter.marks import Mark, Past
from sim.dp16kd import Ecp5, Modelled
from tests.cycles import simulate

MARKS = {Past.PLAIN: Mark.PLAIN, Past.ORDER: Mark.OLD_ORDER, Past.BODY: Mark.BODY, Past.TYPE: Mark.TYPE}


async def leave(ctx, history, lane, position, octets, pasts):
    """Let octets leave, without a pause."""
    for number, (octet, past) in enumerate(zip(octets, pasts, strict=True)):
        ctx.set(history.past_valid, 1)
        ctx.set(history.past_lane, lane)
        ctx.set(history.past_position, (position + number) % 2048)
        ctx.set(history.past_octet, octet)
        ctx.set(history.past, past)
        await ctx.tick()
    ctx.set(history.past_valid, 0)


async def come(ctx, history, rng, lane, position, octets, old, between=9):
    """Let a payload come in; return which octets were old, their marks, and the flags after each of them.

    `soon` comes `between` cycles behind `begin`; ``old_left`` is there only where it is taken.
    """
    ctx.set(history.begin, 1)
    ctx.set(history.lane, lane)
    ctx.set(history.position, position)
    await ctx.tick()
    for signal in (history.begin, history.lane, history.position):
        ctx.set(signal, 0)
    await ctx.tick().repeat(between)
    assert not ctx.get(history.differs)
    assert not ctx.get(history.had_order)
    told, marks, differs, orders = [], [], [], []
    for number in range(-3, len(octets) + 3):
        inside = 0 <= number < len(octets)
        ctx.set(history.soon, number == -3)
        ctx.set(history.old_left, old if number == -1 else rng.randrange(4096))
        ctx.set(history.payload_valid, inside)
        ctx.set(history.payload_octet, octets[number] if inside else rng.randrange(256))
        if number >= 0:
            told.append(bool(ctx.get(history.old)))
        if number >= 1:
            marks.append(ctx.get(history.mark))
            differs.append(bool(ctx.get(history.differs)))
            orders.append(bool(ctx.get(history.had_order)))
        await ctx.tick()
    assert not any(told[len(octets) :])
    assert all(mark == Mark.OTHER for mark in marks[len(octets) :])
    count = len(octets)
    return told[:count], marks[:count], differs[:count], orders[:count]


@pytest.mark.parametrize("depth", [2048, 64])
def test_what_comes_again_is_compared_with_what_left(depth):
    """Eight lanes that turn over; retransmissions that begin and end anywhere, with an octet changed in some."""
    history, rng = History(depth=depth), random.Random(depth)
    longest = min(depth, 300)

    async def bench(ctx):
        past = [{} for _ in range(8)]  # of each lane, by sequence number
        end = [rng.randrange(2**32) for _ in range(8)]
        for _ in range(150):
            lane = rng.randrange(8)
            octets = rng.randbytes(rng.randrange(1, longest))
            pasts = [rng.choice(list(Past)) for _ in octets]
            if rng.random() < 0.5:
                pasts = [Past.PLAIN] * len(octets)
            await leave(ctx, history, lane, end[lane] % 2048, octets, pasts)
            past[lane] |= {end[lane] + n: pair for n, pair in enumerate(zip(octets, pasts, strict=True))}
            end[lane] += len(octets)
            lane = rng.choice([lane, rng.randrange(8)])
            known = min(len(past[lane]), depth)
            old = rng.choice([0, min(1, known), known, rng.randrange(known + 1)])
            first = end[lane] - old
            kept = [past[lane][first + n] for n in range(old)]
            payload = bytearray(octet for octet, _ in kept) + rng.randbytes(rng.randrange(20))
            changed = rng.choice([None, rng.randrange(len(payload))]) if payload else None
            if changed is not None:
                payload[changed] ^= 1 << rng.randrange(8)
            payload = payload[: rng.choice([len(payload)] * 3 + [len(payload) // 2])]  # cut short
            told, marks, differs, orders = await come(
                ctx, history, rng, lane, first % 2048, payload, old, rng.randrange(1, 12)
            )
            kept = kept[: len(payload)]
            assert told == [n < old for n in range(len(payload))]
            assert marks == [MARKS[kind] for _, kind in kept] + [Mark.OTHER] * (len(payload) - len(kept))
            assert differs == [changed is not None and changed < min(old, n + 1) for n in range(len(payload))]
            order = next((n for n, (_, kind) in enumerate(kept) if kind == Past.ORDER), len(payload))
            assert orders == [order <= n for n in range(len(payload))]

    simulate(history, bench)


def test_a_payload_that_does_not_come_leaves_nothing_old():
    """The frame ended before it; the next payload is of a datagram, which is never compared."""
    history, rng = History(), random.Random(1)

    async def bench(ctx):
        for length in (0, 5):
            told, *_ = await come(ctx, history, rng, 3, 0, bytes(length), 12)
            assert told == [True] * length
            for _ in range(10):
                ctx.set(history.payload_valid, 1)
                assert not ctx.get(history.old)
                await ctx.tick()
            ctx.set(history.payload_valid, 0)

    simulate(history, bench)


def test_octets_may_leave_while_others_are_compared():
    """On block RAMs as they are: both ports at once, on other octets of the same lane."""
    history, rng = Modelled(History()), random.Random(2)
    before = rng.randbytes(600)
    kinds = [rng.choice(list(Past)) for _ in before]

    async def bench(ctx):
        await leave(ctx, history, 5, 1900, before, kinds)
        for _ in range(4):
            told, marks, differs, _ = await come(ctx, history, rng, 5, 1900, before, 600)
            assert all(told)
            assert marks == [MARKS[kind] for kind in kinds]
            assert not any(differs)

    async def leaving(ctx):
        await ctx.tick().repeat(700)
        while True:
            await leave(ctx, history, 5, (1900 + 600) % 2048, rng.randbytes(1400), [rng.choice(list(Past))] * 1400)

    simulate(history, bench, leaving)


def test_nine_block_rams_hold_it():
    def count(fragment):
        return sum(
            part.type == "DP16KD" if isinstance(part, Instance) else count(part) for part, *_ in fragment.subfragments
        )

    assert count(Fragment.get(History(), Ecp5())) == 9


def test_a_depth_that_is_no_power_of_two_is_refused():
    message = "the history of a lane must be a power of two from 2 to 2048 octets, not 1000"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        History(depth=1000)

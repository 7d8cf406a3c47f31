"""The terms of a lane: what the host loads, and what a frame of the lane is shown."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.filter.lane_terms import TERMS, LaneTerms
from hdl.wire.registers import Reg
from tests.cycles import simulate

SWEPT = 40  # cycles in which the first access after a reset is answered


class Host:
    """Drives the bus, and the rest of the component's inputs through `ctx`."""

    def __init__(self, ctx, terms):
        self.ctx, self.terms = ctx, terms

    async def access(self, address, data=None, patience=12):
        ctx, bus = self.ctx, self.terms.bus
        ctx.set(bus.request, 1)
        ctx.set(bus.write, data is not None)
        ctx.set(bus.address, address)
        ctx.set(bus.data, data or 0)
        await ctx.tick()
        ctx.set(bus.request, 0)
        for _ in range(patience):
            if ctx.get(bus.ack):
                assert not ctx.get(bus.error)
                return ctx.get(bus.value)
            await ctx.tick()
        raise AssertionError(f"no answer within {patience} cycles")


def run(bench):
    terms = LaneTerms()

    async def testbench(ctx):
        host = Host(ctx, terms)
        assert await host.access(Reg.BUILD_TAG, patience=SWEPT) == 0
        await bench(ctx, terms, host)

    simulate(terms, testbench)


async def show(ctx, terms, lane):
    """Begin a frame; return the words as they show, each in its cycle."""
    ctx.set(terms.begin, 1)
    ctx.set(terms.lane, lane)
    await ctx.tick()
    ctx.set(terms.begin, 0)
    ctx.set(terms.lane, lane ^ 5)
    shown = []
    for cycle in range(1, 8):
        if cycle >= 4:
            shown.append(ctx.get(getattr(terms, list(TERMS)[cycle - 4])))
        assert ctx.get(terms.shown) == (cycle == 7)
        await ctx.tick()
    assert shown == [ctx.get(getattr(terms, name)) for name in TERMS]
    return shown


def test_each_lane_is_shown_its_own_words():
    """Written in any order, read back, and shown from b+4 on, one a cycle."""

    async def bench(ctx, terms, host):
        words = {Reg.BUILD_TAG + number: random.Random(number).getrandbits(32) for number in range(32)}
        for address in random.Random(1).sample(list(words), 32):
            await host.access(address, words[address])
        assert [await host.access(address) for address in words] == list(words.values())
        for lane in range(8):
            assert await show(ctx, terms, lane) == [words[register + lane] for register in TERMS.values()]

    run(bench)


def test_p4_what_was_not_written_since_a_reset_is_0():
    """P4: a memory keeps its words in a reset; they are zeroed behind it, before the host is answered."""
    reset, terms = Signal(), LaneTerms()
    held = ResetInserter(reset)(terms)

    async def bench(ctx):
        host = Host(ctx, terms)
        await host.access(Reg.BUILD_TAG, patience=SWEPT)
        for number in range(32):
            await host.access(Reg.BUILD_TAG + number, number + 1)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert await host.access(Reg.RATE_DEPTH + 7, patience=SWEPT) == 0
        assert [await host.access(Reg.BUILD_TAG + number) for number in range(32)] == [0] * 32
        assert await show(ctx, terms, 3) == [0] * 4
        await host.access(Reg.RATE_DEPTH + 3, 7)
        assert await show(ctx, terms, 3) == [0, 0, 0, 7]
        assert await show(ctx, terms, 2) == [0] * 4

    simulate(held, bench)


@pytest.mark.parametrize("delay", range(6))
@pytest.mark.parametrize("written", [Reg.BUILD_TAG, Reg.LAST_REF])
def test_a_commit_writes_the_number_of_the_frame_s_lane_and_nothing_else(delay, written):
    """Also when it comes in the cycle in which the host would write, which then waits: the later of the two stays."""

    async def bench(ctx, terms, host):
        for number in range(32):
            await host.access(Reg.BUILD_TAG + number, number + 1)
        await show(ctx, terms, 6)
        ctx.set(terms.bus.request, 1)
        ctx.set(terms.bus.write, 1)
        ctx.set(terms.bus.address, written + 6)
        ctx.set(terms.bus.data, 500)
        acks = 0
        for cycle in range(14):
            ctx.set(terms.commit, cycle == delay)
            ctx.set(terms.commit_ref, 1000 if cycle == delay else 0)
            acks += ctx.get(terms.bus.ack)
            await ctx.tick()
            ctx.set(terms.bus.request, 0)
        assert acks == 1
        expected = {Reg.BUILD_TAG + number: number + 1 for number in range(32)}
        expected |= {Reg.LAST_REF + 6: 1000, written + 6: 500}
        if written == Reg.LAST_REF and delay > 1:  # the host's word is written in cycle 1, or behind a commit there
            expected[Reg.LAST_REF + 6] = 1000
        assert {address: await host.access(address) for address in expected} == expected

    run(bench)

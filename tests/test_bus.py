"""The bus decoder, cycle by cycle."""

import pytest
from amaranth.sim import Simulator

from hdl.filter.bus import BusDecoder, prefix, prefixes

TARGETS = {"one": [(0x0108, 0x0108)], "many": [(0x0100, 0x010F), (0x2000, 0x3FFF)]}


def simulate(bench, quiet=()):
    decoder = BusDecoder(TARGETS, quiet)
    simulator = Simulator(decoder)
    simulator.add_clock(8e-9)

    async def testbench(ctx):
        await bench(ctx, decoder)

    simulator.add_testbench(testbench)
    simulator.run()


async def ask(ctx, bus, address, *, write=0, data=0):
    """Request an access in the cycle that begins, and end that cycle."""
    for signal, value in [(bus.address, address), (bus.write, write), (bus.data, data), (bus.request, 1)]:
        ctx.set(signal, value)
    await ctx.tick()
    ctx.set(bus.request, 0)


@pytest.mark.parametrize(
    ("address", "target"),
    [(0x0108, "one"), (0x0100, "many"), (0x0107, "many"), (0x010F, "many"), (0x2000, "many"), (0x3FFF, "many")],
)
def test_a_request_reaches_the_owner_one_cycle_later_and_the_answer_comes_one_cycle_after_its(address, target):
    async def bench(ctx, decoder):
        owner, other = (getattr(decoder, name) for name in (target, {"one": "many", "many": "one"}[target]))
        ctx.set(other.value, 0xFFFFFFFF)
        ctx.set(other.error, 1)
        await ask(ctx, decoder.bus, address, write=1, data=77)
        assert (ctx.get(owner.request), ctx.get(other.request)) == (1, 0)
        assert (ctx.get(owner.address), ctx.get(owner.write), ctx.get(owner.data)) == (address, 1, 77)
        for _ in range(5):
            await ctx.tick()
            assert (ctx.get(owner.request), ctx.get(decoder.bus.ack)) == (0, 0)
        ctx.set(owner.ack, 1)
        ctx.set(owner.value, 5)
        await ctx.tick()
        ctx.set(owner.ack, 0)
        assert (ctx.get(decoder.bus.ack), ctx.get(decoder.bus.value), ctx.get(decoder.bus.error)) == (1, 5, 0)
        await ctx.tick()
        assert ctx.get(decoder.bus.ack) == 0

    simulate(bench)


def test_a_quiet_owner_answers_as_well_beside_a_loud_one():
    async def bench(ctx, decoder):
        ctx.set(decoder.many.value, 0xFFFFFFFF)
        await ask(ctx, decoder.bus, 0x0108)
        ctx.set(decoder.one.ack, 1)
        ctx.set(decoder.one.value, 5)
        await ctx.tick()
        assert (ctx.get(decoder.bus.ack), ctx.get(decoder.bus.value)) == (1, 5)
        ctx.set(decoder.one.ack, 0)
        ctx.set(decoder.one.value, 0)
        await ask(ctx, decoder.bus, 0x2000)
        ctx.set(decoder.many.ack, 1)
        await ctx.tick()
        assert (ctx.get(decoder.bus.ack), ctx.get(decoder.bus.value)) == (1, 0xFFFFFFFF)

    simulate(bench, quiet=("one",))


def test_the_value_stays_until_the_next_answer():
    async def bench(ctx, decoder):
        await ask(ctx, decoder.bus, 0x0108)
        ctx.set(decoder.one.ack, 1)
        ctx.set(decoder.one.value, 5)
        await ctx.tick()
        ctx.set(decoder.one.ack, 0)
        ctx.set(decoder.one.value, 7)
        for _ in range(5):
            await ctx.tick()
            assert ctx.get(decoder.bus.value) == 5

    simulate(bench)


def test_ranges_are_joined_from_the_fewest_patterns():
    assert prefixes(0x0100, 0x1FFF) == [
        "00000001--------",
        "0000001---------",
        "000001----------",
        "00001-----------",
        "0001------------",
    ]
    assert prefixes(5, 5) == [f"{5:016b}"]
    for first, last in [(0, 0xFFFF), (3, 12), (1, 0x8000), (0x00FF, 0x0101), (0xFFFE, 0xFFFF)]:
        patterns = prefixes(first, last)
        for address in {first, last, max(first - 1, 0), min(last + 1, 0xFFFF), (first + last) // 2}:
            matching = [p for p in patterns if all(d in ("-", b) for d, b in zip(p, f"{address:016b}", strict=True))]
            assert len(matching) == (first <= address <= last), (first, last, address)


def test_an_error_of_the_owner_is_passed_on():
    async def bench(ctx, decoder):
        await ask(ctx, decoder.bus, 0x0108)
        ctx.set(decoder.one.ack, 1)
        ctx.set(decoder.one.error, 1)
        await ctx.tick()
        assert (ctx.get(decoder.bus.ack), ctx.get(decoder.bus.error)) == (1, 1)

    simulate(bench)


@pytest.mark.parametrize("address", [0x0000, 0x00FF, 0x0110, 0x1FFF, 0x4000, 0xFFFF])
def test_an_address_of_nobody_is_an_error_two_cycles_later(address):
    async def bench(ctx, decoder):
        await ask(ctx, decoder.bus, address)
        asked = [ctx.get(decoder.one.request), ctx.get(decoder.many.request), ctx.get(decoder.bus.ack)]
        assert asked == [0, 0, 0]
        await ctx.tick()
        assert (ctx.get(decoder.bus.ack), ctx.get(decoder.bus.error)) == (1, 1)
        await ctx.tick()
        assert ctx.get(decoder.bus.ack) == 0

    simulate(bench)


def test_a_range_is_an_aligned_power_of_two():
    assert prefix(0x0108, 0x010F) == "0000000100001---"
    for first, last in [(0x100, 0x102), (0x101, 0x102), (0x200, 0x1FF), (0, 0x10000)]:
        with pytest.raises(ValueError, match=f"^no aligned power of two: addresses {first:#06x} to {last:#06x}$"):
            prefix(first, last)

"""The verdict: which reason a frame gets, what is counted, and what follows from a breach."""

import pytest

from hdl.filter.verdict import Verdict
from hdl.wire.verdict import Reason
from tests.cycles import simulate

ENTER, CANCEL = {"is_order": 1, "is_enter": 1}, {}
LANE = 2


async def judge(ctx, verdict, messages, *, flags=0, killed=0, lane=LANE):
    """Feed one frame as the decoder and the risk engine would; return what came of it."""
    ctx.set(verdict.lane, lane)
    ctx.set(verdict.killed, killed)
    for cycle in range(10):
        ctx.set(verdict.start, cycle == 0)
        await ctx.tick()
    for number, message in enumerate(messages):
        for name in ("is_order", "is_enter", "bad_message", "replace", "pegged", "channel"):
            ctx.set(getattr(verdict, name), message.get(name, 0))
        ctx.set(verdict.user_ref, 100 + number)
        ctx.set(verdict.message_end, 1)
        await ctx.tick()
        ctx.set(verdict.message_end, 0)
        for name in ("missing", "bad_side", "over_size", "over_position", "over_lane", "over_firm", "undecided"):
            ctx.set(getattr(verdict, name), message.get(name, 0))
        ctx.set(verdict.index, 40 + number)
        await ctx.tick()
    await ctx.tick()
    ctx.set(verdict.flags, flags)
    ctx.set(verdict.end, 1)
    found = {"keep": ctx.get(verdict.keep), "orders": ctx.get(verdict.orders)}
    await ctx.tick()
    ctx.set(verdict.end, 0)
    ctx.set(verdict.flags, 0)
    found["breach"] = ctx.get(verdict.breach)
    assert ctx.get(verdict.frame_end)
    assert ctx.get(verdict.kept) == found["keep"]
    found["blocked"] = ctx.get(verdict.block_index) if ctx.get(verdict.block) else None
    await ctx.tick().repeat(2)
    assert ctx.get(verdict.judged)
    for name in ("row", "counted_orders", "failing_is_order", "logged"):
        found[name] = ctx.get(getattr(verdict, name))
    found["reason"] = Reason(ctx.get(verdict.reason))
    found["user_ref"] = ctx.get(verdict.order.user_ref)
    await ctx.tick()
    return found


CASES = {
    "an order and a cancel pass": (
        [ENTER, CANCEL],
        {},
        {"keep": 1, "reason": 0, "orders": 1, "row": LANE, "logged": 0},
    ),
    "a frame of no lane passes": ([], {"lane": 8}, {"keep": 1, "reason": 0, "row": 8}),
    "the lowest flag counts": (
        [],
        {"flags": 1 << Reason.FCS | 1 << Reason.UDP_LENGTH},
        {"keep": 0, "reason": Reason.FCS, "row": 8, "logged": 0},
    ),
    "from UDP_LENGTH on the lane is known": (
        [],
        {"flags": 1 << Reason.UDP_LENGTH},
        {"reason": Reason.TCP, "row": LANE, "logged": 1},
    ),
    "a bad frame counts no orders": (
        [ENTER],
        {"flags": 1 << Reason.UDP_CHECKSUM},
        {"reason": Reason.UDP_CHECKSUM, "counted_orders": 0, "user_ref": 0},
    ),
    "the first failing message counts": (
        [ENTER, ENTER | {"missing": 1}, CANCEL | {"bad_message": 1}],
        {},
        {"keep": 0, "reason": Reason.SYMBOL, "counted_orders": 2, "failing_is_order": 1, "user_ref": 101},
    ),
    "of its failures the lowest reason counts": (
        [ENTER | {"over_lane": 1, "bad_side": 1, "over_position": 1}],
        {},
        {"reason": Reason.SIDE, "breach": 0, "blocked": None},
    ),
    "a malformed message has no fields": (
        [CANCEL | {"bad_message": 1}],
        {},
        {"reason": Reason.MESSAGE, "user_ref": 0, "failing_is_order": 0},
    ),
    "only an Enter meets the risk engine": ([CANCEL | {"undecided": 1, "missing": 1}], {}, {"keep": 1, "reason": 0}),
    "the killed lane's order is dropped": (
        [CANCEL, ENTER],
        {"killed": 1 << LANE},
        {"keep": 0, "reason": Reason.KILLED, "user_ref": 101, "failing_is_order": 1},
    ),
    "its cancels pass": ([CANCEL], {"killed": 0xFF}, {"keep": 1, "reason": 0}),
    "another lane's kill does not matter": ([ENTER], {"killed": 0xFF ^ 1 << LANE}, {"keep": 1}),
    "a message that fails before the first order comes before the kill": (
        [CANCEL | {"bad_message": 1}, ENTER],
        {"killed": 1 << LANE},
        {"keep": 0, "reason": Reason.MESSAGE, "failing_is_order": 0, "counted_orders": 1},
    ),
    "the kill comes before an order's own failure": (
        [ENTER | {"over_lane": 1}],
        {"killed": 1 << LANE},
        {"reason": Reason.KILLED, "breach": 0},
    ),
    "a breach of position blocks the symbol": (
        [ENTER, ENTER | {"over_position": 1}],
        {},
        {"reason": Reason.POSITION, "blocked": 41, "breach": 0},
    ),
    "a breach of the lane kills the lane": ([ENTER | {"over_lane": 1, "over_firm": 1}], {}, {"breach": 1 << LANE}),
    "a breach of the firm kills the firm": ([ENTER | {"over_firm": 1}], {}, {"breach": 0xFF}),
    "a breach in a bad frame does nothing": (
        [ENTER | {"over_firm": 1}],
        {"flags": 1 << Reason.FCS},
        {"breach": 0, "blocked": None, "reason": Reason.FCS},
    ),
    "too late is a reason": ([ENTER | {"undecided": 1}], {}, {"keep": 0, "reason": Reason.BUSY}),
}


@pytest.mark.parametrize("name", CASES)
def test_verdict(name):
    messages, options, expected = CASES[name]
    verdict = Verdict()

    async def bench(ctx):
        await judge(ctx, verdict, [ENTER | {"missing": 1}])  # whatever came before must not matter
        found = await judge(ctx, verdict, messages, **options)
        assert {key: found[key] for key in expected} == expected

    simulate(verdict, bench)

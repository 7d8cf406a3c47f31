"""The verdict: which reason a frame gets, what is counted, and what follows from a breach."""

import pytest

from hdl.filter.tally import FIELD_CHECKS, TOGETHER
from hdl.filter.verdict import LOGGED_LATER, SETTLED, Verdict
from hdl.wire.event import NO_SYMBOL
from hdl.wire.verdict import FIRST_TRIP, Action, Reason, Trip
from sim.parse import BREACHES
from tests.cycles import simulate

TERMS = ("restricted", "unborrowed", "off_collar", "over_value")
ENTER, CANCEL, REPLACE = {"is_order": 1, "is_enter": 1}, {}, {"is_order": 1, "replaces": 1}
LANE = 2


async def judge(
    ctx, verdict, messages, *, flags=0, killed=0, lane=LANE, action=Action.NEUTRALISE, late=None, trips=None, **frame
):
    """Feed one frame as the decoder, the risk engine and the session (`frame`) would; return what came of it.

    `late`: one more message, as the last one, ends in the cycle before the frame, and is found to have this failure.
    """
    ctx.set(verdict.lane, lane)
    ctx.set(verdict.action, action)
    brings = (BREACHES | (trips or {})).items()
    ctx.set(verdict.trips, sum(trip << 2 * (reason - FIRST_TRIP) for reason, trip in brings))
    for name in ("tcp", "continued", "unfinished", "old_order", "unjudged"):
        ctx.set(getattr(verdict, name), frame.get(name, 0))
    ctx.set(verdict.killing, killed)
    for cycle in range(10):
        ctx.set(verdict.start, cycle == 0)
        await ctx.tick()
    stops, charges = [], []
    for number, message in enumerate(messages):
        for name in ("is_order", "is_enter", "replaces", "bad_message", "replace", "pegged", "channel"):
            ctx.set(getattr(verdict, name), message.get(name, 0))
        for name in FIELD_CHECKS:
            ctx.set(getattr(verdict, name), message.get(name, 0))
        ctx.set(verdict.user_ref, 100 + number)
        ctx.set(verdict.message_end, 1)
        await ctx.tick()
        ctx.set(verdict.message_end, 0)
        for name in (
            *TERMS,
            "repeated",
            "over_rate",
            "missing",
            "over_parent",
            "over_children",
            "over_position",
            "over_lane",
            "over_firm",
            "undecided",
        ):
            ctx.set(getattr(verdict, name), message.get(name, 0))
        ctx.set(verdict.forbidden, any(message.get(name, 0) for name in TOGETHER))
        ctx.set(verdict.index, 40 + number)
        if ctx.get(verdict.judged_order):
            stops.append(ctx.get(verdict.stop))
        assert ctx.get(verdict.checked) == message.get("is_enter", message.get("replaces", 0))
        await ctx.tick()
        charges.append(ctx.get(verdict.charge))
        await ctx.tick().repeat(2)  # messages end at least four cycles apart
    ctx.set(verdict.flags, flags & SETTLED)
    ctx.set(verdict.closes, 1)
    ctx.set(verdict.message_end, late is not None)
    await ctx.tick()
    ctx.set(verdict.message_end, 0)
    if late:
        ctx.set(getattr(verdict, late), 1)
    ctx.set(verdict.flags, flags)
    ctx.set(verdict.closes, 0)
    ctx.set(verdict.end, 1)
    names = ("keep", "overwrite", "lets_go")
    found = {name: ctx.get(getattr(verdict, name)) for name in names} | {"stops": stops, "charges": charges}
    found["reset"] = ctx.get(verdict.enter & verdict.reset)
    assert ctx.get(verdict.enter) == found["keep"] | found["reset"]
    await ctx.tick()
    found |= {name: ctx.get(getattr(verdict, name)) for name in ("orders", "stopped", "stop_reason")}
    assert found.pop("lets_go") == bool(found["orders"]) or found["overwrite"]
    ctx.set(verdict.end, 0)
    ctx.set(verdict.flags, 0)
    found["breach"] = ctx.get(verdict.breach)
    assert ctx.get(verdict.frame_end)
    assert ctx.get(verdict.kept) == found["keep"]
    assert ctx.get(verdict.fence) == found["reset"]
    found |= {"released": ctx.get(verdict.released), "latch": ctx.get(verdict.latch)}
    found["blocked"] = ctx.get(verdict.block_index) if ctx.get(verdict.block) else None
    await ctx.tick().repeat(2)
    assert ctx.get(verdict.judged)
    names = ("row", "counted_orders", "failing_is_order", "passed", "overwritten", "reason")
    found |= {name: ctx.get(getattr(verdict, name)) for name in names}
    # A runt that is as close behind it as can be changes nothing of that.
    ctx.set(verdict.flags, 1 << Reason.RUNT)
    ctx.set(verdict.end, 1)
    await ctx.tick()
    ctx.set(verdict.flags, 0)
    ctx.set(verdict.end, 0)
    await ctx.tick().repeat(2)
    assert (ctx.get(verdict.runt), ctx.get(verdict.judged)) == (1, 0)
    await ctx.tick().repeat(LOGGED_LATER - 3)
    found["logged"] = ctx.get(verdict.logged)
    assert all(found[name] == ctx.get(getattr(verdict, name)) for name in names)
    found["reason"] = Reason(found["reason"])
    found |= {"user_ref": ctx.get(verdict.order.user_ref), "symbol": ctx.get(verdict.order.symbol)}
    await ctx.tick()
    return found


CASES = {
    "an order and a cancel pass": (
        [ENTER, CANCEL],
        {},
        {"keep": 1, "reason": 0, "orders": 1, "row": LANE, "logged": 0},
    ),
    "what ends in the cycle before the frame is not judged": (
        [ENTER],
        {"late": "over_lane"},
        {"keep": 1, "orders": 1, "counted_orders": 1, "breach": 0, "reason": 0, "logged": 0},
    ),
    "what is let go is charged, until something has failed": (
        [ENTER, CANCEL, ENTER | {"bad_side": 1}, ENTER],
        {},
        {"charges": [1, 0, 0, 0]},
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
        {"reason": Reason.UDP_LENGTH, "row": LANE, "logged": 1},
    ),
    "a bad frame counts no orders": (
        [ENTER],
        {"flags": 1 << Reason.UDP_CHECKSUM},
        {"reason": Reason.UDP_CHECKSUM, "counted_orders": 0, "user_ref": 0},
    ),
    "the first failing message counts": (
        [ENTER, ENTER | {"missing": 1}, CANCEL | {"bad_message": 1}],
        {},
        {"keep": 0, "reason": Reason.SYMBOL, "counted_orders": 2, "failing_is_order": 1, "user_ref": 101}
        | {"symbol": NO_SYMBOL},
    ),
    "of its failures the lowest reason counts": (
        [ENTER | {"over_lane": 1, "bad_side": 1, "over_position": 1}],
        {},
        {"reason": Reason.SIDE, "breach": 0, "blocked": None},
    ),
    "tag and number come before the symbol, the rate behind the fields": (
        [ENTER | {"bad_tag": 1, "repeated": 1, "missing": 1}],
        {},
        {"reason": Reason.TAG},
    ),
    "the terms of the symbol come where their fields do": (
        [ENTER | dict.fromkeys(("restricted", "bad_side", "unborrowed", "off_collar", "over_value"), 1)],
        {},
        {"reason": Reason.RESTRICTED, "symbol": 40},
    ),
    "SHORT before QUANTITY": ([ENTER | {"unborrowed": 1, "bad_quantity": 1}], {}, {"reason": Reason.SHORT}),
    "MARKET before COLLAR": ([ENTER | {"market": 1, "off_collar": 1}], {}, {"reason": Reason.MARKET}),
    "COLLAR before ORDER_VALUE": ([ENTER | {"over_value": 1, "off_collar": 1}], {}, {"reason": Reason.COLLAR}),
    "ORDER_VALUE before PARENT": ([ENTER | {"over_value": 1, "over_parent": 1}], {}, {"reason": Reason.ORDER_VALUE}),
    "PARENT before CHILDREN": ([ENTER | {"over_parent": 1, "over_children": 1}], {}, {"reason": Reason.PARENT}),
    "CHILDREN before RATE": ([ENTER | {"over_children": 1, "over_rate": 1}], {}, {"reason": Reason.CHILDREN}),
    "a parent that has too little left may trip": (
        [ENTER | {"over_parent": 1}],
        {"trips": {Reason.PARENT: Trip.LANE}},
        {"reason": Reason.PARENT, "breach": 1 << LANE},
    ),
    "a number that is not new": (
        [ENTER | {"repeated": 1, "over_rate": 1, "missing": 1, "undecided": 1}],
        {},
        {"reason": Reason.DUPLICATE},
    ),
    "too soon": (
        [ENTER | {"over_rate": 1, "over_position": 1, "over_lane": 1}],
        {},
        {"reason": Reason.RATE, "breach": 0},
    ),
    "a Replace is held to what an Enter is": (
        [REPLACE, REPLACE | {"over_position": 1}],
        {},
        {"reason": Reason.POSITION, "blocked": 41, "user_ref": 101},
    ),
    "what a Replace is to replace is missing": (
        [REPLACE | {"missing": 1, "bad_tag": 1, "pegged": 1}],
        {},
        {"reason": Reason.REPLACE, "breach": 0, "symbol": NO_SYMBOL},
    ),
    "a malformed Replace": ([REPLACE | {"missing": 1, "bad_message": 1}], {}, {"reason": Reason.MESSAGE}),
    "the tags of a Replace": ([REPLACE | {"pegged": 1, "bad_tag": 1}], {}, {"reason": Reason.PEGGED}),
    "a Replace that is undecided": ([REPLACE | {"undecided": 1}], {}, {"reason": Reason.BUSY, "symbol": NO_SYMBOL}),
    "only an Enter has them": ([CANCEL | {"repeated": 1, "over_rate": 1, "bad_tag": 1}], {}, {"keep": 1}),
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
        {"reason": Reason.POSITION, "blocked": 41, "breach": 0, "symbol": 41},
    ),
    "a breach of the lane kills the lane": ([ENTER | {"over_lane": 1, "over_firm": 1}], {}, {"breach": 1 << LANE}),
    "a breach of the firm kills the firm": ([ENTER | {"over_firm": 1}], {}, {"breach": 0xFF}),
    "any check may trip": (
        [ENTER | {"bad_tag": 1}],
        {"trips": {Reason.TAG: Trip.FIRM}},
        {"breach": 0xFF, "blocked": None},
    ),
    "and a breach may not": (
        [ENTER | {"over_firm": 1}],
        {"trips": {Reason.FIRM_GROSS: Trip.NONE}},
        {"breach": 0, "keep": 0},
    ),
    "a symbol that is not known is not blocked": (
        [ENTER | {"repeated": 1, "missing": 1}],
        {"trips": {Reason.DUPLICATE: Trip.SYMBOL}},
        {"reason": Reason.DUPLICATE, "blocked": None},
    ),
    "nor is one whose number is not known in time": (
        [ENTER | {"repeated": 1, "undecided": 1}],
        {"trips": {Reason.DUPLICATE: Trip.SYMBOL}},
        {"reason": Reason.DUPLICATE, "blocked": None},
    ),
    "a check behind the reason does not trip": (
        [ENTER | {"bad_side": 1, "over_firm": 1}],
        {},
        {"reason": Reason.SIDE, "breach": 0},
    ),
    "nor one behind what the decoder refuses": (
        [ENTER | {"pegged": 1, "over_firm": 1}],
        {},
        {"reason": Reason.PEGGED, "breach": 0},
    ),
    "one that is known is": (
        [ENTER, ENTER | {"repeated": 1}],
        {"trips": {Reason.DUPLICATE: Trip.SYMBOL}},
        {"reason": Reason.DUPLICATE, "blocked": 41},
    ),
    "of a datagram only the first failing message trips": (
        [ENTER | {"bad_side": 1}, ENTER | {"over_firm": 1}],
        {},
        {"reason": Reason.SIDE, "breach": 0},
    ),
    "a breach in a bad frame does nothing": (
        [ENTER | {"over_firm": 1}],
        {"flags": 1 << Reason.FCS},
        {"breach": 0, "blocked": None, "reason": Reason.FCS},
    ),
    "too late is a reason, and the index another order's": (
        [ENTER | {"undecided": 1}],
        {},
        {"keep": 0, "reason": Reason.BUSY, "user_ref": 100, "symbol": NO_SYMBOL},
    ),
    "so it is when another reason comes before it": (
        [ENTER | {"undecided": 1, "bad_side": 1}],
        {},
        {"reason": Reason.SIDE, "symbol": NO_SYMBOL},
    ),
    "a lane that is cut off lets nothing through": (
        [CANCEL],
        {"killed": 1 << LANE, "action": Action.CUT},
        {"keep": 0, "reset": 0, "latch": 0, "reason": Reason.KILLED, "counted_orders": 0},
    ),
}
KILLED = {"tcp": 1, "killed": 1 << LANE}
TCP_CASES = {
    "orders pass": ([ENTER, ENTER], {}, {"keep": 1, "orders": 2, "stopped": 0, "stops": [0, 0], "logged": 0}),
    "an order that fails is overwritten, the others go": (
        [ENTER, ENTER | {"missing": 1}, CANCEL, ENTER],
        {},
        {"keep": 1, "orders": 2, "stopped": 1, "stop_reason": Reason.SYMBOL, "stops": [0, 1, 0], "released": 1}
        | {"charges": [1, 0, 0, 1]}
        | {"logged": 1, "passed": 1, "overwritten": 1, "reason": Reason.SYMBOL, "user_ref": 101, "counted_orders": 3},
    ),
    "behind a breach every order is stopped, and the breach counts": (
        [ENTER | {"bad_side": 1}, ENTER | {"over_lane": 1}, ENTER, CANCEL],
        {},
        {
            "keep": 1,
            "stops": [1, 1, 1],
            "charges": [0] * 4,
            "orders": 0,
            "stopped": 3,
            "breach": 1 << LANE,
            "reason": Reason.SIDE,
        },
    ),
    "only the first breach counts": (
        [ENTER | {"over_position": 1}, ENTER | {"over_firm": 1}],
        {},
        {"blocked": 40, "breach": 0, "stops": [1, 1]},
    ),
    "the 32nd order is stopped": (
        [ENTER] * 32,
        {},
        {"keep": 1, "orders": 31, "stopped": 1, "stops": [0] * 31 + [1], "stop_reason": Reason.BUSY}
        | {"charges": [1] * 31 + [0]},
    ),
    "the beginning of an order behind 30 goes": ([ENTER] * 30, {"unfinished": 1}, {"keep": 1, "reset": 0, "logged": 0}),
    "behind 31 it fences": ([ENTER] * 31, {"unfinished": 1}, {"keep": 0, "reset": 1, "reason": Reason.BUSY}),
    "a killed lane's orders are all overwritten": (
        [ENTER, CANCEL, ENTER | {"missing": 1}],
        KILLED,
        {"keep": 1, "overwrite": 1, "orders": 0, "stopped": 2, "stop_reason": Reason.KILLED, "released": 0}
        | {"logged": 1, "overwritten": 2, "reason": Reason.KILLED, "user_ref": 100, "breach": 0},
    ),
    "a killed lane's cancel passes": ([CANCEL], KILLED, {"keep": 1, "reset": 0, "stopped": 0, "logged": 0}),
    "a malformed message fences": (
        [ENTER, ENTER | {"missing": 1}, CANCEL | {"bad_message": 1}],
        {},
        {"keep": 0, "reset": 1, "reason": Reason.MESSAGE, "failing_is_order": 0, "counted_orders": 2, "logged": 1},
    ),
    "so it does on a killed lane": (
        [ENTER, CANCEL | {"bad_message": 1}],
        KILLED,
        {"keep": 0, "reset": 1, "reason": Reason.MESSAGE},
    ),
    "an order that began before and fails fences": (
        [ENTER | {"over_position": 1}, ENTER],
        {"continued": 1},
        {"keep": 0, "reset": 1, "reason": Reason.POSITION, "failing_is_order": 1, "stops": [1], "blocked": 40},
    ),
    "one that began before and passes does not": (
        [ENTER, ENTER],
        {"continued": 1},
        {"keep": 1, "stops": [0], "charges": [1, 1]},
    ),
    "one that the next message overtakes in its check fences, and has no symbol": (
        [ENTER | {"undecided": 1}, CANCEL],
        {"continued": 1},
        {"keep": 0, "reset": 1, "reason": Reason.BUSY, "failing_is_order": 1, "user_ref": 100, "symbol": NO_SYMBOL},
    ),
    "one that can't be checked in time fences": (
        [],
        {"continued": 1, "unjudged": 1},
        {"keep": 0, "reset": 1, "reason": Reason.BUSY, "counted_orders": 1, "failing_is_order": 1, "user_ref": 0},
    ),
    "on a killed lane it fences, ended or not": (
        [],
        KILLED | {"continued": 1},
        {"keep": 0, "reset": 1, "reason": Reason.KILLED},
    ),
    "so does a repeated order": ([CANCEL], KILLED | {"old_order": 1}, {"keep": 0, "reset": 1, "reason": Reason.KILLED}),
    "which passes on a lane that is not killed": ([CANCEL], {"old_order": 1}, {"keep": 1, "reset": 0}),
    "what is wrong in the place of a segment fences": (
        [],
        {"flags": 1 << Reason.HISTORY},
        {"keep": 0, "reset": 1, "reason": Reason.HISTORY, "row": LANE},
    ),
    "unless something below is wrong": (
        [],
        {"flags": 1 << Reason.FRAMING | 1 << Reason.GAP},
        {"keep": 0, "reset": 0, "reason": Reason.GAP},
    ),
    "FENCE fences for an order to be stopped": (
        [ENTER | {"missing": 1}],
        {"action": Action.FENCE},
        {"keep": 0, "reset": 1, "reason": Reason.SYMBOL},
    ),
    "FENCE fences a killed lane's order": (
        [ENTER],
        KILLED | {"action": Action.FENCE},
        {"keep": 0, "reset": 1, "reason": Reason.KILLED, "failing_is_order": 1},
    ),
    "and the beginning of one": (
        [],
        KILLED | {"action": Action.FENCE, "unfinished": 1},
        {"keep": 0, "reset": 1, "reason": Reason.KILLED},
    ),
    "but not its cancel": ([CANCEL], KILLED | {"action": Action.FENCE}, {"keep": 1}),
    "STARVE drops": (
        [ENTER, ENTER | {"missing": 1}],
        {"action": Action.STARVE},
        {"keep": 0, "reset": 0, "reason": Reason.SYMBOL, "counted_orders": 2},
    ),
    "STARVE drops a killed lane's order": (
        [ENTER],
        KILLED | {"action": Action.STARVE},
        {"keep": 0, "reset": 0, "latch": 0, "reason": Reason.KILLED},
    ),
    "STARVE fences for a malformed message": (
        [ENTER, CANCEL | {"bad_message": 1}],
        KILLED | {"action": Action.STARVE},
        {"keep": 0, "reset": 1, "reason": Reason.MESSAGE},
    ),
    "CUT fences for an order to be stopped": (
        [ENTER | {"missing": 1}],
        {"action": Action.CUT},
        {"keep": 0, "reset": 1, "latch": 0, "reason": Reason.SYMBOL},
    ),
    "CUT lets nothing of a killed lane through, and shuts it": (
        [CANCEL],
        KILLED | {"action": Action.CUT},
        {"keep": 0, "reset": 0, "latch": 1, "reason": Reason.KILLED},
    ),
    "not even an RST": (
        [],
        KILLED | {"action": Action.CUT, "flags": 1 << Reason.HISTORY},
        {"keep": 0, "reset": 0, "latch": 1, "reason": Reason.HISTORY},
    ),
}
CASES |= {f"TCP: {name}": (messages, {"tcp": 1} | given, want) for name, (messages, given, want) in TCP_CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_verdict(name):
    messages, options, expected = CASES[name]
    verdict = Verdict()

    async def bench(ctx):
        await judge(ctx, verdict, [ENTER | {"missing": 1}])  # whatever came before must not matter
        found = await judge(ctx, verdict, messages, **options)
        assert {key: found[key] for key in expected} == expected

    simulate(verdict, bench)

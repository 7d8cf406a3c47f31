"""Judges a drill: result.json, the table for a person, and what failed."""

from typing import Any

from hdl.wire.board import CYCLE_NS
from hdl.wire.registers import Count
from hdl.wire.verdict import FIRM, LANES, RECEIVE_ERRORS, Reason, Source
from host.device import name_lanes
from host.outcome import BAD, CYCLES_PER_S, Outcome
from host.recorder import Recorder
from host.stats import summarize, table

SCHEMA = "breakwire.drill/1"
BOUND = 4  # cycles: P1
WHOLE_S = 2700.0  # from the open to 10:15
LOSS_SHARE = 0.0692  # of the gross position that was lost on the day


def completed_after_kill(outcome: Outcome, recorder: Recorder) -> int:
    """Return the orders that completed on killed lanes later than the kill edge + 4 cycles, from the frames alone."""
    return sum(
        recorder.completed_between(kill.lanes, kill.at + BOUND, kill.opened or outcome.ended) for kill in outcome.kills
    )


def reasons_of(row: list[int], first: int) -> dict[str, int]:
    """Return the drop counters of a row that are not 0."""
    return {reason.name: row[first + reason] for reason in Reason if reason and row[first + reason]}


def conservation(counters: list[list[int]], recorder: Recorder) -> dict[str, Any]:
    """Return P8's balance of frames, per row, and against what the links sent and received."""
    errors = [sum(row[Count.FRAME_DROP + reason] for reason in RECEIVE_ERRORS) for row in counters]
    dropped = [sum(row[Count.FRAME_DROP + r] for r in Reason if r and r not in RECEIVE_ERRORS) for row in counters]
    balanced = all(
        row[Count.FRAMES_IN] + row[Count.FRAMES_INJECTED] == row[Count.FRAMES_OUT] + lost + bad
        for row, lost, bad in zip(counters, dropped, errors, strict=True)
    )
    total = [sum(column) for column in zip(*counters, strict=True)]
    left = sum(frame.good for frame in recorder.left)
    return {
        "frames_in": total[Count.FRAMES_IN],
        "frames_injected": total[Count.FRAMES_INJECTED],
        "frames_out": total[Count.FRAMES_OUT],
        "dropped": sum(dropped),
        "errors": sum(errors),
        "balanced": balanced and total[Count.FRAMES_IN] == len(recorder.offered) and total[Count.FRAMES_OUT] == left,
    }


def exposure_usd(outcome: Outcome, recorder: Recorder) -> dict[str, float]:
    """Return the bad lane's gross notional in dollars: released with the filter, and what it would have been.

    `without` is what its server offered until the operator acted, at that rate until 10:15 (2,700 s).
    """
    kill = outcome.kill_of(Source.SERIAL)
    end = kill.at if kill else outcome.ended
    offered = sum(f.value for f in recorder.offered if f.lane == BAD and outcome.opened <= f.at < end)
    seconds = max(1, end - outcome.opened) / CYCLES_PER_S
    return {
        "with": outcome.gross[BAD - 1] / 10_000 if outcome.gross else 0.0,
        "without": round(offered / 10_000 / seconds * WHOLE_S, 2),
    }


def result(outcome: Outcome, recorder: Recorder) -> dict[str, Any]:
    """Return result.json."""
    counters = outcome.counters
    lanes = []
    for number in range(1, LANES + 1):
        row = counters[number - 1]
        reasons = reasons_of(row, Count.ORDER_DROP)
        lanes.append(
            {
                "lane": number,
                "server": outcome.limits.lane_of(number).server,
                "build": outcome.builds[number],
                "offered": recorder.orders_offered(number),
                "forwarded": recorder.orders_left(number),
                "dropped": sum(reasons.values()),
                "reasons": reasons,
            }
        )
    kill, trip = outcome.kill_of(Source.SERIAL), outcome.kill_of(Source.BREACH)
    return {
        "schema": SCHEMA,
        "scenario": "knight",
        "rig": outcome.rig,
        "clock": outcome.clock,
        "seed": outcome.seed,
        "core_sha256": outcome.core_sha256,
        "simulated_ns": (outcome.ended - outcome.zero) * CYCLE_NS,
        "lanes": lanes,
        "orders": {
            "offered": sum(lane["offered"] for lane in lanes),
            "forwarded": sum(lane["forwarded"] for lane in lanes),
            "dropped": sum(lane["dropped"] for lane in lanes),
            "completed_after_kill": completed_after_kill(outcome, recorder),
        },
        "kill": {
            "source": kill.source.name.lower() if kill else None,
            "scope": "firm",
            "at_ns": (kill.at - outcome.zero) * CYCLE_NS if kill else None,
        },
        "detect": {
            "first_bad_order_ns": (outcome.first_bad - outcome.zero) * CYCLE_NS,
            "tripped_ns": (trip.at - outcome.zero) * CYCLE_NS if trip else None,
        },
        "latency_cycles": {
            "t_effective": summarize([kill.t_effective for kill in outcome.kills], "p50", "p99"),
            "t_breach": summarize(outcome.t_breach, "p50", "p99"),
            "t_pass": summarize(outcome.t_pass, "p50", "p99"),
        },
        "conservation": conservation(counters, recorder),
        "exposure_usd": exposure_usd(outcome, recorder),
    }


def failures(outcome: Outcome, recorder: Recorder) -> list[str]:
    """Return what did not hold, one line each; empty if the drill passed."""
    found = result(outcome, recorder)
    wrong = []
    if after := found["orders"]["completed_after_kill"]:
        wrong.append(f"{after} orders completed after a kill")
    worst = found["latency_cycles"]["t_effective"]["max"]
    if worst is None or worst > BOUND:
        wrong.append(f"t_effective reached {worst} cycles, the bound is {BOUND}")
    if not found["conservation"]["balanced"]:
        wrong.append(f"frames do not balance: {found['conservation']}, the links sent {len(recorder.offered)}")
    trip = outcome.kill_of(Source.BREACH)
    if trip is None or trip.lanes != 1 << BAD - 1:
        wrong.append(f"lane {BAD} should have tripped alone, a breach killed {name_lanes(trip.lanes if trip else 0)}")
    touched = [lane for lane, count in outcome.dropped_before_kill.items() if lane != BAD and count]
    if touched:
        wrong.append(f"lanes {touched} lost orders before the operator's kill: {outcome.dropped_before_kill}")
    for lane in found["lanes"]:
        row = outcome.counters[lane["lane"] - 1]
        if (lane["offered"], lane["forwarded"]) != (row[Count.ORDERS_IN], row[Count.ORDERS_OUT]):
            wrong.append(
                f"lane {lane['lane']}: the links saw {lane['offered']} orders in and {lane['forwarded']} out, "
                f"the board counted {row[Count.ORDERS_IN]} and {row[Count.ORDERS_OUT]}"
            )
    if recorder.altered:
        wrong.append(f"{recorder.altered} frames left that had not come in so, in that order, once")
    spread = sorted(set(recorder.t_pass))
    if len(spread) > 1 or (spread and spread[0] > BOUND):
        wrong.append(f"frames on the links took F + 8 and {spread[0]} to {spread[-1]} cycles")
    return wrong


def summary(outcome: Outcome, recorder: Recorder) -> str:
    """Return the table that a person reads."""
    found = result(outcome, recorder)
    rows: list[list[object]] = [["lane", "server", "build", "offered", "forwarded", "dropped", "before kill", "why"]]
    for lane in found["lanes"]:
        why = ", ".join(f"{name.lower()} {count:,}" for name, count in lane["reasons"].items())
        before = outcome.dropped_before_kill[lane["lane"]]
        rows.append(
            [
                *(lane[name] for name in ("lane", "server", "build")),
                *(f"{lane[name]:,}" for name in ("offered", "forwarded", "dropped")),
                f"{before:,}",
                why or "-",
            ]
        )
    lines = [table(rows, left=3), ""]
    latencies: list[list[object]] = [["cycles of 8 ns", "n", "min", "p50", "p99", "max"]]
    for name, label in (
        ("t_effective", "T_effective: kill edge to last order out"),
        ("t_breach", "T_breach: last bit in to suppressed"),
        ("t_pass", "T_pass less F + 8"),
    ):
        latencies.append([label, *found["latency_cycles"][name].values()])
    lines += [table(latencies), ""]
    balance = found["conservation"]
    detect = found["detect"]
    if detect["tripped_ns"]:
        lines.append(f"T_detect                  {(detect['tripped_ns'] - detect['first_bad_order_ns']) / 1e6:,.3f} ms")
    lines += [
        f"orders after a kill       {found['orders']['completed_after_kill']}",
        f"frames                    {balance['frames_in']:,} in = {balance['frames_out']:,} out + "
        f"{balance['dropped']:,} dropped + {balance['errors']} errors: "
        f"{'balanced' if balance['balanced'] else 'NOT BALANCED'}",
        f"lane {BAD} gross notional     ${found['exposure_usd']['with']:,.2f} with the filter, "
        f"${found['exposure_usd']['without']:,.0f} without (its rate until 10:15)",
        f"firm gross notional       ${outcome.gross[FIRM] / 10_000:,.2f}" if outcome.gross else "",
    ]
    return "\n".join(line for line in lines)

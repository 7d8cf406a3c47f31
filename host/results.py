"""Judges a drill: result.json, the table for a person, and what failed."""

from typing import Any

from hdl.wire.board import CYCLE_NS
from hdl.wire.registers import Count, drops
from hdl.wire.verdict import FIRM, LANES, RECEIVE_ERRORS, Reason, Source
from host.config import CYCLES_PER_S
from host.device import name_lanes
from host.outcome import BAD, Outcome
from host.recorder import Recorder
from host.stats import summarize, table

SCHEMA = "breakwire.drill/2"
BOUND = 4  # cycles: P1
WHOLE_S = 2700.0  # from the open to 10:15
LOSS_SHARE = 0.0692  # of the gross position that was lost on the day
REPEATED = (Reason.ROLLED_BACK, Reason.SIBLING, Reason.ABORTED)  # on TCP, such an order is sent again and judged again


def completed_after_kill(outcome: Outcome, recorder: Recorder) -> int:
    """Return the orders that completed on killed lanes later than the kill edge + 4 cycles, from the frames alone."""
    return sum(
        recorder.completed_between(kill.lanes, kill.at + BOUND, kill.opened or outcome.ended) for kill in outcome.kills
    )


def stale(outcome: Outcome, recorder: Recorder) -> int:
    """Return the orders that left when their lane had been armed again, though first offered before that.

    An order is known by its content, from the frames alone.
    """
    seen = recorder.watch.seen
    return sum(
        any(
            kill.lanes >> (order.lane - 1) & 1 and seen.born[order.lane, order.message] < kill.opened <= order.at
            for kill in outcome.kills
        )
        for order in seen.passed
        if order.is_order
    )


def is_killed(outcome: Outcome, lane: int, at: int) -> bool:
    """Tell whether a lane was killed in a cycle, by one of the drill's kills."""
    return any(
        kill.lanes >> (lane - 1) & 1 and kill.at < at <= (kill.opened or outcome.ended) for kill in outcome.kills
    )


def sessions(outcome: Outcome, recorder: Recorder) -> dict[str, Any] | None:
    """Return what the sessions did, and what passed while lanes were killed; None over UDP."""
    if (told := outcome.told) is None:
        return None
    seen = recorder.watch.seen
    cancels = {
        (lane, int.from_bytes(message[1:5], "big")): at
        for (lane, message), at in seen.born.items()
        if message[:1] == b"X" and is_killed(outcome, lane, at)
    }
    return {
        "open_at_the_open": len(outcome.connected),
        "lost": len(told.lost),
        "unsent": told.unsent,
        "retransmissions": told.retransmissions,
        "neutralised": len(seen.stopped),
        "while_killed": {
            "heartbeats": [
                sum(lane == number and is_killed(outcome, lane, at) for at, lane in seen.heartbeats)
                for number in range(1, LANES + 1)
            ],
            "cancels": len(cancels),
            "cancels_acknowledged": sum(
                (item.lane, item.user_ref) in cancels and is_killed(outcome, item.lane, item.at)
                for item in told.canceled
            ),
        },
        "reports": dict(sorted(told.reports.items())),
    }


def reasons_of(row: list[int], first: Count) -> dict[str, int]:
    """Return the drop counters of a row that are not 0."""
    return {reason.name: count for reason, count in drops(row, first).items() if count}


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
        "balanced": balanced
        and total[Count.FRAMES_IN] == len(recorder.offered)
        and total[Count.FRAMES_INJECTED] == recorder.injected
        and total[Count.FRAMES_OUT] == left,
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
        repeated = 0
        if outcome.protocol == "tcp":
            repeated = sum(reasons.pop(reason.name, 0) for reason in REPEATED)
        lanes.append(
            {
                "lane": number,
                "server": outcome.limits.lane_of(number).server,
                "build": outcome.builds[number],
                "offered": recorder.orders_offered(number),
                "forwarded": recorder.orders_left(number),
                "stopped": sum(reasons.values()),
                "repeated": repeated,
                "reasons": reasons,
            }
        )
    kill, trip = outcome.kill_of(Source.SERIAL), outcome.kill_of(Source.BREACH)
    return {
        "schema": SCHEMA,
        "scenario": "knight",
        "protocol": outcome.protocol,
        "rig": outcome.rig,
        "clock": outcome.clock,
        "seed": outcome.seed,
        "core_sha256": outcome.core_sha256,
        "simulated_ns": (outcome.ended - outcome.zero) * CYCLE_NS,
        "lanes": lanes,
        "orders": {
            "offered": sum(lane["offered"] for lane in lanes),
            "forwarded": sum(lane["forwarded"] for lane in lanes),
            "stopped": sum(lane["stopped"] for lane in lanes),
            "completed_after_kill": completed_after_kill(outcome, recorder),
            "stale": stale(outcome, recorder),
        },
        "sessions": sessions(outcome, recorder),
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
        "positions": {"compared": outcome.reconciled, "differing": outcome.unlike} if outcome.reconciled else None,
    }


def failures(outcome: Outcome, recorder: Recorder) -> list[str]:
    """Return what did not hold, one line each; empty if the drill passed."""
    found = result(outcome, recorder)
    wrong = []
    if after := found["orders"]["completed_after_kill"]:
        wrong.append(f"{after} orders completed after a kill")
    if late := found["orders"]["stale"]:
        wrong.append(f"{late} stale orders left after an arm")
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
        counted = row[Count.ORDERS_IN] - lane["repeated"], row[Count.ORDERS_OUT]
        if (lane["offered"], lane["forwarded"]) != counted or lane["offered"] != lane["forwarded"] + lane["stopped"]:
            wrong.append(
                f"lane {lane['lane']}: the links saw {lane['offered']} orders in and {lane['forwarded']} out, "
                f"the board counted {counted[0]} and {counted[1]}, and {lane['stopped']} stopped"
            )
    if recorder.altered:
        wrong.append(f"{recorder.altered} frames left that had not come in so, in that order, once")
    spread = sorted(set(recorder.t_pass))
    if len(spread) > 1 or (spread and spread[0] > BOUND):
        wrong.append(f"frames on the links took F + 8 and {spread[0]} to {spread[-1]} cycles")
    differing = [lane for lane, value in outcome.notional.items() if value != outcome.gross[lane - 1]]
    if differing:
        wrong.append(f"lanes {differing}: the exchange's book and the board's gross notional differ")
    if outcome.unlike:
        wrong.append(f"{len(outcome.unlike)} positions are not the exchange's: {outcome.unlike[0]}")
    return wrong + _session_failures(found["sessions"], outcome, recorder)


def _session_failures(found: dict[str, Any] | None, outcome: Outcome, recorder: Recorder) -> list[str]:
    """Return what did not hold of the sessions of TCP lanes."""
    told, seen, wrong = outcome.told, recorder.watch.seen, []
    if told is None or found is None:
        return []
    if lacking := sorted(set(range(1, LANES + 1)) - set(outcome.connected)):
        wrong.append(f"lanes {lacking} were not logged in at the open")
    if told.lost:
        wrong.append("sessions ended: " + ", ".join(f"lane {lane} {how}" for lane, how in told.lost))
    if seen.altered:
        wrong.append(f"{seen.altered} packets left that had not come in so, and were no orders overwritten whole")
    silent = [lane for lane, count in enumerate(found["while_killed"]["heartbeats"], 1) if not count]
    if silent:
        wrong.append(f"lanes {silent}: no heartbeat passed while they were killed")
    if not found["while_killed"]["cancels_acknowledged"]:
        wrong.append("no cancel that was sent while its lane was killed was acknowledged")
    for lane in range(1, LANES + 1):
        let_go = [order.message for order in seen.passed if order.lane == lane and order.is_order]
        if told.orders[lane] != let_go:
            wrong.append(f"lane {lane}: the orders at the exchange are not the {len(let_go)} that were let go")
        stopped = sum(order.lane == lane for order in seen.stopped)
        row = reasons_of(outcome.counters[lane - 1], Count.ORDER_DROP)
        counted = sum(count for name, count in row.items() if Reason[name] not in REPEATED)
        if not stopped == counted == told.debugs[lane]:
            wrong.append(
                f"lane {lane}: {stopped} orders left overwritten, the board counted {counted}, the exchange got "
                f"{told.debugs[lane]} Debug packets"
            )
    return wrong


def _session_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    killed = found["while_killed"]
    return [
        f"sessions (TCP)            {found['open_at_the_open']} up at the open, {found['lost']} lost; "
        f"{found['neutralised']:,} orders left as Debug packets",
        f"while killed              {sum(killed['heartbeats']):,} heartbeats passed, "
        f"{killed['cancels_acknowledged']} of {killed['cancels']} cancels were acknowledged",
    ]


def _position_lines(outcome: Outcome) -> list[str]:
    if not outcome.reconciled:
        return []
    same = outcome.reconciled - len(outcome.unlike)
    return [f"positions                 {same} of {outcome.reconciled} are the exchange's, to the share"]


def summary(outcome: Outcome, recorder: Recorder) -> str:
    """Return the table that a person reads."""
    found = result(outcome, recorder)
    rows: list[list[object]] = [["lane", "server", "build", "offered", "forwarded", "stopped", "before kill", "why"]]
    for lane in found["lanes"]:
        why = ", ".join(f"{name.lower()} {count:,}" for name, count in lane["reasons"].items())
        before = outcome.dropped_before_kill[lane["lane"]]
        rows.append(
            [
                *(lane[name] for name in ("lane", "server", "build")),
                *(f"{lane[name]:,}" for name in ("offered", "forwarded", "stopped")),
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
        f"stale orders after an arm {found['orders']['stale']}",
        *_session_lines(found["sessions"]),
        f"frames                    {balance['frames_in']:,} in + {balance['frames_injected']} injected = "
        f"{balance['frames_out']:,} out + "
        f"{balance['dropped']:,} dropped + {balance['errors']} errors: "
        f"{'balanced' if balance['balanced'] else 'NOT BALANCED'}",
        f"lane {BAD} gross notional     ${found['exposure_usd']['with']:,.2f} with the filter, "
        f"${found['exposure_usd']['without']:,.0f} without (its rate until 10:15)",
        f"firm gross notional       ${outcome.gross[FIRM] / 10_000:,.2f}" if outcome.gross else "",
        *_position_lines(outcome),
    ]
    return "\n".join(line for line in lines)

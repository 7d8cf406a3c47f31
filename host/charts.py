"""The two drawings of the report: orders per lane over time, and exposure against its limit."""

from typing import Any

from hdl.wire.verdict import LANES, Source
from host.config import CYCLES_PER_S, price_units
from host.outcome import BAD, Outcome, clock
from host.recorder import Recorder
from host.results import WHOLE_S
from host.svg import Plot, drawing, nice

BIN_S = 0.5
WIDTH = 980.0


def lanes_chart(outcome: Outcome, recorder: Recorder) -> str:
    """Small multiples: eight lanes, the morning's part on the left, what followed the repair on the right."""
    script = outcome.script
    kill = outcome.kill_of(Source.SERIAL)
    first = (script.open_s - 1, (outcome.day_s(kill.at) if kill else script.operator_s) + script.after_kill_s + 1)
    second = (script.repaired_s - 1, outcome.day_s(outcome.ended) + 1)
    lengths = [end - begin for begin, end in (first, second)]
    room = WIDTH - 90 - 30 - 10
    widths = [room * length / sum(lengths) for length in lengths]
    lefts = [90.0, 90.0 + widths[0] + 30]
    counted = {
        (lane, part): _binned(outcome, recorder, lane, span)
        for lane in range(1, LANES + 1)
        for part, span in enumerate((first, second))
    }
    tops = {}
    for lane in range(1, LANES + 1):
        peers = [BAD] if lane == BAD else [number for number in range(1, LANES + 1) if number != BAD]
        most = max((a + b for n in peers for part in (0, 1) for _, a, b in counted[n, part]), default=1.0)
        tops[lane] = max(most, 1.0)
    plots = []
    top = 26.0
    for lane in range(1, LANES + 1):
        height = 90.0 if lane == BAD else 30.0
        for part, span in enumerate((first, second)):
            plot = Plot(lefts[part], top, widths[part], height, span, (0, tops[lane]))
            rows = counted[lane, part]
            plot.bars([(x, a) for x, a, _ in rows], BIN_S, "pass", hint=f"orders/s forwarded, lane {lane}")
            plot.bars(
                [(x, b) for x, _, b in rows], BIN_S, "drop", base=[a for _, a, _ in rows],
                hint=f"orders/s stopped, lane {lane}",
            )  # fmt: skip
            if part == 0:
                plot.text(0, top + height - 12, f"lane {lane}", "")
                plot.text(0, top + height, f"{outcome.builds[lane]}, to {tops[lane]:.0f}/s", "small")
            ticks = []
            if lane == LANES:
                begin = int(span[0]) + 1
                ticks = [(float(at), clock(at)[:8]) for at in range(begin - begin % -5, int(span[1]), 5)]
                ticks = ticks[:: 2 if part == 0 else 1]
            plot.axis_x(ticks)
            for event in outcome.kills:
                at_s = outcome.day_s(event.at)
                if span[0] <= at_s <= span[1] and event.lanes >> (lane - 1) & 1:
                    plot.mark(at_s, "", "trip")
            plots.append(plot)
        top += height + 10
    for event in outcome.kills:
        at_s = outcome.day_s(event.at)
        part = 0 if at_s < second[0] else 1
        name = {Source.BREACH: f"lane {BAD} trips", Source.SERIAL: "operator kills", Source.LOOP: "loop opened"}
        at = min(plots[part].at_x(at_s), WIDTH - 40)
        plots[part].text(at, 14, name.get(event.source, "kill"), "small", anchor="middle")
    return drawing(WIDTH, top + 22, plots, "Orders a second on each of the eight lanes, forwarded and stopped")


def _binned(
    outcome: Outcome, recorder: Recorder, lane: int, span: tuple[float, float]
) -> list[tuple[float, float, float]]:
    """Return (begin, forwarded, stopped) of each bin, in orders a second."""
    count = int((span[1] - span[0]) / BIN_S) + 1
    offered, left = [0] * count, [0] * count
    for frame in recorder.offered:
        at_s = outcome.day_s(frame.at)
        if frame.lane == lane and span[0] <= at_s < span[1]:
            offered[int((at_s - span[0]) / BIN_S)] += frame.orders
    for out in recorder.left:
        at_s = outcome.day_s(out.at)
        if out.lane == lane and out.good and span[0] <= at_s < span[1]:
            left[int((at_s - span[0]) / BIN_S)] += out.orders
    return [
        (span[0] + number * BIN_S, out / BIN_S, max(0, given - out) / BIN_S)
        for number, (given, out) in enumerate(zip(offered, left, strict=True))
    ]


def limit_usd(outcome: Outcome) -> float:
    return price_units(outcome.limits.lane_of(BAD).gross) / 10_000


def exposure_chart(outcome: Outcome, recorder: Recorder, found: dict[str, Any]) -> str:
    opened = outcome.opened
    kill, trip = outcome.kill_of(Source.SERIAL), outcome.kill_of(Source.BREACH)
    end = kill.at if kill else outcome.ended
    limit = limit_usd(outcome)
    offered = _sums([(f.at, f.value) for f in recorder.offered if f.lane == BAD and opened <= f.at < end], opened)
    released = _sums(
        [(f.end, f.value) for f in recorder.left if f.lane == BAD and f.good and opened <= f.at < end], opened
    )
    tripped_s = (trip.at - opened) / CYCLES_PER_S if trip else 1.0
    near = 3 * tripped_s
    ticks = nice(2.4 * limit / 1e6)
    left = Plot(60, 30, 420, 250, (0, near), (0, ticks[-1] * 1e6))
    left.axis_y([(value * 1e6, f"${value:g} m") for value in ticks])
    left.axis_x([(value, f"{value:g} s") for value in nice(near) if value <= near])
    left.line([point for point in offered if point[0] <= near and point[1] <= ticks[-1] * 1e6], "drop")
    held = [*released, (near, released[-1][1])]
    left.line([point for point in held if point[0] <= near], "pass")
    left.level(limit, f"limit of the lane: {dollars(limit)}", "limit")
    if trip:
        left.mark(tripped_s, f"trip, {tripped_s:.3f} s after the open", "trip", up=14)
    left.text(60, 12, "The first seconds", "")
    without = found["exposure_usd"]["without"]
    far = nice(without / 1e9)
    right = Plot(560, 30, 400, 250, (0, WHOLE_S / 60), (0, far[-1] * 1e9))
    right.axis_y([(value * 1e9, f"${value:g} bn") for value in far])
    right.axis_x([(minute, clock(outcome.script.open_s + 60 * minute)[:5]) for minute in (0, 15, 30, 45)])
    right.line([(0, 0), (WHOLE_S / 60, without)], "drop")
    right.line([(0, 0), (tripped_s / 60, released[-1][1]), (WHOLE_S / 60, released[-1][1])], "pass")
    right.text(560, 12, "Until 10:15, at the rate offered (extrapolated)", "")
    label = f"with the filter: {dollars(found['exposure_usd']['with'])}"
    right.text(right.at_x(WHOLE_S / 60) - 4, right.at_y(0) - 8, label, "small", anchor="end")
    return drawing(WIDTH, 310, [left, right], f"Gross notional of lane {BAD} over time against its limit")


def _sums(values: list[tuple[int, int]], zero: int) -> list[tuple[float, float]]:
    """Return the running sum in dollars over seconds, thinned to at most some 800 points."""
    total, points = 0, [(0.0, 0.0)]
    step = max(1, len(values) // 800)
    for number, (at, value) in enumerate(sorted(values)):
        total += value
        if number % step == 0 or number < 2000:
            points.append(((at - zero) / CYCLES_PER_S, total / 10_000))
    return points


def dollars(value: float) -> str:
    """Return money as a headline says it."""
    for size, unit in ((1e9, "bn"), (1e6, "m")):
        if value >= size:
            return f"${value / size:,.2f} {unit}"
    return f"${value:,.0f}"

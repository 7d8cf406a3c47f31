"""The report of a drill: one HTML file that loads nothing, for someone who was not there."""

import html
from collections.abc import Sequence
from typing import Any

from hdl.wire.registers import Count
from hdl.wire.verdict import LANES
from host.charts import dollars, exposure_chart, lanes_chart, limit_usd
from host.outcome import BAD, Outcome, clock
from host.recorder import Recorder
from host.results import BOUND, LOSS_SHARE, WHOLE_S, failures, result

STORY = """Seven of eight order routers got the new build; the deployer reported eight successes. At the open the
eighth ran away. The filter in the wire between routers and exchange killed its lane at its gross limit, and later, at
the operator's word, the whole firm."""
ON_THE_DAY = """On the day: 4 million executions, 397 million shares, 154 symbols, $6.65 bn gross position, $460 m lost
in 45 minutes (SEC order 34-70694). Loss curve, rates, prices and order flow are a model; OUCH stands in for what
Knight spoke."""
SPOKEN = {
    "tcp": "The servers speak OUCH 5.0 over TCP (SoupBinTCP), each on its session: a stopped order leaves as a Debug "
    "packet, and the session lives on.",
    "udp": "The servers speak OUCH 5.0 over UDP (UFO). A datagram with a stopped order is dropped.",
}
LOSS, SHARE = 460e6, 0.25  # of the day; of the loss that grows linearly (a model)
EXECUTIONS = 4_000_000

STYLE = """
:root { --ink: #1b2430; --soft: #5b6775; --rule: #d8dde3; --paper: #fbfbf9; --pass: #2b6ca3; --drop: #c9482f;
  --limit: #8a5a00; --good: #2c7a4b; --card: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa6b4; --rule: #38414d; --paper: #14181e;
  --pass: #6aa9dc; --drop: #ef7b64; --limit: #d9a441; --good: #6cc08b; --card: #1b2129 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 1000px; padding: 2rem 1rem 4rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.4rem 0 .5rem }
p { max-width: 46rem } .soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--drop) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: .8rem; margin: 1.4rem 0 }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .7rem .9rem }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3 } .tile span { color: var(--soft); font-size: .85rem }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .6rem 0 }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--rule) }
th { color: var(--soft); font-weight: 500 } .l { text-align: left } tr.bad td { color: var(--drop) }
ol.time { list-style: none; padding: 0; font-size: .92rem } ol.time li { display: flex; gap: 1rem; padding: .15rem 0 }
ol.time time { font-family: ui-monospace, monospace; color: var(--soft); white-space: nowrap }
svg { width: 100%; height: auto; display: block; margin: .5rem 0 } svg text { fill: var(--ink); font-size: 13px }
svg .small { font-size: 11px; fill: var(--soft) } svg .axis { stroke: var(--soft) } svg .grid { stroke: var(--rule) }
svg .pass { fill: var(--pass) } svg .drop { fill: var(--drop) } svg .lost { fill: var(--drop) }
svg polyline { fill: none; stroke-width: 2 } svg polyline.pass { stroke: var(--pass); stroke-width: 3; fill: none }
svg polyline.drop { stroke: var(--drop); stroke-dasharray: 5 4; fill: none } svg .limit { stroke: var(--limit) }
svg .trip { stroke: var(--drop); stroke-width: 1.5 } svg .arm { stroke: var(--good); stroke-width: 1.5 }
.key i { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; border-radius: 2px }
code { font-size: .85em; overflow-wrap: anywhere }
"""


def render(outcome: Outcome, recorder: Recorder) -> str:
    """Return the report."""
    found = result(outcome, recorder)
    wrong = failures(outcome, recorder)
    verdict = (
        '<b class="good">passed</b>' if not wrong else '<b class="bad">failed</b>: ' + html.escape("; ".join(wrong))
    )
    parts = [
        f"<h1>breakwire drill: Knight Capital, 1 August 2012</h1><p>{verdict}. {STORY} {SPOKEN[outcome.protocol]}</p>",
        _tiles(found, outcome),
        "<h2>What happened</h2>",
        _timeline(outcome),
        "<h2>Orders per lane</h2>",
        '<p class="soft key"><i style="background:var(--pass)"></i>forwarded to the exchange'
        '<i style="background:var(--drop)"></i>stopped by the filter. Orders a second; lane 8 has its own scale.</p>',
        lanes_chart(outcome, recorder),
        _lanes_table(found, outcome),
        f"<h2>Lane {BAD}: exposure against its limit</h2>",
        '<p class="soft key"><i style="background:var(--pass)"></i>gross notional released'
        '<i style="background:var(--drop)"></i>gross notional that the server offered: what would have been released '
        "without the filter.</p>",
        exposure_chart(outcome, recorder, found),
        "<h2>Latencies</h2>",
        _latencies(found),
        "<h2>Without the filter</h2>",
        _without(found, outcome),
        "<h2>Can it be believed?</h2>",
        _evidence(found, outcome, recorder),
    ]
    title = f"breakwire drill knight, seed {outcome.seed}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _tiles(found: dict[str, Any], outcome: Outcome) -> str:
    detect = found["detect"]
    latency = found["latency_cycles"]
    tiles = [
        (str(found["orders"]["completed_after_kill"]), "orders completed after a kill"),
        (
            _cycles(latency["t_effective"]["max"]),
            f"T_effective, worst of {latency['t_effective']['n']}; bound {BOUND} cycles",
        ),
    ]
    if detect["tripped_ns"] is not None:
        seconds = (detect["tripped_ns"] - detect["first_bad_order_ns"]) / 1e9
        tiles.append((f"{seconds:.2f} s", "T_detect: first bad order to the trip"))
    usd = found["exposure_usd"]
    tiles += [
        (f"${usd['with']:,.0f}", f"released by lane {BAD}; limit {dollars(limit_usd(outcome))}"),
        (dollars(usd["without"]), "would have been released by 10:15"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{s}</span></div>' for b, s in tiles)
        + "</div>"
    )


def _timeline(outcome: Outcome) -> str:
    lines = sorted(outcome.lines, key=lambda line: line[0])
    items = "".join(f"<li><time>{clock(at)}</time><span>{html.escape(text)}</span></li>" for at, text in lines)
    return f'<ol class="time">{items}</ol>'


def _lanes_table(found: dict[str, Any], outcome: Outcome) -> str:
    rows = [["lane", "server", "build", "offered", "forwarded", "stopped", "stopped before the operator's kill", "why"]]
    for lane in found["lanes"]:
        why = ", ".join(f"{name.lower().replace('_', ' ')} {count:,}" for name, count in lane["reasons"].items())
        numbers = [lane["offered"], lane["forwarded"], lane["stopped"], outcome.dropped_before_kill[lane["lane"]]]
        rows.append([str(lane["lane"]), lane["server"], lane["build"], *(f"{n:,}" for n in numbers), why])
    return _table(rows, left=(1, 2, 7), bad={BAD})


def _latencies(found: dict[str, Any]) -> str:
    rows = [["", "n", "min", "median", "99 %", "max", "meaning"]]
    for name, label, meaning in (
        ("t_effective", "T_effective", "kill edge to the last octet of the last order that completed; 0: none did"),
        ("t_breach", "T_breach", "last bit of the order that crosses the limit to the decision that stops it"),
        ("t_pass", "T_pass", "first preamble octet in to first out, less frame and preamble, against P7's reference"),
    ):
        numbers = [("-" if value is None else str(value)) for value in found["latency_cycles"][name].values()]
        rows.append([label, *numbers, meaning])
    note = "Cycles of 8 ns from the capture registers."
    if found["clock"] == "virtual":
        note += " They are cycles of the simulated core, never measured silicon."
    return _table(rows, left=(0, 6)) + f'<p class="soft">{note}</p>'


def _without(found: dict[str, Any], outcome: Outcome) -> str:
    """The model's curves for the day: no claim about this run."""
    rows = [["a person acts after", "executions (no rollback)", "loss, a = 0.25", "loss, linear"]]
    for label, seconds in (("1 s", 1), ("60 s", 60), ("5 min", 300), ("30 min", 1800), ("45 min, as on the day", 2700)):
        share = seconds / WHOLE_S
        curve = LOSS * (SHARE * share + (1 - SHARE) * share**2)
        rows.append([label, f"{EXECUTIONS * share:,.0f}", dollars(curve), dollars(LOSS * share)])
    cap, released = LOSS_SHARE * limit_usd(outcome), found["exposure_usd"]["with"]
    return (
        _table(rows, left=(0,))
        + f"<p>A lane held at {dollars(limit_usd(outcome))} gross bounds the loss near {dollars(cap)}, whatever the "
        f"time ({LOSS_SHARE:.2%} of the gross position was lost on the day). This run released {dollars(released)}: "
        f'{dollars(LOSS_SHARE * released)} at stake.</p><p class="soft">{ON_THE_DAY}</p>'
    )


def _evidence(found: dict[str, Any], outcome: Outcome, recorder: Recorder) -> str:
    balance = found["conservation"]
    spread = sorted(set(recorder.t_pass)) or [0]
    total = [sum(row[Count.ORDERS_OUT] for row in outcome.counters), found["orders"]["forwarded"]]
    balanced = "balanced" if balance["balanced"] else "<b class=bad>NOT balanced</b>"
    faithful = "yes" if not recorder.altered else f"<b class=bad>NO, {recorder.altered} had not</b>"
    items = [
        f"Frames: {balance['frames_in']:,} in + {balance['frames_injected']} injected = {balance['frames_out']:,} out "
        f"+ {balance['dropped']:,} dropped + {balance['errors']} receive errors, in each row of the board's counters "
        f"and against what the links sent ({len(recorder.offered):,}) and received: {balanced}.",
        f"Orders out: {total[0]:,} by the board's counters, {total[1]:,} on the exchange's link.",
        f"Every frame that left had come in{_but_for(found)}, in that order, once: {faithful}.",
        f"Orders that left after their lane had been armed again, though offered before: "
        f"{_count(found['orders']['stale'])}, told by their content.",
        *_session_items(found["sessions"]),
        f"T_pass of all {len(recorder.t_pass):,} frames on the links, against P7's reference: {spread[0]} to "
        f"{spread[-1]} cycles.",
        f"{outcome.events_passed_over:,} drop events of lanes known to be killed were counted and not read; the others "
        "are in events.jsonl.",
        f"Rig {outcome.rig}, {outcome.clock} clock, {found['simulated_ns'] / 1e9:,.0f} s, seed {outcome.seed}, core "
        f"<code>{outcome.core_sha256}</code>.",
    ]
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _but_for(found: dict[str, Any]) -> str:
    return " with the same octets" + (", but for the orders overwritten" if found["sessions"] else "")


def _count(wrong: int) -> str:
    return f"<b class=bad>{wrong:,}</b>" if wrong else "0"


def _session_items(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    killed = found["while_killed"]
    reports = ", ".join(f"{count:,} {name}" for name, count in found["reports"].items())
    return [
        f"Sessions: {found['open_at_the_open']} of {LANES} up at the open, {_count(found['lost'])} lost. While lanes "
        f"were killed {sum(killed['heartbeats']):,} heartbeats of theirs passed, and the exchange acknowledged "
        f"{killed['cancels_acknowledged']} of {killed['cancels']} cancels; those orders had passed before.",
        f"Orders that left as Debug packets of the same length: {found['neutralised']:,}. TCP repeated octets after "
        f"{found['retransmissions']:,} time-outs.",
        f"The exchange's reports: {reports}.",
    ]


def _table(rows: Sequence[Sequence[str]], *, left: Sequence[int], bad: set[int] | None = None) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=l' if at in left else ''}>{html.escape(cell)}</{tag}>" for at, cell in enumerate(row)
        )

    body = "".join(
        f"<tr{' class=bad' if number in (bad or ()) else ''}>{cells(row, 'td')}</tr>"
        for number, row in enumerate(rows[1:], 1)
    )
    return f"<table><thead><tr>{cells(rows[0], 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _cycles(value: int | None) -> str:
    return "-" if value is None else f"{value} cycle{'' if value == 1 else 's'}"

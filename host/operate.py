"""Commands that operate a board: status, limits, arm, kill, events."""

import argparse
import json
import time
from typing import Any

from hdl.wire.registers import Count, Reg
from hdl.wire.verdict import FIRM, LANES
from host import loader
from host.config import CYCLES_PER_MS
from host.device import ALL_LANES, Device, State, name_lanes, name_source
from host.results import reasons_of
from host.show import show
from host.stats import table


def status(device: Device, args: argparse.Namespace) -> None:
    """Tell whether lanes are open, what killed them, and what the board counted."""
    state, counters, gross = device.state(), device.counters(), device.gross()
    sessions, lost = _sessions(device), device.evidence_lost()
    if args.json:
        rows = [
            {
                "lane": row + 1 if row < LANES else None,
                "session": sessions.get(row),
                "evidence": ("lost" if lost >> row & 1 else "whole") if row in sessions else None,
                "reports": counts[Count.REPORTS],
                "reports_repeated": counts[Count.REPORTS_REPEATED],
                "return_gaps": counts[Count.RETURN_GAPS],
                "frames_in": counts[Count.FRAMES_IN],
                "frames_out": counts[Count.FRAMES_OUT],
                "frames_neutralised": counts[Count.NEUTRALISED],
                "fences": counts[Count.FENCES],
                "orders_in": counts[Count.ORDERS_IN],
                "orders_out": counts[Count.ORDERS_OUT],
                "frames_dropped": reasons_of(counts, Count.FRAME_DROP),
                "orders_dropped": reasons_of(counts, Count.ORDER_DROP),
                "gross_usd": gross[row] / 10_000 if row < LANES else None,
            }
            for row, counts in enumerate(counters)
        ]
        print(json.dumps(_describe(state) | {"gross_usd": gross[FIRM] / 10_000, "rows": rows}, indent=2))
        return
    print(_in_words(device, state))
    rows_of_text: list[list[object]] = [
        ["lane", "state", "session", "reports", "frames in", "out", "orders in", "out", "gross $", "dropped"]
    ]
    for row, counts in enumerate(counters):
        dropped = ", ".join(f"{name.lower()} {n:,}" for name, n in reasons_of(counts, Count.FRAME_DROP).items())
        numbers = [counts[at] for at in (Count.FRAMES_IN, Count.FRAMES_OUT, Count.ORDERS_IN, Count.ORDERS_OUT)]
        name: list[object] = [row + 1, "killed" if state.killed >> row & 1 else "open"] if row < LANES else ["none", ""]
        name.append(sessions.get(row, "-"))
        name.append(("lost" if lost >> row & 1 else f"{counts[Count.REPORTS]:,}") if row in sessions else "-")
        money = f"{gross[row] / 10_000:,.2f}" if row < LANES else ""
        rows_of_text.append([*name, *(f"{n:,}" for n in numbers), money, dropped])
    print(table(rows_of_text, left=3))
    print(f"firm gross notional, open and executed: ${gross[FIRM] / 10_000:,.2f}")


def limits(device: Device, args: argparse.Namespace) -> None:
    """Load a limits file while every lane is killed, read it back, and print what now holds."""
    image = loader.build(args.limits)
    if args.symbol:
        _symbol(device, image, args)
        return
    if args.show or args.all:
        show(device, image, args)
        return
    loader.load(device, image, anew=args.anew)
    held = loader.verify(device, image)
    found = {
        "config_crc": image.crc,
        "words": held,
        "lanes": [lane.number for lane in image.limits.lane],
        "symbols": len(image.limits.symbols),
        "parents": len(image.limits.parents),
    }
    if args.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{device.name} holds {args.file}: {held} words read back, CRC {image.crc:#010x} confirmed")
    rows: list[list[object]] = [["lane", "server", "vlan", "from", "to", "gross limit $"]]
    for lane in sorted(image.limits.lane, key=lambda lane: lane.number):
        tags = "/".join(str(vid) for vid in (lane.vlan, lane.inner_vlan) if vid) or "-"
        ends = [
            f"{lane.source}:{'*' if lane.is_tcp else lane.source_port}",
            f"{lane.destination}:{lane.destination_port}",
        ]
        rows.append([lane.number, lane.server, tags, *ends, f"{lane.gross:,}"])
    print(table(rows, left=5))
    print(
        f"firm gross limit ${image.limits.gross.firm:,}, largest order {image.limits.orders.largest:,} shares, "
        f"watchdog {image.limits.watchdog.timeout_ms} ms, {len(image.limits.symbols)} symbols, "
        f"{len(image.limits.parents)} parents"
    )
    needing = sum(lane.needs_parent << lane.number - 1 for lane in image.limits.lane)
    if needing and not image.limits.parents:
        print(f"no order of {name_lanes(needing)} passes: it needs a parent; add [parents], or needs_parent = false")


def _symbol(device: Device, image: loader.Image, args: argparse.Namespace) -> None:
    index = image.directory.index(args.symbol)
    words = [device.read(base + index * 4, 4) for base in (Reg.EXPOSURE_LIMIT, Reg.EXPOSURE)]
    (long, short), (buys, sells) = [(w[0] | w[1] << 32, w[2] | w[3] << 32) for w in words]
    (net,) = device.net(index, 1)
    found = {"symbol": args.symbol, "index": index, "long": long, "short": short}
    if args.json:
        print(json.dumps(found | {"net": net, "open_buy": buys, "open_sell": sells}, indent=2))
    else:
        sides = (buys, "buy", net + buys, long, "long"), (sells, "sell", sells - net, short, "short")
        text = [f"{opened:,} open to {what}, {used:,} of {limit:,} {side}" for opened, what, used, limit, side in sides]
        print(f"{args.symbol} (index {index}): net {net:,} shares; {'; '.join(text)}")


def arm(device: Device, args: argparse.Namespace) -> None:
    """Open lanes in two steps, if the loop is closed and the board holds FILE; then a heartbeat must go on coming."""
    image = loader.build(args.limits)
    device.arm(image.crc, args.lanes)
    state = device.state()
    if args.json:
        print(json.dumps(_describe(state), indent=2), flush=True)
    else:
        print(_in_words(device, state), flush=True)
    timeout_ms = image.limits.watchdog.timeout_ms
    while args.hold:
        time.sleep(timeout_ms / 4000)
        device.heartbeat()


def kill(device: Device, args: argparse.Namespace) -> None:
    """Kill lanes at once; only `arm` opens them again."""
    device.kill(args.lanes)
    state = device.state()
    print(json.dumps(_describe(state), indent=2) if args.json else _in_words(device, state))


def events(device: Device, args: argparse.Namespace) -> None:
    """Print the events that wait in the board's log; reading makes room, so each is shown about once."""
    written, kept = device.read(Reg.EVENTS, 2)
    for event in device.events(written - kept):
        if args.json:
            values: dict[str, Any] = {name: getattr(event, name) for name in event.__dataclass_fields__}
            print(json.dumps(values | {"kind": event.kind.name}))
        else:
            print(f"{event.sequence:6}  {event.at / (1000 * CYCLES_PER_MS):16.9f} s  {event.describe()}")


def _sessions(device: Device) -> dict[int, str]:
    """Return how the session of each TCP lane stands, by row; a UDP lane has none."""
    tcp, (opened, fenced) = device.tcp_lanes(), device.sessions()
    words = {row: "open" if opened >> row & 1 else "none" for row in range(LANES) if tcp >> row & 1}
    return words | {row: "fenced" for row in words if fenced >> row & 1}


def _describe(state: State) -> dict[str, Any]:
    return {
        "killed": [lane + 1 for lane in range(LANES) if state.killed >> lane & 1],
        "loop": "open" if state.loop_open else "closed",
        "watchdog_expired": state.watchdog_expired,
        "fault": state.fault,
        "faults": state.faults,
        "armable": state.armable,
        "causes": [name_source(source) for source in state.causes],
        "config_crc": state.config_crc,
        "now_ns": state.now * 8,
    }


def _in_words(device: Device, state: State) -> str:
    opened = name_lanes(~state.killed & ALL_LANES)
    causes = ", ".join(name_source(source) for source in state.causes) or "nothing"
    return (
        f"{device.name}: {opened} open, {name_lanes(state.killed)} killed; cause {causes}; loop "
        f"{'open' if state.loop_open else 'closed'}; watchdog {'expired' if state.watchdog_expired else 'running'}; "
        f"{'FAULT latched, ' if state.fault else ''}configuration CRC {state.config_crc:#010x}"
    )

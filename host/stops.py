"""The stops of the drill side by side: the same runaway, against one control at a time.

Each is a run of its own on a fresh rig, from the morning to the operator's kill, under limits that nothing reaches but
the one that is to stop the eighth server. What got out until then is told from the frames alone.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec

from hdl.wire import ouch
from hdl.wire.verdict import LANES, Source
from host import config, results
from host.config import CYCLES_PER_S, Limits
from host.device import name_source
from host.drill import Drill, Say
from host.outcome import BAD, Script
from host.parents import CUSTOMER
from host.rig import Rig
from host.stats import table

SCHEMA, RESULT_FILE = "breakwire.stops/1", "stops.json"
UNITS = 10_000  # of a dollar

change = msgspec.structs.replace


class Stop(NamedTuple):
    """A control, and the limits that have it alone; `source` is what kills the lane then.

    `shared`: what it bounds is all lanes', so that orders of the others may be stopped, too.
    """

    name: str
    source: Source
    limits: Callable[[Limits], Limits]
    shared: bool = False


class Found(msgspec.Struct, frozen=True):
    """What got out of the eighth server's Power Peg before it was stopped."""

    stop: str
    by: str
    after_s: float  # from its first order
    orders: int
    shares: int
    usd: float  # dollars exposed: what the orders that got out could buy and sell, at their prices
    others_killed: int  # of the other seven lanes, before the operator's kill
    others_stopped: int  # orders of theirs


def parent_budget(limits: Limits) -> Limits:
    """Each order needs a parent, and has to be among its children; one that is not kills the lane."""
    free = config.unreachable(limits)
    lanes = [change(lane, needs_parent=True) for lane in free.lane]
    return change(free, lane=lanes, trips={"parent": "lane", "children": "lane"})


def gross_limit(limits: Limits) -> Limits:
    """As the file has it, of each lane."""
    free = config.unreachable(limits)
    return change(free, lane=[change(lane, gross=limits.lane_of(lane.number).gross) for lane in free.lane])


def position_limit(limits: Limits) -> Limits:
    """As the file has it, of each symbol and side; a breach kills the lane."""
    free = config.unreachable(limits)
    symbols = {
        name: change(symbol, long=limits.symbols[name].long, short=limits.symbols[name].short)
        for name, symbol in free.symbols.items()
    }
    return change(free, symbols=symbols, trips={"position": "lane"})


STOPS = (
    Stop("parent budget", Source.BREACH, parent_budget),
    Stop("gross limit", Source.BREACH, gross_limit),
    Stop("position limit", Source.BREACH, position_limit, shared=True),
    Stop("operator", Source.SERIAL, config.unreachable),
)


def run(
    open_rig: Callable[[], AbstractContextManager[Rig]],
    limits: Limits,
    folder: Path,
    *,
    seed: int,
    script: Script | None = None,
    say: Say,
) -> tuple[list[Found], list[str]]:
    """Play every stop and write stops.json; return what was found, and what did not hold."""
    found, wrong = [], []
    for stop in STOPS:
        say(f"--- {stop.name}")
        place = folder / stop.name.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        with open_rig() as rig:
            drill = Drill(rig, stop.limits(limits), place, seed=seed, script=script, say=say)
            try:
                drill.run(until_killed=True)
                found.append(_found(stop, drill))
                wrong += [f"{stop.name}: {line}" for line in _wrong(stop, drill, found[-1])]
            finally:
                drill.close()
    told = {"schema": SCHEMA, "seed": seed, "stops": msgspec.to_builtins(found), "wrong": wrong}
    (folder / RESULT_FILE).write_text(json.dumps(told, indent=2) + "\n")
    return found, wrong


def as_text(found: list[Found]) -> str:
    """Return a table for a reader."""
    heads = "stopped by", "after s", "orders let out", "shares", "dollars exposed", "others killed", "their orders"
    rows: list[list[object]] = [[*heads]]
    for one in found:
        numbers = [f"{one.orders:,}", f"{one.shares:,}", f"{one.usd:,.2f}"]
        rows.append([one.stop, f"{one.after_s:.3f}", *numbers, one.others_killed, f"{one.others_stopped:,}"])
    return table(rows)


class Child(NamedTuple):
    """A child of a customer's order; `price` in units of 10⁻⁴ dollars."""

    parent: str
    quantity: int
    price: int


def _children(drill: Drill, lanes: Sequence[int]) -> list[Child]:
    """Return the children of customers' orders that left."""
    passed = [one.message for one in drill.recorder.watch.seen.passed if one.is_order and one.lane in lanes]
    made = [Child(_parent(one), _number(one, "quantity"), _number(one, "price")) for one in passed]
    return [child for child in made if child.parent.startswith(CUSTOMER)]


def _parent(message: bytes) -> str:
    at = ouch.ENTER["order_id"].offset + 4
    return message[at : at + 4].decode("latin-1")


def _number(message: bytes, name: str) -> int:
    field = ouch.ENTER[name]
    return int.from_bytes(message[field.offset : field.offset + field.size], "big")


def _found(stop: Stop, drill: Drill) -> Found:
    outcome = drill.outcome
    kill = next(kill for kill in outcome.kills if kill.lanes >> (BAD - 1) & 1)
    orders = _children(drill, [BAD])
    return Found(
        stop=stop.name,
        by=name_source(kill.source),
        after_s=(kill.at - outcome.first_bad) / CYCLES_PER_S,
        orders=len(orders),
        shares=sum(order.quantity for order in orders),
        usd=sum(order.quantity * order.price for order in orders) / UNITS,
        others_killed=sum(kill.source == Source.BREACH and not kill.lanes >> (BAD - 1) & 1 for kill in outcome.kills),
        others_stopped=sum(count for lane, count in outcome.dropped_before_kill.items() if lane != BAD),
    )


def _wrong(stop: Stop, drill: Drill, found: Found) -> list[str]:
    """Return a line for each thing that did not hold."""
    lines = []
    if found.by != name_source(stop.source):
        lines.append(f"the lane was killed by {found.by}, not by {name_source(stop.source)}")
    if late := results.completed_after_kill(drill.outcome, drill.recorder):
        lines.append(f"{late} orders completed on killed lanes")
    if found.others_stopped and not stop.shared:
        lines.append(f"{found.others_stopped} orders of the other lanes were stopped")
    children: Counter[str] = Counter()
    for child in _children(drill, range(1, LANES + 1)):
        children[child.parent] += child.quantity
    for name, parent in drill.image.limits.parents.items():
        if children[name] > parent.shares:
            lines.append(f"the children of {name} had {children[name]:,} of its {parent.shares:,} shares")
    return lines

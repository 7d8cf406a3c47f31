"""Many random steps of trading through the compiled core, against the golden model and against the exchange's books.

    python -m sim.soak --steps 1000000 [--seed N] [--model]

A step is a message of a server (order, cancel, modify, replace, mass cancel) or a report of the exchange. Rounds of a
fresh core each, with kills between and beneath; what is on its way is compared all the time. At the end of a day, when
everything has been said, positions, what is reserved and gross notional are the exchange's, to the share; then it
cancels what rests, the board is cleared, and another day begins. Ends with exit code 1 at the first difference, which
it prints with the round's seed: `--seed N --steps 1` runs it alone.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from random import Random

from hdl.wire.event import Kind
from hdl.wire.registers import Count, drops
from hdl.wire.verdict import Reason
from sim.desk import Desk
from sim.duel import ALL, FREE, Duel
from sim.receiver import receive
from sim.solo import Solo

STEPS_A_ROUND = 10_000
STEPS_A_DAY = 3_000


def trade(seed: int, *, steps: int = STEPS_A_ROUND, engine=None, alone: bool = False) -> tuple[Desk, Duel]:
    """Play one round; `alone`, the model only. Raises `Difference` or `AssertionError`."""
    desk, random = Desk(seed), Random(seed)
    duel = Solo(desk) if alone else Duel(desk, engine)
    duel.arm()
    carriers, answers = desk.open()
    duel.play(carriers, returns=answers, events=FREE)
    day = STEPS_A_DAY
    while desk.steps < steps:
        if desk.steps >= day:
            _another_day(desk, duel)
            day = desk.steps + STEPS_A_DAY
        if duel.model.kills.masks[-1]:
            duel.arm()
        carriers, answers = desk.round(duel.model, random.choice((1, 2, 4)))
        length = sum(carrier.gap + len(carrier.octets) for carrier in carriers)
        kills = [(random.randrange(length + 1), random.choice((ALL, 1 << random.randrange(8))))]
        duel.play(carriers, kills=kills * (random.random() < 0.1), returns=answers, events=FREE)
        desk.floor.never_beyond(duel.model.budget.limits)
    _settle(desk, duel)
    duel.audit()
    receive(duel.model)
    told = [event for event in duel.model.ledger.events if event.kind == Kind.CONTRADICTION]
    assert not told, f"the exchange says nothing that contradicts: {told}"
    return desk, duel


def _settle(desk, duel):
    """Let everything be said, and compare with the books."""
    for _ in range(2):  # what left last, then what is said of it
        carriers, answers = desk.round(duel.model, 0, last=True)
        duel.play(carriers, returns=answers, events=FREE)
    desk.floor.take(duel.model)
    desk.floor.settled(duel.model.budget)


def _another_day(desk, duel):
    """Cancel what rests, kill, and clear."""
    _settle(desk, duel)
    desk.floor.close()
    _settle(desk, duel)
    duel.play((), kills=[(100, ALL)], events=FREE)
    duel.clear_exposure()
    duel.load_parents()
    desk.floor.begin()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Many random steps of trading against the exchange's books.")
    parser.add_argument("--steps", type=int, default=1_000_000, help="how many at least (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round (default: drawn)")
    parser.add_argument("--model", action="store_true", help="the model alone, without the core")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    begun, steps, edges, orders, reports, exchange = time.monotonic(), 0, 0, Counter(), Counter(), Counter()
    while steps < options.steps:
        try:
            desk, duel = trade(seed, alone=options.model)
        except AssertionError as difference:
            print(f"round with seed {seed}: {difference}", file=sys.stderr)
            return 1
        model = duel.model
        steps += desk.steps
        edges += len(model.kills.edges)
        for cells in model.counters:
            orders["let go"] += cells[Count.ORDERS_OUT]
            orders.update({Reason(reason).name: count for reason, count in drops(cells, Count.ORDER_DROP).items()})
        reports.update(chr(report.kind) for replies in model.replies for report in replies.applied)
        exchange.update(desk.floor.market.seen)
        rate = steps / (time.monotonic() - begun)
        print(f"{steps} steps, {edges} kills, no difference; {rate:,.0f} steps/s; seed {seed}", flush=True)
        seed += 1
    for what, counts in (("orders", orders), ("reports", reports), ("exchange", exchange)):
        print(f"{what}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common() if count))
    return 0


if __name__ == "__main__":
    sys.exit(main())

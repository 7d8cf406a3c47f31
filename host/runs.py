"""Commands that run something on a rig: drill, measure, virtual."""

import argparse
import contextlib
import csv
import json
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from hdl.wire.verdict import Source
from host import config, measure, places, report, results, stops
from host.config import Limits
from host.drill import EVENTS_FILE, LOG_FILE, Drill
from host.errors import HostError, NoBoard, UsageError, VerificationError
from host.outcome import Script
from host.recorder import EXCHANGE_FILE, SERVER_FILE
from host.rig import BoardProcess, Rig

REPORT_FILE, RESULT_FILE, WAVE_FILE = "report.html", "result.json", "trip.vcd"
BEFORE_TRIP, AFTER_TRIP = 600, 400  # cycles of waveform


def packaged_limits() -> Limits:
    """Return the limits that come with the host."""
    with as_file(files("host") / "knight.toml") as path:
        return config.load(path)


def load_limits(path: Path | None) -> Limits:
    """Return the limits in a file, or the ones that come with the host."""
    return config.load(path) if path else packaged_limits()


def say(line: str) -> None:
    """Tell progress, on the error output: results have the other to themselves."""
    print(line, file=sys.stderr, flush=True)


def drill(args: argparse.Namespace) -> None:
    """Run a scenario on a rig and write report.html, result.json, both sides' pcapng and the trip's waveform."""
    limits = config.speaking(load_limits(args.limits), args.protocol, evidence=args.evidence)
    folder = clear_folder(args.out)
    say("starting the rig (the first time on a machine this compiles the core)")
    if args.stops:
        found, wrong = stops.run(lambda: places.open_rig(args.rig), limits, folder, seed=args.seed, say=say)
        print((folder / stops.RESULT_FILE).read_text() if args.json else stops.as_text(found))
        if wrong:
            raise VerificationError("drill knight --stops: " + "; ".join(wrong))
        return
    with places.open_rig(args.rig) as rig:
        played = play(rig, limits, folder, seed=args.seed)
    conclude(played, as_json=args.json)
    say(f"report: {folder / REPORT_FILE}")


class Played(NamedTuple):
    """A drill that came to its end: result.json, the table, and what did not hold."""

    found: dict[str, Any]
    text: str
    wrong: list[str]


def conclude(played: Played, *, as_json: bool) -> None:
    """Print what a drill found. Raises VerificationError when something did not hold."""
    print(json.dumps(played.found, indent=2) if as_json else played.text)
    if played.wrong:
        raise VerificationError("drill knight: " + "; ".join(played.wrong))


def play(rig: Rig, limits: Limits, folder: Path, *, seed: int, script: Script | None = None) -> Played:
    """Run the drill on a rig and write its files.

    Raises HostError when the drill could not go on; then, and on Ctrl-C, the recordings are closed and valid.
    """
    run = Drill(rig, limits, folder, seed=seed, script=script, say=say)
    try:
        run.run()
        found, text = results.result(run.outcome, run.recorder), results.summary(run.outcome, run.recorder)
        (folder / RESULT_FILE).write_text(json.dumps(found, indent=2) + "\n")
        (folder / REPORT_FILE).write_text(report.render(run.outcome, run.recorder))
        if trip := run.outcome.kill_of(Source.BREACH):
            say("taking the waveform around the trip (the first time on a machine this compiles a traced core)")
            rig.wave(max(0, trip.at - BEFORE_TRIP), trip.at + AFTER_TRIP, folder / WAVE_FILE)
    except KeyboardInterrupt:
        run.say("interrupted; what was recorded until here is kept")
        raise
    finally:
        run.close()
    return Played(found, text, results.failures(run.outcome, run.recorder))


def clear_folder(folder: Path) -> Path:
    """Make a folder for a run and remove what a former run left in it, so that no old result stands for a new one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (REPORT_FILE, RESULT_FILE, WAVE_FILE, SERVER_FILE, EXCHANGE_FILE, EVENTS_FILE, LOG_FILE):
            (folder / name).unlink(missing_ok=True)
        (folder / LOG_FILE).touch()
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}; name a folder that can be written to") from None
    return folder


def measure_command(args: argparse.Namespace) -> None:
    """Kill at uniformly random phase against UDP traffic, one fresh arm each, and print the distributions."""
    limits = config.speaking(load_limits(args.limits), "udp")
    with places.open_rig(args.rig) as rig:
        measurement = measure.Measurement(rig, limits, args.source, seed=args.seed)
        try:
            campaign = complete(measurement, args.kills)
        finally:  # a campaign that was cut short keeps its samples
            if args.out:
                save_samples(measurement.campaign, args.out)
    print(json.dumps(campaign.as_json(), indent=2) if args.json else campaign.as_text())
    measure.judge(campaign)


def complete(measurement: measure.Measurement, kills: int) -> measure.Campaign:
    """Return a campaign of `kills` kills, telling progress. A board that goes in its midst is a failed campaign."""
    campaign = measurement.campaign
    try:
        for _ in measurement.run(kills):
            if campaign.kills % 100 == 0:
                say(f"{campaign.kills} of {kills} kills, {campaign.invalid.total()} invalid")
    except NoBoard as error:
        if not campaign.kills:
            raise
        raise HostError(f"measure failed after {campaign.kills} of {kills} kills: {error}") from None
    return campaign


def save_samples(campaign: measure.Campaign, path: Path) -> None:
    """Write the raw samples, one row a valid trial, in cycles."""
    columns = {"t_effective": campaign.t_effective, "t_breach": campaign.t_breach, "t_pass": campaign.t_pass}
    used = {name: values for name, values in columns.items() if values}
    try:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(used)
            writer.writerows(zip(*used.values(), strict=True))
    except OSError as error:
        raise HostError(f"samples {path} cannot be written: {error.strerror}") from None


def virtual(args: argparse.Namespace) -> None:
    """Run a virtual board on its own until Ctrl-C; prints one JSON line with its ports."""
    board = BoardProcess(clock=args.clock)
    try:
        line = json.dumps(board.ports)
        places.RUNNING.parent.mkdir(parents=True, exist_ok=True)
        places.RUNNING.write_text(line + "\n")
        print(line, flush=True)
        say("a virtual board runs; try `breakwire status` in another terminal; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            code = board.wait()
            raise HostError(f"the virtual board ended by itself with exit code {code}: {board.last_words()}")
    finally:
        places.RUNNING.unlink(missing_ok=True)
        board.close()

"""Commands that run something on a rig: drill, measure, virtual."""

import argparse
import contextlib
import csv
import json
import sys
from importlib.resources import as_file, files
from pathlib import Path

from hdl.wire.verdict import Source
from host import config, measure, places, report, results
from host.config import Limits
from host.drill import EVENTS_FILE, LOG_FILE, Drill
from host.errors import HostError, UsageError, VerificationError
from host.outcome import Script
from host.recorder import EXCHANGE_FILE, SERVER_FILE
from host.rig import BoardProcess, Rig

REPORT_FILE, RESULT_FILE, WAVE_FILE = "report.html", "result.json", "trip.vcd"
BEFORE_TRIP, AFTER_TRIP = 600, 400  # cycles of waveform


def packaged_limits() -> Limits:
    """Return the limits that come with the host."""
    with as_file(files("host") / "knight.toml") as path:
        return config.load(path)


def say(line: str) -> None:
    """Tell progress, on the error output: results have the other to themselves."""
    print(line, file=sys.stderr, flush=True)


def drill(args: argparse.Namespace) -> None:
    """Run a scenario on a rig and write report.html, result.json, both sides' pcapng and the trip's waveform."""
    limits = config.load(args.limits) if args.limits else packaged_limits()
    folder = clear_folder(args.out)
    say("starting the rig (the first time on a machine this compiles the core)")
    with places.open_rig(args.rig) as rig:
        found = play(rig, limits, folder, seed=args.seed)
    print(json.dumps(found[0], indent=2) if args.json else found[1])
    say(f"report: {folder / REPORT_FILE}")


def play(
    rig: Rig, limits: Limits, folder: Path, *, seed: int, script: Script | None = None
) -> tuple[dict[str, object], str]:
    """Run the drill on a rig and write its files; return result.json and the table.

    Raises VerificationError when something did not hold, HostError when the drill could not go on; in both cases,
    and on Ctrl-C, the recordings are closed and valid.
    """
    run = Drill(rig, limits, folder, seed=seed, script=script, say=say)
    try:
        run.run()
        found, text = results.result(run.outcome, run.recorder), results.summary(run.outcome, run.recorder)
        (folder / RESULT_FILE).write_text(json.dumps(found, indent=2) + "\n")
        (folder / REPORT_FILE).write_text(report.render(run.outcome, run.recorder))
        if trip := run.outcome.kill_of(Source.BREACH):
            rig.wave(max(0, trip.at - BEFORE_TRIP), trip.at + AFTER_TRIP, folder / WAVE_FILE)
    except KeyboardInterrupt:
        run.say("interrupted; what was recorded until here is kept")
        raise
    finally:
        run.close()
    if wrong := results.failures(run.outcome, run.recorder):
        print(text)
        raise VerificationError("drill knight: " + "; ".join(wrong))
    return found, text


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
    """Kill at uniformly random phase against traffic, one fresh arm each, and print the distributions."""
    limits = config.load(args.limits) if args.limits else packaged_limits()
    with places.open_rig(args.rig) as rig:
        campaign = campaign_on(rig, limits, args.source, args.kills, args.seed)
    if args.out:
        save_samples(campaign, args.out)
    print(json.dumps(campaign.as_json(), indent=2) if args.json else campaign.as_text())
    measure.judge(campaign)


def campaign_on(rig: Rig, limits: Limits, source: str, kills: int, seed: int) -> measure.Campaign:
    """Return a campaign of `kills` kills on a rig."""
    measurement = measure.Measurement(rig, limits, source, seed=seed)
    for campaign in measurement.run(kills):
        if campaign.kills % 100 == 0:
            say(f"{campaign.kills} of {kills} kills, {campaign.invalid.total()} invalid")
    return measurement.campaign


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

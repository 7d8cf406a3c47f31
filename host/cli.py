"""The command `breakwire`: parses, calls, prints. Exit codes are in host.errors."""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hdl.wire.verdict import LANES
from host import config, operate, places, runs
from host.device import ALL_LANES, Device
from host.errors import HostError, UsageError
from host.measure import SOURCES

Command = Callable[[Device, argparse.Namespace], None]
INTERRUPTED = 130


def lanes(text: str) -> int:
    """Return the mask of lanes such as ``1,3``."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = [0]
    if not all(1 <= number <= LANES for number in numbers):
        raise argparse.ArgumentTypeError(f"lanes are numbers from 1 to {LANES} such as 1,3; not {text!r}")
    return sum(1 << number - 1 for number in set(numbers))


def count(text: str) -> int:
    """Return a whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return number


class Parser(argparse.ArgumentParser):
    """Tells a wrong command line in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def parser() -> Parser:
    """Return the command line's grammar."""
    main_parser = Parser(prog="breakwire", description="A kill switch for an order path.")
    commands = main_parser.add_subparsers(required=True, metavar="COMMAND")
    common = Parser(add_help=False)
    common.add_argument("--rig", default="virtual", metavar="virtual|FILE.toml", help="which board (%(default)s)")
    common.add_argument("--json", action="store_true", help="print JSON")

    def add(name: str, run: Callable[[argparse.Namespace], None], about: str | None) -> Parser:
        command = commands.add_parser(name, help=about, description=about, parents=[common])
        command.set_defaults(run=run)
        return command

    def add_operating(name: str, run: Command) -> Parser:
        return add(name, lambda args: _with_board(run, args), run.__doc__)

    command = add("drill", runs.drill, runs.drill.__doc__)
    command.add_argument("scenario", choices=["knight"])
    command.add_argument("--out", type=Path, default=Path("build/drill"), metavar="DIR", help="where to (%(default)s)")
    command.add_argument(
        "--protocol", choices=config.PROTOCOLS, default="tcp", help="what every lane speaks, whatever the limits say "
        "(%(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--evidence", action="store_true", help="exact positions, by what the exchange reports; they are compared with "
        "its books",
    )  # fmt: skip
    command.add_argument(
        "--stops", action="store_true", help="only the runaway, once for each control that stops it; writes stops.json",
    )  # fmt: skip
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of the order flow (%(default)s)")
    command.add_argument("--limits", type=Path, metavar="FILE", help="other limits than the drill's own")

    command = add("measure", runs.measure_command, runs.measure_command.__doc__)
    command.add_argument("--kills", type=count, default=1000, metavar="N", help="how many (%(default)s)")
    command.add_argument("--source", choices=sorted(SOURCES), default="loop", help="what kills (%(default)s)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="of phase and traffic (%(default)s)")
    command.add_argument("--limits", type=Path, metavar="FILE", help="other limits than the drill's own")
    command.add_argument("--out", type=Path, metavar="FILE.csv", help="save the raw samples")

    add_operating("status", operate.status)
    command = add_operating("limits", operate.limits)
    command.add_argument("file", type=Path, metavar="FILE.toml")
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--symbol", metavar="SYMBOL", help="load nothing, show a symbol's limits and position")
    instead.add_argument("--show", action="store_true", help="load nothing, show use against limits, and tell whether "
                         "the board holds FILE")  # fmt: skip
    instead.add_argument("--anew", action="store_true", help="clear positions, exposure, gross notional and parents "
                         "before, as for a new day; cancel what rests first")  # fmt: skip
    command.add_argument("--all", action="store_true", help="--show, with the symbols that have no use too")
    command = add_operating("arm", operate.arm)
    command.add_argument("file", type=Path, metavar="FILE.toml", help="the limits that the board must hold")
    command.add_argument("--lanes", type=lanes, default=ALL_LANES, metavar="1,2", help="which (all)")
    command.add_argument("--hold", action="store_true", help="send heartbeats until Ctrl-C")
    command = add_operating("kill", operate.kill)
    command.add_argument("--lanes", type=lanes, default=ALL_LANES, metavar="1,2", help="which (all)")
    add_operating("events", operate.events)

    about = runs.virtual.__doc__
    command = commands.add_parser("virtual", help=about, description=about)
    command.add_argument("--clock", choices=["virtual", "wall"], default="virtual", help="what moves its time")
    command.set_defaults(run=runs.virtual)
    return main_parser


def _with_board(run: Command, args: argparse.Namespace) -> None:
    args.limits = config.load(args.file) if "file" in args else None  # a wrong file needs no board to be told
    link, name = places.open_control(args.rig)
    with link:
        device = Device(link, name=name)
        device.check()
        run(device, args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        args = parser().parse_args(argv)
        args.run(args)
        sys.stdout.flush()
        return 0
    except SystemExit:  # --help
        return 0
    except HostError as error:
        print(f"breakwire: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("breakwire: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return HostError.exit_code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Make SIGTERM end a command as Ctrl-C does: in order."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

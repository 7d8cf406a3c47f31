"""Finds the board that `--rig` names.

`virtual` is a board of its own for `drill` and `measure`; for the operating commands it is the one that
`breakwire virtual` runs from the same folder. FILE.toml describes a real board:

    [control]
    port = "/dev/ttyUSB0"   # serial port of the control link
    baud = 3_000_000        # optional
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from host.config import explain
from host.errors import NoBoard, UsageError
from host.link import BAUD, SerialLink
from host.rig import ANSWER_S, VirtualRig

RUNNING = Path("build/virtual.json")  # what `breakwire virtual` says of its board


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The control link of a real board."""

    port: str
    baud: Annotated[int, msgspec.Meta(ge=1)] = BAUD


class RigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rig's file."""

    control: Control


def load_rig_file(path: Path) -> RigFile:
    """Return what a rig's file says. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), RigFile)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"rig file {path} cannot be read: {reason}; --rig takes virtual or FILE.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {str(error)[0].lower()}{str(error)[1:]}") from None
    except msgspec.ValidationError as error:
        raise UsageError(explain(str(error), text, str(path))) from None


def open_rig(name: str) -> VirtualRig:
    """Return a rig for packets and control. Raises UsageError for one without packet links."""
    if name == "virtual":
        return VirtualRig()
    load_rig_file(Path(name))
    raise UsageError(f"rig {name} has no packet links: this version drills and measures on --rig virtual only")


def open_control(name: str) -> tuple[SerialLink, str]:
    """Return the control link of the board that `name` means, and what to call it. Raises NoBoard."""
    if name != "virtual":
        control = load_rig_file(Path(name)).control
        return SerialLink(control.port, baud=control.baud), f"the board on {control.port}"
    try:
        port = json.loads(RUNNING.read_text())["control"]
    except FileNotFoundError:
        raise NoBoard("no virtual board is running here; start one with `breakwire virtual`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoBoard(f"{RUNNING} does not describe a board ({error}); restart `breakwire virtual`") from None
    return SerialLink(port, timeout_s=ANSWER_S), "the virtual board"

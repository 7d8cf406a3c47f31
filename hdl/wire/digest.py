"""The hash of every wire format: the board reports it, the host compares it."""

import hashlib
from enum import IntEnum

from hdl.wire import (
    board,
    control,
    ethernet,
    event,
    lane,
    ouch,
    ouch42,
    registers,
    reports,
    reports42,
    soup,
    ufo,
    verdict,
)
from hdl.wire.format import Format

MODULES = (ethernet, ufo, soup, ouch, ouch42, reports, reports42, lane, registers, control, event, verdict, board)


def describe() -> str:
    """Return every declaration as text, one per line, in a fixed order."""
    lines = []
    for module in MODULES:
        for name, value in sorted(vars(module).items()):
            if isinstance(value, Format):
                lines.append(f"{name} {value.describe()}")
            elif isinstance(value, type) and issubclass(value, IntEnum) and value is not IntEnum:
                lines.append(f"{name} " + " ".join(f"{m.name}={m.value:#x}" for m in value))
            elif name.isupper() and isinstance(value, int | tuple | dict):
                lines.append(f"{name} {value!r}")
    return "\n".join(lines)


def map_hash() -> int:
    """Return the first 32 bits of the SHA-256 of `describe()`."""
    return int.from_bytes(hashlib.sha256(describe().encode()).digest()[:4], "big")

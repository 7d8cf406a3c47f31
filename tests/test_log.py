"""The event log."""

from hdl.filter.log import Log


def test_log(run_cocotb):
    run_cocotb(Log(["a", "b", "c"]), testbench="sim.tb_log")

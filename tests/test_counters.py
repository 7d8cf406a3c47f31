"""The counters."""

from hdl.filter.counters import Counters


def test_counters(run_cocotb):
    run_cocotb(Counters(), testbench="sim.tb_counters")

"""The table of lanes."""

from hdl.filter.lanes import Lanes


def test_lanes(run_cocotb):
    run_cocotb(Lanes(), testbench="sim.tb_lanes")

"""The risk engine through its ports, against plain arithmetic."""

from hdl.filter.risk import Risk


def test_risk(run_cocotb):
    run_cocotb(Risk(), testbench="sim.tb_risk")

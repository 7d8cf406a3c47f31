"""The risk engine through its ports, against plain arithmetic; and once more made of block RAMs."""

import pytest

from hdl.filter.risk import Risk
from sim.dp16kd import Modelled


def test_risk(run_cocotb):
    run_cocotb(Risk(), testbench="sim.tb_risk")


def test_parents_in_the_engine(run_cocotb):
    run_cocotb(Risk(), testbench="sim.tb_parents")


@pytest.mark.simulators("verilator")
def test_risk_made_of_block_rams(run_cocotb):
    """It uses no word that was read while it was written: the model shows the inverse of such a word."""
    for testbench in ("sim.tb_risk", "sim.tb_parents"):
        run_cocotb(Modelled(Risk()), testbench=testbench)

"""The control link, from pin to pin."""

import pytest

from sim.control import Control


@pytest.mark.simulators("verilator")  # minutes on Icarus; the parts with a bench of their own run there
@pytest.mark.parametrize("divisor", [4, 11])
def test_control(run_cocotb, divisor):
    run_cocotb(Control(divisor), testbench="sim.tb_control", env={"DIVISOR": str(divisor)})

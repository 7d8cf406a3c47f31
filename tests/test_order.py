"""The decoder of OUCH messages, with the walk through their appendages."""

import pytest

from hdl.filter.order import Order
from sim.play import Packed


@pytest.mark.simulators("verilator")  # Icarus 11 shows X in the first cycles of a bench
def test_order(run_cocotb):
    run_cocotb(Packed(Order()), testbench="sim.tb_order")

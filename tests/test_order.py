"""The decoder of OUCH messages, with the walk through their appendages."""

from hdl.filter.order import Order
from sim.play import Packed


def test_order(run_cocotb):
    run_cocotb(Packed(Order()), testbench="sim.tb_order")

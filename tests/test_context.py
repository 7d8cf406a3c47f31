"""The contexts of the parsers, from frame to frame."""

from sim.parsers import Parsers
from sim.play import Packed


def test_contexts(run_cocotb):
    run_cocotb(Packed(Parsers()), testbench="sim.tb_context")

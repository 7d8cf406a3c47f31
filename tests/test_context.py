"""The contexts of the parsers, from frame to frame."""

import pytest

from sim.parsers import Parsers
from sim.play import Packed


@pytest.mark.simulators("verilator")  # minutes on Icarus
def test_contexts(run_cocotb):
    run_cocotb(Packed(Parsers()), testbench="sim.tb_context")

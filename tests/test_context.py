"""The contexts of the parsers, from frame to frame."""

import pytest

from sim.parsers import Parsers
from sim.play import Packed


@pytest.mark.simulators("verilator")  # Icarus 11 shows X in the first cycles of a bench
def test_contexts(run_cocotb):
    run_cocotb(Packed(Parsers()), testbench="sim.tb_context")

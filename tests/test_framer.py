"""The framing of a datagram."""

import pytest

from hdl.filter.framer import Framer
from sim.play import Packed


@pytest.mark.simulators("verilator")  # Icarus 11 shows X in the first cycles of a bench
def test_framer(run_cocotb):
    run_cocotb(Packed(Framer()), testbench="sim.tb_framer")

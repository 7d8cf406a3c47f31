"""The framing of a datagram."""

from hdl.filter.framer import Framer
from sim.play import Packed


def test_framer(run_cocotb):
    run_cocotb(Packed(Framer()), testbench="sim.tb_framer")

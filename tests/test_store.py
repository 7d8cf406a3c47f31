"""The store of contexts."""

from hdl.filter.store import ContextStore
from sim.play import Packed


def test_store(run_cocotb):
    run_cocotb(Packed(ContextStore()), testbench="sim.tb_store")

"""The watchdog, and that its bench notices one that is late."""

import pytest
from amaranth.hdl import Module

from hdl.filter.watchdog import Watchdog
from sim.runner import BenchError


class Coarse(Watchdog):
    """Sees time in steps of 16 cycles."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = Watchdog()
        for name in ("timeout", "heartbeat"):
            m.d.comb += getattr(inner, name).eq(getattr(self, name))
        m.d.comb += [inner.now.eq(self.now & ~0x0F), self.expired.eq(inner.expired), self.deadline.eq(inner.deadline)]
        return m


def test_watchdog(run_cocotb):
    run_cocotb(Watchdog(), testbench="sim.tb_watchdog")


def test_a_late_expiry_is_noticed(run_cocotb):
    with pytest.raises(BenchError, match="p10_it_expires_two_cycles_after_the_deadline"):
        run_cocotb(Coarse(), testbench="sim.tb_watchdog")

"""Kill sources, latch, watchdog and arming together, and that their bench notices a latch that loses a kill."""

import pytest
from amaranth.hdl import Module

from hdl.filter.kill import KillLatch
from sim.kill_path import KillPath
from sim.runner import BenchError


class ArmWins(KillLatch):
    """Loses a kill in the cycle of an arm."""

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.killed.eq((self.killed | self.request) & ~self.open)
        return m


def test_kill_path(run_cocotb):
    run_cocotb(KillPath(), testbench="sim.tb_kill_path")


def test_a_kill_lost_to_an_arm_is_noticed(run_cocotb):
    with pytest.raises(BenchError, match="p3_a_source_kills_in_every_cycle_of_an_arm"):
        run_cocotb(KillPath(latch=ArmWins), testbench="sim.tb_kill_path")

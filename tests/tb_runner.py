"""The bench of tests/test_runner.py, for a counter that may be broken."""

import cocotb
from cocotb.clock import Clock


@cocotb.test(timeout_time=1, timeout_unit="us")
async def counts_every_cycle(dut):
    """One more on every rising edge while enabled."""
    Clock(dut.clk, 8, unit="ns").start()
    dut.rst.value = 1
    dut.enable.value = 0
    await dut.clk.rising_edge
    dut.rst.value = 0
    dut.enable.value = 1
    await dut.clk.falling_edge
    for expected in range(20):
        assert dut.count.value == expected, f"{expected=}"
        await dut.clk.falling_edge

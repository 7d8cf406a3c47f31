"""The fixture `run_cocotb` itself: a bench that fails must fail the test, and so must one that tests nothing."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim import runner


class Counter(wiring.Component):
    """Counts cycles while `enable`, by `step`."""

    def __init__(self, step: int = 1):
        self.step = step
        super().__init__({"enable": In(1), "count": Out(8)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.enable):
            m.d.sync += self.count.eq(self.count + self.step)
        return m


def test_a_bench_passes(run_cocotb):
    assert run_cocotb(Counter(), testbench="tests.tb_runner") == 1


def test_a_failing_bench_fails_and_names_its_test(run_cocotb):
    with pytest.raises(runner.BenchError, match=r"1 of 1 cocotb tests failed: .*counts_every_cycle \(.*expected=1"):
        run_cocotb(Counter(step=2), testbench="tests.tb_runner")


def test_a_bench_without_tests_fails(run_cocotb):
    with pytest.raises(runner.BenchError):
        run_cocotb(Counter(), testbench="tests.tb_runner", testcase="nothing_is_called_this")


def test_a_bench_that_cannot_be_imported_fails(run_cocotb):
    with pytest.raises(runner.BenchError):
        run_cocotb(Counter(), testbench="tests.tb_missing")

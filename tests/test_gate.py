"""The egress gate, and that its bench notices what is wrong with one."""

import pytest

import hdl.filter.gate
from hdl.filter.gate import Gate
from sim.runner import BenchError
from sim.spec_gate import LastOctetUpright


def test_gate(run_cocotb):
    run_cocotb(Gate(), testbench="sim.tb_gate")


def test_an_upright_last_octet_is_noticed(run_cocotb):
    with pytest.raises(BenchError, match="p1_p3_a_kill_in_every_cycle_of_a_frame"):
        run_cocotb(
            LastOctetUpright.gate(), testbench="sim.tb_gate", testcase="p1_p3_a_kill_in_every_cycle_of_a_frame/size=64"
        )


def test_a_gap_too_short_is_noticed(run_cocotb, monkeypatch):
    monkeypatch.setattr(hdl.filter.gate, "GAP", 11)
    with pytest.raises(BenchError, match="frames_follow_each_other_after_12_idle_cycles"):
        run_cocotb(Gate(), testbench="sim.tb_gate", testcase="frames_follow_each_other_after_12_idle_cycles")

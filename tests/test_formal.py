"""The runner behind `make formal`: only a proof that the solver stands for counts, and only beside a mutant."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from sim import formal
from sim.formal import Job

needs_solver = pytest.mark.skipif(
    shutil.which("yowasp-sby", path=str(Path(sys.executable).parent)) is None,
    reason="yowasp-sby is not installed (make .venv/.fpga)",
)


class LatchSpec(wiring.Component):
    """A latch, once set, stays set."""

    set: In(1)
    clear: In(1)

    def __init__(self, *, clears: bool = False, states: bool = True, impossible: bool = False):
        self.clears = clears
        self.states = states
        self.impossible = impossible
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        latch, seen = (Signal(reset_less=True, name=name) for name in ("latch", "seen"))
        with m.If(self.set):
            m.d.sync += [latch.eq(1), seen.eq(1)]
        with m.Elif(self.clear & self.clears):
            m.d.sync += latch.eq(0)
        if self.states:
            m.d.comb += Assert(latch >= seen)
            m.d.comb += Cover(seen & self.clear)
        if self.impossible:
            m.d.comb += Assume(~self.set)
        return m


PROOF = Job("P2", "latch", LatchSpec)
MUTANT = Job("P2", "latch", lambda: LatchSpec(clears=True), mutant="clears", expect="fail")
COVER = Job("P2", "latch", LatchSpec, expect="reached")


@needs_solver
@pytest.mark.parametrize(
    "job, result, unbounded",
    [
        (PROOF, "pass", True),
        (MUTANT, "fail", False),
        (COVER, "reached", False),
        (Job("P2", "nothing asserted", lambda: LatchSpec(states=False)), "no assert", False),
        (Job("P2", "impossible", lambda: LatchSpec(impossible=True), expect="reached"), "fail", False),
    ],
    ids=lambda value: value.name if isinstance(value, Job) else None,
)
def test_the_solver_is_quoted(job, result, unbounded, tmp_path):
    outcome = formal.run(job, tmp_path)
    assert (outcome.result, outcome.unbounded) == (result, unbounded), (tmp_path / job.name / "log.txt").read_text()


@pytest.mark.parametrize(
    "code, status, result",
    [
        (0, "PASS 0 1", "pass"),
        (0, None, "error: exit 0, status nothing"),
        (0, "", "error: exit 0, status nothing"),
        (0, "FAIL 0 1", "error: exit 0, status fail"),
        (2, "FAIL 2 1", "fail"),
        (4, "UNKNOWN 4 1", "unknown"),
        (16, "ERROR 16 1", "error"),
        (1, "PASS 0 1", "error: exit 1, status pass"),
    ],
)
def test_a_missing_answer_is_never_a_pass(code, status, result, tmp_path, monkeypatch):
    """The solver's command is replaced by one that ends with `code` and leaves `status`."""
    (tmp_path / "job").mkdir()
    if status is not None:
        (tmp_path / "job" / "status").write_text(status)
    monkeypatch.setattr(formal, "SBY", ("sh", "-c", f"exit {code}"))
    assert formal._solve(tmp_path) == result


@needs_solver
def test_a_campaign_counts_what_came_out_as_expected(tmp_path, capsys):
    assert formal.campaign([PROOF, MUTANT, COVER], tmp_path)
    rows = json.loads((tmp_path / "formal.json").read_text())
    assert [(row["property"], row["result"], row["unbounded"]) for row in rows] == [
        ("P2", "pass", True),
        ("P2", "fail", False),
        ("P2", "reached", False),
    ]
    assert {"property", "scope", "engine", "unbounded", "result", "seconds"} <= set(rows[0])
    assert "proved without a bound: P2; 0 of 3 jobs went wrong" in capsys.readouterr().out


@needs_solver
def test_a_campaign_without_a_mutant_fails(tmp_path, capsys):
    assert not formal.campaign([PROOF], tmp_path)
    assert "no mutant shows that these proofs can fail: P2" in capsys.readouterr().out


@needs_solver
def test_a_campaign_with_a_mutant_that_survives_fails(tmp_path):
    assert not formal.campaign([PROOF, Job("P2", "latch", LatchSpec, mutant="none", expect="fail")], tmp_path)


def test_two_jobs_of_one_name_are_refused(tmp_path):
    with pytest.raises(formal.FormalError, match=r"^1 jobs have the name of another; give them another scope$"):
        formal.campaign([PROOF, PROOF], tmp_path)


def test_a_mutant_must_be_expected_to_fail():
    with pytest.raises(ValueError, match=r"^P2: the mutant 'clears' must be expected to fail$"):
        Job("P2", "latch", LatchSpec, mutant="clears")


def test_a_missing_solver_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(formal, "SBY", ("no-sby",))
    with pytest.raises(formal.FormalError, match=r"^no-sby is not installed; try `make formal`, which installs it$"):
        formal._solve(tmp_path)

"""host.stops: the same runaway against one control at a time, on the virtual board."""

import json
import re
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from hdl.wire.verdict import Source
from host import config, places, results, runs, stops
from host.cli import main
from host.outcome import Script

OPEN_S = 9.5 * 3600
SHORT = Script(operator_s=OPEN_S + 1.5, after_kill_s=0.25)


def run(folder):
    limits = config.speaking(runs.packaged_limits(), "tcp", evidence=True)
    symbols = {name: replace(symbol, long=500, short=500) for name, symbol in limits.symbols.items()}
    limits = replace(limits, symbols=symbols)
    return stops.run(lambda: places.open_rig("virtual"), limits, folder, seed=1, script=SHORT, say=print)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Every stop of a short morning, under positions of 500 shares, which the runaway comes to in a second."""
    folder = tmp_path_factory.mktemp("stops")
    found, wrong = run(folder)
    assert wrong == []
    return {one.stop: one for one in found}, folder


def test_the_parents_stop_it_first_and_the_operator_last(played):
    """Shares that got out are at most those that had been entered; the operator's are the runaway's of 1.5 s."""
    found, _ = played
    assert list(found) == ["parent budget", "gross limit", "position limit", "operator"]
    budget, gross, position, operator = found.values()
    assert 0 < budget.orders < gross.orders < operator.orders
    assert 0 < budget.after_s < gross.after_s < 1.5 < operator.after_s < 1.6
    assert budget.shares <= 27 * 500 and budget.usd < 2_000_000
    assert 1_900_000 < gross.usd <= 2_000_000
    assert budget.orders < position.orders < operator.orders
    assert [one.by for one in found.values()] == ["breach", "breach", "breach", "serial"]
    assert [(one.others_killed, one.others_stopped) for one in (budget, gross, operator)] == [(0, 0)] * 3


def test_what_was_found_is_written(played):
    found, folder = played
    told = json.loads((folder / "stops.json").read_text())
    assert told["schema"] == "breakwire.stops/1" and told["wrong"] == []
    assert [one["stop"] for one in told["stops"]] == list(found)
    lines = stops.as_text(list(found.values())).splitlines()
    assert len(lines) == 5 and lines[1].startswith("parent budget  ")


def test_a_control_that_does_not_stop_it_is_told(monkeypatch, tmp_path):
    """Nothing stops it but the operator; and what left in the second before counts as if it had left too late."""
    monkeypatch.setattr(results, "BOUND", -125_000_000)
    stop = stops.Stop("gross limit", Source.BREACH, config.unreachable)
    monkeypatch.setattr(stops, "STOPS", (stop,))
    _, wrong = run(tmp_path)
    first, second = wrong
    assert first == "gross limit: the lane was killed by serial, not by breach"
    assert re.fullmatch(r"gross limit: [4-9]\d\d orders completed on killed lanes", second)
    assert json.loads((tmp_path / "stops.json").read_text())["wrong"] == wrong


@pytest.mark.parametrize(("more", "lines"), [(0, []), (1, ["the children of P001 had 101 of its 100 shares"])])
def test_children_of_more_than_their_parent_are_told(monkeypatch, more, lines):
    """Told from what left: exactly as many shares as were entered are right."""
    parents = {"P001": config.Parent(symbol="BABU", side="buy", shares=100, children=9)}
    drill = SimpleNamespace(outcome=None, recorder=None, image=SimpleNamespace(limits=SimpleNamespace(parents=parents)))
    children = [stops.Child("P001", 60, 1), stops.Child("P002", 500, 1), stops.Child("P001", 40 + more, 1)]
    monkeypatch.setattr(stops, "_children", lambda drill, lanes: children)
    monkeypatch.setattr(results, "completed_after_kill", lambda outcome, recorder: 0)
    found = stops.Found("parent budget", "breach", 0.1, 3, 600, 1.0, 0, 0)
    assert stops._wrong(stops.STOPS[0], drill, found) == lines


@pytest.mark.parametrize(("wrong", "code"), [([], 0), (["operator: 3 orders completed on killed lanes"], 4)])
def test_the_command_prints_them_and_fails_for_what_did_not_hold(monkeypatch, tmp_path, capfd, wrong, code):
    found = [stops.Found("operator", "serial", 30.004, 13_348, 1_324_760, 56_288_233.75, 0, 0)]
    monkeypatch.setattr(stops, "run", lambda *args, **options: (found, wrong))
    assert main(["drill", "knight", "--stops", "--out", str(tmp_path)]) == code
    out, err = capfd.readouterr()
    assert out.splitlines()[1].split() == ["operator", "30.004", "13,348", "1,324,760", "56,288,233.75", "0", "0"]
    assert [line for line in err.splitlines() if line.startswith("breakwire: ")] == [
        f"breakwire: drill knight --stops: {line}" for line in wrong
    ]

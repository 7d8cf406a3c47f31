"""Random TCP traffic through the golden model alone: what it reaches, and what must hold whatever comes."""

import pytest

from hdl.wire.registers import Count
from hdl.wire.verdict import Action, Reason
from sim import fuzz
from sim.budget import Budget
from sim.coverage import Coverage
from sim.egress import Egress
from sim.receiver import Received, receive
from sim.session import Flow, Session
from sim.solo import Solo
from sim.tcp_traffic import TcpTraffic


def test_rounds_repeat_with_their_seed():
    def rounds(seed):
        traffic = TcpTraffic(seed)
        solo = Solo(traffic)
        solo.arm()
        for _ in range(3):
            carriers, returns = traffic.round(solo.model, 50)
            solo.play(carriers, returns=returns)
        return carriers, returns, solo.model.verdicts

    assert rounds(5) == rounds(5)
    assert rounds(5) != rounds(6)


def test_what_leaves_is_the_stream_with_orders_overwritten():
    """P8, P9: and what is repeated, also behind an arm, is what had left; no order completes behind a kill."""
    coverage, whole, stopped = Coverage(), 0, 0
    for seed in range(8):
        solo = fuzz.fight_tcp(seed, alone=True, coverage=coverage)
        orders = receive(solo.model)
        whole, stopped = whole + orders[0], stopped + orders[1]
    assert whole > 1000 and stopped > 200
    rare = {"keep-alive, window probe", "commit point", "neutralise", "ARP, ICMP, other", "exact positions", "Replace"}
    assert {missing.split(":")[0] for missing in coverage.missing()} <= rare


def test_positions_stay_within_their_limits_whatever_is_executed():
    """P5: told from the books of the exchange that got what left; limits are come to, and reports give room again."""
    coverage, stopped = Coverage(), 0
    for seed in range(4):
        solo = fuzz.fight_tcp(seed, calm=True, alone=True, coverage=coverage)
        stopped += sum(row[Count.ORDER_DROP + Reason.POSITION] for row in solo.model.counters)
    reached = coverage.rows()["exact positions"]
    assert stopped > 50 and reached.pop("ABOVE") < 10
    assert min(reached.values()) > 5, reached
    replaces = coverage.rows()["Replace"]
    often = ("a Replace let go", "an order and its Replace let go in a segment", "released by U", "released by W")
    assert min(replaces[what] for what in often) > 5, replaces


def test_what_is_executed_and_not_held_is_noticed(monkeypatch):
    def unheld(budget, change):
        budget.exposure[change.row] -= change.released

    monkeypatch.setattr(Budget, "_book", unheld)
    with pytest.raises(AssertionError, match="its limit is"):
        for seed in range(20):
            fuzz.fight_tcp(seed, calm=True, alone=True)


@pytest.mark.parametrize(
    ("part", "name", "broken"),
    [
        (Session, "roll_back", lambda session: None),
        (Session, "commit", lambda session, flow: setattr(session, "sent", session.next)),
        (Flow, "mark", lambda flow: None),
        (Egress, "flip", lambda egress, lane, cycle: None),
    ],
)
def test_a_broken_model_is_noticed(monkeypatch, part, name, broken):
    """A lane that does not fall back, one that forgets what it overwrote or continues an order that it stopped, and a
    gate that lets stale frames go."""
    monkeypatch.setattr(part, name, broken)
    with pytest.raises(AssertionError):
        for seed in range(30):
            fuzz.fight_tcp(seed, alone=True)


def test_the_receiver_knows_the_difference():
    stream = Received(100, frozenset(b"O"))
    order, gone = b"\0\3UO!", b"\0\3+  "
    stream.take(101, order + order, order + gone)
    stream.take(103, order[2:], order[2:])
    assert stream.check() == (1, 1)
    with pytest.raises(AssertionError, match=r"^a segment repeats other octets than those that had left$"):
        stream.take(106, order, order)
    with pytest.raises(AssertionError, match=r"^1 octets are missing before a segment$"):
        stream.take(112, order, order)
    stream.take(111, order, b"\0\3+! ")
    with pytest.raises(AssertionError, match=r"^0003554f21 left as 00032b2120$"):
        stream.check()


def test_every_action_comes_up():
    actions = {TcpTraffic(seed).config.action(lane) for seed in range(10) for lane in range(8)}
    assert actions == set(Action)

"""Random TCP traffic through the golden model alone: what it reaches, and what must hold whatever comes."""

import pytest

from hdl.wire.verdict import Action
from sim import fuzz
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
            carriers, returns = traffic.round(solo.model.sessions, 50)
            solo.play(carriers, returns=returns)
        return carriers, returns, solo.model.verdicts

    assert rounds(5) == rounds(5)
    assert rounds(5) != rounds(6)


def test_what_leaves_is_the_stream_with_orders_overwritten():
    """P8, P9: and what is repeated, also behind an arm, is what had left; no order completes behind a kill."""
    coverage, whole, stopped = Coverage(), 0, 0
    for seed in range(6):
        solo = fuzz.fight_tcp(seed, alone=True, coverage=coverage)
        orders = receive(solo.model)
        whole, stopped = whole + orders[0], stopped + orders[1]
    assert whole > 1000 and stopped > 200
    rare = {"keep-alive, window probe", "commit point", "neutralise", "ARP, ICMP, other"}
    assert {missing.split(":")[0] for missing in coverage.missing()} <= rare


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

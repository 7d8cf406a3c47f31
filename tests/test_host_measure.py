"""host.measure, host.magazine and host.trial: a number counts only when links and captures agree on it."""

from dataclasses import replace
from functools import cache

import pytest

from hdl.wire.board import Side
from hdl.wire.verdict import Source
from host import config, measure
from host.device import Captures, Passage
from host.errors import HostError, UsageError, VerificationError
from host.frames import close_frame, has_good_fcs
from host.magazine import Magazine, Shot
from host.measure import Measurement
from host.rig import Frame
from host.runs import complete, packaged_limits, save_samples
from host.trial import Trial
from tests.fake_board import FakeBoard, FakeRig
from tests.test_host_config import GOOD

LIMITS = packaged_limits()
KILLS = 20


@cache
def run(source, *, seed=1, again=0, **faults):
    return complete(Measurement(FakeRig(**faults), LIMITS, source, seed=seed), KILLS)


@pytest.mark.parametrize("source", ["loop", "serial", "breach"])
def test_every_kill_counts(source):
    campaign = run(source)
    found = campaign.as_json()
    assert list(found) == [
        "schema", "rig", "clock", "source", "kills", "invalid", "completed_after_kill", "aborted", "core_sha256",
        "seed", "latency_cycles",
    ]  # fmt: skip
    assert (found["schema"], found["kills"], found["invalid"]) == ("breakwire.measure/1", KILLS, 0)
    assert found["completed_after_kill"] == 0 and found["aborted"] > 0
    latency = found["latency_cycles"]
    assert list(latency) == ["t_effective", "t_breach", "t_pass"]
    assert list(latency["t_pass"]) == ["n", "min", "p50", "p99", "p999", "max"]
    assert latency["t_effective"]["n"] == latency["t_pass"]["n"] == KILLS
    assert latency["t_breach"]["n"] == (KILLS if source == "breach" else 0)
    assert latency["t_pass"]["max"] == 4
    measure.judge(campaign)


class Watching(FakeRig):
    """Notes when the traffic of each trial begins and ends."""

    traffic = ()

    def send(self, frames):
        self.traffic = list(frames)
        super().send(self.traffic)


@pytest.mark.parametrize("source", ["loop", "serial"])
def test_the_phase_is_uniform_in_the_traffic(source):
    """From 15 to 70 % of it, every sixth of that at least once in 40 kills (fixed seed)."""
    rig = Watching()
    sixths = set()
    for _ in Measurement(rig, LIMITS, source, seed=1).run(40):
        begin, end = rig.traffic[0].at, rig.traffic[-1].end
        share = (rig.board.kill_at - begin) / (end - begin)
        assert 0.14 < share < 0.71
        sixths.add(int((share - 0.14) / 0.57 * 6))
    assert sixths == set(range(6))


def test_the_same_seed_gives_the_same_campaign():
    assert run("loop").as_json() == run("loop", again=1).as_json()
    assert run("loop", seed=2).as_json() != run("loop").as_json()


def test_the_constant_of_the_loop_is_reported_apart():
    assert set(run("loop").conditioning) == {3}
    assert "loop pin to kill edge, not part of the above: 3 to 3 cycles" in run("loop").as_text()


def test_a_leaking_board_is_found():
    """The proof that it can fail: orders that complete after the kill are counted from the frames."""
    campaign = run("loop", leaky=True)
    assert campaign.completed_after_kill > 100
    with pytest.raises(
        VerificationError, match=r"^measure by loop, seed 1: \d+ orders completed after the kill; "
    ) as caught:
        measure.judge(campaign)
    assert caught.value.exit_code == 4


class Lying(FakeBoard):
    """Says that nothing completed after the kill, whatever left."""

    def read(self, address):
        return 0 if 0x23 <= address <= 0x25 else super().read(address)


def test_captures_that_disagree_with_the_links_make_a_trial_invalid():
    rig = FakeRig()
    rig.board = rig.control.board = Lying(leaky=True)
    campaign = complete(Measurement(rig, LIMITS, "loop", seed=1), KILLS)
    assert campaign.invalid == {"captures and links disagree on the last order": KILLS}
    assert campaign.completed_after_kill > 100


def test_a_board_that_goes_in_mid_campaign_fails_it():
    rig = FakeRig()
    measurement = Measurement(rig, LIMITS, "loop", seed=1)
    trials = measurement.run(KILLS)
    next(trials)
    rig.dies_at = rig.board.now
    measurement.run = lambda kills: trials
    message = rf"^measure failed after 1 of {KILLS} kills: the fake board is gone$"
    with pytest.raises(HostError, match=message) as caught:
        complete(measurement, KILLS)
    assert caught.value.exit_code == 1


def test_samples_are_saved(tmp_path):
    campaign = run("breach")
    save_samples(campaign, tmp_path / "s.csv")
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "t_effective,t_breach,t_pass" and len(lines) == 1 + KILLS


def test_the_text_is_for_a_person():
    text = run("serial").as_text()
    assert text.startswith("20 kills by serial on the fake rig (virtual clock), seed 1\n")
    assert "cycles of 8 ns" in text and "p99.9" in text
    assert "orders completed after the kill edge + 4 cycles: 0; frames aborted: " in text
    assert "0 of 20 failing would bound the probability below 0.15 at 95 %" in text
    assert text.endswith("invalid trials: none")


def test_no_frame_is_sent_twice():
    magazine = Magazine(LIMITS, 1)
    shots = [shot for _ in range(40) for shot in magazine.shots(36, crossing=True)]
    assert len({shot.octets for shot in shots}) == len(shots)
    assert all(has_good_fcs(shot.octets) for shot in shots)
    assert {shot.orders for shot in shots} == {0, 1, 2, 5, 12, 28}


def test_limits_that_no_order_can_cross_are_one_line():
    limits = config.parse(GOOD.replace("largest = 1_000", "largest = 0"))
    message = r"^no order of at most 0 shares can cross lane \d's \$[12],000,000 gross limit; lower it or raise orders"
    with pytest.raises(UsageError, match=message):
        Magazine(limits, 1).shots(36, crossing=True)


# Trials by hand: three frames of 64 octets on lane 1, 84 cycles apart, each with an order; they leave 77 cycles later
# (64 + 8 + 5). A kill after the first one's end.
SHOTS = [Shot(close_frame(bytes([number]) * 60), 1, 1) for number in range(3)]
STARTED = [1000, 1084, 1168]
LEFT = [Frame(1076, Side.EXCHANGE, SHOTS[0].octets), Frame(1160, Side.EXCHANGE, SHOTS[1].octets)]
CAPTURES = Captures(1150, (Source.LOOP,), 1, 0, 0, 0, 0, 0)


def spoilt(shot):
    return shot.octets[:-4] + bytes(255 - octet for octet in shot.octets[-4:])


def judge(left, captures, **changes):
    values = {"shots": SHOTS, "started": STARTED, "source": Source.LOOP, "last_end": 0} | changes
    return Trial(left=left, captures=captures, passage=Passage(left[-1].at, 5, 64, 500), **values)


def test_a_trial_by_hand():
    """The first frame ends in 1147, the edge is in 1150: nothing after it."""
    trial = judge(LEFT[:1], CAPTURES)
    assert LEFT[0].end == 1147
    assert (trial.invalid(), trial.completed_after_kill) == (None, 0)


@pytest.mark.parametrize(("edge", "orders"), [(1143, 0), (1142, 1)])
def test_an_order_may_complete_until_four_cycles_after_the_edge(edge, orders):
    """P1: the first frame's last octet is in 1147."""
    trial = judge(LEFT[:1], replace(CAPTURES, kill_at=edge, after_end=1147, after_orders=orders))
    assert trial.completed_after_kill == orders
    assert trial.invalid() is None


def test_an_aborted_frame_completes_nothing():
    aborted = Frame(1160, Side.EXCHANGE, spoilt(SHOTS[1]), error=True)
    trial = judge([LEFT[0], aborted], replace(CAPTURES, kill_at=1165, aborts=1))
    assert (trial.invalid(), trial.completed_after_kill) == (None, 0)


@pytest.mark.parametrize(
    ("left", "changes", "reason"),
    [
        (LEFT[:1], {"kill_sources": (Source.WATCHDOG,)}, "killed by another source"),
        (LEFT[:1], {"kill_at": 900}, "kill outside the traffic"),
        (LEFT[:1], {"kill_at": 1300}, "kill outside the traffic"),
        (LEFT[:1], {"kill_lanes": 2}, "kill outside the traffic"),
        (LEFT[::-1], {}, "a frame left that had not come in so, or not in order"),
        ([LEFT[0]] * 2, {}, "a frame left that had not come in so, or not in order"),
        (
            [Frame(1076, Side.EXCHANGE, close_frame(bytes([9]) * 60))],
            {},
            "a frame left that had not come in so, or not in order",
        ),
        ([Frame(1076, Side.EXCHANGE, spoilt(SHOTS[0]))], {}, "tx_er and FCS disagree"),
        ([Frame(1076, Side.EXCHANGE, SHOTS[0].octets, error=True)], {}, "tx_er and FCS disagree"),
        (LEFT[:1], {"aborts": 1}, "captures and links disagree on aborts"),
        (LEFT[:1], {"after_end": 1151}, "captures and links disagree on the last order"),
        (LEFT[1:], {"kill_at": 1167, "after_end": 1231}, "frames lost without a reason"),
        ([Frame(1077, Side.EXCHANGE, SHOTS[0].octets)], {}, "captures and links disagree on T_pass"),
    ],
)
def test_a_trial_that_says_nothing_is_invalid(left, changes, reason):
    assert judge(left, replace(CAPTURES, **changes)).invalid() == reason


def test_a_cancel_that_is_lost_makes_a_trial_invalid():
    shots = [SHOTS[0], Shot(SHOTS[1].octets, 1, 0), SHOTS[2]]
    assert judge(LEFT[:1], CAPTURES, shots=shots).invalid() == "frames lost without a reason"

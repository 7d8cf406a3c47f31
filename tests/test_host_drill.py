"""host.drill, host.results, host.recorder and host.report, on a board that plain Python plays."""

import json
import re

import numpy as np
import pytest

from hdl.wire.board import Side
from hdl.wire.verdict import Reason, Source
from host import config, outcome, runs
from host.errors import HostError, NoBoard, UsageError, VerificationError
from host.frames import enter_template
from host.outcome import Script
from host.recorder import Recorder
from host.rig import Frame, Movement
from tests.fake_board import FakeBoard, FakeRig
from tests.test_host_config import GOOD
from tests.test_host_pcapng import packets

LIMITS = runs.packaged_limits()
OPEN_S = 9.5 * 3600
SHORT = Script(operator_s=OPEN_S + 3, pulled_s=OPEN_S + 8, clean_s=1, after_kill_s=0.5)


ORDER = {
    "user_ref": np.arange(3), "side": np.full(3, 66), "quantity": np.full(3, 1), "price": np.full(3, 1),
    "symbol": np.full(3, b"AAA     "), "order_id": np.full(3, b" " * 14),
}  # fmt: skip


def play(folder, *, seed=1, **faults):
    rig = FakeRig(**faults)
    return rig, runs.play(rig, LIMITS, runs.clear_folder(folder), seed=seed, script=SHORT)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """One short drill: the rig, result.json, the table and the folder."""
    folder = tmp_path_factory.mktemp("drill")
    rig, (found, text, wrong) = play(folder)
    assert wrong == []
    return rig, found, text, folder


def test_result_json_has_the_keys_that_were_promised(played):
    _, found, _, folder = played
    assert json.loads((folder / "result.json").read_text()) == found
    assert list(found) == [
        "schema", "scenario", "rig", "clock", "seed", "core_sha256", "simulated_ns", "lanes", "orders", "kill",
        "detect", "latency_cycles", "conservation", "exposure_usd",
    ]  # fmt: skip
    assert found["schema"] == "breakwire.drill/1" and found["scenario"] == "knight"
    assert (found["rig"], found["clock"], found["seed"]) == ("fake", "virtual", 1)
    assert [list(lane) for lane in found["lanes"]] == [
        ["lane", "server", "build", "offered", "forwarded", "dropped", "reasons"]
    ] * 8
    assert list(found["orders"]) == ["offered", "forwarded", "dropped", "completed_after_kill"]
    assert list(found["kill"]) == ["source", "scope", "at_ns"]
    assert list(found["detect"]) == ["first_bad_order_ns", "tripped_ns"]
    assert list(found["latency_cycles"]) == ["t_effective", "t_breach", "t_pass"]
    for samples in found["latency_cycles"].values():
        assert list(samples) == ["n", "min", "p50", "p99", "max"] and samples["n"] > 0
    assert list(found["conservation"]) == [
        "frames_in", "frames_injected", "frames_out", "dropped", "errors", "balanced",
    ]  # fmt: skip
    assert list(found["exposure_usd"]) == ["with", "without"]


def test_lane_8_trips_on_its_gross_limit_and_the_other_seven_go_on(played):
    _, found, _, _ = played
    lanes = found["lanes"]
    assert [lane["build"] for lane in lanes] == ["RLP1"] * 7 + ["PEG0"]
    assert lanes[7]["reasons"]["LANE_GROSS"] == 1 and lanes[7]["reasons"]["KILLED"] > 500
    for lane in lanes[:7]:
        assert set(lane["reasons"]) == {"KILLED"} and lane["forwarded"] > lane["dropped"]
    assert 1_990_000 < found["exposure_usd"]["with"] <= 2_000_000
    assert found["exposure_usd"]["without"] > 3e9
    assert found["detect"]["tripped_ns"] > found["detect"]["first_bad_order_ns"]


def test_orders_are_offered_forwarded_or_dropped(played):
    _, found, _, _ = played
    orders = found["orders"]
    assert orders["offered"] == orders["forwarded"] + orders["dropped"]
    assert orders["completed_after_kill"] == 0
    for lane in found["lanes"]:
        assert lane["offered"] == lane["forwarded"] + lane["dropped"]
        assert lane["dropped"] == sum(lane["reasons"].values())


def test_the_operators_kill_is_told(played):
    _, found, _, _ = played
    assert (found["kill"]["source"], found["kill"]["scope"]) == ("serial", "firm")
    assert found["kill"]["at_ns"] == pytest.approx(5403 * 10**9, rel=1e-5)


def test_the_story_is_told_in_plain_lines(played):
    """Progress needs no terminal; the log keeps what was printed."""
    log = (played[3] / "drill.log").read_text()
    story = [
        "the deployer reports 8 successes",
        "armed, as on the day",
        "lane 8: Power Peg sends its first child order",
        "killed lane 8 by breach",
        "killed lanes 1, 2, 3, 4, 5, 6, 7 by serial",
        "arm refused (LOOP_OPEN)",
        "smars-8 runs PEG0, the other 7 run RLP1",
        "each of the eight servers, asked itself, runs RLP1",
        "exposure cleared by the operator (logged), armed",
        "killed all lanes by loop",
    ]
    places = [log.index(line) for line in story]
    assert places == sorted(places)
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  \S", line) for line in log.splitlines())


def test_both_sides_are_recorded(played):
    """Every frame that left had come in; times are of 1 August 2012 in New York."""
    _, found, _, folder = played
    server, exchange = (packets((folder / name).read_bytes()) for name in ("server.pcapng", "exchange.pcapng"))
    frames_in = [frame for _, frame, flags in server if flags == 1]
    frames_out = [frame for _, frame, flags in exchange if flags == 2]
    aborted = [frame for _, frame, flags in exchange if flags & 0x8100_0000]
    assert len(frames_in) == found["conservation"]["frames_in"]
    assert len(frames_out) == found["conservation"]["frames_out"]
    assert set(frames_out) < set(frames_in)
    assert len(aborted) == sum(lane["reasons"].get("ABORTED", 0) for lane in found["lanes"])
    assert min(at for at, _, _ in server) // 10**9 == 1_343_827_800  # 09:30:00
    for recorded in (server, exchange):
        assert [at for at, _, _ in recorded] == sorted(at for at, _, _ in recorded)


def test_the_executions_go_back_through_the_filter(played):
    _, found, _, folder = played
    back = [frame for _, frame, flags in packets((folder / "server.pcapng").read_bytes()) if flags == 2]
    given = [frame for _, frame, flags in packets((folder / "exchange.pcapng").read_bytes()) if flags == 1]
    assert back == given and 0 < len(back) <= found["orders"]["forwarded"]


def test_the_wave_is_taken_around_the_trip(played):
    rig, _, _, folder = played
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    trip = next(event["at"] for event in events if event["kind"] == "KILL")
    assert rig.waves == [(trip - 600, trip + 400)]
    assert (folder / "trip.vcd").exists()


def test_events_are_kept(played):
    lines = [json.loads(line) for line in (played[3] / "events.jsonl").read_text().splitlines()]
    kills = [(line["reason"], line["user_ref"]) for line in lines if line["kind"] == "KILL"]
    assert kills == [(Source.BREACH, 0x80), (Source.SERIAL, 0x7F), (Source.LOOP, 0xFF)]
    assert [line["reason"] for line in lines if line["kind"] == "ARM_REFUSED"] == [1]
    assert sum(line["kind"] == "CLEAR" for line in lines) == 1
    assert any(line["kind"] == "DROP" and line["reason"] == Reason.LANE_GROSS for line in lines)


def test_the_table_is_for_a_person(played):
    text = played[2]
    assert re.search(r"^8 +smars-8 +PEG0 +[\d,]+ +[\d,]+ +[\d,]+ .*lane_gross 1", text, re.M)
    assert re.search(r"^orders after a kill +0$", text, re.M)
    assert "balanced" in text and "NOT" not in text


def test_the_report_loads_nothing_and_shows_the_trip(played):
    page = (played[3] / "report.html").read_text()
    assert not re.search(r"https?:|src=|href=|url\(|<script|@import", page)
    assert page.count("<svg") == 2 and "lane 8 trips" in page and "operator kills" in page
    assert "limit of the lane: $2.00 m" in page and "passed" in page and "failed" not in page
    assert "smars-8 runs PEG0" in page


def test_the_same_seed_gives_the_same_result(played, tmp_path):
    _, again = play(tmp_path / "again")
    assert again.found == played[1]


def test_an_order_after_the_kill_fails_the_drill(tmp_path):
    """The proof that the drill can fail: a board that kills and does not stop."""
    _, played = play(tmp_path, leaky=True)
    with pytest.raises(VerificationError, match=r"^drill knight: \d+ orders completed after a kill; ") as caught:
        runs.conclude(played, as_json=True)
    assert caught.value.exit_code == 4
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["orders"]["completed_after_kill"] > 0
    assert "failed" in (tmp_path / "report.html").read_text()


class Forging(FakeBoard):
    """Changes an octet of one frame on its way, FCS made right again."""

    forged = 0

    def _finish(self, until):
        if self.leaving and self.counters[0][1] > 10 and not self.forged:
            from host.frames import close_frame

            left = self.leaving[0]
            octets = bytearray(left.frame.octets[:-4])
            octets[60] ^= 1
            left.frame = type(left.frame)(left.frame.at, left.frame.side, close_frame(bytes(octets)))
            self.forged = 1
        super()._finish(until)


def test_a_changed_frame_fails_the_drill(tmp_path):
    rig = FakeRig()
    rig.board = rig.control.board = Forging()
    played = runs.play(rig, LIMITS, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    assert "1 frames left that had not come in so, in that order, once" in played.wrong


class Miscounting(FakeBoard):
    """Forgets to count one frame."""

    def _verdict(self, octets, end):
        super()._verdict(octets, end)
        if self.counters[2][0] == 5:
            self.counters[2][0] -= 1


def test_a_frame_that_is_not_counted_fails_the_drill(tmp_path):
    """P8: it is missing on the board's side of the balance, and on the links' side too."""
    rig = FakeRig()
    rig.board = rig.control.board = Miscounting()
    played = runs.play(rig, LIMITS, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    assert not played.found["conservation"]["balanced"] and played.wrong[0].startswith("frames do not balance: ")


def test_what_was_recorded_is_in_the_files_before_they_are_closed(tmp_path):
    """So that even a host that is killed leaves it; the last 16,000 cycles follow on closing, in order of time."""
    octets = enter_template(LIMITS.lane_of(1)).build(3, **ORDER)
    sent = [Frame(at, Side.SERVER, row.tobytes()) for at, row in zip((1000, 2000, 40_000), octets, strict=True)]
    recorder = Recorder(tmp_path, LIMITS)
    recorder.queue(sent)
    recorder.take(Movement([], [(Side.SERVER, 1000), (Side.SERVER, 40_000)], 41_000))
    assert [at for at, _, _ in packets((tmp_path / "server.pcapng").read_bytes())] == [8000]
    recorder.take(Movement([], [(Side.SERVER, 30_000)], 42_000))
    recorder.close()
    assert [at for at, _, _ in packets((tmp_path / "server.pcapng").read_bytes())] == [8000, 240_000, 320_000]


def cycle_of(day_s):
    return round((day_s - 8 * 3600) * outcome.CYCLES_PER_S)


def test_a_board_that_dies_leaves_what_was_recorded(tmp_path):
    rig = FakeRig(dies_at=cycle_of(OPEN_S + 1))
    message = rf"^drill failed: the fake board is gone; what was recorded is in {tmp_path}$"
    with pytest.raises(HostError, match=message) as caught:
        runs.play(rig, LIMITS, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    assert caught.value.exit_code == 1
    check_what_is_left(tmp_path, "the drill ends here: the fake board is gone")


def test_ctrl_c_leaves_what_was_recorded(tmp_path):
    rig = FakeRig(interrupt_at=cycle_of(OPEN_S + 1))
    with pytest.raises(KeyboardInterrupt):
        runs.play(rig, LIMITS, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    check_what_is_left(tmp_path, "interrupted; what was recorded until here is kept")


def check_what_is_left(folder, last_line):
    assert len(packets((folder / "server.pcapng").read_bytes())) > 400
    assert len(packets((folder / "exchange.pcapng").read_bytes())) > 300
    assert (folder / "drill.log").read_text().splitlines()[-1].endswith(last_line)
    assert not (folder / "result.json").exists() and not (folder / "report.html").exists()


def test_an_old_result_does_not_stand_for_a_new_run(tmp_path):
    (tmp_path / "result.json").write_text("old")
    (tmp_path / "notes.txt").write_text("not ours")
    runs.clear_folder(tmp_path)
    assert not (tmp_path / "result.json").exists() and (tmp_path / "notes.txt").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"^--out \S+/file/out: Not a directory; name a folder that can be written to$"):
        runs.clear_folder(tmp_path / "file" / "out")


def test_limits_without_all_lanes_are_one_line(tmp_path):
    message = r"^the drill needs eight lanes and a symbol; the limits lack lanes \[3, 4, 5, 6, 7, 8\]$"
    with pytest.raises(UsageError, match=message):
        runs.play(FakeRig(), config.parse(GOOD), runs.clear_folder(tmp_path), seed=1)


def test_the_time_of_day():
    assert outcome.clock(9.5 * 3600 + 1.0604) == "09:30:01.060"


def test_a_board_of_another_version_is_no_board(tmp_path):
    with pytest.raises(NoBoard, match=r"^the fake board has map 0x00000001, this host ") as caught:
        play(tmp_path, map_hash=1)
    assert caught.value.exit_code == 3

"""host.drill, host.results, host.recorder and host.report, on a board that plain Python plays."""

import copy
import dataclasses
import json
import re

import msgspec
import numpy as np
import pytest

from hdl.wire.board import Side
from hdl.wire.registers import Count, Reg
from hdl.wire.verdict import Reason, Source
from host import config, outcome, results, router, runs
from host.device import Device
from host.drill import Drill
from host.errors import HostError, NoBoard, UsageError, VerificationError
from host.frames import close_frame, enter_template
from host.outcome import Script
from host.recorder import Recorder
from host.rig import Frame, Movement
from tests.fake_board import FakeBoard, FakeRig
from tests.fake_streams import overwritten
from tests.test_host_config import GOOD
from tests.test_host_pcapng import packets

UDP, TCP = (config.speaking(runs.packaged_limits(), protocol) for protocol in ("udp", "tcp"))
OPEN_S = 9.5 * 3600
SHORT = Script(operator_s=OPEN_S + 3, pulled_s=OPEN_S + 8, repaired_s=OPEN_S + 25, clean_s=1, after_kill_s=0.5)


ORDER = {
    "user_ref": np.arange(3), "side": np.full(3, 66), "quantity": np.full(3, 1), "price": np.full(3, 1),
    "symbol": np.full(3, b"AAA     "), "order_id": np.full(3, b" " * 14),
}  # fmt: skip


def play(folder, limits=TCP, *, board=None, script=SHORT, **faults):
    """Return a rig, with a board of one's own if wanted, and the drill that it has played."""
    rig = FakeRig(**faults)
    if board:
        rig.board = rig.control.board = board()
    return rig, runs.play(rig, limits, runs.clear_folder(folder), seed=1, script=script)


def drilled(limits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drill")
    rig, (found, text, wrong) = play(folder, limits)
    assert wrong == []
    return rig, found, text, folder


@pytest.fixture(scope="module")
def over_tcp(tmp_path_factory):
    """One short drill: the rig, result.json, the table and the folder."""
    return drilled(TCP, tmp_path_factory)


@pytest.fixture(scope="module")
def over_udp(tmp_path_factory):
    return drilled(UDP, tmp_path_factory)


@pytest.fixture(params=["tcp", "udp"])
def played(request):
    return request.getfixturevalue(f"over_{request.param}")


both = pytest.mark.parametrize("limits", [TCP, UDP], ids=["tcp", "udp"])


def test_result_json_has_the_keys_that_were_promised(played):
    _, found, _, folder = played
    assert json.loads((folder / "result.json").read_text()) == found
    assert list(found) == [
        "schema", "scenario", "protocol", "rig", "clock", "seed", "core_sha256", "simulated_ns", "lanes", "orders",
        "sessions", "kill", "detect", "latency_cycles", "conservation", "exposure_usd", "positions",
    ]  # fmt: skip
    assert found["schema"] == "breakwire.drill/2" and found["scenario"] == "knight"
    assert (found["rig"], found["clock"], found["seed"]) == ("fake", "virtual", 1)
    assert [list(lane) for lane in found["lanes"]] == [
        ["lane", "server", "build", "offered", "forwarded", "stopped", "repeated", "reasons"]
    ] * 8
    assert list(found["orders"]) == ["offered", "forwarded", "stopped", "completed_after_kill", "stale"]
    assert list(found["kill"]) == ["source", "scope", "at_ns"]
    assert list(found["detect"]) == ["first_bad_order_ns", "tripped_ns"]
    assert list(found["latency_cycles"]) == ["t_effective", "t_breach", "t_pass"]
    for samples in found["latency_cycles"].values():
        assert list(samples) == ["n", "min", "p50", "p99", "max"] and samples["n"] > 0
    assert list(found["conservation"]) == [
        "frames_in", "frames_injected", "frames_out", "dropped", "errors", "balanced",
    ]  # fmt: skip
    assert list(found["exposure_usd"]) == ["with", "without"]
    sessions = [
        "open_at_the_open", "lost", "unsent", "retransmissions", "neutralised", "while_killed", "reports",
    ]  # fmt: skip
    assert found["sessions"] is None if found["protocol"] == "udp" else list(found["sessions"]) == sessions


def test_lane_8_trips_on_its_gross_limit_and_the_other_seven_go_on(played):
    _, found, _, _ = played
    lanes = found["lanes"]
    assert [lane["build"] for lane in lanes] == ["RLP1"] * 7 + ["PEG0"]
    assert lanes[7]["reasons"]["LANE_GROSS"] == 1 and lanes[7]["reasons"]["KILLED"] > 500
    for lane in lanes[:7]:
        assert set(lane["reasons"]) == {"KILLED"} and lane["forwarded"] > lane["stopped"]
    assert 1_990_000 < found["exposure_usd"]["with"] <= 2_000_000
    assert found["exposure_usd"]["without"] > 3e9
    assert found["detect"]["tripped_ns"] > found["detect"]["first_bad_order_ns"]


def test_orders_are_offered_forwarded_or_stopped(played):
    _, found, _, _ = played
    orders = found["orders"]
    assert orders["offered"] == orders["forwarded"] + orders["stopped"]
    assert orders["completed_after_kill"] == orders["stale"] == 0
    for lane in found["lanes"]:
        assert lane["offered"] == lane["forwarded"] + lane["stopped"]
        assert lane["stopped"] == sum(lane["reasons"].values())


def test_the_sessions_live_through_the_kills(over_tcp):
    """Heartbeats of every lane pass, cancels sent then are acknowledged, no session ends; all kinds of report come."""
    found = over_tcp[1]["sessions"]
    assert (found["open_at_the_open"], found["lost"], found["unsent"]) == (8, 0, 0)
    assert min(found["while_killed"]["heartbeats"]) > 10
    assert 0 < found["while_killed"]["cancels_acknowledged"] <= found["while_killed"]["cancels"]
    assert list(found["reports"]) == ["accepted", "canceled", "executed", "rejected"]
    assert found["retransmissions"] > 0  # of what the kill in the burst took


def test_every_stopped_order_leaves_overwritten(over_tcp):
    """Octet for octet: type +, 47 spaces, as many as were stopped, and none of them in a frame as it was."""
    _, found, _, folder = over_tcp
    left = [frame for _, frame, flags in packets((folder / "exchange.pcapng").read_bytes()) if flags == 2]
    streams = {frame[58:-4] for frame in left if len(frame) >= 112}
    assert found["sessions"]["neutralised"] == found["orders"]["stopped"] == sum(
        lane["stopped"] for lane in found["lanes"]
    )  # fmt: skip
    assert any(bytes.fromhex("00302b") + b" " * 47 in payload for payload in streams)


def test_the_operators_kill_is_told(played):
    _, found, _, _ = played
    assert (found["kill"]["source"], found["kill"]["scope"]) == ("serial", "firm")
    assert found["kill"]["at_ns"] == pytest.approx(5403 * 10**9, rel=1e-5)


def test_the_story_is_told_in_plain_lines(played):
    """Progress needs no terminal; the log keeps what was printed."""
    log = (played[3] / "drill.log").read_text()
    story = [
        "the deployer reports 8 successes",
        *["8 of 8 servers are logged in, over TCP"] * (played[1]["protocol"] == "tcp"),
        "armed, as on the day",
        "lane 8: Power Peg sends its first child order",
        "killed lane 8 by breach (lane gross): $",
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


@pytest.mark.parametrize("limits", [TCP, UDP], ids=["tcp", "udp"])
def test_lanes_that_need_parents_get_those_that_were_entered(tmp_path, limits):
    """At first 212; behind the clear what is left of them, with 40 more; and accounts from number 253 on."""
    lanes = [msgspec.structs.replace(lane, needs_parent=True) for lane in limits.lane]
    rig, (_, _, wrong) = play(tmp_path, msgspec.structs.replace(limits, lane=lanes))
    assert wrong == []
    found = {parent.terms.name: parent for parent in Device(rig.control).parents()}
    accounts = [name for name in found if name[0] == "D"]
    assert accounts[0] == "D0FD" and accounts[-1] == "D1FE" and len(accounts) == 258
    customers = {name: parent for name, parent in found.items() if name[0] == "P"}
    assert {f"P{number:03X}" for number in range(213, 253)} <= customers.keys()
    assert 60 < len(customers) < 252  # the eighth's are done many times over
    prices = router.prices_of(sorted(limits.symbols), 1)
    entered = {f"P{order.number:03X}": order.quantity for order in router.parents_of(212, prices, 1)}
    left = {name: parent.terms.shares for name, parent in customers.items() if name in entered}
    assert all(0 < shares <= entered[name] for name, shares in left.items())
    assert any(shares < entered[name] for name, shares in left.items())
    assert all(parent.left == parent.terms.shares for parent in found.values())


def test_both_sides_are_recorded(played):
    """Times are of 1 August 2012 in New York; over UDP every frame that left had come in with the same octets."""
    _, found, _, folder = played
    server, exchange = (packets((folder / name).read_bytes()) for name in ("server.pcapng", "exchange.pcapng"))
    frames_in = [frame for _, frame, flags in server if flags == 1]
    frames_out = [frame for _, frame, flags in exchange if flags == 2]
    aborted = [frame for _, frame, flags in exchange if flags & 0x8100_0000]
    assert len(frames_in) == found["conservation"]["frames_in"]
    assert len(frames_out) == found["conservation"]["frames_out"]
    udp = found["protocol"] == "udp"
    assert (set(frames_out) < set(frames_in)) == udp
    assert not udp or len(aborted) == sum(lane["reasons"].get("ABORTED", 0) for lane in found["lanes"])
    assert min(at for at, _, _ in server) // 10**9 == 1_343_827_800 - (0 if udp else 5)  # 09:30:00, the log-ins before
    for recorded in (server, exchange):
        assert [at for at, _, _ in recorded] == sorted(at for at, _, _ in recorded)


def test_the_reports_go_back_through_the_filter(played):
    _, _, _, folder = played
    back = [frame for _, frame, flags in packets((folder / "server.pcapng").read_bytes()) if flags == 2]
    given = [frame for _, frame, flags in packets((folder / "exchange.pcapng").read_bytes()) if flags == 1]
    assert back == given and len(back) > 500


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
    assert sum(line["kind"] == "CLEAR" for line in lines) == 2  # in the morning, and at the restart
    how = "DROP" if played[1]["protocol"] == "udp" else "NEUTRALISE"
    assert any(line["kind"] == how and line["reason"] == Reason.LANE_GROSS for line in lines)


def test_the_table_is_for_a_person(played):
    text = played[2]
    assert re.search(r"^8 +smars-8 +PEG0 +[\d,]+ +[\d,]+ +[\d,]+ .*lane_gross 1", text, re.M)
    assert re.search(r"^orders after a kill +0$", text, re.M)
    assert re.search(r"^stale orders after an arm +0$", text, re.M)
    assert ("sessions (TCP)" in text) == (played[1]["protocol"] == "tcp")
    assert "balanced" in text and "NOT" not in text


def test_the_report_loads_nothing_and_shows_the_trip(played):
    page = (played[3] / "report.html").read_text()
    assert not re.search(r"https?:|src=|href=|url\(|<script|@import", page)
    assert page.count("<svg") == 2 and "lane 8 trips" in page and "operator kills" in page
    assert "limit of the lane: $2.00 m" in page and "passed" in page and "failed" not in page
    assert "smars-8 runs PEG0" in page
    assert f"The servers speak OUCH 5.0 over {played[1]['protocol'].upper()}" in page


def test_the_same_seed_gives_the_same_result(played, tmp_path):
    limits = config.speaking(TCP, played[1]["protocol"])
    _, again = play(tmp_path / "again", limits)
    assert again.found == played[1]


@both
def test_an_order_after_the_kill_fails_the_drill(tmp_path, limits):
    """The proof that the drill can fail: a board that kills and does not stop."""
    _, played = play(tmp_path, limits, leaky=True)
    with pytest.raises(VerificationError, match=r"^drill knight: \d+ orders completed after a kill; ") as caught:
        runs.conclude(played, as_json=True)
    assert caught.value.exit_code == 4
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["orders"]["completed_after_kill"] > 0
    assert "failed" in (tmp_path / "report.html").read_text()


class Forging(FakeBoard):
    """Raises the price of one order on its way; every checksum is made right again."""

    forged = 0

    def _finish(self, until):
        if not self.forged and self.leaving and self.leaving[0].orders and self.counters[0][Count.ORDERS_OUT] > 10:
            left = self.leaving[0]
            octets = bytearray(left.frame.octets[:-4])
            at = octets.index(b"UO", 40) + 1 + 25  # the last octet of its price
            octets[at] ^= 1
            forged = (
                overwritten(bytes(octets) + bytes(4), bytes(octets[58:]))
                if left.verdict
                else close_frame(bytes(octets))
            )
            left.frame = dataclasses.replace(left.frame, octets=forged)
            self.forged = 1
        super()._finish(until)


@both
def test_a_changed_frame_fails_the_drill(tmp_path, limits):
    _, played = play(tmp_path, limits, board=Forging)
    assert "1 frames left that had not come in so, in that order, once" in played.wrong
    changed = "1 packets left that had not come in so, and were no orders overwritten whole"
    assert (changed in played.wrong) == (limits is TCP)


class Miscounting(FakeBoard):
    """Forgets to count one frame."""

    def _verdict(self, octets, end):
        super()._verdict(octets, end)
        if self.counters[2][0] == 5:
            self.counters[2][0] -= 1


@both
def test_a_frame_that_is_not_counted_fails_the_drill(tmp_path, limits):
    """P8: it is missing on the board's side of the balance, and on the links' side too."""
    _, played = play(tmp_path, limits, board=Miscounting)
    assert not played.found["conservation"]["balanced"] and played.wrong[0].startswith("frames do not balance: ")


EARLY = dataclasses.replace(
    SHORT, pulled_s=OPEN_S + 4, repaired_s=OPEN_S + 6, clean_s=3
)  # before a silent peer is given up


def test_stale_orders_fail_the_drill(tmp_path):
    """P9: a lane that starves is a delay line. Its orders of the kill arrive after the arm, in order and unchanged."""
    lanes = [msgspec.structs.replace(lane, action="starve") if lane.number == 3 else lane for lane in TCP.lane]
    _, played = play(tmp_path, msgspec.structs.replace(TCP, lane=lanes), script=EARLY)
    assert played.found["orders"]["stale"] > 20 and played.found["orders"]["completed_after_kill"] == 0
    assert f"{played.found['orders']['stale']} stale orders left after an arm" in played.wrong


class Resending(Drill):
    """Server 3 is broken: what it sent while it was killed it sends again after the arm, as new octets."""

    def _send(self, messages):
        super()._send(messages)
        if self.outcome.kills and self.outcome.kills[-1].source == Source.SERIAL and not self.outcome.gross:
            self.again = [sent for sent in messages if sent.lane == 3 and sent.what == router.What.ENTER]

    def _close_of_drill(self):
        super()._send([dataclasses.replace(sent, at_s=self._now_s) for sent in self.again])
        self._sleep(self._now_s + 1)
        super()._close_of_drill()


def test_an_order_is_stale_by_its_content(tmp_path):
    """However it came: here a server repeats itself, which TCP knows nothing of, and no filter could tell."""
    drill = Resending(FakeRig(), TCP, runs.clear_folder(tmp_path), seed=1, script=SHORT, say=lambda line: None)
    drill.run()
    drill.close()
    assert len(drill.again) > 0
    assert f"{len(drill.again)} stale orders left after an arm" in results.failures(drill.outcome, drill.recorder)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A drill that has been played and passed."""
    drill = Drill(FakeRig(), TCP, tmp_path_factory.mktemp("drill"), seed=1, script=SHORT, say=lambda line: None)
    drill.run()
    drill.close()
    assert results.failures(drill.outcome, drill.recorder) == []
    return drill


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda found, seen: found.told.orders[5].pop(), "lane 5: the orders at the exchange are not the "),
        (lambda found, seen: found.told.orders[5].append(b"O"), "lane 5: the orders at the exchange are not the "),
        (lambda found, seen: found.told.orders[5].reverse(), "lane 5: the orders at the exchange are not the "),
        (lambda found, seen: found.told.debugs.update({2: 1}), r"lane 2: \d+ orders left overwritten, the board "),
        (lambda found, seen: seen.stopped.pop(), r"lane \d: \d+ orders left overwritten, the board counted "),
        (lambda found, seen: found.connected.remove(4), r"lanes \[4\] were not logged in at the open$"),
        (lambda found, seen: found.told.canceled.clear(), "no cancel that was sent while its lane was killed was "),
        (lambda found, seen: seen.heartbeats.clear(), r"lanes \[1, 2, 3, 4, 5, 6, 7, 8\]: no heartbeat passed while "),
        (lambda found, seen: found.told.lost.append((6, "reset")), "sessions ended: lane 6 reset$"),
    ],
)
def test_what_does_not_fit_fails_the_drill(ended, spoil, message):
    """Each thing that the ends, the links and the board tell is compared with what another of them tells."""
    outcome, recorder = copy.deepcopy(ended.outcome), copy.copy(ended.recorder)
    recorder.watch = copy.deepcopy(recorder.watch)
    spoil(outcome, recorder.watch.seen)
    (wrong,) = results.failures(outcome, recorder)
    assert re.match(message, wrong)


def test_a_frame_that_a_filter_claims_and_did_not_inject_fails_the_drill(ended):
    recorder = copy.copy(ended.recorder)
    recorder.injected += 1
    (wrong,) = results.failures(ended.outcome, recorder)
    assert wrong.startswith("frames do not balance: ")


class Cutting(FakeBoard):
    """Lets nothing of lane 2 out while it is killed."""

    def _verdict(self, octets, end):
        if self.killed & self.killed >> 1 & 1 and octets[12 + 4 + 2 + 12 + 3] == 2 and len(octets) > 64:
            self.counters[1][Count.FRAMES_IN] += 1
            self.counters[1][Count.FRAME_DROP + Reason.KILLED] += 1
            return
        super()._verdict(octets, end)


def test_a_session_that_dies_fails_the_drill(tmp_path):
    _, played = play(tmp_path, board=Cutting)
    assert any(line.startswith("sessions ended: lane 2 ") for line in played.wrong)
    assert "lanes [2]: no heartbeat passed while they were killed" in played.wrong


class Overcharging(FakeBoard):
    """Forgets some of the gross notional of lane 4."""

    def read(self, address):
        return super().read(address) - (10_000 if address == Reg.GROSS + 6 else 0)


@both
def test_a_book_that_differs_fails_the_drill(tmp_path, limits):
    _, played = play(tmp_path, limits, board=Overcharging)
    assert "lanes [4]: the exchange's book and the board's gross notional differ" in played.wrong


def test_positions_that_are_not_the_exchanges_fail_the_drill(tmp_path):
    """The board that plain Python plays hears no reports: it has no positions at all."""
    _, played = play(tmp_path, config.speaking(TCP, "tcp", evidence=True))
    (line,) = [line for line in played.wrong if "positions" in line]
    assert re.match(
        r"\d+ positions are not the exchange's: \w+: the board has 0 shares, 0 to buy and 0 to sell; the ", line
    )
    assert played.found["positions"]["compared"] == 2 * len(TCP.symbols)
    assert "the servers have cancelled what rests" in (tmp_path / "drill.log").read_text()


def test_what_was_recorded_is_in_the_files_before_they_are_closed(tmp_path):
    """So that even a host that is killed leaves it; the last 16,000 cycles follow on closing, in order of time."""
    octets = enter_template(UDP.lane_of(1)).build(3, **ORDER)
    sent = [Frame(at, Side.SERVER, row.tobytes()) for at, row in zip((1000, 2000, 40_000), octets, strict=True)]
    recorder = Recorder(tmp_path, UDP)
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
        runs.play(rig, TCP, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    assert caught.value.exit_code == 1
    check_what_is_left(tmp_path, "the drill ends here: the fake board is gone")


def test_ctrl_c_leaves_what_was_recorded(tmp_path):
    rig = FakeRig(interrupt_at=cycle_of(OPEN_S + 1))
    with pytest.raises(KeyboardInterrupt):
        runs.play(rig, TCP, runs.clear_folder(tmp_path), seed=1, script=SHORT)
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "udp"}, "the drill's lanes all speak udp or all tcp; the limits have tcp and udp"),
        ({"dialect": "4.2"}, "the drill speaks OUCH 5.0; the limits have lanes [8] on another dialect"),
        ({"evidence": True}, "the drill's lanes all have evidence or none has; 1 of 8 have it"),
    ],
)
def test_lanes_that_speak_something_else_are_one_line(tmp_path, changes, message):
    lanes = [*TCP.lane[:7], msgspec.structs.replace(TCP.lane[7], **changes)]
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        play(tmp_path, msgspec.structs.replace(TCP, lane=lanes))


def test_the_time_of_day():
    assert outcome.clock(9.5 * 3600 + 1.0604) == "09:30:01.060"


def test_a_board_of_another_version_is_no_board(tmp_path):
    with pytest.raises(NoBoard, match=r"^the fake board has map 0x00000001, this host ") as caught:
        play(tmp_path, map_hash=1)
    assert caught.value.exit_code == 3

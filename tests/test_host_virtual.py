"""The whole chain: the host's commands on the real core, compiled, in the virtual board's process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hdl.wire.board import Side
from hdl.wire.registers import Reg
from host import config, loader, measure, readback, runs, usage
from host.cli import main
from host.device import Device
from host.frames import enter_template
from host.rig import Frame, VirtualRig
from sim import export, library, tools
from tests.test_host_drill import EARLY, SHORT
from tests.test_host_pcapng import packets

pytestmark = pytest.mark.skipif(bool(tools.missing(["g++"])), reason=str(tools.missing(["g++"])))
LIMITS = runs.packaged_limits()


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Let the core be compiled, with waveforms too, before anything waits for it."""
    for traced in (False, True):
        library.library(export.core_verilog(), traced=traced)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_drill(tmp_path, protocol):
    """P1, P5 to P9 on the links, in the counters and in the positions: `play` tells which one does not hold."""
    with VirtualRig() as rig:
        limits = config.speaking(LIMITS, protocol, evidence=protocol == "tcp")
        found, _, wrong = runs.play(rig, limits, runs.clear_folder(tmp_path), seed=1, script=SHORT)
    assert wrong == []
    assert found["orders"]["stale"] == 0
    assert found["orders"]["completed_after_kill"] == 0
    assert found["latency_cycles"]["t_effective"]["max"] <= 4
    assert found["latency_cycles"]["t_pass"]["max"] == found["latency_cycles"]["t_pass"]["min"] == 4
    assert found["conservation"]["balanced"] and found["rig"] == "virtual" and len(found["core_sha256"]) == 64
    assert found["lanes"][7]["reasons"]["LANE_GROSS"] == 1
    assert {reason for lane in found["lanes"][:7] for reason in lane["reasons"]} <= {"KILLED", "ABORTED"}
    assert (tmp_path / "trip.vcd").read_text().startswith("$version")
    positions = {"compared": 2 * len(LIMITS.symbols), "differing": []}
    assert found["positions"] == (positions if protocol == "tcp" else None)


def test_the_drill_on_a_lane_that_starves(tmp_path):
    """P9 does not hold there, and the drill says so: the orders of the kill arrive after the arm."""
    lanes = [msgspec.structs.replace(lane, action="starve") if lane.number == 3 else lane for lane in LIMITS.lane]
    limits = config.speaking(msgspec.structs.replace(LIMITS, lane=lanes), "tcp")
    with VirtualRig() as rig:
        played = runs.play(rig, limits, runs.clear_folder(tmp_path), seed=1, script=EARLY)
    stale = played.found["orders"]["stale"]
    assert stale > 20 and f"{stale} stale orders left after an arm" in played.wrong
    assert played.found["orders"]["completed_after_kill"] == 0


@pytest.mark.parametrize("source", ["loop", "serial", "breach"])
def test_kills_at_random_phase(source):
    """P1: none of 25 kills lets an order complete later than the edge + 4 cycles, and every trial counts."""
    with VirtualRig() as rig:
        campaign = runs.complete(measure.Measurement(rig, LIMITS, source, seed=1), 25)
    measure.judge(campaign)
    assert (campaign.kills, len(campaign.t_effective)) == (25, 25)


def order(lane, **values):
    """Return a frame of `lane` with one order."""
    fields = {"user_ref": 1, "order_id": b"RLP1USE".ljust(14)} | values
    return enter_template(LIMITS.lane_of(lane)).build(1, **{k: np.array([v]) for k, v in fields.items()})[0].tobytes()


def test_use_and_a_limit_that_is_not_the_files():
    """Three orders, by hand: 300 x $10 and 200 x $20.0001 of lane 3, 50 x $1 of lane 5. The board is armed; lane 3's
    limit is one that the file does not have."""
    image = loader.build(config.speaking(LIMITS, "udp"))
    with VirtualRig() as rig:
        device = Device(rig.control)
        rig.loop(closed=True)
        loader.load(device, image)
        device.write(Reg.GROSS_LIMIT + 2 * 2, [100_000_000, 0])
        device.arm(device.state().config_crc)
        begin = rig.run().now + 1000
        orders = [
            order(3, side=ord("B"), quantity=300, symbol=b"BABU    ", price=100_000),
            order(3, user_ref=2, side=ord("S"), quantity=200, symbol=b"BABU    ", price=200_001),
            order(5, side=ord("S"), quantity=50, symbol=b"BACA    ", price=10_000),
        ]
        rig.send(Frame(begin + 1000 * at, Side.SERVER, octets) for at, octets in enumerate(orders))
        rig.run(begin + 10_000)
        held = readback.read(device, image)
        rows = usage.rows(device, held)
        assert device.killed() == 0
    assert [(row.scope, row.name, row.what, str(row.used)) for row in rows if row.used] == [
        ("firm", "", "gross", "7050.0200"),
        ("lane", "3", "gross", "7000.0200"),
        ("lane", "5", "gross", "50.0000"),
        ("symbol", "BABU", "long", "300"),
        ("symbol", "BABU", "short", "200"),
        ("symbol", "BACA", "short", "50"),
    ]
    lane_3 = next(row for row in rows if row.name == "3")
    assert (lane_3.limit, str(lane_3.percent)) == (10_000, "70.00")
    (found,) = readback.differences(image, held)
    assert found == readback.Difference("lane 3 gross limit", 0x144, "$10,000.00", "$2,000,000.00")


class Command:
    """A command in a process of its own, followed by what it tells."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "host.cli", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text):
        """Read what it tells until `text` is in a line, and return that line."""
        for line in self.process.stderr:
            if text in line:
                return line
        raise AssertionError(f"it ended without {text!r}")

    def board(self):
        """Return the process number of its board."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def end(self):
        """Return exit code, output and the last line of the error output."""
        out, err = self.process.communicate(timeout=240)
        return self.process.returncode, out, (err.splitlines() or [""])[-1]


def test_ctrl_c_in_mid_drill(tmp_path):
    """Exit code 130; files closed and valid; the board's process is gone."""
    command = Command("drill", "knight", "--out", tmp_path)
    command.wait_for("killed lane 8 by breach")
    board = command.board()
    command.process.send_signal(signal.SIGINT)
    assert command.end() == (130, "", "breakwire: interrupted")
    assert len(packets((tmp_path / "server.pcapng").read_bytes())) > 400
    assert not (tmp_path / "result.json").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(board, 0)


def test_a_board_that_dies_in_mid_drill(tmp_path):
    """Exit code 1, one line, and what was recorded is kept."""
    command = Command("drill", "knight", "--out", tmp_path)
    command.wait_for("killed lane 8 by breach")
    os.kill(command.board(), signal.SIGKILL)
    code, out, line = command.end()
    assert (code, out) == (1, "")
    assert line.startswith("breakwire: drill failed: ") and line.endswith(f"; what was recorded is in {tmp_path}")
    assert len(packets((tmp_path / "server.pcapng").read_bytes())) > 400
    assert not (tmp_path / "result.json").exists()


def test_a_board_on_its_own_is_operated(tmp_path, monkeypatch, capfd):
    """`breakwire virtual` until Ctrl-C, and the operating commands beside it."""
    monkeypatch.chdir(tmp_path)
    limits = tmp_path / "limits.toml"
    limits.write_text((Path(runs.__file__).parent / "knight.toml").read_text())
    board = Command("virtual")
    try:
        board.wait_for("a virtual board runs")
        assert main(["limits", str(limits)]) == 0
        assert main(["arm", str(limits)]) == 0
        capfd.readouterr()
        assert main(["limits", str(limits), "--show"]) == 0
        out = capfd.readouterr().out
        assert f"the virtual board holds {limits}: 8285 words read back" in out
        assert "lane 8 smars-8          0.00   2,000,000.00  0.00" in out
        assert main(["kill", "--lanes", "3"]) == 0
        assert "lane 3 killed; cause serial; loop closed" in capfd.readouterr().out
        assert main(["status", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["killed"] == [3]
        assert main(["events"]) == 0
        assert capfd.readouterr().out.splitlines()[-1].endswith("killed lane 3 by serial")
    finally:
        board.process.send_signal(signal.SIGINT)
        code, out, _ = board.end()
    assert code == 0 and set(json.loads(out)) >= {"control", "link", "side", "core_sha256"}
    assert main(["status"]) == 3

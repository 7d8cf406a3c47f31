"""The command line: what is printed, what is refused, and with which exit code."""

import json
import os
import threading
import tty

import pytest

from hdl.wire.event import Kind
from hdl.wire.registers import Reg
from host import places
from host.cli import main
from tests.fake_board import FakeBoard
from tests.test_host_config import GOOD


class Port:
    """A FakeBoard behind a pty, as a serial port would have it, and the files that name it."""

    def __init__(self, folder, board):
        self.board = board
        self._other, self._own = os.openpty()
        tty.setraw(self._own)
        self.rig = folder / "rig.toml"
        self.rig.write_text(f'[control]\nport = "{os.ttyname(self._own)}"\n')
        self.limits = folder / "limits.toml"
        self.limits.write_text(GOOD)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        import select

        received = b""
        while True:
            ready, _, _ = select.select([self._other, self._stop], [], [])
            if self._stop in ready:
                return
            received += os.read(self._other, 4096)
            while b"\0" in received.lstrip(b"\0"):
                frame, _, received = received.lstrip(b"\0").partition(b"\0")
                answer = self.board.exchange_frame(b"\0" + frame + b"\0")
                os.write(self._other, b"\0" + answer + b"\0")

    def close(self):
        os.write(self._wake, b"x")
        self._thread.join()
        for end in (self._other, self._own, self._stop, self._wake):
            os.close(end)


@pytest.fixture
def port(tmp_path):
    port = Port(tmp_path, FakeBoard())
    yield port
    port.close()


def breakwire(capfd, *words):
    """Run one command; return its exit code and what it printed."""
    code = main([str(word) for word in words])
    return code, *capfd.readouterr()


def test_a_board_from_power_up_to_kill(port, capfd):
    """limits, arm, status, kill, status: each prints what holds after it."""
    rig = ("--rig", port.rig)
    code, out, err = breakwire(capfd, "limits", port.limits, *rig)
    assert (code, err) == (0, "")
    assert "8285 words read back, CRC 0x" in out and "confirmed" in out
    assert "2     two     100   10.1.0.2:26002  10.9.0.1:9001      2,000,000" in out
    assert "firm gross limit $5,000,000.25, largest order 1,000 shares, watchdog 500 ms, 2 symbols" in out
    last = out.splitlines()[-1]
    assert last == "no order of lanes 1, 2 passes: it needs a parent; add [parents], or needs_parent = false"
    code, out, _ = breakwire(capfd, "arm", port.limits, *rig)
    assert code == 0 and ": all lanes open, no lane killed;" in out
    code, out, _ = breakwire(capfd, "kill", "--lanes", "1,8", *rig)
    assert code == 0 and ": lanes 2, 3, 4, 5, 6, 7 open, lanes 1, 8 killed;" in out
    assert port.board.killed == 0x81
    code, out, _ = breakwire(capfd, "status", "--json", *rig)
    assert code == 0 and json.loads(out)["killed"] == [1, 8]
    code, out, _ = breakwire(capfd, "status", *rig)
    assert code == 0 and "loop closed" in out and "firm gross notional, open and executed: $0.00" in out
    code, out, _ = breakwire(capfd, "events", *rig)
    assert code == 0 and out.splitlines()[-1].endswith("killed lanes 1, 8 by serial")


def test_a_board_with_a_parent_in_use_is_loaded_anew(port, capfd):
    """Refused without --anew, which clears; a file whose lanes have parents says nothing more of them."""
    port.limits.write_text(
        port.limits.read_text() + '[parents]\nP001 = { symbol = "AAA", side = "buy", shares = 9, children = 2 }\n'
    )
    code, out, _ = breakwire(capfd, "limits", port.limits, "--rig", port.rig)
    assert code == 0 and out.splitlines()[-1].endswith(", 2 symbols, 1 parents")
    port.board.memory[Reg.PARENT_LEFT + 2] = 5
    code, _, err = breakwire(capfd, "limits", port.limits, "--rig", port.rig)
    assert code == 1 and "parent P001 has 5 of 9 shares and 2 children left" in err
    assert breakwire(capfd, "limits", port.limits, "--anew", "--rig", port.rig)[0] == 0
    assert port.board.memory[Reg.PARENT_LEFT + 2] == 9
    assert breakwire(capfd, "limits", port.limits, "--anew", "--show", "--rig", port.rig)[0] == 2


def test_events_as_json(port, capfd):
    port.board.event(Kind.KILL, user_ref=255, reason=1)
    code, out, _ = breakwire(capfd, "events", "--json", "--rig", port.rig)
    assert code == 0 and json.loads(out)["kind"] == "KILL"


def test_the_sessions_of_tcp_lanes(port, capfd):
    """Lanes 1 to 3 are TCP, with a session, without, and fenced; the others have none to tell of. Of lane 2 the reports
    are not known."""
    port.board.memory |= {0x110: 1, 0x111: 1, 0x112: 1 | 1 << 2, 0x14: 0x02_04_01}
    port.board.counters[0][7] = 1234
    code, out, _ = breakwire(capfd, "status", "--rig", port.rig)
    assert [line.split()[:4] for line in out.splitlines()[2:6]] == [
        ["1", "killed", "open", "1,234"], ["2", "killed", "none", "lost"], ["3", "killed", "fenced", "0"],
        ["4", "killed", "-", "-"],
    ]  # fmt: skip
    code, out, _ = breakwire(capfd, "status", "--json", "--rig", port.rig)
    assert code == 0
    assert [row["session"] for row in json.loads(out)["rows"]] == ["open", "none", "fenced"] + [None] * 6
    assert [row["evidence"] for row in json.loads(out)["rows"]] == ["whole", "lost", "whole"] + [None] * 6
    assert [row["reports"] for row in json.loads(out)["rows"]] == [1234] + [0] * 8


def test_a_symbol_and_one_that_is_not_there(port, capfd):
    rig = ("--rig", port.rig)
    assert breakwire(capfd, "limits", port.limits, *rig)[0] == 0
    port.board.memory |= {0x2800: 33, 0x2802: 150, 0x2400: 2**32 - 40, 0x2401: 2**32 - 1}
    code, out, _ = breakwire(capfd, "limits", port.limits, "--symbol", "AAA", *rig)
    assert (code, out) == (
        0,
        "AAA (index 0): net -40 shares; 33 open to buy, -7 of 100 long; 150 open to sell, 190 of 200 short\n",
    )
    code, out, _ = breakwire(capfd, "limits", port.limits, "--symbol", "AAA", "--json", *rig)
    assert code == 0 and json.loads(out) == {
        "symbol": "AAA", "index": 0, "long": 100, "short": 200, "net": -40, "open_buy": 33, "open_sell": 150,
    }  # fmt: skip
    code, out, err = breakwire(capfd, "limits", port.limits, "--symbol", "XYZ", *rig)
    assert (code, out, err) == (2, "", "breakwire: symbol 'XYZ' is not in the directory of 2 symbols\n")


def test_arming_with_other_limits_is_a_failed_verification(port, capfd):
    port.board.memory[0x104] = 10**9
    code, out, err = breakwire(capfd, "arm", port.limits, "--rig", port.rig)
    assert (code, out) == (4, "")
    assert err == (
        "breakwire: arm refused (CONFIG): the board holds another configuration; load it with `breakwire limits FILE`\n"
    )


def test_arming_with_the_loop_open_is_refused(port, capfd):
    port.board.closed = False
    assert breakwire(capfd, "limits", port.limits, "--rig", port.rig)[0] == 0
    code, _, err = breakwire(capfd, "arm", port.limits, "--rig", port.rig)
    assert (code, err) == (1, "breakwire: arm refused (LOOP_OPEN): the loop is open; close it first\n")


def test_a_board_of_another_version_is_no_board(port, capfd):
    port.board.map_hash = 1
    code, out, err = breakwire(capfd, "status", "--rig", port.rig)
    assert (code, out) == (3, "") and err.count("\n") == 1
    assert " has map 0x00000001, this host 0x" in err


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["status"], 3, "no virtual board is running here; start one with `breakwire virtual`"),
        (["limits", "no.toml"], 2, "limits file no.toml cannot be read: No such file or directory"),
        (["arm", "bad.toml"], 2, "bad.toml, line 2: watchdog.timout: unknown key"),
        (["status", "--rig", "no.toml"], 2, "rig file no.toml cannot be read: No such file or directory; --rig takes "
         "virtual or FILE.toml"),
        (["status", "--rig", "rig.toml"], 2, "rig.toml, line 2: control.prot: unknown key"),
        (["status", "--rig", "gone.toml"], 3, "control port /dev/nonesuch cannot be opened: No such file or directory; "
         "is the board plugged in?"),
        (["measure", "--rig", "gone.toml"], 2, "rig gone.toml has no packet links: this version drills and measures on "
         "--rig virtual only"),
        (["drill", "knight", "--limits", "bad.toml"], 2, "bad.toml, line 2: watchdog.timout: unknown key"),
        (["drill", "night"], 2, "argument scenario: invalid choice: 'night' (choose from 'knight'); see `breakwire "
         "drill --help`"),
        (["measure", "--kills", "0"], 2, "argument --kills: expected a whole number above 0, not '0'; see `breakwire "
         "measure --help`"),
        (["kill", "--lanes", "9"], 2, "argument --lanes: lanes are numbers from 1 to 8 such as 1,3; not '9'; see "
         "`breakwire kill --help`"),
        ([], 2, "the following arguments are required: COMMAND; see `breakwire --help`"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(words, code, line, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("[watchdog]\ntimout = 5\n")
    (tmp_path / "rig.toml").write_text('[control]\nprot = "x"\n')
    (tmp_path / "gone.toml").write_text('[control]\nport = "/dev/nonesuch"\n')
    assert breakwire(capfd, *words) == (code, "", f"breakwire: {line}\n")


def test_a_board_that_is_gone_since_is_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    places.RUNNING.parent.mkdir()
    places.RUNNING.write_text("{}")
    code, out, err = breakwire(capfd, "status")
    assert (code, out) == (3, "")
    assert err == "breakwire: build/virtual.json does not describe a board ('control'); restart `breakwire virtual`\n"


def test_help_is_no_failure(capfd):
    code, out, err = breakwire(capfd, "--help")
    assert (code, err) == (0, "")
    for command in ("drill", "measure", "status", "limits", "arm", "kill", "events", "virtual"):
        assert f"\n    {command} " in out

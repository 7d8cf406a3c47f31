"""host.rig: a virtual board's process, its sockets and its side channel, against a stand-in."""

import os
import signal
import sys
import textwrap

import pytest

from hdl.wire.board import Side
from host.errors import HostError, LinkError, NoBoard
from host.rig import BoardProcess, Frame, SideChannel, VirtualRig, describe_board

# A board in plain Python: echoes each frame 20 cycles later on the other side, and ends as its argument says.
BOARD = """
    import json, os, socket, sys, tty
    from hdl.wire import board as wire
    from hdl.wire.board import Kind
    how, folder = sys.argv[1], sys.argv[sys.argv.index("--dir") + 1]
    sockets = {}
    for name in ("link", "side"):
        sockets[name] = socket.socket(socket.AF_UNIX)
        sockets[name].bind(f"{folder}/{name}")
        sockets[name].listen()
    master, slave = os.openpty()
    tty.setraw(slave)
    ports = {"control": os.ttyname(slave), "link": f"{folder}/link", "side": f"{folder}/side"}
    print(json.dumps(ports), flush=True)
    side = sockets["side"].accept()[0].makefile("rwb")
    link = sockets["link"].accept()[0]
    link.sendall(wire.encode(Kind.HELLO, payload=json.dumps({"core_sha256": "ab" * 32}).encode()))
    if how == "refuses":
        link.sendall(wire.encode(Kind.ERROR, payload=b"no more"))
    received, waiting, now = bytearray(), [], 0
    while octets := link.recv(1 << 16):
        received += octets
        if how == "dies":
            print("the reason", file=sys.stderr, flush=True)
            os._exit(7)
        for record in wire.decode(received):
            if record.kind == Kind.FRAME:
                waiting.append(record)
                continue
            now = max(now, record.at)
            for frame in waiting:
                if frame.flags & wire.WANT_STARTED:
                    link.sendall(wire.encode(Kind.STARTED, frame.side, at=frame.at))
                flags = frame.flags & wire.ERROR_FLAG
                link.sendall(wire.encode(Kind.FRAME, 1 - frame.side, flags, frame.at + 20, frame.payload))
            waiting = []
            link.sendall(wire.encode(Kind.DONE, at=now))
            if how == "side":
                line = side.readline()
                side.write(b"ok 7\\n" if line.startswith(b"loop") else b"error what is that\\n")
                side.flush()
"""


@pytest.fixture
def board(tmp_path):
    """Return the command of a board that ends as it is told."""
    path = tmp_path / "board.py"
    path.write_text(textwrap.dedent(BOARD))
    return lambda how: [sys.executable, str(path), how]


def test_frames_go_in_and_come_out_with_their_times(board):
    with VirtualRig(command=board("lives")) as rig:
        assert rig.core_sha256 == "ab" * 32 and rig.name == "virtual"
        sent = [Frame(1000, Side.SERVER, bytes(64)), Frame(2000, Side.EXCHANGE, bytes(70), error=True)]
        rig.send(sent)
        moved = rig.run(5000)
        assert moved.now == 5000
        assert moved.started == [(Side.SERVER, 1000), (Side.EXCHANGE, 2000)]
        assert moved.frames == [
            Frame(1020, Side.EXCHANGE, bytes(64)),
            Frame(2020, Side.SERVER, bytes(70), error=True),
        ]
        assert rig.run().frames == []


def test_many_frames_do_not_stop_the_way(board):
    """More than the sockets hold, both ways at once."""
    with VirtualRig(command=board("lives")) as rig:
        rig.send(Frame(at, Side.SERVER, bytes(1518)) for at in range(3000))
        assert len(rig.run(10**6).frames) == 3000


def test_a_board_that_dies_is_one_line(board):
    with VirtualRig(command=board("dies")) as rig:
        message = r"^the virtual board is gone \(exit code 7\): the reason$"
        with pytest.raises(LinkError, match=message):
            for _ in range(3):
                rig.send([Frame(1, Side.SERVER, bytes(64))])
                rig.run(100)


def test_a_board_that_refuses_is_one_line(board):
    with (
        VirtualRig(command=board("refuses")) as rig,
        pytest.raises(HostError, match=r"^the virtual board stopped: no more$"),
    ):
        rig.run(10)


def test_the_side_channel_answers_or_refuses(board, tmp_path):
    with VirtualRig(command=board("side")) as rig:
        rig.run()
        rig.loop(closed=False, at=100)
        rig.run()
        message = r"^the board answered 'error what is that' to 'wave 1 2 \S+'$"
        with pytest.raises(HostError, match=message):
            rig.wave(1, 2, tmp_path / "w.vcd")


def test_a_board_that_does_not_start_says_why(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no compiler here')"]
    with pytest.raises(NoBoard, match=r"^the virtual board did not start: no compiler here$"):
        VirtualRig(command=command)


def test_a_board_that_says_something_else_is_refused():
    with pytest.raises(
        NoBoard, match=r"^the virtual board began with 'hello' instead of its ports; run `python -m sim"
    ):
        describe_board("hello\n")


def test_a_side_channel_that_is_not_there_is_one_line(tmp_path):
    message = r"^side channel \S+/side is not there: No such file or directory; start `breakwire virtual`$"
    with pytest.raises(NoBoard, match=message):
        SideChannel(str(tmp_path / "side"))


def test_the_board_ends_with_its_rig(board):
    with VirtualRig(command=board("lives")) as rig:
        pid = rig.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ctrl_c_of_the_terminal_is_not_the_boards(board):
    """It runs in a session of its own: the host ends it, in order."""
    process = BoardProcess(clock="virtual", command=board("lives"))
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.close()

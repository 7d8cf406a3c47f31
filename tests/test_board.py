"""The virtual board as a host meets it: through its process, its sockets and its pty."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import zlib

import pytest
import serial
from cobs import cobs

from hdl.wire import board as wire
from hdl.wire.board import Kind, Side
from hdl.wire.digest import map_hash
from sim.engine import Engine
from tests.stub import stub_verilog

PATIENCE_S = 60  # only a broken board takes so long
FRAME = bytes(range(64))


class Host:
    """What a host holds: the board's process, its packet link and its side channel."""

    def __init__(self, folder, *options, verilog=stub_verilog):
        if verilog:
            (folder / "stub.v").write_text(verilog())
            options = ("--verilog", folder / "stub.v", *options)
        command = [sys.executable, "-m", "sim.board", "--dir", folder, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())
        self.sockets = []
        self.link, self.side = self.connect("link"), self.connect("side")
        self.received = bytearray()
        self.hello = self.record()

    def connect(self, name):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(self.ports[name])
        self.sockets.append(connection)
        return connection

    def record(self):
        """Return the next record, or None once the board has closed the link."""
        while True:
            for record in wire.decode(self.received):
                return record
            octets = self.link.recv(1 << 16)
            if not octets:
                return None
            self.received += octets

    def send(self, *records):
        self.link.sendall(b"".join(wire.encode(*record) for record in records))

    def run(self, until=0):
        """Return the records up to DONE."""
        self.send((Kind.RUN, 0, 0, until))
        records = [self.record()]
        while records[-1].kind != Kind.DONE:
            records.append(self.record())
        return records

    def ask(self, line):
        self.side.sendall(line.encode() + b"\n")
        return self.line()

    def line(self):
        octets = b""
        while not octets.endswith(b"\n"):
            more = self.side.recv(1)
            if not more:
                return None
            octets += more
        return octets.decode().rstrip("\n")

    def close(self):
        for connection in self.sockets:
            connection.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def start(tmp_path):
    hosts = []

    def start(*options, **parameters):
        hosts.append(Host(tmp_path, *options, **parameters))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


@pytest.fixture
def host(start):
    return start()


def test_the_board_says_what_it_is(host, tmp_path):
    sha256 = Engine(stub_verilog()).core_sha256
    control = host.ports.pop("control")
    assert control.startswith("/dev/") and os.stat(control).st_rdev
    assert host.ports == {
        "link": str(tmp_path / "link"),
        "side": str(tmp_path / "side"),
        "clock": "virtual",
        "core_sha256": sha256,
        "log": str(tmp_path / "input.log"),
        "pid": host.process.pid,
    }
    assert host.hello[:4] == (Kind.HELLO, 0, 0, 0)
    assert json.loads(host.hello.payload) == {
        "clock": "virtual", "core_sha256": sha256, "map_hash": map_hash(), "cycle_ns": 8, "uart_divisor": 8,
    }  # fmt: skip


def test_frames_come_with_their_times_and_done_comes_last(host):
    """The stub's order path takes 20 cycles, its return path 4; a frame of 64 octets takes 72."""
    host.send(
        (Kind.FRAME, Side.SERVER, wire.WANT_STARTED, 100, FRAME), (Kind.FRAME, Side.EXCHANGE, 0, 150, FRAME[::-1])
    )
    host.send((Kind.FRAME, Side.SERVER, wire.WANT_STARTED, 400, FRAME))
    assert host.run(1000) == [
        (Kind.STARTED, Side.SERVER, 0, 100, b""),
        (Kind.FRAME, Side.EXCHANGE, 0, 120, FRAME),
        (Kind.FRAME, Side.SERVER, 0, 154, FRAME[::-1]),
        (Kind.STARTED, Side.SERVER, 0, 400, b""),
        (Kind.FRAME, Side.EXCHANGE, 0, 420, FRAME),
        (Kind.DONE, 0, 0, 1000, b""),
    ]


def test_a_run_into_the_past_moves_nothing(host):
    assert host.run(500) == [(Kind.DONE, 0, 0, 500, b"")]
    assert host.run(0) == [(Kind.DONE, 0, 0, 500, b"")]
    assert host.run(499) == [(Kind.DONE, 0, 0, 500, b"")]


def test_a_late_frame_goes_as_soon_as_the_line_is_free(host):
    host.run(500)
    host.send(*[(Kind.FRAME, Side.SERVER, wire.WANT_STARTED, 3, FRAME)] * 2)
    assert [record[:4] for record in host.run(1000)] == [
        (Kind.STARTED, Side.SERVER, 0, 500),
        (Kind.STARTED, Side.SERVER, 0, 500 + 72 + 12),
        (Kind.FRAME, Side.EXCHANGE, 0, 520),
        (Kind.FRAME, Side.EXCHANGE, 0, 604),
        (Kind.DONE, 0, 0, 1000),
    ]


def test_errors_on_the_line_go_both_ways(host):
    host.send((Kind.FRAME, Side.SERVER, wire.ERROR_FLAG, 0, FRAME), (Kind.FRAME, Side.SERVER, 0, 100, FRAME))
    assert [record.flags for record in host.run(1000)] == [wire.ERROR_FLAG, 0, 0]


def test_a_frame_that_is_not_due_waits(host):
    host.send((Kind.FRAME, Side.SERVER, 0, 10**12, FRAME))
    assert host.run(10**12 - 1) == [(Kind.DONE, 0, 0, 10**12 - 1, b"")]
    assert [record.at for record in host.run(2 * 10**12)] == [10**12 + 20, 2 * 10**12]


def test_records_behind_a_run_are_taken_after_its_done(host):
    host.send((Kind.RUN, 0, 0, 100), (Kind.FRAME, Side.SERVER, 0, 0, FRAME), (Kind.RUN, 0, 0, 300))
    assert [host.record()[:4] for _ in range(3)] == [
        (Kind.DONE, 0, 0, 100),
        (Kind.FRAME, Side.EXCHANGE, 0, 120),
        (Kind.DONE, 0, 0, 300),
    ]


def test_a_record_may_come_in_pieces(host):
    octets = wire.encode(Kind.FRAME, Side.SERVER, 0, 10, FRAME) + wire.encode(Kind.RUN, at=200)
    for number in range(len(octets)):
        host.link.sendall(octets[number : number + 1])
        if number % 20 == 0:
            host.ask("now")  # so that the board has seen the piece
    assert [host.record()[:4] for _ in range(2)] == [(Kind.FRAME, Side.EXCHANGE, 0, 30), (Kind.DONE, 0, 0, 200)]


def test_the_control_link_carries_every_octet_and_moves_time_by_as_much_as_it_takes(host):
    """A request of 257 octets of 80 cycles; a pty that were not raw would eat, echo or translate some of them."""
    request = bytes(range(1, 256)) + bytes([255, 0])
    control = os.open(host.ports["control"], os.O_RDWR | os.O_NOCTTY)  # not pyserial, which makes it raw itself
    os.write(control, request)
    reply = b""
    while len(reply) < len(request) and select.select([control], [], [], PATIENCE_S)[0]:
        reply += os.read(control, 1000)
    os.close(control)
    assert reply == request
    assert host.ask("now") == f"ok {257 * 80}"


def test_frames_leave_while_the_control_link_is_busy(host):
    host.send((Kind.FRAME, Side.SERVER, 0, 100, FRAME))
    host.run()
    with serial.Serial(host.ports["control"], timeout=PATIENCE_S) as control:
        control.write(b"1234\0")
        assert control.read(5) == b"1234\0"
    assert host.record()[:4] == (Kind.FRAME, Side.EXCHANGE, 0, 120)
    assert host.run() == [(Kind.DONE, 0, 0, 400, b"")]


def test_the_loop_opens_and_closes_in_its_cycle(host):
    """The stub stops a frame 4 cycles after the loop opened; a new frame passes only with the loop closed."""
    assert host.ask("loop open 150") == "ok 150"
    assert host.ask("loop closed 300") == "ok 300"
    host.send(*[(Kind.FRAME, Side.SERVER, 0, at, FRAME) for at in (100, 200, 310)])
    frames = [record for record in host.run(1000) if record.kind == Kind.FRAME]
    assert [(frame.at, len(frame.payload)) for frame in frames] == [(120, 153 - 120 + 1 - 8), (330, 64)]
    assert host.ask("loop open") == "ok 1000"
    host.send((Kind.FRAME, Side.SERVER, 0, 1010, FRAME))
    assert [record.kind for record in host.run(2000)] == [Kind.DONE]


def test_a_waveform_of_the_past_is_written(host, tmp_path):
    host.send((Kind.FRAME, Side.SERVER, 0, 100, FRAME))
    host.run(1000)
    path = tmp_path / "the trip.vcd"
    assert host.ask(f"wave 105 130 {path}") == f"ok {path}"
    times = [int(line[1:]) for line in path.read_text().splitlines() if line.startswith("#")]
    assert (times[0], times[-1]) == (105 * 8, 130 * 8 + 4)
    assert host.ask("wave 990 1000 x") == "error no waveform of cycles 990 to 1000: the window must lie in 0 to 999"


@pytest.mark.parametrize("line", ["", "loop", "loop half", "loop open 1 2", "now 1", "wave 1 2", "kill", "\x00\xff"])
def test_a_line_that_is_no_command_is_answered(host, line):
    known = "loop open|closed [CYCLE], now, wave FROM TO FILE, quit"
    assert host.ask(line) == f"error {line!r} is none of: {known}"
    assert host.ask("now") == "ok 0"


@pytest.mark.parametrize("cycle", ["-1", "1.5", "x", str(2**64 - 1)])
def test_a_cycle_that_is_no_number_is_answered(host, cycle):
    assert host.ask(f"loop open {cycle}") == f"error a cycle is a number from 0 to 2^64 - 2, not {cycle!r}"


def test_a_line_without_an_end_closes_the_side_channel(host):
    host.side.sendall(b"x" * 5000)
    assert host.line() == "error a line has at most 4096 octets"
    assert host.line() is None
    host.side = host.connect("side")
    assert host.ask("now") == "ok 0"


def test_a_second_host_is_refused_and_the_first_goes_on(host):
    second = host.connect("link")
    (record,) = wire.decode(bytearray(second.recv(1000)))
    assert record == (Kind.ERROR, 0, 0, 0, b"another host is connected to the link of this board")
    assert second.recv(1000) == b""
    second = host.connect("side")
    assert second.recv(1000) == b"error another host is connected to the side of this board\n"
    assert second.recv(1000) == b""
    assert host.run(77) == [(Kind.DONE, 0, 0, 77, b"")]
    assert host.ask("now") == "ok 77"


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (wire.encode(77), "no record of a host: a record of kind 77, side 0"),
        (wire.encode(Kind.FRAME, 2), "no record of a host: a record of kind 2, side 2"),
        (wire.encode(Kind.DONE), "no record of a host: a record of kind 4, side 0"),
        (b"GET / HTTP/1.1\r\n\r\n", "no record of a host: a record of 1414012975 octets; the most is 16384"),
    ],
)
def test_a_stranger_is_told_and_cut_off(host, octets, message):
    host.link.sendall(octets)
    assert host.record().payload.decode() == message
    assert host.record() is None
    host.link = host.connect("link")
    assert host.record().kind == Kind.HELLO
    assert host.run(5) == [(Kind.DONE, 0, 0, 5, b"")]


def test_a_host_may_go_and_another_come(host):
    """Whatever the first left behind: half a record, and a run that has not ended."""
    host.send((Kind.FRAME, Side.SERVER, 0, 10, FRAME), (Kind.RUN, 0, 0, 500))
    host.link.sendall(b"\x02\x00")
    host.link.close()
    host.side.close()
    host.side = host.connect("side")
    while host.ask("now") is None:  # refused as long as the board has not seen the first go
        host.side = host.connect("side")
    host.received.clear()
    host.link = host.connect("link")
    while host.record().kind != Kind.HELLO:
        host.received.clear()
        host.link = host.connect("link")
    assert host.run(1000)[-1] == (Kind.DONE, 0, 0, 1000, b"")


def test_a_host_that_does_not_read_holds_up_no_one_else(host):
    """6 MB of frames out, none of it read: time stops, the side channel lives, and then all of it is there."""
    count = 1500
    frames = b"".join(wire.encode(Kind.FRAME, Side.SERVER, 0, 0, bytes(4000)) for _ in range(count))
    host.link.sendall(frames)
    host.send((Kind.RUN, 0, 0, 10**9))
    before = None
    while (now := host.ask("now")) != before or now == "ok 0":
        before = now
        assert host.ask("loop closed").startswith("ok ")
    records = [host.record() for _ in range(count + 1)]
    assert [len(record.payload) for record in records] == [4000] * count + [0]
    assert records[-1] == (Kind.DONE, 0, 0, 10**9, b"")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "quit"])
@pytest.mark.parametrize("clock", ["virtual", "wall"])
def test_the_board_ends_cleanly(start, tmp_path, how, clock):
    host = start("--clock", clock)
    if how == "quit":
        assert host.ask("quit") == "ok"
    else:
        host.process.send_signal(how)
    assert host.process.wait(PATIENCE_S) == 0
    assert host.process.stderr.read() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input.log", "stub.v"]


def test_the_board_ends_in_the_middle_of_a_long_run(start, tmp_path):
    """A run that has an hour of work before it."""
    host = start()
    for _ in range(100):
        host.send(*[(Kind.FRAME, Side.SERVER, 0, 0, bytes(16000))] * 100)
    host.send((Kind.RUN, 0, 0, 10**12))
    assert host.record().kind == Kind.FRAME
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(PATIENCE_S) == 0
    assert host.process.stderr.read() == ""
    assert not (tmp_path / "link").exists()


def test_wall_time_follows_the_wall(start):
    """A tenth of a second takes at least that, and the frame that it holds leaves 20 cycles after it came."""
    host = start("--clock", "wall")
    began, now = time.monotonic_ns(), host.run()[-1].at
    host.send((Kind.FRAME, Side.SERVER, wire.WANT_STARTED, 0, FRAME))
    *records, done = host.run(now + 12_500_000)
    assert done.at >= now + 12_500_000
    assert time.monotonic_ns() - began >= 100_000_000
    started, frame = records
    assert started.at >= now
    assert frame == (Kind.FRAME, Side.EXCHANGE, 0, started.at + 20, FRAME)


def test_wall_time_answers_on_the_control_link(start):
    host = start("--clock", "wall")
    with serial.Serial(host.ports["control"], timeout=PATIENCE_S) as control:
        for _ in range(3):
            control.write(b"\x11\x13\x00")
            assert control.read(3) == b"\x11\x13\x00"


def test_the_core_itself_answers(start):
    """Without --verilog it is the core of this checkout. Worked out by hand: read one register from address 0."""
    host = start(verilog=None)
    body = bytes.fromhex("01 05 01 00 00000000 01000000")
    with serial.Serial(host.ports["control"], timeout=PATIENCE_S) as control:
        control.write(b"\0" + cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0")
        reply = b""
        while not reply.lstrip(b"\0").endswith(b"\0"):
            reply += control.read(1)
    body = bytes.fromhex("01 05 81 00 00000000") + b"BWR1"
    assert reply.strip(b"\0") == cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))


def board(*arguments, **options):
    command = [sys.executable, "-m", "sim.board", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, **options)


def test_two_boards_do_not_share_a_folder(host, tmp_path):
    log = (tmp_path / "input.log").stat().st_mtime_ns
    done = board("--dir", tmp_path, "--verilog", tmp_path / "stub.v")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"breakwire board: another board is running in {tmp_path}\n"
    assert (tmp_path / "input.log").stat().st_mtime_ns == log
    assert host.run(9) == [(Kind.DONE, 0, 0, 9, b"")]


def test_what_a_dead_board_left_is_replaced(start):
    start().process.kill()
    assert start().run(9) == [(Kind.DONE, 0, 0, 9, b"")]


def test_what_keeps_a_board_from_starting_is_one_line(tmp_path):
    (tmp_path / "stub.v").write_text(stub_verilog())
    (tmp_path / "file").write_text("")
    long = tmp_path / ("x" * 120)
    for arguments, options, message in [
        (["--dir", long], {}, f"{long}/link is too long for a socket: at most 107 octets; choose a shorter --dir"),
        (["--dir", tmp_path / "file"], {}, f"{tmp_path}/file: File exists"),
        (["--dir", tmp_path, "--verilog", tmp_path / "none.v"], {}, f"{tmp_path}/none.v: No such file or directory"),
        (
            ["--dir", tmp_path],
            {"env": {"PATH": str(tmp_path)}},
            "missing on this machine: g++; on Debian: apt install g++",
        ),
    ]:
        done = board("--verilog", tmp_path / "stub.v", *arguments, **options)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"breakwire board: {message}\n")


def test_the_records_have_the_layout_that_is_declared():
    """Octets worked out by hand from the RECORD format, not with `encode`."""
    octets = bytes.fromhex("02 01 0300 04000000 0807060504030201 61626364")
    flags = wire.ERROR_FLAG | wire.WANT_STARTED
    assert wire.encode(Kind.FRAME, Side.EXCHANGE, flags, 0x0102030405060708, b"abcd") == octets
    fields = {"kind": 2, "side": 1, "flags": 3, "length": 4, "at": 0x0102030405060708}
    assert wire.RECORD.unpack(octets) == fields
    received = bytearray(octets + octets[:-1])
    assert list(wire.decode(received)) == [(2, 1, 3, 0x0102030405060708, b"abcd")]
    assert received == octets[:-1]

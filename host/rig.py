"""A rig is what a board is tried on: two packet links, a control port and a side channel.

Times are cycles of 8 ns of the board's `now`. On a rig whose clock is virtual, time moves only by `run` and while
the control port is spoken to, so quiet minutes cost nothing.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, Self

from hdl.wire import board, ethernet
from hdl.wire.board import Kind, Side
from host.errors import HostError, LinkError, NoBoard
from host.link import Link, SerialLink

START_S = 300.0  # the first start on a machine compiles the core
ANSWER_S = 120.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on one of the board's two connectors.

    `at` is the cycle of its first preamble octet, `octets` are its octets with FCS, `error` says that rx_er or tx_er
    was seen in it.
    """

    at: int
    side: Side
    octets: bytes
    error: bool = False

    @property
    def end(self) -> int:
        """Cycle of the last octet."""
        return last_cycle(self.at, len(self.octets))


@dataclass
class Movement:
    """What came out of the board since it was last asked; `started` are the times at which frames sent went in."""

    frames: list[Frame] = field(default_factory=list)
    started: list[tuple[Side, int]] = field(default_factory=list)
    now: int = 0


class Rig(Protocol):
    """What the drill and the measurement need of a rig."""

    name: str
    clock: str
    core_sha256: str
    control: Link

    def send(self, frames: Iterable[Frame]) -> None:
        """Queue frames for their times; on each side in order of time, 12 octet times apart."""

    def run(self, until: int = 0) -> Movement:
        """Let time pass until `until` (not at all if that is past) and return what happened since the last call."""

    def loop(self, *, closed: bool, at: int | None = None) -> None:
        """Open or close the loop, now or at a cycle in the future."""

    def wave(self, start: int, end: int, file: Path) -> None:
        """Write the core's waveform between two cycles of the past."""


def last_cycle(at: int, octets: int) -> int:
    """Return the cycle of a frame's last octet."""
    return at + ethernet.PREAMBLE_OCTETS + octets - 1


def describe_board(text: str) -> dict[str, Any]:
    """Return what a board says of itself in its first line. Raises NoBoard."""
    with contextlib.suppress(ValueError):
        values = json.loads(text)
        if isinstance(values, dict) and {"control", "link", "side"} <= values.keys():
            return values
    raise NoBoard(f"the virtual board began with {text.strip()[:80]!r} instead of its ports; run `python -m sim.board`")


class BoardProcess:
    """A virtual board's process: started, and ended on `close`."""

    def __init__(self, *, clock: str, command: Iterable[str] | None = None):
        self._folder = tempfile.TemporaryDirectory(prefix="breakwire-")  # short: it holds UNIX sockets
        self._log = Path(self._folder.name) / "board.log"
        words = list(command or [sys.executable, "-m", "sim.board"])
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for the host, which then ends the board in order.
            self._process = subprocess.Popen(
                [*words, "--dir", self._folder.name, "--clock", clock],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.ports = describe_board(self._first_line())
        except BaseException:
            self.close()
            raise

    def _first_line(self) -> str:
        lines: SimpleQueue[str] = SimpleQueue()
        assert self._process.stdout
        stdout = self._process.stdout
        threading.Thread(target=lambda: lines.put(stdout.readline().decode()), daemon=True).start()
        try:
            line = lines.get(timeout=START_S)
        except Empty:
            raise NoBoard(f"the virtual board did not start within {START_S:g} s: {self.last_words()}") from None
        if not line:
            self._process.wait()
            raise NoBoard(f"the virtual board did not start: {self.last_words()}")
        return line

    @property
    def ended(self) -> int | None:
        """The process's exit code, None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        return self._process.pid

    def last_words(self) -> str:
        """Return the last line that the board wrote to its error output."""
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def wait(self) -> int:
        return self._process.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()


class VirtualRig:
    """The verilated core in a process of its own. Raises NoBoard when it does not start."""

    name = "virtual"

    def __init__(self, *, clock: str = "virtual", command: Iterable[str] | None = None):
        self.clock = clock
        self._process = BoardProcess(clock=clock, command=command)
        self._arrived: SimpleQueue[board.Record | None] = SimpleQueue()
        try:
            self._side = SideChannel(self._process.ports["side"])
            self._packets = socket.socket(socket.AF_UNIX)
            self._packets.connect(self._process.ports["link"])
            threading.Thread(target=self._receive, daemon=True).start()
            hello = self._next()
            if hello.kind != Kind.HELLO:
                raise NoBoard(f"the virtual board greeted with record {hello.kind}; is it of this version?")
            self.core_sha256 = str(json.loads(hello.payload)["core_sha256"])
            self.control: Link = SerialLink(self._process.ports["control"], timeout_s=ANSWER_S)
        except OSError as error:
            self.close()
            raise NoBoard(f"the virtual board's socket is not there: {error.strerror}") from None
        except BaseException:
            self.close()
            raise

    def send(self, frames: Iterable[Frame]) -> None:
        octets = b"".join(
            board.encode(Kind.FRAME, f.side, board.WANT_STARTED | board.ERROR_FLAG * f.error, f.at, f.octets)
            for f in frames
        )
        self._write(octets)

    def run(self, until: int = 0) -> Movement:
        self._write(board.encode(Kind.RUN, at=until))
        moved = Movement()
        while True:
            record = self._next()
            match record.kind:
                case Kind.FRAME:
                    error = bool(record.flags & board.ERROR_FLAG)
                    moved.frames.append(Frame(record.at, Side(record.side), record.payload, error))
                case Kind.STARTED:
                    moved.started.append((Side(record.side), record.at))
                case Kind.DONE:
                    moved.now = record.at
                    return moved
                case Kind.ERROR:
                    raise HostError(f"the virtual board stopped: {record.payload.decode(errors='replace')}")

    def loop(self, *, closed: bool, at: int | None = None) -> None:
        self._side.ask("loop", "closed" if closed else "open", *([str(at)] if at is not None else []))

    def wave(self, start: int, end: int, file: Path) -> None:
        self._side.ask("wave", str(start), str(end), str(file.resolve()), timeout_s=START_S)  # may compile

    @property
    def pid(self) -> int:
        """Process number of the board."""
        return self._process.pid

    def close(self) -> None:
        for name in ("control", "_side", "_packets"):
            if part := getattr(self, name, None):
                part.close()
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, octets: bytes) -> None:
        try:
            self._packets.sendall(octets)
        except OSError:
            raise self._gone() from None

    def _next(self) -> board.Record:
        try:
            record = self._arrived.get(timeout=ANSWER_S)
        except Empty:
            raise LinkError(f"the virtual board sent nothing for {ANSWER_S:g} s; is the machine overloaded?") from None
        if record is None:
            raise self._gone()
        return record

    def _gone(self) -> LinkError:
        deadline = time.monotonic() + 1
        while self._process.ended is None and time.monotonic() < deadline:
            time.sleep(0.01)
        how = f"exit code {self._process.ended}" if self._process.ended is not None else "its process still runs"
        return LinkError(f"the virtual board is gone ({how}): {self._process.last_words()}")

    def _receive(self) -> None:
        octets = bytearray()
        try:
            while piece := self._packets.recv(1 << 18):
                octets += piece
                for record in board.decode(octets):
                    self._arrived.put(record)
        except (OSError, ValueError):
            pass
        self._arrived.put(None)


class SideChannel:
    """The virtual board's side channel: what a board has as pins and a pty has not."""

    def __init__(self, path: str):
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(ANSWER_S)
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise NoBoard(f"side channel {path} is not there: {error.strerror}; start `breakwire virtual`") from None
        self._lines = self._socket.makefile("rwb")

    def ask(self, *words: str, timeout_s: float = ANSWER_S) -> str:
        """Return what the board answers behind *ok*. Raises HostError when it answers otherwise."""
        self._socket.settimeout(timeout_s)
        try:
            self._lines.write(" ".join(words).encode() + b"\n")
            self._lines.flush()
            answer = self._lines.readline().decode().strip()
        except TimeoutError:
            raise LinkError(
                f"the board did not answer {words[0]!r} within {timeout_s:g} s; is it overloaded?"
            ) from None
        except OSError:
            answer = ""
        state, _, text = answer.partition(" ")
        if not answer:
            raise LinkError(f"the side channel closed at {words[0]!r}; has the board ended?")
        if state != "ok":
            raise HostError(f"the board answered {answer!r} to {' '.join(words)!r}")
        return text

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._lines.close()
        self._socket.close()

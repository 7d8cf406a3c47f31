"""The virtual board: the verilated core as a process of its own, behind a pty and two sockets.

    python -m sim.board --dir D [--clock virtual|wall] [--verilog FILE]

Prints one JSON line once it can be used: control (the pty of the control link), link (socket of the packets, records of
`hdl.wire.board`), side (socket of the side channel), clock, core_sha256, log (every input so far), pid. Ends on SIGINT,
SIGTERM and `quit` with exit code 0; hosts may come and go, one at a time on each socket.

With `--clock virtual` time moves by RUN records and by octets of the control link and by nothing else: octets are
shifted in from `now` on, and time then moves until the core has answered each request. With `--clock wall` time follows
the wall, late while the core is busier than this machine is fast.

The side channel takes lines and answers each with one, `ok ...` or `error ...`:

    loop open|closed [CYCLE]    the loop pin, now or in that cycle; answers the cycle
    now                         answers the time in cycles
    wave FROM TO FILE           writes the waveform of those cycles, which lie in the past (VCD)
    quit                        ends the board
"""

import argparse
import json
import os
import selectors
import signal
import socket
import sys
import time
import tty
from pathlib import Path

from hdl.wire import board as wire
from hdl.wire.digest import map_hash
from hdl.wire.ethernet import PREAMBLE_OCTETS
from sim import export
from sim.engine import Carrier, Engine, EngineError, Output
from sim.stream import Stream

FOREVER = (1 << 64) - 1
CHUNK = 100_000  # cycles between two looks at the sockets
MOST_LINE = 4096  # octets of a line of the side channel
ENDS = (signal.SIGINT, signal.SIGTERM)
LONGEST_PATH = 107  # octets of the path of a UNIX socket


class Stopped(BaseException):
    """A signal asks the board to end."""


class Board:
    """Engine, sockets and pty in one loop. `start` opens everything, `serve` runs until `quit`, `close` tidies up."""

    engine: Engine

    def __init__(self, folder: Path, clock: str):
        self.folder, self.clock = folder, clock
        self._selector = selectors.DefaultSelector()
        self._began = 0
        self._listeners: dict[str, socket.socket] = {}
        self._link: Stream | None = None
        self._side: Stream | None = None
        self._control: Stream | None = None
        self._terminal = -1
        self._goal: int | None = None  # of the RUN that has not been answered
        self._carriers = 0  # given to the engine so far
        self._wanted: set[int] = set()  # carriers whose start the host wants to know
        self._quit = False

    def start(self, verilog: str | None = None) -> dict[str, str | int]:
        """Open sockets, engine and pty and return what a host must know. Raises OSError or EngineError."""
        for name in ("link", "side"):
            self._listeners[name] = self._listen(self.folder / name)
        log = self.folder / "input.log"  # another board's, had there been one at the sockets
        self.engine = Engine(verilog, uart_divisor=export.ENGINE_UART_DIVISOR, log=log)
        self._began = time.monotonic_ns()
        master, self._terminal = os.openpty()  # our own end stays open, or the host's close would close the pty
        tty.setraw(self._terminal)
        self._control = Stream(self._selector, master, self._control_received)
        return {
            "control": os.ttyname(self._terminal),
            "link": str(self.folder / "link"),
            "side": str(self.folder / "side"),
            "clock": self.clock,
            "core_sha256": self.engine.core_sha256,
            "log": str(log),
            "pid": os.getpid(),
        }

    def serve(self) -> None:
        """Serve hosts until one says `quit`."""
        while not (self._quit and not (self._side and self._side.outgoing)):
            ready = self._selector.select(self._patience())
            if self.clock == "wall":
                self._move()  # what came in came now, not when the core came to rest
            for key, events in ready:
                if isinstance(key.data, Stream):
                    key.data.ready(events)
                else:
                    key.data()
            self._move()

    def close(self) -> None:
        """Close everything and remove the sockets. The input log stays."""
        for name, listener in self._listeners.items():
            (self.folder / name).unlink(missing_ok=True)
            listener.close()
        for stream in (self._link, self._side, self._control):
            if stream:
                stream.close()
        if self._terminal >= 0:
            os.close(self._terminal)
        self._selector.close()
        if hasattr(self, "engine"):
            self.engine.close()

    # Time

    @property
    def _wall(self) -> int:
        return (time.monotonic_ns() - self._began) // wire.CYCLE_NS

    def _patience(self) -> float | None:
        """Return how long to wait for the hosts: seconds, or None for as long as it takes."""
        if self._quit or (self._link and self._link.congested):
            return None
        if self.clock == "virtual":
            return None if self._goal is None else 0
        due = min(self.engine.due, FOREVER if self._goal is None else self._goal)
        if due == FOREVER:
            return None
        return min(max(0.001, (due - self._wall) * wire.CYCLE_NS / 1e9), 3600)

    def _move(self) -> None:
        """Let time go on for a while, if it should."""
        if self._link and self._link.closed:
            self._link_gone()
        if self._link and self._link.congested:
            return
        until = self._wall if self.clock == "wall" else self._goal or 0
        if until > self.engine.now:
            self._emit(self.engine.run(min(until, max(self.engine.now, self.engine.due) + CHUNK)))
        if self._goal is not None and self.engine.now >= self._goal:
            self._goal = None
            self._tell(wire.Kind.DONE)
            self._link_received()

    def _emit(self, output: Output) -> None:
        """Tell the hosts what came out, in order of time."""
        if self._control and len(output.control):
            self._control.send(output.control_octets)
        if not self._link:
            return
        records = []
        for at, number, side in output.started.tolist():
            if number in self._wanted:
                self._wanted.remove(number)
                records.append((at, wire.encode(wire.Kind.STARTED, side, at=at)))
        for frame in output:
            flags = 0 if frame.er is None else wire.ERROR_FLAG
            if frame.preamble < frame.end - frame.at + 1:  # what has no start delimiter is no frame
                records.append((frame.end, wire.encode(wire.Kind.FRAME, frame.side, flags, frame.at, frame.octets)))
        if records:
            records.sort(key=lambda record: record[0])
            self._link.send(b"".join(octets for _, octets in records))

    # Hosts

    def _listen(self, path: Path) -> socket.socket:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise EngineError(f"{path} is too long for a socket: at most {LONGEST_PATH} octets; choose a shorter --dir")
        listener = socket.socket(socket.AF_UNIX)
        try:
            if path.is_socket():
                if listener.connect_ex(str(path)) == 0:
                    raise EngineError(f"another board is running in {path.parent}")
                path.unlink()
                listener.close()
                listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen()
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(path.name, listener))
        return listener

    def _accept(self, name: str, listener: socket.socket) -> None:
        try:
            host, _ = listener.accept()
        except OSError:
            return  # it has gone again
        busy = self._link if name == "link" else self._side
        stream = Stream(self._selector, host.detach(), self._link_received if name == "link" else self._side_received)
        if busy:
            text = f"another host is connected to the {name} of this board"
            record = wire.encode(wire.Kind.ERROR, at=self.engine.now, payload=text.encode())
            stream.send(record if name == "link" else f"error {text}\n".encode())
            stream.close()
        elif name == "link":
            self._link = stream
            hello = {
                "clock": self.clock,
                "core_sha256": self.engine.core_sha256,
                "map_hash": map_hash(),
                "cycle_ns": wire.CYCLE_NS,
                "uart_divisor": self.engine.uart_divisor,
            }
            self._tell(wire.Kind.HELLO, json.dumps(hello).encode())
        else:
            self._side = stream

    def _tell(self, kind: wire.Kind, payload: bytes = b"") -> None:
        if self._link:
            self._link.send(wire.encode(kind, at=self.engine.now, payload=payload))

    def _control_received(self) -> None:
        assert self._control
        octets = bytes(self._control.incoming)
        self._control.incoming.clear()
        settle = self.clock == "virtual"
        until = FOREVER if settle else self.engine.now
        self._emit(self.engine.run(until, control=[(self.engine.now, octets)], settle=settle))

    def _link_received(self) -> None:
        """Take the records that came in, up to the first RUN: those behind it wait for its DONE."""
        if not self._link or self._link.closed or self._goal is not None:
            return
        carriers = []
        try:
            for kind, side, flags, at, octets in wire.decode(self._link.incoming):
                if kind == wire.Kind.FRAME and side in (wire.Side.SERVER, wire.Side.EXCHANGE):
                    er = (0, PREAMBLE_OCTETS + len(octets)) if flags & wire.ERROR_FLAG else None
                    if flags & wire.WANT_STARTED:
                        self._wanted.add(self._carriers + len(carriers))
                    carriers.append(Carrier(at, octets, side, er=er))
                elif kind == wire.Kind.RUN:
                    self._goal = at
                    break
                else:
                    raise ValueError(f"a record of kind {kind}, side {side}")
        except ValueError as error:
            self._tell(wire.Kind.ERROR, f"no record of a host: {error}".encode())
            self._link_gone()
            return
        finally:
            self._carriers += len(carriers)
            self.engine.run(self.engine.now, carriers=carriers)

    def _link_gone(self) -> None:
        if self._link:
            self._link.close()
        self._link, self._goal = None, None
        self._wanted.clear()

    def _side_received(self) -> None:
        while self._side and (end := self._side.incoming.find(b"\n")) >= 0:
            line = bytes(self._side.incoming[:end]).decode(errors="replace")
            del self._side.incoming[: end + 1]
            try:
                answer = " ".join(["ok", *self._obey(line.split(maxsplit=1))])
            except (EngineError, ValueError) as error:
                answer = f"error {error}"
            self._side.send(answer.encode() + b"\n")
        if self._side and len(self._side.incoming) > MOST_LINE:
            self._side.send(f"error a line has at most {MOST_LINE} octets\n".encode())
            self._side.closed = True
        if self._side and self._side.closed:
            self._side.close()
            self._side = None

    def _obey(self, line: list[str]) -> list[str]:
        """Do what a line of the side channel says and return the answer's words. Raises ValueError, EngineError."""
        command, rest = [*line, "", ""][:2]
        words = rest.split()
        now = self.engine.now
        match command, words:
            case "loop", [("open" | "closed") as level, *cycle] if len(cycle) <= 1:
                at = max(now, _cycle(cycle[0])) if cycle else now
                self.engine.run(now, loop=[(at, level == "closed")])
                return [str(at)]
            case "now", []:
                return [str(now)]
            case "quit", []:
                self._quit = True
                return []
            case "wave", [first, last, *file] if file:
                path = rest.split(maxsplit=2)[2].strip()
                self.engine.wave(_cycle(first), _cycle(last), Path(path))
                return [path]
        raise ValueError(f"{' '.join(line)!r} is none of: loop open|closed [CYCLE], now, wave FROM TO FILE, quit")


def _cycle(text: str) -> int:
    if not text.isdecimal() or int(text) >= FOREVER:
        raise ValueError(f"a cycle is a number from 0 to 2^64 - 2, not {text!r}")
    return int(text)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.board", description="A virtual board, until Ctrl-C.")
    parser.add_argument("--dir", type=Path, required=True, metavar="D", help="folder for its sockets and input log")
    parser.add_argument("--clock", choices=("virtual", "wall"), default="virtual", help="what moves time")
    parser.add_argument("--verilog", type=Path, metavar="FILE", help="another core than that of this checkout")
    args = parser.parse_args(argv)

    def stop(*_):
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)  # once is enough: what follows tidies up
        raise Stopped

    for number in ENDS:
        signal.signal(number, stop)
    board = None
    try:
        folder = args.dir.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        text = args.verilog.read_text() if args.verilog else None
        board = Board(folder, args.clock)
        print(json.dumps(board.start(text)), flush=True)
        board.serve()
    except Stopped:
        pass
    except EngineError as error:
        print(f"breakwire board: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"breakwire board: {error.filename or args.dir}: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)
        if board:
            board.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

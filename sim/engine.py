"""The verilated core as a library: inputs with their times in, outputs with theirs out, idle time skipped.

Time is the core's `now`, in cycles of 8 ns; a pin shows a value *in* the cycle in which it is sampled, just before the
clock edge that ends it. While the core is at rest and no input is due, `now` jumps: to the next input, to 4 cycles
before the watchdog's deadline, or to the end of the run, whichever is first. The core behaves the same however a
stretch of time is cut into runs, so the input log alone repeats everything, and a waveform of any window can be had
afterwards.
"""

import ctypes
import hashlib
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from hdl.wire.board import Side
from hdl.wire.ethernet import GAP_OCTETS, PREAMBLE_OCTETS
from sim import export, library
from sim.library import EngineError

__all__ = ["CARRIER", "FRAME", "MOMENT", "Carrier", "Engine", "EngineError", "Frame", "Output", "pack"]

# The layouts of sim/engine.cpp's Spec, Frame and Moment.
CARRIER = np.dtype(
    [
        ("at", "<u8"),  # cycle of its first octet at the earliest
        ("offset", "<u4"),  # of its octets in the pool
        ("length", "<u4"),
        ("er_first", "<i4"),  # first cycle of the carrier with rx_er, preamble included; −1: none
        ("er_count", "<u4"),
        ("gap", "<u4"),  # fewest cycles of rest before it, at least 1
        ("preamble", "<u2"),  # octets of preamble and start delimiter to put before it; 0: the octets are all
        ("side", "u1"),
        ("reserved", "u1"),
    ]
)
FRAME = np.dtype(
    [
        ("at", "<u8"),  # cycle of the carrier's first octet
        ("end", "<u8"),  # cycle of its last octet
        ("offset", "<u4"),  # of the whole carrier in the pool
        ("length", "<u4"),
        ("er", "<i4"),  # first octet of the carrier with tx_er; −1: none
        ("er_count", "<u4"),
        ("preamble", "<u4"),  # octets up to and with the start delimiter; all, when there is none
        ("side", "u1"),
        ("cut", "u1"),  # 1: longer than 65,536 octets, and only those are kept
        ("reserved", "<u2"),
    ]
)
MOMENT = np.dtype([("at", "<u8"), ("value", "<u4"), ("side", "<u4")])
SLICE = 1 << 19  # cycles between two looks at pending signals (Ctrl-C)
MOST_WAVE = 1 << 20  # cycles of a waveform: about half a gigabyte


class Carrier(NamedTuple):
    """A run of dv on one side's receive pins."""

    at: int
    octets: bytes
    side: int = Side.SERVER
    preamble: int = PREAMBLE_OCTETS
    gap: int = GAP_OCTETS
    er: tuple[int, int] | None = None  # (first cycle, cycles), counted from the carrier's first octet


class Frame(NamedTuple):
    """What left one side: the octets behind the start delimiter."""

    at: int  # cycle of the first octet of the preamble
    side: int
    octets: bytes
    preamble: int  # octets before `octets`, start delimiter included
    er: int | None  # number of the first octet with tx_er; 0 also when it was in the preamble
    end: int  # cycle of the last octet


class Output:
    """What came out during a run, as arrays; iterating gives each carrier as a `Frame`, in the order of their ends.

    frames (FRAME) index into `octets`; started (MOMENT): value = number of the carrier; killed (MOMENT): value = the
    new mask, 0xFF before the first; control (MOMENT): value = an octet of the control link, in the middle of its stop
    bit.
    """

    def __init__(self, frames, octets: bytes, started, killed, control):
        self.frames, self.octets, self.started, self.killed, self.control = frames, octets, started, killed, control

    def __iter__(self) -> Iterator[Frame]:
        for at, end, offset, length, er, _, preamble, side, _, _ in self.frames.tolist():
            octets = self.octets[offset + preamble : offset + length]
            yield Frame(at, side, octets, preamble, None if er < 0 else max(0, er - preamble), end)

    @property
    def control_octets(self) -> bytes:
        """What the control link sent."""
        return self.control["value"].astype(np.uint8).tobytes()


def pack(carriers: Iterable[Carrier]) -> tuple[np.ndarray, bytes]:
    """Return `carriers` as `Engine.run` takes them in bulk: an array of CARRIER and the pool of their octets."""
    rows, pool = [], bytearray()
    for at, octets, side, preamble, gap, er in carriers:
        first, count = er or (-1, 0)
        rows.append((at, len(pool), len(octets), first, count, gap, preamble, side, 0))
        pool += octets
    return np.array(rows, CARRIER), bytes(pool)


class Engine:
    """A core in a library. It powers up one cycle before cycle 0: loop closed, control line idle, nothing received.

    Parameters
    ----------
    verilog : str
        Text of the core with top module `breakwire`; without it the core of this checkout.
    uart_divisor : int
        Cycles per bit of the control link, as the core was built.
    log : Path or None
        File for the input log, begun anew. `wave` needs one.
    resettable : bool
        Build with a reset, an eighth slower; without it `run` takes no `resets`.
    traced : bool
        Build with waveforms, slower.
    """

    def __init__(
        self,
        verilog: str | None = None,
        *,
        uart_divisor: int = export.ENGINE_UART_DIVISOR,
        log: Path | None = None,
        resettable: bool = False,
        traced: bool = False,
        cache: Path | None = None,
    ):
        self._engine = None
        self.uart_divisor = uart_divisor
        self.verilog = export.core_verilog(uart_divisor=uart_divisor, cache=cache) if verilog is None else verilog
        self.core_sha256 = hashlib.sha256(self.verilog.encode()).hexdigest()
        self._cache = cache
        self._resettable = resettable
        self._library = _load(library.library(self.verilog, traced=traced, resettable=resettable, cache=cache))
        self._engine = self._library.engine_new(uart_divisor)
        self._log_path = log
        self._log: BinaryIO | None = open(log, "wb") if log else None  # noqa: SIM115 (closed by close)

    def close(self) -> None:
        """Free the core and close the log. The engine cannot be used after it."""
        if self._engine:
            self._library.engine_free(self._engine)
            self._engine = None
            if self._log:
                self._log.close()

    __del__ = close

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def now(self) -> int:
        """The next cycle to be simulated."""
        return self._library.engine_now(self._engine)

    @property
    def killed(self) -> int:
        """The `killed` pins in the last simulated cycle; 0xFF before the first."""
        return self._library.engine_killed(self._engine)

    @property
    def simulated(self) -> int:
        """Cycles simulated so far; `now` less the cycles that were skipped."""
        return self._library.engine_simulated(self._engine)

    @property
    def due(self) -> int:
        """The next cycle in which something happens: `now` itself unless the core is at rest."""
        return self._library.engine_due(self._engine)

    def run(self, until: int, *, carriers=(), control=(), loop=(), resets=(), settle: bool = False) -> Output:
        """Run the cycles from `now` up to, but without, `until`, and return what came out of them.

        Inputs beyond `until` wait for a later run; an input whose time is past counts as one for `now`. With `settle`
        the run ends as soon as the control link is at rest: every octet is in, and every request was answered, or never
        will be. What leaves is reported when its last octet has.

        Parameters
        ----------
        carriers : iterable of Carrier, or (array of CARRIER, bytes)
            Those of one side begin in the order given, each at its time or `gap` cycles after the one before.
            They are numbered from 0 over the life of the engine.
        control : iterable of (cycle, octets)
            Octets for the control link, one after another.
        loop : iterable of (cycle, closed)
        resets : iterable of (cycle, number of cycles of `rst`)
        """
        self._put(carriers, control, loop, resets)
        parts = []
        while True:
            stop = until if settle else min(until, max(self.now, self.due) + SLICE)
            stopped = self._library.engine_run(self._engine, stop, settle)
            if stopped == 1 or (stopped == 0 and self.now >= until):
                break
            if stopped == 2:
                parts.append(self._collect())
        parts.append(self._collect())
        return parts[0] if len(parts) == 1 else _join(parts)

    def wave(self, first: int, last: int, path: Path) -> None:
        """Write the waveform of the cycles from `first` to `last` (VCD, 8 ns a cycle) by running the input log again.

        Cycles that were skipped are not in it. Raises `EngineError` when there is no log, when the window is empty, not
        in the past or above a million cycles, and when the file cannot be written.
        """
        if not self._log or not self._log_path:
            raise EngineError("no waveform without an input log")
        if not 0 <= first <= last < self.now:
            raise EngineError(f"no waveform of cycles {first} to {last}: the window must lie in 0 to {self.now - 1}")
        if last - first >= MOST_WAVE:
            raise EngineError(f"no waveform of {last - first + 1} cycles: {MOST_WAVE} are the most")
        self._log.flush()
        same = {"uart_divisor": self.uart_divisor, "resettable": self._resettable, "cache": self._cache}
        with Engine(self.verilog, traced=True, **same) as again:
            with open(self._log_path, "rb") as log:
                while entry := _entry(log):
                    again._put(*entry)
            again.run(first)
            if not again._library.engine_wave(again._engine, str(path).encode()):
                raise EngineError(f"cannot write the waveform {path}")
            again.run(last + 1)
            again._library.engine_wave(again._engine, None)

    def _put(self, carriers, control, loop, resets) -> None:
        bulk = isinstance(carriers, tuple) and len(carriers) == 2 and isinstance(carriers[0], np.ndarray)
        specs, pool = carriers if bulk else pack(carriers)
        if len(specs):
            specs = _checked(specs, len(pool))
        moments = [(control, bytes), (loop, bool), (resets, int)]
        control, loop, resets = ([(max(at, self.now), kind(value)) for at, value in given] for given, kind in moments)
        if resets and not self._resettable:
            raise ValueError("resets are for an engine with resettable=True")
        if self._log and (len(specs) or control or loop or resets):
            logged = np.array(specs)
            logged["at"] = np.maximum(logged["at"], self.now)
            pickle.dump(((logged, pool), control, loop, resets), self._log)
        if len(specs):
            self._library.engine_carriers(self._engine, specs.ctypes.data, len(specs), pool)
        for at, octets in control:
            self._library.engine_control(self._engine, at, octets, len(octets))
        for at, closed in loop:
            self._library.engine_loop(self._engine, at, closed)
        for at, cycles in resets:
            self._library.engine_reset(self._engine, at, cycles)

    def _collect(self) -> Output:
        octets = ctypes.c_size_t()
        raw = []
        for which in range(5):
            address = self._library.engine_output(self._engine, which, ctypes.byref(octets))
            raw.append(ctypes.string_at(address, octets.value) if octets.value else b"")
        self._library.engine_collected(self._engine)
        frames, pool, *moments = raw
        return Output(np.frombuffer(frames, FRAME), pool, *(np.frombuffer(part, MOMENT) for part in moments))


def _checked(specs: np.ndarray, size: int) -> np.ndarray:
    """Return `specs` as the library takes them. A wrong one would read or write where it must not."""
    if specs.dtype != CARRIER:
        raise ValueError(f"carriers must be an array of CARRIER, not of {specs.dtype}")
    ends = specs["offset"].astype(np.uint64) + specs["length"]
    for wrong, why in (
        (ends > size, "its octets must lie in the pool"),
        ((specs["length"] == 0) & (specs["preamble"] == 0), "it must have at least one octet"),
        (specs["gap"] == 0, "gap must be at least 1"),
        (specs["side"] > 1, "side must be 0 or 1"),
    ):
        if wrong.any():
            raise ValueError(f"carrier {int(np.argmax(wrong))}: {why}")
    return np.ascontiguousarray(specs)


def _join(parts: list[Output]) -> Output:
    """Return several collections of one run as one."""
    offset, frames = 0, []
    for part in parts:
        moved = part.frames.copy()
        moved["offset"] += offset
        frames.append(moved)
        offset += len(part.octets)
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in ("started", "killed", "control"))
    return Output(np.concatenate(frames), b"".join(part.octets for part in parts), *arrays)


def _entry(log: BinaryIO):
    try:
        return pickle.load(log)  # our own file, written by `_put`
    except EOFError:
        return None


# Result and arguments of each function of the library: P address, I unsigned, Q 64 bits, i int, z size, s octets.
_FUNCTIONS = {
    "new": ("P", "I"), "free": ("", "P"), "now": ("Q", "P"), "simulated": ("Q", "P"), "due": ("Q", "P"),
    "killed": ("I", "P"), "run": ("i", "PQi"), "carriers": ("", "PPzs"), "control": ("", "PQsz"), "loop": ("", "PQi"),
    "reset": ("", "PQQ"), "output": ("P", "PiP"), "collected": ("", "P"), "wave": ("i", "Ps"),
}  # fmt: skip
_TYPES = {
    "P": ctypes.c_void_p, "I": ctypes.c_uint, "Q": ctypes.c_uint64, "i": ctypes.c_int, "z": ctypes.c_size_t,
    "s": ctypes.c_char_p, "": None,
}  # fmt: skip


def _load(path: Path) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(f"cannot load the engine ({error}); remove {path} to have it built again") from error
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, f"engine_{name}")
        function.restype = _TYPES[result]
        function.argtypes = [_TYPES[letter] for letter in arguments]
    return loaded

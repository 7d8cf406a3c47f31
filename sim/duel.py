"""The core on the compiled engine against the golden model: the same inputs, every output compared."""

from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

import numpy as np

from hdl.wire.board import Side
from hdl.wire.control import CRC, HEADER, VERSION, WORD, Op
from hdl.wire.event import EVENT, Kind
from hdl.wire.registers import COUNTERS_PER_ROW, ENTRY_VALID, Reg
from hdl.wire.verdict import LANES, Source
from sim.console import Console, stuff
from sim.engine import CARRIER, Engine
from sim.model import Event, Model
from sim.traffic import Carrier, Traffic

ALL = (1 << LANES) - 1
LOOP_CYCLES = 3  # from the loop's pin to the kill edge
DRAIN = 60_000  # cycles in which everything on its way has left: a full queue is 32 * 1,546
WATCHDOG = (1 << 32) - 1
PREDICTED = {Kind.DROP, Kind.ABORT, Kind.KILL, Kind.ARM, Kind.BLOCK}


class Difference(AssertionError):
    """The core did something else than the model."""


class Observed(NamedTuple):
    """A frame on the egress pins: octets behind the start delimiter; first cycle with tx_er or None."""

    at: int
    octets: bytes
    er_at: int | None


def words_of(traffic: Traffic) -> list[tuple[int, list[int]]]:
    """Return the writes that load a configuration, as (address, words), first CONFIG_BEGIN."""
    config = traffic.config
    writes = [
        (Reg.CONFIG_BEGIN, [1]),
        (Reg.POLICY, [config.policy, config.enabled, config.order_size, WATCHDOG]),
        (Reg.HASH_KEY, [traffic.key >> shift & 0xFFFFFFFF for shift in (0, 32, 64)]),
        (Reg.LANE_KEY, [int.from_bytes(key[at : at + 4], "little") for key in config.lanes for at in range(0, 16, 4)]),
        (Reg.GROSS_LIMIT, [half for limit in config.gross_limits for half in halves(limit)]),
    ]
    for index in sorted({index for index, _ in config.limits}):
        both = (config.limits.get((index, buy), 0) for buy in (True, False))
        writes.append((Reg.EXPOSURE_LIMIT + 4 * index, [half for limit in both for half in halves(limit)]))
    for slot, (symbol, index) in traffic.slots.items():
        symbol_words = [int.from_bytes(symbol[at : at + 4], "big") for at in (0, 4)]
        writes.append((Reg.DIRECTORY + 4 * slot, [*symbol_words, ENTRY_VALID | index]))
    return writes


def halves(value: int) -> list[int]:
    """Return the two words of a 64-bit register, the low one first."""
    return [value & 0xFFFFFFFF, value >> 32]


def kill_request(lanes: int, sequence: int = 0) -> bytes:
    """Return the octets of a serial kill command."""
    header = {"version": VERSION, "sequence": sequence, "op": Op.KILL, "status": 0, "address": 0}
    body = HEADER.pack(**header) + WORD.pack(value=lanes)
    return b"\0" + stuff(body + CRC.pack(crc=crc32(body))) + b"\0"


class Duel:
    """One core and one model since reset, configured by `traffic`. Time is the engine's.

    Every method that moves time compares what came out meanwhile, and raises `Difference`.
    """

    SERIAL_CYCLES = 13  # from the beginning of the last stop bit of a kill command to the kill edge

    def __init__(self, traffic: Traffic, engine: Engine | None = None):
        self.traffic, self.engine = traffic, engine or Engine()
        self.console = Console(self.engine)
        self.model = Model(traffic.config)
        self.frames = 0  # carriers played
        self._left = self._shows = self._told = 0  # what of the model's outputs has been compared
        self._sequence = 0  # of the next event
        self._recent: list[tuple[int, bytes]] = []
        for address, words in words_of(traffic):
            self.console.write(address, words)
        self._compare()

    def arm(self, lanes: int = ALL) -> None:
        """Open lanes: the cycle is the one of the event, everything that follows from it is compared."""
        self.console.arm(lanes)
        events = self._read_events()
        arms = [event.at for event in events if event.kind == Kind.ARM]
        if len(arms) != 1:
            raise Difference(f"an arm made {len(arms)} events")
        self.model.open(arms[0], lanes)
        self.model.rest()
        self._compare(events)

    def play(self, carriers: Iterable[Carrier], *, loop=(), kills=(), read: bool = True) -> None:
        """Send carriers from now on; open the loop for `cycles`, or send a kill command, `after` cycles from now.

        loop: (after, cycles) each. kills: (after, lanes) each, far enough apart for the serial line. Without `read` the
        events are freed unread, which is faster: reading one takes as long as several frames.
        """
        start = now = self.engine.now + 100
        rows, pool, placed = [], bytearray(), []
        for gap, octets, er in carriers:
            now += gap
            rows.append((now, len(pool), len(octets), *(er or (-1, 0)), 1, 0, Side.SERVER, 0))
            pool += octets
            placed.append((now, octets, er))
            now += len(octets)
        levels, control = [], []
        for after, cycles in loop:
            levels += [(start + after, False), (start + after + cycles, True)]
            self.model.kill(start + after + LOOP_CYCLES, ALL, Source.LOOP)
        for after, lanes in kills:
            octets = kill_request(lanes)
            control.append((start + after, octets))
            stop = start + after + (10 * len(octets) - 1) * self.engine.uart_divisor
            self.model.kill(stop + self.SERIAL_CYCLES, lanes, Source.SERIAL)
        for at, octets, er in placed:
            self.model.carrier(at, octets, er)
        self.model.rest()
        self._recent = [(at, octets) for at, octets, _ in placed]
        self.frames += len(placed)
        specs = (np.array(rows, CARRIER), bytes(pool))
        last = max([now, *(at for at, _ in levels), *(at + 100 * 80 for at, _ in control)])
        self.console.outputs.append(self.engine.run(last + DRAIN, carriers=specs, loop=levels, control=control))
        if not read:
            self._free_events()
        self._compare()

    def clear_exposure(self) -> None:
        """Zero what was released; every lane must be killed."""
        self.console.write(Reg.CLEAR_EXPOSURE, [1])
        self.console.outputs.append(self.engine.run(self.engine.now + 3_000))
        self.model.clear_exposure()
        self._compare()

    def audit(self) -> None:
        """Compare every counter, and exposure and gross notional."""
        for row in range(LANES + 1):
            got = self.console.read(Reg.COUNTER + COUNTERS_PER_ROW * row, COUNTERS_PER_ROW)
            want = self.model.counters[row]
            self._same(f"counters of row {row}", named(want), named(got))
        budget = self.model.budget
        for index in sorted({index for index, _ in self.traffic.config.limits}):
            words = self.console.read(Reg.EXPOSURE + 4 * index, 4)
            got = [words[0] | words[1] << 32, words[2] | words[3] << 32]
            self._same(f"exposure of symbol {index}", budget.exposure[2 * index : 2 * index + 2], got)
        words = self.console.read(Reg.GROSS, 2 * LANES + 2)
        got = [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)]
        self._same("gross notional", budget.gross, got)
        (faults,) = self.console.read(Reg.FAULTS)
        self._same("faults but for lost events", 0, faults & ~1)
        self._compare()

    def _compare(self, events=()):
        """Compare what came out since the last comparison, and the events, those already read and those to be read."""
        outputs, self.console.outputs = self.console.outputs, []
        model = self.model
        got, shows = [], []
        for out in outputs:
            for at, _, offset, length, er, _, preamble, side, _, _ in out.frames.tolist():
                if side == Side.EXCHANGE:
                    octets = out.octets[offset + preamble : offset + length]
                    got.append(Observed(at, octets, None if er < 0 else at + er))
            shows += [(at, mask) for at, mask, _ in out.killed.tolist()]
        want = [Observed(left.at, left.octets, left.er_at) for left in model.left[self._left :]]
        self._left = len(model.left)
        self._same_list("egress frame", want, got)
        changes = list(zip(model.kills.shows, model.kills.masks, strict=True))[1:]
        self._same_list("change of the killed lanes", changes[self._shows :], shows)
        self._shows = len(changes)
        events = [event for event in (*events, *self._read_events()) if event.kind in PREDICTED]
        told = model.events()
        self._same_list("event", told[self._told :], sorted(events))
        self._told = len(told)

    def _free_events(self):
        """Forget the events so far. If some were lost, the log says so as soon as it has room: forget that too."""
        for _ in range(2):
            (self._sequence,) = self.console.read(Reg.EVENTS)
            self.console.ask(Op.EVENTS, self._sequence, [1])
        (self._sequence,) = self.console.read(Reg.EVENTS)
        self._told = len(self.model.events())

    def _read_events(self):
        events = []
        while True:
            words = self.console.ask(Op.EVENTS, self._sequence, [8])
            if not words:
                return events
            octets = b"".join(WORD.pack(value=word) for word in words)
            for at in range(0, len(octets), EVENT.size):
                fields = EVENT.unpack(octets, at)
                number = fields.pop("sequence")
                self._same("sequence number of an event", self._sequence, number)
                self._sequence += 1
                if fields["kind"] == Kind.GAP:
                    raise Difference(f"{fields['user_ref']} events were lost")
                events.append(Event(**fields))

    def _same(self, what, want, got):
        if want != got:
            raise Difference(f"{what}: expected {want}, got {got}")

    def _same_list(self, what, want, got):
        for number, (expected, seen) in enumerate(zip(want, got, strict=False)):
            if expected != seen:
                raise Difference(self._report(f"{what} {number}", expected, seen))
        if len(want) != len(got):
            number = min(len(want), len(got))
            expected, seen = (want[number], "nothing") if len(want) > number else ("nothing", got[number])
            raise Difference(self._report(f"{what} {number} of {len(want)}", expected, seen))

    def _report(self, what, expected, seen):
        """Return what differs, and the carriers and verdicts just before."""
        at = min(thing[0] for thing in (expected, seen) if not isinstance(thing, str))
        near = [(begin, octets) for begin, octets in self._recent if begin <= at][-4:]
        lines = [f"{what}: expected {show(expected)}, got {show(seen)}"]
        lines += [f"  carrier at {begin}, {len(octets)} octets: {octets.hex()}" for begin, octets in near]
        lines += [f"  verdict {verdict}" for verdict in self.model.verdicts if at - 3000 <= verdict[0] <= at + 1000]
        lines += [f"  kill edge {edge}" for edge in self.model.kills.edges[-3:]]
        return "\n".join(lines)


def show(thing) -> str:
    if isinstance(thing, Observed):
        return f"at {thing.at} er_at {thing.er_at} {len(thing.octets)} octets {thing.octets.hex()}"
    return str(thing)


def named(cells) -> dict[int, int]:
    """Return the counters that are not 0, by number."""
    return {number: value for number, value in enumerate(cells) if value}

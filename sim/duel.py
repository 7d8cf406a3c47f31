"""The core on the compiled engine against the golden model: the same inputs, every output compared."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol
from zlib import crc32

import numpy as np

from hdl.wire.board import Side
from hdl.wire.control import CRC, HEADER, VERSION, WORD, Op
from hdl.wire.event import EVENT, Kind
from hdl.wire.registers import COUNTERS_PER_ROW, ENTRY_VALID, Count, Reg, drops
from hdl.wire.verdict import FIRST_TRIP, LANES, Source
from sim.captures import captures
from sim.console import Console, stuff
from sim.engine import CARRIER, Engine
from sim.model import Config, Event, Model
from sim.packets import PREAMBLE
from sim.solo import announce
from sim.traffic import Carrier

ALL = (1 << LANES) - 1
LOOP_CYCLES = 3  # from the loop's pin to the kill edge
DRAIN = 60_000  # cycles in which everything on its way has left: a full queue is 32 * 1,546
WATCHDOG = (1 << 32) - 1
SERIAL_CYCLES = 9  # from the middle of a kill command's last stop bit to the kill edge
WIDE = {Reg.KILL_AT, Reg.AFTER_END, Reg.PASS_START, Reg.BREACH_AT}
READ, FREE, LEAVE = "read", "free", "leave"
PREDICTED = {
    Kind.DROP, Kind.ABORT, Kind.KILL, Kind.ARM, Kind.BLOCK, Kind.NEUTRALISE, Kind.FENCE, Kind.SESSION,
    Kind.EVIDENCE_LOST, Kind.CONTRADICTION,
}  # fmt: skip


class Difference(AssertionError):
    """The core did something else than the model."""


class Observed(NamedTuple):
    """A frame on the egress pins: octets behind the start delimiter; first cycle with tx_er or None."""

    at: int
    octets: bytes
    er_at: int | None


class Setup(Protocol):
    """A configuration and where its symbols stand in the directory."""

    config: Config
    key: int
    slots: dict[int, tuple[bytes, int]]


def words_of(setup: Setup) -> list[tuple[int, list[int]]]:
    """Return the writes that load a configuration, as (address, words), first CONFIG_BEGIN."""
    config = setup.config
    writes = [
        (Reg.CONFIG_BEGIN, [1]),
        (Reg.POLICY, [config.policy, config.enabled, config.order_size, WATCHDOG]),
        (Reg.ORDER_VALUE, halves(config.order_value)),
        (Reg.TRIPS, halves(sum(trip << 2 * (reason - FIRST_TRIP) for reason, trip in config.trips.items()))),
        (Reg.HASH_KEY, [setup.key >> shift & 0xFFFFFFFF for shift in (0, 32, 64)]),
        (Reg.LANE_KEY, [int.from_bytes(key[at : at + 4], "little") for key in config.lanes for at in range(0, 16, 4)]),
        (Reg.GROSS_LIMIT, [half for limit in config.gross_limits for half in halves(limit)]),
    ]
    tags = [int.from_bytes(tag, "big") for tag in config.tags]
    intervals, depths = zip(*config.rates, strict=True)
    writes += [(Reg.BUILD_TAG, tags), (Reg.RATE_INTERVAL, [*intervals]), (Reg.RATE_DEPTH, [*depths])]
    if any(config.modes):  # after a reset every lane is one of UDP
        writes.append((Reg.LANE_MODE, config.modes))
    for index in sorted({index for index, _ in config.limits}):
        both = (config.limits.get((index, buy), 0) for buy in (True, False))
        writes.append((Reg.EXPOSURE_LIMIT + 4 * index, [half for limit in both for half in halves(limit)]))
    writes += [(Reg.SYMBOL_TERMS + 2 * index, [*words]) for index, words in config.terms.items()]
    writes += parents_of(config)
    for slot, (symbol, index) in setup.slots.items():
        symbol_words = [int.from_bytes(symbol[at : at + 4], "big") for at in (0, 4)]
        writes.append((Reg.DIRECTORY + 4 * slot, [*symbol_words, ENTRY_VALID | index]))
    return writes


def parents_of(config: Config) -> list[tuple[int, list[int]]]:
    """Return the writes that load the parents."""
    writes = []
    for number, (letter, index, buy, shares, children) in config.parents.items():
        word = index | (not buy) << 9 | ord(letter) - ord("A") + 1 << 10 | children << 15
        writes.append((Reg.PARENT + 2 * number, [shares, word]))
    return writes


def halves(value: int) -> list[int]:
    """Return the two words of a 64-bit register, the low one first."""
    return [value & 0xFFFFFFFF, value >> 32]


def request(op: int, address: int = 0, words=(), sequence: int = 0) -> bytes:
    """Return the octets of a request on the control link."""
    header = {"version": VERSION, "sequence": sequence, "op": op, "status": 0, "address": address}
    body = HEADER.pack(**header) + b"".join(WORD.pack(value=word) for word in words)
    return b"\0" + stuff(body + CRC.pack(crc=crc32(body))) + b"\0"


class Duel:
    """One core and one model since reset, with the configuration of `setup`. Time is the engine's.

    Every method that moves time compares what came out meanwhile, and raises `Difference`. Reading an event takes as
    long as several frames, so events can be read and compared (`READ`), freed unread (`FREE`), or left for the next
    comparison (`LEAVE`).
    """

    def __init__(self, setup: Setup, engine: Engine | None = None):
        self.setup, self.engine = setup, engine or Engine()
        self.console = Console(self.engine)
        self.model = Model(setup.config)
        self.frames = 0  # carriers played
        self.edges = 0  # kill edges of the loop and of commands
        self._left = self._shows = self._told = self._returned = 0  # what of the model's outputs has been compared
        self._sequence = 0  # of the next event
        self._recent: list[tuple[int, bytes]] = []
        for address, words in words_of(setup):
            self.console.write(address, words)
        self.console.ask(Op.HEARTBEAT)
        (self.config_crc,) = self.console.read(Reg.CONFIG_CRC)
        self.compare()

    def arm(self, lanes: int = ALL, *, events: str = READ) -> None:
        """Open lanes. The cycle is taken from the core; everything that follows from it is compared."""
        (nonce,) = self.console.ask(Op.NONCE)
        self.console.ask(Op.ARM, 0, [nonce, lanes, self.config_crc])
        told = []
        if self.model.kills.masks[-1] & lanes:
            opened = [at - 1 for out in self.console.outputs for at, _, _ in out.killed.tolist()]
        else:  # no lane changes: only the event tells
            told = self.read_events()
            opened = [event.at for event in told if event.kind == Kind.ARM]
        if len(opened) != 1:
            raise Difference(f"arming {lanes:#04x} opened lanes in cycles {opened}")
        self.model.open(opened[0], lanes)
        self.model.rest()
        self.compare(events, told)

    def play(self, carriers: Iterable[Carrier], *, loop=(), kills=(), returns=(), events: str = READ) -> int:
        """Send carriers from now on, and let everything leave; return the cycle from which the rest is counted.

        loop: (after, cycles) each: the loop opens so many cycles after that, for so many. kills: (after, lanes) each, a
        kill command, far enough apart for the serial line. returns: carriers of the other direction.
        """
        start = self.engine.now + 100
        levels, control = [], []
        for after, cycles in loop:
            levels += [(start + after, False), (start + after + cycles, True)]
            self.model.kill(start + after + LOOP_CYCLES, ALL, Source.LOOP)
        for after, lanes in kills:
            octets = request(Op.KILL, 0, [lanes])
            control.append((start + after, octets))
            divisor = self.engine.uart_divisor
            stop = start + after + (10 * len(octets) - 1) * divisor + divisor // 2
            self.model.kill(stop + SERIAL_CYCLES, lanes, Source.SERIAL)
        carriers, returns = list(carriers), list(returns)
        rows, pool, self._recent = [], bytearray(), []
        for side, given in ((Side.SERVER, carriers), (Side.EXCHANGE, returns)):
            now = start
            for gap, octets, er in given:
                now += gap
                rows.append((now, len(pool), len(octets), *(er or (-1, 0)), 1, 0, side, 0))
                pool += octets
                if side == Side.SERVER:
                    self._recent.append((now, octets))
                now += len(octets)
        announce(self.model, start, carriers, returns)
        self.model.rest()
        self.frames += len(self._recent)
        self.edges += len(loop) + len(kills)
        last = max([row[0] + row[2] for row in rows] + [at for at, _ in levels] + [at + 8_000 for at, _ in control])
        specs = (np.array(rows, CARRIER), bytes(pool))
        self.console.outputs.append(self.engine.run(last + DRAIN, carriers=specs, loop=levels, control=control))
        self.compare(events)
        return start

    def clear_exposure(self) -> None:
        """Zero what was released; every lane must be killed."""
        self.console.write(Reg.CLEAR_EXPOSURE, [1])
        self.console.outputs.append(self.engine.run(self.engine.now + 3_000))
        self.model.clear_exposure()
        self.compare()

    def load_parents(self) -> None:
        """Give every parent all of its shares and children anew; every lane must be killed."""
        for address, words in parents_of(self.setup.config):
            self.console.write(address, words)
        (self.config_crc,) = self.console.read(Reg.CONFIG_CRC)
        self.model.budget.parents.load(self.setup.config.parents)

    def audit(self) -> None:
        """Compare every counter, exposure, gross notional and capture; what went in must balance what came out."""
        for row in range(LANES + 1):
            got = self.console.read(Reg.COUNTER + COUNTERS_PER_ROW * row, COUNTERS_PER_ROW)
            want = self.model.counters[row]
            self._same(f"counters of row {row}", named(want), named(got))
            dropped = sum(drops(got, Count.FRAME_DROP).values())
            came = got[Count.FRAMES_IN] + got[Count.FRAMES_INJECTED]
            self._same(f"frames in row {row}", came, got[Count.FRAMES_OUT] + dropped)
            dropped = sum(drops(got, Count.ORDER_DROP).values())
            self._same(f"orders in row {row}", got[Count.ORDERS_IN], got[Count.ORDERS_OUT] + dropped)
        budget = self.model.budget
        for index in sorted({index for index, _ in self.setup.config.limits}):
            words = self.console.read(Reg.EXPOSURE + 4 * index, 4)
            got = [words[0] | words[1] << 32, words[2] | words[3] << 32]
            self._same(f"exposure of symbol {index}", budget.exposure[2 * index : 2 * index + 2], got)
            low, high = self.console.read(Reg.NET + 2 * index, 2)
            got = (low | high << 32) - (high >> 31 << 64)
            self._same(f"net position of symbol {index}", budget.net[index], got)
        for number, want in budget.parents.left.items():
            shares, children = self.console.read(Reg.PARENT_LEFT + 2 * number, 2)
            self._same(f"what is left of parent {number}", want, [shares - (shares >> 31 << 32), children])
        words = self.console.read(Reg.GROSS, 2 * LANES + 2)
        got = [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)]
        self._same("gross notional", budget.gross, got)
        got = self.console.read(Reg.LAST_REF, LANES)
        self._same("highest UserRefNum of each lane", self.model.standing.last_refs, got)
        for register, want in captures(self.model).items():
            wide = register in WIDE
            got = self.console.read64(register) if wide else self.console.read(register)[0]
            self._same(register.name, want, got)
        if any(self.setup.config.modes):
            (sessions,) = self.console.read(Reg.SESSIONS)
            self._same("sessions open and lanes fenced", self.model.sessions_word, sessions)
        (faults,) = self.console.read(Reg.FAULTS)
        self._same("faults but for lost events", 0, faults & ~1)
        self.compare()

    def compare(self, events: str = READ, told=()) -> None:
        """Compare what came out since the last comparison, and the events: `told`, and those to be read."""
        if events == FREE:
            self._free_events()
        elif events == READ:
            told = [*told, *self.read_events()]
        outputs, self.console.outputs = self.console.outputs, []
        model = self.model
        got, shows, returned = [], [], []
        for out in outputs:
            for at, _, offset, length, er, er_count, preamble, side, _, _ in out.frames.tolist():
                octets = out.octets[offset : offset + length]
                if side == Side.EXCHANGE:
                    got.append(Observed(at, octets[preamble:], None if er < 0 else at + er))
                    self._same("the preamble of an egress frame", PREAMBLE, octets[:preamble])
                else:
                    returned.append((at, octets, er, er_count))
            shows += [(at, mask) for at, mask, _ in out.killed.tolist()]
        want = [Observed(left.at, left.octets, left.er_at) for left in model.left[self._left :]]
        self._left = len(model.left)
        self._same_list("egress frame", want, got)
        changes = list(zip(model.kills.shows, model.kills.masks, strict=True))[1:]
        self._same_list("change of the killed lanes", changes[self._shows :], shows)
        self._shows = len(changes)
        self._same_list("carrier of the return path", model.returned[self._returned :], returned)
        self._returned = len(model.returned)
        if events == READ:
            predicted = model.events()
            self._same_list("event", predicted[self._told :], sorted(e for e in told if e.kind in PREDICTED))
            self._told = len(predicted)

    def _free_events(self):
        """Forget the events so far. If some were lost, the log says so as soon as it has room: forget that too."""
        for _ in range(2):
            (self._sequence,) = self.console.read(Reg.EVENTS)
            self.console.ask(Op.EVENTS, self._sequence, [1])
        (self._sequence,) = self.console.read(Reg.EVENTS)
        self._told = len(self.model.events())

    def read_events(self, *, gaps: bool = False) -> list[Event]:
        """Read and free what the log has; numbers must follow one another, and nothing be lost unless `gaps`."""
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
                if fields["kind"] == Kind.GAP and not gaps:
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

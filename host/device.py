"""A board as its operator speaks of it: read, write, kill, arm, events, counters, captures."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hdl.wire import control, registers
from hdl.wire.control import Op, Status
from hdl.wire.digest import map_hash
from hdl.wire.event import EVENT, Contradiction, Kind, Loss
from hdl.wire.registers import Count, Reg
from hdl.wire.verdict import FIRM, LANES, Reason, Refusal, Source
from host import cobs
from host.errors import HostError, LinkError, NoBoard, VerificationError
from host.link import Link
from host.parents import Terms, unpack

ALL_LANES = (1 << LANES) - 1
TRIES = 3  # for requests that may be repeated without harm
REPEATABLE = (Op.READ, Op.KILL, Op.HEARTBEAT, Op.EVENTS)

REFUSALS = {
    Refusal.LOOP_OPEN: "the loop is open; close it first",
    Refusal.FAULT: "an internal fault is latched; reset the board and see FAULTS in `breakwire status`",
    Refusal.CONFIG: "the board holds another configuration; load it with `breakwire limits FILE`",
    Refusal.WATCHDOG: "no heartbeat, or no watchdog time set; load limits with [watchdog] first",
    Refusal.NONCE: "the nonce was used or replaced; is another host arming this board?",
    Refusal.BUSY: "a table is being cleared; try again",
}


class ArmRefused(HostError):
    """The board refused to arm."""

    def __init__(self, refusal: Refusal):
        super().__init__(f"arm refused ({refusal.name}): {REFUSALS.get(refusal, 'no reason given')}")
        self.refusal = refusal
        if refusal is Refusal.CONFIG:
            self.exit_code = VerificationError.exit_code


@dataclass(frozen=True)
class State:
    """What the board says of itself. `killed` has a bit for each lane; `now` is in cycles of 8 ns."""

    killed: int
    loop_open: bool
    watchdog_expired: bool
    fault: bool
    armable: bool
    causes: tuple[Source, ...]
    config_crc: int
    faults: int
    now: int


@dataclass(frozen=True)
class Parent:
    """A parent order as the board has it, with the shares and the children that it has left.

    With shares below 0 more was executed of its children than they were for.
    """

    terms: Terms
    left: int
    children: int


@dataclass(frozen=True)
class Captures:
    """The captures of kill and breach, in cycles of 8 ns; `kill_at` 0: nothing was killed since the last arm."""

    kill_at: int
    kill_sources: tuple[Source, ...]
    kill_lanes: int
    after_orders: int
    after_end: int
    aborts: int
    breach_at: int
    breach_after: int

    @property
    def t_effective(self) -> int:
        """Cycles from the kill edge to the end of the last order frame that completed after it; 0 if none did."""
        return max(0, self.after_end - self.kill_at) if self.after_end else 0


@dataclass(frozen=True)
class Passage:
    """The captures of the last frame that left, in cycles of 8 ns: its first preamble octet out, and from when on.

    `dwell` counts from its last octet in, `gap` from its predecessor's last octet out (at most 65,535).
    """

    start: int
    dwell: int
    octets: int
    gap: int

    @property
    def t_pass(self) -> int:
        """First preamble octet in to first out, less F + 8, less the wait that P7's reference grants.

        The reference starts a frame at max(its own end + 5, its predecessor's end + 13): then this is 4.
        """
        return 4 + min(self.dwell - 5, self.gap - 13)


@dataclass(frozen=True)
class Event:
    """One record of the event log; `at` in cycles, `price` in 10⁻⁴ dollars."""

    sequence: int
    kind: Kind
    lane: int
    reason: int
    count: int
    at: int
    user_ref: int
    symbol: int
    quantity: int
    price: int

    def describe(self) -> str:
        """Return what happened, in words."""
        lane = f"lane {self.lane + 1}"
        match self.kind:
            case Kind.GAP:
                return f"{self.user_ref} events lost: the log was full"
            case Kind.DROP:
                orders = f", {self.count} orders" if self.count != 1 else ""
                return f"{lane}: dropped, {name_reason(self.reason)}{orders}, UserRefNum {self.user_ref}"
            case Kind.ABORT:
                return f"{lane}: aborted on the egress"
            case Kind.KILL:
                return f"killed {name_lanes(self.user_ref)} by {name_source(self.reason)}"
            case Kind.ARM:
                return f"armed {name_lanes(self.user_ref)}"
            case Kind.ARM_REFUSED:
                return f"arm refused: {Refusal(self.reason).name}"
            case Kind.BLOCK:
                return f"symbol {self.symbol} blocked by {lane}"
            case Kind.CLEAR:
                return "net, exposure, gross notional and parents cleared, open orders forgotten"
            case Kind.CONFIG:
                return "configuration begun"
            case Kind.NEUTRALISE:
                why = f"{name_reason(self.reason)}, UserRefNum {self.user_ref}"
                return f"{lane}: neutralised, {why}" + (f" and {self.count - 1} more" if self.count > 1 else "")
            case Kind.FENCE:
                return f"{lane}: fenced, {name_reason(self.reason)}"
            case Kind.SESSION:
                return f"{lane}: a new session from port {self.user_ref}"
            case Kind.EVIDENCE_LOST:
                return f"{lane}: what the exchange reports is lost, {Loss(self.reason).name}"
            case Kind.CONTRADICTION:
                report = f"{Contradiction(self.reason).name}, UserRefNum {self.user_ref}, {self.quantity:,} shares"
                return f"{lane}: a report contradicts the open orders, {report}"


class Device:
    """A board behind a link. Call `check` before anything else."""

    def __init__(self, link: Link, *, name: str = "board"):
        self.name = name
        self._link = link
        self._sequence = 0

    def request(self, op: Op, address: int = 0, words: Sequence[int] = ()) -> tuple[int, ...]:
        """Return the words of the reply to one request; raises what its status says."""
        self._sequence = (self._sequence + 1) % 256
        head = control.HEADER.pack(version=control.VERSION, sequence=self._sequence, op=op, status=0, address=address)
        frame = cobs.encode(head + struct.pack(f"<{len(words)}I", *words))
        for attempt in range(TRIES if op in REPEATABLE else 1):
            try:
                status, values = self._answer(op, self._link.exchange(frame))
                break
            except LinkError:
                if attempt + 1 == (TRIES if op in REPEATABLE else 1):
                    raise
        if status >= Status.ARM_REFUSED:
            raise ArmRefused(Refusal(status - Status.ARM_REFUSED))
        if status == Status.LOCKED:
            raise HostError(f"{self.name}: configuration is locked while a lane is open; `breakwire kill` first")
        if status != Status.OK:
            raise HostError(f"{self.name} refused {op.name} at {address:#06x}: {Status(status).name}; same version?")
        return values

    def _answer(self, op: Op, frame: bytes) -> tuple[int, tuple[int, ...]]:
        body = cobs.decode(frame)
        if body is None or len(body) < control.HEADER.size or len(body) % 4:
            raise LinkError(f"{self.name} answered {len(frame)} octets that are no frame; is the baud rate right?")
        head = control.HEADER.unpack(body)
        if (head["version"], head["op"]) != (control.VERSION, op | control.REPLY) or head["sequence"] != self._sequence:
            raise LinkError(f"{self.name} answered another request; does another program use its control port?")
        values = struct.unpack(f"<{len(body) // 4 - 2}I", body[control.HEADER.size :])
        status = head["status"]
        assert isinstance(status, int)
        return status, values

    def check(self) -> None:
        """Raise NoBoard unless this is a board with this host's register map and wire formats."""
        magic, found = self.read(Reg.MAGIC, 2)
        if magic != registers.MAGIC:
            raise NoBoard(f"{self.name} says {magic:#010x} where a breakwire says {registers.MAGIC:#010x}; wrong port?")
        if found != map_hash():
            raise NoBoard(
                f"{self.name} has map {found:#010x}, this host {map_hash():#010x}; load the bitstream of this version"
            )

    def read(self, address: int, count: int = 1) -> tuple[int, ...]:
        """Return `count` words from `address` on, in requests as large as allowed."""
        words: list[int] = []
        while len(words) < count:
            words += self.request(Op.READ, address + len(words), [min(control.MOST_WORDS, count - len(words))])
        return tuple(words)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Write words one register after another, in requests as large as allowed."""
        for at in range(0, len(words), control.MOST_WORDS):
            self.request(Op.WRITE, address + at, words[at : at + control.MOST_WORDS])

    def state(self) -> State:
        state, cause, crc, faults = self.read(Reg.STATE, 4)
        low, high = self.read(Reg.NOW, 2)
        return State(
            killed=state & ALL_LANES,
            loop_open=bool(state >> 8 & 1),
            watchdog_expired=bool(state >> 9 & 1),
            fault=bool(state >> 10 & 1),
            armable=bool(state >> 11 & 1),
            causes=_sources(cause),
            config_crc=crc,
            faults=faults,
            now=high << 32 | low,
        )

    def killed(self) -> int:
        """Return the lanes killed now, a bit each."""
        return self.read(Reg.STATE)[0] & ALL_LANES

    def sessions(self) -> tuple[int, int]:
        """Return the TCP lanes that have a session open, and those that are fenced, a bit each."""
        sessions = self.read(Reg.SESSIONS)[0]
        return sessions & ALL_LANES, sessions >> 8 & ALL_LANES

    def evidence_lost(self) -> int:
        """Return the lanes of which it is not known what the exchange has reported, a bit each."""
        return self.read(Reg.SESSIONS)[0] >> 16 & ALL_LANES

    def tcp_lanes(self) -> int:
        """Return the lanes configured for TCP, a bit each."""
        return sum((mode & 1) << lane for lane, mode in enumerate(self.read(Reg.LANE_MODE, LANES)))

    def captures(self) -> Captures:
        """Return the capture registers. They hold still only while no kill and no frame is under way."""
        kill = self.read(Reg.KILL_AT, 7)
        breach = self.read(Reg.BREACH_AT, 3)
        return Captures(
            kill_at=kill[1] << 32 | kill[0],
            kill_sources=_sources(kill[2] & 0xFF),
            kill_lanes=kill[2] >> 8 & ALL_LANES,
            after_orders=kill[3],
            after_end=kill[5] << 32 | kill[4],
            aborts=kill[6],
            breach_at=breach[1] << 32 | breach[0],
            breach_after=breach[2] & 0xFFFF,
        )

    def passage(self) -> Passage:
        """Return the captures of the last frame that left."""
        words = self.read(Reg.PASS_START, 4)
        return Passage(start=words[1] << 32 | words[0], dwell=words[2] & 0xFFFF, octets=words[2] >> 16, gap=words[3])

    def kill(self, lanes: int = ALL_LANES) -> int:
        """Kill `lanes` and return all lanes killed now."""
        return self.request(Op.KILL, 0, [lanes])[0]

    def heartbeat(self) -> None:
        self.request(Op.HEARTBEAT)

    def arm(self, config_crc: int, lanes: int = ALL_LANES) -> int:
        """Open `lanes` in two steps and return the lanes killed now. Raises ArmRefused."""
        self.heartbeat()
        nonce = self.request(Op.NONCE)[0]
        return self.request(Op.ARM, 0, [nonce, lanes, config_crc])[0]

    def events(self, first: int, most: int | None = None) -> list[Event]:
        """Return the events from number `first` on, at most `most`; the board forgets the ones before the last page."""
        found: list[Event] = []
        while most is None or len(found) < most:
            wanted = control.MOST_EVENTS if most is None else min(control.MOST_EVENTS, most - len(found))
            words = self.request(Op.EVENTS, found[-1].sequence + 1 if found else first, [wanted])
            octets = struct.pack(f"<{len(words)}I", *words)
            page = [_event(octets, at) for at in range(0, len(octets), EVENT.size)]
            found += page
            if len(page) < wanted:
                break
        return found

    def events_written(self) -> int:
        """Return the number that the next event will get."""
        return self.read(Reg.EVENTS)[0]

    def counters(self) -> list[list[int]]:
        """Return the nine rows of counters: lanes 0 to 7, then frames of no lane. Index with Count and Reason."""
        used = Count.ORDER_DROP + max(Reason) + 1
        return [list(self.read(Reg.COUNTER + row * registers.COUNTERS_PER_ROW, used)) for row in range(LANES + 1)]

    def last_refs(self) -> list[int]:
        """Return the highest UserRefNum that each lane has let go."""
        return list(self.read(Reg.LAST_REF, LANES))

    def gross(self) -> list[int]:
        """Return the gross notional, open and executed, in 10⁻⁴ dollars: eight lanes, then the firm."""
        words = self.read(Reg.GROSS, 2 * (FIRM + 1))
        return [words[2 * row + 1] << 32 | words[2 * row] for row in range(FIRM + 1)]

    def net(self, first: int = 0, count: int = registers.SYMBOLS) -> list[int]:
        """Return the positions of symbols from number `first` on: shares bought less sold, as reports tell."""
        words = self.read(Reg.NET + 2 * first, 2 * count)
        return list(struct.unpack(f"<{count}q", struct.pack(f"<{2 * count}I", *words)))

    def opened(self, first: int = 0, count: int = registers.SYMBOLS) -> list[tuple[int, int]]:
        """Return the open shares of symbols from number `first` on, to be bought and to be sold."""
        words = self.read(Reg.EXPOSURE + 4 * first, 4 * count)
        return list(struct.iter_unpack("<2q", struct.pack(f"<{4 * count}I", *words)))

    def parents(self) -> list[Parent]:
        """Return the parents that are there, and what they have left."""
        words, left = (self.read(register, 2 * registers.PARENTS) for register in (Reg.PARENT, Reg.PARENT_LEFT))
        found = []
        for number in range(registers.PARENTS):
            at = 2 * number
            if terms := unpack(number, *words[at : at + 2]):
                found.append(Parent(terms, left[at] - (left[at] >> 31 << 32), left[at + 1]))
        return found


def name_lanes(mask: int) -> str:
    """Return the lanes of a mask for a reader, who counts them from 1."""
    lanes = [str(lane + 1) for lane in range(LANES) if mask >> lane & 1]
    if len(lanes) == LANES:
        return "all lanes"
    return {0: "no lane", 1: "lane "}.get(len(lanes), "lanes ") + ", ".join(lanes)


def name_reason(reason: int) -> str:
    return Reason(reason).name.lower().replace("_", " ")


def name_source(source: int) -> str:
    return Source(source).name.lower()


def _sources(bits: int) -> tuple[Source, ...]:
    return tuple(source for source in Source if bits >> source & 1)


def _event(octets: bytes, at: int) -> Event:
    fields = {name: value for name, value in EVENT.unpack(octets, at).items() if isinstance(value, int)}
    kind = Kind(fields.pop("kind"))
    return Event(kind=kind, **fields)

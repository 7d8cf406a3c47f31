"""A board for the host's tests: answers the control link and passes frames as the filter would, in plain Python.

It knows what the host relies on: kill, two-step arm, watchdog, loop, gross limits of lanes and firm, counters, events
and captures. It is no model of the gateware (that is `sim.model`): it checks no header and no other limit.
"""

import struct
import zlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from hdl.wire import control, registers
from hdl.wire.board import Side
from hdl.wire.control import Op, Status
from hdl.wire.digest import map_hash
from hdl.wire.event import EVENT, Kind
from hdl.wire.registers import Count, Reg
from hdl.wire.verdict import FIRM, Reason, Refusal, Source
from host import cobs
from host.rig import Frame, Movement, last_cycle
from tests.fake_streams import FakeStreams, Verdict, is_tcp

ALL = 0xFF
OCTET_CYCLES = 80  # a divisor of 8


@dataclass
class Leaving:
    """A frame that passed its verdict: out from `begin` to `end`."""

    frame: Frame
    begin: int
    end: int
    lane: int
    orders: int
    value: int
    entered: int  # cycle of its last octet in
    verdict: Verdict | None = None  # of TCP


@dataclass
class FakeBoard:
    """A board whose faults can be chosen: `leaky` lets orders out after a kill, `deaf` answers nothing."""

    leaky: bool = False
    deaf: bool = False
    map_hash: int = field(default_factory=map_hash)
    forget: int | None = None  # a register that takes no write
    now: int = 0
    killed: int = ALL
    closed: bool = True
    memory: dict[int, int] = field(default_factory=dict)
    requests: list[Op] = field(default_factory=list)

    def __post_init__(self):
        self.crc = 0
        self.nonce: int | None = None
        self.heartbeat = -(1 << 62)
        self.server: deque[Frame] = deque()
        self.exchange: deque[Frame] = deque()
        self.loops: deque[tuple[int, bool]] = deque()
        self.leaving: deque[Leaving] = deque()
        self.moved = Movement()
        self.events: list[bytes] = []
        self.counters = [[0] * registers.COUNTERS_PER_ROW for _ in range(9)]
        self.gross = [0] * 9
        self.streams = FakeStreams(self)
        self.line_free = {Side.SERVER: 0, Side.EXCHANGE: 0}
        self.last_end = self.out_end = -100_000  # last octet out: of what is queued, of what has left
        self._new_arm()

    # The control link.

    def exchange_frame(self, frame: bytes) -> bytes:
        """Answer one request as the board's UART would."""
        self.advance(self.now + OCTET_CYCLES * len(frame))
        body = cobs.decode(frame.strip(b"\0"))
        assert body is not None, "the host sent a broken frame"
        head = control.HEADER.unpack(body)
        words = struct.unpack(f"<{len(body) // 4 - 2}I", body[8:])
        op = Op(head["op"])
        self.requests.append(op)
        status, reply = self._execute(op, head["address"], words)
        answer = control.HEADER.pack(
            version=1, sequence=head["sequence"], op=op | control.REPLY, status=status, address=head["address"]
        )
        octets = cobs.encode(answer + struct.pack(f"<{len(reply)}I", *reply))
        self.advance(self.now + OCTET_CYCLES * len(octets))
        return b"" if self.deaf else octets.strip(b"\0")

    def _execute(self, op, address, words):
        match op:
            case Op.READ:
                return Status.OK, [self.read(address + at) for at in range(words[0])]
            case Op.WRITE:
                return self._write(address, words), []
            case Op.KILL:
                self.kill(self.now, words[0], Source.SERIAL)
                return Status.OK, [self.killed]
            case Op.HEARTBEAT:
                self.heartbeat = self.now
                return Status.OK, []
            case Op.NONCE:
                self.nonce = self.now & 0xFFFFFFFF
                return Status.OK, [self.nonce]
            case Op.ARM:
                return self._arm(*words)
            case Op.EVENTS:
                page = self.events[address : address + words[0]]
                return Status.OK, struct.unpack(f"<{len(page) * 8}I", b"".join(page))

    def _arm(self, nonce, lanes, crc):
        refusal = Refusal.NONE
        if nonce != self.nonce:
            refusal = Refusal.NONCE
        if self.now - self.heartbeat >= self.memory.get(Reg.WATCHDOG, 0):
            refusal = Refusal.WATCHDOG
        if crc != self.crc:
            refusal = Refusal.CONFIG
        if not self.closed:
            refusal = Refusal.LOOP_OPEN
        self.nonce = None
        if refusal:
            self.event(Kind.ARM_REFUSED, reason=refusal)
            return Status.ARM_REFUSED + refusal, [self.killed]
        self.killed &= ~lanes
        self._new_arm()
        self.event(Kind.ARM, user_ref=lanes)
        return Status.OK, [self.killed]

    def _new_arm(self):
        self.kill_at = self.kill_cause = self.after_end = self.after_orders = self.aborts = 0
        self.edges: dict[int, int] = {}
        self.pass_start = self.dwell = self.octets = self.gap = self.breach_at = self.breach_after = 0

    def _write(self, address, words):
        if any(address in part for part in registers.CONFIG) and self.killed != ALL:
            return Status.LOCKED
        for at, value in enumerate(words, address):
            if at == Reg.CONFIG_BEGIN:
                self.crc = 0
                self.event(Kind.CONFIG)
            elif at == Reg.CLEAR_EXPOSURE:
                self.gross = [0] * 9
                self.memory |= dict.fromkeys(range(Reg.PARENT, Reg.PARENT_LEFT + 2 * registers.PARENTS), 0)
                self.event(Kind.CLEAR)
            else:
                self.crc = zlib.crc32(struct.pack("<II", at, value), self.crc)
                if at != self.forget:
                    self.memory[at] = value
                if at in registers.CONFIG[1] and at % 2:  # both words of a parent
                    left = Reg.PARENT_LEFT + at - Reg.PARENT
                    shares, children = self.memory.get(at - 1, 0), value >> 15
                    self.memory |= {at: value & 0x7FFF, left - 1: shares, left: children}
        return Status.OK

    def read(self, address):
        if Reg.COUNTER <= address < Reg.PARENT:
            return self.counters[(address - Reg.COUNTER) // 128][(address - Reg.COUNTER) % 128]
        if Reg.GROSS <= address < Reg.GROSS + 32:
            return self.gross[(address - Reg.GROSS) // 2] >> 32 * (address % 2) & 0xFFFFFFFF
        expired = self.now - self.heartbeat >= self.memory.get(Reg.WATCHDOG, 0)
        wide = {Reg.NOW: self.now, Reg.KILL_AT: self.kill_at, Reg.AFTER_END: self.after_end}
        wide |= {Reg.PASS_START: self.pass_start, Reg.BREACH_AT: self.breach_at}
        values = {
            Reg.MAGIC: registers.MAGIC,
            Reg.MAP_HASH: self.map_hash,
            Reg.STATE: self.killed | (not self.closed) << 8 | expired << 9,
            Reg.CAUSE: 1,
            Reg.CONFIG_CRC: self.crc,
            Reg.FAULTS: 0,
            Reg.KILL_CAUSE: self.kill_cause,
            Reg.AFTER_ORDERS: self.after_orders,
            Reg.ABORTS: self.aborts,
            Reg.PASS_DWELL: self.dwell | self.octets << 16,
            Reg.PASS_GAP: self.gap,
            Reg.BREACH_AFTER: self.breach_after,
            Reg.EVENTS: len(self.events),
            Reg.EVENTS_KEPT: len(self.events),
        }
        for low, value in wide.items():
            values |= {low: value & 0xFFFFFFFF, low + 1: value >> 32}
        return values[address] if address in values else self.memory.get(address, 0)

    # Time.

    def advance(self, until):
        """Let time pass: frames, loop and watchdog in the order of their cycles."""
        while True:
            dues = [(at + 3, Source.LOOP) for at, closed in list(self.loops)[:1]]
            deadline = self.heartbeat + self.memory.get(Reg.WATCHDOG, 0)
            if self.killed != ALL and deadline > self.now:
                dues.append((deadline, Source.WATCHDOG))
            due = min(dues, default=(until + 1, None))
            if due[0] > until:
                break
            self._frames(due[0])
            self.now = max(self.now, due[0])
            if due[1] == Source.LOOP:
                self.closed = self.loops.popleft()[1]
                if not self.closed:
                    self.kill(due[0], ALL, Source.LOOP)
            else:
                self.kill(due[0], ALL, Source.WATCHDOG)
        self._frames(until)
        self.now = max(self.now, until)

    def _frames(self, until):
        while self.server and (begin := max(self.server[0].at, self.line_free[Side.SERVER])) <= until:
            end = last_cycle(begin, len(self.server[0].octets))
            if end + 4 > until:
                break
            frame = self.server.popleft()
            self.line_free[Side.SERVER] = end + 13
            self.moved.started.append((Side.SERVER, begin))
            self._finish(end + 4)
            self._verdict(frame.octets, end)
        self._finish(until)
        while self.exchange and (begin := max(self.exchange[0].at, self.line_free[Side.EXCHANGE])) <= until:
            frame = self.exchange.popleft()
            self.line_free[Side.EXCHANGE] = last_cycle(begin, len(frame.octets)) + 13
            self.moved.started.append((Side.EXCHANGE, begin))
            self.moved.frames.append(Frame(begin + 4, Side.SERVER, frame.octets))

    def _verdict(self, octets, end):
        if is_tcp(octets):
            self._segment(octets, end)
            return
        lane, orders, value = self.parse(octets)
        row = self.counters[lane]
        row[Count.FRAMES_IN] += 1
        row[Count.ORDERS_IN] += orders
        reason, breached = 0, 0
        if orders and self.killed >> lane & 1 and not self.leaky:
            reason = Reason.KILLED
        elif orders and self.gross[lane] + value > self.limit(lane):
            reason, breached = Reason.LANE_GROSS, 1 << lane
        elif orders and self.gross[FIRM] + value > self.limit(FIRM):
            reason, breached = Reason.FIRM_GROSS, ALL
        if not reason:
            self._leave(octets, end, lane, orders, value)
            return
        row[Count.FRAME_DROP + reason] += 1
        row[Count.ORDER_DROP + reason] += orders
        self.event(Kind.DROP, lane=lane, reason=reason, count=orders)
        if breached:
            self.breach_at, self.breach_after = end + 4, 4
            self.kill(end + 4, breached, Source.BREACH)

    def _segment(self, octets, end):
        """TCP: what is stopped leaves overwritten."""
        lane, verdict, reason = self.streams.judge(octets)
        row = self.counters[lane]
        row[Count.FRAMES_IN] += 1
        row[Count.ORDERS_IN] += verdict.orders + len(verdict.stopped)
        if reason:
            row[Count.FRAME_DROP + reason] += 1
            row[Count.ORDER_DROP + reason] += bool(verdict.stopped)
            row[Count.ORDER_DROP + Reason.SIBLING] += max(0, verdict.orders + len(verdict.stopped) - 1)
            self.event(Kind.DROP, lane=lane, reason=reason, count=len(verdict.stopped))
            return
        self._leave(verdict.octets, end, lane, verdict.orders, verdict.value, verdict)
        for why in verdict.stopped:
            row[Count.ORDER_DROP + why] += 1
        if verdict.stopped:
            self.event(Kind.NEUTRALISE, lane=lane, reason=verdict.stopped[0], count=len(verdict.stopped))
        if verdict.breached:
            self.breach_at, self.breach_after = end + 4, 4
            self.kill(end + 4, verdict.breached, Source.BREACH)

    def _leave(self, octets, end, lane, orders, value, verdict=None):
        self.gross[lane] += value
        self.gross[FIRM] += value
        begin = max(end + 5, self.last_end + 13)
        gone = last_cycle(begin, len(octets))
        self.leaving.append(
            Leaving(Frame(begin, Side.EXCHANGE, octets), begin, gone, lane, orders, value, end, verdict)
        )
        self.last_end = gone

    def limit(self, row):
        low = Reg.GROSS_LIMIT + 2 * row
        return self.memory.get(low, 0) | self.memory.get(low + 1, 0) << 32

    def _finish(self, until):
        while self.leaving and self.leaving[0].end <= until:
            left = self.leaving.popleft()
            row = self.counters[left.lane]
            row[Count.FRAMES_OUT] += 1
            row[Count.ORDERS_OUT] += left.orders
            self.moved.frames.append(left.frame)
            self.gap = min(65535, left.begin - self.out_end)
            self.out_end = left.end
            self.pass_start, self.dwell, self.octets = left.begin, left.begin - left.entered, len(left.frame.octets)
            edge = self.edges.get(left.lane)
            if left.orders and edge is not None and left.end > edge:
                self.after_end = left.end
                self.after_orders += left.orders * (left.end > edge + 4)

    def kill(self, at, lanes, source):
        fresh = lanes & ~self.killed
        if not fresh:
            return
        self._finish(at + 1)
        if not self.kill_at:
            self.kill_at, self.kill_cause = at, 1 << source | fresh << 8
        self.killed |= fresh
        for lane in range(8):
            if fresh >> lane & 1:
                self.edges[lane] = at
        self.event(Kind.KILL, at=at, reason=source, user_ref=fresh)
        stay, aborted = deque(), set()
        for left in self.leaving:
            rolled_back = left.lane in aborted
            if not rolled_back and (self.leaky or not (left.orders and fresh >> left.lane & 1)):
                stay.append(left)
                continue
            self.gross[left.lane] -= left.value
            self.gross[FIRM] -= left.value
            if left.verdict and left.begin > at + 1 and not rolled_back:
                self.streams.late(left, left.lane)
                stay.append(left)
                continue
            reason = Reason.KILLED if left.begin > at + 1 else Reason.ABORTED
            if rolled_back:
                reason = Reason.ROLLED_BACK
            elif left.verdict:
                aborted.add(left.lane)
                self.streams.roll_back(left, left.lane)
            row = self.counters[left.lane]
            row[Count.FRAME_DROP + reason] += 1
            row[Count.ORDER_DROP + reason] += left.orders
            if reason == Reason.ABORTED:
                self.aborts += 1
                bad = left.frame.octets[:-4] + bytes(octet ^ 0xFF for octet in left.frame.octets[-4:])
                self.moved.frames.append(Frame(left.begin, Side.EXCHANGE, bad, error=True))
                self.event(Kind.ABORT, at=at, lane=left.lane, reason=Reason.KILLED, count=left.orders)
                self.out_end = left.end
        self.last_end = self.out_end
        for left in stay:  # what waits behind a discarded frame moves up
            if left.begin > at + 1:
                left.begin = max(left.entered + 5, self.last_end + 13)
                left.end = last_cycle(left.begin, len(left.frame.octets))
                left.frame = Frame(left.begin, Side.EXCHANGE, left.frame.octets)
            self.last_end = left.end
        self.leaving = stay

    def event(self, kind, at=None, **fields):
        values = dict.fromkeys(("lane", "reason", "count", "user_ref", "symbol", "quantity", "price"), 0) | fields
        at = self.now if at is None else at
        self.events.append(EVENT.pack(sequence=len(self.events), kind=kind, at=at, **values))

    @staticmethod
    def parse(octets):
        """Return lane (from 0), orders and notional of a frame of the drill's lanes: one tag."""
        lane = octets[12 + 4 + 2 + 12 + 3] - 1
        at, end = 14 + 4 + 20 + 8, 14 + 4 + int.from_bytes(octets[20:22], "big")
        orders = value = 0
        while at < end:
            message = octets[at + 3 : at + 2 + int.from_bytes(octets[at : at + 2], "big")]
            at += 3 + len(message)
            if message[:1] == b"O":
                orders += 1
                value += int.from_bytes(message[6:10], "big") * int.from_bytes(message[18:26], "big")
        return lane, orders, value


class FakeLink:
    """The control link of a FakeBoard."""

    def __init__(self, board):
        self.board = board

    def exchange(self, frame):
        return self.board.exchange_frame(frame)


class FakeRig:
    """A rig around a FakeBoard; `dies_at` is the cycle from which on it is gone, `interrupt_at` one of Ctrl-C."""

    name = "fake"
    clock = "virtual"
    core_sha256 = "0" * 64

    def __init__(self, *, dies_at=None, interrupt_at=None, **faults):
        self.board = FakeBoard(**faults)
        self.control = FakeLink(self.board)
        self.dies_at, self.interrupt_at = dies_at, interrupt_at
        self.waves = []

    def send(self, frames):
        for frame in frames:
            frame = Frame(max(frame.at, self.board.now), frame.side, frame.octets)
            (self.board.server if frame.side == Side.SERVER else self.board.exchange).append(frame)

    def run(self, until=0):
        from host.errors import LinkError

        if self.interrupt_at is not None and self.board.now >= self.interrupt_at:
            raise KeyboardInterrupt
        if self.dies_at is not None and self.board.now >= self.dies_at:
            raise LinkError("the fake board is gone")
        self.board.advance(max(until, self.board.now))
        moved, self.board.moved = self.board.moved, Movement()
        moved.now = self.board.now
        return moved

    def loop(self, *, closed, at=None):
        self.board.loops.append((self.board.now if at is None else at, closed))
        self.board.advance(self.board.now + 3) if at is None else None

    def wave(self, start, end, file):
        self.waves.append((start, end))
        Path(file).write_text("$end\n")

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

"""The filter's pins under cocotb, used as if they were an engine, with every cycle on record."""

import cocotb.task
import numpy as np
from cocotb.clock import Clock

from hdl.wire.board import Side
from sim.engine import FRAME, MOMENT, Output, pack
from sim.stage import BLOCK, PLAYED, RECORDED, Stage

QUIET = 2  # blocks without `busy` after which the core is at rest
MARGIN = 4  # cycles that are simulated before a deadline
SENT = {Side.SERVER: "server_tx", Side.EXCHANGE: "exchange_tx"}
RECEIVED = {Side.SERVER: "server_rx", Side.EXCHANGE: "exchange_rx"}


def lowest(layout, name: str) -> int:
    """Return the number of the lowest bit of a field of `PLAYED` or `RECORDED`."""
    return layout[name].offset


class Pins:
    """Plays and records; `run` is that of `sim.engine.Engine`, and blocks: call it in a thread (`cocotb.task.bridge`).

    `now` is the cycle of the next input. A run ends when everything is played and the core is at rest; then time jumps
    to `until`, past no deadline of the watchdog. Carriers of one side begin one after another, as for the engine.
    """

    def __init__(self, dut, uart_divisor: int):
        self.dut, self.uart_divisor = dut, uart_divisor
        self.now = self.simulated = 0
        self._start = -BLOCK  # of the block that is played now
        self.deadline = (1 << 64) - 1
        self._level = Stage.REST  # of the pins when nothing is to be played
        self._line = 0  # the control line is free from here on
        self._play_blocking = cocotb.task.resume(self._play)

    async def start(self) -> None:
        """Start the clock, and reset the filter; the rest of the time is counted from the stage's power-up."""
        dut = self.dut
        dut.jump.value = dut.tape.value = 0
        Clock(dut.clk, 8, unit="ns").start()
        await dut.turn.value_change
        self._start = int(dut.now.value)
        self.now = self._start + BLOCK
        words = np.full(BLOCK, Stage.REST, "<u4")
        words[:8] |= np.uint32(1 << lowest(PLAYED, "reset"))
        await self._play(words)

    def run(self, until: int, *, carriers=(), control=(), loop=(), resets=(), settle: bool = False) -> Output:
        """Play the inputs, and until rest; with `settle` time does not jump then."""
        words = self._words(carriers, control, loop, resets)
        parts = [self._play_blocking(words)]
        while not settle and until > self.now:
            target = until
            if self.now < self.deadline - MARGIN < until:
                target = self.deadline - MARGIN
            self.dut.jump.value = target - self.now  # taken with the next block
            self.now = target
            if target < until:
                parts.append(self._play_blocking(words[:0]))
        times, recorded = (np.concatenate(part) for part in zip(*parts, strict=True))
        return self._output(times, recorded)

    async def _play(self, words):
        """Play blocks and rest; return the cycles recorded, and what was recorded in them."""
        dut, times, records = self.dut, [], []
        blocks = words.reshape(-1, BLOCK)
        rest = int.from_bytes(int(self._level).to_bytes(4, "little") * BLOCK, "little")
        number = quiet = 0
        while quiet < QUIET:
            tape = rest
            if number < len(blocks):
                tape = int.from_bytes(blocks[number].tobytes(), "little")
            dut.tape.value = tape
            await dut.turn.value_change
            dut.jump.value = 0
            record = np.frombuffer(int(dut.record.value).to_bytes(4 * BLOCK, "little"), "<u4")
            times.append(np.arange(self._start, self._start + BLOCK))
            records.append(record)
            self._start, self.now = self.now, self.now + BLOCK
            self.simulated += BLOCK
            self.deadline = int(dut.deadline.value)
            number += 1
            busy = (record >> lowest(RECORDED, "busy") & 1).any()
            quiet = 0 if busy or number <= len(blocks) + 1 else quiet + 1
        return np.concatenate(times), np.concatenate(records)

    def _words(self, carriers, control, loop, resets):
        """Return what to play from `now` on, in whole blocks."""
        bulk = isinstance(carriers, tuple) and len(carriers) == 2 and isinstance(carriers[0], np.ndarray)
        specs, pool = carriers if bulk else pack(carriers)
        free, runs = {}, []
        for at, offset, length, er_first, er_count, gap, preamble, side, _ in specs.tolist():
            octets = b"\x55" * (preamble - 1) + b"\xd5" * (preamble > 0) + pool[offset : offset + length]
            at = max(at, self.now, free.get(side, 0) + gap)
            free[side] = at + len(octets)
            runs.append((at, octets, er_first, er_count, side))
        bits = []
        for at, octets in control:
            at = max(at, self.now, self._line)
            levels = np.unpackbits(np.frombuffer(octets, np.uint8), bitorder="little").reshape(-1, 8)
            framed = np.pad(np.pad(levels, ((0, 0), (1, 0))), ((0, 0), (0, 1)), constant_values=1)
            wave = np.repeat(framed.ravel(), self.uart_divisor)
            self._line = at + len(wave)
            bits.append((at, wave))
        ends = [*free.values(), self._line, *(max(at, self.now) + 1 for at, _ in loop)]
        ends += [at + cycles for at, cycles in resets]
        cycles = max(0, *ends, self.now) - self.now
        words = np.full(-(-cycles // BLOCK) * BLOCK, self._level, "<u4")
        for at, octets, er_first, er_count, side in runs:
            part = words[at - self.now : at - self.now + len(octets)]
            low = lowest(PLAYED, RECEIVED[side] + "_data")
            part |= np.frombuffer(octets, np.uint8).astype("<u4") << low | 0x100 << low
            if er_first >= 0:
                part[er_first : er_first + er_count] |= 0x200 << low
        uart = np.uint32(1 << lowest(PLAYED, "uart_rx"))
        for at, wave in bits:
            part = words[at - self.now : at - self.now + len(wave)]
            part[wave == 0] &= ~uart
        closed = np.uint32(1 << lowest(PLAYED, "loop_closed"))
        for at, level in loop:
            part = words[max(at - self.now, 0) :]
            part[:] = part | closed if level else part & ~closed
            self._level = int(self._level | closed if level else self._level & ~closed)
        for at, count in resets:
            words[at - self.now : at - self.now + count] |= np.uint32(1 << lowest(PLAYED, "reset"))
        return words

    def _output(self, times, recorded) -> Output:
        rows, pool = [], bytearray()
        for side, name in SENT.items():
            low = lowest(RECORDED, name + "_data")
            enabled = (recorded >> low + 8 & 1).astype(np.int8)
            edges = np.diff(enabled, prepend=0, append=0)
            for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
                part = recorded[begin:end] >> low
                octets = part.astype(np.uint8).tobytes()
                erred = np.flatnonzero(part & 0x200)
                er, er_count = (int(erred[0]), len(erred)) if len(erred) else (-1, 0)
                preamble = octets.find(0xD5) + 1 or len(octets)
                at, last = int(times[begin]), int(times[end - 1])
                rows.append((at, last, len(pool), len(octets), er, er_count, preamble, side, 0, 0))
                pool += octets
        rows.sort(key=lambda row: row[1])
        frames = np.array(rows, FRAME)
        killed = recorded >> lowest(RECORDED, "killed") & 0xFF
        changed = np.flatnonzero(np.diff(killed)) + 1
        changes = [(times[at], killed[at], 0) for at in changed]
        nothing = np.zeros(0, MOMENT)
        control = self._heard(times, recorded)
        return Output(frames, bytes(pool), nothing, np.array(changes, MOMENT), np.array(control, MOMENT))

    def _heard(self, times, recorded):
        """Return the octets on the control line with the cycles of their stop bits."""
        line, divisor = recorded >> lowest(RECORDED, "uart_tx") & 1, self.uart_divisor
        octets, starts, at = [], np.flatnonzero(line == 0), 0
        while True:
            number = np.searchsorted(starts, at)
            if number == len(starts):
                return octets
            middle = starts[number] + divisor // 2 + divisor * np.arange(1, 10)
            levels = line[middle]
            assert levels[8] == 1, "no stop bit"
            octets.append((times[middle[8]], int((levels[:8] << np.arange(8)).sum()), 0))
            at = middle[8]

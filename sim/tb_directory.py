"""Bench of the directory: the rule of the hash, the time of a lookup, and the host's accesses beside it."""

import random

import cocotb
from cocotb.clock import Clock

from hdl.wire.registers import BUCKET_BITS, BUCKET_SLOTS, ENTRY_VALID, KEY_BITS, SLOTS, Reg, toeplitz
from sim.bus import BusMaster

DONE = 20  # cycles from a symbol's first octet


def symbol_of(number):
    return f"S{number}".ljust(8).encode()


class Bench:
    def __init__(self, dut):
        self.dut, self.bus = dut, BusMaster(dut)
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.key = self.rng.getrandbits(KEY_BITS)
        self.slots = {}

    async def start(self):
        dut = self.dut
        Clock(dut.clk, 8, unit="ns").start()
        dut.symbol_valid.value = dut.symbol_first.value = dut.symbol_data.value = dut.load.value = 0
        dut.key.value = self.key
        dut.rst.value = 1
        await dut.clk.falling_edge
        await dut.clk.falling_edge
        dut.rst.value = 0
        for _ in range(SLOTS):
            assert dut.clearing.value
            await dut.clk.falling_edge
        assert not dut.clearing.value

    async def load(self, slot, symbol, index, valid=True):
        words = [int.from_bytes(symbol[:4], "big"), int.from_bytes(symbol[4:], "big"), index | (ENTRY_VALID * valid)]
        for word, value in enumerate(words):
            await self.bus.write(Reg.DIRECTORY + 4 * slot + word, value)
        self.slots[slot] = words

    async def place(self, symbol, index):
        """Load `symbol` into a free slot of its bucket; tells whether there was one."""
        first = BUCKET_SLOTS * toeplitz(symbol, self.key)
        free = [slot for slot in range(first, first + BUCKET_SLOTS) if slot not in self.slots]
        if free:
            await self.load(self.rng.choice(free), symbol, index)
        return bool(free)

    async def octets(self, symbol):
        """Send the symbol's octets; ends in the cycle behind the last one."""
        for number, octet in enumerate(symbol):
            self.dut.symbol_valid.value, self.dut.symbol_first.value = 1, number == 0
            self.dut.symbol_data.value = octet
            await self.dut.clk.falling_edge
        self.dut.symbol_valid.value = self.dut.symbol_first.value = 0

    async def look_up(self, symbol):
        """Return the index, None when there is none; checks that the answer comes in the promised cycle."""
        await self.octets(symbol)
        for cycle in range(8, DONE):
            assert not self.dut.done.value, f"{cycle=}"
            await self.dut.clk.falling_edge
        assert self.dut.done.value
        return int(self.dut.index.value) if self.dut.found.value else None


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def every_placed_symbol_is_found_and_no_other(dut):
    """512 symbols at a random key; others are not found, among them such as differ in one bit."""
    bench = Bench(dut)
    await bench.start()
    indices = {}
    for number in bench.rng.sample(range(10_000), 512):
        index = len(indices)
        if await bench.place(symbol_of(number), index):
            indices[symbol_of(number)] = index
    assert len(indices) > 480

    wanted = list(indices)
    for symbol in bench.rng.sample(wanted, 120):
        flipped = int.from_bytes(symbol, "big") ^ 1 << bench.rng.randrange(64)
        wanted.append(flipped.to_bytes(8, "big"))
    wanted += [symbol_of(number) for number in range(10_000, 10_050)] + [bytes(8)]
    bench.rng.shuffle(wanted)
    for symbol in wanted:
        assert await bench.look_up(symbol) == indices.get(symbol), f"{symbol=}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def only_the_valid_slots_of_the_bucket_count_and_the_lowest_of_them(dut):
    bench = Bench(dut)
    await bench.start()
    symbol = b"ZVZZT   "
    first = BUCKET_SLOTS * toeplitz(symbol, bench.key)
    elsewhere = [(first + BUCKET_SLOTS) % SLOTS, (first - 1) % SLOTS, (first + (SLOTS >> 1)) % SLOTS]
    for slot in elsewhere:
        await bench.load(slot, symbol, 1)
    assert await bench.look_up(symbol) is None
    for place in reversed(range(BUCKET_SLOTS)):
        await bench.load(first + place, symbol, 100 + place)
        assert await bench.look_up(symbol) == 100 + place
    for place in range(BUCKET_SLOTS):
        await bench.load(first + place, symbol, 100 + place, valid=False)
        assert await bench.look_up(symbol) == (101 + place if place != BUCKET_SLOTS - 1 else None)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_symbol_that_is_cut_short_is_never_done_and_the_next_one_begins_anew(dut):
    bench = Bench(dut)
    await bench.start()
    await bench.place(b"KNIGHT  ", 300)
    for octets in range(1, 8):
        await bench.octets(b"KNIGHT  "[:octets])
        for _ in range(bench.rng.randrange(40)):
            assert not dut.done.value
            await dut.clk.falling_edge
        assert await bench.look_up(b"KNIGHT  ") == 300


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def the_host_reads_and_writes_beside_lookups(dut):
    """Every word reads back, the fourth keeps nothing; no lookup is disturbed, no access waits long."""
    bench = Bench(dut)
    await bench.start()
    assert await bench.place(b"AAPL    ", 511)
    busy = cocotb.start_soon(lookups(bench))
    slots = bench.rng.sample([slot for slot in range(SLOTS) if slot not in bench.slots], 40)
    bench.bus.patience = 30
    for slot in slots:
        await bench.load(slot, bench.rng.randbytes(8), bench.rng.getrandbits(9), bool(bench.rng.getrandbits(1)))
    for slot, words in bench.slots.items():
        assert [await bench.bus.read(Reg.DIRECTORY + 4 * slot + word) for word in range(4)] == [*words, 0]
        await bench.bus.write(Reg.DIRECTORY + 4 * slot + 3, 1)
        assert await bench.bus.read(Reg.DIRECTORY + 4 * slot + 3) == 0
    busy.cancel()


async def lookups(bench):
    """Look the same symbol up again and again, every 21 cycles and with pauses."""
    while True:
        assert await bench.look_up(b"AAPL    ") == 511
        for _ in range(bench.rng.choice([1, 1, 5, 60])):
            await bench.dut.clk.falling_edge


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_reset_empties_the_directory(dut):
    bench = Bench(dut)
    await bench.start()
    assert await bench.place(b"GOOG    ", 7)
    assert await bench.look_up(b"GOOG    ") == 7
    dut.rst.value = 1
    await dut.clk.falling_edge
    dut.rst.value = 0
    bench.bus.patience = SLOTS + 10
    for slot in bench.slots:
        assert await bench.bus.read(Reg.DIRECTORY + 4 * slot + 2) == 0
    assert await bench.look_up(b"GOOG    ") is None


assert BUCKET_SLOTS << BUCKET_BITS == SLOTS

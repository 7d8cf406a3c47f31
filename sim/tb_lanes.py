"""Bench of `hdl.filter.lanes`: keys written over the bus, and keys compared."""

import random

import cocotb

from sim.play import reset

KEY = bytes.fromhex("0001 0002 0a000005 0a010001 0fa5 2329")


async def access(dut, address, data=None):
    """One access on the bus; returns the value and the cycles that it took."""
    dut.bus__request.value = 1
    dut.bus__write.value = int(data is not None)
    dut.bus__address.value = address
    dut.bus__data.value = data or 0
    await dut.clk.rising_edge
    dut.bus__request.value = 0
    cycles = 0
    while True:
        await dut.clk.falling_edge
        cycles += 1
        if int(dut.bus__ack.value):
            value = int(dut.bus__value.value)
            assert not int(dut.bus__error.value)
            await dut.clk.rising_edge
            return value, cycles


async def play(dut, table):
    """Drive `table`, a row a cycle; return the cycles of ``found``, and the lane that came with it."""
    cycles, lane = [], None
    for cycle, row in enumerate(table):
        for name, value in row.items():
            getattr(dut, name).value = value
        await dut.clk.falling_edge
        if int(dut.found.value):
            cycles.append(cycle)
            lane = int(dut.found_lane.value)
        await dut.clk.rising_edge
    return cycles, lane


async def begin(dut):
    for name in ("bus__request", "key_valid", "enable", "key_octet", "key_index"):
        getattr(dut, name).value = 0
    await reset(dut)
    for lane in range(8):  # keys outlive a reset
        await load(dut, lane, bytes([0xE0 + lane]) * 16)


async def load(dut, lane, key):
    for word in range(4):
        await access(dut, 0x0120 + 4 * lane + word, int.from_bytes(key[4 * word : 4 * word + 4], "little"))


def rows(key, *, gap=0, noise=lambda: 0):
    """A whole key, octet by octet, `gap` cycles apart, and four cycles behind it."""
    table = []
    for index, octet in enumerate(key):
        table.append({"key_octet": octet, "key_index": index, "key_valid": 1})
        table += [{"key_octet": noise(), "key_index": noise() % 16, "key_valid": 0} for _ in range(gap)]
    return table + [{"key_octet": noise(), "key_index": noise() % 16, "key_valid": 0}] * 4


async def lane_of(dut, key, *, enable=0xFF, **options):
    table = rows(key, **options)
    table[0] |= {"enable": enable}
    cycles, lane = await play(dut, table)
    last = len(table) - 4 - 1 - options.get("gap", 0)
    assert cycles == [last + 3]
    return lane


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def words_are_kept_and_read_back(dut):
    """All 32 words, whatever the higher bits of the address are; an access is answered after 5 cycles."""
    await begin(dut)
    rng = random.Random(1)
    words = [rng.getrandbits(32) for _ in range(32)]
    for number, word in enumerate(words):
        _, cycles = await access(dut, 0x0120 + number, word)
        assert cycles == 5
    for number, word in enumerate(words):
        assert await access(dut, 0x0120 + number) == (word, 5), number


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_key_finds_its_lane(dut):
    """Each lane by its own key, found three cycles after octet 15; octet 0 is in the low bits of the first word."""
    await begin(dut)
    keys = [KEY[:-1] + bytes([0x29 + lane]) for lane in range(8)]
    for lane, key in enumerate(keys):
        await load(dut, lane, key)
    assert await access(dut, 0x0120) == (0x02000100, 5)
    rng = random.Random(2)
    for gap in (0, 1, 7):
        for lane, key in enumerate(keys):
            assert await lane_of(dut, key, gap=gap, noise=lambda: rng.randrange(256)) == lane
    assert await lane_of(dut, KEY[:-1] + b"\x31") == 8


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_bit_of_the_key_counts(dut):
    """A key with one bit wrong finds nothing."""
    await begin(dut)
    await load(dut, 6, KEY)
    assert await lane_of(dut, KEY) == 6
    for bit in range(128):
        spoilt = bytes(octet ^ (bit // 8 == n) << bit % 8 for n, octet in enumerate(KEY))
        assert await lane_of(dut, spoilt) == 8, bit


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def only_enabled_lanes_and_the_lowest_of_equals(dut):
    """P4: nothing is found while nothing is enabled."""
    await begin(dut)
    for lane in range(8):
        await load(dut, lane, KEY if lane in (2, 3, 7) else bytes([lane + 1]) * 16)
    for enable, lane in ((0xFF, 2), (0xFB, 3), (0xF3, 7), (0x80, 7), (0x73, 8), (0x00, 8), (0x04, 2)):
        assert await lane_of(dut, KEY, enable=enable) == lane, hex(enable)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p12_a_key_that_was_cut_leaves_nothing(dut):
    """P12: octet 0 begins a new comparison after any number of octets, right or wrong ones."""
    await begin(dut)
    await load(dut, 1, KEY)
    for cut in range(16):
        other = bytes(16)
        await play(dut, rows(other)[:cut])
        assert await lane_of(dut, KEY) == 1, cut
        await play(dut, rows(KEY)[:cut])
        assert await lane_of(dut, b"\1" + KEY[1:]) == 8, cut

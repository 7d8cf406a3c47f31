"""Bench of `hdl.filter.lanes`: keys written over the bus, and keys compared in both directions."""

import random

import cocotb

from sim.play import reset

KEY = bytes.fromhex("0001 0002 0a000005 0a010001 0fa5 2329")
# In which order the octets of a key come.
ORDERS = ("orders", [*range(16)])
BACK = ("back", [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 14, 15, 12, 13])


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


async def play(dut, way, table):
    """Drive `table`, a row a cycle; return the cycles of ``found``, and the lane that came with it."""
    cycles, lane = [], None
    for cycle, row in enumerate(table):
        for name, value in row.items():
            getattr(dut, name if name in ("enable", "tcp_lanes") else f"{way[0]}__{name}").value = value
        await dut.clk.falling_edge
        if int(getattr(dut, f"{way[0]}__found").value):
            cycles.append(cycle)
            lane = int(getattr(dut, f"{way[0]}__found_lane").value)
        await dut.clk.rising_edge
    return cycles, lane


async def begin(dut):
    names = ["bus__request", "enable", "tcp_lanes"]
    names += [f"{way}__{name}" for way, _ in (ORDERS, BACK) for name in ("key_valid", "key_octet", "key_index", "tcp")]
    for name in names:
        getattr(dut, name).value = 0
    await reset(dut)
    for lane in range(8):  # keys outlive a reset
        await load(dut, lane, bytes([0xE0 + lane]) * 16)


async def load(dut, lane, key):
    for word in range(4):
        await access(dut, 0x0120 + 4 * lane + word, int.from_bytes(key[4 * word : 4 * word + 4], "little"))


def rows(way, key, *, gap=0, noise=lambda: 0):
    """A whole key, octet by octet, `gap` cycles apart, and four cycles behind it."""
    table = []
    for index in way[1]:
        table.append({"key_octet": key[index], "key_index": index, "key_valid": 1})
        table += [{"key_octet": noise(), "key_index": noise() % 16, "key_valid": 0} for _ in range(gap)]
    return table + [{"key_octet": noise(), "key_index": noise() % 16, "key_valid": 0}] * 4


async def lane_of(dut, way, key, *, enable=0xFF, tcp_lanes=0, tcp=0, **options):
    table = rows(way, key, **options)
    table[0] |= {"enable": enable, "tcp_lanes": tcp_lanes, "tcp": tcp}
    cycles, lane = await play(dut, way, table)
    last = len(table) - 4 - 1 - options.get("gap", 0)
    assert cycles == [last + 3]
    return lane


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def words_are_kept_and_read_back(dut):
    """All 32 words, whatever the higher bits of the address are; an access is answered after 6 cycles."""
    await begin(dut)
    rng = random.Random(1)
    words = [rng.getrandbits(32) for _ in range(32)]
    for number, word in enumerate(words):
        _, cycles = await access(dut, 0x0120 + number, word)
        assert cycles == 6
    for number, word in enumerate(words):
        assert await access(dut, 0x0120 + number) == (word, 6), number


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def a_key_finds_its_lane(dut, way):
    """Each lane by its own key, found three cycles after the last octet; octet 0 is in the low bits of word 0."""
    await begin(dut)
    keys = [KEY[:-1] + bytes([0x29 + lane]) for lane in range(8)]
    for lane, key in enumerate(keys):
        await load(dut, lane, key)
    assert await access(dut, 0x0120) == (0x02000100, 6)
    rng = random.Random(2)
    for gap in (0, 1, 7):
        for lane, key in enumerate(keys):
            assert await lane_of(dut, way, key, gap=gap, noise=lambda: rng.randrange(256)) == lane
    assert await lane_of(dut, way, KEY[:-1] + b"\x31") == 8


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def every_bit_of_the_key_counts(dut, way):
    """A key with one bit wrong finds nothing; but on a TCP lane the server's port does not count."""
    await begin(dut)
    await load(dut, 6, KEY)
    for tcp in (0, 1):
        assert await lane_of(dut, way, KEY, tcp_lanes=tcp << 6, tcp=tcp) == 6
        for bit in range(128):
            spoilt = bytes(octet ^ (bit // 8 == n) << bit % 8 for n, octet in enumerate(KEY))
            lane = 6 if tcp and bit // 8 in (12, 13) else 8
            assert await lane_of(dut, way, spoilt, tcp_lanes=tcp << 6, tcp=tcp) == lane, (tcp, bit)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def only_enabled_lanes_and_the_lowest_of_equals(dut, way):
    """P4: nothing is found while nothing is enabled."""
    await begin(dut)
    for lane in range(8):
        await load(dut, lane, KEY if lane in (2, 3, 7) else bytes([lane + 1]) * 16)
    for enable, lane in ((0xFF, 2), (0xFB, 3), (0xF3, 7), (0x80, 7), (0x73, 8), (0x00, 8), (0x04, 2)):
        assert await lane_of(dut, way, KEY, enable=enable) == lane, hex(enable)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def only_lanes_of_the_frames_protocol(dut, way):
    """Of equal keys the lowest of the frame's protocol; the port is ignored on TCP lanes only."""
    await begin(dut)
    for lane in range(8):
        await load(dut, lane, KEY)
    other = KEY[:12] + b"\x0f\xa6" + KEY[14:]
    for tcp_lanes, udp_lane, tcp_lane in ((0x00, 0, 8), (0xFF, 8, 0), (0xF0, 0, 4), (0x55, 1, 0), (0x80, 0, 7)):
        assert await lane_of(dut, way, KEY, tcp_lanes=tcp_lanes, tcp=0) == udp_lane
        assert await lane_of(dut, way, KEY, tcp_lanes=tcp_lanes, tcp=1) == tcp_lane
        assert await lane_of(dut, way, other, tcp_lanes=tcp_lanes, tcp=0) == 8
        assert await lane_of(dut, way, other, tcp_lanes=tcp_lanes, tcp=1) == tcp_lane


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_directions_do_not_meet(dut):
    """Two keys at once, one of each direction, any number of cycles apart."""
    await begin(dut)
    keys = [KEY, KEY[:4] + KEY[8:12] + KEY[4:8] + KEY[12:]]
    for lane in range(2):
        await load(dut, lane, keys[lane])
    dut.enable.value = 3
    for apart in range(-16, 17):
        tasks = []
        for way, shift, key in ((ORDERS, max(0, apart), keys[0]), (BACK, max(0, -apart), keys[1])):
            tasks.append(cocotb.start_soon(play(dut, way, [{}] * shift + rows(way, key))))
        assert [(await task)[1] for task in tasks] == [0, 1]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def an_access_waits_for_the_octets_of_an_orders_key(dut, way):
    """In whichever cycle it comes: it disturbs no comparison, and reads and writes right."""
    await begin(dut)
    await load(dut, 3, KEY)
    dut.enable.value = 8
    for before in range(20):
        lookup = cocotb.start_soon(play(dut, way, rows(way, KEY)))
        for _ in range(before):
            await dut.clk.rising_edge
        octets = max(0, 16 - before - 1) if way is ORDERS else 0  # that are still to come when it begins
        assert await access(dut, 0x0120 + 4 * 3 + 2) == (int.from_bytes(KEY[8:12], "little"), 6 + octets), before
        assert (await lookup)[1] == 3, before
        written = cocotb.start_soon(access(dut, 0x0120 + 4 * 5 + before % 4, before))
        assert (await play(dut, way, rows(way, KEY)))[1] == 3, before
        await written
        assert await access(dut, 0x0120 + 4 * 5 + before % 4) == (before, 6)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(way=[ORDERS, BACK])
async def p12_a_key_that_was_cut_leaves_nothing(dut, way):
    """P12: octet 0 begins a new comparison after any number of octets, right or wrong ones."""
    await begin(dut)
    await load(dut, 1, KEY)
    for cut in range(16):
        await play(dut, way, rows(way, bytes(16))[:cut])
        assert await lane_of(dut, way, KEY) == 1, cut
        await play(dut, way, rows(way, KEY)[:cut])
        assert await lane_of(dut, way, b"\1" + KEY[1:]) == 8, cut

"""Bench of the control link: requests on the UART's pin, replies from it, and what they do (P2, P3, P11, P12)."""

import itertools
import os
import random
import struct
import zlib

import cocotb
from cobs import cobs
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from sim.serial import CYCLE_NS, Receiver, Sender, framed, request, reset, start

DIVISOR = int(os.environ["DIVISOR"])
OCTET_NS = 10 * DIVISOR * CYCLE_NS
# By hand from hdl.wire: operations, statuses, addresses.
READ, WRITE, KILL, HEARTBEAT, NONCE, ARM, EVENTS = range(1, 8)
OK, UNKNOWN, ADDRESS, LOCKED, REFUSED = 0, 1, 2, 3, 16
MAGIC, MAP_HASH, SIZES, NOW, CONFIG_CRC, KILL_AT, ABORTS, NEXT, KEPT = 0, 1, 2, 4, 0x12, 0x20, 0x26, 0x30, 0x31
BEGIN, POLICY, LANE_ENABLE, ORDER_SIZE, WATCHDOG, HASH_KEY, CLEAR = 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x108
ORDER_VALUE = 0x10A  # and, behind it, what failed checks trip
LANE_MODE = 0x110
CONFIG_TABLE, TABLE = 0x1000, 0x2000  # of the bench: the first one is configuration
MOST = 64


class Bench:
    """The two ends of the line, a table on the bus, and a record of every strobe: (name, value, `now`).

    With `sticky` a kill strobe sets `killed`, and an arm clears it.
    """

    def __init__(self, dut, *, killed=0xFF, sticky=False):
        self.dut = dut
        self.line, self.ear = Sender(dut.rx, DIVISOR), Receiver(dut.tx, DIVISOR)
        self.table, self.accesses, self.refused, self.delay = {}, [], set(), 0
        self.strobes, self.sticky, self.sequence = [], sticky, 0
        for name in (
            "table__ack",
            "table__error",
            "event__valid",
            "event__at",
            "kill_edge",
            "kill_forgotten",
            "aborts",
        ):
            getattr(dut, name).value = 0
        for name in ("loop_open", "fault", "watchdog_expired", "tables_busy"):
            getattr(dut, name).value = 0
        self.set_killed(killed)

    def set_killed(self, lanes):
        self.killed = lanes
        self.dut.killed.value = lanes

    async def start(self):
        await start(self.dut)
        cocotb.start_soon(self.ear.run())
        cocotb.start_soon(self.serve())
        for name in ("kill", "opened", "heartbeat", "config_begun"):
            cocotb.start_soon(self.watch(name))

    async def watch(self, name):
        """Record each cycle in which something is strobed; no two follow each other."""
        signal = getattr(self.dut, name)
        while True:
            await signal.value_change
            await self.dut.clk.falling_edge
            if value := int(signal.value):
                self.strobes.append((name, value, int(self.dut.now.value)))
                await self.dut.clk.rising_edge
                if self.sticky and name == "kill":
                    self.set_killed(self.killed | value)
                if self.sticky and name == "opened":
                    self.set_killed(self.killed & ~value)

    async def serve(self):
        """Answer as a bus target: after up to `delay` cycles, with an error for addresses in `refused`."""
        dut = self.dut
        asked = [dut.table__address, dut.table__write, dut.table__data]
        while True:
            await RisingEdge(dut.table__request)
            await dut.clk.falling_edge
            address, write, data = now_asked = [int(signal.value) for signal in asked]
            self.accesses.append((address, data if write else None))
            for _ in range(1 + (random.randrange(self.delay) if self.delay else 0)):
                await dut.clk.rising_edge
            if address not in self.refused and write:
                self.table[address] = data
            dut.table__value.value = self.table.get(address, 0)
            dut.table__error.value = address in self.refused
            dut.table__ack.value = 1
            await dut.clk.falling_edge
            assert [int(signal.value) for signal in asked] == now_asked, "not stable until the ack"
            await dut.clk.rising_edge
            dut.table__ack.value = 0
            dut.table__value.value = random.getrandbits(32)

    def named(self, name):
        return [value for strobe, value, _ in self.strobes if strobe == name]

    async def ask(self, op, address=0, words=()):
        """Send a request, check that the reply belongs to it, and return its status and words."""
        self.sequence = (self.sequence + 1) % 256
        await self.line.send(framed(request(op, address, words, sequence=self.sequence)))
        return await self.reply(op, address)

    async def reply(self, op, address=0):
        body = await self.ear.frame()
        version, sequence, replied, status, where = struct.unpack_from("<4BI", body)
        assert (version, sequence, replied, where) == (1, self.sequence, op | 0x80, address)
        return status, list(struct.unpack(f"<{len(body) // 4 - 2}I", body[8:]))

    async def read(self, address, count=1):
        status, words = await self.ask(READ, address, [count])
        assert status == OK and len(words) == count
        return words

    async def silence(self):
        """Wait until everything is at rest, and check that no reply came meanwhile."""
        await Timer(3 * OCTET_NS, unit="ns")
        while self.dut.busy.value == 1:
            await FallingEdge(self.dut.busy)
            await Timer(OCTET_NS, unit="ns")
        await Timer(2 * OCTET_NS, unit="ns")
        assert self.ear.octets.empty()

    async def offer(self, user_ref):
        """Let an event happen."""
        await self.dut.clk.rising_edge
        self.dut.event__record.value = 1 | user_ref << 21  # kind DROP; the record's layout is tested in tb_log
        self.dut.event__valid.value = 1
        await self.dut.clk.rising_edge
        self.dut.event__valid.value = 0
        for _ in range(14):
            await self.dut.clk.rising_edge


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def settings_are_read_back_and_reset_to_zero(dut):
    """Every setting, alone and in one request; bits that a register lacks are 0."""
    bench = Bench(dut)
    await bench.start()
    assert await bench.read(POLICY, 7) == [0] * 7
    values = [random.getrandbits(32) | 1 for _ in range(7)]
    assert await bench.ask(WRITE, POLICY, values) == (OK, [])
    masks = [3, 0xFF, *[0xFFFFFFFF] * 4, 0x3F]
    held = [value & mask for value, mask in zip(values, masks, strict=True)]
    assert await bench.read(POLICY, 7) == held
    assert [int(signal.value) for signal in (dut.policy, dut.lane_enable, dut.order_size, dut.watchdog)] == held[:4]
    assert int(dut.hash_key.value) == held[4] | held[5] << 32 | held[6] << 64
    modes = [random.getrandbits(32) for _ in range(8)]
    assert await bench.read(LANE_MODE, 8) == [0] * 8
    assert await bench.ask(WRITE, LANE_MODE, modes) == (OK, [])
    assert await bench.read(LANE_MODE, 8) == [mode & 127 for mode in modes]
    assert int(dut.tcp_lanes.value) == sum((mode & 1) << lane for lane, mode in enumerate(modes))
    assert int(dut.dialect_lanes.value) == sum((mode >> 1 & 1) << lane for lane, mode in enumerate(modes))
    assert int(dut.unordered_lanes.value) == sum((mode >> 4 & 1) << lane for lane, mode in enumerate(modes))
    assert int(dut.parentless_lanes.value) == sum((mode >> 6 & 1) << lane for lane, mode in enumerate(modes))
    assert int(dut.actions.value) == sum((mode >> 2 & 3) << 2 * lane for lane, mode in enumerate(modes))
    pairs = [random.getrandbits(32) for _ in range(4)]
    assert await bench.ask(WRITE, ORDER_VALUE, pairs) == (OK, [])
    kept = [pairs[0], pairs[1] & 0xFFFFF, pairs[2], pairs[3] & 63]
    assert await bench.read(ORDER_VALUE, 4) == kept
    assert [int(dut.order_value.value), int(dut.trips.value)] == [kept[0] | kept[1] << 32, kept[2] | kept[3] << 32]
    assert await bench.ask(WRITE, ORDER_SIZE, [5]) == (OK, [])
    assert await bench.read(POLICY, 7) == [*held[:2], 5, *held[3:]]
    assert await bench.read(LANE_MODE, 8) == [mode & 127 for mode in modes]
    assert await bench.ask(READ, BEGIN, [1]) == (ADDRESS, [])
    assert await bench.ask(WRITE, BEGIN, [1]) == (OK, [])
    assert bench.named("config_begun") == [1]
    await reset(dut)
    assert await bench.read(POLICY, 7) == [0] * 7
    assert await bench.read(LANE_MODE, 8) == [0] * 8
    assert await bench.read(ORDER_VALUE, 4) == [0] * 4


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def status_is_read_and_never_written(dut):
    bench = Bench(dut)
    await bench.start()
    dut.aborts.value = 77
    assert (await bench.read(MAGIC))[0] == int.from_bytes(b"BWR1", "little")
    assert await bench.read(SIZES) == [8 | 9 << 8 | 10 << 16 | 8 << 24]
    assert await bench.read(ABORTS) == [77]
    assert await bench.ask(WRITE, ABORTS, [1]) == (ADDRESS, [])
    assert await bench.ask(WRITE, MAGIC, [1]) == (ADDRESS, [])
    for address in (
        3,
        0x13,
        0x3F,
        0x107 + 2,
        0x10F,
        0x118,
        0x8000,
        0xFFFF,
        0xFFFFFFFF,
        *(1 << bit for bit in range(16, 32)),
    ):
        assert await bench.ask(READ, address, [1]) == (ADDRESS, []), hex(address)
        assert await bench.ask(WRITE, address, [1]) == (ADDRESS, []), hex(address)


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def reading_a_low_word_latches_the_high_one(dut):
    """`now` crosses 2^32 in the test; each pair has a latch of its own."""
    bench = Bench(dut)
    await bench.start()

    async def strobe(signal):
        await dut.clk.rising_edge
        signal.value = 1
        await dut.clk.falling_edge
        now = int(dut.now.value)
        await dut.clk.rising_edge
        signal.value = 0
        return now

    while int(dut.now.value) < 1 << 32:
        await dut.clk.rising_edge
    happened = await strobe(dut.kill_edge) - 2
    assert await bench.read(KILL_AT + 1) == [0], "0 until the low word was read"
    times = []
    for _ in range(4):
        before = int(dut.now.value)
        low, high = await bench.read(NOW, 2)
        times.append(low | high << 32)
        assert before < times[-1] < int(dut.now.value)
    assert times[0] >> 32 == 1
    low = (await bench.read(KILL_AT))[0]
    await strobe(dut.kill_forgotten)
    await bench.read(NOW)
    assert (low, (await bench.read(KILL_AT + 1))[0]) == (happened & 0xFFFFFFFF, 1)
    assert await bench.read(KILL_AT, 2) == [0, 0]
    assert await bench.read(NOW + 1) == [1]


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def words_are_read_and_written_one_after_another(dut):
    """1 to 64 of them, whatever the target's delay; an error ends the request behind the words before it."""
    bench = Bench(dut)
    await bench.start()
    for count in (1, 2, 63, MOST):
        bench.delay = random.choice([0, 20])
        values = [random.choice([0, 0xFFFFFFFF, random.getrandbits(32)]) for _ in range(count)]
        bench.accesses.clear()
        assert await bench.ask(WRITE, TABLE, values) == (OK, [])
        assert bench.accesses == [(TABLE + number, value) for number, value in enumerate(values)]
        bench.accesses.clear()
        assert await bench.read(TABLE, count) == values
        assert bench.accesses == [(TABLE + number, None) for number in range(count)]
    bench.refused = {TABLE + 5}
    bench.accesses.clear()
    assert await bench.ask(WRITE, TABLE + 3, [7, 8, 9, 10]) == (ADDRESS, [])
    assert bench.accesses == [(TABLE + 3, 7), (TABLE + 4, 8), (TABLE + 5, 9)]
    assert await bench.ask(READ, TABLE + 3, [4]) == (ADDRESS, [])
    assert await bench.read(TABLE + 3, 2) == [7, 8]
    assert await bench.ask(READ, 0xFFFF, [2]) == (ADDRESS, []), "addresses do not wrap"


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def what_does_not_fit_its_operation_is_unknown(dut):
    """And does nothing."""
    bench = Bench(dut)
    await bench.start()
    wrong = [(0, []), (8, [1]), (0x7F, []), (READ, []), (READ, [1, 1]), (READ, [0]), (READ, [65]), (READ, [2**31 + 1])]
    wrong += [(WRITE, []), (KILL, []), (KILL, [1, 1]), (HEARTBEAT, [0]), (NONCE, [0]), (ARM, []), (ARM, [1, 255])]
    wrong += [(ARM, [1, 255, 0, 0]), (EVENTS, []), (EVENTS, [0]), (EVENTS, [9]), (EVENTS, [1, 1])]
    for op, words in wrong:
        assert await bench.ask(op, TABLE, words) == (UNKNOWN, []), (op, words)
    assert bench.strobes == [] and bench.accesses == []


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def configuration_is_written_only_while_every_lane_is_killed(dut):
    """Anything else is written and read at any time; P2: no write opens a lane."""
    bench = Bench(dut)
    await bench.start()
    assert await bench.ask(WRITE, CONFIG_TABLE, [1]) == (OK, [])
    for killed in (0xFE, 0x7F, 0x00):
        bench.set_killed(killed)
        for address in (BEGIN, POLICY, LANE_ENABLE, CLEAR, LANE_MODE, CONFIG_TABLE, 0x01FF, 0x1FFF, 0x4000, 0x43FF):
            assert await bench.ask(WRITE, address, [1]) == (LOCKED, []), hex(address)
        assert await bench.read(CONFIG_TABLE) == [1]
        for address in (TABLE, 0x4400):
            assert await bench.ask(WRITE, address, [killed]) == (OK, [])
        assert await bench.read(LANE_ENABLE) == [0]
    assert bench.named("opened") == bench.named("config_begun") == []
    # Of words that run into the configuration those before it are written.
    bench.accesses.clear()
    assert await bench.ask(WRITE, 0xFE, [1, 2, 3]) == (ADDRESS, [])
    bench.set_killed(0xFF)
    assert await bench.ask(WRITE, 0x1FFE, [1, 2, 3]) == (OK, [])
    bench.set_killed(0xFE)
    assert await bench.ask(WRITE, 0x1FFE, [4, 5, 6]) == (LOCKED, [])
    assert bench.accesses == [(0x1FFE, 1), (0x1FFF, 2), (0x2000, 3)]


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def the_configuration_has_the_crc_32_of_its_writes(dut):
    """zlib's, over address and value of each, in order; not of CONFIG_BEGIN, CLEAR_EXPOSURE, refused or other words."""
    bench = Bench(dut)
    await bench.start()
    bench.refused = {CONFIG_TABLE + 9}
    for _ in range(2):
        assert await bench.ask(WRITE, BEGIN, [random.getrandbits(32)]) == (OK, [])
        assert await bench.read(CONFIG_CRC) == [zlib.crc32(b"")]
        crc = 0
        for address, count in [
            (POLICY, 1),
            (LANE_ENABLE, 6),
            (LANE_MODE, 8),
            (CONFIG_TABLE, 9),
            (CLEAR, 1),
            (TABLE, 3),
            (0x1FFF, 2),
            (0x43FF, 2),
        ]:
            values = [random.getrandbits(32) for _ in range(count)]
            assert await bench.ask(WRITE, address, values) == (OK, [])
            for number, value in enumerate(values, address):
                if number in {*range(0x101, 0x2000), *range(0x4000, 0x4400)} - {CLEAR}:
                    crc = zlib.crc32(struct.pack("<II", number, value), crc)
            assert await bench.read(CONFIG_CRC) == [crc]
            assert int(dut.config_crc.value) == crc
        assert await bench.ask(WRITE, CONFIG_TABLE + 8, [3, 4]) == (ADDRESS, [])
        crc = zlib.crc32(struct.pack("<II", CONFIG_TABLE + 8, 3), crc)
        assert await bench.read(CONFIG_CRC) == [crc]
    # CONFIG_BEGIN in the middle of a request restarts it there.
    assert await bench.ask(WRITE, BEGIN, [0, 1]) == (OK, [])
    assert await bench.read(CONFIG_CRC) == [zlib.crc32(struct.pack("<II", POLICY, 1))]


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def a_kill_acts_when_its_frame_is_checked(dut):
    """P3: 6 cycles from the middle of the last stop bit to the strobe; the same again in its turn, and a reply."""
    bench = Bench(dut, sticky=True)
    await bench.start()
    for lanes in (0x01, 0x80, 0xFF, 0x100, 0xFFFFFF5A):
        bench.strobes.clear()
        before = random.choice([0, 0x10])
        bench.set_killed(before)
        await dut.clk.falling_edge
        frame = framed(request(KILL, random.getrandbits(32), [lanes], sequence=bench.sequence))
        # The bit is on the pin in this cycle, seen two later, and each sample is counted from there.
        begun = int(dut.now.value)
        sample = begun + 2 + DIVISOR // 2 + 9 * DIVISOR + (len(frame) - 1) * 10 * DIVISOR
        cocotb.start_soon(bench.line.send(frame))
        body = await bench.ear.frame()
        assert body[2:4] == bytes([KILL | 0x80, OK])
        assert struct.unpack("<I", body[8:]) == (before | lanes & 0xFF,)
        kills = [(mask, cycle) for name, mask, cycle in bench.strobes if name == "kill"]
        assert [mask for mask, _ in kills] == ([lanes & 0xFF] * 2 if lanes & 0xFF else [])
        if kills:
            assert kills[0][1] == sample + 6


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def a_kill_acts_whatever_is_being_executed(dut):
    """P3: while a target does not answer, and while all places for requests are taken, so that it gets no reply."""
    bench = Bench(dut)
    await bench.start()
    bench.delay = 20 * OCTET_NS // CYCLE_NS * 8
    for sequence in range(4):
        await bench.line.send(framed(request(WRITE, TABLE, [1, 2, 3, 4], sequence=sequence)))
    assert len(bench.accesses) < 16, "it was to be busy"
    await bench.line.send(framed(request(KILL, 0, [0x42], sequence=9)))
    await Timer(12 * CYCLE_NS, unit="ns")
    assert bench.named("kill") == [0x42]
    await bench.line.send(framed(request(READ, MAGIC, [1], sequence=10)))
    bench.delay = 0
    for sequence in range(4):
        bench.sequence = sequence
        assert await bench.reply(WRITE, TABLE) == (OK, [])
    await bench.silence()
    assert bench.named("kill") == [0x42], "it was not kept"
    assert await bench.read(MAGIC) == [int.from_bytes(b"BWR1", "little")]


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def requests_are_executed_in_order(dut):
    """Up to four are kept while the replies before them are sent; a KILL behind an ARM leaves the lanes killed."""
    bench = Bench(dut, sticky=True)
    await bench.start()
    for number in range(10):
        await bench.line.send(framed(request(WRITE, TABLE, [number] * 30, sequence=1)))
        await bench.line.send(framed(request(READ, TABLE + 29, [1], sequence=2)))
        for sequence, op, address, answer in [(1, WRITE, TABLE, []), (2, READ, TABLE + 29, [number])]:
            bench.sequence = sequence
            assert await bench.reply(op, address) == (OK, answer)
    nonce = (await bench.ask(NONCE))[1][0]
    await bench.line.send(framed(request(READ, TABLE, [MOST], sequence=3)))
    await bench.line.send(framed(request(ARM, 0, [nonce, 0xFF, 0], sequence=4)))
    await bench.line.send(framed(request(KILL, 0, [0xFF], sequence=5)))
    for sequence, op, address in [(3, READ, TABLE), (4, ARM, 0), (5, KILL, 0)]:
        bench.sequence = sequence
        last = await bench.reply(op, address)
    assert last == (OK, [0xFF])
    assert bench.killed == 0xFF


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def an_arm_takes_two_steps(dut):
    """P2: a nonce serves once; each refusal has its status; nothing but an ARM that was not refused opens a lane."""
    bench = Bench(dut, sticky=True)
    await bench.start()
    assert await bench.ask(WRITE, POLICY, [3]) == (OK, [])
    crc = (await bench.read(CONFIG_CRC))[0]

    async def arm(lanes, crc=crc, wrong=0):
        nonce = (await bench.ask(NONCE))[1][0]
        return await bench.ask(ARM, 0, [nonce ^ wrong, lanes, crc])

    assert await bench.ask(ARM, 0, [0, 0xFF, crc]) == (REFUSED + 5, [0xFF]), "no nonce was given"
    for name, refusal in [("loop_open", 1), ("fault", 2), ("watchdog_expired", 4), ("tables_busy", 6)]:
        getattr(dut, name).value = 1
        assert await arm(0xFF) == (REFUSED + refusal, [0xFF])
        getattr(dut, name).value = 0
    assert await arm(0xFF, crc=crc ^ 1) == (REFUSED + 3, [0xFF])
    assert await arm(0xFF, wrong=1 << random.randrange(32)) == (REFUSED + 5, [0xFF])
    assert bench.named("opened") == []
    assert await arm(0x21) == (OK, [0xDE])
    nonce = (await bench.ask(NONCE))[1][0]
    assert await bench.ask(ARM, 0, [nonce, 0x02, crc]) == (OK, [0xDC])
    assert await bench.ask(ARM, 0, [nonce, 0xFF, crc]) == (REFUSED + 5, [0xDC]), "used before"
    assert await bench.ask(KILL, 0, [0x01]) == (OK, [0xDD])
    assert bench.named("opened") == [0x21, 0x02]
    nonces = {(await bench.ask(NONCE))[1][0] for _ in range(8)}
    assert len(nonces) == 8


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def a_heartbeat_is_a_strobe(dut):
    bench = Bench(dut)
    await bench.start()
    for number in range(1, 4):
        assert await bench.ask(HEARTBEAT, random.getrandbits(32)) == (OK, [])
        assert bench.named("heartbeat") == [1] * number


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def events_are_read_until_they_are_freed(dut):
    """P11: the same request gives the same events; a later number frees those before it; then a loss shows as a gap."""
    bench = Bench(dut)
    await bench.start()

    async def events(number, count):
        status, words = await bench.ask(EVENTS, number, [count])
        assert status == OK and len(words) % 8 == 0
        return [(words[at], words[at + 1], words[at + 4]) for at in range(0, len(words), 8)]

    assert await events(0, 8) == []
    for number in range(260):
        await bench.offer(1000 + number)
    assert await bench.read(NEXT, 2) == [256, 256]
    first = [(number, 1, 1000 + number) for number in range(256)]
    for _ in range(2):
        assert await events(0, 8) == first[:8]
    assert await events(8, 3) == first[8:11]
    assert await events(8, 1) == first[8:9]
    assert await events(0, 2) == first[8:10], "already freed: from the oldest one"
    assert await events(500, 1) == first[8:9], "never given: nothing is freed"
    # The loss of four was written as soon as there was room.
    assert await bench.read(NEXT, 2) == [257, 249]
    await bench.offer(7)
    got = []
    number = 8
    while some := await events(number, 8):
        got += some
        number = some[-1][0] + 1
    assert got == [*first[8:], (256, 0, 4), (257, 1, 7)]
    assert await bench.read(NEXT, 2) == [258, 0]


def spoilt():
    """Frames that must not be answered, encoded, with what is wrong with each."""
    good = request(WRITE, TABLE, [1, 2])
    checked = good + struct.pack("<I", zlib.crc32(good))

    def frame(octets):
        return b"\0" + cobs.encode(octets) + b"\0"

    for _ in range(10):
        bit = random.randrange(8 * len(checked))
        yield f"{bit=}", frame((int.from_bytes(checked, "little") ^ 1 << bit).to_bytes(len(checked), "little"))
    for version in (0, 2, 3, 5, 9, 17, 33, 65, 129, 255):
        yield f"{version=}", framed(request(WRITE, TABLE, [1], version=version))
    for length in (0, 1, 4, 7, 9, 10, 11, 13, 14, 15, 8 + 4 * 65, 8 + 4 * 66, 8 + 4 * 127 + 1, 8 + 4 * 128, 1032):
        yield f"{length=}", framed(request(KILL, 0, [255]).ljust(length, b"\0")[:length])
    yield "crc big-endian", frame(good + struct.pack(">I", zlib.crc32(good)))
    yield "a reply", framed(request(READ | 0x80, MAGIC, [1]))
    yield "cut", framed(good)[:-3] + b"\0"
    yield "too long by a zero", frame(checked + b"\0")
    yield "nothing", b"\0\0\0"


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def a_bad_frame_gets_no_reply_and_changes_nothing(dut):
    """P12, P2: CRC, version, length, encoding. The next good frame is answered."""
    bench = Bench(dut)
    await bench.start()
    for what, octets in spoilt():
        await bench.line.send(octets)
        await bench.silence()
        assert (bench.accesses, bench.strobes) == ([], []), what
        assert await bench.ask(HEARTBEAT) == (OK, []), what
        bench.strobes.clear()


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def garbage_never_wedges_it(dut):
    """P12: random octets, levels, breaks, cut frames; behind a zero octet the next good frame is answered."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(40):
        kind = random.randrange(5)
        if kind == 0:
            await bench.line.send(random.randbytes(random.randrange(1, 60)))
        elif kind == 1:
            for _ in range(random.randrange(60)):
                dut.rx.value = random.getrandbits(1)
                await Timer(random.randrange(1, 3 * DIVISOR * CYCLE_NS), unit="ns")
        elif kind == 2:
            dut.rx.value = 0
            await Timer(random.randrange(OCTET_NS // 2, 10 * OCTET_NS), unit="ns")
        elif kind == 3:
            await bench.line.send([random.randrange(1, 256)] * random.choice([3, 300, 700]))
        else:
            frame = framed(request(READ, MAGIC, [1]))
            await bench.line.send(frame[: random.randrange(1, len(frame) - 1)], stop=random.getrandbits(1))
        # At most ten bits belong to a misread octet, then the zero octet is one.
        dut.rx.value = 1
        await Timer(OCTET_NS + OCTET_NS // 10, unit="ns")
        await bench.line.send(b"\0")
        await bench.silence()
        assert await bench.read(MAGIC) == [int.from_bytes(b"BWR1", "little")], kind
    assert (bench.accesses, bench.strobes) == ([], [])


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def a_reset_forgets_the_frame_under_way(dut):
    """At any octet of a request or its reply; the next request is answered."""
    bench = Bench(dut)
    await bench.start()
    frame = framed(request(READ, MAGIC, [3]))
    for octets in range(1, len(frame) + 6):
        await bench.line.send(frame[:octets])
        await Timer(max(0, octets - len(frame)) * OCTET_NS * 3 + 1, unit="ns")
        await dut.clk.rising_edge
        await reset(dut)
        assert dut.tx.value == 1
        # What the bench's receiver makes of a reply that was cut is no frame.
        await Timer(2 * OCTET_NS, unit="ns")
        while not bench.ear.octets.empty():
            bench.ear.octets.get_nowait()
        assert dut.busy.value == 0
        assert len(await bench.read(MAGIC, 3)) == 3


@cocotb.test(timeout_time=30, timeout_unit="ms")
async def it_is_busy_from_the_first_bit_to_the_last(dut):
    """Octets without a pause: idle only before the request and behind the reply."""
    bench = Bench(dut)
    await bench.start()
    edges = []

    async def watch():
        while True:
            await dut.busy.value_change
            await dut.clk.falling_edge
            edges.append((int(dut.busy.value), int(dut.now.value)))

    cocotb.start_soon(watch())
    await Timer(OCTET_NS, unit="ns")
    assert dut.busy.value == 0
    begun = int(dut.now.value)
    await bench.read(TABLE, MOST)
    await Timer(OCTET_NS, unit="ns")
    assert dut.busy.value == 0
    # Between the stop bit's middle and the next start bit there is nothing to be done.
    idle = [after[1] - before[1] for before, after in itertools.pairwise(edges) if before[0] == 0]
    assert max(idle, default=0) <= DIVISOR
    assert edges[0][1] - begun < 8

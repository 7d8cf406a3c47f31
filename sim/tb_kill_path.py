"""Bench of `sim.kill_path`: every source reaches the latch in its constant time, in every state; what arms."""

import cocotb
from cocotb.clock import Clock

from hdl.wire.verdict import Refusal, Source

CRC, TIMEOUT = 0x8D3C5A01, 5000
STROBES = ("serial", "breach", "contradicted", "heartbeat", "nonce_request", "arm")


class Bench:
    """Drives the inputs cycle by cycle: `cycle(**inputs)` sets them for one cycle (strobes) or for good (levels)."""

    def __init__(self, dut):
        self.dut, self.time, self.inputs = dut, 1000, {}

    async def start(self):
        """Reset, close the loop, and send a heartbeat."""
        Clock(self.dut.clk, 8, unit="ns").start()
        self.dut.rst.value = 1
        await self.cycle(loop_closed=1, fault=0, timeout=TIMEOUT, tables_busy=0, config_crc=CRC)
        await self.cycle(arm_nonce=0, arm_lanes=0, arm_crc=0)
        self.dut.rst.value = 0
        for _ in range(5):
            await self.cycle()
        await self.cycle(heartbeat=1)
        for _ in range(5):
            await self.cycle()

    async def cycle(self, **inputs):
        """One cycle; return nothing: outputs are read with `see` in the cycle that follows."""
        self.time += inputs.pop("step", 1)
        for name in STROBES:
            inputs.setdefault(name, 0)
        for name, value in {**inputs, "now": self.time}.items():
            if self.inputs.get(name) != value:
                getattr(self.dut, name).value = self.inputs[name] = value
        await self.dut.clk.rising_edge
        await self.dut.clk.falling_edge

    def see(self, name):
        return int(getattr(self.dut, name).value)

    async def arm(self, *, lanes=0xFF, crc=CRC, nonce=None, **inputs):
        """Bring a nonce; return the refusal."""
        await self.cycle(arm=1, arm_nonce=self.see("nonce") if nonce is None else nonce, arm_lanes=lanes, arm_crc=crc)
        assert not self.see("done")
        await self.cycle(arm_nonce=0, arm_lanes=0, arm_crc=0, **inputs)
        assert self.see("done")
        refusal, opened = self.see("refusal"), self.see("open")
        assert opened == (0 if refusal else lanes)
        assert self.see("lift") == (not refusal and lanes == 0xFF)
        await self.cycle()
        assert not self.see("done") and not self.see("open") and not self.see("lift")
        return refusal

    async def open_all(self):
        await self.cycle(heartbeat=1)
        await self.cycle()
        await self.cycle()
        await self.cycle(nonce_request=1)
        assert await self.arm() == Refusal.NONE
        assert self.see("killed") == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def p4_killed_from_the_first_cycle_and_after_every_reset(dut):
    """P4: power-up and reset kill every lane, and say so; the lanes stay killed although nothing asks any more."""
    bench = Bench(dut)
    await bench.start()
    assert bench.see("killed") == 0xFF
    await bench.open_all()
    dut.rst.value = 1
    await bench.cycle()
    dut.rst.value = 0
    assert bench.see("killed") == 0xFF
    assert (bench.see("request"), bench.see("sources")) == (0xFF, 1 << Source.RESET)
    await bench.cycle()
    assert bench.see("request") == 0xFF
    for _ in range(8):
        await bench.cycle(heartbeat=1)
    assert (bench.see("request"), bench.see("killed")) == (0, 0xFF)


def asking(source, lanes):
    """The inputs by which a source asks, its inputs at rest, its constant delay to the edge, and the lanes it kills."""
    return {
        Source.LOOP: ({"loop_closed": 0}, {"loop_closed": 1}, 3, 0xFF),
        Source.SERIAL: ({"serial": lanes}, {}, 1, lanes),
        Source.WATCHDOG: ({"step": TIMEOUT + 50}, {}, 3, 0xFF),
        Source.BREACH: ({"breach": lanes}, {}, 1, lanes),
        Source.FAULT: ({"fault": 1}, {"fault": 0}, 1, 0xFF),
        Source.EVIDENCE: ({"contradicted": 1}, {}, 1, 0xFF),
    }[source]


SOURCES = [Source.LOOP, Source.SERIAL, Source.WATCHDOG, Source.BREACH, Source.FAULT, Source.EVIDENCE]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(source=SOURCES, lanes=[0x01, 0x90])
async def p3_a_source_kills_armed_lanes_after_its_constant_delay(dut, source, lanes):
    """P3: the request shows exactly so many cycles after the source asked, the latch one later; it stays killed."""
    bench = Bench(dut)
    await bench.start()
    await bench.open_all()
    ask, rest, delay, killed = asking(source, lanes)
    await bench.cycle(**ask)
    for _ in range(delay - 1):
        assert (bench.see("request"), bench.see("sources"), bench.see("killed")) == (0, 0, 0)
        await bench.cycle(**rest)
    assert (bench.see("request"), bench.see("sources"), bench.see("killed")) == (killed, 1 << source, 0)
    await bench.cycle(**rest)
    assert bench.see("killed") == killed
    for _ in range(50):
        await bench.cycle(**rest)
        assert bench.see("killed") == killed


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(source=SOURCES)
async def p3_a_source_kills_in_every_cycle_of_an_arm(dut, source):
    """P3: whenever it asks, before, between and after the two steps, its lanes are killed in the end.

    Until the arm is decided the kill refuses it whole; in the cycle of the opening itself it keeps its own lanes.
    """
    bench = Bench(dut)
    await bench.start()
    ask, rest, delay, lanes = asking(source, 0x24)
    for moment in range(-delay, 12):
        killed = lanes
        await bench.cycle(serial=0xFF)
        for _ in range(6):
            await bench.cycle(heartbeat=1)
        done = None
        for cycle in range(-delay, 16):
            inputs = {**rest, **(ask if cycle == moment else {})}
            if cycle == 0:
                inputs["nonce_request"] = 1
            if cycle == 5:
                inputs |= {"arm": 1, "arm_nonce": bench.see("nonce"), "arm_lanes": 0xFF, "arm_crc": CRC}
            await bench.cycle(**inputs)
            if bench.see("done"):
                done = (cycle, bench.see("refusal"))
        edge, refusal = moment + delay, done[1]
        assert done[0] == 6
        if edge <= 6:
            assert refusal != Refusal.NONE, f"{edge=}"
        if refusal:
            killed = 0xFF
        assert bench.see("killed") == killed, f"{edge=} {refusal=}"


@cocotb.test(timeout_time=100, timeout_unit="us")
async def p3_kills_while_unarmed_and_while_configured(dut):
    """P3: a kill of killed lanes makes a pending nonce void, whatever the configuration does meanwhile."""
    bench = Bench(dut)
    await bench.start()
    for number, source in enumerate(SOURCES):
        ask, rest, delay, _ = asking(source, 0x02)
        await bench.cycle(nonce_request=1)
        await bench.cycle(config_crc=number, **ask)
        for _ in range(delay + 1):
            await bench.cycle(config_crc=bench.time & 0xFFFF, **rest)
        for _ in range(4):
            await bench.cycle(heartbeat=1)
        await bench.cycle(config_crc=CRC)
        assert await bench.arm() == Refusal.NONCE, source
        assert bench.see("killed") == 0xFF


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p10_silence_kills_within_a_microsecond(dut):
    """P10: the lanes are killed 4 cycles (32 ns) after `now` reaches the deadline; heartbeats put it off."""
    bench = Bench(dut)
    await bench.start()
    await bench.open_all()
    await bench.cycle(heartbeat=1)
    for _ in range(20):
        await bench.cycle(step=TIMEOUT - 3)
        await bench.cycle(heartbeat=1)
        deadline = bench.time + TIMEOUT
        await bench.cycle()
        assert bench.see("deadline") == deadline
        assert bench.see("killed") == 0
    await bench.cycle(step=TIMEOUT - 10)
    for _ in range(30):
        await bench.cycle()
        assert (bench.see("killed") == 0xFF) == (bench.time >= deadline + 3), f"{bench.time - deadline=}"
    assert bench.see("sources") == 1 << Source.WATCHDOG


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p2_each_condition_refuses_and_the_lowest_is_told(dut):
    """P2: loop, fault, configuration, watchdog, nonce, busy; nothing opens, and the nonce is used up."""
    bench = Bench(dut)
    await bench.start()
    conditions = [
        ({"loop_closed": 0}, {"loop_closed": 1}, {}, Refusal.LOOP_OPEN),
        ({"fault": 1}, {"fault": 0}, {}, Refusal.FAULT),
        ({}, {}, {"crc": CRC ^ 1 << 31}, Refusal.CONFIG),
        ({"timeout": 0}, {"timeout": TIMEOUT}, {}, Refusal.WATCHDOG),
        ({}, {}, {"nonce": 0}, Refusal.NONCE),
        ({"tables_busy": 1}, {"tables_busy": 0}, {}, Refusal.BUSY),
    ]
    for first in range(len(conditions)):
        inputs, brought = {}, {}
        for wrong, _, bring, _ in conditions[first:]:
            inputs, brought = {**inputs, **wrong}, {**brought, **bring}
        for alone in (True, False):
            if alone:
                inputs_now, brought_now = conditions[first][0], conditions[first][2]
            else:
                inputs_now, brought_now = inputs, brought
            await bench.cycle(**inputs_now)
            for _ in range(4):
                await bench.cycle()
            await bench.cycle(nonce_request=1)
            assert await bench.arm(**brought_now) == conditions[first][3]
            assert bench.see("killed") == 0xFF
            for _, right, _, _ in conditions:
                await bench.cycle(**right)
            for _ in range(4):
                await bench.cycle(heartbeat=1)
            assert await bench.arm() == Refusal.NONCE
            assert bench.see("killed") == 0xFF
    await bench.open_all()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p2_a_nonce_is_good_once_and_only_the_last(dut):
    """P2: not twice, not an older one, not one bit off, not after a kill of another lane; any lanes may be named."""
    bench = Bench(dut)
    await bench.start()
    await bench.cycle(nonce_request=1)
    first = bench.see("nonce")
    await bench.cycle(nonce_request=1)
    second = bench.see("nonce")
    assert first != second
    assert await bench.arm(nonce=first) == Refusal.NONCE
    assert await bench.arm(nonce=second) == Refusal.NONCE
    for bit in range(32):
        await bench.cycle(nonce_request=1)
        assert await bench.arm(nonce=bench.see("nonce") ^ 1 << bit) == Refusal.NONCE
    await bench.cycle(nonce_request=1)
    assert await bench.arm(lanes=0x0F) == Refusal.NONE
    assert bench.see("killed") == 0xF0
    await bench.cycle(nonce_request=1)
    await bench.cycle(breach=0x01)
    await bench.cycle()
    assert await bench.arm(lanes=0xF0) == Refusal.NONCE
    assert bench.see("killed") == 0xF1
    await bench.cycle(nonce_request=1)
    assert await bench.arm(lanes=0x80) == Refusal.NONE
    assert bench.see("killed") == 0x71


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def nonces_differ(dut):
    """A thousand in a row, at regular times, are all different."""
    bench = Bench(dut)
    await bench.start()
    seen = set()
    for _ in range(1000):
        await bench.cycle(nonce_request=1)
        seen.add(bench.see("nonce"))
    assert len(seen) == 1000

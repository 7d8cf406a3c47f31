"""Bench of `hdl.filter.uart.UartReceiver`, against bits made in Python."""

import os
import random

import cocotb
from cocotb.triggers import Timer

from sim.serial import CYCLE_NS, Sender, start

DIVISOR = int(os.environ["DIVISOR"])


class Ears:
    """Records what the receiver gives, with the cycle."""

    def __init__(self, dut):
        self.dut, self.cycle, self.octets, self.broken, self.times, self.busy = dut, 0, bytearray(), 0, [], 0
        cocotb.start_soon(self.run())

    async def run(self):
        while True:
            await self.dut.clk.falling_edge
            self.cycle += 1
            self.busy += int(self.dut.busy.value)
            if self.dut.valid.value == 1:
                self.octets.append(int(self.dut.octet.value))
                self.times.append(self.cycle)
            self.broken += int(self.dut.broken.value)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(rate=[0.98, 1.0, 1.02])
async def receives_octets_of_a_sender_two_percent_off(dut, rate):
    """Back to back and with pauses, at any phase against the clock."""
    line = Sender(dut.rx, DIVISOR, rate)
    await start(dut)
    ears = Ears(dut)
    sent = bytes([0, 255, 0x55, 0xAA, 1, 128]) + random.randbytes(150)
    for octet in sent:
        if random.random() < 0.5:
            await Timer(random.randrange(1, DIVISOR * CYCLE_NS * 3000), unit="ps")
        await line.send([octet])
    await Timer(2 * DIVISOR * CYCLE_NS, unit="ns")
    assert ears.octets == sent
    assert ears.broken == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_octet_is_given_in_the_middle_of_its_stop_bit(dut):
    """The edge reaches the flip-flops in cycle 1; `valid` is a strobe of one cycle, and `busy` ends with it."""
    dut.rx.value = 1
    await start(dut)
    ears = Ears(dut)
    await Timer(5 * CYCLE_NS, unit="ns")
    await dut.clk.rising_edge
    begun = ears.cycle
    await Sender(dut.rx, DIVISOR).send([0x41])
    await Timer(2 * DIVISOR * CYCLE_NS, unit="ns")
    # Two flip-flops of the synchroniser, half a bit, nine bits, and the register of `valid`.
    assert [time - begun for time in ears.times] == [1 + 2 + DIVISOR // 2 + 9 * DIVISOR + 1]
    assert ears.busy == DIVISOR // 2 + 9 * DIVISOR


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def no_stop_bit_is_broken_and_a_break_is_so_once(dut):
    """Nothing is received until the line has been high; then all is as before."""
    line = Sender(dut.rx, DIVISOR)
    await start(dut)
    ears = Ears(dut)
    await line.send([0x33])
    await line.send([0x00], stop=0)
    await line.bits([0] * 57)
    assert (ears.octets, ears.broken) == (b"\x33", 1)
    assert dut.busy.value == 1
    await line.bits([1])
    await line.send([0x44])
    await line.send([0xFF], stop=0)
    await line.bits([1])
    await line.send([0x45])
    await Timer(2 * DIVISOR * CYCLE_NS, unit="ns")
    assert (ears.octets, ears.broken) == (b"\x33\x44\x45", 2)
    assert dut.busy.value == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_low_level_shorter_than_half_a_start_bit_is_noise(dut):
    line = Sender(dut.rx, DIVISOR)
    await start(dut)
    ears = Ears(dut)
    for _ in range(20):
        dut.rx.value = 0
        await Timer((DIVISOR // 2 - 1) * CYCLE_NS, unit="ns")
        await line.bits([1])
        await line.bits([1])
    await line.send([0x5A])
    await Timer(2 * DIVISOR * CYCLE_NS, unit="ns")
    assert (ears.octets, ears.broken) == (b"\x5a", 0)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def random_levels_never_wedge_it(dut):
    """P12: after any input and an idle octet time, an octet is received."""
    line = Sender(dut.rx, DIVISOR)
    await start(dut)
    ears = Ears(dut)
    for _ in range(40):
        for _ in range(random.randrange(40)):
            dut.rx.value = random.getrandbits(1)
            await Timer(random.randrange(1, 2 * DIVISOR * CYCLE_NS), unit="ns")
        await line.bits([1] * 11)
        ears.octets.clear()
        await line.send([0x99])
        await line.bits([1])
        assert ears.octets == b"\x99"

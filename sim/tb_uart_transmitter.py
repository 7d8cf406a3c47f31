"""Bench of `hdl.filter.uart.UartTransmitter`, cycle by cycle."""

import os
import random

import cocotb
from cocotb.triggers import ReadOnly, Timer

from sim.serial import CYCLE_NS, start

DIVISOR = int(os.environ["DIVISOR"])


async def offer(dut, octets, pause):
    """Offer octets to the transmitter; return once the last one is accepted."""
    for octet in octets:
        while random.random() < pause:
            await dut.clk.rising_edge
        dut.i__payload.value = octet
        dut.i__valid.value = 1
        while True:
            await ReadOnly()
            accepted = dut.i__ready.value == 1
            await dut.clk.rising_edge
            if accepted:
                break
        dut.i__valid.value = 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.98])
async def transmits_every_bit_for_exactly_the_divisor(dut, pause):
    """Offered in time, octets leave back to back: the levels of all cycles are those of the octets and nothing more."""
    dut.i__valid.value = 0
    await start(dut)
    sent = bytes([0x00, 0xFF, 0x55, 0x01, 0x80]) + random.randbytes(20)
    levels = []

    async def watch():
        while True:
            await dut.clk.falling_edge
            levels.append(int(dut.tx.value))

    cocotb.start_soon(watch())
    await offer(dut, sent, pause)
    await Timer(12 * DIVISOR * CYCLE_NS, unit="ns")
    assert dut.busy.value == 0
    at, got = 0, []
    while 0 in levels[at:]:
        at = levels.index(0, at)
        bits = [levels[at + n * DIVISOR : at + (n + 1) * DIVISOR] for n in range(10)]
        assert all(len(set(bit)) == 1 for bit in bits), f"{len(got)=}: {bits}"
        got.append(sum(bit[0] << n for n, bit in enumerate(bits[1:9])))
        assert (bits[0][0], bits[9][0]) == (0, 1)
        at += 10 * DIVISOR
        if not pause and len(got) < len(sent):
            assert levels[at] == 0, "a gap"
    assert bytes(got) == sent

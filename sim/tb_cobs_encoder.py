"""Bench of `hdl.filter.cobs.CobsEncoder` against the decoder of the `cobs` package."""

import itertools
import random

import cocotb
from cobs import cobs
from cocotb.triggers import ReadOnly

from sim.serial import start
from sim.tb_cobs_decoder import bodies

OCTETS, FIRST = 512, 504


class Bench:
    """The memory with the frame, and the end of the line, which takes nothing in a share `pause` of the cycles."""

    def __init__(self, dut, pause):
        self.dut, self.pause, self.sent, self.taken_at, self.cycle = dut, pause, bytearray(), [], 0
        self.memory = bytearray(OCTETS)
        dut.begin.value = dut.end.value = dut.value.value = dut.o__ready.value = 0

    async def start(self):
        await start(self.dut)
        cocotb.start_soon(self.remember())
        cocotb.start_soon(self.take())

    async def remember(self):
        """Show the octet at the address of two cycles before."""
        before = FIRST
        while True:
            await ReadOnly()
            address = int(self.dut.address.value)
            await self.dut.clk.rising_edge
            self.dut.value.value = self.memory[before]
            before = address

    async def take(self):
        waiting = None  # an octet that is offered stays until it is taken
        while True:
            self.dut.o__ready.value = random.random() >= self.pause
            await ReadOnly()
            self.cycle += 1
            if self.dut.o__valid.value == 1:
                octet = int(self.dut.o__payload.value)
                assert waiting in (None, octet)
                waiting = octet
                if self.dut.o__ready.value == 1:
                    self.sent.append(octet)
                    self.taken_at.append(self.cycle)
                    waiting = None
            else:
                assert waiting is None
            await self.dut.clk.rising_edge

    async def frame(self, body):
        """Have `body` sent; return what is between the zeros."""
        self.memory[:] = random.randbytes(OCTETS)
        for number, octet in enumerate(body):
            self.memory[(FIRST + number) % OCTETS] = octet
        self.dut.end.value = (FIRST + len(body)) % OCTETS
        self.dut.begin.value = 1
        await self.dut.clk.rising_edge
        self.dut.begin.value = 0
        await self.dut.clk.falling_edge
        assert self.dut.busy.value == 1
        while self.dut.busy.value == 1:
            await self.dut.clk.falling_edge
        assert self.sent[0] == self.sent[-1] == 0
        encoded = bytes(self.sent[1:-1])
        self.sent.clear()
        await self.dut.clk.rising_edge
        return encoded


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.6])
async def the_package_decodes_what_is_sent(dut, pause):
    """Octet for octet as the package encodes, but for a code 1 behind a last full block."""
    bench = Bench(dut, pause)
    await bench.start()
    for body in bodies():
        if len(body) >= OCTETS:
            continue
        encoded = await bench.frame(body)
        assert cobs.decode(encoded) == body
        assert encoded in (cobs.encode(body), cobs.encode(body) + b"\x01")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_octet_is_offered_every_third_cycle(dut):
    """Fast enough for any UART; before a code it takes 4 cycles for each octet of the block and for the one behind."""
    bench = Bench(dut, 0.0)
    await bench.start()
    await bench.frame(b"abcdefgh\0ijk")
    gaps = [after - before for before, after in itertools.pairwise(bench.taken_at)]
    assert gaps == [4 * 9 + 1, *[3] * 8, 4 * 4 + 5, *[3] * 3, 4]

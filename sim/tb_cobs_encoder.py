"""Bench of `hdl.filter.cobs.CobsEncoder` against the decoder of the `cobs` package."""

import itertools
import random

import cocotb
from cobs import cobs
from cocotb.triggers import ReadOnly

from sim.serial import start
from sim.tb_cobs_decoder import bodies


class Bench:
    """Offers the octets of a frame and takes what is sent; `pause` is the chance of a cycle without, on both sides."""

    def __init__(self, dut, pause):
        self.dut, self.pause, self.sent, self.offered_at, self.cycle = dut, pause, bytearray(), [], 0
        dut.i__valid.value = dut.o__ready.value = 0

    async def start(self):
        await start(self.dut)
        cocotb.start_soon(self.take())

    async def give(self, body):
        for number, octet in enumerate(body):
            while random.random() < self.pause:
                await self.dut.clk.rising_edge
            # The layout of `Piece`: the octet, and above it `last`.
            self.dut.i__payload.value = octet | (number == len(body) - 1) << 8
            self.dut.i__valid.value = 1
            while True:
                await ReadOnly()
                accepted = self.dut.i__ready.value == 1
                await self.dut.clk.rising_edge
                if accepted:
                    break
            self.dut.i__valid.value = 0

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
                    self.offered_at.append(self.cycle)
                    waiting = None
            else:
                assert waiting is None
            await self.dut.clk.rising_edge

    async def frame(self):
        """Wait until a whole frame is sent; return what is between its zeros."""
        while self.sent.count(0) < 2:
            await self.dut.clk.falling_edge
        assert self.sent[0] == self.sent[-1] == 0
        encoded = bytes(self.sent[1:-1])
        self.sent.clear()
        return encoded


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.6])
async def the_package_decodes_what_is_sent(dut, pause):
    """Octet for octet as the package encodes, but for a code 1 behind a last full block."""
    bench = Bench(dut, pause)
    await bench.start()
    for body in bodies():
        await bench.give(body)
        encoded = await bench.frame()
        assert cobs.decode(encoded) == body
        assert encoded in (cobs.encode(body), cobs.encode(body) + b"\x01")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_octet_is_offered_every_fourth_cycle(dut):
    """Fast enough for any UART, and none is accepted meanwhile."""
    bench = Bench(dut, 0.0)
    await bench.start()
    await bench.give(b"abcdefgh")
    await dut.clk.falling_edge
    assert (dut.busy.value, dut.i__ready.value) == (1, 0)
    await bench.frame()
    gaps = [after - before for before, after in itertools.pairwise(bench.offered_at)]
    assert gaps == [4] * 10
    await dut.clk.rising_edge
    await dut.clk.falling_edge
    assert (dut.busy.value, dut.i__ready.value) == (0, 1)

"""A serial line as plain Python, for benches: bits on a wire, octets, frames, requests."""

import struct
import zlib

from cobs import cobs
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import FallingEdge, Timer

CYCLE_NS = 8


async def start(dut):
    """Start the clock and reset; afterwards the first cycle without reset has begun."""
    Clock(dut.clk, CYCLE_NS, unit="ns").start()
    await reset(dut)


async def reset(dut):
    dut.rst.value = 1
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    await dut.clk.rising_edge


def framed(body: bytes) -> bytes:
    """Return `body` with its CRC-32, encoded with zeros on both sides."""
    return b"\0" + cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def request(op, address=0, words=(), *, sequence=0, version=1, status=0):
    """Return the body of a request."""
    return struct.pack(f"<BBBBI{len(words)}I", version, sequence, op, status, address, *words)


class Sender:
    """Puts octets on a pin, 8N1; `rate` 1.02 is a sender whose bits are 2 percent too short."""

    def __init__(self, pin, divisor, rate=1.0):
        self.pin, self.divisor, self.rate = pin, divisor, rate
        pin.value = 1

    async def bits(self, levels):
        """Each level for one bit time; every edge is rounded to a picosecond, none of the error adds up."""
        bit_ps, begun_ps = self.divisor * CYCLE_NS * 1000 / self.rate, 0
        for number, level in enumerate(levels, 1):
            self.pin.value = level
            end_ps = round(number * bit_ps)
            await Timer(end_ps - begun_ps, unit="ps")
            begun_ps = end_ps

    async def send(self, octets, stop=1):
        for octet in octets:
            await self.bits([0, *(octet >> bit & 1 for bit in range(8)), stop])


class Receiver:
    """Gives the octets of a pin, and refuses one without a stop bit."""

    def __init__(self, pin, divisor):
        self.pin, self.bit_ns = pin, divisor * CYCLE_NS
        self.octets = Queue()

    async def run(self):
        while True:
            if self.pin.value == 1:
                await FallingEdge(self.pin)
            await Timer(self.bit_ns * 3 // 2, unit="ns")
            octet = 0
            for bit in range(8):
                octet |= int(self.pin.value) << bit
                await Timer(self.bit_ns, unit="ns")
            assert self.pin.value == 1, "no stop bit"
            self.octets.put_nowait(octet)

    async def frame(self):
        """Return the body of the next frame that is not empty; its CRC-32 must be right."""
        while not (octet := await self.octets.get()):
            pass
        encoded = bytearray([octet])
        while octet := await self.octets.get():
            encoded.append(octet)
        decoded = cobs.decode(bytes(encoded))
        assert zlib.crc32(decoded[:-4]) == struct.unpack("<I", decoded[-4:])[0], decoded.hex()
        return decoded[:-4]

"""Bench of `hdl.filter.cobs.CobsDecoder` against the `cobs` package."""

import random

import cocotb
from cobs import cobs

from sim.serial import start


class Bench:
    """Feeds octets, at most one a cycle, and cuts what comes out into frames: (octets, whole)."""

    def __init__(self, dut):
        self.dut, self.frames, self.frame = dut, [], bytearray()
        dut.valid.value = dut.broken.value = 0

    async def feed(self, octets, pause=0.0):
        """Give each octet, None for a broken one; what comes of it is there one cycle later."""
        for octet in octets:
            self.dut.octet.value = octet if octet is not None else random.randrange(256)
            self.dut.valid.value = octet is not None
            self.dut.broken.value = octet is None
            await self.dut.clk.rising_edge
            self.dut.valid.value = self.dut.broken.value = 0
            await self.dut.clk.falling_edge
            if self.dut.data_valid.value == 1:
                self.frame.append(int(self.dut.data.value))
            if self.dut.end.value == 1:
                self.frames.append((bytes(self.frame), self.dut.whole.value == 1))
                self.frame.clear()
            while random.random() < pause:
                await self.dut.clk.rising_edge
                await self.dut.clk.falling_edge
                assert (self.dut.data_valid.value, self.dut.end.value) == (0, 0)


def bodies():
    """Edges of the encoding, then anything."""
    yield from (b"\0", b"\0\0", b"\1", b"a" * 253, b"a" * 254, b"a" * 255, b"a" * 254 + b"\0", b"\0" + b"a" * 254)
    yield from (b"a" * 508, b"a" * 253 + b"\0" + b"b" * 254, bytes(range(256)))
    for _ in range(100):
        zeros = random.choice([1, 4, 60])
        yield bytes(random.randrange(256) if random.randrange(zeros) else 0 for _ in range(random.randrange(1, 300)))


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(pause=[0.0, 0.5])
async def decodes_what_the_package_encodes(dut, pause):
    bench = Bench(dut)
    await start(dut)
    expected = []
    for body in bodies():
        await bench.feed(cobs.encode(body) + b"\0", pause)
        expected.append((body, True))
    assert bench.frames == expected


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_full_block_may_be_followed_by_an_empty_one(dut):
    """Encoders differ in the code 1 behind a last run of 254 octets; both forms mean the same."""
    bench = Bench(dut)
    await start(dut)
    await bench.feed(b"\xff" + b"x" * 254 + b"\0" + b"\xff" + b"x" * 254 + b"\x01\0")
    assert bench.frames == [(b"x" * 254, True)] * 2


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def garbage_is_not_whole_or_is_what_the_package_decodes(dut):
    """And the frame behind any zero octet is decoded (P12)."""
    bench = Bench(dut)
    await start(dut)
    expected = []
    for _ in range(300):
        octets = [random.randrange(1, 256) if random.random() < 0.3 else random.randrange(1, 6) for _ in range(20)]
        octets = octets[: random.randrange(1, 20)]
        broken = random.random() < 0.2
        if broken:
            octets.insert(random.randrange(len(octets)), None)
        try:
            decoded = None if broken else cobs.decode(bytes(octets))
        except cobs.DecodeError:
            decoded = None
        await bench.feed([*octets, 0])
        if decoded is None:
            assert bench.frames[-1][1] is False, octets
        else:
            assert bench.frames[-1] == (decoded, True), octets
        body = random.randbytes(9)
        await bench.feed(cobs.encode(body) + b"\0")
        assert bench.frames[-1] == (body, True)
        expected += [decoded, body]
    assert len(bench.frames) == len(expected)
    assert sum(body is None for body in expected) > 50


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def two_zeros_make_a_whole_frame_of_nothing(dut):
    bench = Bench(dut)
    await start(dut)
    await bench.feed([0, 0, 5, 0, 0])
    assert bench.frames == [(b"", True), (b"", True), (b"", False), (b"", True)]

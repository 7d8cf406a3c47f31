"""The receiver, and the CRC-32 that it shares with the gate and the control link."""

import random
import zlib

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.fcs import INIT, RESIDUE, crc32
from hdl.filter.gmii import GmiiRx
from sim.play import Packed
from tests.cycles import simulate


class Register(wiring.Component):
    """The state of a CRC, one octet a cycle."""

    octet: In(8)
    state: Out(32, init=INIT)

    def elaborate(self, platform):
        m = Module()
        state = Signal(32)
        m.d.comb += state.eq(crc32(self.state, self.octet))
        m.d.sync += self.state.eq(state)
        return m


def state_after(octets):
    register, state = Register(), []

    async def bench(ctx):
        for octet in octets:
            ctx.set(register.octet, octet)
            await ctx.tick()
        state.append(ctx.get(register.state))

    simulate(register, bench)
    return state[0]


def test_the_crc_of_the_nine_digits_is_the_published_check_value():
    assert state_after(b"123456789") ^ 0xFFFFFFFF == 0xCBF43926


def test_the_crc_is_zlibs():
    octets = random.Random(1).randbytes(300)
    assert state_after(octets) ^ 0xFFFFFFFF == zlib.crc32(octets)


def test_octets_and_their_check_sequence_leave_the_residue():
    assert state_after(b"123456789" + bytes.fromhex("2639f4cb")) == RESIDUE == 0xDEBB20E3


def test_gmii(run_cocotb):
    run_cocotb(Packed(GmiiRx()), testbench="sim.tb_gmii")

"""The whole filter through its GMII pins, against the golden model: every egress octet and its cycle, counters, events."""

import os
import time

import cocotb
from cocotb.task import bridge

from sim import fuzz
from sim.duel import Duel
from sim.export import ENGINE_UART_DIVISOR
from sim.pins import Pins
from sim.traffic import Traffic


async def pins(dut) -> Pins:
    """Return the pins of a filter after reset."""
    pins = Pins(dut, ENGINE_UART_DIVISOR)
    await pins.start()
    return pins


@cocotb.test()
async def random_frames_do_what_the_model_says(dut):
    """P1 to P4, P6 to P8, P11, P12: 2,000 random frames, with kills, breaches, re-arms and exposure clears."""
    engine = await pins(dut)
    begun = time.process_time()
    duel = await bridge(fuzz.fight)(cocotb.RANDOM_SEED, engine=engine, frames=2_000)
    spent = time.process_time() - begun
    cocotb.log.info("%d frames, %d cycles in %.1f s of CPU time", duel.frames, engine.simulated, spent)

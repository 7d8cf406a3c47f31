"""The whole filter through its GMII pins against the golden model: egress octets and cycles, counters, events."""

import time

import cocotb
from cocotb.task import bridge

from sim import fuzz, scenes
from sim.pins import Pins

FRAMES = 2_000
UART_DIVISOR = 4  # as fast as it goes: most cycles of a bench are the control link's


async def started(dut) -> Pins:
    """Return the pins of a filter that has just been reset."""
    pins = Pins(dut, UART_DIVISOR)
    await pins.start()
    return pins


@cocotb.test()
async def random_frames_do_what_the_model_says(dut):
    """P1 to P4, P6 to P8, P11, P12: random frames, with kills, breaches, re-arms and exposure clears."""
    pins = await started(dut)
    begun = time.process_time()
    duel = await bridge(fuzz.fight)(cocotb.RANDOM_SEED, engine=pins, frames=FRAMES)
    spent = time.process_time() - begun
    cocotb.log.info("%d frames, %d cycles, %.1f s of CPU time", duel.frames, pins.simulated, spent)


@cocotb.test()
@cocotb.parametrize(scene=[scene.__name__ for scene in scenes.SCENES])
async def scene(dut, scene):
    """One property each: its name and number are those of the function in `sim.scenes`."""
    await bridge(getattr(scenes, scene))(await started(dut))

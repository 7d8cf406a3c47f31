"""Cycle-level checks of small components on Amaranth's own simulator."""

import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.lib import wiring
from amaranth.sim import Simulator


def simulate(component: wiring.Component, testbench: Callable[[Any], Coroutine], *background: Callable) -> None:
    """Run `testbench(ctx)` against `component` on the clock of `sync`, with `background` testbenches beside it."""
    simulator = Simulator(component)
    simulator.add_clock(8e-9)
    simulator.add_testbench(testbench)
    for other in background:
        simulator.add_testbench(other, background=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator.run()

"""A core with the filter's pins and behaviour that a person can predict: the engine and the board are tested on it."""

import functools

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from sim import export

PINS = {
    "now": In(64), "loop_closed": In(1),
    "server_rx_data": In(8), "server_rx_dv": In(1), "server_rx_er": In(1),
    "exchange_tx_data": Out(8), "exchange_tx_en": Out(1), "exchange_tx_er": Out(1),
    "exchange_rx_data": In(8), "exchange_rx_dv": In(1), "exchange_rx_er": In(1),
    "server_tx_data": Out(8), "server_tx_en": Out(1), "server_tx_er": Out(1),
    "uart_rx": In(1, init=1), "uart_tx": Out(1, init=1),
    "killed": Out(8, init=0xFF), "busy": Out(1), "deadline": Out(64),
}  # fmt: skip


class Stub(wiring.Component):
    """Delays both paths, echoes the control link, and kills by loop and watchdog.

    The order path shows on `exchange_tx` what was on `server_rx` 20 cycles before, the return path 4 cycles before. The
    order path ends a frame at once while killed. `killed` is 0xFF from 3 cycles after the loop opens, and from 1 cycle
    after `now` has reached the deadline, until a frame begins: that clears it and sets a deadline 5000 cycles
    after. `uart_tx` is `uart_rx` 2 cycles later. With `mute` the control link never answers.
    """

    def __init__(self, *, mute: bool = False, restless: bool = False):
        self.mute, self.restless = mute, restless
        super().__init__(PINS)

    def elaborate(self, platform):
        m = Module()

        def delayed(side, other, cycles):
            line = Cat(getattr(self, f"{side}_rx_{name}") for name in ("data", "dv", "er"))
            out = Cat(getattr(self, f"{other}_tx_{name}") for name in ("data", "en", "er"))
            active = 0
            for stage in range(cycles - 1):
                step = Signal(10, name=f"{side}_{stage}")
                m.d.sync += step.eq(line)
                line = step
                active |= step[8]
            return line, out, active

        line, out, ordering = delayed("server", "exchange", 20)
        m.d.sync += out.eq(Mux(self.killed == 0, line, 0))
        line, out, returning = delayed("exchange", "server", 4)
        m.d.sync += out.eq(line)

        loop = Signal()
        m.submodules += FFSynchronizer(self.loop_closed, loop, init=1)
        before = Signal()
        m.d.sync += before.eq(self.server_rx_dv)
        armed_until = Signal(64, init=(1 << 64) - 1)
        m.d.comb += self.deadline.eq(armed_until)
        with m.If(self.server_rx_dv & ~before):
            m.d.sync += [self.killed.eq(0), armed_until.eq(self.now + 5000)]
        with m.If(~loop):
            m.d.sync += self.killed.eq(0xFF)
        with m.If(self.now >= armed_until):
            m.d.sync += [self.killed.eq(0xFF), armed_until.eq((1 << 64) - 1)]

        previous = Signal(init=1)
        m.d.sync += previous.eq(self.uart_rx)
        if not self.mute:
            m.d.sync += self.uart_tx.eq(previous)
        quiet = Signal(range(101), init=100)
        with m.If(~self.uart_rx):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != 100):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.sync += self.busy.eq(ordering | returning | (quiet != 100) | self.restless)
        return m


@functools.cache
def stub_verilog(**parameters) -> str:
    """Return the Verilog of a `Stub` as the engine takes it."""
    return export.convert(Stub(**parameters))

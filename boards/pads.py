"""Puts a core of any width behind four pins, with a flip-flop before every input and behind every output."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Pads(wiring.Component):
    """The core between registers, so that only its own paths are timed and no pin count limits it.

    Inputs come out of one shift register fed by ``serial_in``, but for ``now``, which a counter drives as on a board.
    Outputs are registered, and the registers folded to ``serial_out`` by parities of four with a register each. Nothing
    of the core can be optimised away, and what the harness adds itself is outside of ``core`` in every cell's name.
    The reset is the device's own: it takes no wires, and brings every flip-flop back to what it is configured with, but
    for those marked ``outlives_reset``. Its release is not timed.
    """

    def __init__(self, core: wiring.Component):
        self.core = core
        super().__init__({"clk": In(1), "rst": In(1), "serial_in": In(1), "serial_out": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.submodules.reset = Instance("SGSR", i_GSR=~self.rst, i_CLK=self.clk)
        m.submodules.core = self.core
        inputs, outputs = [], []
        for path, member, value in self.core.signature.flatten(self.core):
            value = Value.cast(value)
            if member.flow == Out:
                outputs.append(value)
            elif path == ("now",):
                # In halves: a carry is known a cycle before it is due.
                now, half, carries = Signal(len(value)), len(value) // 2, Signal()
                m.d.sync += [now[:half].eq(now[:half] + 1), carries.eq(now[:half] == (1 << half) - 2)]
                with m.If(carries):
                    m.d.sync += now[half:].eq(now[half:] + 1)
                m.d.comb += value.eq(now)
            else:
                inputs.append(value)

        shift = Signal(sum(map(len, inputs)))
        m.d.sync += shift.eq(Cat(self.serial_in, shift))
        m.d.comb += [ClockSignal().eq(self.clk), Cat(*inputs).eq(shift)]

        level = Signal(sum(map(len, outputs)))
        m.d.sync += level.eq(Cat(*outputs))
        while len(level) > 1:
            parities = Signal(-(-len(level) // 4))
            m.d.sync += parities.eq(Cat(level[n : n + 4].xor() for n in range(0, len(level), 4)))
            level = parities
        m.d.comb += self.serial_out.eq(level)
        return m

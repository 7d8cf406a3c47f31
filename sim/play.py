"""Plays a table of inputs to a component, a row a cycle, and records its outputs: the base of the ingress benches."""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.clock import Clock


class Packed(wiring.Component):
    """A component with all its outputs in one, `packed`: cocotb reads one wide signal much faster than many.

    The component's members are plain signals. `fields` are the outputs: by name the lowest bit and the mask.
    """

    def __init__(self, component: wiring.Component):
        self.component = component
        members = {path[0]: member for path, member, _ in component.signature.flatten(component)}
        self.fields, width = {}, 0
        for name, member in members.items():
            if member.flow == Out:
                size = len(Value.cast(getattr(component, name)))
                self.fields[name] = (width, (1 << size) - 1)
                width += size
        super().__init__({n: m for n, m in members.items() if m.flow == In} | {"packed": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        for name, member in self.signature.members.items():
            if member.flow == In:
                m.d.comb += getattr(self.component, name).eq(getattr(self, name))
        m.d.comb += self.packed.eq(Cat(getattr(self.component, name) for name in self.fields))
        return m


async def reset(dut) -> None:
    """Start the clock and hold reset for two cycles."""
    Clock(dut.clk, 8, unit="ns").start()
    dut.rst.value = 1
    await dut.clk.rising_edge
    await dut.clk.rising_edge
    dut.rst.value = 0


async def play(dut, rows, outputs, react=None):
    """Return one dict of outputs for each of `rows`, sampled in the same cycle, after combinational paths.

    A row holds the inputs that change; the others keep their values. `outputs` are the `fields` of a `Packed`
    component, or the names of the outputs of any other. `react(cycle, outputs)` may return inputs for the next cycle
    (a part of the surroundings that answers).
    """
    inputs, driven, record, answer = {}, {}, [], {}
    handles = {} if isinstance(outputs, dict) else {name: getattr(dut, name) for name in outputs}
    for cycle, row in enumerate(rows):
        for name, value in {**row, **answer}.items():
            if driven.get(name) != value:
                if name not in inputs:
                    inputs[name] = getattr(dut, name)
                inputs[name].value = driven[name] = value
        await dut.clk.falling_edge
        if handles:
            sample = {name: int(handle.value) for name, handle in handles.items()}
        else:
            packed = int(dut.packed.value)
            sample = {name: packed >> low & mask for name, (low, mask) in outputs.items()}
        record.append(sample)
        answer = (react(cycle, sample) or {}) if react else {}
        await dut.clk.rising_edge
    return record


def ahead(rows, name, moved):
    """Return the rows with the values of `name` a row earlier, as `moved`; that of the first row is lost."""
    values = [row.get(name) for row in rows[1:]] + [None]
    rows = [{key: value for key, value in row.items() if key != name} for row in rows]
    return [row if value is None else row | {moved: value} for row, value in zip(rows, values, strict=True)]


def stream(frames, *, gap=2, noise=None):
    """Return the rows of the receiver's stream (`hdl.filter.gmii.GmiiRx`) for `frames`, and where each one begins.

    `gap` is the number of cycles from the end strobe to the next first octet, 2 at least, or a function that draws it.
    `noise` draws what ``next_octet`` announces while nothing is valid behind it.
    """
    noise = noise or (lambda: 0)
    idle = {"valid": 0, "start": 0, "end": 0}
    rows, starts = [idle], []
    for frame in frames:
        starts.append(len(rows))
        for number, octet in enumerate(frame):
            rows.append(
                {"octet": octet, "valid": 1, "start": int(number == 0), "end": 0, "length": min(number + 1, 2047)}
            )
        rows.append({**idle, "octet": noise(), "end": 1, "length": min(len(frame), 2047)})
        rows += [{**idle, "octet": noise()} for _ in range((gap() if callable(gap) else gap) - 1)]
    return ahead(rows, "octet", "next_octet"), starts

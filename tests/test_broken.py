"""Break the gateware on purpose: the comparison with the golden model must notice each time.

The breaks, one by one: a kill latch that is deaf on one lane; a gate that aborts with `tx_er` but leaves the FCS right;
a decoder that waves a wrong UDP checksum through; a risk engine that keeps what a dropped frame had reserved; a verdict
that does not mind an unknown symbol.
"""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Flow

from hdl.filter import core
from hdl.filter.core import Filter
from hdl.filter.gate import Gate
from hdl.filter.headers import Headers
from hdl.filter.kill import KillLatch
from hdl.filter.risk import Risk
from hdl.filter.verdict import Verdict
from hdl.wire.verdict import Reason
from sim.duel import Difference
from sim.engine import Engine
from sim.export import ENGINE_UART_DIVISOR, convert
from sim.fuzz import fight


def around(original, twist):
    """Return `original` with members changed: ``twist(m, outside, inside)`` gives what to connect instead, by name."""

    class Broken(original):
        def elaborate(self, platform):
            m = Module()
            m.submodules.inside = inside = original()
            instead = twist(m, self, inside)
            for name, member in self.signature.members.items():
                if member.is_port:
                    source, target = (self, inside) if member.flow == Flow.In else (inside, self)
                    m.d.comb += getattr(target, name).eq(instead.get(name, getattr(source, name)))
                else:
                    for path, leaf, _ in member.signature.flatten(getattr(self, name)):
                        mine, its = getattr(self, name), getattr(inside, name)
                        for step in path:
                            mine, its = getattr(mine, step), getattr(its, step)
                        m.d.comb += its.eq(mine) if leaf.flow == Flow.In else mine.eq(its)
            return m

    return Broken


def deaf(m, outside, inside):
    return {"request": outside.request & ~(1 << 3)}


def right_fcs(m, outside, inside):
    """While aborting, send what the buffer holds, two cycles behind as the gate does."""
    before, octet = Signal(8), Signal(8)
    m.d.sync += [before.eq(outside.octet), octet.eq(before)]
    started = Signal(range(9))  # of the frame on the pins: 8 octets of preamble first
    with m.If(~inside.tx_en):
        m.d.sync += started.eq(0)
    with m.Elif(started != 8):
        m.d.sync += started.eq(started + 1)
    data = Signal(8)
    m.d.comb += data.eq(inside.tx_data)
    with m.If(started == 8):
        m.d.comb += data.eq(octet)
    return {"tx_data": data}


def unchecked(m, outside, inside):
    return {"flags": inside.flags & ~(1 << Reason.UDP_CHECKSUM)}


def never_given_back(m, outside, inside):
    return {"kept": 1}


def forgetful(m, outside, inside):
    return {"missing": 0}


BREAKS = {
    "the latch is deaf on lane 3": (KillLatch, deaf),
    "an abort leaves the FCS right": (Gate, right_fcs),
    "a wrong UDP checksum passes": (Headers, unchecked),
    "what a dropped frame reserved stays reserved": (Risk, never_given_back),
    "an unknown symbol passes": (Verdict, forgetful),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_comparison_notices(name, monkeypatch):
    original, twist = BREAKS[name]
    monkeypatch.setattr(core, original.__name__, around(original, twist))
    broken = convert(Filter(uart_divisor=ENGINE_UART_DIVISOR))
    with pytest.raises(Difference):
        for seed in range(100, 104):
            fight(seed, engine=Engine(verilog=broken))


def test_the_same_comparison_finds_nothing_in_the_filter_as_it_is():
    fight(100, frames=300)

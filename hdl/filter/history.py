"""The history of the TCP lanes: what has left, to be compared with what is repeated."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.marks import Mark, Past
from hdl.filter.memory import Memory
from hdl.wire.registers import HISTORY
from hdl.wire.verdict import LANES

_MARKS = {Past.PLAIN: Mark.PLAIN, Past.ORDER: Mark.OLD_ORDER, Past.BODY: Mark.BODY, Past.TYPE: Mark.TYPE}


class History(wiring.Component):
    begin: In(1)
    lane: In(3)
    position: In(11)
    soon: In(1)
    payload_octet: In(8)
    payload_valid: In(1)
    old_left: In(12)
    past_valid: In(1)
    past_lane: In(3)
    past_position: In(11)
    past_octet: In(8)
    past: In(Past)
    old: Out(1)
    mark: Out(Mark)
    differs: Out(1)
    had_order: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.octets = octets = Memory(9, LANES * HISTORY)
        m.submodules.classes = classes = Memory(1, LANES * HISTORY)
        stored = Cat(self.past_octet, self.past)
        for memory, data in ((octets, stored[:9]), (classes, stored[9:])):
            m.d.comb += [
                memory.write_en.eq(self.past_valid),
                memory.write_addr.eq(Cat(self.past_position, self.past_lane)),
                memory.write_data.eq(data),
            ]
        place, lane, running, left = Signal(11), Signal(3), Signal(), Signal(12)
        m.d.comb += [octets.read_addr.eq(Cat(place, lane)), classes.read_addr.eq(Cat(place, lane))]
        m.d.comb += self.old.eq(left != 0)
        past = Signal(Past)
        m.d.comb += past.eq(Cat(octets.read_data[8], classes.read_data))
        with m.If(self.begin):
            m.d.sync += [place.eq(self.position), lane.eq(self.lane), running.eq(0), left.eq(0)]
            m.d.sync += [self.differs.eq(0), self.had_order.eq(0)]
        with m.Else():
            with m.If(running):
                m.d.sync += place.eq(place + 1)
            with m.If(self.soon):
                m.d.sync += [running.eq(1), left.eq(self.old_left)]
            with m.If(self.payload_valid & self.old):
                m.d.sync += [
                    left.eq(left - 1),
                    self.differs.eq(self.differs | (octets.read_data[:8] != self.payload_octet)),
                    self.had_order.eq(self.had_order | (past == Past.ORDER)),
                ]
        with m.Switch(past):
            for was, mark in _MARKS.items():
                with m.Case(was):
                    m.d.sync += self.mark.eq(mark)
        return m

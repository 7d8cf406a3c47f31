"""The table of lanes: which of the eight servers a frame comes from."""

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.wire.lane import LANE_KEY
from hdl.wire.verdict import LANES, NO_LANE


class _State(enum.Enum):
    IDLE = 0
    BUSY = 1
    DONE = 2


class Lanes(wiring.Component):
    """Compares a frame's key with the keys of all lanes, an octet a cycle, and tells the lane.

    The octets of a key (`hdl.wire.lane.LANE_KEY`) come in order, at any distance; number 0 begins a comparison,
    whatever became of the one before. ``found`` comes three cycles after number 15. A lane that is not enabled
    is not found; ``enable`` counts one cycle before ``found``. Of several equal keys the lowest lane is found.

    The keys are in distributed memory, an octet of all lanes to a word. They are 0 at power-up and outlive a reset
    (what is enabled does not). On the bus they are 32 words, four a lane, octet 0 of the key in bits 7..0 of the first
    word; an access is answered after 5 cycles. While a key is written, each of its octets changes at its own time.

    Members
    -------
    key_octet, key_index, key_valid : In(8), In(4), In(1)
    enable : In(8)
    found : Out(1)
    found_lane : Out(4)
        With ``found`` and until the next: 0 to 7, or 8 for none.
    bus : In(Bus)
        Bits 4..0 of the address count: lane and word.
    """

    key_octet: In(8)
    key_index: In(4)
    key_valid: In(1)
    enable: In(LANES)
    found: Out(1)
    found_lane: Out(4, init=NO_LANE)
    bus: In(Bus)

    def elaborate(self, platform):
        m = Module()

        # On the bus: an octet a cycle, the lowest first.
        state, step, value = Signal(_State), Signal(2), Signal(32)
        lane = self.bus.address[2:5]
        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += [step.eq(0), value.eq(self.bus.data)]
                with m.If(self.bus.request):
                    m.d.sync += state.eq(_State.BUSY)
            with m.Case(_State.BUSY):
                m.d.sync += step.eq(step + 1)
                with m.If(step == 3):
                    m.d.sync += state.eq(_State.DONE)
            with m.Case(_State.DONE):
                m.d.sync += state.eq(_State.IDLE)
        busy = Signal()
        m.d.comb += busy.eq(state == _State.BUSY)

        octet, index, last, checked, valid = Signal(8), Signal(4), Signal(), Signal(), Signal()
        m.d.sync += [
            octet.eq(self.key_octet),
            index.eq(self.key_index),
            valid.eq(self.key_valid),
            last.eq(self.key_valid & (self.key_index == LANE_KEY.size - 1)),
            checked.eq(last),
            self.found.eq(checked),
        ]

        stored, matches = [], Signal(LANES)
        for number in range(LANES):
            m.submodules[f"keys_{number}"] = keys = Memory(shape=8, depth=LANE_KEY.size, init=[])
            write, compared, shown = keys.write_port(), keys.read_port(domain="comb"), keys.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(busy & self.bus.write & (lane == number)),
                write.addr.eq(Cat(step, self.bus.address[:2])),
                write.data.eq(value[:8]),
                shown.addr.eq(Cat(step, self.bus.address[:2])),
                compared.addr.eq(self.key_index),
            ]
            stored.append(shown.data)
            key = Signal(8, name=f"key_{number}")
            m.d.sync += key.eq(compared.data)
            with m.If(valid):
                m.d.sync += matches[number].eq((octet == key) & (matches[number] | (index == 0)))

        with m.If(busy):
            m.d.sync += value.eq(Cat(value[8:], Array(stored)[lane]))
        m.d.comb += [self.bus.ack.eq(state == _State.DONE), self.bus.value.eq(value)]

        with m.If(checked):
            m.d.sync += self.found_lane.eq(NO_LANE)
            for number in reversed(range(LANES)):
                with m.If(matches[number] & self.enable[number]):
                    m.d.sync += self.found_lane.eq(number)
        return m

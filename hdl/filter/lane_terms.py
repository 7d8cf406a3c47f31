"""The terms of a lane: words that the host loads for each, read once a frame."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.filter.gross import LANE_BITS
from hdl.filter.memory import Memory
from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES

TERMS = {"tag": Reg.BUILD_TAG, "last_ref": Reg.LAST_REF, "interval": Reg.RATE_INTERVAL, "depth": Reg.RATE_DEPTH}
_LATENCY = 2  # of the memory


class LaneTerms(wiring.Component):
    """Keeps four words a lane, and shows those of the lane whose frame begins.

    ``begin`` in cycle b asks for the words of ``lane``: the first shows from b+4 on, then one a cycle, in the order of
    `TERMS`, until in b+7 all are ``shown`` (strobe); they stay until the next ``begin``. ``commit`` writes
    ``last_ref`` of that lane. All are 0 from 32 cycles after a reset on. The host reads and writes them in between,
    within 12 cycles, or when they are 0.

    Members
    -------
    bus : In(Bus)
        BUILD_TAG, LAST_REF, RATE_INTERVAL and RATE_DEPTH, 8 words each, in this order.
    begin, lane : In(1), In(3)
    tag, last_ref, interval, depth : Out(32)
    shown : Out(1)
    commit, commit_ref : In(1), In(32)
    """

    bus: In(Bus)
    begin: In(1)
    lane: In(LANE_BITS)
    tag: Out(32)
    last_ref: Out(32)
    interval: Out(32)
    depth: Out(32)
    shown: Out(1)
    commit: In(1)
    commit_ref: In(32)

    def elaborate(self, platform):
        m = Module()
        count = len(TERMS)
        m.submodules.memory = memory = Memory(32, count * LANES, distributed=True)
        sweep, sweeping = Signal(range(count * LANES)), Signal(init=1)  # after the reset: a memory keeps its words
        with m.If(sweeping):
            m.d.sync += [sweep.eq(sweep + 1), sweeping.eq(sweep != count * LANES - 1)]
        lane, turn = Signal(LANE_BITS), Signal(count + _LATENCY)  # `turn`: a bit for each cycle behind `begin`
        with m.If(self.begin):
            m.d.sync += lane.eq(self.lane)
        address, word = self.bus.address[: (count * LANES - 1).bit_length()], Signal(range(count))
        m.d.comb += memory.read_addr.eq(Mux(turn[:count].any(), Cat(lane, word), address))
        m.d.sync += [
            turn.eq(Cat(self.begin, turn)),
            self.shown.eq(turn[-1]),
            word.eq(Mux(self.begin, 0, word + 1)),
        ]
        for number, name in enumerate(TERMS):
            with m.If(turn[number + _LATENCY]):
                m.d.sync += getattr(self, name).eq(memory.read_data)

        # The host: between two readings, and not in the cycle of a commit.
        asked, goes, step = Signal(), Signal(), Signal(_LATENCY)
        m.d.comb += [
            goes.eq(asked & ~turn[:count].any() & ~self.commit & ~sweeping),
            memory.write_en.eq(self.commit | (goes & self.bus.write)),
            memory.write_addr.eq(Mux(self.commit, Cat(lane, list(TERMS).index("last_ref")), address)),
            memory.write_data.eq(Mux(self.commit, self.commit_ref, self.bus.data)),
        ]
        with m.If(sweeping):
            m.d.comb += [memory.write_en.eq(1), memory.write_addr.eq(sweep), memory.write_data.eq(0)]
        m.d.sync += [
            asked.eq((asked | self.bus.request) & ~goes),
            step.eq(Cat(goes, step)),
            self.bus.ack.eq(step[-1]),
            self.bus.value.eq(memory.read_data),
        ]
        return m


assert [Reg.BUILD_TAG + number * LANES for number in range(len(TERMS))] == list(TERMS.values())

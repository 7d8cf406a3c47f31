"""The table of lanes: which of the eight servers a frame comes from, or goes to."""

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


# The lane of a frame's key, as `Lanes` drives it.
Lookup = wiring.Signature(
    {
        "key_octet": In(8),
        "key_index": In(4),
        "key_valid": In(1),
        "tcp": In(1),  # the frame is TCP
        "found": Out(1),
        "found_lane": Out(4, init=NO_LANE),  # with `found` and until the next: 0 to 7, or 8 for none
    }
)

# By direction, the octet of the key that comes last: of a frame from the exchange the source port is the server's
# destination port.
LAST = {"orders": LANE_KEY.size - 1, "back": LANE_KEY.size - 3}
SOURCE_PORT = LANE_KEY.size - 4  # and the next one


class Lanes(wiring.Component):
    """Compares the keys of frames with the keys of all lanes, an octet a cycle, and tells the lanes.

    In either direction the octets of a key (`hdl.wire.lane.LANE_KEY`) come in the order of the frame, at any distance;
    number 0 begins a comparison, whatever became of the one before. ``found`` comes three cycles after the last one:
    number 15 of an order's key, number 13 of the return path's. A lane is found if it is enabled and of the frame's
    protocol two cycles before ``found``. Of a TCP lane octets 12 and 13, the server's port, don't count. Of several
    equal keys the lowest lane is found.

    The keys are in distributed memory, an octet of all lanes to a word. They are 0 at power-up and outlive a reset
    (what is enabled does not). On the bus they are 32 words, four a lane, octet 0 of the key in bits 7..0 of the first
    word; an access is answered after 5 cycles. While a key is written, each of its octets changes at its own time.

    Members
    -------
    orders, back : Out(Lookup)
        Of the frames from the servers, and of those from the exchange.
    enable, tcp_lanes : In(8)
    bus : In(Bus)
        Bits 4..0 of the address count: lane and word.
    """

    orders: Out(Lookup)
    back: Out(Lookup)
    enable: In(LANES)
    tcp_lanes: In(LANES)
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

        memories, stored = [], []
        for number in range(LANES):
            m.submodules[f"keys_{number}"] = keys = Memory(shape=8, depth=LANE_KEY.size, init=[])
            write, shown = keys.write_port(), keys.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(busy & self.bus.write & (lane == number)),
                write.addr.eq(Cat(step, self.bus.address[:2])),
                write.data.eq(value[:8]),
                shown.addr.eq(Cat(step, self.bus.address[:2])),
            ]
            memories.append(keys)
            stored.append(shown.data)
        with m.If(busy):
            m.d.sync += value.eq(Cat(value[8:], Array(stored)[lane]))
        m.d.comb += [self.bus.ack.eq(state == _State.DONE), self.bus.value.eq(value)]

        self._compare(m, self.orders, memories, LAST["orders"])
        self._compare(m, self.back, memories, LAST["back"])
        return m

    def _compare(self, m, lookup, memories, last_index):
        """Answer in one direction."""
        octet, first, port, last, checked, valid = Signal(8), Signal(), Signal(), Signal(), Signal(), Signal()
        index = lookup.key_index
        m.d.sync += [
            octet.eq(lookup.key_octet),
            first.eq(index == 0),
            port.eq(index[1:] == SOURCE_PORT // 2),
            valid.eq(lookup.key_valid),
            last.eq(lookup.key_valid & (index == last_index)),
            checked.eq(last),
            lookup.found.eq(checked),
        ]
        matches, eligible = Signal(LANES), Signal(LANES)
        m.d.sync += eligible.eq(self.enable & ~(self.tcp_lanes ^ lookup.tcp.replicate(LANES)))
        for number, keys in enumerate(memories):
            compared, key = keys.read_port(domain="comb"), Signal(8, name=f"key_{number}")
            m.d.comb += compared.addr.eq(index)
            m.d.sync += key.eq(compared.data)
            with m.If(valid):
                same = (octet == key) | (port & self.tcp_lanes[number])
                m.d.sync += matches[number].eq(same & (matches[number] | first))
        with m.If(checked):
            m.d.sync += lookup.found_lane.eq(NO_LANE)
            for number in reversed(range(LANES)):
                with m.If(matches[number] & eligible[number]):
                    m.d.sync += lookup.found_lane.eq(number)

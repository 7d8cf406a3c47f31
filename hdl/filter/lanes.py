"""The table of lanes: which of the eight servers a frame comes from, or goes to."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.wire.lane import LANE_KEY
from hdl.wire.verdict import LANES, NO_LANE

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
    number 0 begins a comparison, whatever became of the one before; behind a whole key it comes two cycles later or
    more. ``found`` comes three cycles after the last one: number 15 of an order's key, number 13 of the return path's.
    A lane is found if it is enabled and of the frame's protocol in the cycle before ``found``. Of a TCP lane octets 12
    and 13, the server's port, don't count. Of several equal keys the lowest lane is found.

    The keys are in distributed memory, an octet of all lanes to a word. They are 0 at power-up and outlive a reset
    (what is enabled does not). On the bus they are 32 words, four a lane, octet 0 of the key in bits 7..0 of the first
    word; an access is answered after 6 cycles, and as many more as octets of an order's key come meanwhile: they share
    a port of the memory. While a key is written, each of its octets changes at its own time.

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
        m.submodules.keys = memory = Memory(shape=8 * LANES, depth=LANE_KEY.size, init=[])
        write, *reads = memory.write_port(granularity=8), *(memory.read_port(domain="comb") for _ in range(2))

        # On the bus: an octet a cycle, the lowest first, while no octet of an order's key is here.
        busy, free, shown, ending, step, address = Signal(), Signal(), Signal(), Signal(), Signal(2), Signal(4)
        row, value = Signal(8 * LANES), Signal(32)
        m.d.comb += [address.eq(Cat(step, self.bus.address[:2])), free.eq(busy & ~self.orders.key_valid)]
        m.d.sync += [row.eq(reads[0].data), shown.eq(free), ending.eq(free & (step == 3)), self.bus.ack.eq(ending)]
        with m.If(self.bus.request):
            m.d.sync += [busy.eq(1), step.eq(0)]
        with m.If(free):
            m.d.sync += [busy.eq(step != 3), step.eq(step + 1)]
        with m.If(shown):
            m.d.sync += value.eq(Cat(value[8:], row.word_select(self.bus.address[2:5], 8)))
        m.d.comb += [
            write.addr.eq(address),
            write.data.eq(self.bus.data.word_select(step, 8).replicate(LANES)),
            write.en.eq((free & self.bus.write) << self.bus.address[2:5]),
            reads[0].addr.eq(Mux(self.orders.key_valid, self.orders.key_index, address)),
            reads[1].addr.eq(self.back.key_index),
            self.bus.value.eq(value),
        ]
        self._compare(m, self.orders, reads[0].data, LAST["orders"])
        self._compare(m, self.back, reads[1].data, LAST["back"])
        return m

    def _compare(self, m, lookup, keys, last_index):
        """Answer in one direction: `keys` has the octet of every lane."""
        equal, port = Signal(LANES * 4), Signal()  # each two bits of an octet
        last, checked, valid, matches, hits = Signal(), Signal(), Signal(), Signal(LANES), Signal(LANES)
        index = lookup.key_index
        m.d.sync += [
            *(
                equal[pair].eq(keys.word_select(pair, 2) == lookup.key_octet.word_select(pair % 4, 2))
                for pair in range(LANES * 4)
            ),
            port.eq(index[1:] == SOURCE_PORT // 2),
            valid.eq(lookup.key_valid),
            last.eq(lookup.key_valid & (index == last_index)),
            checked.eq(last),
            lookup.found.eq(checked),
        ]
        for number in range(LANES):
            same = equal.word_select(number, 4).all() | (port & self.tcp_lanes[number])
            with m.If(lookup.key_valid & (index == 0)):
                m.d.sync += matches[number].eq(1)
            with m.Elif(valid):
                m.d.sync += matches[number].eq(matches[number] & same)
        m.d.comb += hits.eq(matches & self.enable & ~(self.tcp_lanes ^ lookup.tcp.replicate(LANES)))
        with m.If(checked):
            m.d.sync += lookup.found_lane.eq(NO_LANE)
            for number in reversed(range(LANES)):
                with m.If(hits[number]):
                    m.d.sync += lookup.found_lane.eq(number)

"""What the filter learns from a server's SYN, so that it can answer in both directions: where its frames come from."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.checksum import InternetSum
from hdl.wire.ethernet import Protocol
from hdl.wire.verdict import LANES

# Where an octet stands in a slot, which is the frame of an RST with room for two tags: what the filter learns is in its
# place, and the places between them are for what every RST has. Two things that change places between the directions
# differ by an exclusive or: the MAC addresses, the IP addresses, the ports.
DESTINATION, SOURCE = 0, 8  # MAC addresses of the server's frames
TAGS = 16  # the outer one; the inner one behind it
TAG_COUNT = 24
TYPE = 30
HEADER = 32  # of IPv4
CHECKSUM = HEADER + 10
ADDRESSES = HEADER + 12
PORTS = HEADER + 20
PLACES = 64

SLOTS = LANES + 2  # one for each lane, one that is being written, one at rest
Slots = data.ArrayLayout(unsigned(4), LANES)

# The words of an RST's IPv4 header before the checksum: 40 octets, identification 0, not to be fragmented, 64 hops.
RESET_HEADER = (0x4500, 40, 0, 0x4000, 64 << 8 | Protocol.TCP)

_KEY_ADDRESSES, _KEY_PORTS = 4, 12  # the numbers of their octets in a lane's key


class Addresses(wiring.Component):
    """Learns the addresses of a lane's SYN: MAC, tags as they came, IPv4, ports.

    Every frame is written into the slot that is free; ``learn`` makes that slot its lane's, and another one free. What
    a lane had before stays readable for one more frame, so that an RST that is being built keeps its addresses. The
    memory is the readers': each has one and follows ``write_en``, ``write_addr`` and ``write_data``.

    Of a frame without a whole key, or without three more octets, a slot holds something else: it must not be learnt.

    Members
    -------
    octet, valid, start : In
        The stream of `GmiiRx`.
    key_octet, key_index, key_valid, tags : In
        Of `Headers`: the octets of the lane key as it hands them on, and the number of tags.
    learn, lane : In(1), In(3)
        The frame that has just ended was a SYN of this lane, and was kept: in the cycle after `end`.
    slots : Out(Slots)
        The slot of each lane.
    write_en, write_addr, write_data : Out(1), Out(10), Out(8)
        The octet's place is in bits 5..0 of the address, its slot above them.
    """

    octet: In(8)
    valid: In(1)
    start: In(1)
    key_octet: In(8)
    key_index: In(4)
    key_valid: In(1)
    tags: In(2)
    learn: In(1)
    lane: In(3)
    slots: Out(Slots, init=range(LANES))
    write_en: Out(1)
    write_addr: Out(10)
    write_data: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.sum = header_sum = InternetSum(seed=sum(RESET_HEADER) % 0xFFFF)
        free, spare = Signal(4, init=LANES), Signal(4, init=LANES + 1)
        place, next_place, reading = Signal(6), Signal(6), Signal()  # in the Ethernet header, tags or not
        m.d.comb += place.eq(Mux(self.start, DESTINATION, next_place))
        with m.If(self.valid):
            m.d.sync += [reading.eq((self.start | reading) & (place != TAGS + 7)), next_place.eq(place + 1)]
            with m.If(place == DESTINATION + 5):
                m.d.sync += next_place.eq(SOURCE)
            with m.If(place == SOURCE + 5):
                m.d.sync += next_place.eq(TAGS)

        is_address, is_port = Signal(), Signal()
        m.d.comb += [
            is_port.eq(self.key_valid & (self.key_index >= _KEY_PORTS)),
            is_address.eq(self.key_valid & (self.key_index >= _KEY_ADDRESSES) & ~is_port),
            # The ports count as 0: they bring in the last carry.
            header_sum.octet.eq(Mux(is_address, self.key_octet, 0)),
            header_sum.low.eq(self.key_index[0]),
            header_sum.add.eq(is_address | is_port),
            header_sum.clear.eq(self.start),
        ]

        # The Ethernet header is through long before the key, and the key before what is worked out.
        behind = Signal(3)
        m.d.sync += behind.eq(Cat(is_port & self.key_index.all(), behind))
        where, what = Signal(6), Signal(8)
        m.d.comb += [where.eq(place), what.eq(self.octet)]
        with m.If(is_address | is_port):
            m.d.comb += [where.eq(ADDRESSES - _KEY_ADDRESSES + self.key_index), what.eq(self.key_octet)]
        for number, (goes_to, octet) in enumerate(
            [(CHECKSUM, ~header_sum.total[8:]), (CHECKSUM + 1, ~header_sum.total[:8]), (TAG_COUNT, self.tags)]
        ):
            with m.If(behind[number]):
                m.d.comb += [where.eq(goes_to), what.eq(octet)]
        m.d.sync += [
            self.write_en.eq(self.valid & (self.start | reading) | is_address | is_port | behind.any()),
            self.write_addr.eq(Cat(where, free)),
            self.write_data.eq(what),
        ]

        with m.If(self.learn):
            m.d.sync += [self.slots[self.lane].eq(free), free.eq(spare), spare.eq(self.slots[self.lane])]
        return m

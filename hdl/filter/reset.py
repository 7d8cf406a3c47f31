"""Builds RSTs: frames that end a session of a lane, towards the exchange or towards its server."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.addresses import (
    ADDRESSES,
    CHECKSUM,
    HEADER,
    PLACES,
    PORTS,
    RESET_HEADER,
    SLOTS,
    SOURCE,
    TAG_COUNT,
    TAGS,
    TYPE,
    Slots,
)
from hdl.filter.checksum import InternetSum
from hdl.filter.memory import Memory
from hdl.wire.ethernet import EtherType, Protocol, TcpFlag

RESET_OCTETS = 66  # with FCS: as long as it must be with two tags, and padded with fewer

_NUMBERS = PORTS + 4  # sequence and acknowledgment
_OFFSET = PORTS + 12
_TCP_CHECKSUM = PORTS + 16
_PADDING = PORTS + 20
_OFFSET_FLAGS = 5 << 12 | 1 << TcpFlag.RST | 1 << TcpFlag.ACK
_WORDS = {TYPE: EtherType.IPV4, _OFFSET: _OFFSET_FLAGS} | {HEADER + 2 * n: word for n, word in enumerate(RESET_HEADER)}


class Reset(wiring.Component):
    """Builds the octets of an RST, from destination address to padding, with addresses learnt from a lane's SYN.

    Ethernet, the tags as they came, IPv4 and TCP: RST and ACK, window 0, both checksums right. Towards the server the
    addresses and ports of the SYN change places. It takes 62 octets with two tags, fewer else; from there on the octets
    are 0, as many as are fetched: the FCS is somebody else's matter. It never rests in between: a frame takes
    ``fetch`` in consecutive cycles. An RST for a lane that has learnt nothing is all zero in its addresses.

    Members
    -------
    write_en, write_addr, write_data, slots : In
        Of `Addresses`.
    begin : In(1)
        Strobe: takes lane and direction, and the numbers a cycle later; the first ``fetch`` comes 3 cycles later or
        after that.
    lane, to_server, sequence, acknowledgment : In(3), In(1), In(32), In(32)
    fetch : In(1)
        Takes an octet.
    octet : Out(8)
        The octet fetched three cycles ago.
    """

    write_en: In(1)
    write_addr: In(10)
    write_data: In(8)
    slots: In(Slots)
    begin: In(1)
    lane: In(3)
    to_server: In(1)
    sequence: In(32)
    acknowledgment: In(32)
    fetch: In(1)
    octet: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(8, SLOTS * PLACES)
        # The pseudo header's own words; the rest of it, and of the TCP header, as it passes.
        m.submodules.sum = tcp_sum = InternetSum(seed=Protocol.TCP + 20)
        m.d.comb += [
            memory.write_en.eq(self.write_en),
            memory.write_addr.eq(self.write_addr),
            memory.write_data.eq(self.write_data),
        ]

        slot, swapped, numbers, tags = Signal(4), Signal(), Signal(64), Signal(2)
        place, begun = Signal(range(_PADDING + 1)), Signal(3)
        m.d.sync += begun.eq(Cat(self.begin, begun))
        with m.If(begun[0]):
            m.d.sync += numbers.eq(Cat(self.acknowledgment, self.sequence))
        with m.If(begun[2]):
            m.d.sync += tags.eq(memory.read_data)
        with m.If(self.begin):
            m.d.sync += [
                slot.eq(self.slots[self.lane]),
                swapped.eq(self.to_server),
                place.eq(0),
            ]
        with m.Elif(self.fetch):
            m.d.sync += place.eq(place + 1)
            with m.Switch(place):
                with m.Case(5):
                    m.d.sync += place.eq(SOURCE)
                with m.Case(SOURCE + 5):
                    m.d.sync += place.eq(Mux(tags == 0, TYPE, TAGS))
                with m.Case(TAGS + 3):
                    m.d.sync += place.eq(Mux(tags == 1, TYPE, TAGS + 4))
                with m.Case(TAGS + 7):
                    m.d.sync += place.eq(TYPE)
                with m.Case(_PADDING):
                    m.d.sync += place.eq(_PADDING)

        source = Signal(6)
        m.d.comb += source.eq(place)
        with m.If(begun[0]):
            m.d.comb += source.eq(TAG_COUNT)
        with m.Elif(swapped):
            with m.Switch(place[2:]):
                with m.Case(*range(TAGS // 4)):
                    m.d.comb += source.eq(place ^ SOURCE)
                with m.Case(ADDRESSES // 4, ADDRESSES // 4 + 1):
                    m.d.comb += source.eq(place ^ ADDRESSES ^ (ADDRESSES + 4))
                with m.Case(PORTS // 4):
                    m.d.comb += source.eq(place ^ 2)
        m.d.comb += memory.read_addr.eq(Cat(source, slot))

        # What an octet is made of is worked out while the memory looks for it.
        on_the_way, fixed = Signal.like(place), Signal(8)
        is_learnt, is_summed, is_check, low = (Signal() for _ in range(4))
        m.d.sync += [
            on_the_way.eq(place),
            low.eq(on_the_way[0]),
            is_learnt.eq((on_the_way < TYPE) | (on_the_way >= CHECKSUM) & (on_the_way < _NUMBERS)),
            is_summed.eq((on_the_way >= ADDRESSES) & (on_the_way < _TCP_CHECKSUM)),
            is_check.eq(on_the_way[1:] == _TCP_CHECKSUM >> 1),
            fixed.eq(0),
        ]
        with m.If((on_the_way >= _NUMBERS) & (on_the_way < _OFFSET)):
            m.d.sync += fixed.eq(numbers.word_select(~on_the_way[:3], 8))
        with m.Switch(on_the_way):
            for first, word in _WORDS.items():
                for at, octet in ((first, word >> 8), (first + 1, word & 0xFF)):
                    with m.Case(at):
                        m.d.sync += fixed.eq(octet)
        with m.If(is_learnt):
            m.d.sync += self.octet.eq(memory.read_data)
        with m.Elif(is_check):
            m.d.sync += self.octet.eq(~Mux(low, tcp_sum.total[:8], tcp_sum.total[8:]))
        with m.Else():
            m.d.sync += self.octet.eq(fixed)

        # The window, which is 0, brings in the last carry.
        m.d.sync += [tcp_sum.add.eq(is_summed), tcp_sum.low.eq(low)]
        m.d.comb += [tcp_sum.octet.eq(self.octet), tcp_sum.clear.eq(self.begin)]
        return m

"""The UDP datagram that a packet carries: its length, its checksum and where its payload is."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.checksum import InternetSum
from hdl.filter.packet import Packet
from hdl.wire.ethernet import Protocol


class Datagram(wiring.Component):
    """Reads what a packet carries as a UDP datagram, whatever its protocol is.

    Members
    -------
    packet : In(Packet)
    length_right : Out(1)
        Strobe, with octet 7: the UDP length is what the IP header leaves, and the UDP header was all there.
    checksum_right : Out(1)
        From two cycles after the last octet to the end of the frame: the checksum is right and not 0 (none).
    begins : Out(1)
        The cycle after octet 7, the last one of the UDP header.
    payload : Out(1)
        The octet of this cycle is payload.
    """

    packet: In(Packet)
    length_right: Out(1)
    checksum_right: Out(1)
    begins: Out(1)
    payload: Out(1)

    def elaborate(self, platform):
        m = Module()
        packet, place = self.packet, self.packet.place
        in_header = Signal()
        m.d.comb += [in_header.eq(packet.inner & ~packet.deep), self.payload.eq(packet.inner & packet.deep)]
        m.d.sync += self.begins.eq(in_header & (place == 7))

        expected, high_right, right = Signal(16), Signal(), Signal()
        m.d.comb += self.length_right.eq(in_header & (place == 7) & right)
        with m.If(in_header):
            with m.Switch(place):
                with m.Case(0):
                    m.d.sync += expected.eq(packet.left)
                with m.Case(4):
                    m.d.sync += high_right.eq(packet.octet == expected[8:])
                with m.Case(5):
                    m.d.sync += right.eq(high_right & (packet.octet == expected[:8]))

        # The sum is a cycle behind the octets. Of the header it takes source and destination; the length is in the
        # pseudo header too.
        m.submodules.sum = total = InternetSum(seed=Protocol.UDP)
        in_addresses = (place[2:] == 3) | (place[2:] == 4)
        m.d.sync += [
            total.octet.eq(packet.octet),
            total.low.eq(place[0]),
            total.add.eq((packet.header & in_addresses) | packet.inner),
            total.twice.eq(in_header & (place[1:] == 2)),
        ]
        given, settled = Signal(), Signal()  # the checksum is not 0; the last octet is in the sum
        with m.If(in_header & (place[1:] == 3)):
            m.d.sync += given.eq((packet.octet != 0) | (place[0] & given))
        m.d.sync += settled.eq(packet.whole)
        m.d.comb += [total.clear.eq(packet.end), self.checksum_right.eq(settled & total.right & given)]

        with m.If(packet.end):
            m.d.sync += [settled.eq(0), given.eq(0)]
        return m

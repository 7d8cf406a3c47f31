"""The TCP segment that a packet carries: its header, its options, its checksum and where its payload is."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.checksum import InternetSum
from hdl.filter.options import Options
from hdl.filter.packet import Packet
from hdl.wire.ethernet import TCP_OPTION_MPTCP, Protocol, TcpFlag


class _Part(enum.Enum):
    FIXED = 0  # the first 20 octets
    OPTIONS = 1
    PAYLOAD = 2
    WRONG = 3  # the data offset is below 5


class Segment(wiring.Component):
    """Reads what a packet carries as a TCP segment, whatever its protocol is.

    The header begins with octet t, in cycle t, and its payload with octet q = t + 4 * offset. The fields of a header
    stay until the next packet's octets overwrite them; those that the packet ended too early to show are old. In a
    frame of at least 64 octets with 4 octets behind the packet, the three that are right are so before ``end``.

    Members
    -------
    packet : In(Packet)
    source_port, destination_port, sequence, acknowledgment : Out
        Right from cycles t + 4, t + 4, t + 8 and t + 12.
    tcp_flags : Out(8)
        Bits numbered as `TcpFlag`; right from t + 14.
    payload_length : Out(11)
        Octets of payload by the IP total length, modulo 2048; right from t + 14 if the header lies within the packet.
    check_high, check_low : Out(1)
        The octet of this cycle is t + 16 or t + 17, the checksum.
    soon : Out(1)
        Strobe, in cycle q - 2: octets of payload should follow. The options may still turn out wrong.
    begins : Out(1)
        Cycle q, if the header is right.
    payload : Out(1)
        The octet of this cycle is payload, and the header is right.
    header_right : Out(1)
        From q on: the data offset is at least 5, the header lies within the packet, the options are whole and there is
        no MPTCP.
    flags_right : Out(1)
        From q on, whatever the options are: a combination of flags that may pass. At least one of SYN, RST and ACK,
        never URG; with SYN no payload, FIN, RST or ACK; with RST no payload or FIN.
    checksum_right : Out(1)
        From two cycles after the last octet on.
    """

    packet: In(Packet)
    source_port: Out(16)
    destination_port: Out(16)
    sequence: Out(32)
    acknowledgment: Out(32)
    tcp_flags: Out(8)
    payload_length: Out(11)
    check_high: Out(1)
    check_low: Out(1)
    soon: Out(1)
    begins: Out(1)
    payload: Out(1)
    header_right: Out(1)
    flags_right: Out(1)
    checksum_right: Out(1)

    def elaborate(self, platform):
        m = Module()
        packet, octet, place, inner = self.packet, self.packet.octet, self.packet.place, self.packet.inner
        part = Signal(_Part)
        in_fixed, in_options, over = Signal(), Signal(), Signal()
        m.d.comb += [
            in_fixed.eq(inner & (part == _Part.FIXED)),
            in_options.eq(inner & (part == _Part.OPTIONS)),
            over.eq(part == _Part.PAYLOAD),
        ]

        # The fields, each from a register of the last octets.
        size, offset, last_word = Signal(16), Signal(4), Signal(4)
        word, before = Signal(32), Signal(24)
        m.d.comb += word.eq(Cat(octet, before))
        m.d.sync += before.eq(word)
        with m.If(in_fixed & (place == 0)):
            m.d.sync += size.eq(packet.left)
        # Where a field ends is known an octet before.
        fields = {
            3: [self.source_port.eq(word[16:]), self.destination_port.eq(word[:16])],
            7: [self.sequence.eq(word)],
            11: [self.acknowledgment.eq(word)],
            12: [offset.eq(octet[4:]), last_word.eq(octet[4:] - 1)],
            13: [self.tcp_flags.eq(octet)],
        }
        for end, field in fields.items():
            ends = Signal(name=f"ends_{end}")
            with m.If(inner):
                m.d.sync += ends.eq(in_fixed & (place == end - 1))
            with m.If(inner & ends):
                m.d.sync += field
            with m.If(packet.end):
                m.d.sync += ends.eq(0)
        m.d.comb += [self.check_high.eq(in_fixed & (place == 16)), self.check_low.eq(in_fixed & (place == 17))]

        # What the header leaves; negative where it reaches beyond the packet.
        rest, filled = Signal(signed(17)), Signal()
        m.d.sync += [rest.eq(size - (offset << 2)), filled.eq(rest > 0)]
        m.d.comb += self.payload_length.eq(rest[:11])

        # From octet 16 on the offset is known. It is at most 60, so that `place` can't come round within the header.
        in_last = Signal()
        m.d.comb += in_last.eq(((in_fixed & place[4]) | in_options) & (place[2:] == last_word))
        begins = Signal()
        m.d.sync += [begins.eq(in_last & (place[:2] == 3)), self.soon.eq(in_last & (place[:2] == 1) & filled)]
        with m.If(in_last & (place[:2] == 3)):
            m.d.sync += part.eq(_Part.PAYLOAD)
        with m.Elif(in_fixed & (place == 19)):
            m.d.sync += part.eq(Mux(offset < 5, _Part.WRONG, _Part.OPTIONS))

        m.submodules.options = options = Options(refused=(TCP_OPTION_MPTCP,))
        m.d.comb += [
            options.octet.eq(octet),
            options.valid.eq(in_options),
            options.clear.eq(packet.end),
            self.begins.eq(begins & options.right),
            self.payload.eq(inner & over & options.right),
            self.header_right.eq(over & options.right),
        ]

        fin, syn, rst, ack, urg = (
            self.tcp_flags[flag] for flag in (TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST, TcpFlag.ACK, TcpFlag.URG)
        )
        flags_right = Signal()
        m.d.sync += flags_right.eq(
            ~urg & (syn | rst | ack) & ~(syn & (filled | fin | rst | ack)) & ~(rst & (filled | fin))
        )
        m.d.comb += self.flags_right.eq(over & flags_right)

        self._checksum(m)
        with m.If(packet.end):
            m.d.sync += [part.eq(_Part.FIXED), begins.eq(0), self.soon.eq(0)]
        return m

    def _checksum(self, m):
        """The sum, a cycle behind the octets.

        The length in the pseudo header is the packet's total length less its header's. The former is added as it
        passes, and of the latter the one's complement: 0xFF00 is in the seed, the low octet comes in place of the first
        octet of the header, which says how long it is.
        """
        packet, place = self.packet, self.packet.place
        m.submodules.sum = total = InternetSum(seed=0xFF00 + Protocol.TCP)
        first, in_total, in_addresses = Signal(), Signal(), Signal()
        m.d.comb += [
            first.eq(packet.header & (place == 0)),
            in_total.eq(place[1:] == 1),
            in_addresses.eq((place[2:] == 3) | (place[2:] == 4)),
        ]
        header_length = Cat(Const(0, 2), packet.octet[:4], Const(0, 2))
        settled = Signal()  # the last octet is in the sum
        m.d.sync += [
            total.octet.eq(Mux(first, ~header_length, packet.octet)),
            total.low.eq(place[0] | first),
            total.add.eq(first | (packet.header & (in_total | in_addresses)) | packet.inner),
            settled.eq(packet.whole & ~packet.end),
        ]
        m.d.comb += [total.clear.eq(packet.end), self.checksum_right.eq(settled & total.right)]

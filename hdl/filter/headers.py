"""The headers of a frame: Ethernet, VLAN tags and IPv4, and what there is of the packet inside."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.filter.checksum import InternetSum
from hdl.filter.datagram import Datagram
from hdl.filter.options import Options
from hdl.filter.packet import Packet
from hdl.filter.segment import Segment
from hdl.wire.ethernet import LONGEST, MOST_TAGS, OPTION_LSRR, OPTION_SSRR, TAGS, EtherType, Protocol
from hdl.wire.verdict import NO_LANE, Reason

FLAGS = Reason.FRAMING + 1  # bit numbers are reasons
_TYPES = (*TAGS, EtherType.IPV4, EtherType.ARP)  # that are told from others


class _Section(enum.Enum):
    MAC = 0
    TYPE_HIGH = 1
    TYPE_LOW = 2
    TAG_HIGH = 3
    TAG_LOW = 4
    HEADER = 5  # of IPv4
    PAYLOAD = 6  # of IPv4
    REST = 7  # padding, FCS, and everything that is not understood


class Headers(wiring.Component):
    """Reads the headers as they pass, says what is wrong with them, and hands on the payload of a lane's frame.

    Every failure of the frame is in ``flags``, which are right with ``end`` for a frame of at least 64 octets; those of
    a shorter one say nothing. What the frame ended too early to show counts as failed. A wrong version, a header length
    below 5, a total length below the header's, a fragment and an unknown protocol also keep the frame from having a
    lane and a payload, and a wrong TCP header from having a payload; any other failure only raises its flag. IP_HEADER
    also means that the header reaches into the FCS.

    An octet at ``next_octet`` in cycle c - 1 belongs to cycle c, in which ``valid`` says whether it is one, and is at
    ``payload_octet`` in c + 1. Octet k of the frame belongs to cycle k; t and q are the first octets of the transport
    header and of the payload. No frame, however it is cut, changes the reading of the next. There is no backpressure.

    Parameters
    ----------
    back : bool
        The frames come from the exchange: source and destination change places in the key.

    Members
    -------
    next_octet, valid, start, end, length : In
        The stream of `GmiiRx`, whose octets last without a gap: what an octet says is known a cycle before.
    policy : In(2)
        Bit 0: ARP passes; bit 1: ICMP passes.
    key_octet, key_index, key_valid : Out(8), Out(4), Out(1)
        The frame's lane key to `Lanes`, octet by octet in the order of the frame; not ended where the frame can have no
        lane. With `back`, octets 8 to 11 come before 4 to 7, and 14 and 15 before 12 and 13.
    found, found_lane : In(1), In(4)
        From `Lanes`, three cycles after the last octet of the key.
    open : Out(1)
        Strobe, in cycle 12 of a frame of at least 12 octets.
    lane : Out(4)
        8, for none, from ``open`` on; right from t + 8 to the next ``open``.
    owned, located : Out(1)
        Strobes, in cycle t + 8 of a frame that has a lane; and is TCP.
    source_port, destination_port, sequence, acknowledgment, tcp_flags, payload_length : Out
        Of a TCP frame, as `Segment` says; the first three are right with ``located``, and all stay beyond the next
        ``open``.
    soon : Out(1)
        Strobe, in cycle q - 2 of a lane's TCP frame whose payload is not empty. Wrong options and the end of the frame
        can still keep the payload away.
    check_high, check_low : Out(1)
        At ``payload_octet`` is octet t + 16 or t + 17, the checksum of a lane's TCP frame.
    payload_octet, payload_valid : Out(8), Out(1)
        The payload of a frame that has a lane, bounded by the IP total length and by the end of the frame; it stops
        where the frame becomes a giant.
    payload_follows : Out(1)
        Combinational: ``payload_valid`` of the next cycle.
    payload_start : Out(1)
        With the first octet of the payload, or alone where the payload is empty.
    payload_last : Out(1)
        With the last octet; never, if the frame ended first.
    tags : Out(2)
        VLAN tags so far, 0 to 2; stays to the next ``start``.
    tcp : Out(1)
        The frame is TCP; from the IP header's protocol to ``end``.
    flags : Out(29)
        Bits numbered as `Reason`. RUNT, RX_ERROR, FCS, OVERFLOW and FENCED to FRAMING are others' and stay 0.
    """

    next_octet: In(8)
    valid: In(1)
    start: In(1)
    end: In(1)
    length: In(11)
    policy: In(2)
    key_octet: Out(8)
    key_index: Out(4)
    key_valid: Out(1)
    found: In(1)
    found_lane: In(4)
    open: Out(1)
    lane: Out(4, init=NO_LANE)
    owned: Out(1)
    located: Out(1)
    source_port: Out(16)
    destination_port: Out(16)
    sequence: Out(32)
    acknowledgment: Out(32)
    tcp_flags: Out(8)
    payload_length: Out(11)
    soon: Out(1)
    check_high: Out(1)
    check_low: Out(1)
    payload_octet: Out(8)
    payload_valid: Out(1)
    payload_follows: Out(1)
    payload_last: Out(1)
    payload_start: Out(1)
    tags: Out(2)
    tcp: Out(1)
    flags: Out(FLAGS)

    def __init__(self, *, back: bool = False):
        self.back = back
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        octet, valid = Signal(8), self.valid
        m.d.sync += octet.eq(self.next_octet)
        section, place = Signal(_Section), Signal(6)
        in_header, in_payload = Signal(), Signal()
        m.d.comb += [
            in_header.eq(valid & (section == _Section.HEADER)),
            in_payload.eq(valid & (section == _Section.PAYLOAD)),
        ]

        # The octet is this value; it is the second one of such an ethertype.
        values = {*Protocol, *(number >> 8 for number in _TYPES)}
        same = {int(value): Signal(name=f"is_{int(value):02x}") for value in sorted(values)}
        m.d.sync += [flag.eq(self.next_octet == value) for value, flag in same.items()]
        types = {number: Signal(name=f"is_{number.name.lower()}") for number in (EtherType.IPV4, EtherType.ARP)}
        is_tag = Signal()
        ends = {number: same[number >> 8] & (self.next_octet == number & 0xFF) for number in _TYPES}
        m.d.sync += [flag.eq(ends[number]) for number, flag in types.items()]
        m.d.sync += is_tag.eq(Cat(ends[tag] for tag in TAGS).any())

        vids = [Signal(12, name="outer_vid"), Signal(12, name="inner_vid")]
        first_words, header_last = Signal(4), Signal()  # words of the header that follow; its last octet is here
        left, final = Signal(16), Signal()  # octets of the packet; its last one is here
        opaque, deep = Signal(), Signal()  # no lane; behind the first eight octets of the payload
        whole = Signal()  # the packet has ended

        # Counting, wherever it has begun: what is used of it is set in time.
        with m.If(valid):
            m.d.sync += [
                place.eq(place + 1),
                left.eq(left - 1),
                final.eq(left == 2),
                header_last.eq((place[:2] == 2) & (first_words == 0)),
            ]
            with m.If(place[:2] == 3):
                m.d.sync += first_words.eq(first_words - 1)

            with m.Switch(section):
                with m.Case(_Section.MAC):
                    with m.If(place == 11):
                        m.d.sync += section.eq(_Section.TYPE_HIGH)
                with m.Case(_Section.TYPE_HIGH):
                    m.d.sync += section.eq(_Section.TYPE_LOW)
                with m.Case(_Section.TYPE_LOW):
                    self._type(m, is_tag, types, section, place)
                with m.Case(_Section.TAG_HIGH):
                    for number, vid in enumerate(vids, 1):
                        with m.If(self.tags == number):
                            m.d.sync += vid[8:].eq(octet)
                    m.d.sync += section.eq(_Section.TAG_LOW)
                with m.Case(_Section.TAG_LOW):
                    for number, vid in enumerate(vids, 1):
                        with m.If(self.tags == number):
                            m.d.sync += vid[:8].eq(octet)
                    m.d.sync += section.eq(_Section.TYPE_HIGH)
                with m.Case(_Section.PAYLOAD):
                    with m.If(place == 7):
                        m.d.sync += deep.eq(1)
                    with m.If(final):
                        m.d.sync += [section.eq(_Section.REST), whole.eq(1)]
        self._header(m, octet, same, in_header, section, place, first_words, left, final, opaque)
        with m.If(in_header & header_last):
            m.d.sync += [section.eq(Mux(final, _Section.REST, _Section.PAYLOAD)), place.eq(0), whole.eq(final)]

        packet = Packet.create()
        m.d.comb += [
            packet.octet.eq(octet),
            packet.header.eq(in_header),
            packet.inner.eq(in_payload),
            packet.place.eq(place),
            packet.deep.eq(deep),
            packet.left.eq(left),
            packet.whole.eq(whole),
            packet.end.eq(self.end),
        ]
        ports = Signal()  # they are here, in a packet of a lane
        m.d.sync += ports.eq(~final & Mux(ports, valid & (place[:2] != 3), in_header & header_last & ~opaque))
        self._key(m, octet, in_header, valid & ports, place, vids)
        self._header_right(m, in_header, header_last, place)
        self._transport(m, packet, final)

        # Four octets, the FCS, must follow the packet.
        behind = Signal(3)
        with m.If(valid):
            m.d.sync += behind.eq(Cat(whole, behind))
            with m.If(behind[2]):
                m.d.sync += self.flags[Reason.IP_LENGTH].eq(0)

        giant_length = Signal(11)
        m.d.sync += giant_length.eq(LONGEST + 1 + 4 * self.tags)
        with m.If(valid & (self.length == giant_length)):
            m.d.sync += self.flags[Reason.GIANT].eq(1)

        # Until `open` what follows a verdict may still ask for the lane.
        opens = Signal()
        m.d.comb += opens.eq(valid & (section == _Section.MAC) & (place == 11))
        m.d.sync += self.open.eq(opens)
        with m.If(opens):
            m.d.sync += self.lane.eq(NO_LANE)
        with m.If(self.start):
            m.d.sync += self.tags.eq(0)
        with m.If(self.end):
            m.d.sync += [section.eq(_Section.MAC), place.eq(0), whole.eq(0), behind.eq(0), self.flags.eq(0)]
            m.d.sync += [vid.eq(0) for vid in vids]
            m.d.sync += [opaque.eq(0), self.tcp.eq(0), deep.eq(0)]
        return m

    def _type(self, m, is_tag, types, section, place):
        """The second octet of an ethertype is here."""
        flags = self.flags
        m.d.sync += [section.eq(_Section.REST), place.eq(0)]
        with m.If(is_tag):
            with m.If(self.tags == MOST_TAGS):
                m.d.sync += flags[Reason.VLAN_DEPTH].eq(1)
            with m.Else():
                m.d.sync += [self.tags.eq(self.tags + 1), section.eq(_Section.TAG_HIGH)]
        with m.Elif(types[EtherType.IPV4]):
            m.d.sync += [
                section.eq(_Section.HEADER),
                flags[Reason.IP_HEADER].eq(1),
                flags[Reason.IP_LENGTH].eq(1),
            ]
        with m.Elif(types[EtherType.ARP]):
            m.d.sync += flags[Reason.POLICY].eq(~self.policy[0])
        with m.Else():
            m.d.sync += flags[Reason.ETHERTYPE].eq(1)

    def _header(self, m, octet, same, in_header, section, place, first_words, left, final, opaque):
        """The IPv4 header, of which every octet's number, and what it says, is known a cycle before."""
        flags, words = self.flags, Signal(4)
        high, strange, short, some_low, some = Signal(8), Signal(), Signal(), Signal(), Signal()
        at = {number: Signal(name=f"at_{number}") for number in (2, 3, 4, 6, 7, 9)}
        m.d.sync += [
            *(flag.eq(in_header & (place == number - 1)) for number, flag in at.items()),
            strange.eq((self.next_octet[4:] != 4) | (self.next_octet[:4] < 5)),
            short.eq((Cat(octet, high)[6:] == 0) & (octet[2:6] < words)),
            some_low.eq(self.next_octet[:6] != 0),
            some.eq(self.next_octet != 0),
        ]
        with m.If(in_header):
            with m.If(place == 0):
                m.d.sync += [words.eq(octet[:4]), first_words.eq(octet[:4] - 1)]
                with m.If(strange):
                    m.d.sync += section.eq(_Section.REST)
            with m.If(at[2]):
                m.d.sync += high.eq(octet)
            with m.If(at[3]):
                m.d.sync += [left.eq(Cat(octet, high) - 4), final.eq(0)]
            with m.If(at[4] & short):
                m.d.sync += section.eq(_Section.REST)
            # More fragments, or some of the offset.
            with m.If((at[6] & some_low) | (at[7] & some)):
                m.d.sync += [flags[Reason.FRAGMENT].eq(1), opaque.eq(1)]
            with m.If(at[9]):
                with m.If(same[Protocol.UDP]):
                    for reason in (Reason.NO_LANE, Reason.UDP_LENGTH, Reason.UDP_CHECKSUM):
                        m.d.sync += flags[reason].eq(1)
                with m.Elif(same[Protocol.TCP]):
                    m.d.sync += self.tcp.eq(1)
                    for reason in (Reason.NO_LANE, Reason.TCP_HEADER, Reason.TCP_FLAGS, Reason.TCP_CHECKSUM):
                        m.d.sync += flags[reason].eq(1)
                with m.Elif(same[Protocol.ICMP]):
                    m.d.sync += [opaque.eq(1), flags[Reason.POLICY].eq(~self.policy[1])]
                with m.Else():
                    m.d.sync += [opaque.eq(1), flags[Reason.PROTOCOL].eq(1)]

    def _key(self, m, octet, in_header, in_ports, place, vids):
        """The VIDs go while octets 0 to 3 of the IP header pass, addresses and ports as they pass."""
        vid_octets = Cat(*[part for vid in vids for part in (vid[8:], Const(0, 4), vid[:8])])
        in_vids, in_addresses, second = Signal(), Signal(), Signal()  # `second`: behind the checksum, if in the header
        m.d.sync += second.eq(in_header & (place >= 11) & (place < 19))
        m.d.comb += [
            in_vids.eq(in_header & (place[2:] == 0)),
            in_addresses.eq(in_header & second),
        ]
        addresses, ports = (4, 14) if self.back else (8, 12)
        waiting = Signal()  # for the answer to a whole key
        m.d.sync += [
            self.key_octet.eq(Mux(in_vids, vid_octets.word_select(place[:2], 8), octet)),
            self.key_valid.eq(in_vids | in_addresses | in_ports),
            # 0 to 3, then 12 to 19 as 4 to 11, then 0 to 3 as 12 to 15
            self.key_index.eq(Mux(in_vids, place[:2], Mux(in_addresses, place[:4] ^ addresses, place[:2] ^ ports))),
        ]
        with m.If(in_ports & (place[:2] == 3)):
            m.d.sync += waiting.eq(1)
        m.d.sync += [self.owned.eq(0), self.located.eq(0)]
        with m.If(waiting & self.found & ~self.end):
            m.d.sync += [self.lane.eq(self.found_lane), waiting.eq(0)]
            m.d.sync += self.flags[Reason.NO_LANE].eq(self.found_lane[3])
            m.d.sync += [self.owned.eq(~self.found_lane[3]), self.located.eq(self.tcp & ~self.found_lane[3])]
        with m.If(self.end):
            m.d.sync += waiting.eq(0)

    def _header_right(self, m, in_header, header_last, place):
        """The checksum and the options of the IPv4 header, a cycle behind the octets."""
        m.submodules.header_sum = header_sum = InternetSum()
        m.submodules.options = options = Options(refused=(OPTION_LSRR, OPTION_SSRR))
        m.d.sync += [
            header_sum.low.eq(place[0]),
            header_sum.add.eq(in_header),
            options.valid.eq(in_header & (place[2:] >= 5)),
        ]
        for part in (header_sum, options):
            m.d.comb += [part.octet.eq(self.payload_octet), part.clear.eq(self.end)]

        # Two cycles after the last octet of the header both are final. They are asked when four octets have followed:
        # the header does not reach into the FCS then.
        header_right, passed, behind = Signal(), Signal(), Signal(3)
        m.d.sync += header_right.eq(header_sum.right & options.right)
        with m.If(self.valid):
            m.d.sync += [passed.eq(passed | (in_header & header_last)), behind.eq(Cat(passed, behind))]
            with m.If(behind[2] & header_right):
                m.d.sync += self.flags[Reason.IP_HEADER].eq(0)
        with m.If(self.end):
            m.d.sync += [passed.eq(0), behind.eq(0)]

    def _transport(self, m, packet, final):
        """Both readers read every packet; what counts is what the one of its protocol says."""
        m.submodules.datagram = datagram = Datagram()
        m.submodules.segment = segment = Segment()
        connect(m, packet, datagram.packet)
        connect(m, packet, segment.packet)
        for reason, right in (
            (Reason.UDP_LENGTH, datagram.length_right),
            (Reason.UDP_CHECKSUM, datagram.checksum_right),
            (Reason.TCP_HEADER, segment.header_right),
            (Reason.TCP_FLAGS, segment.flags_right),
            (Reason.TCP_CHECKSUM, segment.checksum_right),
        ):
            with m.If(right):
                m.d.sync += self.flags[reason].eq(0)

        for name in ("source_port", "destination_port", "sequence", "acknowledgment", "tcp_flags", "payload_length"):
            m.d.comb += getattr(self, name).eq(getattr(segment, name))

        # Without a lane there is nothing to tell: that keeps other protocols out as well.
        begins, owned, in_tcp = Signal(), Signal(), Signal()
        m.d.comb += [
            owned.eq(~self.lane[3]),
            in_tcp.eq(self.tcp & owned),
            begins.eq(Mux(self.tcp, segment.begins, datagram.begins) & owned),
            self.payload_follows.eq(
                Mux(self.tcp, segment.payload, datagram.payload) & owned & ~self.flags[Reason.GIANT]
            ),
            self.soon.eq(segment.soon & in_tcp & self.valid),
        ]
        m.d.sync += [
            self.check_high.eq(segment.check_high & in_tcp),
            self.check_low.eq(segment.check_low & in_tcp),
            self.payload_start.eq(begins & ~self.end),
            self.payload_octet.eq(packet.octet),
            self.payload_valid.eq(self.payload_follows),
            self.payload_last.eq(self.payload_follows & final),
        ]

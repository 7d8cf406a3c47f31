"""The headers of a frame: Ethernet, VLAN tags, IPv4 and UDP, up to the payload of a lane's datagram."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.checksum import InternetSum
from hdl.filter.options import Options
from hdl.wire.ethernet import LONGEST, MOST_TAGS, TAGS, EtherType, Protocol
from hdl.wire.verdict import NO_LANE, Reason

FLAGS = Reason.FRAMING + 1  # bit numbers are reasons


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
    """Reads the headers as they pass, says what is wrong with them, and hands on the payload of a lane's datagram.

    Every failure of the frame is in ``flags``, which are right with ``end`` for a frame of at least 64 octets; those of
    a shorter one say nothing. What the frame ended too early to show counts as failed. A wrong version, a header length
    below 5, a total length below the header's, a fragment and an unknown protocol also keep the frame from having a
    lane and a payload; any other failure only raises its flag. IP_HEADER also means that the header reaches into the
    FCS.

    An octet at ``octet`` in cycle c is at ``payload_octet`` in c + 1. No state outlives ``end``, so that no frame,
    however it is cut, changes the reading of the next. There is no backpressure.

    Members
    -------
    octet, valid, start, end, length : In
        The stream of `GmiiRx`.
    policy : In(2)
        Bit 0: ARP passes; bit 1: ICMP passes.
    key_octet, key_index, key_valid : Out(8), Out(4), Out(1)
        The frame's lane key, octet by octet and in order, to `Lanes`; not ended where the frame can have no lane.
    found, found_lane : In(1), In(4)
        From `Lanes`, three cycles after octet 15.
    payload_octet, payload_valid : Out(8), Out(1)
        The UDP payload of a frame that has a lane, bounded by the IP total length and by the end of the frame; it stops
        where the frame becomes a giant.
    payload_start : Out(1)
        With the first octet of the payload, or alone where the payload is empty.
    payload_last : Out(1)
        With the last octet; never, if the frame ended first.
    lane : Out(4)
        8, for none, from the first octet of the frame; right from before the payload to the next ``start``.
    tags : Out(2)
        VLAN tags so far, 0 to 2; stays to the next ``start``.
    tcp : Out(1)
        The frame is TCP; right with ``end``.
    flags : Out(18)
        Bits numbered as `Reason`. RUNT, RX_ERROR, FCS, OVERFLOW and FRAMING are others' and stay 0.
    """

    octet: In(8)
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
    payload_octet: Out(8)
    payload_valid: Out(1)
    payload_last: Out(1)
    payload_start: Out(1)
    lane: Out(4, init=NO_LANE)
    tags: Out(2)
    tcp: Out(1)
    flags: Out(FLAGS)

    def elaborate(self, platform):
        m = Module()
        octet, valid = self.octet, self.valid
        section, place = Signal(_Section), Signal(6)
        in_header, in_payload = Signal(), Signal()
        m.d.comb += [in_header.eq(section == _Section.HEADER), in_payload.eq(section == _Section.PAYLOAD)]

        type_high = Signal(8)
        vids = [Signal(12, name="outer_vid"), Signal(12, name="inner_vid")]
        first_words, header_last = Signal(4), Signal()  # words of the header that follow; its last octet is here
        total, left, final = Signal(16), Signal(16), Signal()  # octets of the packet; its last one is here
        opaque, udp, deep = Signal(), Signal(), Signal()  # no lane, no payload; UDP; behind the UDP header
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
                    m.d.sync += [type_high.eq(octet), section.eq(_Section.TYPE_LOW)]
                with m.Case(_Section.TYPE_LOW):
                    self._type(m, type_high, section, place)
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
                with m.Case(_Section.HEADER):
                    self._header(m, section, place, first_words, total, left, final, opaque, udp)
                    with m.If(header_last):
                        m.d.sync += [section.eq(Mux(final, _Section.REST, _Section.PAYLOAD)), place.eq(0)]
                        m.d.sync += whole.eq(final)
                with m.Case(_Section.PAYLOAD):
                    with m.If(place == 7):
                        m.d.sync += deep.eq(1)
                    with m.If(final):
                        m.d.sync += [section.eq(_Section.REST), whole.eq(1)]

        self._key(m, in_header, in_payload & ~deep & ~opaque, place, vids)
        self._checksums(m, in_header, in_payload, header_last, place, udp, deep, whole)
        self._udp_length(m, in_payload & ~deep, place, left)
        self._payload(m, in_payload & udp & ~opaque, place, deep, final)

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

        with m.If(self.start):
            m.d.sync += [self.lane.eq(NO_LANE), self.tags.eq(0)]
        with m.If(self.end):
            m.d.sync += [section.eq(_Section.MAC), place.eq(0), whole.eq(0), behind.eq(0), self.flags.eq(0)]
            m.d.sync += [vid.eq(0) for vid in vids]
            m.d.sync += [opaque.eq(0), udp.eq(0), self.tcp.eq(0), deep.eq(0)]
        return m

    def _type(self, m, type_high, section, place):
        """The second octet of an ethertype is here."""
        flags = self.flags

        def is_type(number):
            return (type_high == number >> 8) & (self.octet == number & 0xFF)

        is_tag = Signal()
        m.d.comb += is_tag.eq(Cat(is_type(tag) for tag in TAGS).any())
        m.d.sync += [section.eq(_Section.REST), place.eq(0)]
        with m.If(is_tag):
            with m.If(self.tags == MOST_TAGS):
                m.d.sync += flags[Reason.VLAN_DEPTH].eq(1)
            with m.Else():
                m.d.sync += [self.tags.eq(self.tags + 1), section.eq(_Section.TAG_HIGH)]
        with m.Elif(is_type(EtherType.IPV4)):
            m.d.sync += [
                section.eq(_Section.HEADER),
                flags[Reason.IP_HEADER].eq(1),
                flags[Reason.IP_LENGTH].eq(1),
            ]
        with m.Elif(is_type(EtherType.ARP)):
            m.d.sync += flags[Reason.POLICY].eq(~self.policy[0])
        with m.Else():
            m.d.sync += flags[Reason.ETHERTYPE].eq(1)

    def _header(self, m, section, place, first_words, total, left, final, opaque, udp):
        """An octet of the IPv4 header is here."""
        octet, flags = self.octet, self.flags
        words = Signal(4)
        with m.Switch(place):
            with m.Case(0):
                m.d.sync += [words.eq(octet[:4]), first_words.eq(octet[:4] - 1)]
                with m.If((octet[4:] != 4) | (octet[:4] < 5)):
                    m.d.sync += section.eq(_Section.REST)
            with m.Case(2):
                m.d.sync += total[8:].eq(octet)
            with m.Case(3):
                m.d.sync += [total[:8].eq(octet), left.eq(Cat(octet, total[8:]) - 4), final.eq(0)]
            with m.Case(4):
                with m.If((total[6:] == 0) & (total[2:6] < words)):
                    m.d.sync += section.eq(_Section.REST)
            with m.Case(6):
                with m.If(octet[:6] != 0):  # more fragments, or the high bits of the offset
                    m.d.sync += [flags[Reason.FRAGMENT].eq(1), opaque.eq(1)]
            with m.Case(7):
                with m.If(octet != 0):
                    m.d.sync += [flags[Reason.FRAGMENT].eq(1), opaque.eq(1)]
            with m.Case(9):
                with m.Switch(octet):
                    with m.Case(Protocol.UDP):
                        m.d.sync += [udp.eq(1), flags[Reason.NO_LANE].eq(1)]
                        m.d.sync += [flags[Reason.UDP_LENGTH].eq(1), flags[Reason.UDP_CHECKSUM].eq(1)]
                    with m.Case(Protocol.TCP):
                        m.d.sync += [self.tcp.eq(1), flags[Reason.NO_LANE].eq(1), flags[Reason.TCP_HEADER].eq(1)]
                    with m.Case(Protocol.ICMP):
                        m.d.sync += [opaque.eq(1), flags[Reason.POLICY].eq(~self.policy[1])]
                    with m.Default():
                        m.d.sync += [opaque.eq(1), flags[Reason.PROTOCOL].eq(1)]

    def _key(self, m, in_header, in_ports, place, vids):
        """The VIDs go while octets 0 to 3 of the IP header pass, addresses and ports as they pass."""
        vid_octets = Cat(*[part for vid in vids for part in (vid[8:], Const(0, 4), vid[:8])])
        in_vids, in_addresses = Signal(), Signal()
        m.d.comb += [
            in_vids.eq(in_header & (place[2:] == 0)),
            in_addresses.eq(in_header & ((place[2:] == 3) | (place[2:] == 4))),
        ]
        waiting = Signal()  # for the answer to a whole key
        m.d.sync += [
            self.key_octet.eq(Mux(in_vids, vid_octets.word_select(place[:2], 8), self.octet)),
            self.key_valid.eq(self.valid & (in_vids | in_addresses | (in_ports & (place[2:] == 0)))),
            # 0 to 3, then 12 to 19 as 4 to 11, then 0 to 3 as 12 to 15
            self.key_index.eq(Mux(in_vids, place[:2], Mux(in_addresses, place[:4] ^ 8, place[:2] | 12))),
        ]
        with m.If(self.valid & in_ports & (place == 3)):
            m.d.sync += waiting.eq(1)
        with m.If(waiting & self.found):
            m.d.sync += [self.lane.eq(self.found_lane), waiting.eq(0)]
            m.d.sync += self.flags[Reason.NO_LANE].eq(self.found_lane[3])
        with m.If(self.end):
            m.d.sync += waiting.eq(0)

    def _checksums(self, m, in_header, in_payload, header_last, place, udp, deep, whole):
        """The sums, a cycle behind the octets, and what depends on them."""
        flags = self.flags
        m.submodules.header_sum = header_sum = InternetSum()
        m.submodules.udp_sum = udp_sum = InternetSum(seed=Protocol.UDP)
        m.submodules.options = options = Options()
        low, in_addresses = Signal(), Signal()
        m.d.comb += in_addresses.eq((place[2:] == 3) | (place[2:] == 4))
        m.d.sync += [
            low.eq(place[0]),
            header_sum.add.eq(self.valid & in_header),
            options.valid.eq(self.valid & in_header & (place[2:] >= 5)),
            udp_sum.add.eq(self.valid & ((in_header & in_addresses) | in_payload)),
            udp_sum.twice.eq(in_payload & ~deep & (place[1:] == 2)),
        ]
        for part in (header_sum, udp_sum, options):
            m.d.comb += [part.octet.eq(self.payload_octet), part.clear.eq(self.end)]
        for part in (header_sum, udp_sum):
            m.d.comb += part.low.eq(low)

        # Two cycles after the last octet of the header both are final. They are asked when four octets have followed:
        # the header does not reach into the FCS then.
        header_right, passed, behind = Signal(), Signal(), Signal(3)
        m.d.sync += header_right.eq(header_sum.right & options.right)
        with m.If(self.valid):
            m.d.sync += [passed.eq(passed | (in_header & header_last)), behind.eq(Cat(passed, behind))]
            with m.If(behind[2] & header_right):
                m.d.sync += flags[Reason.IP_HEADER].eq(0)

        given, summed = Signal(), Signal(2)  # the checksum is not 0
        with m.If(self.valid & in_payload & ~deep & (place[1:] == 3)):
            m.d.sync += given.eq((self.octet != 0) | (place[0] & given))
        m.d.sync += summed.eq(Cat(whole, summed))
        with m.If(summed[0] & udp_sum.right & given):
            m.d.sync += flags[Reason.UDP_CHECKSUM].eq(0)
        with m.If(self.end):
            m.d.sync += [passed.eq(0), behind.eq(0), summed.eq(0), given.eq(0)]

    def _udp_length(self, m, in_udp_header, place, left):
        """The UDP length must be what the IP header leaves, and hold the UDP header."""
        expected, high_right, right = Signal(16), Signal(), Signal()
        with m.If(self.valid & in_udp_header):
            with m.Switch(place):
                with m.Case(0):
                    m.d.sync += expected.eq(left)
                with m.Case(4):
                    m.d.sync += high_right.eq(self.octet == expected[8:])
                with m.Case(5):
                    m.d.sync += right.eq(high_right & (self.octet == expected[:8]))
                with m.Case(7):
                    with m.If(right):
                        m.d.sync += self.flags[Reason.UDP_LENGTH].eq(0)

    def _payload(self, m, in_udp, place, deep, final):
        """The payload of a lane's datagram."""
        begins, passes = Signal(), Signal()
        m.d.comb += passes.eq(self.valid & in_udp & deep & ~self.lane[3] & ~self.flags[Reason.GIANT])
        m.d.sync += [
            # The lane is known one cycle after the last octet of the UDP header.
            begins.eq(self.valid & in_udp & ~deep & (place == 7)),
            self.payload_start.eq(begins & ~self.lane[3] & ~self.end),
            self.payload_octet.eq(self.octet),
            self.payload_valid.eq(passes),
            self.payload_last.eq(passes & final),
        ]

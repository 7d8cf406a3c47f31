"""The return path: what comes from the exchange goes to the servers, and is read for what it says of the sessions."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.addresses import Slots
from hdl.filter.gmii import GmiiRx
from hdl.filter.headers import Headers
from hdl.filter.lanes import Lookup
from hdl.filter.passage import Passage
from hdl.filter.reset import Reset
from hdl.filter.session import EVIDENCE
from hdl.wire.verdict import LANES, Action, Reason

_OF_SEGMENTS = (Reason.GIANT, Reason.IP_HEADER, Reason.IP_LENGTH, Reason.TCP_HEADER, Reason.TCP_CHECKSUM)


class ReturnPath(wiring.Component):
    """Passes the return path on (`Passage`), reads its headers, and lets RSTs to the servers in.

    A frame of a TCP lane that is right in every layer is evidence, one cycle after its end. A frame of a lane that is
    cut off and killed is spoilt from behind the octet at which its lane is known. So is, from the last octet before its
    payload on, a frame of an open session before which octets are missing; it is no evidence. Else TCP would fill the
    hole later, and the order in which the server reads would not be the one in which octets come. Frames of no lane
    pass.

    Members
    -------
    rx_data, rx_dv, rx_er, tx_data, tx_en, tx_er
        The pins, four cycles apart.
    lookup : In(Lookup)
        Of `Lanes`, for this direction.
    killed, actions : In(8), In
    evidence_valid, evidence : Out(1), Out(EVIDENCE)
        Right while valid and until the next frame has shown its headers.
    missing : In(1)
        Of `Session`, for that evidence.
    soon, payload_octet, payload_valid, payload_last, end : Out
        Of `Headers` and `GmiiRx`.
    spoilt, spoilt_lane : Out(1), Out(3)
        Strobe: a frame is spoilt, since octets before it are missing.
    request, lane, sequence, acknowledgment : In(1), In(3), In(32), In(32)
        An RST to a lane's server.
    slots, write_en, write_addr, write_data : In
        Of `Addresses`.
    active : Out(1)
        Something is on its way, or waits.
    """

    rx_data: In(8)
    rx_dv: In(1)
    rx_er: In(1)
    tx_data: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    lookup: In(Lookup)
    killed: In(LANES)
    actions: In(data.ArrayLayout(2, LANES))
    evidence_valid: Out(1)
    evidence: Out(EVIDENCE)
    missing: In(1)
    soon: Out(1)
    payload_octet: Out(8)
    payload_valid: Out(1)
    payload_last: Out(1)
    end: Out(1)
    spoilt: Out(1)
    spoilt_lane: Out(3)
    request: In(1)
    lane: In(3)
    sequence: In(32)
    acknowledgment: In(32)
    slots: In(Slots)
    write_en: In(1)
    write_addr: In(10)
    write_data: In(8)
    active: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.passage = passage = Passage()
        for name in ("rx_data", "rx_dv", "rx_er"):
            m.d.comb += getattr(passage, name).eq(getattr(self, name))
        for name in ("tx_data", "tx_en", "tx_er", "active"):
            m.d.comb += getattr(self, name).eq(getattr(passage, name))
        m.submodules.receiver = receiver = GmiiRx()
        m.submodules.headers = headers = Headers(back=True)
        m.submodules.reset = reset = Reset()
        for name in ("request", "lane", "sequence", "acknowledgment"):
            m.d.comb += getattr(passage, name).eq(getattr(self, name))
        for name in ("slots", "write_en", "write_addr", "write_data"):
            m.d.comb += getattr(reset, name).eq(getattr(self, name))
        for name in ("next_octet", "valid", "start", "end", "length"):
            m.d.comb += getattr(headers, name).eq(getattr(receiver, name))
        for name in ("key_octet", "key_index", "key_valid", "tcp"):
            m.d.comb += getattr(self.lookup, name).eq(getattr(headers, name))
        m.d.comb += [
            receiver.data.eq(self.rx_data),
            receiver.dv.eq(self.rx_dv),
            receiver.er.eq(self.rx_er),
            headers.policy.eq(0b11),
            headers.found.eq(self.lookup.found),
            headers.found_lane.eq(self.lookup.found_lane),
            reset.begin.eq(passage.begin),
            reset.lane.eq(passage.reset_lane),
            reset.to_server.eq(1),
            reset.sequence.eq(passage.reset_sequence),
            reset.acknowledgment.eq(passage.reset_acknowledgment),
            reset.fetch.eq(passage.fetch),
            passage.octet.eq(reset.octet),
        ]

        # The lane that the headers show is this frame's from `open` on.
        cut_off, cut, known = Signal(LANES), Signal(), Signal()
        m.d.sync += [cut_off[lane].eq(self.killed[lane] & (self.actions[lane] == Action.CUT)) for lane in range(LANES)]
        with m.If(receiver.end):
            m.d.sync += known.eq(0)
        with m.Elif(headers.open):
            m.d.sync += known.eq(1)
        gap = Signal()
        m.d.sync += cut.eq(~headers.lane[3] & cut_off.bit_select(headers.lane[:3], 1))
        m.d.comb += [
            self.spoilt.eq(headers.soon & self.missing),
            self.spoilt_lane.eq(headers.lane),
            passage.spoil.eq((known & cut) | gap),
            self.end.eq(receiver.end),
        ]
        with m.If(receiver.end):
            m.d.sync += gap.eq(0)
        with m.Elif(self.spoilt):
            m.d.sync += gap.eq(1)
        for name in ("soon", "payload_octet", "payload_valid", "payload_last"):
            m.d.comb += getattr(self, name).eq(getattr(headers, name))

        # What can be wrong with a TCP frame of a lane; an answer to a SYN has flags that a server's must not have.
        wrong = Cat(headers.flags[reason] for reason in _OF_SEGMENTS).any()
        right = receiver.fcs_ok & ~receiver.error & ~receiver.runt & ~wrong
        m.d.sync += self.evidence_valid.eq(receiver.end & right & headers.tcp & ~headers.lane[3] & ~gap)
        m.d.comb += [
            self.evidence.lane.eq(headers.lane),
            self.evidence.port.eq(headers.destination_port),
            self.evidence.flags.eq(headers.tcp_flags),
        ]
        for name in ("sequence", "acknowledgment", "payload_length"):
            m.d.comb += self.evidence[name].eq(getattr(headers, name))
        return m

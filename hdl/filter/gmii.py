"""The receiver: finds frames on GMII pins and checks them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.fcs import INIT, RESIDUE, crc32
from hdl.wire.ethernet import SHORTEST, START

_MOST = 2047


class _State(enum.Enum):
    MUTE = 0  # after reset: whatever is on the line began unseen
    HUNT = 1  # for the start delimiter
    FRAME = 2


class GmiiRx(wiring.Component):
    """Turns a GMII receive side into a stream of the octets of each frame.

    A carrier is a run of ``dv``. The first 0xD5 in it starts the frame, after any preamble or none; every octet from
    there to the end of the carrier belongs to the frame. A carrier without 0xD5 is no frame. An octet on the pins in
    cycle c is on ``octet`` in c + 2; ``end`` comes in c + 3 when it was the last. One cycle without ``dv`` separates
    two frames, and then ``end`` comes at least two cycles before the next ``start``. There is no backpressure.

    After reset nothing is received until ``dv`` has been 0 for a cycle: a frame cut by a reset is not a frame.

    Members
    -------
    data, dv, er : In
        Pins, registered here.
    octet, valid : Out(8), Out(1)
        Without gaps from the first octet of a frame to its last, FCS included.
    next_octet : Out(8)
        ``octet`` of the next cycle.
    start : Out(1)
        With the first octet.
    end : Out(1)
        One cycle after the last octet. Alone, when a carrier ends with 0xD5.
    closes : Out(1)
        Combinational: ``end`` of the next cycle.
    length : Out(11)
        Octets so far, the one in ``octet`` included; stops at 2047. Like the three below it is right with ``end``, and
        stays until the next start delimiter is seen.
    fcs_ok, error, runt : Out(1)
        The FCS is right; ``er`` was high in a cycle of the carrier, preamble included; there are fewer than 64 octets.
    busy : Out(1)
        A carrier is there, or its last octets are on their way.
    """

    data: In(8)
    dv: In(1)
    er: In(1)
    octet: Out(8)
    next_octet: Out(8)
    valid: Out(1)
    start: Out(1)
    end: Out(1)
    length: Out(11)
    closes: Out(1)
    fcs_ok: Out(1)
    error: Out(1)
    runt: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()

        # `dv` seems high at reset, so that MUTE ends only by what the pin says.
        data, dv, er, is_start = Signal(8), Signal(init=1), Signal(), Signal()
        m.d.sync += [data.eq(self.data), dv.eq(self.dv), er.eq(self.er), is_start.eq(self.data == START)]

        state = Signal(_State)
        found = Signal()
        m.d.comb += found.eq((state == _State.HUNT) & dv & is_start)
        inside, closes = Signal(), self.closes
        m.d.comb += [inside.eq((state == _State.FRAME) & dv), closes.eq((state == _State.FRAME) & ~dv)]
        with m.If(~dv):
            m.d.sync += state.eq(_State.HUNT)
        with m.Elif(found):
            m.d.sync += state.eq(_State.FRAME)

        fresh = Signal()  # no octet since the start delimiter
        m.d.comb += self.next_octet.eq(data)
        m.d.sync += [
            self.octet.eq(data),
            self.valid.eq(inside),
            self.start.eq(inside & fresh),
            self.end.eq(closes),
            self.busy.eq(dv | (state == _State.FRAME) | self.end),
        ]

        full = Signal()
        crc = Signal(32, init=INIT)
        with m.If(found):
            m.d.sync += [fresh.eq(1), self.length.eq(0), full.eq(0), self.runt.eq(1), crc.eq(INIT)]
        with m.Elif(inside):
            m.d.sync += [fresh.eq(0), crc.eq(crc32(crc, data))]
            with m.If(~full):
                m.d.sync += self.length.eq(self.length + 1)
            with m.If(self.length == _MOST - 1):
                m.d.sync += full.eq(1)
            with m.If(self.length == SHORTEST - 1):
                m.d.sync += self.runt.eq(0)
        m.d.sync += self.fcs_ok.eq(crc == RESIDUE)

        erred = Signal()  # in this carrier so far
        m.d.sync += erred.eq(dv & (erred | er))
        with m.If(closes):
            m.d.sync += self.error.eq(erred)
        return m

"""Consistent overhead byte stuffing: frames without zero octets, between zero octets (Cheshire and Baker, 1999)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory

MOST_RUN = 254  # octets of a block; a full one is followed by no zero

Piece = data.StructLayout({"octet": 8, "last": 1})


def check_depth(depth):
    """Raise ValueError for a depth that `CobsEncoder` can't have."""
    if depth < 4 or depth & (depth - 1):
        raise ValueError(f"COBS buffer must be a power of two of at least 4 octets, not {depth!r}")


class CobsDecoder(wiring.Component):
    """Gives the octets between two zero octets of the line, decoded.

    Takes an octet in every cycle; what comes of it is given in the next cycle: one octet, the end of the frame, or
    nothing. Any zero octet ends a frame and begins the next one. The end says whether the frame was ``whole``: not
    when it ended inside a block, nor when an octet of it was broken. Two zeros in a row make a whole frame of no octet.
    After reset the next octet begins a frame.

    Members
    -------
    octet, valid : In(8), In(1)
    broken : In(1)
        Strobe in place of ``valid``: an octet was lost; spoils the frame.
    data, data_valid : Out(8), Out(1)
    end, whole : Out(1)
    """

    octet: In(8)
    valid: In(1)
    broken: In(1)
    data: Out(8)
    data_valid: Out(1)
    end: Out(1)
    whole: Out(1)

    def elaborate(self, platform):
        m = Module()
        left = Signal(8)  # octets to come before the next code
        zero_due = Signal()  # a zero stands between this block and the next, if there is one
        spoilt = Signal()

        m.d.sync += [self.data_valid.eq(0), self.end.eq(0)]
        with m.If(self.valid):
            with m.If(self.octet == 0):
                m.d.sync += [self.end.eq(1), self.whole.eq((left == 0) & ~spoilt)]
                m.d.sync += [left.eq(0), zero_due.eq(0), spoilt.eq(0)]
            with m.Elif(left == 0):
                m.d.sync += [left.eq(self.octet - 1), zero_due.eq(self.octet != MOST_RUN + 1)]
                m.d.sync += [self.data.eq(0), self.data_valid.eq(zero_due)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), self.data.eq(self.octet), self.data_valid.eq(1)]
        with m.If(self.broken):
            m.d.sync += spoilt.eq(1)
        return m


class CobsEncoder(wiring.Component):
    """Encodes a frame as it is given, and sends it when it is complete, between two zero octets.

    One octet is taken per cycle, two cycles after a block of 254; none from the last octet on until the closing zero
    has been taken. An octet is offered at least 4 cycles after the one before. A frame that is longer than ``depth``
    allows (``depth`` less one octet for the first code and one for each 254 octets) is not sent right: the caller
    keeps to it. When the run after the last zero is a multiple of 254 octets, the frame ends in a code 1 that other
    encoders leave out. Reset forgets the frame.

    Parameters
    ----------
    depth : int
        Octets of the encoded frame at most, a power of two.

    Members
    -------
    i : In(stream.Signature(Piece))
    o : Out(stream.Signature(8))
    busy : Out(1)
        A complete frame is being sent; until the closing zero has been taken.
    """

    def __init__(self, depth: int = 512):
        check_depth(depth)
        self.depth = depth
        super().__init__({"i": In(stream.Signature(Piece)), "o": Out(stream.Signature(8)), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(8, self.depth)
        code_at = Signal(range(self.depth))  # where the open block's code belongs
        end = Signal(range(self.depth), init=1)  # the next octet's place
        code = Signal(8, init=1)  # of the open block so far
        number = Signal(range(self.depth))  # of the octet to be sent
        closing, fetched, sent_all = Signal(), Signal(3), Signal()

        piece = self.i.payload
        m.d.comb += [memory.write_addr.eq(code_at), memory.write_data.eq(code), memory.read_addr.eq(number)]
        begin_block = [code_at.eq(end), end.eq(end + 1), code.eq(1)]
        m.d.sync += sent_all.eq(number == end)

        with m.FSM() as machine:
            with m.State("encode"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.comb += memory.write_en.eq(1)
                    m.d.sync += closing.eq(piece.last)
                    with m.If(piece.octet == 0):
                        m.d.sync += begin_block
                        with m.If(piece.last):
                            m.next = "last code"
                    with m.Else():
                        m.d.comb += [memory.write_addr.eq(end), memory.write_data.eq(piece.octet)]
                        m.d.sync += [end.eq(end + 1), code.eq(code + 1)]
                        with m.If(code == MOST_RUN):
                            m.next = "full block"
                        with m.Elif(piece.last):
                            m.next = "last code"
            with m.State("full block"):
                m.d.comb += memory.write_en.eq(1)
                m.d.sync += begin_block
                m.next = "encode"
                with m.If(closing):
                    m.next = "last code"
            with m.State("last code"):
                m.d.comb += memory.write_en.eq(1)
                m.d.sync += number.eq(0)
                m.next = "opening zero"
            with m.State("opening zero"):
                m.d.comb += [self.o.payload.eq(0), self.o.valid.eq(1)]
                m.d.sync += fetched.eq(1)
                with m.If(self.o.ready):
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.sync += fetched.eq(fetched << 1)
                with m.If(fetched[2]):
                    m.next = "offer"
            with m.State("offer"):
                m.d.comb += [self.o.payload.eq(Mux(sent_all, 0, memory.read_data)), self.o.valid.eq(1)]
                m.d.sync += fetched.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += number.eq(number + 1)
                    m.next = "fetch"
                    with m.If(sent_all):
                        m.d.sync += [code_at.eq(0), end.eq(1), code.eq(1)]
                        m.next = "encode"
        m.d.comb += self.busy.eq(~machine.ongoing("encode") & ~(machine.ongoing("full block") & ~closing))
        return m

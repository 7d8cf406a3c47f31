"""Consistent overhead byte stuffing: frames without zero octets, between zero octets (Cheshire and Baker, 1999)."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

MOST_RUN = 254  # octets of a block; a full one is followed by no zero


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
        left = Signal(8, init=1)  # octets of this block to come, and the next code
        between = Signal()  # the next octet is a code
        zero_due = Signal()  # a zero stands between this block and the next, if there is one
        spoilt = Signal()

        m.d.comb += between.eq(left == 1)
        m.d.sync += [self.data_valid.eq(0), self.end.eq(0)]
        with m.If(self.valid):
            with m.If(self.octet == 0):
                m.d.sync += [self.end.eq(1), self.whole.eq(between & ~spoilt)]
                m.d.sync += [left.eq(1), zero_due.eq(0), spoilt.eq(0)]
            with m.Elif(between):
                m.d.sync += [left.eq(self.octet), zero_due.eq(self.octet != MOST_RUN + 1)]
                m.d.sync += [self.data.eq(0), self.data_valid.eq(zero_due)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), self.data.eq(self.octet), self.data_valid.eq(1)]
        with m.If(self.broken):
            m.d.sync += spoilt.eq(1)
        return m


class CobsEncoder(wiring.Component):
    """Sends a frame that stands in a memory, encoded, between two zero octets.

    An octet is offered 3 cycles after the one before was taken. Before each block it looks for the block's end, which
    takes 4 cycles an octet: the line rests for up to 1025 cycles before a code. When the run after the last zero is a
    multiple of 254 octets, the frame ends in a code 1 that other encoders leave out. Reset forgets the frame.

    Parameters
    ----------
    bits : int
        Of an address. Addresses go on from 0 behind the highest.
    first : int
        Address of the frame's first octet.

    Members
    -------
    begin : In(1)
        Strobe: the frame is complete; not while ``busy``. The memory keeps it until ``busy`` is low.
    end : In(bits)
        Address behind the last octet; stable while ``busy``.
    address, value : Out(bits), In(8)
        The memory: ``value`` is the octet at ``address`` of two cycles before.
    o : Out(stream.Signature(8))
    busy : Out(1)
        From the cycle after ``begin`` until the closing zero has been taken.
    """

    def __init__(self, bits: int, first: int):
        self.first = first
        super().__init__(
            {
                "begin": In(1),
                "end": In(bits),
                "address": Out(bits, init=first),
                "value": In(8),
                "o": Out(stream.Signature(8)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        number = self.address
        block = Signal.like(number)  # where the block begins
        code = Signal(8, init=1)  # counts up to the code, and down to 1 while the block is sent
        full = Signal()  # the block is followed by no zero
        fetched = Signal(2)
        at_end, no_octet, at_most, at_zero = (Signal() for _ in range(4))
        m.d.comb += self.busy.eq(1)
        m.d.sync += [at_end.eq(number == self.end), fetched.eq(fetched << 1)]
        # What these compare has rested for two cycles when a state asks.
        m.d.sync += [no_octet.eq(code == 1), at_most.eq(code == MOST_RUN + 1), at_zero.eq(self.value == 0)]

        def look(state):
            m.d.sync += fetched.eq(1)
            m.next = state

        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += number.eq(self.first)
                with m.If(self.begin):
                    m.next = "opening zero"
            with m.State("opening zero"):
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += block.eq(number)
                with m.If(self.o.ready):
                    look("look")
            with m.State("look"), m.If(fetched[1]):
                m.next = "see"
            with m.State("see"):
                m.next = "measure"
            with m.State("measure"):
                m.d.sync += full.eq(at_most)
                with m.If(at_end | at_zero | at_most):
                    m.next = "code"
                with m.Else():
                    m.d.sync += [number.eq(number + 1), code.eq(code + 1)]
                    look("look")
            with m.State("code"):
                m.d.comb += [self.o.payload.eq(code), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += number.eq(block)
                    look("fetch")
            with m.State("fetch"), m.If(fetched[1]):
                m.next = "octet"
                with m.If(no_octet):
                    m.next = "next"
            with m.State("octet"):
                m.d.comb += [self.o.payload.eq(self.value), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += [number.eq(number + 1), code.eq(code - 1)]
                    look("fetch")
            with m.State("next"):
                with m.If(~full):
                    m.d.sync += number.eq(number + 1)
                m.next = "begin"
                with m.If(at_end & ~full):
                    m.next = "closing zero"
            with m.State("begin"):
                m.d.sync += block.eq(number)
                look("look")
            with m.State("closing zero"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "idle"
        return m

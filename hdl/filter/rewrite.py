"""The TCP checksums of a frame whose orders are overwritten, made while it comes in."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.marks import Mark
from hdl.wire.soup import FILLER, Client

_TYPE, _BODY = Client.DEBUG.value, FILLER
LAST = 31  # the number of an order stops here


class Rewrite(wiring.Component):
    """Knows what a frame needs to leave with its orders overwritten (`hdl.filter.gate`), in two variants.

    In *some* the orders that were stopped are overwritten, in *all* every one that begins in the frame. The checksum
    that the frame came with is updated by the differences of the octets (RFC 1624): if it was right it stays right, if
    it was wrong it stays wrong, and with nothing overwritten it stays as it is. An octet's place in its word counts
    from the TCP header.

    ``judged`` says that an order has ended as a whole message; it comes for each, one cycle after the mark of its last
    octet. An order without one is unfinished: in *some* it leaves as it came.

    Members
    -------
    octet, valid, start : In
        The receiver's stream.
    mark : In(Mark)
        Of the octet of three cycles ago.
    judged, stop : In(1)
        Strobe, and whether that order is overwritten in *some*.
    check_some, check_all : Out(16)
        The checksums. Like ``stops`` they are right one cycle after the receiver's ``end`` if the last octets are the
        FCS, and until four cycles after the next frame has begun.
    stops : Out(32)
        One bit for each order that is stopped, by its number in the frame; the last bit stands for the number 31 and
        all above.
    live : Out(1)
        In *some*, an octet of an order leaves as it came. Like ``old`` it is right with ``end``.
    old : Out(1)
        An octet is marked OLD_ORDER.
    """

    octet: In(8)
    valid: In(1)
    start: In(1)
    mark: In(Mark)
    judged: In(1)
    stop: In(1)
    check_some: Out(16)
    check_all: Out(16)
    stops: Out(32)
    live: Out(1)
    old: Out(1)

    def elaborate(self, platform):
        m = Module()

        # Three cycles until the mark, and one to take it apart: what the octet may add to the sum is made meanwhile.
        # The octets of the old checksum begin the sum, which is that checksum's complement.
        first, second, octet, valid, started = Signal(8), Signal(8), Signal(8), Signal(3), Signal(4)
        plain, typed, body = Signal(8), Signal(16), Signal(16)
        m.d.sync += [
            first.eq(self.octet),
            second.eq(first),
            octet.eq(second),
            started.eq(Cat(self.start, started)),
            valid.eq(Cat(self.valid, valid)),
            plain.eq(~octet),
            typed.eq(_difference(octet, _TYPE)),
            body.eq(_difference(octet, _BODY)),
        ]

        order, check, check_high, type_, body_, old = (Signal() for _ in range(6))
        for mark, flag in (
            (Mark.ORDER, order),
            (Mark.CHECK_HIGH, check_high),
            (Mark.TYPE, type_),
            (Mark.BODY, body_),
            (Mark.OLD_ORDER, old),
        ):
            m.d.sync += flag.eq(valid[-1] & (self.mark == mark))
        m.d.sync += check.eq(valid[-1] & ((self.mark == Mark.CHECK_HIGH) | (self.mark == Mark.CHECK_LOW)))
        run, high = Signal(), Signal()  # in the octet before there was an order; the octet is the high one of its word
        term, shifted = Signal(16), Signal(16)
        m.d.comb += shifted.eq(Mux(high | check_high, term.rotate_left(8), term))
        m.d.sync += [run.eq(order), high.eq(~high & ~check_high)]
        overwritten = Signal()  # whatever becomes of the orders
        with m.If(check):
            m.d.comb += term.eq(plain)
        with m.Elif(type_ | order & ~run):
            m.d.comb += term.eq(typed)
        with m.Else():
            m.d.comb += term.eq(body)
        # Above the last number the gate does not wait for a judgement.
        m.d.comb += overwritten.eq(check | type_ | body_ | order & self.stops[LAST])

        # Three sums: with the orders as they were judged; as if the next one were stopped; with all. What an addition
        # carries out is brought in by the next one, and at the end by the result.
        some, stopped, every, judged, stop = Signal(17), Signal(17), Signal(17), Signal(), Signal()
        certain, possible = Signal(16), Signal(16)
        as_judged, as_stopped = Signal(17), Signal(17)
        m.d.comb += [
            as_judged.eq(some[:16] + certain + some[16]),
            as_stopped.eq(stopped[:16] + possible + stopped[16]),
            self.check_some.eq(~(some[:16] + some[16])),
            self.check_all.eq(~(every[:16] + every[16])),
        ]
        m.d.sync += [
            certain.eq(Mux(overwritten, shifted, 0)),
            possible.eq(Mux(overwritten | order, shifted, 0)),
            some.eq(Mux(judged & stop, as_stopped, as_judged)),
            stopped.eq(Mux(judged & ~stop, as_judged, as_stopped)),
            every.eq(every[:16] + possible + every[16]),
        ]

        # A judgement counts for the sums a cycle later: then the last octet is in them.
        m.d.sync += [judged.eq(self.judged), stop.eq(self.stop)]
        number = Signal(range(LAST + 1))
        let_go, unjudged = Signal(), Signal()
        m.d.comb += self.live.eq(let_go | unjudged | self.old)
        with m.If(self.judged):
            m.d.sync += [unjudged.eq(0), let_go.eq(let_go | ~self.stop)]
        with m.If(judged):
            m.d.sync += self.stops.eq(self.stops | (stop << number))
            with m.If(number != LAST):
                m.d.sync += number.eq(number + 1)
        with m.If(order & ~run):
            m.d.sync += unjudged.eq(1)
        with m.If(old):
            m.d.sync += self.old.eq(1)

        # The last octets of the frame before are still on their way when the next one is close behind it.
        with m.If(started[-1]):
            m.d.sync += [total.eq(0) for total in (some, stopped, every)]
            m.d.sync += [self.stops.eq(0), number.eq(0), let_go.eq(0), unjudged.eq(0), self.old.eq(0)]
        return m


def _difference(octet, instead: int):
    """Return what `instead` is more than `octet`, in ones' complement of 16 bits."""
    return Mux(octet > instead, 0xFF00 | (octet ^ 0xFF) + instead & 0xFF, instead - octet)

"""UART, 8 data bits, no parity, one stop bit, least significant bit first."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

LEAST_DIVISOR = 4


def check_divisor(divisor):
    """Raise ValueError for a number of cycles per bit that is no integer of at least `LEAST_DIVISOR`."""
    if not isinstance(divisor, int) or divisor < LEAST_DIVISOR:
        raise ValueError(f"UART divisor must be an integer of at least {LEAST_DIVISOR} cycles per bit, not {divisor!r}")


class UartReceiver(wiring.Component):
    """Receives octets, each bit sampled in its middle.

    The middle is counted from the falling edge of the start bit, so a sender may be 2 percent off at any divisor. A low
    level that is gone again by the middle of the start bit is noise and nothing comes of it. The octet is given in the
    middle of its stop bit, and the next start bit may follow at once: octets back to back are received without a gap.

    Where the stop bit should be and the line is low there is no octet: ``broken`` is given in place of ``valid``, and
    nothing is received until the line has been high (a line break is thus one ``broken`` however long it lasts).
    Reset forgets the octet under way; a start bit is then the next low level, so up to ten bits may be misread.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    rx : In(1)
        The pin, asynchronous, high while idle; passes two flip-flops.
    octet, valid : Out(8), Out(1)
        A strobe for each octet; ``octet`` stays until the next bit is sampled.
    broken : Out(1)
        Strobe: no stop bit.
    busy : Out(1)
        From the start bit to the middle of the stop bit, and while a broken line is low.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__(
            {"rx": In(1, init=1), "octet": Out(8), "valid": Out(1), "broken": Out(1), "busy": Out(1)},
        )

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = cdc.FFSynchronizer(self.rx, line, init=1)

        countdown = Signal(range(self.divisor))
        sample = Signal()  # the middle of a bit
        bits = Signal(range(10))  # bits left to sample, the stop bit included
        m.d.sync += [self.valid.eq(0), self.broken.eq(0), sample.eq(countdown == 1)]
        m.d.sync += countdown.eq(countdown - 1)
        with m.If(sample):
            m.d.sync += countdown.eq(self.divisor - 1)

        with m.FSM():
            with m.State("idle"):
                # The edge is seen one cycle into the bit at most; `sample` comes one cycle after the count has ended.
                m.d.sync += [countdown.eq(max(self.divisor // 2 - 1, 1)), sample.eq(0), bits.eq(9)]
                with m.If(~line):
                    m.d.sync += self.busy.eq(1)
                    m.next = "start"
            with m.State("start"):
                with m.If(sample):
                    with m.If(line):
                        m.d.sync += self.busy.eq(0)
                        m.next = "idle"
                    with m.Else():
                        m.next = "bits"
            with m.State("bits"), m.If(sample):
                m.d.sync += bits.eq(bits - 1)
                with m.If(bits != 1):
                    m.d.sync += self.octet.eq(Cat(self.octet[1:], line))
                with m.Elif(line):
                    m.d.sync += [self.valid.eq(1), self.busy.eq(0)]
                    m.next = "idle"
                with m.Else():
                    m.d.sync += self.broken.eq(1)
                    m.next = "break"
            with m.State("break"), m.If(line):
                m.d.sync += self.busy.eq(0)
                m.next = "idle"
        return m


class UartTransmitter(wiring.Component):
    """Sends octets, back to back when they are offered in time.

    An octet accepted in cycle c has its start bit on the pin from c+1 on; the next one is accepted in its stop bit's
    last cycle. Reset ends an octet at once and leaves the line high.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
        The pin, high while idle.
    busy : Out(1)
        From the cycle after an octet was accepted to its stop bit's last cycle.
    """

    def __init__(self, divisor: int):
        check_divisor(divisor)
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        countdown = Signal(range(self.divisor))
        last_cycle = Signal()
        waiting = Signal(9, init=0x1FF)  # bits to follow; filled up with ones
        left = Signal(range(10))  # how many
        last_bit = Signal()

        m.d.comb += self.i.ready.eq(~self.busy | (last_cycle & last_bit))
        m.d.sync += [countdown.eq(countdown - 1), last_cycle.eq(countdown == 1)]
        with m.If(last_cycle):
            m.d.sync += [countdown.eq(self.divisor - 1), self.tx.eq(waiting[0]), waiting.eq(Cat(waiting[1:], 1))]
            m.d.sync += [left.eq(left - 1), last_bit.eq(left == 1)]
        with m.If(self.i.ready):
            m.d.sync += [self.busy.eq(self.i.valid), self.tx.eq(~self.i.valid), last_bit.eq(0), left.eq(9)]
            m.d.sync += [waiting.eq(Cat(self.i.payload, 1)), countdown.eq(self.divisor - 1), last_cycle.eq(0)]
        return m

"""The history of the lanes' sessions: what left, so that what is sent again can be compared with it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.marks import Mark, Past
from hdl.filter.memory import Memory
from hdl.wire.verdict import LANES

_MARKS = {Past.PLAIN: Mark.PLAIN, Past.ORDER: Mark.OLD_ORDER, Past.BODY: Mark.BODY, Past.TYPE: Mark.TYPE}


class History(wiring.Component):
    """Keeps the last octets of each lane's stream as they were seen, and compares a payload's old part with them.

    An octet stands at its lane and the low bits of its sequence number. It is written when it leaves, with what became
    of it, and read when its sequence number comes in again. An octet that is written while it is read is neither the
    old nor the new one: who accepts frames keeps what is in flight from being compared.

    ``soon`` comes three cycles before the first octet of the payload, whose octets then come without a pause. The
    first ``old_left`` of them are old. Where the payload ends, or does not begin, nothing is old any more.

    Parameters
    ----------
    depth : int
        Octets of a lane, a power of two up to 2048.

    Members
    -------
    past_valid, past_lane, past_position, past_octet, past : In(1), In(3), In(11), In(8), In(Past)
        An octet has left.
    begin, lane, position : In(1), In(3), In(11)
        Strobe: a frame of this lane has come in, with the low bits of its sequence number. At least a cycle before
        ``soon``.
    soon : In(1)
    payload_octet, payload_valid : In(8), In(1)
    old_left : In(12)
        The number of octets of the payload, from its first on, that have left before. Taken two cycles after ``soon``.
    old, still : Out(1)
        The octet of this cycle is old; the next cycle's is if it is payload (combinational).
    mark : Out(Mark)
        What the old octet of the cycle before is to be marked as: PLAIN, OLD_ORDER, BODY or TYPE.
        OTHER when there was none.
    differs, had_order : Out(1)
        An old octet up to the cycle before differs; was one of an order that left as it came. Both until ``begin``.
    """

    def __init__(self, *, depth: int = 2048):
        if depth not in (1 << bits for bits in range(1, 12)):
            raise ValueError(f"the history of a lane must be a power of two from 2 to 2048 octets, not {depth!r}")
        self.depth = depth
        super().__init__(
            {
                "past_valid": In(1),
                "past_lane": In(3),
                "past_position": In(11),
                "past_octet": In(8),
                "past": In(Past),
                "begin": In(1),
                "lane": In(3),
                "position": In(11),
                "soon": In(1),
                "payload_octet": In(8),
                "payload_valid": In(1),
                "old_left": In(12),
                "old": Out(1),
                "still": Out(1),
                "mark": Out(Mark),
                "differs": Out(1),
                "had_order": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Ten bits in one memory would take ten block RAMs, or more.
        m.submodules.octets = octets = Memory(9, LANES * self.depth)
        m.submodules.pasts = pasts = Memory(1, LANES * self.depth)
        bits = self.depth.bit_length() - 1
        lane, place, past = Signal(3), Signal(bits), Signal(2)
        m.d.comb += past.eq(self.past)
        for memory in (octets, pasts):
            m.d.comb += [
                memory.write_en.eq(self.past_valid),
                memory.write_addr.eq(Cat(self.past_position[:bits], self.past_lane)),
                memory.read_addr.eq(Cat(place, lane)),
            ]
        m.d.comb += [octets.write_data.eq(Cat(self.past_octet, past[0])), pasts.write_data.eq(past[1])]

        # One octet a cycle from `soon` on: two cycles in the memory and one in the register behind its multiplexer.
        reading, awaited = Signal(), Signal(2)
        stored, kept = Signal(8), Signal(2)
        m.d.sync += [awaited.eq(Cat(self.soon, awaited)), Cat(stored, kept).eq(Cat(octets.read_data, pasts.read_data))]
        with m.If(self.begin):
            m.d.sync += [lane.eq(self.lane), place.eq(self.position), reading.eq(0)]
        with m.Elif(self.soon | reading):
            m.d.sync += [place.eq(place + 1), reading.eq(1)]

        some, left = Signal(), Signal(12)  # old octets, from the payload's octet of this cycle on
        m.d.comb += [self.old.eq(some & self.payload_valid), self.still.eq(self.old & (left != 1))]
        m.d.sync += [some.eq(self.still), left.eq(left - 1)]
        with m.If(awaited[1]):
            m.d.comb += self.still.eq(self.old_left.any())
            m.d.sync += left.eq(self.old_left)

        m.d.sync += self.mark.eq(Mark.OTHER)
        with m.If(self.old):
            with m.Switch(kept):
                for kind, mark in _MARKS.items():
                    with m.Case(kind.value):
                        m.d.sync += self.mark.eq(mark)
            m.d.sync += [
                self.differs.eq(self.differs | (stored != self.payload_octet)),
                self.had_order.eq(self.had_order | (kept == Past.ORDER.value)),
            ]
        with m.If(self.begin):
            m.d.sync += [self.differs.eq(0), self.had_order.eq(0)]
        return m

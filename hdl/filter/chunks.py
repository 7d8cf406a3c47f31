"""The payload of the return path, kept until it is known to count, and then until it is read."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory
from hdl.wire.verdict import LANES

DEPTH = 2048
QUEUED = 32
_CHUNK = data.StructLayout({"lane": 3, "fresh": 1, "hole": 1})
# The ring is full when 4 to 7 places are left: some octets come in until that is known, and at the end of the last
# chunk reading is two places ahead, so that fewer seem to be left than there are.
_NEARLY = 4


class Chunks(wiring.Component):
    """Keeps the payloads of frames of lanes in a ring, and hands on those that are committed, octet by octet.

    A frame's octets are written as they come. When it has ended its payload may be committed, as a chunk, up to where
    the next frame's ``soon`` comes; else its octets are overwritten by the next one's. Chunks are read in order.

    A reader that takes one octet a cycle, and no more than 56 further cycles for each chunk, never overruns the ring
    or the queue. Let w be the cycles that it needs for all chunks committed. A frame whose payload has n octets takes
    n + 60 cycles or more (54 octets of headers, the FCS, the start delimiter and a cycle of gap), and its chunk adds
    n + 56 at most: so w is never above 1460 + 56. Of a frame that comes in, p octets of payload are written no earlier
    than p + 58 cycles behind the last commit, by when w has fallen by as much: unread and written octets together are
    fewer than 1460. And 1516 cycles bring at most 23 frames of 64 octets, for which 32 places are there.

    Should it happen all the same, because the reader stops, the frame is lost: from then on the lane is in ``holes``,
    and its next chunk says ``hole``.

    Parameters
    ----------
    depth, queued : int
        Octets of the ring, chunks of the queue; powers of two.

    Members
    -------
    soon, octet, valid, last : In
        A lane's TCP frame with payload, as `Headers` says.
    end : In(1)
        The frame has ended.
    commit, lane, skip : In(1), In(3), In(11)
        Strobe: its payload without the first ``skip`` octets, which are fewer than all, is a chunk.
    began, began_lane : In(1), In(3)
        Strobe: a new session; the lane's next chunk is its first.
    some, chunk : Out(1), Out
        The oldest chunk; from two cycles behind its commit on.
    take : In(1)
        Strobe, while ``some``: it is read. Its first octet comes four cycles later, and one with every cycle.
    read_octet, read_valid, read_last : Out
    overran, holes : Out(1), Out(8)
        Strobe with ``commit``: the frame is lost.
    """

    soon: In(1)
    octet: In(8)
    valid: In(1)
    last: In(1)
    end: In(1)
    commit: In(1)
    lane: In(3)
    skip: In(11)
    began: In(1)
    began_lane: In(3)
    some: Out(1)
    chunk: Out(_CHUNK)
    take: In(1)
    read_octet: Out(8)
    read_valid: Out(1)
    read_last: Out(1)
    overran: Out(1)
    holes: Out(LANES)

    def __init__(self, *, depth: int = DEPTH, queued: int = QUEUED):
        self.depth, self.queued = depth, queued
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        place = range(self.depth)
        m.submodules.ring = ring = Memory(9, self.depth)

        # Write. `base`: behind what is committed. `whole`: the frame's payload is there to its last octet.
        write, base, read = Signal(place), Signal(place), Signal(place)
        inside, whole, over, left = Signal(), Signal(), Signal(), Signal(place)
        m.d.sync += left.eq(read + ~write)
        m.d.comb += [
            ring.write_en.eq(self.valid & inside),
            ring.write_addr.eq(write),
            ring.write_data.eq(self.octet | (self.last << 8)),
        ]
        with m.If(self.end):
            m.d.sync += inside.eq(0)
        with m.If(ring.write_en):
            m.d.sync += [write.eq(write + 1), whole.eq(self.last), over.eq(over | (left[2:] == _NEARLY >> 2))]
        with m.If(self.soon):
            m.d.sync += [write.eq(base), inside.eq(1), whole.eq(0), over.eq(0)]

        # Commit.
        fresh, committed, full = Signal(LANES), Signal(), Signal()
        entry, head = (
            Signal(data.StructLayout({"chunk": _CHUNK, "begin": place}), name=name) for name in ("entry", "head")
        )
        m.d.comb += [
            committed.eq(self.commit & whole & ~over & ~full),
            self.overran.eq(self.commit & ~committed),
            entry.chunk.lane.eq(self.lane),
            entry.chunk.fresh.eq(fresh.bit_select(self.lane, 1)),
            entry.chunk.hole.eq(self.holes.bit_select(self.lane, 1)),
            entry.begin.eq(base + self.skip),
        ]
        goes = Signal(LANES)
        m.d.comb += goes.eq(committed << self.lane)
        m.d.sync += [
            self.holes.eq((self.holes & ~goes) | (self.overran << self.lane)),
            fresh.eq((fresh & ~goes) | (self.began << self.began_lane)),
        ]
        with m.If(committed):
            m.d.sync += [base.eq(write), whole.eq(0)]

        # The queue, of look-up tables.
        m.submodules.queue = queue = memory.Memory(
            shape=len(entry.as_value()), depth=self.queued, init=[], attrs={"ram_style": "distributed"}
        )
        into, out_of = Signal(range(2 * self.queued)), Signal(range(2 * self.queued))
        put, get = queue.write_port(), queue.read_port(domain="comb")
        m.d.comb += [
            put.en.eq(committed),
            put.addr.eq(into),
            put.data.eq(entry),
            get.addr.eq(out_of),
            self.chunk.eq(head.chunk),
        ]
        m.d.sync += [
            full.eq(into ^ out_of == self.queued),  # no two commits are so close that this comes too late
            head.eq(get.data),
            self.some.eq((into != out_of) & ~self.take),
            into.eq(into + committed),
            out_of.eq(out_of + self.take),
        ]

        # Read; behind the last octet what is on its way is dropped: two places have been asked for too many.
        reading, coming, here, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [ring.read_addr.eq(read), ends.eq(here & ring.read_data[8])]
        m.d.sync += [
            reading.eq(reading & ~ends),
            coming.eq(reading & ~ends),
            here.eq(coming & ~ends),
            self.read_valid.eq(here),
            self.read_octet.eq(ring.read_data[:8]),
            self.read_last.eq(ring.read_data[8]),
            read.eq(read + (reading | ends.replicate(len(read)))),
        ]
        with m.If(self.take):
            m.d.sync += [read.eq(head.begin), reading.eq(1)]
        return m

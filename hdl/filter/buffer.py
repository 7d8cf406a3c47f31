"""The frame buffer: holds a frame until its verdict, and until it has left."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.marks import Mark
from hdl.filter.memory import Memory
from hdl.wire.ethernet import LONGEST, MOST_TAGS

MOST_OCTETS = LONGEST + 4 * MOST_TAGS
RESERVE = 1536  # free octets that a frame needs to begin


class FrameBuffer(wiring.Component):
    """Stores the octets of each frame with their marks.

    A frame is stored as it comes in, behind the frames that were kept. ``end`` closes it: kept, its place is taken
    until ``freed`` gives back as many octets; dropped, its place is used again. Octets beyond the longest legal frame
    are not stored (such a frame is dropped by its length). A frame that begins while fewer than 1536 octets are free is
    not stored at all, and ``overflow`` says so until the next frame begins: it must be dropped.

    Members
    -------
    octet, valid, start, end : In
        The receiver's stream. The mark of an octet comes in four cycles after the octet, where it is written.
    mark : In(Mark)
    keep, length : In(1), In(11)
        Taken with ``end``; length in octets.
    overflow : Out(1)
    pop, head_length : In(1), In(11)
        The oldest kept frame, of so many octets, leaves the queue; with ``take`` it is the one that ``fetch`` reads.
    take : In(1)
        ``fetch`` may follow two cycles later. Without ``pop`` there is nothing to fetch.
    fetch : In(1)
        Takes one octet: it and its mark are in ``fetched`` and ``fetched_mark`` three cycles later, for one cycle.
    fetched, fetched_mark : Out(8), Out(Mark)
    freed, freed_octets : In(1), In(11)
        A kept frame has left or was discarded.
    """

    def __init__(self, *, depth: int = 8192):
        self.depth = depth
        super().__init__(
            {
                "octet": In(8),
                "valid": In(1),
                "start": In(1),
                "end": In(1),
                "mark": In(Mark),
                "keep": In(1),
                "length": In(11),
                "overflow": Out(1),
                "pop": In(1),
                "head_length": In(11),
                "take": In(1),
                "fetch": In(1),
                "fetched": Out(8),
                "fetched_mark": Out(Mark),
                "freed": In(1),
                "freed_octets": In(11),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # 11 bits of 8192 words: four block RAMs 9 bits wide and one of 2 bits.
        m.submodules.memory = memory = Memory(9, self.depth)
        m.submodules.marks = marks = Memory(2, self.depth)
        bits = self.depth.bit_length() - 1

        # Writing: the octet waits four cycles for its mark.
        waiting, valid = Signal(4 * 8), Signal(4)
        write, frame = Signal(bits), Signal(bits)  # next octet; where the current frame begins
        stored, stop = Signal(range(MOST_OCTETS + 1)), Signal()
        over = Signal()  # a cycle late: the frame before may still have its last octet on the way
        m.d.sync += [
            over.eq(self.overflow),
            waiting.eq(Cat(self.octet, waiting)),
            valid.eq(Cat(self.valid & (self.start | ~stop), valid)),
        ]
        m.d.comb += [
            Cat(memory.write_en, marks.write_en).eq((valid[-1] & ~over).replicate(2)),
            memory.write_addr.eq(write),
            marks.write_addr.eq(write),
            Cat(memory.write_data, marks.write_data).eq(Cat(waiting[-8:], self.mark)),
        ]
        with m.If(self.start):
            m.d.sync += [stored.eq(1), stop.eq(0)]
        with m.Elif(self.valid & ~stop):
            m.d.sync += [stored.eq(stored + 1), stop.eq(stored == MOST_OCTETS - 1)]

        # The last octet is written three cycles after `end`; the next frame's first no earlier than three later.
        closing, kept = Signal(4), Signal(4)
        m.d.sync += [closing.eq(closing << 1 | self.end), kept.eq(kept << 1 | self.keep)]
        with m.If(closing[-1]):
            with m.If(kept[-1]):
                m.d.sync += frame.eq(write)
            with m.Else():
                m.d.sync += write.eq(frame)
        with m.Elif(memory.write_en):
            m.d.sync += write.eq(write + 1)

        # Room: octets kept less octets freed, both counted modulo twice the depth.
        kept_octets, freed_octets, used = Signal(bits + 1), Signal(bits + 1), Signal(bits + 1)
        length, room = Signal(11), Signal(init=1)
        m.d.sync += [
            length.eq(self.length),
            used.eq(kept_octets - freed_octets),
            room.eq(used <= self.depth - RESERVE),
        ]
        with m.If(closing[0] & kept[0]):
            m.d.sync += kept_octets.eq(kept_octets + length)
        with m.If(self.freed):
            m.d.sync += freed_octets.eq(freed_octets + self.freed_octets)
        with m.If(self.start):
            m.d.sync += self.overflow.eq(~room)

        # Reading: `oldest` is where the head of the queue begins, since kept frames lie one behind the other.
        oldest, read = Signal(bits), Signal(bits)
        m.d.comb += [memory.read_addr.eq(read), marks.read_addr.eq(read)]
        m.d.sync += Cat(self.fetched, self.fetched_mark).eq(Cat(memory.read_data, marks.read_data))
        # The gate decides late, and fetches later still: all this takes place one cycle behind it.
        pop, take, head_length = Signal(), Signal(), Signal(11)
        m.d.sync += [pop.eq(self.pop), take.eq(self.take), head_length.eq(self.head_length)]
        with m.If(pop):
            m.d.sync += oldest.eq(oldest + head_length)
        with m.If(take):
            m.d.sync += read.eq(oldest)
        with m.Elif(self.fetch):
            m.d.sync += read.eq(read + 1)
        return m

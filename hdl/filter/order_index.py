"""The index of open orders: where an order is kept, by its lane and number."""

from functools import reduce
from itertools import pairwise
from operator import xor

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gross import LANE_BITS
from hdl.filter.memory import Memory

BUCKET_BITS = 6
SLOT_BITS = BUCKET_BITS + 3
WORDS = 4  # of a bucket, of two slots each
REF_BITS = 32
# How the number's octets go round in its bucket, lowest first: numbers in a row, and tokens that count in digits,
# spread over the buckets.
TURNS = (0, 3, 1, 5)
_HALF = 36  # bits of one block RAM's word

# The number's other bits: with the bucket they tell it.
KEY = data.StructLayout({"high": REF_BITS - BUCKET_BITS, "lane": LANE_BITS, "used": 1})


def bucket_of(ref):
    """Return the bucket of a number: the low six bits of each octet, turned, added modulo 2."""
    return reduce(xor, (ref.word_select(octet, 8)[:BUCKET_BITS].rotate_left(by) for octet, by in enumerate(TURNS)))


class OrderIndex(wiring.Component):
    """Finds the slot of an order that a report names, and a free slot for an order that is about to be charged.

    There are 64 buckets of 8 slots, and an order can only be in its number's bucket. A search takes the four words of
    its bucket, one a cycle, and the next one may follow at once; a probe comes before a report. What is written in the
    cycle in which a word is asked for, or earlier, is seen.

    ``probe`` in cycle p takes lane and number: the words are asked for in p+2 to p+5, or behind those of a report for
    which that began in p+1 or earlier, in p+5 to p+8 at the latest; from seven cycles behind the first one on ``room``
    and ``slot`` are right, until the next ``probe``. Probes come at least 13 cycles apart.

    ``find`` is a level, held with its lane and number up to ``done``: the words are asked for two cycles behind its
    beginning or later, when no probe is in the way, and ``done`` comes seven cycles behind the first one. ``found`` and
    ``found_slot`` stay until the next word is there for a report.

    Members
    -------
    probe, probe_lane, probe_ref : In(1), In(3), In(32)
    looks : Out(1)
        From the cycle behind ``probe`` to that of its last word's address.
    room, slot, key : Out(1), Out(9), Out(KEY)
        There is a free slot, and no order of this lane and number; what is to be written there when it is charged.
    same, same_slot : Out(1), Out(9)
        There is an order of this lane and number, and where.
    find, lane, ref : In(1), In(3), In(32)
    done, found, found_slot : Out(1), Out(1), Out(9)
    write, write_slot, write_key : In(1), In(9), In(KEY)
    clear, clear_place : In(1), In(8)
        Empties two slots, in its cycle; not together with ``write``.
    """

    probe: In(1)
    probe_lane: In(LANE_BITS)
    probe_ref: In(REF_BITS)
    looks: Out(1)
    room: Out(1)
    slot: Out(SLOT_BITS)
    key: Out(KEY)
    same: Out(1)
    same_slot: Out(SLOT_BITS)
    find: In(1)
    lane: In(LANE_BITS)
    ref: In(REF_BITS)
    done: Out(1)
    found: Out(1)
    found_slot: Out(SLOT_BITS)
    write: In(1)
    write_slot: In(SLOT_BITS)
    write_key: In(KEY)
    clear: In(1)
    clear_place: In(SLOT_BITS - 1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(2 * _HALF, 1 << (SLOT_BITS - 1), part=_HALF)

        # The keys that are looked for: of the order, and of the report.
        bucket, report_bucket, report_key = Signal(BUCKET_BITS), Signal(BUCKET_BITS), Signal(KEY)
        with m.If(self.probe):
            m.d.sync += [
                bucket.eq(bucket_of(self.probe_ref)),
                self.key.eq(Cat(self.probe_ref[BUCKET_BITS:], self.probe_lane, 1)),
            ]
        m.d.sync += [
            report_bucket.eq(bucket_of(self.ref)),
            report_key.eq(Cat(self.ref[BUCKET_BITS:], self.lane, 1)),
        ]

        # What is read, cycle by cycle: `reading` the address, `shown` two cycles later the word.
        waits, asked, settled = Signal(), Signal(), Signal()  # a probe does; a report is, or was
        reading, probing, word, begins = Signal(4), Signal(4), Signal(range(WORDS)), Signal()
        m.d.comb += [
            begins.eq(~reading[0] | (word == WORDS - 1)),
            self.looks.eq(waits | (reading[0] & probing[0])),
        ]
        m.d.sync += [
            settled.eq(self.find),  # its key is there
            waits.eq((waits & ~begins) | self.probe),
            asked.eq(self.find & (asked | (begins & ~waits & settled)) & ~self.done),
            reading.eq(Cat(~begins | waits | (settled & self.find & ~asked), reading)),
            probing.eq(Cat(Mux(begins, waits, probing[0]), probing)),
            word.eq(Mux(begins, 0, word + 1)),
        ]
        places = [word, *(Signal.like(word, name=f"word_{later}") for later in range(1, 4))]
        m.d.sync += [later.eq(place) for place, later in pairwise(places)]
        m.d.comb += memory.read_addr.eq(Cat(word, Mux(probing[0], bucket, report_bucket)))

        # What is written in the cycle of an address takes the place of what is read.
        written, half = Signal(KEY.size), self.write_slot[0]
        m.d.comb += [
            memory.write_en.eq(Mux(self.clear, 3, Cat(self.write & ~half, self.write & half))),
            memory.write_addr.eq(Mux(self.clear, self.clear_place, self.write_slot[1:])),
            memory.write_data.eq(Cat(written, C(0, _HALF - KEY.size), written)),
        ]
        with m.If(~self.clear):
            m.d.comb += written.eq(self.write_key)
        writes, into, out_of = Signal(2), Signal(SLOT_BITS - 1), Signal(SLOT_BITS - 1)
        met, same, used, last = Signal(2), Signal(), Signal(), Signal(KEY.size)
        key_then, key_now = Signal(KEY.size), Signal(KEY.size)
        m.d.sync += [
            key_then.eq(Mux(probing[0], self.key.as_value(), report_key.as_value())),
            writes.eq(memory.write_en),
            into.eq(memory.write_addr),
            out_of.eq(memory.read_addr),
            last.eq(written),
            key_now.eq(key_then),
            met.eq(writes & (into == out_of).replicate(2)),
            same.eq(last == key_then),
            used.eq(last[-1]),
        ]
        hit, vacant = Signal(2), Signal(2)
        for half in range(2):
            key = memory.read_data[half * _HALF :][: KEY.size]
            m.d.comb += [
                hit[half].eq(Mux(met[half], same, key == key_now)),
                vacant[half].eq(~Mux(met[half], used, key[-1])),
            ]

        # What a search has found so far, a cycle later.
        found, free = Signal(2), Signal(2)
        m.d.sync += [found.eq(hit), free.eq(vacant)]
        shown, probed, read = reading[3], probing[3], places[3]
        first = read == 0
        some = Signal()
        m.d.comb += self.room.eq(some & ~self.same)
        m.d.sync += self.done.eq(shown & ~probed & (read == WORDS - 1))
        with m.If(shown & probed):
            m.d.sync += [some.eq((some & ~first) | free.any()), self.same.eq((self.same & ~first) | found.any())]
            with m.If(first | ~some):
                m.d.sync += self.slot.eq(Cat(~free[0], read, bucket))
            with m.If(found.any()):
                m.d.sync += self.same_slot.eq(Cat(~found[0], read, bucket))
        with m.If(shown & ~probed):
            m.d.sync += self.found.eq((self.found & ~first) | found.any())
            with m.If(found.any()):
                m.d.sync += self.found_slot.eq(Cat(~found[0], read, report_bucket))
        return m

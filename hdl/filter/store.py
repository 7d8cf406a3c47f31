"""The store of contexts: one for each frame of the egress queue, and one for each lane."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory as SmallMemory
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS
from hdl.filter.memory import Memory
from hdl.wire.verdict import LANES

QUEUE = 32  # frames; their slots come first, the lanes' behind them
_SAVES = 12  # cycles of a save behind its strobe


class ContextStore(wiring.Component):
    """Keeps contexts (`hdl.filter.context`) and gives them back.

    A *load* that starts in cycle a gives word i with the strobe ``load[i]`` in a+3+i. A *save* that starts in cycle s
    takes word i from ``context`` in s+2+i, word 0 in s+11, and is there for loads that start in s+12 or later.

    A *commit* copies the context of a frame to its lane, in the background: in 12 cycles, and as many more as loads and
    saves take, the lowest lane first. ``pending`` is up from the cycle behind the commit until the copy is there;
    meanwhile a load of the lane's slot reads the frame's instead, so that it always gives what was committed last
    before its cycle. Of two commits of a lane only the later one need be copied, so there is no queue to overflow. The
    slot of a frame must stay as it is while its lane is pending.

    Loads start at least 9 cycles apart, and saves 12. A reset changes no context, and forgets what is pending.

    Members
    -------
    start_load, load_lane : In(1), In(3)
        Strobe, and the lane.
    anew, load_slot : In(1), In(6)
        From the cycle behind ``start_load`` to eight cycles behind it: there is nothing to load; the slot. Slots 0 to
        31 are the frames', 32 to 39 the lanes'.
    load, word : Out(8), Out(36)
        To the parsers.
    start_save, save_slot : In(1), In(5)
    context : In(288)
        The parsers', joined.
    commit, commit_slot, commit_lane : In(1), In(5), In(3)
    pending : Out(8)
        One bit for each lane.
    """

    start_load: In(1)
    load_lane: In(range(LANES))
    anew: In(1)
    load_slot: In(6)
    load: Out(WORDS)
    word: Out(WORD_BITS)
    start_save: In(1)
    save_slot: In(range(QUEUE))
    context: In(WORDS * WORD_BITS)
    commit: In(1)
    commit_slot: In(range(QUEUE))
    commit_lane: In(range(LANES))
    pending: Out(LANES)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(WORD_BITS, 64 * WORDS)
        m.d.comb += self.word.eq(memory.read_data)

        # What is committed: for each lane the frame's slot, and whether a copy is still to begin.
        waiting = Signal(LANES)
        m.submodules.sources = sources = SmallMemory(
            shape=range(QUEUE), depth=LANES, init=[], attrs={"ram_style": "distributed"}
        )
        committed, asked_for, lowest = sources.write_port(), *(sources.read_port(domain="comb") for _ in range(2))
        copying, lane, source = Signal(), Signal(range(LANES)), Signal(range(QUEUE))
        m.d.comb += [
            committed.en.eq(self.commit),
            committed.addr.eq(self.commit_lane),
            committed.data.eq(self.commit_slot),
            asked_for.addr.eq(self.load_lane),
        ]

        # Reading: a load from the cycle behind its start on, else a copy, of which nothing may arrive during a save.
        loading, load_number, slot = Signal(), Signal(range(WORDS)), Signal.like(self.load_slot)
        pending_slot, was_pending = Signal(range(QUEUE)), Signal()
        m.d.comb += slot.eq(Mux(self.load_slot[-1] & was_pending, pending_slot, self.load_slot))
        asked = Signal(2)
        m.d.sync += [
            Cat(asked, self.load).eq(Cat(self.start_load, asked[0] & ~self.anew, asked[1], self.load)),
            load_number.eq(load_number + 1),
        ]
        with m.If(load_number == WORDS - 1):
            m.d.sync += loading.eq(0)
        with m.If(self.start_load):
            m.d.sync += [loading.eq(1), load_number.eq(0)]
            m.d.sync += was_pending.eq(self.pending.bit_select(self.load_lane, 1))
            m.d.sync += pending_slot.eq(asked_for.data)

        saves, save_number, save_slot = Signal(_SAVES - 1), Signal(range(WORDS)), Signal.like(self.save_slot)
        copies, copy_number = Signal(), Signal(range(WORDS + 1))
        arriving, arriving_number = Signal(2), Signal(2 * len(load_number))
        m.d.comb += copies.eq(copying & (copy_number != WORDS) & ~loading & ~saves.any())
        m.d.sync += [
            arriving.eq(Cat(copies, arriving)),
            arriving_number.eq(Cat(copy_number[: len(load_number)], arriving_number)),
        ]
        m.d.comb += memory.read_addr.eq(Mux(loading, Cat(load_number, slot), Cat(copy_number[:3], source)))
        with m.If(copies):
            m.d.sync += copy_number.eq(copy_number + 1)
        done = Signal(LANES)
        with m.If((copy_number == WORDS) & ~arriving.any()):
            m.d.sync += copying.eq(0)
            m.d.comb += done.eq(copying << lane)

        # Writing, from registers: words 1 to 7 of a save in its cycles 3 to 9, word 0 in cycle 11; or what arrives.
        takes = Signal()
        m.d.comb += takes.eq(saves[2:9].any())
        m.d.sync += [
            saves.eq(Cat(self.start_save, saves)),
            save_number.eq(save_number + takes),
            memory.write_en.eq(takes | saves[10] | arriving[1]),
            memory.write_addr.eq(Cat(save_number, save_slot)),
            memory.write_data.eq(self.context.word_select(save_number, WORD_BITS)),
        ]
        with m.If(self.start_save):
            m.d.sync += [save_number.eq(1), save_slot.eq(self.save_slot)]
        with m.If(arriving[1]):
            m.d.sync += memory.write_addr.eq(Cat(arriving_number[3:], lane, Const(QUEUE >> 3, 3)))
            m.d.sync += memory.write_data.eq(memory.read_data)

        # A copy begins with the lowest lane; a commit in the same cycle waits for the next one.
        for number in reversed(range(LANES)):
            with m.If(waiting[number]):
                m.d.comb += lowest.addr.eq(number)
        with m.If(~copying):
            m.d.sync += [copy_number.eq(0), copying.eq(waiting.any()), lane.eq(lowest.addr), source.eq(lowest.data)]
            m.d.sync += waiting.eq(waiting & (waiting - 1))
        m.d.sync += self.pending.eq(self.pending & ~(done & ~waiting))
        with m.If(self.commit):
            for flags in (waiting, self.pending):
                m.d.sync += flags.bit_select(self.commit_lane, 1).eq(1)
        return m

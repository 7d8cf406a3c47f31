"""Keeps when things happened."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory

DELAY = 2  # cycles from a moment to the strobe that tells of it
READ_DELAY = 3  # cycles from `read` to its `value`
MOST = 7

_LOW = 4  # bits of `now` that a moment keeps for itself, until they are written
_NONE = 3  # in place of a copy: nothing is ever written there, and memory is 0


def check_things(things):
    """Raise ValueError for a number of things that `Moments` can't keep."""
    if things not in range(1, MOST + 1):
        raise ValueError(f"moments must be of 1 to {MOST} things, not {things!r}")


class Moments(wiring.Component):
    """Keeps the last moment of each of some things, 64 bits of ``now``; 0 when there was none, and after reset.

    A moment is written while the 16 cycles behind its own 16 pass, so it shows within 32 cycles of its strobe; a later
    one takes its place. Reading a low word latches the high word that belongs to it, separately for each moment; the
    high word is read from there, and is 0 until then.

    Parameters
    ----------
    things : int
        How many, at most `MOST`.

    Members
    -------
    now : In(64)
        Goes up by 1 in every cycle; may jump while ``busy`` is low.
    happened : In(things)
        Strobes: the moment is ``now`` of `DELAY` cycles before.
    forgotten : In(things)
        Strobes: no moment any more, neither of this cycle nor before.
    pending : Out(things)
        Levels from the cycle after a strobe on: it does not show yet.
    busy : Out(1)
        Something is pending.
    read, thing, high, value : In(1), In(3), In(1), Out(32)
        Strobe: the word is on ``value`` from `READ_DELAY` cycles later on, until as much behind the next strobe.
    """

    def __init__(self, things: int):
        check_things(things)
        self.things = things
        super().__init__(
            {
                "now": In(64),
                "happened": In(things),
                "forgotten": In(things),
                "pending": Out(things),
                "busy": Out(1),
                "read": In(1),
                "thing": In(3),
                "high": In(1),
                "value": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(32, 1 << 6)
        moment = self.now
        for _ in range(DELAY):
            m.d.sync += (later := Signal(64)).eq(moment)
            moment = later
        # The upper bits are the same for all moments of 16 cycles: they are kept while the next 16 pass.
        upper_before, upper = Signal(64 - _LOW), Signal(64 - _LOW)
        low = moment[:_LOW]
        turn = low == 0
        m.d.sync += upper_before.eq(moment[_LOW:])
        with m.If(turn):
            m.d.sync += upper.eq(upper_before)

        # In those, each thing has two cycles for its two words, the first two cycles nobody's.
        slot, slot_high = low[1:], low[0]
        writing, target = Signal(), Signal(2)
        line = Signal(_LOW)
        m.d.sync += [writing.eq(0), memory.write_data.eq(Cat(line, upper).word_select(slot_high, 32))]
        shown, latched = Signal(2), Signal(2)  # copies of the thing that is read
        for number in range(self.things):
            waiting, due = Signal(name=f"waiting_{number}"), Signal(name=f"due_{number}")
            low_waiting, low_due = Signal(_LOW, name=f"low_waiting_{number}"), Signal(_LOW, name=f"low_due_{number}")
            m.d.comb += self.pending[number].eq(waiting | due)
            with m.If(self.happened[number]):
                m.d.sync += low_waiting.eq(low)
            with m.If(turn):
                m.d.sync += low_due.eq(low_waiting)
            with m.If(self.forgotten[number]):
                m.d.sync += [waiting.eq(0), due.eq(0)]
            with m.Else():
                with m.If(turn):
                    m.d.sync += [waiting.eq(0), due.eq(waiting)]
                with m.If(self.happened[number]):
                    m.d.sync += waiting.eq(1)

            # Three copies: the last one, one that is latched, and one to be written.
            copy, latch = Signal(2, init=_NONE, name=f"copy_{number}"), Signal(2, init=_NONE, name=f"latch_{number}")
            with m.If(slot == number + 1):
                m.d.sync += writing.eq(due)
                m.d.comb += line.eq(low_due)
                with m.If(~slot_high):
                    m.d.sync += target.eq(_another(m, copy, latch))
            with m.If(self.forgotten[number]):
                m.d.sync += copy.eq(_NONE)
            with m.Elif(due & (low == 2 * number + 3)):
                m.d.sync += copy.eq(target)
            with m.If(self.thing == number):
                m.d.comb += [shown.eq(copy), latched.eq(latch)]
                with m.If(self.read & ~self.high):
                    m.d.sync += latch.eq(copy)

        where = Signal(4)
        m.d.sync += where.eq(low)
        m.d.comb += [
            memory.write_en.eq(writing),
            memory.write_addr.eq(Cat(target, where)),
            self.value.eq(memory.read_data),
        ]
        m.d.sync += self.busy.eq(self.pending.any())
        with m.If(self.read):
            m.d.sync += memory.read_addr.eq(Cat(shown, self.high, self.thing + 1))
            with m.If(self.high):
                m.d.sync += memory.read_addr[:2].eq(latched)
        return m


def _another(m, copy, latch):
    """Return the lowest number that is neither."""
    other = Signal(2)
    with m.If((copy == 0) | (latch == 0)):
        m.d.comb += other.eq(1)
        with m.If((copy == 1) | (latch == 1)):
            m.d.comb += other.eq(2)
    return other

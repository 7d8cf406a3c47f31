"""A queue in a block RAM for what happens in bursts and is handled one after another."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory

ADDRESS = 7


class JobQueue(wiring.Component):
    """Keeps up to ``DEPTH`` jobs in order, without backpressure.

    A job pushed in cycle c is the `head` from cycle c+3 on at the earliest, while `some` is high. Pushed into a full
    queue it is lost, and `overrun` stays high from the next cycle until reset.

    Parameters
    ----------
    shape : ShapeLike
        At most 36 bits fit one block RAM.

    Members
    -------
    push, job : In
    some, head : Out
    waiting : Out(1)
        The queue is not empty. Combinational from registers.
    pop : In(1)
        Only while ``some``; the next head is there three cycles later, ``some`` is low in between.
    overrun : Out(1)
    """

    DEPTH = (1 << ADDRESS) - 2  # of as many places as the order below visits, one stays free

    def __init__(self, shape):
        self.shape = shape
        super().__init__(
            {
                "push": In(1),
                "job": In(shape),
                "some": Out(1),
                "waiting": Out(1),
                "head": Out(shape),
                "pop": In(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(len(self.job.as_value()), 1 << ADDRESS)
        into, out_of, room, seen = Signal(ADDRESS, init=1), Signal(ADDRESS, init=1), Signal(), Signal()
        m.d.comb += [
            room.eq(_after(into) != out_of),
            memory.write_addr.eq(into),
            memory.write_data.eq(self.job),
            memory.write_en.eq(self.push & room),
            memory.read_addr.eq(out_of),
            self.head.as_value().eq(memory.read_data),
            self.waiting.eq(into != out_of),
        ]
        with m.If(memory.write_en):
            m.d.sync += into.eq(_after(into))
        with m.If(self.pop):
            m.d.sync += out_of.eq(_after(out_of))
        m.d.sync += [
            seen.eq(self.waiting & ~self.pop),
            self.some.eq(seen & ~self.pop),
            self.overrun.eq(self.overrun | (self.push & ~room)),
        ]
        return m


def _after(place):
    """Return the place after `place`: x^7 + x^6 + 1 visits all but 0, and needs no carry chain."""
    return Cat(place[-1] ^ place[-2], place[:-1])

"""A small queue for what happens in bursts and is handled one after another."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class JobQueue(wiring.Component):
    """Keeps jobs in order, without backpressure.

    A job pushed in cycle c is the `head` from cycle c+2 on at the earliest, while `some` is high. Pushed into a full
    queue it is lost, and `overrun` stays high from the next cycle until reset.

    Parameters
    ----------
    shape : ShapeLike
    depth : int
        A power of two.

    Members
    -------
    push, job : In
    some, head : Out
    waiting : Out(1)
        The queue is not empty. Combinational from registers.
    pop : In(1)
        Only while ``some``; the next head is there two cycles later, ``some`` is low in between.
    full : Out(1)
        Combinational from registers.
    overrun : Out(1)
    """

    def __init__(self, shape, depth):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"job queue depth must be a power of two of at least 2, not {depth!r}")
        self.shape, self.depth = shape, depth
        super().__init__(
            {
                "push": In(1),
                "job": In(shape),
                "some": Out(1),
                "waiting": Out(1),
                "head": Out(shape),
                "pop": In(1),
                "full": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self.shape, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        bits = (self.depth - 1).bit_length()
        into, out_of = Signal(bits + 1), Signal(bits + 1)
        full = self.full
        m.d.comb += [
            full.eq((into ^ out_of) == self.depth),
            write.addr.eq(into[:bits]),
            write.data.eq(self.job),
            write.en.eq(self.push & ~full),
            read.addr.eq(out_of[:bits]),
            self.waiting.eq(into != out_of),
        ]
        with m.If(self.push):
            m.d.sync += self.overrun.eq(self.overrun | full)
            with m.If(~full):
                m.d.sync += into.eq(into + 1)
        m.d.sync += [self.head.eq(read.data), self.some.eq(self.waiting & ~self.pop)]
        with m.If(self.pop):
            m.d.sync += out_of.eq(out_of + 1)
        return m

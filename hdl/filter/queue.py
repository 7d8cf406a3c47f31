"""The egress queue: descriptors of the frames that wait to leave."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import Descriptor, Entry, Head, entry_of, head_of


class EgressQueue(wiring.Component):
    """Keeps up to ``depth`` descriptors in order, the oldest in a register.

    A descriptor pushed into an empty queue is the head in the next cycle; after ``pop`` the next one is the head in the
    next cycle. The memory behind the head is read without a clock: it is small, and a queue that can lose one head a
    cycle must not wait for a block RAM.

    Members
    -------
    end, descriptor, keep : In
        A frame has ended; it is pushed if it is kept and the queue is not ``full``. The memory is written in any case,
        in a place that counts only then. Ends are two cycles apart, or more.
    head_valid, head : Out
    pop : In(1)
        Only with ``head_valid``.
    full : Out(1)
        As of three cycles ago.
    count, popped : Out(6), Out(1)
        Frames that waited, the head included, in the cycle before; and ``pop`` of that cycle.
    """

    end: In(1)
    descriptor: In(Descriptor)
    keep: In(1)
    head_valid: Out(1)
    head: Out(Head)
    pop: In(1)
    full: Out(1)
    count: Out(6)
    popped: Out(1)

    depth = 32

    def elaborate(self, platform):
        m = Module()
        size = self.depth
        m.submodules.memory = memory = Memory(shape=Entry, depth=size, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")

        # Both the verdict and the gate decide late in a cycle. A frame that does not become the head at once is told by
        # `landed` one cycle later, when the counters go on. Behind the head wait one or more (`behind[0]`), two or more
        # (`behind[1]`), three or more (`more`), without the landed one.
        coming = entry_of(m, self.descriptor)
        push, load, get, some, landed = (Signal() for _ in range(5))
        behind, more = Signal(2), Signal()
        m.d.comb += [
            push.eq(self.keep & ~self.full),
            load.eq(~self.head_valid | self.pop),
            some.eq(behind[0] | landed),
            get.eq(load & some),
            more.eq((write.addr - read.addr)[: len(read.addr)] > 2),
            write.en.eq(self.end),
            write.data.eq(coming),
        ]
        # Either is made ready by itself: of the new one the verdict comes late.
        oldest, new = head_of(m, read.data), head_of(m, coming)
        m.d.sync += landed.eq(push & (some | ~load))
        with m.If(load):
            m.d.sync += self.head_valid.eq(some | push)
            m.d.sync += self.head.eq(Mux(some, oldest, new))
        with m.If(landed):
            m.d.sync += write.addr.eq(write.addr + 1)
        # `get` is the latest of all: here and below it meets one gate, where an enable would be far.
        for number, bit in enumerate(read.addr):
            m.d.sync += bit.eq(bit ^ (get & read.addr[:number].all()))
        fewer, further = Cat(behind[1], more), Cat(Const(1, 1), behind[0])
        m.d.sync += behind.eq(Mux(get, Mux(landed, behind, fewer), Mux(landed, further, behind)))

        # Pushes of whole frames are far apart: by the next one `full` has long settled.
        pushed = Signal()
        m.d.sync += [
            pushed.eq(push),
            self.popped.eq(self.pop),
            self.count.eq(self.count + pushed - self.popped),
            self.full.eq(self.count[-1]),
        ]
        return m

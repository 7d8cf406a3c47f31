"""The egress queue: descriptors of the frames that wait to leave."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import Descriptor


class EgressQueue(wiring.Component):
    """Keeps up to ``depth`` descriptors in order, the oldest in a register.

    A descriptor pushed into an empty queue is the head in the next cycle; after ``pop`` the next one is the head in the
    next cycle. The memory behind the head is read without a clock: it is small, and a queue that can lose one head a
    cycle must not wait for a block RAM.

    Members
    -------
    end, descriptor, keep : In
        A frame has ended; it is pushed if it is kept and the queue is not ``full``. The memory is written in any case, in
        a place that counts only then: so its verdict, which comes late, meets nothing but counters.
    head_valid, head : Out
    pop : In(1)
        Only with ``head_valid``.
    full : Out(1)
    count : Out(6)
        Frames that wait, the head included.
    """

    end: In(1)
    descriptor: In(Descriptor)
    keep: In(1)
    head_valid: Out(1)
    head: Out(Descriptor)
    pop: In(1)
    full: Out(1)
    count: Out(6)

    depth = 32

    def elaborate(self, platform):
        m = Module()
        size = self.depth
        m.submodules.memory = memory = Memory(shape=Descriptor, depth=size, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        waiting = Signal(range(size + 1))  # in the memory
        some = Signal()  # waiting != 0
        push, put, get, load = Signal(), Signal(), Signal(), Signal()

        m.d.comb += [
            push.eq(self.keep & ~self.full),
            load.eq(~self.head_valid | self.pop),
            get.eq(load & some),
            put.eq(push & ~(load & ~some)),
            write.en.eq(self.end),
            write.data.eq(self.descriptor),
        ]
        m.d.sync += [write.addr.eq(write.addr + put), read.addr.eq(read.addr + get)]
        with m.If(load):
            m.d.sync += self.head_valid.eq(some | push)
            m.d.sync += self.head.eq(self.descriptor)
            with m.If(some):
                m.d.sync += self.head.eq(read.data)
        m.d.sync += self.count.eq(self.count + push - self.pop)
        with m.If(put & ~get):
            m.d.sync += [waiting.eq(waiting + 1), some.eq(1), self.full.eq(waiting == size - 2)]
        with m.Elif(get & ~put):
            m.d.sync += [waiting.eq(waiting - 1), some.eq(waiting != 1), self.full.eq(0)]
        return m

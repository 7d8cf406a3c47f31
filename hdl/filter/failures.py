"""The frames that were kept and then did not leave, waiting for their reservations to be undone."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

PLACE_BITS = 8
COUNT_BITS = 5

FAILURE = data.StructLayout({"base": PLACE_BITS, "count": COUNT_BITS})


class FailureQueue(wiring.Component):
    """Keeps failures in order.

    One is accepted in every cycle while ``ready``; if nothing waits it is offered in the next cycle. One without
    reservations is accepted and forgotten. ``ready`` falls four places before the queue is full; what is offered
    against it is lost. Reset empties the queue.

    Parameters
    ----------
    depth : int
        A power of two, at least 8.

    Members
    -------
    i, o : In(stream.Signature(FAILURE)), Out(stream.Signature(FAILURE))
    """

    def __init__(self, depth: int = 64):
        if depth < 8 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 8, not {depth!r}")
        self.depth = depth
        super().__init__({"i": In(stream.Signature(FAILURE)), "o": Out(stream.Signature(FAILURE))})

    def elaborate(self, platform):
        m = Module()
        # Look-up tables, read without a clock: the head is there in the cycle after it came.
        m.submodules.items = items = memory.Memory(
            shape=FAILURE, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = items.write_port(), items.read_port(domain="comb")
        head, tail = Signal(ceil_log2(self.depth)), Signal(ceil_log2(self.depth))
        following, waiting = Signal(ceil_log2(self.depth), init=1), Signal(range(self.depth))  # behind the head
        push, pop, room = Signal(), Signal(), Signal(init=1)
        m.d.comb += [
            self.i.ready.eq(room),
            push.eq(self.i.valid & self.i.ready & (self.i.payload.count != 0)),
            pop.eq(self.o.valid & self.o.ready),
            # The place behind the last item is always free, so it may be written in any cycle.
            write.en.eq(1),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            read.addr.eq(head),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [
            tail.eq(tail + push),
            waiting.eq(tail - head),
            room.eq(waiting < self.depth - 5),
        ]
        with m.If(pop):
            m.d.sync += [head.eq(following), following.eq(following + 1)]
        with m.If(push):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(pop & (following == tail)):
            m.d.sync += self.o.valid.eq(0)
        return m

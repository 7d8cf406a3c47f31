"""The return path: from the exchange to the servers, unread; RSTs of the filter's own go in between."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory as SmallMemory
from amaranth.lib.wiring import In, Out

from hdl.filter.fcs import INIT, crc32
from hdl.filter.memory import Memory
from hdl.filter.reset import RESET_OCTETS
from hdl.wire.ethernet import FCS_OCTETS, GAP_OCTETS, PREAMBLE, PREAMBLE_OCTETS, START
from hdl.wire.verdict import LANES

Symbol = data.StructLayout({"data": 8, "valid": 1, "error": 1, "spoil": 1})  # what is on the line in a cycle
_LATENCY = 2  # of the queue's memory

# Steps of an RST, by what goes on the line.
_PREAMBLE = 1
_OCTETS = _PREAMBLE + PREAMBLE_OCTETS
_CHECK = _OCTETS + RESET_OCTETS - FCS_OCTETS
_LAST = _CHECK + FCS_OCTETS - 1
_AHEAD = 3  # cycles from `fetch` to the octet


class _State(enum.Enum):
    THROUGH = 0
    QUEUED = 1  # what comes in waits, while the queue is read or the line rests
    PREAMBLE = 2  # of an RST, behind the last idle cycle
    OCTETS = 3
    CHECK = 4


class Passage(wiring.Component):
    """Repeats a GMII octet stream after four cycles, pin to pin: octets, gaps and errors as they are.

    An RST begins in the next gap, 12 cycles or more behind the carrier before it, and the next carrier 12 cycles or
    more behind it. From that gap on the line waits in a queue. Carriers keep their order, octets and errors, and
    between them 12 cycles, or as many as there were if fewer; so longer gaps bring the delay down again. A carrier that
    comes when the queue is empty and the line has rested for 12 cycles takes four cycles; one that waits takes at least
    seven. An RST does not begin while fewer than 128 of the queue's 1024 places are free: what comes meanwhile
    fits, and nothing is ever lost. While the line waits, what the pins show without ``rx_dv`` may not come out.

    Members
    -------
    rx_data, rx_dv, rx_er : In
    tx_data, tx_en, tx_er : Out
    spoil : In(1)
        From the octet that was on the pins two cycles ago on (it is the one on `GmiiRx.octet` now), its carrier is
        stopped: it keeps its length, but carries ``tx_er`` and, after the inverse of the FCS over what was sent, zeros.
        The inverse of the FCS of that is zeros again: wherever the frame ends, its FCS is the inverse of the right one.
        (With fewer than four octets left the FCS is wrong too.) No effect on idle cycles.
    request, lane, sequence, acknowledgment : In(1), In(3), In(32), In(32)
        Strobe: an RST to the server of this lane, with these numbers. One of each lane can wait; a later one of the
        same lane takes its place.
    begin, reset_lane, reset_sequence, reset_acknowledgment, fetch : Out(1), Out(3), Out(32), Out(32), Out(1)
    octet : In(8)
        To and from a `Reset`.
    active : Out(1)
        Something is on its way, or waits.
    """

    DELAY = 4
    DEPTH = 1024
    ROOM = 128  # cycles: an RST, and the rest of the line around it, take fewer

    rx_data: In(8)
    rx_dv: In(1)
    rx_er: In(1)
    tx_data: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    spoil: In(1)
    request: In(1)
    lane: In(3)
    sequence: In(32)
    acknowledgment: In(32)
    begin: Out(1)
    reset_lane: Out(3)
    reset_sequence: Out(32)
    reset_acknowledgment: Out(32)
    fetch: Out(1)
    octet: In(8)
    active: Out(1)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        first, second, arriving, line = (Signal(Symbol, name=name) for name in ("first", "second", "arriving", "line"))
        m.d.sync += [
            Cat(first.data, first.valid, first.error).eq(Cat(self.rx_data, self.rx_dv, self.rx_er)),
            second.eq(first),
        ]
        m.d.comb += [arriving.eq(second), arriving.spoil.eq(self.spoil)]

        rest = Signal(GAP_OCTETS - 1)  # bit n: more than n cycles before this one were idle on the line
        ready, rested = Signal(), Signal()  # by the time that the queue's memory takes it will have rested; it has
        m.d.comb += [ready.eq(~line.valid & rest[-1 - _LATENCY]), rested.eq(~line.valid & rest[-1])]
        m.d.sync += rest.eq(Mux(line.valid, 0, Cat(Const(1, 1), rest)))

        through, want, room = Signal(), Signal(), Signal()
        waiting, wanted = self._requests(m, state, want, room), Signal()
        m.d.sync += wanted.eq(waiting | self.request)
        empty, coming, stored, here = self._queue(m, state, arriving, through, ready, want, room)
        at_rest = Signal()  # nothing of the queue is on its way
        m.d.comb += [
            at_rest.eq((state == _State.QUEUED) & ~coming & ~here),
            self.begin.eq(at_rest & ready & want),
            through.eq((state == _State.THROUGH) | at_rest & rested & empty & ~want),
        ]
        step = Signal(range(_LAST + 1))
        with m.Switch(state):
            with m.Case(_State.THROUGH):
                with m.If(want & ~second.valid):
                    m.d.sync += state.eq(_State.QUEUED)
            with m.Case(_State.QUEUED):
                m.d.sync += step.eq(0)
                with m.If(self.begin):
                    m.d.sync += state.eq(_State.PREAMBLE)
                with m.Elif(through):
                    m.d.sync += state.eq(_State.THROUGH)
            with m.Default():
                m.d.sync += step.eq(step + 1)
                with m.Switch(step):
                    with m.Case(_OCTETS - _AHEAD - 1):
                        m.d.sync += self.fetch.eq(1)
                    with m.Case(_OCTETS - 1):
                        m.d.sync += state.eq(_State.OCTETS)
                    with m.Case(_CHECK - _AHEAD - 1):
                        m.d.sync += self.fetch.eq(0)
                    with m.Case(_CHECK - 1):
                        m.d.sync += state.eq(_State.CHECK)
                    with m.Case(_LAST):
                        m.d.sync += state.eq(_State.QUEUED)

        own, owns, check = Signal(8), Signal(), Signal()  # an octet of an RST; the line's octet is a place for its FCS
        m.d.sync += [check.eq(0), line.eq(Mux(through, arriving, Mux(here, stored, Cat(own, owns))))]
        with m.Switch(state):
            with m.Case(_State.PREAMBLE):
                with m.If(step >= _PREAMBLE):
                    m.d.comb += [owns.eq(1), own.eq(Mux(step == _OCTETS - 1, START, PREAMBLE))]
            with m.Case(_State.OCTETS):
                m.d.comb += [owns.eq(1), own.eq(self.octet)]
            with m.Case(_State.CHECK):
                m.d.comb += owns.eq(1)
                m.d.sync += check.eq(1)
        self._send(m, line, check)
        m.d.comb += self.active.eq(
            Cat(self.rx_dv, first.valid, second.valid, line.valid, self.tx_en, state != _State.THROUGH, wanted).any()
        )
        return m

    def _requests(self, m, state, want, room):
        """The RSTs that wait: one bit a lane, and the numbers. Returns whether there are any."""
        m.submodules.numbers = numbers = SmallMemory(shape=64, depth=LANES, init=[])
        write, read = numbers.write_port(), numbers.read_port(domain="comb")
        waiting, chosen = Signal(LANES), Signal(LANES)  # `chosen`: one bit, for `reset_lane`
        requested, lane = Signal(), Signal(3)  # the numbers are stored a cycle later: none is read before
        stored = Signal.like(write.data)
        m.d.sync += [requested.eq(self.request), lane.eq(self.lane), stored.eq(Cat(self.acknowledgment, self.sequence))]
        m.d.sync += [waiting.eq(waiting & ~(chosen & self.begin.replicate(LANES))), chosen.eq(waiting & -waiting)]
        with m.If(self.request):
            m.d.sync += waiting.bit_select(self.lane, 1).eq(1)
        m.d.comb += [
            write.en.eq(requested),
            write.addr.eq(lane),
            write.data.eq(stored),
            read.addr.eq(self.reset_lane),
            Cat(self.reset_acknowledgment, self.reset_sequence).eq(read.data),
        ]
        # Once there was room it is wanted until it begins; what comes in until then finds place too.
        with m.If(self.begin):
            m.d.sync += want.eq(0)
        with m.Elif((state == _State.THROUGH) | (state == _State.QUEUED)):
            m.d.sync += want.eq(want | (waiting.any() & room))
        for number in reversed(range(LANES)):
            with m.If(waiting[number]):
                m.d.sync += self.reset_lane.eq(number)
        return waiting.any()

    def _queue(self, m, state, arriving, through, ready, want, room):
        """The queue: returns that it is empty, that a symbol is on its way, the symbol, and that it is here."""
        m.submodules.memory = memory = Memory(len(arriving.as_value()), self.DEPTH)
        write, read, taken = (Signal(range(self.DEPTH), name=name) for name in ("write", "read", "taken"))
        newest = Signal(range(self.DEPTH), init=self.DEPTH - 1)  # the place before `write`: no sum to be compared
        empty, coming, here, stored = Signal(init=1), Signal(), Signal(), Signal(Symbol)
        gap = Signal(range(GAP_OCTETS + 1))  # idle cycles that the present gap may still bring in
        store, advance, stop = Signal(), Signal(), Signal()
        m.d.comb += [
            memory.write_en.eq(1),  # `store` comes late, and decides only whether the place counts
            memory.write_addr.eq(write),
            memory.write_data.eq(arriving),
            memory.read_addr.eq(read),
            stored.eq(memory.read_data),
            store.eq(~through & (arriving.valid | gap.any())),
            # Reading runs on until it has overtaken what comes in, in a gap, or until an RST is to begin in this gap.
            stop.eq(here & ~stored.valid & want),
            advance.eq((state == _State.QUEUED) & ~empty & ~stop & (coming | ready & ~want)),
        ]
        with m.If(store):
            m.d.sync += [write.eq(write + 1), newest.eq(write), gap.eq(Mux(arriving.valid, GAP_OCTETS, gap - 1))]
        with m.If(here):
            m.d.sync += taken.eq(taken + 1)
        m.d.sync += [coming.eq(advance), here.eq(coming & ~stop), empty.eq(empty & ~store)]
        with m.If(stop):  # what was on its way is read again
            m.d.sync += [read.eq(taken + 1), empty.eq((newest == taken) & ~store)]
        with m.Elif(advance):
            m.d.sync += [read.eq(read + 1), empty.eq((newest == read) & ~store)]
        used = Signal.like(write)
        m.d.sync += [used.eq(write - taken), room.eq(used <= self.DEPTH - self.ROOM)]
        return empty, coming, stored, here

    def _send(self, m, line, check):
        """To the pins, with the FCS of an RST, or with a carrier that is spoilt."""
        inside, spoilt, spoils = Signal(), Signal(), Signal()
        crc = Signal(32, init=INIT)
        m.d.comb += spoils.eq(line.valid & (spoilt | line.spoil))
        m.d.sync += [
            spoilt.eq(spoils),
            inside.eq(line.valid & (inside | (line.data == START))),
            crc.eq(INIT),
            self.tx_data.eq(line.data),
            self.tx_en.eq(line.valid),
            self.tx_er.eq(line.error | spoils),
        ]
        with m.If(line.valid & inside):
            m.d.sync += crc.eq(Mux(spoils | check, crc >> 8, crc32(crc, line.data)))
        # What is left of `crc` is to be sent inverted: as it stands it is the inverse of that. At last it is 0.
        with m.If(spoils | check):
            m.d.sync += self.tx_data.eq(crc[:8] ^ check.replicate(8))

"""The event log: what happened, numbered without a hole."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory
from hdl.wire.event import EVENT, WORDS, Kind
from hdl.wire.registers import EVENTS

RECORD = data.StructLayout(
    {"kind": 4, "lane": 4, "reason": 6, "count": 7, "user_ref": 32, "symbol": 16, "quantity": 32, "price": 32}
)

Offer = wiring.Signature({"valid": Out(1), "record": Out(RECORD), "age": Out(16), "ready": In(1)})
"""From a source of events: an event happens in a cycle of `valid`, or `age` cycles before. `ready` says that the
source's place is free: a source that can wait offers only then."""

READ_DELAY = 3  # cycles from `index` to its `value`

Reader = wiring.Signature(
    {"free": Out(1), "number": Out(32), "kept": In(9), "index": Out(6), "value": In(32)},
)
"""From the controller. The `free` strobe forgets the events before `number`, if that is the number of a kept event or
of the next one, and none otherwise; that has taken effect 6 cycles later. `kept` is how many there are; `value` is
word `index` of them, 8 words an event, counted from the oldest, READ_DELAY cycles later."""


class Log(wiring.Component):
    """Writes events into a ring of 256, from where the controller reads and frees them.

    Each source has one place, in which an offered event waits for its turn: events are written in the order in which
    they were offered, those of one cycle in the order of ``sources``, at most one in `CYCLES` cycles. An event is
    lost when it is offered while its source's place is taken, or when its turn comes while the ring is full. Losses
    are counted, and as soon as there is room, before any other event, they are written as one event GAP, so that
    written events carry consecutive numbers and no loss is silent. A gap of 2^31 or more means at least so many.
    Numbers begin at 0 after reset, which forgets every event.

    ``at`` of a written event is ``now`` in the cycle of the offer, less ``age``.

    Parameters
    ----------
    sources : list[str]
        Names; each has a member.

    Members
    -------
    <name> : In(Offer)
    now : In(64)
    reader : In(Reader)
    next : Out(32)
        Number of the next event to be written.
    kept : Out(9)
        Events written and not freed.
    lost : Out(1)
        An event has been lost since reset.
    busy : Out(1)
        An event waits or is being written.
    """

    CYCLES = 11

    def __init__(self, sources):
        self.sources = list(sources)
        members = {"now": In(64), "reader": In(Reader), "next": Out(32), "kept": Out(9), "lost": Out(1), "busy": Out(1)}
        if not sources or len(set(sources)) != len(sources) or members.keys() & set(sources):
            raise ValueError(f"the log needs distinct names of sources, none of them a member of its own: {sources!r}")
        super().__init__(members | {name: In(Offer) for name in sources})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(32, EVENTS * WORDS)
        offers = [getattr(self, name) for name in self.sources]
        total = len(offers)

        # A place for each source, and for each the sources whose waiting events are older than its own.
        waiting = Signal(total)
        accepted = Signal(total)
        taken = Signal(total)
        overrun = Signal(total)
        places = [Signal(RECORD, name=f"record_{name}") for name in self.sources]
        moments = [Signal(16, name=f"at_{name}") for name in self.sources]  # low bits: no event waits for long
        ages = [Signal(16, name=f"age_{name}") for name in self.sources]
        older = [Signal(total, name=f"older_than_{name}") for name in self.sources]
        m.d.comb += accepted.eq(Cat(offer.valid for offer in offers) & ~waiting)
        m.d.sync += [
            waiting.eq((waiting & ~taken) | accepted),
            overrun.eq(Cat(offer.valid for offer in offers) & waiting),
        ]
        for number, offer in enumerate(offers):
            m.d.comb += offer.ready.eq(~waiting[number])
            m.d.sync += older[number].eq(older[number] & ~taken)
            with m.If(accepted[number]):
                m.d.sync += [
                    places[number].eq(offer.record),
                    ages[number].eq(offer.age),
                    moments[number].eq(self.now[:16]),
                    older[number].eq((waiting & ~taken) | accepted[:number]),
                ]

        # Losses, until a GAP tells of them.
        full = self.kept[8]
        arrivals, losing = Signal(range(total + 2)), Signal()
        lost, some_lost, told = Signal(32), Signal(), Signal()
        m.d.sync += [
            arrivals.eq(sum(overrun, losing)),
            lost.eq(Mux(told, arrivals, lost + Mux(lost[31], 0, arrivals))),  # `told` comes late: it only chooses
            some_lost.eq(lost.any()),
            self.lost.eq(self.lost | some_lost),
        ]

        # Write.
        record, moment, offered, age = Signal(RECORD), Signal(64), Signal(16), Signal(16)
        chosen, word, wrote = Signal(total), Signal(range(WORDS)), Signal()
        telling, gap = Signal(), Signal(RECORD)
        m.d.comb += [gap.kind.eq(Kind.GAP), gap.user_ref.eq(lost)]
        # A cycle for each part of the subtraction: the words of `at` are the third and the fourth.
        waited, back, low, high = Signal(16), Signal(17), Signal(33), Signal(32)
        m.d.sync += [
            waited.eq(moment[:16] - offered),
            back.eq(waited + age),
            low.eq(moment[:32] - back),
            high.eq(moment[32:] - low[32]),
        ]
        m.d.sync += [memory.write_en.eq(0), memory.write_addr.eq(Cat(word, self.next[:8]))]
        fields = {name: record[name] for name in RECORD.members} | {"sequence": self.next, "at": Cat(low[:32], high)}
        line = Cat(_widen(fields[field.name], 8 * field.size) for field in EVENT)
        m.d.sync += memory.write_data.eq(line.word_select(word, 32))
        m.d.sync += taken.eq(0)
        with m.FSM() as machine:
            with m.State("idle"):
                m.d.sync += [chosen.eq(Cat(waiting[n] & ~older[n].any() for n in range(total))), word.eq(0)]
                m.d.sync += telling.eq(some_lost & ~full)
                with m.If(waiting.any() | (some_lost & ~full)):
                    m.next = "take"
            with m.State("take"):
                m.d.sync += [
                    record.eq(Mux(telling, gap, _select(chosen, places))),
                    moment.eq(self.now),
                    offered.eq(Mux(telling, self.now[:16], _select(chosen, moments))),
                    age.eq(Mux(telling, 0, _select(chosen, ages))),
                ]
                m.next = "date"
                with m.If(telling):
                    m.d.comb += told.eq(1)
                with m.Elif(full):
                    m.d.comb += losing.eq(1)
                    m.d.sync += taken.eq(chosen)
                    m.next = "lose"
                with m.Elif(some_lost):
                    m.next = "idle"  # the ring has just got room: the loss is told first
                with m.Else():
                    m.d.sync += taken.eq(chosen)
            with m.State("lose"):
                m.next = "idle"
            with m.State("date"):
                m.next = "words"
            with m.State("words"):
                m.d.sync += [memory.write_en.eq(1), word.eq(word + 1)]
                with m.If(word == WORDS - 1):
                    m.d.comb += wrote.eq(1)
                    m.next = "idle"
        m.d.sync += self.busy.eq(
            waiting.any() | overrun.any() | arrivals.any() | (some_lost & ~full) | ~machine.ongoing("idle")
        )

        # Free, in three steps: how many, whether that is possible, and done.
        reader = self.reader
        oldest, freed = Signal(32), Signal(32)
        counting, checking, possible, freeing = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            counting.eq(reader.free),
            freed.eq(reader.number - oldest),
            checking.eq(counting),
            possible.eq((freed[9:] == 0) & (freed[:9] <= self.kept)),
        ]
        m.d.comb += freeing.eq(checking & possible)
        with m.If(wrote):
            m.d.sync += self.next.eq(self.next + 1)
        with m.If(freeing):
            m.d.sync += oldest.eq(oldest + freed[:9])
        m.d.sync += self.kept.eq(self.kept + wrote - Mux(freeing, freed[:9], 0))

        # Read.
        m.d.sync += memory.read_addr.eq(Cat(reader.index[:3], (oldest + reader.index[3:])[:8]))
        m.d.comb += [reader.value.eq(memory.read_data), reader.kept.eq(self.kept)]
        return m


def _widen(value, bits):
    return (Value.cast(value) | Const(0, bits))[:bits]


def _select(chosen, values):
    """Return the one of `values` whose bit of `chosen` is set."""
    joined = Const(0)
    for number, value in enumerate(values):
        joined = joined | Mux(chosen[number], Value.cast(value), 0)
    return joined

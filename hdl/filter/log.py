"""The event log: what happened, numbered without a hole."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.memory import Memory
from hdl.wire.event import EVENT, WORDS
from hdl.wire.registers import EVENTS

RECORD = data.StructLayout(
    {"kind": 4, "lane": 4, "reason": 6, "count": 7, "user_ref": 32, "symbol": 16, "quantity": 32, "price": 32}
)
MOMENT = 12  # low bits of `now` that tell when something happened, if that is less than half their range ago

Offer = wiring.Signature({"valid": Out(1), "record": Out(RECORD), "at": Out(MOMENT), "ready": In(1)})
"""From a source of events: an event is told in a cycle of `valid`; it happened when the low bits of `now` were `at`.
`ready` says that the source's place is free: a source that can wait offers only then."""

USER_REF = EVENT["user_ref"].offset // 4
READ_DELAY = 3  # cycles from `index` to its `value`

Reader = wiring.Signature(
    {"free": Out(1), "number": Out(32), "kept": In(9), "index": Out(6), "value": In(32)},
)
"""From the controller. The `free` strobe forgets the events before `number`, which stays for 3 cycles, if that is the
number of a kept event or of the next one, and none otherwise; that has taken effect 6 cycles later. `kept` is how many
there are; `value` is word `index` of them, 8 words an event, counted from the oldest, READ_DELAY cycles later."""


class Log(wiring.Component):
    """Writes events into a ring of 256, from where the controller reads and frees them.

    Each source has one place, in which an offered event waits for its turn, and until it is written: events are
    written in the order in which they were offered, those of one cycle in the order of ``sources``, at most one in
    `CYCLES` cycles. An event is lost when it is offered while its source's place is taken, or when its turn comes while
    the ring is full. Losses are counted, and as soon as there is room, before any other event, they are written as one
    event GAP, so that written events carry consecutive numbers and no loss is silent. A gap of 2^31 or more means at
    least so many. Numbers begin at 0 after reset, which forgets every event.

    ``at`` of a written event ends in its source's ``at``: the last such value of ``now``, if that was less than 2^11
    cycles before it is written. Of a GAP it is the time of writing. ``now`` may jump while nothing waits.

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
        Events written and not freed, as of the cycle before.
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

        # A place for each source.
        waiting, offered, accepted, overrun, taken = (Signal(total) for _ in range(5))
        places = [Signal(RECORD, name=f"record_{name}") for name in self.sources]
        moments = [Signal(MOMENT, name=f"at_{name}") for name in self.sources]
        m.d.comb += [offered.eq(Cat(offer.valid for offer in offers)), accepted.eq(offered & ~waiting)]
        m.d.sync += [waiting.eq((waiting & ~taken) | accepted), overrun.eq(offered & waiting)]
        for number, offer in enumerate(offers):
            m.d.comb += offer.ready.eq(~waiting[number])
            with m.If(accepted[number]):
                m.d.sync += [places[number].eq(offer.record), moments[number].eq(offer.at)]
        longest = _longest(m, waiting, accepted)

        # Losses, until a GAP tells of them.
        full = self.kept[8]
        losing = Signal()
        arrivals, recently = _count(m, [*overrun, losing])
        lost, some_lost, told = Signal(32), Signal(), Signal()
        m.d.sync += [
            lost.eq(lost + Mux(lost[31], 0, arrivals)),
            some_lost.eq(recently | (some_lost & ~told)),
            self.lost.eq(self.lost | some_lost),
        ]
        with m.If(told):
            m.d.sync += lost.eq(arrivals)

        # A turn: one cycle for each word of the event.
        chosen, telling, begin, wrote = Signal(total), Signal(), Signal(), Signal()
        turn, number = Signal(WORDS), Signal(range(WORDS))  # one bit; the same as a number
        m.d.sync += taken.eq(0)
        with m.FSM() as machine:
            with m.State("idle"):
                m.d.sync += [chosen.eq(longest), telling.eq(some_lost & ~full)]
                with m.If(waiting.any() | (some_lost & ~full)):
                    m.next = "take"
            with m.State("take"):
                m.next = "words"
                with m.If(telling):
                    m.d.comb += begin.eq(1)
                    m.d.sync += chosen.eq(0)
                with m.Elif(full):
                    m.d.comb += losing.eq(1)
                    m.d.sync += taken.eq(chosen)
                    m.next = "settle"
                with m.Elif(some_lost):
                    m.next = "idle"  # the ring has just got room: the loss is told first
                with m.Else():
                    m.d.comb += begin.eq(1)
            with m.State("words"), m.If(turn[-1]):
                m.d.comb += wrote.eq(1)
                m.d.sync += taken.eq(chosen)
                m.next = "settle"
            with m.State("settle"):
                m.next = "idle"
        writing = machine.ongoing("words")
        m.d.comb += told.eq(telling & turn[USER_REF])
        m.d.sync += [turn.eq(Cat(begin, turn)), number.eq(number + writing)]
        with m.If(wrote):
            m.d.sync += self.next.eq(self.next + 1)

        # `at`: above its low bits it is `now`, or what that was before its bit on top of them last changed.
        now, before, early = Signal(64), Signal(64 - MOMENT), Signal()
        with m.If(~writing):
            m.d.sync += now.eq(self.now)
            with m.If(now[MOMENT - 1] != self.now[MOMENT - 1]):
                m.d.sync += before.eq(now[MOMENT:])
        tops = Cat(moment[-1] for moment in moments)
        m.d.sync += early.eq(~telling & ((tops & chosen).any() ^ now[MOMENT - 1]))

        # Words out of turn are 0 in their registers, so that all can be joined.
        joined = []
        for source, place, moment in zip(chosen, places, moments, strict=True):
            fields = {name: place[name] for name in RECORD.members} | {"at": moment}
            its = Signal(WORDS)  # `turn`, if it is this source's: a register, since words are far from one another
            m.d.sync += its.eq(Cat(begin, turn) & (source & ~telling).replicate(WORDS))
            joined += _in_turn(m, its, fields)
        joined += _in_turn(m, turn, {"sequence": self.next})
        joined += _in_turn(m, turn & telling.replicate(WORDS), {"at": now[:MOMENT], "user_ref": lost})
        joined += _in_turn(m, turn & ~early.replicate(WORDS), {"at": Cat(Const(0, MOMENT), now[MOMENT:])})
        joined += _in_turn(m, turn & early.replicate(WORDS), {"at": Cat(Const(0, MOMENT), before)})
        address, put = Signal(len(memory.write_addr)), Signal()
        m.d.sync += [
            memory.write_data.eq(reduce(or_, joined)),
            Cat(address, memory.write_addr).eq(Cat(number, self.next[: EVENTS.bit_length() - 1], address)),
            Cat(put, memory.write_en).eq(Cat(writing, put)),
        ]
        m.d.sync += self.busy.eq(
            waiting.any() | overrun.any() | recently | some_lost & ~full | ~machine.ongoing("idle")
        )

        # Free, in three steps: how many would be left, whether that is possible, and done.
        reader = self.reader
        oldest, left = Signal(9), Signal(32)
        counting, checking, possible = Signal(), Signal(), Signal()
        m.d.sync += [
            counting.eq(reader.free),
            checking.eq(counting),
            left.eq(self.next - reader.number),
            self.kept.eq(self.next[:9] - oldest),
            possible.eq((left[9:] == 0) & (left[:9] <= self.kept)),
        ]
        with m.If(checking & possible):
            m.d.sync += oldest.eq(reader.number)

        # Read.
        m.d.sync += memory.read_addr.eq(Cat(reader.index[:3], (oldest + reader.index[3:])[:8]))
        m.d.comb += [reader.value.eq(memory.read_data), reader.kept.eq(self.kept)]
        return m


def _longest(m, waiting, accepted):
    """Return the one of those waiting that has waited longest; of those accepted together it is the first."""
    total = len(waiting)
    younger = {}  # than a later one
    for one in range(total):
        for other in range(one + 1, total):
            younger[one, other] = Signal(name=f"younger_{one}_{other}")
            with m.If(accepted[other]):
                m.d.sync += younger[one, other].eq(0)
            with m.Elif(accepted[one]):
                m.d.sync += younger[one, other].eq(1)
    longest = []
    for one in range(total):
        older = {other: younger[one, other] for other in range(one + 1, total)}
        older |= {other: ~younger[other, one] for other in range(one)}
        longest.append(waiting[one] & ~Cat(waiting[other] & before for other, before in older.items()).any())
    return Cat(longest)


def _count(m, flags):
    """Return how many of `flags` were up some cycles ago, and whether any has been since then: by threes and then by
    twos, with registers between, since synthesis makes a tree of multiplexers of one sum of many bits."""
    sums, some, recently = [sum(flags[start : start + 3]) for start in range(0, len(flags), 3)], Cat(flags).any(), []
    while True:
        registers = [Signal.like(Value.cast(one)) for one in sums]
        m.d.sync += [register.eq(one) for register, one in zip(registers, sums, strict=True)]
        recently.append(Signal())
        m.d.sync += recently[-1].eq(some)
        if len(registers) == 1:
            return registers[0], Cat(recently).any()
        sums, some = [sum(registers[start : start + 2]) for start in range(0, len(registers), 2)], recently[-1]


def _in_turn(m, turn, fields):
    """Return a register for each word with one of the `fields`: it shows the word one cycle after its turn, else 0."""
    line = Cat(_widen(fields.get(field.name, 0), 8 * field.size) for field in EVENT)
    words = sorted({(EVENT[name].offset + octet) // 4 for name in fields for octet in range(EVENT[name].size)})
    registers = []
    for word in words:
        registers.append(register := Signal(32, name=f"word_{word}"))
        m.d.sync += register.eq(Mux(turn[word], line.word_select(word, 32), 0))
    return registers


def _widen(value, bits):
    return (Value.cast(value) | Const(0, bits))[:bits]

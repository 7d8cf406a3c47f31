"""The records of the frames in the egress queue: what only matters when a frame leaves, or is discarded."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.gate import Outcome, OutcomeKind, Rest
from hdl.filter.memory import Memory

PLACES = 64  # more than there are frames in the queue

# What the books need of a frame. `orders` are let go, if nothing stops them later; `stopped` were by the verdict, the
# first of them for `reason`; `reservations` were made, from `base` in the journal.
Books = data.StructLayout({"base": 8, "reservations": 5, "orders": 7, "stopped": 7, "reason": 6})

# What became of a frame. Of one that never began `orders` are all it had, and `stopped` and `reason` are 0.
Account = data.StructLayout(
    {"kind": OutcomeKind, "lane": 4, "reset": 1, "all": 1, "length": 11, **{name: field.shape for name, field in Books}}
)

_DISCARDED = data.StructLayout({"base": 8, "reservations": 5, "orders": 7, "length": 11})
_BOTH = ("base", "reservations", "orders")

_WORD = 36  # bits


def _words(rest, books):
    """Return a record's four words, in the order in which they are asked for."""
    return [*(rest.as_value()[at : at + _WORD] for at in range(0, Rest.size, _WORD)), books]


assert Rest.size <= 3 * _WORD and Books.size <= _WORD


class Records(wiring.Component):
    """Keeps a record for each frame of the queue in block RAM, and hands it out when the frame leaves.

    Of a frame that is taken in cycle S, ``rest`` is right from S + 7 on, ``stops`` from S + 6, the checksums and the
    stamp from S + 8, and ``books`` from S + 9 on, all of it to the next one's S + 5. Every outcome of the gate is
    accounted for four cycles later; outcomes may come in every cycle. A reset forgets the frames.

    Members
    -------
    end, keep : In(1), In(1)
        A frame has ended; it goes into the queue. At least eight cycles lie between two frames that do.
    new, new_books, length : In(Rest), In(Books), In(11)
        Of that frame, in the cycle after ``end``.
    pop, take : In(1)
        The gate's: the oldest record's frame goes; it leaves.
    outcome_valid, outcome, frame_length : In(1), In(Outcome), In(11)
        The gate's; the length of the frame that it took last.
    rest, books : Out(Rest), Out(Books)
    account_valid, account : Out(1), Out(Account)
    busy : Out(1)
        An account is due.
    """

    DELAY = 4

    end: In(1)
    keep: In(1)
    new: In(Rest)
    new_books: In(Books)
    length: In(11)
    pop: In(1)
    take: In(1)
    outcome_valid: In(1)
    outcome: In(Outcome)
    frame_length: In(11)
    rest: Out(Rest)
    books: Out(Books)
    account_valid: Out(1)
    account: Out(Account)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(_WORD, 4 * PLACES)
        m.submodules.discarded = discarded = Memory(_DISCARDED.size, PLACES, distributed=True)

        # Written from end + 2 on, a word a cycle, in a place that counts if the frame is kept.
        place, number, writing, kept, ended = Signal(range(PLACES)), Signal(2), Signal(), Signal(), Signal()
        waiting = [Signal(_WORD, name=f"waiting_{number}") for number in range(4)]
        books, short = self.new_books, Signal(_DISCARDED)
        m.d.sync += [ended.eq(self.end), kept.eq(self.keep)]
        with m.If(ended & kept):
            m.d.sync += [word.eq(value) for word, value in zip(waiting, _words(self.new, books), strict=True)]
            m.d.sync += [writing.eq(1), number.eq(0), short.length.eq(self.length)]
            m.d.sync += [short[name].eq(books[name]) for name in ("base", "reservations")]
            m.d.sync += short.orders.eq(books.orders + books.stopped)
        with m.Else():
            m.d.sync += [word.eq(following) for word, following in pairwise(waiting)]
            m.d.sync += number.eq(number + 1)
            with m.If(writing & (number == 3)):
                m.d.sync += [writing.eq(0), place.eq(place + 1)]
        m.d.comb += [
            words.write_en.eq(writing),
            words.write_addr.eq(Cat(number, place)),
            words.write_data.eq(waiting[0]),
            discarded.write_en.eq(writing & (number == 0)),
            discarded.write_addr.eq(place),
            discarded.write_data.eq(short),
        ]

        # Read from take + 3 on; the first word is there in take + 5.
        oldest, taken, asked, since = Signal(range(PLACES)), Signal(range(PLACES)), Signal(2), Signal(8)
        popped = Signal()  # the gate decides late: all this takes place a cycle behind it
        m.d.sync += [since.eq(Cat(self.take, since)), popped.eq(self.pop), asked.eq(asked + 1)]
        with m.If(popped):
            m.d.sync += oldest.eq(oldest + 1)
        with m.If(since[0]):
            m.d.sync += taken.eq(oldest)
        with m.If(since[1]):
            m.d.sync += asked.eq(0)
        m.d.comb += words.read_addr.eq(Cat(asked, taken))
        for strobe, word in zip(since[4:], _words(self.rest, self.books), strict=True):
            with m.If(strobe):
                m.d.sync += word.eq(words.read_data)

        # An outcome is there in the cycle behind its pop, a word of those discarded not before the fourth.
        stages = [(self.outcome_valid, self.outcome)]
        for _ in range(self.DELAY - 1):
            valid, outcome = Signal(), Signal.like(self.outcome)
            m.d.sync += [valid.eq(stages[-1][0]), outcome.eq(stages[-1][1])]
            stages.append((valid, outcome))
        m.d.sync += discarded.read_addr.eq(oldest)
        (valid, outcome), found, account = stages[-1], Signal(_DISCARDED), self.account
        m.d.comb += found.eq(discarded.read_data)
        left = (outcome.kind == OutcomeKind.SENT) | (outcome.kind == OutcomeKind.ABORTED)
        m.d.sync += [account[name].eq(outcome[name]) for name in ("kind", "lane", "reset", "all")]
        m.d.sync += [account[name].eq(Mux(left, self.books[name], found[name])) for name in _BOTH]
        m.d.sync += [account[name].eq(Mux(left, self.books[name], 0)) for name in ("stopped", "reason")]
        m.d.comb += self.busy.eq(Cat(stage[0] for stage in stages).any() | self.account_valid)
        m.d.sync += [self.account_valid.eq(valid), account.length.eq(Mux(left, self.frame_length, found.length))]
        return m

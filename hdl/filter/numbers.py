"""The numbers of sequenced messages: which message of the exchange is new, by session name and number."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.filter.memory import Memory
from hdl.wire.soup import ACCEPTED, NUMBER_DIGITS
from hdl.wire.verdict import LANES

TAKES = 13  # cycles from `login` or `count` to `relation`
_NAME = ACCEPTED["session"].size
_LAST = ACCEPTED["sequence"].offset + ACCEPTED["sequence"].size  # place of the last digit; the packet type has place 0
_FIRST = _LAST - NUMBER_DIGITS + 1  # place of the first one that may be above 0
_ASKED = data.StructLayout({"name": 1, "number": 1, "counts": 1, "index": 4, "octet": 8})


class Relation(enum.Enum):
    """The number of the stream's next message, against the number of the next one to be applied."""

    EQUAL = 0
    BELOW = 1  # it has been applied
    ABOVE = 2  # some are missing


class Numbers(wiring.Component):
    """Keeps for each lane the name of the last session and two numbers: of the stream's next message, and of the next
    one to be applied. Both are 1 in a new session; what of them is not known yet is not used.

    Numbers are kept as `NUMBER_DIGITS` decimal digits, a digit of each in one word, next to the octets of the name. So
    a login is compared and stored as its octets pass, and a number is counted up digit by digit, while the octets of
    the next message come. A name takes the old one's place only when its login is whole.

    A message that has number EQUAL counts both numbers up, any other one the stream's alone. Behind the last number
    there is none: everything is ABOVE then.

    Members
    -------
    lane : In(3)
        Changes only when nothing is being counted, `TAKES` cycles behind the last strobe.
    octet, valid, place : In(8), In(1), In(5)
        A Login Accepted from behind its type on: places 1 to 30.
    wrong : Out(1)
        The login's number is none: above 0 and no longer than `NUMBER_DIGITS` digits, spaces before it, or zeros.
        Right one cycle behind its last octet.
    login : In(1)
        Strobe two cycles behind a login's last octet: it is whole.
    count : In(1)
        Strobe: a message has come; they come at least `TAKES` cycles behind one another and behind ``login``.
    relation : Out(Relation)
        Right from `TAKES` cycles behind ``login`` or ``count`` to the next one.
    settled : Out(1)
        Strobe, when ``relation`` is right behind a ``login``.
    fresh : In(1)
        Strobe: a new session begins, behind the loading and before its octets.
    load, word, context : In(8), In(36), Out(288)
        Word 2 of `hdl.filter.replies`.
    """

    lane: In(3)
    octet: In(8)
    valid: In(1)
    place: In(5)
    wrong: Out(1)
    login: In(1)
    count: In(1)
    relation: Out(Relation)
    settled: Out(1)
    fresh: In(1)
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)

    def elaborate(self, platform):
        m = Module()
        # Of a lane: digits in places 1 (the last) to 9, and two names of which `which` is the one that counts.
        m.submodules.memory = memory = Memory(9, LANES << 6)
        differs, odd, digits, some, which = (Signal() for _ in range(5))
        known = Signal(LANES)  # lanes of which there is a name

        # What is asked for, and two cycles later its word.
        step = Signal(range(NUMBER_DIGITS + 1))
        asked, coming, here = (Signal(_ASKED, name=name) for name in ("asked", "coming", "here"))
        m.d.comb += [
            asked.name.eq(self.valid & (self.place <= _NAME)),
            asked.number.eq(self.valid & (self.place >= _FIRST)),
            asked.counts.eq(step != 0),
            asked.index.eq(Mux(asked.counts, step, Mux(asked.name, self.place[:4], ~self.place[:4]))),
            asked.octet.eq(Mux(asked.counts, 0, self.octet)),
            memory.read_addr.eq(Cat(asked.index, asked.name & which, asked.name, self.lane)),
        ]
        m.d.sync += [coming.eq(asked), here.eq(coming)]

        # The number of a login is read as it comes.
        digit, number = Signal(), Signal(4)
        m.d.comb += [
            number.eq(self.octet[:4]),
            digit.eq((self.octet[4:] == 3) & ~(self.octet[3] & (self.octet[1] | self.octet[2]))),
        ]
        with m.If(self.valid & (self.place > _NAME)):
            blank = (self.octet == ord(" ")) & ~digits
            m.d.sync += [
                digits.eq(digits | digit),
                some.eq(some | (number != 0)),
                odd.eq(odd | ~(digit | blank) | ((self.place < _FIRST) & (number != 0))),
            ]
        m.d.comb += self.wrong.eq(odd | ~some)
        with m.If(self.fresh):
            m.d.sync += [differs.eq(0), odd.eq(0), digits.eq(0), some.eq(0)]

        # One pass over the digits for each login and each message, the lowest digit first.
        ending, adds, anew, equal, carry = Signal(4), Signal(), Signal(), Signal(), Signal()
        with m.If(self.login | self.count):
            m.d.sync += [
                step.eq(1),
                adds.eq(self.count),
                carry.eq(self.count),
                anew.eq(self.login & (differs | ~known.bit_select(self.lane, 1))),
                equal.eq(self.count & (self.relation == Relation.EQUAL)),
                self.relation.eq(Relation.EQUAL),
            ]
        with m.Elif(step == NUMBER_DIGITS):
            m.d.sync += step.eq(0)
        with m.Elif(step != 0):
            m.d.sync += step.eq(step + 1)
        m.d.sync += ending.eq(Cat(step == NUMBER_DIGITS, ending))
        m.d.comb += self.settled.eq(ending[-1] & ~adds)

        stream, applied, nine = Signal(4), Signal(4), Signal()
        counted, goal, high = Signal(4), Signal(4), Signal(4)
        # What is written in the high half is settled but for what is read: a name's, or 1; as it was; what was counted.
        preset, keeps, copies, sets = Signal(4), Signal(), Signal(), Signal()
        m.d.comb += sets.eq(coming.counts & anew & ~equal & (coming.index == 1))
        m.d.sync += [
            preset.eq(Mux(coming.name, coming.octet[4:], sets)),
            keeps.eq(coming.number | (coming.counts & ~anew & ~equal)),
            copies.eq(coming.counts & equal),
        ]
        m.d.comb += [
            Cat(stream, applied).eq(memory.read_data),
            nine.eq(stream == 9),
            counted.eq(Mux(carry, Mux(nine, 0, stream + 1), stream)),
            goal.eq(Mux(equal, counted, Mux(anew, here.index == 1, applied))),
            high.eq(preset | (applied & keeps.replicate(4)) | (counted & copies.replicate(4))),
            memory.write_en.eq(here.name | here.number | here.counts),
            memory.write_addr.eq(Cat(here.index, here.name & ~which, here.name, self.lane)),
            memory.write_data.eq(Cat(here.octet[:4] | (counted & here.counts.replicate(4)), high)),
        ]
        with m.If(here.counts):
            m.d.sync += carry.eq(carry & nine)
        compares, ours, theirs = Signal(), Signal(4), Signal(4)  # a cycle later
        m.d.sync += [compares.eq(here.counts), ours.eq(counted), theirs.eq(goal)]
        with m.If(compares & (ours != theirs)):
            m.d.sync += self.relation.eq(Mux(ours > theirs, Relation.ABOVE, Relation.BELOW))
        with m.If(ending[2] & carry):
            m.d.sync += self.relation.eq(Relation.ABOVE)
        with m.If(here.name & (Cat(stream, applied) != here.octet)):
            m.d.sync += differs.eq(1)
        with m.If(self.settled):
            m.d.sync += [which.eq(which ^ anew), known.bit_select(self.lane, 1).eq(1)]

        m.d.comb += self.context.eq(keep(m, self, {2: (which, self.relation, differs, odd, digits, some)}))
        return m

"""The reports of the exchange: what a sequenced message says of an order."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS, keep
from hdl.wire import reports, reports42

FIELDS = ("user_ref", "original_ref", "quantity", "price")
# `kind`: the letter. `user_ref`: of a token its last four octets, as `original_ref`; that of a Replaced is the new
# one's. `quantity`: accepted, outstanding, decrement or executed. `price`: of an execution, its low 32 bits. `dead`:
# accepted or replaced, and not live. What a report does not say is 0.
REPORT = data.StructLayout({"lane": 3, "kind": 8, **dict.fromkeys(FIELDS, 32), "dead": 1})

_EXECUTIONS = {ord(letter) for letter in "EGF"}  # G and F are of 4.2 only
# Where four octets end that are a field of some report, by dialect: the place behind them is that of a slot.
SLOTS = (
    {13: 0, 17: 1, 18: 2, 22: 3, 25: 4},
    {23: 0, 27: 1, 28: 2, 79: 3, 31: 4},
)
_STATES = ((48, 52), (65,))  # places behind the state of an Accepted, and of a Replaced if it is elsewhere
_PLACE_BITS = 7
_UPPER = ord("A") >> 5


class _Tail(enum.Enum):
    """What follows the fixed part of a message."""

    NONE = 0
    MAYBE = 1  # its end, or the length of an appendage
    LENGTH = 2


class _Part(enum.Enum):
    FIXED = 0
    LENGTH_HIGH = 1
    LENGTH_LOW = 2
    REST = 3  # an appendage, or too much


def layouts():
    """Return of each (letter, dialect) its fields' slots, which of the states, its fixed part and its tail."""
    found = {}
    for dialect, module in enumerate((reports, reports42)):
        for kind in module.Report:
            form = module.form(kind)
            behind = {field.name: field.offset + field.size for field in form}
            ends = [behind.get("user_ref", behind.get("token")), behind.get("original_ref", behind.get("original"))]
            executed = kind in _EXECUTIONS and (dialect or kind == reports.Report.EXECUTED)
            ends += [behind.get("quantity"), behind.get("price") if executed else None]
            slots = [None if end is None else SLOTS[dialect][end] for end in ends]
            state = _STATES[dialect].index(behind["state"]) if "state" in behind else None
            length = None if dialect else reports.LENGTHS.get(kind)
            fixed = length.full - 2 if length else form.size
            tail = (_Tail.MAYBE if length.bare else _Tail.LENGTH) if length else _Tail.NONE
            found[kind, dialect] = slots, state, fixed, tail
    return found


def tables() -> list[int]:
    """Return of each bit that a letter decides in which of 64 cases it is 1: 5 bits of the letter, and the dialect."""
    words = {}
    for (kind, dialect), (slots, state, fixed, tail) in layouts().items():
        parts = [(fixed, _PLACE_BITS), (tail.value, 2), (0 if state is None else 1 << state, 2)]
        parts += [(slot is not None, 1) for slot in slots] + [(slot or 0, 3) for slot in slots]
        word = at = 0
        for value, bits in parts:
            word, at = word | value << at, at + bits
        words[kind & 0x1F | dialect << 5] = word
    return [sum((word >> bit & 1) << case for case, word in words.items()) for bit in range(at)]


class ReportReader(wiring.Component):
    """Reads one message after the other, an octet a cycle, and tells at its end whether it is a report.

    Of an OUCH 5.0 message its type and its length must fit: the one it has, or with the length of an appendage which
    then ends with the message. TagValues are not looked at. Of 4.2 every type has one length.

    Members
    -------
    dialect : In(1)
        The lane's: OUCH 4.2, else 5.0.
    octet, valid, place, last : In(8), In(1), In(7), In(1)
        Of a message: octet ``place`` counted from 1, its type (127: or any one behind); it is the last.
    left : In(16)
        One cycle later: octets behind that one.
    recent : Out(32)
        The last four octets, the first one highest.
    slot, slot_end : Out(3), Out(1)
        ``recent`` is what belongs in a slot, whatever the message is; one cycle behind the octet.
    ended, right : Out(1), Out(1)
        Two cycles behind a message's last octet: strobe; it is a report.
    kind, dead, has, slots : Out(8), Out(1), Out(4), Out(12)
        Right with ``ended``; ``has`` has a bit for each of `FIELDS`, ``slots`` the slot of each that it has.
    load, word, context : In(8), In(36), Out(288)
        Word 1 of `hdl.filter.replies`, right from two cycles behind an octet on; in a new session it may be anything.
    """

    dialect: In(1)
    octet: In(8)
    valid: In(1)
    place: In(_PLACE_BITS)
    last: In(1)
    left: In(16)
    recent: Out(32)
    slot: Out(3)
    slot_end: Out(1)
    ended: Out(1)
    right: Out(1)
    kind: Out(8)
    dead: Out(1)
    has: Out(len(FIELDS))
    slots: Out(data.ArrayLayout(3, len(FIELDS)))
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)

    def elaborate(self, platform):
        m = Module()
        # Letters are 5 bits from `@` on, which is no report.
        letter, octet, before, part, fits = Signal(5), Signal(8), Signal(24), Signal(_Part), Signal()
        # An octet of one cycle ago: octets up to it, none behind it.
        came, behind, is_last = Signal(), Signal(_PLACE_BITS), Signal()
        m.d.sync += [came.eq(self.valid), behind.eq(self.place), is_last.eq(self.last)]
        with m.If(self.valid):
            m.d.sync += [octet.eq(self.octet), before.eq(self.recent)]
            with m.If(self.place == 1):
                m.d.sync += letter.eq(Mux(self.octet[5:] == _UPPER, self.octet[:5], 0))
        m.d.comb += [self.recent.eq(Cat(octet, before)), self.kind.eq(Cat(letter, Const(_UPPER, 3)))]

        # What the letter says, one cycle later: no message of one octet is a report.
        fixed, tail, dies = Signal(_PLACE_BITS), Signal(_Tail), Signal(2)
        for bit, ones in zip(Cat(fixed, tail, dies, self.has, self.slots), tables(), strict=True):
            m.d.sync += bit.eq(Const(ones, 64).bit_select(Cat(letter, self.dialect), 1))

        # One cycle behind an octet.
        first, states, right = Signal(), Signal(2), Signal()
        m.d.comb += first.eq(behind == 1)
        m.d.sync += [self.ended.eq(came & is_last), self.right.eq(right & is_last)]
        for dialect in range(2):
            with m.If(self.dialect == dialect):
                with m.Switch(behind):
                    for place, slot in SLOTS[dialect].items():
                        with m.Case(place):
                            m.d.comb += [self.slot.eq(slot), self.slot_end.eq(came)]
                    for number, place in enumerate(_STATES[dialect]):
                        with m.Case(place):
                            m.d.comb += states[number].eq(octet == reports.DEAD)
        with m.If(came & first):
            m.d.sync += [part.eq(_Part.FIXED), fits.eq(0), self.dead.eq(0)]
        with m.Elif(came):
            with m.Switch(part):
                with m.Case(_Part.FIXED):
                    with m.If(behind == fixed):
                        m.d.sync += part.eq(Mux(tail == _Tail.NONE, _Part.REST, _Part.LENGTH_HIGH))
                        m.d.comb += right.eq(tail != _Tail.LENGTH)
                with m.Case(_Part.LENGTH_HIGH):
                    m.d.sync += part.eq(_Part.LENGTH_LOW)
                with m.Case(_Part.LENGTH_LOW):
                    m.d.sync += [part.eq(_Part.REST), fits.eq(self.left == self.recent[:16])]
                    m.d.comb += right.eq(self.recent[:16] == 0)
                with m.Case(_Part.REST):
                    m.d.comb += right.eq(fits)
            with m.If((states & dies).any()):
                m.d.sync += self.dead.eq(1)
        kept = (octet, before[:16], letter, part, fits, self.dead)
        m.d.comb += self.context.eq(keep(m, self, {1: kept}))
        return m

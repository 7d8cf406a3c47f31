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
    """Return of each (letter, dialect) where its fields end, the place of its state, its fixed part and its tail."""
    found = {}
    for dialect, module in enumerate((reports, reports42)):
        for kind in module.Report:
            form = module.form(kind)
            fields = {field.name: field.offset + field.size for field in form}
            ends = {
                "user_ref": fields.get("user_ref", fields.get("token", 0)),
                "original_ref": fields.get("original_ref", fields.get("original", 0)),
                "quantity": fields.get("quantity", 0),
            }
            if "price" in fields and kind in _EXECUTIONS and (dialect or kind == reports.Report.EXECUTED):
                ends["price"] = fields["price"]
            length = None if dialect else reports.LENGTHS.get(kind)
            fixed = length.full - 2 if length else form.size
            tail = (_Tail.MAYBE if length.bare else _Tail.LENGTH) if length else _Tail.NONE
            found[kind, dialect] = ends, fields.get("state", 0), fixed, tail
    return found


class ReportReader(wiring.Component):
    """Reads one message after the other, an octet a cycle, and tells at its end whether it is a report.

    Of an OUCH 5.0 message its type and its length must fit: the one it has, or with the length of an appendage which
    then ends with the message. TagValues are not looked at. Of 4.2 every type has one length.

    Members
    -------
    dialect : In(1)
        The lane's: OUCH 4.2, else 5.0.
    octet, valid, place, left : In(8), In(1), In(7), In(16)
        Of a message: octet ``place`` counted from 1, its type (127: or any one behind); ``left`` from this one on.
    recent : Out(32)
        The last four octets, the first one highest.
    field, field_end : Out(2), Out(1)
        One cycle behind the last octet of a field: its number in `FIELDS`, and it is in ``recent``.
    ended, right : Out(1), Out(1)
        One cycle behind a message's last octet: strobe; it is a report.
    kind, dead, has : Out(8), Out(1), Out(4)
        Right with ``ended``; ``has`` has a bit for each of `FIELDS`.
    load, word, context : In(8), In(36), Out(288)
        Word 1 of `hdl.filter.replies`, right from two cycles behind an octet on.
    """

    dialect: In(1)
    octet: In(8)
    valid: In(1)
    place: In(_PLACE_BITS)
    left: In(16)
    recent: Out(32)
    field: Out(2)
    field_end: Out(1)
    ended: Out(1)
    right: Out(1)
    kind: Out(8)
    dead: Out(1)
    has: Out(len(FIELDS))
    load: In(WORDS)
    word: In(WORD_BITS)
    context: Out(WORDS * WORD_BITS)

    def elaborate(self, platform):
        m = Module()
        # Letters are 5 bits from `@` on, which is no report.
        letter, octet, before, part, fits = Signal(5), Signal(8), Signal(24), Signal(_Part), Signal()
        came, behind, left = Signal(), Signal(_PLACE_BITS), Signal(16)  # an octet of one cycle ago: up to it, behind it
        m.d.sync += [came.eq(self.valid), behind.eq(self.place), left.eq(self.left - 1)]
        with m.If(self.valid):
            m.d.sync += [octet.eq(self.octet), before.eq(self.recent)]
            with m.If(self.place == 1):
                m.d.sync += letter.eq(Mux(self.octet[5:] == _UPPER, self.octet[:5], 0))
        m.d.comb += [self.recent.eq(Cat(octet, before)), self.kind.eq(Cat(letter, Const(_UPPER, 3)))]

        # What the letter says.
        fixed, tail, state = Signal(_PLACE_BITS), Signal(_Tail), Signal(_PLACE_BITS)
        ends = [Signal(_PLACE_BITS, name=f"end_of_{name}") for name in FIELDS]
        with m.Switch(Cat(letter, self.dialect)):
            for (kind, dialect), (places, of_state, length, follows) in layouts().items():
                with m.Case(kind & 0x1F | dialect << 5):
                    m.d.comb += [fixed.eq(length), tail.eq(follows), state.eq(of_state)]
                    m.d.comb += [end.eq(places.get(name, 0)) for name, end in zip(FIELDS, ends, strict=True)]
        m.d.comb += self.has.eq(Cat(end != 0 for end in ends))

        # One cycle behind an octet. No field ends with the first one, and `behind` is not 0 then.
        first, is_last = Signal(), Signal()
        m.d.comb += [first.eq(behind == 1), is_last.eq(left == 0), self.ended.eq(came & is_last)]
        for number, end in enumerate(ends):
            with m.If(behind == end):
                m.d.comb += [self.field.eq(number), self.field_end.eq(came)]
        with m.If(came & first):
            m.d.sync += [part.eq(_Part.FIXED), fits.eq(0), self.dead.eq(0)]
        with m.Elif(came):
            with m.Switch(part):
                with m.Case(_Part.FIXED):
                    with m.If(behind == fixed):
                        m.d.sync += part.eq(Mux(tail == _Tail.NONE, _Part.REST, _Part.LENGTH_HIGH))
                        m.d.comb += self.right.eq(is_last & (tail != _Tail.LENGTH))
                with m.Case(_Part.LENGTH_HIGH):
                    m.d.sync += part.eq(_Part.LENGTH_LOW)
                with m.Case(_Part.LENGTH_LOW):
                    m.d.sync += [part.eq(_Part.REST), fits.eq(left == self.recent[:16])]
                    m.d.comb += self.right.eq(is_last & (self.recent[:16] == 0))
                with m.Case(_Part.REST):
                    m.d.comb += self.right.eq(fits)
            with m.If((behind == state) & (octet == reports.DEAD)):
                m.d.sync += self.dead.eq(1)
        kept = (octet, before[:16], letter, part, fits, self.dead)
        m.d.comb += self.context.eq(keep(m, self, {1: kept}))
        return m

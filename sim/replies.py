"""What the exchange says on a lane's return path: its packets, its reports, and each applied once.

Part of the golden model. Written from the protocol, not from the gateware.
"""

from typing import NamedTuple

from hdl.wire.event import Loss

# Cycles from an octet being read to the loss that it shows: as a packet, as the end of a message, and of a login.
SHOWS = 1
ENDED = 2
NUMBERED = 15
LONGEST = 0x7FFF
HIGHEST = 999_999_999  # number of a message that can be counted


class Report(NamedTuple):
    """A report that was applied. Fields that it does not have are 0; of a token the last four octets are meant."""

    lane: int
    kind: int
    user_ref: int = 0
    original_ref: int = 0
    quantity: int = 0
    price: int = 0
    dead: int = 0


class Shape(NamedTuple):
    """A report: octets of its fixed part, what follows, and where its fields begin; prices as (at, octets)."""

    length: int
    tail: str = ""  # "": nothing; "?": the length of an appendage and the appendage, or nothing; "+": always
    user_ref: int = 0
    original_ref: int = 0
    quantity: int = 0
    price: tuple[int, int] = (0, 0)
    state: int = 0


OUCH50 = {
    "S": Shape(10),
    "A": Shape(62, "+", 9, quantity=14, state=47),
    "U": Shape(66, "+", 13, original_ref=9, quantity=18, state=51),
    "C": Shape(18, "?", 9, quantity=13),
    "D": Shape(32, "?", 9, quantity=13),
    "E": Shape(34, "+", 9, quantity=13, price=(17, 8)),
    "B": Shape(36, "?", 9),
    "J": Shape(29, "?", 9),
    "P": Shape(13, "?", 9),
    "I": Shape(13, "?", 9),
    "T": Shape(30, "?", 9),
    "M": Shape(18, "?", 9, quantity=14),
    "R": Shape(14, "+", 9),
    "X": Shape(25, "+", 9),
    "G": Shape(17, "+", 9),
    "K": Shape(17, "+", 9),
    "Q": Shape(13, "?", 9),
}
OUCH42 = {
    "S": Shape(10),
    "A": Shape(66, "", 19, quantity=24, state=64),
    "U": Shape(80, "", 19, original_ref=75, quantity=24, state=64),
    "C": Shape(28, "", 19, quantity=23),
    "D": Shape(37, "", 19, quantity=23),
    "E": Shape(40, "", 19, quantity=23, price=(27, 4)),
    "G": Shape(45, "", 19, quantity=23, price=(27, 4)),
    "F": Shape(41, "", 19, quantity=23, price=(27, 4)),
    "B": Shape(32, "", 19),
    "J": Shape(24, "", 19),
    "P": Shape(23, "", 19),
    "I": Shape(23, "", 19),
    "T": Shape(36, "", 19),
    "M": Shape(28, "", 19, quantity=24),
}
FIXED = {ord("A"): 31, ord("J"): 2, ord("H"): 1, ord("Z"): 1}
FREE = b"+SU"


def read(lane: int, octets: bytes, older: bool) -> Report | None:
    """Return what a sequenced message says; None if it is no report. `older`: OUCH 4.2."""
    shape = (OUCH42 if older else OUCH50).get(chr(octets[0]))
    if shape is None:
        return None
    behind = octets[shape.length :]
    if len(octets) < shape.length or (shape.tail == "+" and not behind) or (behind and not shape.tail):
        return None
    if behind and (len(behind) < 2 or int.from_bytes(behind[:2], "big") != len(behind) - 2):
        return None

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(octets[at : at + size], "big") & 0xFFFFFFFF if at else 0

    dead = bool(shape.state) and octets[shape.state] == ord("D")
    fields = number(shape.user_ref), number(shape.original_ref), number(shape.quantity), number(*shape.price)
    return Report(lane, octets[0], *fields, int(dead))


class Replies:
    """What a lane's exchange has said since reset.

    applied: reports, in order. came: of the last octets heard, with the places of their last ones. repeated: how many
    had been applied before. lost: why the lane's evidence is lost, 0 if it is not. made_good: how often it became whole
    again.
    """

    def __init__(self, lane: int, older: bool):
        self.lane, self.older = lane, older
        self.applied: list[Report] = []
        self.came: list[tuple[int, Report]] = []
        self.repeated = self.made_good = 0
        self.lost = 0
        self._name: bytes | None = None
        self._next = 1  # number of the next message to be applied
        self.begin()

    def begin(self) -> None:
        """A new TCP session: its octets begin with a packet."""
        self._held, self._broken = b"", False
        self._number: int | None = None  # of the stream's next message, from the login on

    def hear(self, octets: bytes) -> list[tuple[int, int]]:
        """Take the next octets of the session; return what was lost, as (cycles behind the first of them, Loss)."""
        self.came = []
        effects: list[tuple[int, int]] = []  # Loss, or 0: a login from which on nothing is missing
        before, data = len(self._held), self._held + octets
        place = 0
        while not self._broken and len(data) - place >= 2:
            length, there = data[place] << 8 | data[place + 1], len(data) - place - 2
            if not 0 < length <= LONGEST:
                self._broken = True
                effects.append((place + 1 - before + SHOWS, int(Loss.PACKET)))
                break
            if there and not self._fits(data[place + 2], length):
                self._broken = True
                effects.append((place + 2 - before + SHOWS, int(Loss.PACKET)))
                break
            if there < length:
                break
            kind, body = data[place + 2], data[place + 3 : place + 2 + length]
            place += 2 + length
            self._packet(kind, body, place - 1 - before, effects)
        self._held = b"" if self._broken else data[place:]
        return self._told(effects)

    def _told(self, effects):
        """Lose the evidence, or make it whole, in the order of time: an error may come before a login is done with."""
        told, errs = [], False
        for at, why in sorted(effects, key=lambda effect: effect[0]):
            if why:
                if not self.lost:
                    told.append((at, why))
                self.lost = why
                errs |= why != Loss.SKIPPED
            elif not errs:
                self.made_good += bool(self.lost)
                self.lost = 0
        return told

    def _fits(self, kind, length) -> bool:
        """Tell whether a packet may come here."""
        if kind == ord("S"):
            return length > 1 and self._number is not None
        if kind == ord("A") and self._number is not None:
            return False
        return kind in FREE or FIXED.get(kind) == length

    def _packet(self, kind, body, last, effects):
        """A packet is whole, with octet `last`."""
        if kind == ord("A"):
            name, digits = body[:10], body[10:].lstrip(b" ")
            number = int(digits) if digits.isdigit() else 0
            if not 0 < number <= HIGHEST:
                self._broken = True
                effects.append((last + SHOWS, int(Loss.PACKET)))
                return
            if name != self._name:
                self._name, self._next = name, 1
            self._number = number
            effects.append((last + NUMBERED, 0 if number <= self._next else int(Loss.SKIPPED)))
        elif kind == ord("S"):
            report = read(self.lane, body, self.older)
            if report is None:
                self._broken = True
                effects.append((last + ENDED, int(Loss.MESSAGE)))
                return
            if self._number > self._next or self._number > HIGHEST:
                effects.append((last + ENDED, int(Loss.SKIPPED)))
            elif self._number == self._next:
                self.applied.append(report)
                self.came.append((last, report))
                self._next = (self._next + 1) % (HIGHEST + 1)  # behind the last one there is none
            else:
                self.repeated += 1
            self._number += 1

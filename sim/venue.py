"""Random streams of an exchange: logins and sequenced reports, as SoupBinTCP says, and now and then otherwise."""

from random import Random

from sim.packets import packet
from sim.replies import OUCH42, OUCH50

DEAD = b"D"


def report(random: Random, older: bool) -> bytes:
    """Return a report of any type, with any octets; `older`: of OUCH 4.2."""
    letter, shape = random.choice(list((OUCH42 if older else OUCH50).items()))
    octets = bytearray(random.randbytes(shape.length))
    octets[0] = ord(letter)
    if shape.state and random.random() < 0.5:
        octets[shape.state : shape.state + 1] = DEAD
    if shape.tail == "+" or (shape.tail and random.random() < 0.2):
        appendage = random.randbytes(random.choice((0, 0, 0, 3, 8, 300)))
        octets += len(appendage).to_bytes(2, "big") + appendage
    return bytes(octets)


def wrong_report(random: Random, older: bool) -> bytes:
    """Return a sequenced message that is no report of the dialect."""
    octets = report(random, older)
    draw = random.randrange(5)
    if draw == 0:
        return octets[:-1]
    if draw == 1:
        return octets + bytes(random.choice((1, 2, 3)))
    if draw == 2:
        return bytes((octets[0] ^ random.choice((0x20, 0x80, 0x1F)),)) + octets[1:]
    if draw == 3:
        return random.choice((b"N", b"O", b"S", b"A")) + octets[1:]
    return octets[: random.randrange(1, len(octets))]


class Venue:
    """The exchange of one lane: what it has sent since the day began, and how the next login is answered.

    heard : gives the next report, of a lane whose reports count; else they are drawn. calm : says nothing wrong.
    """

    def __init__(self, random: Random, older: bool, heard=None, *, calm: bool = False):
        self._random, self._older, self._heard, self._calm = random, older, heard, calm
        self._name = b"%-10d" % random.randrange(100)
        self._sent: list[bytes] = []  # messages 1, 2, …

    def session(self):
        """Return what gives the packets of a TCP session, one with each call."""
        packets = self._packets()
        return lambda: next(packets)

    def _packets(self):
        random, sent = self._random, self._sent
        if random.random() < 0.05 and not self._calm:
            yield self._wrong()
        yield from (packet(b"", b"H"),) * random.choice((0, 0, 1))
        draw = random.random()
        number = len(sent) + 1
        if draw < 0.06 and not self._heard:
            self._name, self._sent = b"%-10d" % random.randrange(100), []
            sent, number = self._sent, random.choice((1, 1, 1, 3))
        elif draw < 0.4:
            number = 1
        elif draw < 0.7:
            number = max(1, number - random.randrange(30))
        elif draw < 0.75 and not self._calm:
            number += random.randrange(3)
        digits = b"%20d" % number if random.random() < 0.7 else b"%020d" % number
        if random.random() < 0.03 and not self._calm:
            digits = random.choice((b" " * 20, b"%20d" % 0, b"%20d" % 10**9, b"%-20d" % number, b"%19dA" % number))
        yield packet(self._name + digits, b"A")
        while True:
            draw = random.random()
            if draw < 0.06:
                yield packet(b"", b"H")
            elif draw < 0.09:
                yield packet(random.randbytes(random.choice((0, 1, 20, 300))), random.choice((b"+", b"U")))
            elif draw < 0.1 and not self._calm:
                yield random.choice((packet(b"A", b"J"), packet(b"", b"Z")))
            elif draw < 0.108 and not self._calm:
                yield self._wrong()
            else:
                while len(sent) < number:
                    sent.append(self._heard() if self._heard else report(random, self._older))
                yield packet(sent[number - 1], b"S")
                number += 1

    def _wrong(self) -> bytes:
        random = self._random
        if random.random() < 0.5:
            return packet(wrong_report(random, self._older), b"S")
        kinds = (b"\0\0", b"\x80\1S", b"\0\1S", b"\0\1R", b"\0\2HH", b"\0\1J", b"\0\x1eA" + bytes(29))
        return random.choice((*kinds, packet(self._name + b"%20d" % 1, b"A")))

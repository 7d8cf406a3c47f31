"""The return path: every carrier passes after a constant time, and RSTs to the servers go between them.

Part of the golden model. How carriers move when an RST is in their way is stated here alone. An RST begins in the first
gap behind its request, 12 cycles of gap before it and behind it. From that gap on carriers wait in a queue, and with
each of them as much of the gap behind it as there was, 12 cycles at most; what waits takes seven cycles or more. When
nothing waits and the way has rested for 12 cycles, carriers pass as before. A queue that has no room for an RST is not
modelled: that takes ten of them within some 1,000 cycles, on a line that is never idle.
"""

from collections import deque
from zlib import crc32

from hdl.wire.ethernet import GAP_OCTETS, PREAMBLE, PREAMBLE_OCTETS, START

DELAY = 4  # cycles, pin to pin
WANTED = 3  # cycles from a verdict to its RST being looked for
NOTICED = 2  # cycles from the pins to where a gap is noticed
STORED = 3  # cycles from the pins to the first in which the queue can be read for it
LOADED = 4  # cycles from there, or from the beginning of an RST, to the pins
FOLLOWS = 2  # cycles from the end of the idle octets before it to the pins
_PREAMBLE = bytes((PREAMBLE,)) * (PREAMBLE_OCTETS - 1) + bytes((START,))


class WayBack:
    """Carriers in, carriers out.

    passed: (first cycle, octets, first er or -1, how many) of each carrier that has passed, in order; an er counts
    from the carrier's first octet.
    """

    def __init__(self):
        self.passed = []
        self._carriers = deque()  # (first cycle on the pins, octets, er)
        self._requests = []  # (cycle from which on it is wanted, lane, octets)
        self._through = True  # no carrier has to wait
        self._free = 0  # cycle from which on nothing is being read or sent
        self._last = -GAP_OCTETS  # cycle that loads the last octet out
        self._idle = (0, 0)  # idle octets of the queue that come first: the cycle of the first one, how many

    def carrier(self, start: int, octets: bytes, er: tuple[int, int]) -> None:
        """A carrier came in from cycle `start` on; er is (-1, 0) if there is none."""
        self._carriers.append((start, octets, er))

    def inject(self, verdict: int, lane: int, frame: bytes) -> None:
        """An RST is asked for by a verdict."""
        self._requests.append((verdict + WANTED, lane, _PREAMBLE + frame))

    def settle(self) -> None:
        """Everything that has come in passes."""
        while self._carriers or self._requests:
            if self._through:
                self._pass()
            elif self._idle[1]:
                self._gap()
            else:
                self._rest()

    def _pass(self):
        """Carriers pass, up to the first gap in which an RST is wanted."""
        wanted = max(self._wanted(), self._free)
        while self._carriers and self._carriers[0][0] + NOTICED <= wanted:
            start, octets, er = self._carriers.popleft()
            self._out(start + DELAY, octets, er)
            if self._requests:
                wanted = max(wanted, start + len(octets) + NOTICED)
        if self._requests:
            self._through, self._free = False, wanted + 1

    def _gap(self):
        """The idle octets at the head of the queue: an RST may end them, else what follows comes at once."""
        first, count = self._idle
        self._idle = (0, 0)
        wanted = self._wanted()
        if wanted < first + count:
            gone = max(1, wanted - first + 1)
            self._reset(first + gone, count - gone)
            return
        self._free = first + count
        if self._carriers and self._carriers[0][0] + STORED + LOADED <= first + count + FOLLOWS:
            self._read(first + count + FOLLOWS)

    def _rest(self):
        """Nothing is being read: an RST, the next of the queue, or the way is free again."""
        start = self._carriers[0][0] if self._carriers else FAR
        ready, rested = self._last + GAP_OCTETS - 2, max(self._last + GAP_OCTETS, self._free)
        waits = start + NOTICED < rested
        reads = max(ready, start + STORED)
        if self._wanted() <= (reads if waits else rested):
            self._reset(self._free, 0)
        elif waits:
            self._read(reads + LOADED)
        else:
            self._through, self._free = True, rested + 1

    def _read(self, at):
        """The first carrier of the queue goes out, and as much of the gap behind it as there is."""
        start, octets, er = self._carriers.popleft()
        self._out(at, octets, er)
        gap = self._carriers[0][0] - start - len(octets) if self._carriers else GAP_OCTETS
        self._idle = self._last, min(gap, GAP_OCTETS)

    def _reset(self, free, idle):
        """An RST begins, not before `free`; `idle` octets of the queue come behind it."""
        begins = max(self._last + GAP_OCTETS - 2, free, self._wanted())
        ready = [request for request in self._requests if request[0] <= begins]
        lane = min(lane for _, lane, _ in ready)
        octets = [octets for _, of, octets in ready if of == lane][-1]
        self._requests = [one for one in self._requests if one not in ready or one[1] != lane]
        self._out(begins + LOADED, octets, (-1, 0))
        self._free = self._last
        self._requests = [(max(wanted, self._last + 1), *rest) for wanted, *rest in self._requests]
        read = self._last + GAP_OCTETS - 2
        if idle and self._wanted() <= read:
            self._reset(self._free, idle)
        elif idle:
            self._idle = read + FOLLOWS, idle

    def _wanted(self):
        return min((wanted for wanted, _, _ in self._requests), default=FAR)

    def _out(self, at, octets, er):
        self.passed.append((at, octets, *er))
        self._last = at + len(octets) - 2


def spoilt(octets: bytes, er: tuple[int, int], first: int) -> tuple[bytes, tuple[int, int]]:
    """Return a carrier, its start delimiter included, that is spoilt from octet `first` on, and its er.

    What comes instead is the inverse of the FCS over what was sent, and zeros: of that the FCS is wrong as well.
    """
    begin = octets.find(START) + 1
    check = crc32(octets[begin:first]) ^ 0xFFFFFFFF
    end = len(octets)
    octets = (octets[:first] + check.to_bytes(4, "little")).ljust(end, b"\0")[:end]
    before = min(er[1], max(first - er[0], 0)) if er[1] else 0
    return octets, (er[0] if before else first, before + end - first)


def within(er: tuple[int, int] | None, length: int) -> tuple[int, int]:
    """Return the part of rx_er that lies in the carrier, as an engine reports it: (-1, 0) if none."""
    if er is None or er[0] >= length or er[1] <= 0:
        return -1, 0
    return er[0], min(er[1], length - er[0])


FAR = 1 << 62  # later than anything

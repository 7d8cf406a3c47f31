"""The return path: every carrier passes after a constant time, and RSTs to the servers go between them.

Part of the golden model. How carriers move when an RST is in their way is stated here alone.
"""

from heapq import heappop, heappush

from hdl.wire.ethernet import FCS_OCTETS, GAP_OCTETS, PREAMBLE, PREAMBLE_OCTETS, START

DELAY = 4  # cycles, pin to pin
INJECTED = 8  # cycles from a verdict to the RST's first octet, if the way is free
SPOILT = FCS_OCTETS  # last octets of a carrier that is spoilt: inverted, with tx_er
_PREAMBLE = bytes((PREAMBLE,)) * (PREAMBLE_OCTETS - 1) + bytes((START,))


class WayBack:
    """Carriers in, carriers out.

    passed: (first cycle, octets, first er or -1, how many) of each carrier that has passed, in order; an er counts
    from the carrier's first octet.
    """

    def __init__(self):
        self.passed = []
        self._waiting = []  # a heap: (earliest cycle, number, octets, er, whether it is an RST)
        self._number = 0
        self._free = 0  # the cycle behind the last carrier
        self._gap = False  # and behind that a gap must be made

    def carrier(self, start: int, octets: bytes, er: tuple[int, int], spoilt: bool) -> None:
        """A carrier that came in from cycle `start` on; er is (-1, 0) if there is none."""
        if spoilt:
            good = max(len(octets) - SPOILT, 0)
            octets = octets[:good] + bytes(octet ^ 0xFF for octet in octets[good:])
            first = er[0] if er[1] else good
            er = first, len(octets) - first
        self._push(start + DELAY, octets, er, False)

    def inject(self, verdict: int, frame: bytes) -> None:
        """An RST is asked for by a verdict."""
        self._push(verdict + INJECTED, _PREAMBLE + frame, (-1, 0), True)

    def settle(self) -> None:
        """Everything that has come in passes."""
        while self._waiting:
            earliest, _, octets, er, injected = heappop(self._waiting)
            at = max(earliest, self._free + (GAP_OCTETS if injected or self._gap else 0))
            self.passed.append((at, octets, *er))
            self._free, self._gap = at + len(octets), injected or at > earliest

    def _push(self, earliest, octets, er, injected):
        heappush(self._waiting, (earliest, self._number, octets, er, injected))
        self._number += 1


def within(er: tuple[int, int] | None, length: int) -> tuple[int, int]:
    """Return the part of rx_er that lies in the carrier, as an engine reports it: (-1, 0) if none."""
    if er is None or er[0] >= length or er[1] <= 0:
        return -1, 0
    return er[0], min(er[1], length - er[0])

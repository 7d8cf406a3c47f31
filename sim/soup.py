"""SoupBinTCP framing of one segment's new octets, on from where the last one ended. Part of the golden model.

Places count from the first octet given, 0; what was held back from earlier segments has places below 0.
"""

from typing import NamedTuple

from hdl.wire.soup import CLIENT_FIXED, LONGEST, Client
from sim.messages import Decoded, Dialect

_FIXED = {int(kind): length for kind, length in CLIENT_FIXED.items()}
_FREE = frozenset((int(Client.DEBUG), int(Client.UNSEQUENCED)))
_UNSEQUENCED = int(Client.UNSEQUENCED)


class Context(NamedTuple):
    """The parser between two segments: the octets of the packet it is in, and whether that is an overwritten order."""

    held: bytes = b""
    stopped: bool = False


class Item(NamedTuple):
    """A message that ends here, or an order that goes on behind the segment: then it is not `whole`.

    run: number of the order among those that began here, None for a continued one and for what is no order.
    """

    message: Decoded
    run: int | None

    @property
    def order(self) -> bool:
        return self.message.order

    @property
    def continued(self) -> bool:
        return self.message.continued


class Reading:
    """What the new octets of a segment hold.

    framing: an error, behind which nothing was read. items: in the order of octets. runs: (begin, end) of each order
    that began here, from its packet type on. body, old: (begin, end) of what continues an overwritten order, and of
    what continues another one; empty as (0, 0). unfinished: the octets end inside a run.
    """

    __slots__ = ("_rest", "_stopped", "body", "framing", "items", "old", "runs", "unfinished")

    def __init__(self, context: Context, octets: bytes, at: int, config, dialect: Dialect):
        """Read `octets`, the first of which is number `at` of its frame."""
        held = len(context.held)
        data = context.held + octets
        size = len(data)
        self.framing = self.unfinished = False
        self.items, self.runs = [], []
        self.body = self.old = (0, 0)
        self._stopped = False
        place = 0  # in `data`
        while size - place >= 2:
            length = data[place] << 8 | data[place + 1]
            if not 0 < length <= LONGEST:
                self.framing = True
                return
            if size - place < 3:
                break
            kind, end = data[place + 2], place + 2 + length
            if _FIXED.get(kind, length) != length or (kind not in _FIXED and kind not in _FREE):
                self.framing = True
                return
            if kind == _UNSEQUENCED:
                if length == 1:
                    self.framing = True
                    return
                if place + 3 < size:
                    self._message(context, data, place, min(end, size), length, held, at, config, dialect)
            if end > size:
                break
            place = end
        self._rest = data[place:]

    def _message(self, context, data, place, end, length, held, at, config, dialect):
        """A packet with a message begins at `place` of `data`, and is there up to `end`."""
        span = max(place + 2 - held, 0), end - held
        whole = end == place + 2 + length
        if place == 0 and context.stopped:
            self.body = span
            self._stopped = not whole
            return
        order, continued = data[place + 3] in dialect.orders, place + 2 < held
        run = None
        if order and continued:
            self.old = span
        elif order:
            run = len(self.runs)
            self.runs.append(span)
            self.unfinished = not whole
        if whole or order:
            octets, place = data[place + 3 : end], at + place + 3 - held
            self.items.append(Item(Decoded(octets, place, length - 1, config, dialect, order and continued), run))

    def context(self, stopped: bool) -> Context:
        """Return the context behind the octets; `stopped`: an order that began here and goes on is overwritten."""
        return Context(self._rest, self._stopped or (self.unfinished and stopped))

"""What an exchange makes of the segments that left: P9, and nothing but orders is altered.

The streams are put together from the egress frames alone, apart from where in the incoming frame the payload was.
"""

from struct import pack
from zlib import crc32

from sim.messages import OUCH42, OUCH50
from sim.parse import GOOD_FCS
from sim.session import signed

FAR = 1 << 20  # octets within which two numbers are of the same stream


class Received:
    """The stream of one session, as it came in first and as it left first, from its beginning."""

    def __init__(self, isn: int, orders: frozenset[int]):
        self.isn, self.orders = isn, orders
        self.came, self.left = bytearray(), bytearray()

    def take(self, sequence: int, came: bytes, left: bytes) -> None:
        """A segment has left: what was there before must be repeated as it left then."""
        place = signed(sequence - self.isn - 1)
        if len(left) == 1 and place == len(self.left) - 1:
            return  # a keep-alive, perhaps: its octet may be garbage, and counts for nothing
        assert 0 <= place <= len(self.left), f"{place - len(self.left)} octets are missing before a segment"
        old = self.left[place : place + len(left)]
        assert left[: len(old)] == old, "a segment repeats other octets than those that had left"
        self.came += came[len(old) :]
        self.left += left[len(old) :]

    def check(self) -> tuple[int, int]:
        """Return how many orders left as they came, and how many overwritten; nothing else may have been altered."""
        place = whole = stopped = 0
        came, left = self.came, self.left
        while place + 2 <= len(came):
            end = place + 2 + (came[place] << 8 | came[place + 1])
            was, became = bytes(came[place:end]), bytes(left[place:end])
            order = len(was) > 3 and was[2] == ord("U") and was[3] in self.orders
            if was == became:
                whole += order
            else:
                expected = was[:2] + b"+" + b" " * (len(was) - 3)
                assert order and became == expected, f"{was.hex()} left as {became.hex()}"
                stopped += 1
            place = end
        assert came[place:] == left[place:]
        return whole, stopped


class Receiver:
    """All that left a model, put together as streams: `streams` of each lane and port."""

    def __init__(self, model):
        self.model = model
        self.streams: dict[tuple[int, int], list[Received]] = {}
        self._taken = 0

    def take(self) -> None:
        """Take what has left since the last time."""
        for left in self.model.left[self._taken :]:
            if left.er_at is None and left.kept.flow is not None:
                self._take(left)
        self._taken = len(self.model.left)

    def _take(self, left):
        model, kept = self.model, left.kept
        lane, segment, octets = kept.lane, kept.flow.segment, left.octets
        assert crc32(octets) == GOOD_FCS
        orders = (OUCH42 if model.config.modes[lane] & 2 else OUCH50).orders
        known = self.streams.setdefault((lane, segment.port), [])
        if kept.flow.syn:
            if all(stream.isn != segment.sequence for stream in known):
                known.append(Received(segment.sequence, orders))
            return
        begin = segment.payload_at
        payload = octets[begin : begin + len(segment.payload)]
        whole = octets[segment.at : begin] + payload
        sums = segment.addresses + pack(">HH", 6, len(whole)) + whole
        assert int.from_bytes(sums + bytes(len(sums) & 1), "big") % 0xFFFF == 0, "a wrong TCP checksum left"
        if payload:
            near = [one for one in known if abs(signed(segment.sequence - one.isn)) < FAR]
            if not near:  # its SYN was aborted, and answered all the same
                near = [Received(segment.sequence - 1, orders)]
                known += near
            (stream,) = near
            stream.take(segment.sequence, segment.payload, payload)
        killed = model.kills.mask(left.end - 3) >> lane & 1
        assert not (killed and left.orders), "an order completed behind a kill"


def receive(model) -> tuple[int, int]:
    """Check everything that left the model; return how many orders left as they came, and how many overwritten."""
    receiver = Receiver(model)
    receiver.take()
    results = [stream.check() for of_port in receiver.streams.values() for stream in of_port]
    return sum(whole for whole, _ in results), sum(stopped for _, stopped in results)

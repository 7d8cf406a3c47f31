"""A TCP lane's server and its exchange, as a scene writes them: a segment, a report, and what is booked then."""

from random import Random

from sim import packets
from sim.desk import LOGIN
from sim.duel import Duel
from sim.floor import encode
from sim.packets import ACK, PREAMBLE, SYN, packet
from sim.replies import Report
from sim.traffic import Carrier

SERVERS = packets.servers()
GAP = 12  # octets between two frames


class Talk:
    """A TCP lane of OUCH 5.0 that is heard, from its login on: its server and its exchange, each in its turn."""

    HEARD = 33  # its mode
    ANSWERS = 2_000  # cycles until the exchange answers a SYN

    def __init__(self, duel: Duel, lane: int):
        self.duel, self.lane = duel, lane
        self._sent = self._said = 1  # numbers of the next octet of either
        syn = packets.segment(SERVERS[lane], sequence=0, flags=SYN)
        duel.play(_carriers(syn), returns=[self._answer(sequence=0, acknowledgment=1, flags=SYN | ACK)])
        self._say(LOGIN)

    def send(self, *messages: bytes, behind: bytes = b"", cut: int = 0, loop=()) -> int:
        """Send a segment, `behind` another frame, or two, if the first is `cut`: its last octets are in the second.

        Return why the first order of the last one is stopped, 0 if none is.
        """
        octets, frames = b"".join(map(packet, messages)), [behind] * bool(behind)
        for part in (octets[:-cut], octets[-cut:]) if cut else (octets,):
            where = {"sequence": self._sent, "acknowledgment": self._said}
            frames.append(packets.segment(SERVERS[self.lane], part, **where))
            self._sent += len(part)
        self.duel.play(_carriers(*frames), loop=loop)
        return self.duel.model.left[-1].kept.flow.why

    def report(self, letter: str, ref: int, quantity: int = 0, price: int = 0, original: int = 0, dead: int = 0):
        """The exchange reports."""
        said = Report(self.lane, ord(letter), ref, original, quantity, price, dead)
        self._say(packet(encode(said, False, Random(ref)), b"S"))

    def books(self, index: int) -> tuple[int, int, int]:
        """Return the net position of a symbol, the shares open to buy, and the lane's gross notional."""
        budget = self.duel.model.budget
        return budget.net[index], budget.exposure[2 * index], budget.gross[self.lane]

    def _say(self, octets):
        answer = self._answer(octets, sequence=self._said, acknowledgment=self._sent)
        self._said += len(octets)
        self.duel.play((), returns=[answer])

    def _answer(self, octets=b"", **fields):
        return Carrier(
            self.ANSWERS, PREAMBLE + packets.segment(packets.answering(SERVERS[self.lane]), octets, **fields)
        )


def _carriers(*frames):
    return [Carrier(GAP, PREAMBLE + frame) for frame in frames]

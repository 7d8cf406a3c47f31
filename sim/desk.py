"""A trading day that goes well: eight lanes of TCP whose messages are right, most of the time, and their exchange.

Every segment is whole and in its turn, every ACK and every report comes, some of them late; what a kill stops is
repeated. So positions can be compared with the exchange's books at its end, share by share.
"""

from hdl.wire.registers import TRADED
from hdl.wire.verdict import LANES, Action
from sim import packets
from sim.floor import Floor
from sim.packets import ACK, PSH, SYN, Address
from sim.parse import ANY_RATE
from sim.session import HISTORY, signed
from sim.traffic import Carrier, Traffic

LARGEST = 1400  # octets of a segment
APART = 40  # cycles from a frame to the next one, at the least
DEAREST = 1_000_000  # price
ANSWERS = 4_000  # cycles from a frame's begin until the exchange has it
LOGIN = packets.packet(b"%-10d" % 7 + b"%20d" % 1, b"A")


class Line:
    """A lane's server and what the exchange says to it. Places are offsets in the stream of either."""

    def __init__(self, desk: "Desk", lane: int):
        self.desk, self.random, self.lane = desk, desk.random, lane
        self.address: Address = desk.servers[lane]
        self.older = bool(desk.config.modes[lane] & 2)
        self.isn, self.said_isn = (self.random.getrandbits(32) for _ in range(2))
        self.stream, self.said = bytearray(packets.packet(b" " * 46, b"L")), bytearray(LOGIN)
        self.edges = [len(self.stream)]  # where the server's packets end
        self.place = self.acked = self.heard = 0  # of the server: sent, known to have been taken, and heard
        self.had = self.spoken = 0  # of the exchange: what it has, and what it has said
        self.orders: dict[int, tuple[int, int, bytes]] = {}  # shares, price and parent's name of each one sent

    def segment(self, begin: int, end: int, *, flags: int = ACK | PSH, isn: int | None = None) -> bytes:
        sequence = self.isn + 1 + begin if isn is None else isn
        said = self.said_isn + 1 + self.heard
        return packets.segment(
            self.address, bytes(self.stream[begin:end]), sequence=sequence, acknowledgment=said, flags=flags
        )

    def answer(self, end: int, place: int) -> bytes:
        """The exchange goes on to `end` of its stream, and has the server's up to `place`, or more."""
        begin, self.spoken, self.had = self.spoken, end, max(self.had, place)
        fields = {"sequence": self.said_isn + 1 + begin, "acknowledgment": self.isn + 1 + self.had, "flags": ACK | PSH}
        return packets.segment(packets.answering(self.address), bytes(self.said[begin:end]), **fields)

    def opening(self) -> tuple[bytes, bytes]:
        """Return the SYN and what answers it."""
        there = packets.answering(self.address)
        accepts = {"sequence": self.said_isn, "acknowledgment": self.isn + 1, "flags": SYN | ACK}
        return self.segment(0, 0, flags=SYN, isn=self.isn), packets.segment(there, **accepts)

    def settle(self, session) -> None:
        """Take from the model how far the session is."""
        assert session.open and not session.fenced, f"the session of lane {self.lane} has ended"
        self.place, self.had = signed(session.next - self.isn - 1), signed(session.sent - self.isn - 1)
        self.acked = self.had  # from the first answer of the round on
        self.heard = self.spoken = signed(session.back - self.said_isn - 1)

    def more(self) -> None:
        """Append a message to the stream."""
        self.stream += packets.packet(self.message())
        self.edges.append(len(self.stream))

    def message(self) -> bytes:
        random, desk = self.random, self.desk
        book, draw = desk.floor.market.book[self.lane], random.random()
        rests = list(book)
        if draw < (0.05 if self.older else 0.25) and self.orders:
            return self._replace(book)
        if draw < 0.7 or not rests:
            return self._enter()
        if draw < 0.97:
            ref, size = random.choice(rests), random.choice((0, 0, random.randrange(desk.order_size)))
            if draw < 0.85:
                return packets.cancel42(self._token(ref), size) if self.older else packets.cancel(ref, size)
            return packets.modify42(self._token(ref), size) if self.older else packets.modify(ref, size)
        if self.older:
            return self._replace(book)
        desk.user_ref += 1
        return packets.mass_cancel(desk.user_ref, random.choice(desk.symbols))

    def _enter(self):
        random, desk = self.random, self.desk
        desk.user_ref += 1
        symbol, side = random.choice(desk.symbols), random.choice((b"B", b"B", b"S", b"T"))
        quantity, price = random.randrange(1, desk.order_size + 1), random.randrange(1, DEAREST)
        name = desk.parent_name(symbol, side)
        self.orders[desk.user_ref] = quantity, price, name
        if self.older:
            return packets.enter42(self._token(desk.user_ref, name), symbol, quantity, price, side)
        return packets.enter(desk.user_ref, symbol, quantity, price, side, order_id=packets.TAG_OF_ORDERS + name)

    def _replace(self, book):
        """Return a Replace of an order that rests, rather one of which less is left than was ordered; or of one that
        was sent last, whatever became of it; or of any number.
        """
        random, desk = self.random, self.desk
        sent, draw = list(self.orders), random.random()
        original = random.choice(sent[-1:] if draw < 0.2 else sent[-8:])
        if draw > 0.4 and book:
            few = random.sample(list(book), min(3, len(book)))
            original = max(few, key=lambda ref: 2 * book[ref].prevented + book[ref].filled)
        desk.user_ref += 1
        ref = desk.user_ref
        if draw > 0.97:
            original, ref = random.choice(((random.choice(sent), ref), (ref, ref), (original, original)))
        shares, price, name = self.orders.get(original, (1, 1, b"A000"))
        if random.random() < 0.05:
            name = desk.parent_name(random.choice(desk.symbols), b"B")
        shares = random.choice((shares, 2 * shares, shares // 2, random.randrange(1, desk.order_size + 1)))
        price = random.choice((price, 2 * price, price // 2, random.randrange(1, DEAREST)))
        shares, price = min(max(shares, 1), desk.order_size), min(max(price, 1), DEAREST)
        self.orders[ref] = shares, price, name
        if self.older:
            return packets.replace42(self._token(original), self._token(ref, name), shares, price)
        return packets.replace(original, ref, shares, price, order_id=packets.TAG_OF_ORDERS + name)

    def _token(self, ref, name=bytes(4)):
        return packets.TAG_OF_ORDERS + name + bytes(2) + ref.to_bytes(4, "big")


class Desk(Traffic):
    """A configuration, and rounds that fit it. floor: the exchange. steps: messages sent, and reports said, so far."""

    def __init__(self, seed: int):
        super().__init__(seed)
        random, config = self.random, self.config
        self.order_size = config.order_size = random.choice((100, 5_000))
        config.modes = [1 | (lane % 3 == 1) << 1 | Action.NEUTRALISE << 2 | 1 << 5 for lane in range(LANES)]
        config.modes = [mode | (lane % 4 == 0) << 6 for lane, mode in enumerate(config.modes)]
        config.enabled, config.order_value, config.trips = 0xFF, 1 << 51, {}
        config.rates = [ANY_RATE] * LANES
        config.terms = dict.fromkeys(config.terms, (TRADED, 0xFFFFFFFF))
        # Positions come to their limits, and back; gross notional, which hardly falls, does at last.
        config.limits = {row: random.randrange(self.order_size, 12 * self.order_size) for row in config.limits}
        plenty = 20 * self.order_size * DEAREST
        config.gross_limits = [random.choice((plenty, 3 * plenty)) for _ in range(LANES)] + [8 * plenty]
        self.floor = Floor(random, config, wrong=0)
        self.lines = [Line(self, lane) for lane in range(LANES)]
        self.steps = 0

    def open(self) -> tuple[list[Carrier], list[Carrier]]:
        """Return the carriers that open every session, and those that answer them."""
        pairs = [line.opening() for line in self.lines]
        carriers, answers = (
            [(number * 200, frame) for number, frame in enumerate(frames)] for frames in zip(*pairs, strict=True)
        )
        return _timed(carriers), _timed([(ANSWERS + at, frame) for at, frame in answers])

    def round(self, model, frames: int, *, last: bool = False) -> tuple[list[Carrier], list[Carrier]]:
        """Return each server's next `frames` segments, none if it is the `last` one, and what the exchange says.

        `model` is at rest.
        """
        self.floor.take(model, everything=last)
        for line in self.lines:
            line.settle(model.sessions[line.lane])
        rests = sum(map(len, self.floor.market.book))
        for _ in range(self.random.choice((0, 30, rests, 2 * rests)) * (not last)):
            self.floor.move()
        sent, answers, now = [], [], 0
        for line in self.lines:
            answers += self._reports(line, last)
        for _ in range(frames * (not last)):
            for line in self.lines:
                begin = line.place
                self._fill(line)
                if line.place > begin:
                    frame = line.segment(begin, line.place)
                    sent.append((ANSWERS + now, frame))
                    now += len(frame) + APART + self.random.choice((0, 0, 100, 1_000))
                    answers.append((2 * ANSWERS + now, line, None, line.place))
                    line.acked = line.place
            now += 2 * ANSWERS
        answers.sort(key=lambda one: one[0])
        said = [(at, line.answer(line.spoken if end is None else end, place)) for at, line, end, place in answers]
        return _timed(sent), _timed(said)

    def _fill(self, line):
        """Take the next packets of a lane, as many as fit into a segment and the window, or fewer."""
        room = line.place + min(LARGEST, line.acked + HISTORY - line.place)
        for _ in range(self.random.choice((1, 1, 3, 8, 20))):
            if line.place == len(line.stream):
                line.more()
                self.steps += 1
            end = next(edge for edge in line.edges if edge > line.place)
            if end > room:
                return
            line.place = end

    def _reports(self, line, everything):
        """Return when the exchange says what: an ACK first, then the next reports or all there are, some together."""
        ends, at, draw = [line.spoken], 0, self.random.random
        while (everything or draw() < 0.95) and (message := self.floor.waiting(line.lane)):
            line.said += packets.packet(message, b"S")
            self.steps += 1
            if draw() < 0.3 or len(line.said) - ends[-1] > LARGEST - 100:
                ends.append(len(line.said))
        answers = []
        for end in dict.fromkeys((*ends, len(line.said))):
            answers.append((at, line, end, line.had))
            at += self.random.randrange(2_000)
        return answers


def _timed(frames: list[tuple[int, bytes]]) -> list[Carrier]:
    """Return the carriers of frames that begin at these times, or as soon as the one before has left."""
    carriers, now = [], 0
    for at, frame in sorted(frames, key=lambda one: one[0]):
        octets = packets.PREAMBLE + frame
        gap = max(at - now, 12)
        carriers.append(Carrier(gap, octets))
        now += gap + len(octets)
    return carriers

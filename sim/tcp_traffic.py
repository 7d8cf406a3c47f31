"""Random traffic over TCP lanes, and what the exchange answers: rounds that follow what the model let out.

Eight lanes, most of them of TCP, in both dialects and with every action; the others, and strangers, are those of
`sim.traffic`. Each TCP lane is a client with a stream of Soup packets, cut anywhere, sent in order or not, repeated
with the same boundaries or others, altered now and then; and an exchange (`sim.venue`) that acknowledges late, wrongly,
or not at all, and whose own stream is cut and repeated likewise, with holes in it.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

from hdl.wire.ouch import HIGHEST_PRICE, TAG_VALUES
from hdl.wire.registers import TRADED
from hdl.wire.verdict import Action
from sim import packets
from sim.floor import Floor
from sim.packets import ACK, FIN, PSH, RST, SYN, URG
from sim.parse import ANY_RATE
from sim.session import HISTORY, signed
from sim.traffic import Carrier, Traffic, scrap
from sim.venue import Venue

MASK = (1 << 32) - 1
ANSWER = 150, 700  # cycles from a SYN's end to its answer's begin
RECENT = 12  # orders of a lane, the last ones: they are replaced, and so is what rests
REFUSED = 27, 28, 6  # option tags of a Replace: its side, a channel, a pegged price
NO_OPTIONS, STAMPS = b"", b"\1\1\x08\x0a" + bytes(8)


class Sent(NamedTuple):
    """A carrier, and what it was meant to be."""

    carrier: Carrier
    tag: str


class Stream:
    """Octets of one session, made as they are needed. `edges`: where its packets begin."""

    def __init__(self, isn: int, more):
        self.isn, self._more = isn, more
        self.octets, self.edges = bytearray(), [0]

    def reach(self, length: int) -> None:
        while len(self.octets) < length:
            self.octets += self._more()
            self.edges.append(len(self.octets))

    def cut(self, begin: int, end: int) -> bytes:
        self.reach(end)
        return bytes(self.octets[begin:end])


class Client:
    """One server's end of a TCP lane, and the exchange's that answers it.

    streams: of each session, by port; several of a port one after another. Offsets count from the first octet of the
    stream; `acked` is what the exchange has acknowledged, as it was sent.
    """

    def __init__(self, traffic: "TcpTraffic", lane: int):
        self.traffic, self.random, self.lane = traffic, traffic.random, lane
        self.address = traffic.servers[lane]
        self.dialect42 = bool(traffic.config.modes[lane] & 2)
        self.action = traffic.config.action(lane)
        # What is replaced too early or too late ends a session, unless it is overwritten.
        replaces = 0.4 if self.action == Action.NEUTRALISE else 0.04
        self._replaces = replaces if traffic.config.heard(lane) and not self.dialect42 else 0
        self._orders: dict[int, bytes] = {}  # parents' names, by number
        self.streams: dict[int, list[Stream]] = {}
        self.answers: list[tuple[int, bytes]] = []  # of this round: (cycle, frame)
        self.stream: Stream | None = None
        self.port = 0
        self.number = 0  # the exchange's next one
        heard = partial(traffic.floor.message, lane) if traffic.config.heard(lane) else None
        self.venue = Venue(self.random, self.dialect42, heard, calm=traffic.calm)
        self.said: Stream | None = None  # by the exchange, in this session
        self._ended = False  # by a FIN of the exchange
        self.next = self.acked = 0
        self.stuck = 0  # rounds in which nothing got further
        self._seen = 0
        self._acks: list[tuple[int, int]] = []  # (cycle, offset) to come
        self._ready = 0  # the session is open from this cycle of the round on
        self._begun = False  # a SYN was sent
        self._held: list[tuple[str, bytes]] = []  # frames to be sent next
        self._fenced = False
        random = self.random
        self._kinds = [self._data] * 26 + [self._repeat] * 5 + [self._swap] * 2 + [self._lose] + [self._break] * 2
        self._kinds += [self._bare, self._alive, self._probe, self._stray] + [self._odd] * 2 + [self._resume] * 4
        self._kinds += [self._reports] * 5
        if traffic.calm:
            self._kinds = [self._data] * 5 + [self._reports] * 14 + [self._bare, self._resume]
        random.shuffle(self._kinds)

    def settle(self, session) -> None:
        """A round begins: take from the model what has become of the session."""
        random = self.random
        self.answers, self._held, self._acks, self._ready = [], [], [], 0
        self._fenced = session.fenced
        dead = self.stream is None or not session.open or session.port != self.port
        if not dead:
            place = signed(session.next - self.stream.isn - 1)
            dead = not 0 <= place <= len(self.stream.octets) or session.finished
        if dead or session.fenced:
            self._begun = random.random() < 0.03 and self.stream is not None  # goes on all the same
            return
        self._begun = True
        self.stuck = self.stuck + 1 if place == self._seen else 0
        self._seen = place
        if self.stuck > 4 or random.random() < (0.002 if self.traffic.calm else 0.05):
            self._begun = False
            return
        self.acked = signed(session.acked - self.stream.isn - 1)
        if random.random() < 0.9:
            self.next = place
        if random.random() < 0.75:
            self._answer(random.randrange(300), acknowledgment=session.sent + session.sent_finished)
            self._acks.append((400, signed(session.sent - self.stream.isn - 1)))
        self.number = session.back

    def frame(self, now: int) -> tuple[str, bytes] | None:
        """Return what is sent in cycle `now` of the round, if anything."""
        if self._held:
            return self._held.pop(0)
        if self._fenced and self.random.random() < 0.95:
            return None
        while self._acks and self._acks[0][0] < now:
            self.acked = max(self.acked, self._acks.pop(0)[1])
        if not self._begun:
            return self._syn(now)
        if now < self._ready:
            return ("early", self._segment(0, 3)) if self.random.random() < 0.03 else None
        return self.random.choice(self._kinds)(now)

    # The stream.

    def _packet(self) -> bytes:
        """Return the next packet of a stream."""
        random, traffic = self.random, self.traffic
        draw = random.random()
        careful = random.random() < (1 if traffic.calm else 0.3 if self.action == Action.NEUTRALISE else 0.95)
        if draw < 0.6 or traffic.calm:
            replaces = self._orders and random.random() < self._replaces
            return packets.packet(self._replace(careful) if replaces else self._order(careful))
        if draw < 0.8:
            return packets.packet(self._other(careful))
        if draw < 0.9:
            return packets.packet(b"", b"R")
        if draw < 0.96:
            return packets.packet(random.randbytes(random.choice((0, 1, 5, 40, 300))), b"+")
        if draw < 0.98:
            return packets.packet(b" " * 46, b"L")
        if draw < 0.985 and not careful:
            wrong = (b"\0\0", b"\x80\x01U", b"\0\1U", b"\0\2RR", b"\0\1T", b"\0\x2fM" + bytes(46), packets.packet(b"Z"))
            return random.choice(wrong)
        traffic.user_ref += 1
        return packets.packet(b"", b"O")

    def _order(self, careful: bool) -> bytes:
        random, traffic = self.random, self.traffic
        if not careful and not self.dialect42:
            order = traffic.order()
            self._orders[int.from_bytes(order[1:5], "big")] = order[35:39]
            return order
        traffic.user_ref += 1
        symbol, side = random.choice(traffic.symbols), random.choice((b"B", b"S", b"T", b"E"))
        quantity, price = random.randrange(1, traffic.order_size // 8 + 1), random.choice((1, 10_000, 1_000_000))
        if not careful:
            flaw = random.randrange(40)
            if flaw == 0:
                symbol = b"%-8d" % random.randrange(10**8)
            elif flaw == 1:
                side = b"Q"
            elif flaw == 2:
                quantity = random.choice((0, 1_000_000, 1 << 31, traffic.order_size + 1))
            elif flaw == 3:
                price = random.choice((0, 1_999_999_901, 0x7FFFFFFF, 0xFFFFFFFF))
            elif flaw == 4:
                quantity, price = random.randrange(1, traffic.order_size + 1), random.randrange(1, 1_999_999_901)
            elif flaw == 5:
                traffic.user_ref -= 1
        name = traffic.parent_name(symbol, side)
        order_id = packets.TAG_OF_ORDERS + name
        self._orders[traffic.user_ref] = name
        if self.dialect42:
            token = order_id + b"%06X" % traffic.user_ref
            return packets.enter42(token, symbol, quantity, price, side)
        return packets.enter(traffic.user_ref, symbol, quantity, price, side, order_id=order_id)

    def _replace(self, careful: bool) -> bytes:
        """Return a Replace of an order that rests or of one of the last ones, right but for what is drawn here."""
        random, traffic = self.random, self.traffic
        traffic.user_ref += 1
        sent, rests = list(self._orders), list(traffic.floor.market.book[self.lane])
        original = random.choice(random.choice((sent[-1:], sent[-RECENT:], *[rests] * 5)) or sent)
        ref, name = traffic.user_ref, self._orders[original]
        quantity, price = random.randrange(1, traffic.order_size // 8 + 1), random.choice((1, 10_000, 1_000_000))
        appendage, tag = random.choice((b"", b"", packets.tag_value(12, b"N"))), packets.TAG_OF_ORDERS
        flaw = random.randrange(20 if traffic.calm else 60 if careful else 12)
        if flaw == 0:
            original = random.choice((ref, original ^ 1, random.getrandbits(32)))
        elif flaw == 1:
            ref = random.choice((original, max(ref - 30, 0)))
        elif flaw == 2:
            quantity = random.choice((0, 1_000_000, traffic.order_size + 1, traffic.order_size + 1))
        elif flaw == 3:
            price = random.choice((0, 0, HIGHEST_PRICE + 1, 1 << 63 | 1))
        elif flaw == 4:
            number = random.choice(REFUSED)
            appendage += packets.tag_value(number, random.randbytes(TAG_VALUES[number].size))
        elif flaw == 5:
            name = traffic.parent_name(random.choice(traffic.symbols), random.choice((b"B", b"S")))
        elif flaw == 6:
            tag = traffic.tag()
        elif flaw < 9:
            quantity = traffic.order_size
        elif flaw == 9 and not careful:
            appendage = traffic.appendage()
        self._orders[ref] = name
        return packets.replace(original, ref, quantity, price, appendage, tag + name)

    def _other(self, careful: bool) -> bytes:
        """Return a message that is no Enter; a right one, mostly."""
        random = self.random
        self.traffic.user_ref += 1
        ref = self.traffic.user_ref
        if self.dialect42:
            token = b"T%d" % random.randrange(10**6)
            choice = [packets.cancel42(token), packets.modify42(token, 5), packets.cancel42(token, 7)]
            if not careful:
                choice += [packets.replace42(token, b"N" + token, 100, 10_000)]
                choice += [packets.cancel42(token)[:-1]] * (random.random() < 0.05)
            return random.choice(choice)
        choice = [packets.cancel(ref), packets.cancel(ref, 0, b""), packets.modify(ref, 9), packets.mass_cancel(ref)]
        choice += [packets.query(), packets.entry(b"D", ref)]
        if not careful:
            choice += [packets.replace(ref, ref + 1 & MASK, 100, 10_000), packets.entry(b"E", ref)]
            if random.random() < 0.05:
                choice = [self.traffic.message()]
        return random.choice(choice)

    # Segments. Each returns (tag, frame) or None.

    def _segment(self, begin: int, end: int, *, octets: bytes | None = None, **fields) -> bytes:
        """Return the frame of the stream's octets from offset `begin` to `end`."""
        random = self.random
        octets = self.stream.cut(begin, end) if octets is None else octets
        flags = fields.pop("flags", ACK | random.choice((0, PSH)))
        fields.setdefault("options", self._options())
        fields.setdefault("sequence", self.stream.isn + 1 + begin)
        address = self.address._replace(source_port=self.port)
        ip, link = fields.pop("ip", {}), fields.pop("link", {})
        if random.random() < 0.02:
            ip = {"options": random.choice((b"\1\1\1\1", b"\x94\4\0\0", b"\1" * 40))} | ip
        if random.random() < 0.02:
            link = {"trailer": random.randbytes(random.randrange(1, 30))} | link
        if address.vids and random.random() < 0.05:
            address = address._replace(vids=(address.vids[0] | random.randrange(16) << 12, *address.vids[1:]))
        return packets.segment(
            address, octets, flags=flags, acknowledgment=self.number, ip=ip, link=link, **fields
        )  # fmt: skip

    def _options(self) -> bytes:
        draw = self.random.random()
        if draw < 0.4:
            return NO_OPTIONS
        if draw < 0.8:
            return STAMPS
        if draw < 0.9:
            return b"\1\1\5\x0a" + bytes(8)
        return b"\1" * 4 * self.random.randrange(11)

    def _syn(self, now):
        """Begin a session: a SYN, and its answer."""
        random = self.random
        if self.port and random.random() < 0.2:
            port = self.port  # the same one again
        else:
            port = random.randrange(1024, 65536)
        isn = random.choice((random.getrandbits(32), -random.randrange(1, 3000) & MASK))
        if any(abs(signed(isn - old.isn)) < 1 << 20 for old in self.streams.get(port, ())):
            return None
        self.port, self.stream = port, Stream(isn, self._packet)
        self.streams.setdefault(port, []).append(self.stream)
        self.next = self.acked = self.stuck = self._seen = 0
        self.number = random.choice((random.getrandbits(32), -random.randrange(1, 3000) & MASK))
        self.said, self._ended = Stream(self.number - 1 & MASK, self.venue.session()), False
        fields, tag = {"options": b"\2\4\5\xb4\4\2\1\1"}, "SYN"
        draw = 0.5 if self.traffic.calm else random.random()
        if draw < 0.15:
            tag = "wrong SYN"
            wrong = ({"flags": SYN | ACK}, {"flags": SYN | FIN}, {"flags": SYN | RST}, {"octets": b"\0\1R"})
            fields |= random.choice(
                (*wrong, {"options": b"\x1e\x0c" + bytes(10)}, {"options": b"\x1e\4\1\1\2\4\5\xb4"})
            )
        frame = self._segment(0, 0, **({"flags": SYN, "sequence": isn} | fields))
        if tag == "SYN" and draw < 0.95:
            self._begun = True
            wait = random.randrange(*ANSWER) + len(frame)
            wrong = draw > 0.9
            first = self.number - 1
            if wrong:
                self._answer(now + wait, sequence=first, acknowledgment=isn + 2, flags=SYN | ACK)
                self._answer(now + wait + 90, sequence=first, acknowledgment=isn + 1, flags=SYN | ACK | RST)
            self._answer(now + wait + 200 * wrong, sequence=first, acknowledgment=isn + 1, flags=SYN | ACK)
            self._ready = now + wait + 120 + 200 * wrong
        return tag, frame

    def _size(self) -> int:
        """Return how many octets the next new segment has, in what the window leaves; 0 for none."""
        random = self.random
        draw = random.random()
        room = self.acked + HISTORY - self.next
        if draw < 0.5:  # whole packets
            self.stream.reach(self.next + 1400)
            behind = [edge - self.next for edge in self.stream.edges if 0 < edge - self.next <= 1400]
            size = behind[min(random.choice((0, 0, 0, 1, 1, 2, 5, 27)), len(behind) - 1)] if behind else 1400
        elif draw < 0.6:  # near a place where something is decided
            self.stream.reach(self.next + 200)
            edge = min((edge for edge in self.stream.edges if edge > self.next), default=0)
            size = max(1, edge - self.next + random.choice((-1, 0, 1, 2, 3, 4, 5, 30)))
        else:
            size = random.choice((1, 2, 3, random.randrange(1, 60), random.randrange(1, 400)))
        if size > room and random.random() < 0.95:
            size = max(0, room)
        return size

    def _data(self, now):
        size = self._size()
        if not size:
            return self._bare(now) if self.random.random() < 0.2 else self._repeat(now)
        begin, self.next = self.next, self.next + size
        frame = self._segment(begin, self.next)
        if self.random.random() < 0.3:
            later = now + len(frame) + self.random.choice((60, 200, 1000, 3000))
            self._answer(later, acknowledgment=self.stream.isn + 1 + self.next)
            self._acks.append((later + 150, self.next))
        return "data", frame

    def _repeat(self, now):
        """Octets again: at the same boundaries or others, beyond what was sent, altered."""
        random = self.random
        if not self.next:
            return self._data(now)
        lowest = max(0, min(self.acked, self.next - 1))
        begin = random.choice((lowest, random.randrange(lowest, self.next)))
        if random.random() < 0.05:
            begin = random.randrange(self.next)
        end = min(random.choice((self.next, begin + random.randrange(1, 200))), begin + 1400)
        if random.random() < 0.3:
            end = min(end + random.randrange(1, 200), self.acked + HISTORY, begin + 1400)
        end = max(end, begin + 1)
        octets, tag = None, "repeated"
        if random.random() < 0.02:
            octets, tag = bytearray(self.stream.cut(begin, end)), "altered"
            octets[random.randrange(len(octets))] ^= random.choice((1, 0x20, 0xFF))
            octets = bytes(octets)
        frame = self._segment(begin, end, octets=octets)
        if octets is None:
            self.next = max(self.next, end)
        return tag, frame

    def _resume(self, now):
        """Everything again from the last ACK on, as after a time-out."""
        if self.next <= self.acked:
            return self._data(now)
        begin = self.acked
        self.next = min(self.next + self.random.choice((0, 0, 50)), begin + min(1400, HISTORY))
        return "repeated", self._segment(begin, self.next)

    def _pair(self):
        """Return two segments that follow one another, if there is room for them."""
        frames = []
        for _ in range(2):
            size = min(self._size(), 300)
            if not size:
                return None
            frames.append(self._segment(self.next, self.next + size))
            self.next += size
        return frames

    def _swap(self, now):
        """Two segments in the wrong order, and the second one again."""
        pair = self._pair()
        if not pair:
            return self._data(now)
        self._held += [("data", pair[0]), ("repeated", pair[1])]
        return "swapped", pair[1]

    def _lose(self, now):
        """A segment lost before the filter; then both in one."""
        begin = self.next
        pair = self._pair()
        if not pair:
            return self._data(now)
        self._held.append(("merged", self._segment(begin, self.next)))
        return "swapped", pair[1]

    def _bare(self, now):
        """An ACK without payload, anywhere."""
        place = self.random.choice((self.next, self.next, self.acked, self.next + 5000))
        return "bare ACK", self._segment(place, place, octets=b"", flags=ACK)

    def _alive(self, now):
        """A keep-alive: without octets, or with one of garbage; below the last ACK, or not."""
        if not self.next:
            return self._bare(now)
        octets = self.random.choice((b"", b"\0", b"?"))
        tag = "keep-alive with garbage" if octets and self.acked >= self.next else "keep-alive"
        if octets and self.acked < self.next and self.random.random() < 0.9:
            octets = self.stream.cut(self.next - 1, self.next)
        return tag, self._segment(self.next - 1, self.next, octets=octets, flags=ACK)

    def _probe(self, now):
        """A window probe: one new octet."""
        if self.next - self.acked >= HISTORY:
            return self._bare(now)
        self.next += 1
        return "probe", self._segment(self.next - 1, self.next)

    def _stray(self, now):
        """A segment of another port, a RST, a FIN."""
        random = self.random
        draw = random.randrange(12)
        if draw < 6:
            frame = self._segment(self.next, self.next, octets=b"\0\1R")
            other = self.address._replace(source_port=self.port ^ 1)
            if draw < 3:
                frame = packets.segment(other, b"\0\1R", sequence=self.stream.isn + 1 + self.next)
                return "other port", frame
            other = other._replace(destination_port=26_399)
            return "stranger", packets.segment(other, b"\0\1R", sequence=self.stream.isn + 1 + self.next)
        if draw < 9:
            return "RST", self._segment(self.next, self.next, octets=b"", flags=RST | random.choice((0, ACK)))
        end = self.next + min(self._size(), 100) * (draw != 9)
        frame = self._segment(self.next, end, flags=FIN | ACK)
        self.next = end
        again = random.choice(((), (("FIN", frame),), (("behind the FIN", self._segment(end, end + 9)),)))
        self._held += again
        return "FIN", frame

    def _break(self, now):
        """A segment with something wrong in a header, then as it should be."""
        size = min(self._size(), 500)
        if not size:
            return self._bare(now)
        begin, self.next = self.next, self.next + size
        random = self.random
        octets = self.stream.cut(begin, self.next)
        wrong = random.choice(
            (
                ("checksum", {"check": random.getrandbits(16)}),
                ("checksum", {"check": 0}),
                ("options", {"offset": random.choice((0, 4, 6, 15))}),
                ("options", {"options": random.choice((b"\2\5\5\xb4", b"\2\0\0\0", b"\1\1\1\2", b"\5\1\1\1"))}),
                ("options", {"options": b"\x1e\4\1\1"}),
                ("URG", {"flags": ACK | URG, "urgent": 1}),
                ("flags", {"flags": random.choice((0, PSH, FIN, SYN, SYN | ACK, RST, RST | ACK | FIN, SYN | PSH))}),
                ("fragment", {"ip": {"fragment": random.choice((0x2000, 1, 0x1FFF))}}),
                ("IP", {"ip": {"check": random.getrandbits(16)}}),
                ("IP", {"ip": {"options": random.choice((b"\x83\4\4\0", b"\x89\4\4\0", b"\x94\1\0\0"))}}),
                ("length", {"ip": {"total": 40 + size + random.choice((-20, -1, 1, 2, 8))}}),
                ("length", {"ip": {"total": random.randrange(20, 44)}}),
                ("IPv6", {"link": {"ethertype": 0x86DD}}),
                ("protocol", {"ip": {"protocol": random.choice((0, 47, 132))}}),
                ("VLAN", {}),
                ("FCS", {}),
            )
        )
        tag, fields = wrong
        frame = self._segment(begin, self.next, octets=octets, **fields)
        if tag == "VLAN":
            frame = packets.fcs(frame[:12] + b"\x81\0\0\1" * 3 + frame[12:-4])
        elif tag == "FCS":
            at = random.randrange(len(frame))
            frame = frame[:at] + bytes((frame[at] ^ 1 << random.randrange(8),)) + frame[at + 1 :]
        self._held.append(("repeated", self._segment(begin, self.next)))
        return f"wrong {tag}", frame

    def _odd(self, now):
        """Something odd of the exchange: wrong ACKs, a FIN, octets of its own; and an ACK of it."""
        random, isn = self.random, self.stream.isn
        draw = random.randrange(3, 8)
        here = isn + 1 + self.next
        if draw == 3:
            self._answer(now, acknowledgment=here + random.choice((1, 2, 5000)))
        elif draw == 4:
            self._answer(now, acknowledgment=isn + 1 + self.acked - random.randrange(9))
        elif draw == 5:
            self._answer(now, acknowledgment=here, check=random.getrandbits(16))
        elif draw == 6:
            self._answer(now, b"lost", sequence=self.number + 1, acknowledgment=here)
        else:
            flags = random.choice((FIN | ACK, RST | ACK, RST))
            self._answer(now, sequence=self.number, acknowledgment=here, flags=flags)
            if flags & FIN:
                self.number, self._ended = self.number + 1 & MASK, True
        return self._bare(now)

    def _reports(self, now):
        """The exchange sends of its stream: in order, again, or with a hole that is filled later; and an ACK of it."""
        random = self.random
        if self._ended:
            return self._bare(now)
        begin = signed(self.number - self.said.isn - 1)
        sizes = random.choice(((1, 2, 3), (40, 80, 200), (40, 80, 200), (1400,)))
        cuts = [begin]
        for _ in range(random.choice((1, 1, 2, 3))):
            cuts.append(cuts[-1] + random.randrange(1, random.choice(sizes) + 1))
        spans = list(pairwise(cuts))
        draw = random.random()
        if draw < 0.15:  # again, at other boundaries
            spans.insert(random.randrange(len(spans) + 1), (max(0, begin - random.randrange(1, 200)), begin))
            first = max(0, begin - random.randrange(1, 100))
            spans[-1] = first, max(spans[-1][1], first + 1)
        elif draw < 0.25:  # the first one comes last, or with those behind it
            spans = [*spans[1:], spans[0] if draw < 0.2 else (begin, min(cuts[-1], begin + 1400))]
        for when, (first, end) in enumerate(spans):
            octets, flags = self.said.cut(first, min(end, first + 1400)), ACK | random.choice((0, PSH))
            if end == cuts[-1] and random.random() < 0.02:
                flags, self._ended = flags | FIN, True
            self._answer(now + when, octets, sequence=self.said.isn + 1 + first & MASK, flags=flags)
        self.number = self.said.isn + 1 + cuts[-1] + self._ended & MASK
        return self._bare(now)

    def _answer(self, when: int, octets: bytes = b"", **fields) -> None:
        """The exchange sends a segment in cycle `when` of the round, or it is lost on the way."""
        if self.random.random() < (0.002 if self.traffic.calm else 0.05):
            return
        there = packets.answering(self.address._replace(source_port=self.port))
        fields = {"sequence": self.number, "flags": ACK, "options": self._options()} | fields
        self.answers.append((when, packets.segment(there, octets, **fields)))


class TcpTraffic(Traffic):
    """A configuration with TCP lanes, drawn from the seed, and rounds of traffic that fit it.

    clients: the ends of the TCP lanes. floor: the exchange of those that are heard. Of the last round: tags, what each
    carrier was meant to be; tight, whether frames come faster than they leave, so that some wait.
    """

    def __init__(self, seed: int, *, calm: bool = False):
        super().__init__(seed)
        random, self.calm = self.random, calm
        actions = [Action.NEUTRALISE] * 4 + [Action.FENCE, Action.FENCE, Action.STARVE, Action.CUT]
        self.config.modes = [
            (random.random() < 0.7 or lane == 0) | (random.random() < 0.3) << 1 | random.choice(actions) << 2
            for lane in range(8)
        ]
        self.config.modes = [mode | (random.random() < 0.2) << 4 for mode in self.config.modes]
        if calm:
            self.config.modes = [1 | (random.random() < 0.3) << 1 | (random.random() < 0.8) << 5 for _ in range(8)]
        elif random.random() < 0.6:  # reports are heard, of lanes whose numbers rise
            self.config.modes = [mode | (random.random() < 0.7) << 5 for mode in self.config.modes]
            self.config.modes = [mode & ~16 if mode & 32 else mode for mode in self.config.modes]
        self.config.modes = [mode | random.choice((0, 64)) for mode in self.config.modes]
        self.floor = Floor(random, self.config)
        # A breach ends most of what a lane can show: it is to be rare.
        self.config.rates = [random.choice((*[ANY_RATE] * 30, (300, 3_000))) for _ in range(8)]
        plenty = 1000 * self.order_size
        self.config.limits = {row: random.choice((plenty,) * 30 + (plenty // 80, 5)) for row in self.config.limits}
        self.config.gross_limits = [limit * 30 for limit in self.config.gross_limits]
        if calm:  # positions are to come to their limits, and back
            self.config.limits = {row: random.randrange(plenty // 4000, plenty // 200) for row in self.config.limits}
            self.config.trips = {}
            self.config.terms = dict.fromkeys(self.config.terms, (TRADED, 0xFFFFFFFF))
        self.config.enabled |= (random.random() < 0.9) << 7
        self.clients = [Client(self, lane) for lane in range(8) if self.config.tcp(lane)]
        self.tags: list[str] = []
        self.tight = False

    def order(self) -> bytes:
        """Return an Enter that is right, mostly."""
        return self._enter()

    def message(self) -> bytes:
        """Return any other message, right or wrong."""
        return self._other()

    def appendage(self) -> bytes:
        """Return TagValues, right or wrong."""
        return self._appendage()

    def round(self, model, count: int) -> tuple[list[Carrier], list[Carrier]]:
        """Return `count` carriers of each server's next doings, and those of the exchange meanwhile.

        `model` is at rest.
        """
        random = self.random
        self.floor.take(model)
        for client in self.clients:
            client.settle(model.sessions[client.lane])
        sent, now = [], 0
        self.tight = tight = random.random() < 0.4
        few = random.choices(self.clients, k=3) if count <= 60 and random.random() < 0.3 else self.clients
        while len(sent) < count:
            if random.random() < (0.01 if self.calm else 0.06):
                one = Sent(scrap(random) if random.random() < 0.2 else self.carrier(), "")
            else:
                made = next(filter(None, (random.choice(few).frame(now) for _ in range(8))), None)
                one = Sent(self._carried(made[1], tight), made[0]) if made else Sent(self.carrier(), "")
            sent.append(one)
            now += one.carrier.gap + len(one.carrier.octets)
        self.tags = [one.tag for one in sent]
        return [one.carrier for one in sent], self._answers(now)

    def _carried(self, frame, tight) -> Carrier:
        random = self.random
        preamble, er = packets.PREAMBLE, None
        if random.random() < 0.01:
            frame, preamble, er = self._line(frame, random.random() / 10)
        if tight:
            return Carrier(random.choice((1, 1, 2, 5)), b"\xd5" + frame, er)
        gap = 12 + random.choice((0, 0, 0, 1, 2, 10, 200, random.randrange(1500)))
        return Carrier(gap, preamble + frame, er)

    def _answers(self, length):
        """Return the carriers of the return path: what was answered, in order, and noise between."""
        random = self.random
        answers = sorted(answer for client in self.clients for answer in client.answers)
        carriers, now = [], 0
        for when, frame in answers:
            while now + 3000 < when and random.random() < 0.5:
                carriers.append(self.noise())
                now += carriers[-1].gap + len(carriers[-1].octets)
            er = (random.randrange(len(frame)), 1) if random.random() < 0.01 else None
            carriers.append(Carrier(max(when - now, 12), packets.PREAMBLE + frame, er))
            now += carriers[-1].gap + len(carriers[-1].octets)
        return carriers

"""Random and adversarial traffic from a seed: carriers for the receive pins of the order path.

Every kind of frame that the rules tell apart comes up, most of them right but for one thing, so that each check is
reached: orders alone and packed, other messages, malformed ones, wrong fields and lengths on every layer, tags,
options, fragments, other protocols, wrong FCS, rx_er, runts, giants, carriers without a frame, short preambles; sizes
from 0 to 2,100 octets; gaps from 12 octets, and, in floods, from 1, which overrun buffer and queue.
"""

from random import Random
from struct import pack
from typing import NamedTuple

from hdl.wire.ouch import HIGHEST_PRICE, TAG_VALUES
from hdl.wire.registers import BUCKET_SLOTS, KEY_BITS, MOST_CHILDREN, MOST_PARENT_SHARES, SLOTS, toeplitz
from hdl.wire.verdict import FIRST_TRIP, LAST_TRIP, Trip
from sim import packets
from sim.packets import Address
from sim.parents import Parent, name_of
from sim.parse import ANY_RATE, BREACHES, Config

SYMBOLS = 24
MOST = (1 << 31) - 1
RATES = (*[ANY_RATE] * 5, (90, 4_000), (1_000, 20_000), (1, 0))


class Carrier(NamedTuple):
    """A run of dv: `gap` cycles without dv before it, its octets, `er` as (first cycle, cycles) or None."""

    gap: int
    octets: bytes
    er: tuple[int, int] | None = None


def scrap(random: Random) -> Carrier:
    """Return a few octets, close behind the carrier before."""
    return Carrier(random.choice((1, 1, 2, 3, 5)), b"\xd5" + random.randbytes(random.randrange(12)))


class Traffic:
    """A configuration, drawn from the seed, and traffic that fits it.

    config: what to load. key, slots: the directory, (symbol, index) by slot. carriers(): as many as are taken.
    """

    def __init__(self, seed: int):
        self.random = random = Random(seed)
        self.servers = packets.servers()
        self.symbols = [b"%-8d" % random.randrange(10**8) for _ in range(SYMBOLS - 2)] + [b"A       ", b"\xff" * 8]
        indices = random.sample(range(512), SYMBOLS)
        self.key, self.slots = place(random, dict(zip(self.symbols, indices, strict=True)))
        self.order_size = random.choice((100, 5_000, 999_999))
        generous = 100 * self.order_size
        self.config = Config(
            policy=random.randrange(4),
            lanes=[server.key for server in self.servers],
            enabled=random.choice((0xFF, 0xFF, 0xFF, 0x7F)),
            order_size=self.order_size,
            order_value=random.choice((1 << 51, 1 << 51, self.order_size * 500_000)),
            terms={index: self._terms() for index in indices},
            symbols=dict(zip(self.symbols, indices, strict=True)),
            limits={
                (index, buy): random.choice((generous, generous, generous // 8, generous // 8, 5))
                for index in indices
                for buy in (False, True)
            },
            gross_limits=[random.choice((3, 30, 300)) * self.order_size * 1_000_000 for _ in range(8)]
            + [random.choice((30, 1000)) * self.order_size * 1_000_000],
        )
        self.config.tags = [packets.TAG_OF_ORDERS] * 8
        self.config.trips = {reason: self._trip() for reason in range(FIRST_TRIP, LAST_TRIP + 1)} | BREACHES
        self.config.rates = [random.choice(RATES) for _ in range(8)]
        self.config.modes = [random.choice((0, 64)) for _ in range(8)]
        numbers = random.sample(range(512), 4 * SYMBOLS)
        self.names: dict[tuple[bytes, bool], list[bytes]] = {}  # of parents, by symbol and side
        for symbol, index in self.config.symbols.items():
            for buy in (False, True):
                made = [self._parent(numbers.pop(), index, buy) for _ in range(2)]
                self.config.parents |= dict(made)
                self.names[symbol, buy] = [name_of(parent.letter, number) for number, parent in made]
        self.user_ref = 0
        self._flood = 0  # carriers left of a burst
        self._gap = 12
        self._frames = [self._orders] * 10 + [self._mixed] * 4 + [self._bent] * 3 + [self._packed]
        self._frames += [self._layer, self._layer, self._foreign, self._random, self._sized, self._small, self._small]
        self._bursts = [[self._small] * 30 + [self._orders], [self._small] * 9 + [self._long], [self._medium]]
        self._bursts += [[self._orders, self._packed]]
        self._burst = self._frames

    def _trip(self) -> Trip:
        random = self.random
        return random.choice(list(Trip)) if random.random() < 0.1 else Trip.NONE

    def _parent(self, number: int, index: int, buy: bool) -> tuple[int, Parent]:
        """Return a parent: most often there is enough of it."""
        random = self.random
        shares = random.choice((*[MOST_PARENT_SHARES] * 5, min(3 * self.order_size, MOST_PARENT_SHARES), 7))
        children = random.choice((*[MOST_CHILDREN] * 5, 3))
        return number, Parent(random.choice("APZ"), index, buy, shares, children)

    def parent_name(self, symbol: bytes, side: bytes) -> bytes:
        """Return the name of a parent of this symbol and side, or of another, or what is none."""
        random = self.random
        names = self.names.get((symbol, side == b"B"), [])
        draw = random.random()
        if draw < 0.04 or not names:
            names = random.choice(list(self.names.values()))
        name = random.choice(names)
        if draw > 0.02:
            return name
        octets = bytearray(name)
        octets[random.randrange(4)] = random.choice(b"@AFGZ[`afz/09:1 2\0")
        return bytes(octets)

    def _terms(self) -> tuple[int, int]:
        """Return a symbol's terms: most often nothing of them matters."""
        random = self.random
        lowest, highest = random.choice(((0, MOST), (0, MOST), (0, MOST), (10_000, MOST), (2, 999_999), (0, 0)))
        traded, shorted = random.random() < 0.95, random.random() < 0.8
        return lowest | traded << 31, highest | shorted << 31

    def carriers(self, count: int):
        """Yield `count` carriers."""
        for _ in range(count):
            yield self.carrier()

    def noise(self) -> Carrier:
        """Return a carrier of anything, for a way that is not read."""
        random = self.random
        octets = random.randbytes(random.choice((1, 2, 72, random.randrange(1, 1600))))
        er = random.choice((None, None, (random.randrange(len(octets)), random.choice((1, 5)))))
        if random.random() < 0.9:
            octets = packets.PREAMBLE + octets
        return Carrier(random.choice((1, 12, 12, random.randrange(1, 2000))), octets, er)

    def carrier(self) -> Carrier:
        """Return the next carrier."""
        random = self.random
        if random.random() < 0.01:
            return scrap(random)
        if not self._flood and random.random() < 0.02:
            # A burst: a small gap throughout, and preambles as short, or not.
            self._gap = random.choice((12, 12, 12, 1, 2, 5))
            self._flood = random.randrange(4, 120 if self._gap == 12 else 600)
            self._burst = random.choice((self._frames, *self._bursts))
        frame = random.choice(self._burst if self._flood else self._frames)()
        preamble, er = packets.PREAMBLE, None
        draw = random.random()
        if draw < 0.10:
            frame, preamble, er = self._line(frame, draw)
        gap = 12
        if self._flood:
            self._flood -= 1
            gap = self._gap
            if gap < 12:
                preamble = b"\xd5"
        elif random.random() < 0.5:
            gap += random.choice((0, 1, 2, 10, 200, random.randrange(3000)))
        return Carrier(gap, preamble + frame, er)

    def _line(self, frame, draw):
        """Return a frame spoilt on the line, its preamble, and rx_er."""
        random, preamble, er = self.random, packets.PREAMBLE, None
        if draw < 0.02:
            at = random.randrange(len(frame))
            frame = frame[:at] + bytes((frame[at] ^ 1 << random.randrange(8),)) + frame[at + 1 :]
        elif draw < 0.03:
            frame = frame[: random.randrange(len(frame))]
        elif draw < 0.04:
            frame = packets.fcs(frame[: random.randrange(max(1, len(frame) - 4))])
        elif draw < 0.055:
            er = random.randrange(len(frame) + 8), random.choice((1, 1, 3, 3000))
        elif draw < 0.06:
            preamble = random.randbytes(8).replace(b"\xd5", b"\x55")
            frame = frame.replace(b"\xd5", b"\x00")[:60]
        elif draw < 0.065:
            frame = frame + random.randbytes(random.choice((1, 4, 1530)))
        else:
            preamble = b"\x55" * random.randrange(12) + b"\xd5"
            if draw > 0.095:
                preamble = random.randbytes(random.randrange(5)).replace(b"\xd5", b"\xd4") + b"\xd5"
        return frame, preamble, er

    def _server(self) -> Address:
        random = self.random
        server = self.servers[random.choice((0, 0, 1, 2, 3, 4, 5, 6, 7))]
        if random.random() < 0.02:  # a stranger
            server = server._replace(source_port=server.source_port + 1)
        if server.vids and random.random() < 0.05:  # priority bits and DEI do not matter
            server = server._replace(vids=(server.vids[0] | random.randrange(16) << 12, *server.vids[1:]))
        return server

    def _enter(self) -> bytes:
        """Return an Enter that is right but for what is drawn here."""
        random = self.random
        self.user_ref += 1
        draw = random.random()
        symbol, side = random.choice(self.symbols), random.choice((b"B", b"S", b"T", b"E"))
        quantity, price = random.randrange(1, self.order_size // 8 + 1), random.choice((1, 10_000, 1_000_000))
        appendage, number, order_id = b"", self.user_ref, packets.TAG_OF_ORDERS
        if draw < 0.12:
            flaw = int(draw * 100)
            if flaw == 0:
                symbol = b"%-8d" % random.randrange(10**8)
            elif flaw == 1:
                symbol = bytes((symbol[0] ^ 1, *symbol[1:]))
            elif flaw == 2:
                side = bytes((random.randrange(256),))
            elif flaw == 3:
                quantity = random.choice((0, 1_000_000, 999_999, 1 << 31, (1 << 32) - 1))
            elif flaw == 4:
                quantity = self.order_size + random.randrange(-1, 2)
            elif flaw == 5:
                price = random.choice((0, HIGHEST_PRICE, HIGHEST_PRICE + 1, 0x7FFFFFFF, 1 << 32, 1 << 63 | 1))
            elif flaw < 9:
                appendage = self._appendage()
            elif flaw == 9:
                quantity, price = random.randrange(1, self.order_size + 1), random.randrange(1, HIGHEST_PRICE)
            elif flaw == 10:
                number -= random.choice((1, 2, 30))
            else:
                order_id = self.tag()
        order_id += self.parent_name(symbol, side)
        return packets.enter(max(number, 0), symbol, quantity, price, side, appendage, order_id)

    def tag(self) -> bytes:
        """Return a tag that is wrong in one octet."""
        octets = bytearray(packets.TAG_OF_ORDERS)
        octets[self.random.randrange(4)] ^= 1 << self.random.randrange(8)
        return bytes(octets)

    def _appendage(self) -> bytes:
        """Return TagValues, some of them unknown, misplaced or of a wrong size."""
        random = self.random
        octets = b""
        for _ in range(random.choice((1, 1, 2, 4))):
            tag = random.choice((*TAG_VALUES, 2, 4, 12, 24, random.randrange(256)))
            size = TAG_VALUES[tag].size if tag in TAG_VALUES and random.random() < 0.95 else random.randrange(12)
            octets += packets.tag_value(tag, random.randbytes(size))
        draw = random.random()
        if draw < 0.05:
            octets = octets[:-1]
        elif draw < 0.1:
            octets += random.randbytes(1)
        elif draw < 0.12:
            octets += b"\0" + random.randbytes(1)
        return octets

    def _other(self) -> bytes:
        """Return a message that is not an Enter."""
        random = self.random
        appendage = random.choice((None, b"", b"", self._appendage()))
        given = appendage or b""
        kind, ref = random.randrange(9), random.getrandbits(32)
        if kind >= 4 and random.random() < 0.95:  # a number that rises, mostly
            self.user_ref += 1
            ref = self.user_ref
        if kind < 3:
            return packets.cancel(ref, random.getrandbits(20), appendage)
        if kind == 3:
            return packets.modify(ref, 100, appendage=appendage)
        if kind == 4:
            return packets.mass_cancel(ref, appendage=given)
        if kind == 5:
            return packets.query(appendage)
        if kind == 6:
            return packets.replace(ref, ref + 1 & 0xFFFFFFFF, 100, 10_000, given)
        return packets.entry(b"E" if kind == 7 else b"D", ref, given)

    def _mixture(self, most):
        random = self.random
        return [self._enter() if random.random() < 0.6 else self._other() for _ in range(random.randrange(1, most))]

    def _orders(self):
        count = self.random.choice((1, 1, 1, 1, 2, 3, 8))
        return packets.datagram(self._server(), *(self._enter() for _ in range(count)))

    def _packed(self):
        return packets.datagram(self._server(), *(self._enter() for _ in range(29)))

    def _small(self):
        """The smallest frame that passes."""
        server = self.servers[0]
        return packets.datagram(server, packets.cancel(self.random.getrandbits(32)))

    def _medium(self):
        """Of a size with which the buffer is full before the queue, when nothing else is sent."""
        return packets.datagram(self.servers[4], *[packets.cancel(7)] * 15)

    def _long(self):
        """A long frame, as a rule one that passes."""
        self.user_ref += 1
        symbol = self.random.choice(self.symbols)
        order_id = packets.TAG_OF_ORDERS + self.parent_name(symbol, b"B")
        order = packets.enter(self.user_ref, symbol, 1, 10_000, order_id=order_id)
        others = [packets.cancel(self.random.getrandbits(32)) for _ in range(self.random.randrange(60, 117))]
        return packets.datagram(self.servers[1], order, *others)

    def _mixed(self):
        """Messages and the packets of the session, in one datagram."""
        random, server = self.random, self._server()
        parts = [packets.packet(message) for message in self._mixture(6)]
        extra = [packets.packet(b"", b"R"), packets.packet(b"", b"O"), packets.packet(bytes(26), b"L")]
        extra += [packets.packet(bytes(6), b"T")]
        for _ in range(random.choice((0, 0, 1, 2))):
            parts.insert(random.randrange(len(parts) + 1), random.choice(extra))
        if random.random() < 0.1:
            parts = [random.choice(extra)]
        payload = b"".join(parts)
        return packets.ethernet(packets.ipv4(server, packets.udp(server, payload)), server.vids)

    def _bent(self):
        """A datagram with octets of its payload changed, cut or added; the checksums are right."""
        random, server = self.random, self._server()
        payload = bytearray(b"".join(packets.packet(message) for message in self._mixture(4)))
        for _ in range(random.choice((1, 1, 3))):
            at = random.choice((0, 1, 2, 3, random.randrange(len(payload))))
            payload[at % len(payload)] = random.choice((0, 1, 0x55, 0xFF, random.randrange(256)))
        draw = random.random()
        if draw < 0.2:
            payload = payload[: random.randrange(len(payload))]
        elif draw < 0.3:
            payload += random.randbytes(random.randrange(1, 9))
        return packets.ethernet(packets.ipv4(server, packets.udp(server, bytes(payload))), server.vids)

    def _layer(self):
        """An order with one thing wrong below the payload."""
        random, server = self.random, self._server()
        payload = packets.packet(self._enter()) * random.choice((1, 1, 2))
        what, small, any16 = random.randrange(16), random.choice((-1, 1, 8, -8)), random.getrandbits(16)
        segment_with, packet_with, frame_with = {}, {}, {}
        if what == 0:
            segment_with = {"length": 8 + len(payload) + small}
        elif what == 1:
            segment_with = {"check": random.choice((0, any16))}
        elif what == 2:
            packet_with = {"version_ihl": random.choice((0x44, 0x46, 0x65, 0x4F, random.randrange(256)))}
        elif what == 3:
            packet_with = {"check": any16}
        elif what == 4:
            packet_with = {"fragment": random.choice((0x2000, 1, 0x1FFF, 0x8000, 0x0100, any16))}
        elif what in (5, 6):
            packet_with = {"total": max(0, 28 + len(payload) + small * random.choice((1, 1, 4)))}
        elif what == 7:
            packet_with = {"protocol": random.choice((packets.TCP, packets.TCP, packets.ICMP, random.randrange(256)))}
        elif what in (8, 9, 10):
            packet_with = {"options": self._options()}
        elif what == 11:
            server = server._replace(vids=tuple(random.randrange(4096) for _ in range(random.randrange(5))))
        elif what == 12:
            kinds = (packets.TAG, packets.SERVICE_TAG, packets.OLD_TAG, packets.TAG, 0x8101)
            frame_with = {"tags": tuple(random.choice(kinds) for _ in range(2))}
        elif what == 13:
            frame_with = {"trailer": random.randbytes(random.randrange(1, 40))}
        elif what == 14:
            payload = random.choice((b"", payload[:1], payload[:2]))
        else:
            packet_with = {"total": random.randrange(20, 36)}
        segment = packets.udp(server, payload, **segment_with)
        return packets.ethernet(packets.ipv4(server, segment, **packet_with), server.vids, **frame_with)

    def _options(self) -> bytes:
        """Return IPv4 options, right or wrong, in whole words, at most 40 octets."""
        random, octets = self.random, b""
        while random.random() < 0.7 and len(octets) < 40:
            octets += random.choice((b"\1", b"\1", b"\x94\4\0\0", b"\x44\x0c" + bytes(10), b"\x83\7\4\1\2\3\4", b"\0"))
            if random.random() < 0.15:
                octets += random.choice((b"\x94", b"\x94\0", b"\x94\1", b"\x89\3\4", b"\x07\x28", random.randbytes(3)))
        octets = (octets or b"\1\1\1\1")[:40]
        return octets.ljust(-(-len(octets) // 4) * 4, b"\0")

    def _foreign(self):
        """ARP, ICMP, another protocol, another ethertype, a packet of market data."""
        random, server = self.random, self._server()
        what = random.randrange(6)
        if what == 0:
            return packets.ethernet(
                pack(">HHBBH", 1, packets.IPV4, 6, 4, 1) + random.randbytes(20), ethertype=packets.ARP
            )
        if what == 1:
            return packets.ethernet(packets.ipv4(server, random.randbytes(40), protocol=packets.ICMP), server.vids)
        if what == 2:
            return packets.ethernet(random.randbytes(60), server.vids, ethertype=random.choice((0x86DD, 0x88CC, 64)))
        if what == 3:  # MoldUDP64, not to the order port
            server = server._replace(destination_port=26_477)
        mold = b"SESSION001" + pack(">QHH", 1, 1, 47) + self._enter()
        return packets.ethernet(packets.ipv4(server, packets.udp(server, mold)), server.vids)

    def _random(self):
        """Anything, with a right FCS; now and then behind right headers."""
        random = self.random
        octets = random.randbytes(random.randrange(64, 200))
        if random.random() < 0.5:
            server = self._server()
            octets = packets.ethernet(packets.ipv4(server, octets), server.vids)[:-4]
        return packets.fcs(octets)

    def _sized(self):
        """A datagram or a frame to pass, padded to a size near a limit."""
        random, server = self.random, self._server()
        size = random.choice((64, 65, 63, 100, 512, 1000, 1500, 1517, 1518, 1519, 1522, 1523, 1526, 1527, 2100))
        if random.random() < 0.3:
            return packets.ethernet(bytes(28), ethertype=packets.ARP, least=size - 4)
        body = packets.ipv4(server, packets.udp(server, packets.packet(self._other())))
        return packets.ethernet(body, server.vids, least=size - 4)


def place(random: Random, symbols: dict[bytes, int]) -> tuple[int, dict[int, tuple[bytes, int]]]:
    """Return a key for the directory under which the symbols fit their buckets, and where each one goes."""
    while True:
        key, slots = random.getrandbits(KEY_BITS), {}
        for symbol, index in symbols.items():
            first = BUCKET_SLOTS * toeplitz(symbol, key)
            free = [slot for slot in range(first, first + BUCKET_SLOTS) if slot not in slots]
            if not free:
                break
            slots[random.choice(free)] = symbol, index
        else:
            assert max(slots, default=0) < SLOTS
            return key, slots

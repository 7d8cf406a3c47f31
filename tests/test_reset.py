"""RSTs: what is learnt from a SYN, and the frames that are built of it, with Scapy as the witness."""

import random
from functools import partial

from amaranth.hdl import Module
from amaranth.lib import wiring
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from hdl.filter.addresses import Addresses
from hdl.filter.reset import RESET_OCTETS, Reset
from tests.cycles import simulate

TAG_TYPES = (0x8100, 0x88A8, 0x9100)


class Pair(wiring.Component):
    """The learner with the two builders that follow it, as the filter has them."""

    def __init__(self):
        self.addresses, self.resets = Addresses(), [Reset(), Reset()]
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.addresses, *self.resets]
        for reset in self.resets:
            for name in ("write_en", "write_addr", "write_data", "slots"):
                m.d.comb += getattr(reset, name).eq(getattr(self.addresses, name))
        return m


def words(octets):
    return sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))


class Syn:
    """A SYN with random addresses, none to two tags, IP options now and then; and where its key's octets are."""

    def __init__(self, rng, tags=None):
        self.macs = [rng.randbytes(6) for _ in range(2)]
        tags = rng.randrange(3) if tags is None else tags
        self.tags = [(rng.choice(TAG_TYPES), rng.randrange(1 << 16)) for _ in range(tags)]
        self.ips = [rng.choice([rng.randbytes(4), b"\xff\xff\xff\xff", b"\0\0\0\0"]) for _ in range(2)]
        if rng.random() < 0.3:  # the last octet of the addresses brings a carry, in the header's checksum
            last = bytes([rng.randrange(256), 0xF0])
            first = (0xFFA0 - 0xC52E - words(self.ips[0]) - (last[0] << 8)) % 0xFFFF
            self.ips[1] = first.to_bytes(2, "big") + last
        self.ports = [rng.choice([rng.randrange(1 << 16), 0xFFFF, 0]) for _ in range(2)]
        options = b"\1" * rng.choice((0, 0, 4, 40))
        head = b"".join(self.macs)
        head += b"".join(kind.to_bytes(2, "big") + control.to_bytes(2, "big") for kind, control in self.tags)
        head += b"\x08\x00"
        ip = bytes([0x45 + len(options) // 4]) + rng.randbytes(11) + b"".join(self.ips)
        self.octets = head + ip + options + b"".join(port.to_bytes(2, "big") for port in self.ports)
        addresses = range(len(head) + 12, len(head) + 20)
        ports = range(len(head) + 20 + len(options), len(self.octets))
        self.key = {place: 4 + number for number, place in enumerate((*addresses, *ports))}
        self.key |= {len(head) + number: number for number in range(4)}
        self.octets += rng.randbytes(rng.randrange(26, 40))

    def check(self, frame, *, to_server, sequence, acknowledgment):
        """Compare the frame without its FCS with what Scapy reads in it, and with what it builds."""
        turn = -1 if to_server else 1
        (destination, source), (ip_source, ip_destination) = self.macs[::turn], self.ips[::turn]
        head = Ether(frame)
        assert (bytes.fromhex(head.dst.replace(":", "")), bytes.fromhex(head.src.replace(":", ""))) == (
            destination,
            source,
        )
        start = 12
        for kind, control in self.tags:
            assert frame[start : start + 4] == kind.to_bytes(2, "big") + control.to_bytes(2, "big")
            start += 4
        assert frame[start : start + 2] == b"\x08\x00"
        packet = IP(frame[start + 2 :])
        dotted = [".".join(map(str, address)) for address in (ip_source, ip_destination)]
        right = IP(src=dotted[0], dst=dotted[1], id=0, flags="DF", ttl=64) / TCP(
            sport=self.ports[::turn][0],
            dport=self.ports[::turn][1],
            seq=sequence,
            ack=acknowledgment,
            flags="RA",
            window=0,
        )
        assert packet[TCP].flags == "RA"
        assert frame[start + 2 :] == bytes(right).ljust(len(frame) - start - 2, b"\0")


async def receive(ctx, addresses, syn, lane=None):
    """Feed a frame as the receiver and the header parser would, as close as they may come; with `lane`, learn it."""
    key, tags = [None], [0] * 2
    for number in range(len(syn.octets) + 1):
        inside = number < len(syn.octets)
        ctx.set(addresses.octet, syn.octets[number] if inside else 0)
        ctx.set(addresses.valid, inside)
        ctx.set(addresses.start, number == 0)
        index = key.pop(0)
        ctx.set(addresses.key_valid, index is not None)
        ctx.set(addresses.key_index, index or 0)
        ctx.set(addresses.key_octet, syn.octets[number - 1] if number else 0)
        key.append(syn.key.get(number))
        ctx.set(addresses.tags, tags.pop(0))
        tags.append(min(max(0, (number - 10) // 4), len(syn.tags)))
        await ctx.tick()
    ctx.set(addresses.learn, lane is not None)
    ctx.set(addresses.lane, lane or 0)
    await ctx.tick()
    ctx.set(addresses.learn, 0)


async def build(ctx, reset, lane, *, wait, **fields):
    """Return the octets of an RST without FCS, the first one fetched `wait` cycles after `begin`."""
    numbers = {name: fields.pop(name, 0) for name in ("sequence", "acknowledgment")}
    for taken in ({"begin": 1, "lane": lane, **fields}, numbers):
        for name, value in taken.items():
            ctx.set(getattr(reset, name), value)
        await ctx.tick()
        for name in taken:
            ctx.set(getattr(reset, name), 0)
    await ctx.tick().repeat(wait - 2)
    octets = bytearray()
    for number in range(RESET_OCTETS - 4 + 3):
        ctx.set(reset.fetch, number < RESET_OCTETS - 4)
        if number >= 3:
            octets.append(ctx.get(reset.octet))
        await ctx.tick()
    return bytes(octets)


def test_an_rst_has_what_its_lane_learnt_last_and_right_checksums():
    """Two builders at a time while frames come in, learnt or not: both directions, 0 to 2 tags, IP options.

    What was learnt counts from the cycle after ``learn`` on; an RST keeps its addresses when its lane learns others.
    """
    pair = Pair()
    learnt = {}

    async def traffic(ctx):
        rng = random.Random(1)
        while True:
            lane = len(learnt) if len(learnt) < 8 else rng.choice([None, 5, rng.randrange(8)])
            syn = Syn(rng)
            await receive(ctx, pair.addresses, syn, lane)
            if lane is not None:
                learnt[lane] = syn

    async def bench(ctx, number):
        rng = random.Random(2 + number)
        while len(learnt) < 8:
            await ctx.tick()
        for _ in range(250):
            await ctx.tick().repeat(rng.randrange(1, 30))
            await ctx.delay(1e-9)  # what this cycle's edge made is in `learnt` now
            lane = rng.choice([5, rng.randrange(8)])
            syn, sequence = learnt[lane], rng.choice([0, 0xFFFFFFFF, rng.getrandbits(32)])
            # The flags, which come last, bring a carry in the TCP checksum.
            before = words(b"".join(syn.ips)) + sum(syn.ports) + (sequence >> 16) + sequence + 6 + 20 + 0x5000
            tight = (0xFFF0 - before) % 0xFFFF
            acknowledgment = rng.choice([0, 0xFFFFFFFF, rng.getrandbits(32), tight])
            fields = {"to_server": rng.randrange(2), "sequence": sequence, "acknowledgment": acknowledgment}
            frame = await build(ctx, pair.resets[number], lane, wait=rng.randrange(3, 6), **fields)
            syn.check(frame, **fields)

    simulate(pair, partial(bench, number=0), traffic, partial(bench, number=1))

"""The return path's messages: which are applied, once, and when a lane's evidence is lost. Samples by hand."""

from random import Random

import pytest

from hdl.filter.replies import Replies
from hdl.wire.event import Loss
from sim.replies import Replies as Model
from sim.replies import Report
from tests.cycles import simulate

LANE = 5
# Sample octets of the protocol reference; what they say was worked out by hand.
SAMPLES_50 = [
    ("5300001f1aced9f00053", ("S",)),
    ("4100001f1aced9f0000000000142000000644141504c20202020000000000012d64430590000000000000007504e4e4c434c31"
     "20202020202020202020200000", ("A", 1, 0, 100)),
    ("5500001f1aced9f000000000010000000342000000c84141504c20202020000000000012d6a830590000000000000008504e4e4c"
     "434c3320202020202020202020200000", ("U", 3, 1, 200)),
    ("4300001f1aced9f00000000003000000c855", ("C", 3, 0, 200)),
    ("4400001f1aced9f00000000003000000c8510000000a000000000012d6a85244", ("D", 3, 0, 200)),
    ("4500001f1aced9f0000000000100000028000000000012d6445200000000000000630000", ("E", 1, 0, 40, 0x12D644)),
    ("4200001f1aced9f00000000001000000000000006345434c312020202020202020202020", ("B", 1)),
    ("4a00001f1aced9f00000000009001e434c392020202020202020202020", ("J", 9)),
    ("5000001f1aced9f00000000009", ("P", 9)),
    ("4900001f1aced9f00000000009", ("I", 9)),
    ("5400001f1aced9f00000000001000000000012d64459000000000000000a", ("T", 1)),
    ("4d00001f1aced9f000000000035400000032", ("M", 3, 0, 50)),
    ("5200001f1aced9f00000000003520006051600000064", ("R", 3)),
    ("5800001f1aced9f000000000054b43474d20202020202020200000", ("X", 5)),
    ("4700001f1aced9f000000000074b43474d0000", ("G", 7)),
    ("4b00001f1aced9f000000000084b43474d0000", ("K", 8)),
    ("5100001f1aced9f0000000000a", ("Q", 10)),
]  # fmt: skip
TOK1, TOK2, TOK3 = (0x20202020,) * 3  # the last four octets of the tokens: spaces
SAMPLES_42 = [
    ("5300001f1aced9f00053", ("S",)),
    ("4100001f1aced9f000544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59000000"
     "0000000007504e000000004e4c20", ("A", TOK1, 0, 100)),
    ("5500001f1aced9f000544f4b322020202020202020202042000000c84141504c202020200012d6a80001869e4b43474d59000000"
     "0000000008504e000000004e4c544f4b312020202020202020202020", ("U", TOK2, TOK1, 200)),
    ("4300001f1aced9f000544f4b3220202020202020202020000000c855", ("C", TOK2, 0, 200)),
    ("4400001f1aced9f000544f4b3220202020202020202020000000c8510000000a0012d6a852", ("D", TOK2, 0, 200)),
    ("4500001f1aced9f000544f4b3120202020202020202020000000280012d644520000000000000063",
     ("E", TOK1, 0, 40, 0x12D644)),
    ("4700001f1aced9f000544f4b3120202020202020202020000000280012d6445200000000000000630000000149",
     ("G", TOK1, 0, 40, 0x12D644)),
    ("4600001f1aced9f000544f4b3120202020202020202020000000280012d64452000000000000006345",
     ("F", TOK1, 0, 40, 0x12D644)),
    ("4200001f1aced9f000544f4b3120202020202020202020000000000000006345", ("B", TOK1)),
    ("4a00001f1aced9f000544f4b33202020202020202020205a", ("J", TOK3)),
    ("5000001f1aced9f000544f4b3320202020202020202020", ("P", TOK3)),
    ("4900001f1aced9f000544f4b3320202020202020202020", ("I", TOK3)),
    ("5400001f1aced9f000544f4b31202020202020202020200012d644590000000000000009", ("T", TOK1)),
    ("4d00001f1aced9f000544f4b32202020202020202020205400000032", ("M", TOK2, 0, 50)),
]  # fmt: skip
SAMPLES = {0: SAMPLES_50, 1: SAMPLES_42}


def soup(kind: bytes, payload: bytes = b"") -> bytes:
    return (1 + len(payload)).to_bytes(2, "big") + kind + payload


def login(number: int | bytes, name: bytes = b"DAY1") -> bytes:
    digits = number if isinstance(number, bytes) else b"%d" % number
    return soup(b"A", name.rjust(10) + digits.rjust(20))


def executed(ref: int, quantity: int = 10) -> bytes:
    fields = ref.to_bytes(4, "big") + quantity.to_bytes(4, "big") + (5).to_bytes(8, "big")
    return soup(b"S", b"E" + bytes(8) + fields + b"R" + bytes(8) + b"\0\0")


class Bench:
    """Plays frames of the return path as the headers and the session tell of them."""

    def __init__(self, ctx, replies):
        self.ctx, self.replies = ctx, replies
        self.reports, self.losses, self.counts = [], [], [0, 0]

    async def tick(self, count: int = 1):
        ctx, replies = self.ctx, self.replies
        for _ in range(count):
            await ctx.tick()
            if ctx.get(replies.report_valid):
                fields = [ctx.get(replies.report[name]) for name in Report._fields]
                self.reports.append(Report(*fields))
            if ctx.get(replies.lost_valid):
                self.losses.append((ctx.get(replies.told.lane), ctx.get(replies.told.reason)))
            if ctx.get(replies.heard_valid):
                heard = replies.heard
                for number, name in enumerate(("applied", "repeated")):
                    self.counts[number] += ctx.get(heard[name])

    async def pulse(self, signal):
        self.ctx.set(signal, 1)
        await self.tick()
        self.ctx.set(signal, 0)

    async def begin(self, lane=LANE):
        self.ctx.set(self.replies.began_lane, lane)
        await self.pulse(self.replies.began)

    async def frame(self, octets, *, lane=LANE, skip=0, commit=True, headers=51, whole=True):
        """Play one frame; its payload is committed three cycles behind its end."""
        ctx, replies = self.ctx, self.replies
        await self.tick(headers)
        await self.pulse(replies.soon)
        await self.tick(2)
        for place, octet in enumerate(octets):
            ctx.set(replies.octet, octet)
            ctx.set(replies.valid, 1)
            ctx.set(replies.last, whole and place == len(octets) - 1)
            await self.tick()
        ctx.set(replies.valid, 0)
        ctx.set(replies.last, 0)
        await self.tick(3)
        await self.pulse(replies.end)
        await self.tick(3)
        if commit:
            ctx.set(replies.lane, lane)
            ctx.set(replies.skip, skip)
            await self.pulse(replies.commit)

    async def rest(self):
        await self.tick(3)
        while self.ctx.get(self.replies.busy):
            await self.tick()
        await self.tick(3)

    async def hear(self, octets, **options):
        """Play a frame and what comes of it; return what was told."""
        before, losses = len(self.reports), len(self.losses)
        await self.frame(octets, **options)
        await self.rest()
        return [report.user_ref for report in self.reports[before:]], [why for _, why in self.losses[losses:]]

    @property
    def lost(self) -> int:
        return self.ctx.get(self.replies.lost)


def play(script, *, dialects=0, **options):
    replies = Replies(**options)

    async def bench(ctx):
        ctx.set(replies.dialects, dialects)
        await script(Bench(ctx, replies))

    simulate(replies, bench)


def said(kind, *fields, lane=LANE) -> Report:
    return Report(lane, ord(kind), *fields)


@pytest.mark.parametrize("dialect", [0, 1])
@pytest.mark.parametrize("size", [1, 7, 2000])
def test_every_sample_is_a_report_wherever_it_is_cut(dialect, size):
    stream = login(1) + b"".join(soup(b"S", bytes.fromhex(octets)) for octets, _ in SAMPLES[dialect])

    async def script(bench):
        await bench.begin()
        for at in range(0, len(stream), size):
            await bench.frame(stream[at : at + size])
        await bench.rest()
        assert bench.reports == [said(*fields) for _, fields in SAMPLES[dialect]]
        assert (bench.losses, bench.counts) == ([], [len(SAMPLES[dialect]), 0])

    play(script, dialects=dialect << LANE)


def test_each_number_is_applied_once_across_logins():
    async def script(bench):
        await bench.begin()
        assert await bench.hear(login(1) + executed(1) + executed(2)) == ([1, 2], [])
        await bench.begin()
        assert await bench.hear(login(1) + executed(1) + executed(2) + executed(3)) == ([3], [])
        await bench.begin()
        assert await bench.hear(login(4) + executed(4)) == ([4], [])
        await bench.begin()
        assert await bench.hear(login(7) + executed(7)) == ([], [Loss.SKIPPED])
        assert bench.lost == 1 << LANE
        await bench.begin()
        assert await bench.hear(login(6)) == ([], [])
        await bench.begin()
        assert await bench.hear(login(3)) == ([], [])
        assert bench.lost == 0
        assert await bench.hear(executed(3) + executed(4) + executed(5)) == ([5], [])
        await bench.begin()
        assert await bench.hear(login(1, b"DAY2") + executed(1)) == ([1], [])
        await bench.begin()
        assert await bench.hear(login(2, b"DAY1") + executed(2)) == ([], [Loss.SKIPPED])
        assert bench.counts == [6, 4]

    play(script)


def test_a_login_that_is_cut_is_none():
    async def script(bench):
        await bench.begin()
        assert await bench.hear(login(1) + executed(1)) == ([1], [])
        await bench.begin()
        assert await bench.hear(login(1, b"DAY2")[:-1]) == ([], [])
        await bench.begin()
        assert await bench.hear(login(1) + executed(1) + executed(2)) == ([2], [])

    play(script)


def test_numbers_are_decimal():
    """Counted across tens and a hundred; a login may pad them with spaces or zeros, and they have nine digits."""

    async def script(bench):
        await bench.begin()
        assert await bench.hear(login(1) + b"".join(map(executed, range(1, 36)))) == (list(range(1, 36)), [])
        assert await bench.hear(b"".join(map(executed, range(36, 71)))) == (list(range(36, 71)), [])
        assert await bench.hear(b"".join(map(executed, range(71, 102)))) == (list(range(71, 102)), [])
        await bench.begin()
        assert await bench.hear(login(b"0" * 17 + b"102") + executed(102)) == ([102], [])
        await bench.begin()
        assert await bench.hear(login(99) + b"".join(map(executed, range(99, 104)))) == ([103], [])
        await bench.begin()
        assert await bench.hear(login(105)) == ([], [Loss.SKIPPED])
        await bench.begin()
        assert await bench.hear(login(104)) == ([], [])
        await bench.begin()
        assert await bench.hear(login(999_999_999)) == ([], [Loss.SKIPPED])

    play(script)


@pytest.mark.parametrize("number", [b"", b"0", b"1000000000", b"1 5", b"1a", b"-1", b"1 ", b"0 1", b"1" + b"0" * 19])
def test_a_login_without_number_is_an_error(number):
    async def script(bench):
        await bench.begin()
        assert await bench.hear(login(number) + executed(1)) == ([], [Loss.PACKET])

    play(script)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\0\0", Loss.PACKET),
        (b"\x80\x00", Loss.PACKET),
        (b"\0\1R", Loss.PACKET),
        (b"\0\1L", Loss.PACKET),
        (b"\0\2H", Loss.PACKET),
        (b"\0\1J", Loss.PACKET),
        (b"\0\1S", Loss.PACKET),
        (login(2), Loss.PACKET),  # a second one
        (soup(b"S", b"O" + bytes(46)), Loss.MESSAGE),
        (soup(b"S", b"e" + bytes(35)), Loss.MESSAGE),
        (soup(b"S", b"S" + bytes(8)), Loss.MESSAGE),
        (soup(b"S", b"S" + bytes(10)), Loss.MESSAGE),
        (soup(b"S", b"S"), Loss.MESSAGE),
        (soup(b"S", b"E" + bytes(34)), Loss.MESSAGE),
        (soup(b"S", b"E" + bytes(33)), Loss.MESSAGE),
        (soup(b"S", b"E" + bytes(36)), Loss.MESSAGE),
        (soup(b"S", b"E" + bytes(33) + b"\0\2" + b"\1"), Loss.MESSAGE),
        (soup(b"S", b"E" + bytes(33) + b"\1\0"), Loss.MESSAGE),
        (soup(b"S", b"C" + bytes(18)), Loss.MESSAGE),
        (soup(b"S", b"C" + bytes(17) + b"\0\2\1"), Loss.MESSAGE),
        (soup(b"S", b"F" + bytes(40)), Loss.MESSAGE),
        (soup(b"S", bytes(200)), Loss.MESSAGE),
    ],
)  # fmt: skip
def test_an_error_ends_the_evidence_of_the_session(octets, why):
    async def script(bench):
        await bench.begin()
        assert await bench.hear(login(1) + executed(1)) == ([1], [])
        told = await bench.hear(octets + executed(2))
        assert told == ([], [why])
        assert await bench.hear(executed(2)) == ([], [])
        await bench.begin(LANE ^ 2)
        assert await bench.hear(login(1) + executed(9), lane=LANE ^ 2) == ([9], [])
        await bench.begin()
        assert bench.lost == 1 << LANE
        assert await bench.hear(login(2) + executed(2)) == ([2], [])
        assert bench.lost == 0

    play(script)


@pytest.mark.parametrize("behind", [b"", soup(b"H"), soup(b"+", bytes(8)), soup(b"+", bytes(9)), soup(b"+", bytes(10))])
def test_an_error_close_behind_a_login_counts(behind):
    """What the login makes whole is lost again, though its number takes some cycles."""

    async def script(bench):
        await bench.begin()
        await bench.hear(soup(b"?"))
        await bench.begin()
        await bench.hear(login(1) + behind + soup(b"?"))
        assert bench.lost == 1 << LANE
        await bench.begin()
        assert await bench.hear(login(1) + behind) == ([], [])
        assert bench.lost == 0

    play(script)


def test_what_says_nothing_is_skipped():
    """Debug, unsequenced and the session's packets, with letters of reports in them."""
    filling = soup(b"+", b"S" * 9) + soup(b"+") + soup(b"U", executed(1)) + soup(b"H") + soup(b"J", b"A") + soup(b"Z")

    async def script(bench):
        await bench.begin()
        assert await bench.hear(filling + login(1) + filling + executed(1) + filling + executed(2)) == ([1, 2], [])
        assert await bench.hear(soup(b"+", bytes(1400)), whole=False, commit=False) == ([], [])
        assert await bench.hear(executed(3)) == ([3], [])

    play(script)


def test_octets_count_once_and_only_when_committed():
    """Those that the session has had are skipped; those of a frame that is not committed are overwritten."""
    stream = login(1) + b"".join(map(executed, range(1, 30)))

    async def script(bench):
        await bench.begin()
        await bench.frame(stream[:500])
        await bench.frame(stream[480:1000], commit=False)
        await bench.frame(stream[500:600], commit=False)
        await bench.frame(b"rubbish", commit=False)
        await bench.frame(stream[400:700], skip=100)
        await bench.frame(stream[:701], skip=700)
        await bench.frame(stream[701:])
        await bench.rest()
        assert [report.user_ref for report in bench.reports] == list(range(1, 30))
        assert bench.losses == []

    play(script)


def test_frames_at_line_rate_are_never_too_many():
    """The longest, then the shortest: back to back, a cycle of gap and a start delimiter between them."""
    stream = login(1) + b"".join(map(executed, range(1, 250)))

    async def script(bench):
        await bench.begin()
        await bench.frame(stream[:1460])
        place = 1460
        for size in (1460, 1460, *[6] * 60, 1460, *[1] * 40, 1460):
            await bench.frame(stream[place : place + size], headers=52 if size > 5 else 57)
            place += size
        await bench.rest()
        assert bench.losses == []
        assert [report.user_ref for report in bench.reports] == [n for n in range(1, 250) if 33 + 39 * n <= place]

    play(script)


def test_a_frame_may_come_while_the_last_one_is_read_to_its_end():
    """Whatever the cycle in which its first octet comes: reading ahead is not running over."""

    async def script(bench):
        await bench.begin()
        await bench.frame(login(1))
        for number in range(1, 41):
            await bench.frame(executed(number), headers=20 + number)
        await bench.rest()
        assert bench.losses == []
        assert [report.user_ref for report in bench.reports] == list(range(1, 41))

    play(script)


@pytest.mark.parametrize(("options", "sizes"), [({"depth": 256}, (3, 10, 1)), ({"queued": 2}, (30, 1, 1, 1, 1, 1, 1))])
def test_an_overrun_is_told_and_hides_nothing(options, sizes):
    """What is lost is a hole: nothing of the session is read behind it, whole again with a login that repeats it."""

    async def script(bench):
        ctx, replies = bench.ctx, bench.replies
        await bench.begin()
        await bench.begin(LANE ^ 1)
        octets, number = login(1), 1
        for size in sizes:
            octets += b"".join(map(executed, range(number, number + size)))
            await bench.frame(octets, headers=0)
            octets, number = b"", number + size
        assert (LANE, Loss.OVERRUN) in bench.losses
        assert bench.lost >> LANE & 1
        await bench.rest()
        count = len(bench.reports)
        assert sizes[0] <= count < sum(sizes)
        assert [report.user_ref for report in bench.reports] == list(range(1, count + 1))
        assert await bench.hear(executed(count + 1)) == ([], [])
        assert bench.losses == [(LANE, Loss.OVERRUN)]
        assert await bench.hear(login(1) + executed(7), lane=LANE ^ 1) == ([7], [])
        await bench.begin()
        assert await bench.hear(login(count + 1) + executed(count + 1)) == ([count + 1], [])
        assert ctx.get(replies.lost) == 0

    play(script, **options)


def random_message(random: Random, dialect: int) -> bytes:
    samples = [bytes.fromhex(octets) for octets, _ in SAMPLES[dialect]]
    message = bytearray(random.choice(samples))
    for _ in range(random.choice((0, 0, 1))):
        message[random.randrange(1, len(message))] = random.choice((0, 2, ord("D"), 255))
    if not dialect and random.random() < 0.2 and len(message) in (13, 18, 29, 30, 32):
        message += b"\0\3\2\x1c\1" if random.random() < 0.9 else b"\0\3\2"
    return bytes(message if random.random() < 0.97 else message + b"\0")


@pytest.mark.parametrize("seed", range(3))
def test_random_streams_are_read_as_the_model_reads_them(seed):
    """Eight lanes in both dialects, cut anywhere, with repeats, re-logins, other names and errors."""
    random = Random(seed)

    async def script(bench):
        models = [Model(lane, bool(lane & 1)) for lane in range(8)]
        streams, told = [b""] * 8, []
        for _ in range(250):
            lane = random.randrange(8)
            if not streams[lane]:
                await bench.begin(lane)
                models[lane].begin()
                behind = models[lane]._next
                number = max(1, behind - random.randrange(4) + (random.random() < 0.1))
                name = b"DAY2" if random.random() < 0.1 else b"DAY1"
                packets = [login(1 if random.random() < 0.3 else number, name)]
                for _ in range(random.randrange(1, 40)):
                    packets.append(soup(b"S", random_message(random, lane & 1)))
                    if random.random() < 0.1:
                        packets.append(soup(random.choice((b"H", b"Z", b"+", b"U"))))
                streams[lane] = b"".join(packets)
            size = random.choice((1, 2, 3, 10, 100, 600))
            octets, streams[lane] = streams[lane][:size], streams[lane][size:]
            told += [(lane, why) for _, why in models[lane].hear(octets)]
            skip = random.choice((0, 0, 7))
            await bench.frame(bytes(skip) + octets, lane=lane, skip=skip)
        await bench.rest()
        for lane in range(8):
            assert [report for report in bench.reports if report.lane == lane] == models[lane].applied
        assert bench.losses == told
        assert bench.lost == sum(bool(model.lost) << model.lane for model in models)
        assert bench.counts == [sum(len(m.applied) for m in models), sum(m.repeated for m in models)]
        assert bench.counts[0] > 300
        assert {Loss.SKIPPED, Loss.MESSAGE} <= {why for _, why in told}

    play(script, dialects=0xAA)

"""Bench of the parsers' contexts: streams of eight lanes, cut into frames anywhere, read as if they had not been cut.

What a message turns out to be is taken from the parsers, fed with it in one piece (`sim.tb_order` says that this is
right); where its octets lie, which marks they have and when the results come is worked out here, from the packets.
"""

import random
import struct
from itertools import pairwise

import cocotb

from hdl.filter.marks import Mark
from hdl.wire.registers import BUCKET_SLOTS, ENTRY_VALID, SLOTS, Reg, toeplitz
from sim.parsers import Parsers
from sim.play import Packed, play, reset
from sim.tb_order import CANCEL_42, MODIFY_42, REPLACE_42, SAMPLES, enter, enter42, tag

OUTPUTS = Packed(Parsers()).fields
KEY = 0x2B_1357_9BDF_0246_8ACE
SYMBOLS = {b"AAPL    ": 300, b"MSFT    ": 511, b"X       ": 0}
UDP = 8  # the lane of datagrams between the streams
LOCATED, PAYLOAD = 42, 13  # cycles from a frame's first octet, without tags; from there to the earliest payload octet
MESSAGES = {
    0: [
        *SAMPLES,
        enter(side=b"S", quantity=999_999, symbol=b"MSFT    ", price=1_999_999_900, order_id=b"BLD1P1A7      "),
        enter(side=b"?", quantity=0, symbol=b"NOTTHERE", price=0),
        enter(side=b"E", quantity=501, symbol=b"X       ", price=1 << 40),
        enter()[:-2] + b"\0\x0a" + tag(24, 2) + tag(6, 1) + tag(25, 1),
        enter()[:-2] + b"\0\x03" + tag(27, 1),
        enter()[:30],
        enter()[:12],
        enter()[:26],
        b"Q\0\0",
        b"?",
        b"A" + bytes(70),
    ],
    1: [
        enter42(),
        enter42(token=b"BLD1Z0FF01ABCD", side=b"T", quantity=999_999, symbol=b"MSFT    ", price=1_999_999_900),
        enter42(side=b"b", quantity=0, symbol=b"NOTTHERE", price=0),
        enter42(quantity=501, symbol=b"X       ", price=0x7735939D),
        REPLACE_42,
        CANCEL_42,
        MODIFY_42,
        enter42()[:-1],
        enter42()[:32],
        enter42() + b"N",
        b"E" + bytes(10),
        b"Q",
    ],
}
BETWEEN = (b"R", b"+", b"+ free text OUE", b"L" + b"UO" * 23, b"O")  # other packets of a session


def packet(body):
    return struct.pack(">H", len(body)) + body


def is_order(body, dialect):
    return body[:1] == b"U" and body[1:2] in ((b"O", b"U") if dialect else (b"O", b"U", b"E"))


class Stream:
    """The packets of a lane, cut into frames; `overwrites`: frames that leave an unfinished order overwritten."""

    def __init__(self, bodies, dialect, cuts=(), overwrites=(), *, soup=True):
        self.bodies, self.dialect, self.overwrites, self.soup = bodies, dialect, set(overwrites), soup
        self.octets = b"".join(packet(body) for body in bodies)
        self.places = [(n, k) for n, body in enumerate(bodies) for k in range(2 + len(body))]
        self.spans = list(pairwise([0, *sorted(min(cut, len(self.octets)) for cut in cuts), len(self.octets)]))
        self.frame_of = {}  # of an octet, by number of packet and place in it
        for frame, (low, high) in enumerate(self.spans):
            self.frame_of |= dict.fromkeys(self.places[low:high], frame)

    def overwritten(self, n):
        """Return the frame that leaves packet `n` overwritten, None if it is an order as it came."""
        for frame in sorted(self.overwrites):
            begins = is_order(self.bodies[n], self.dialect) and self.frame_of[n, 2] == self.frame_of[n, 3] == frame
            if begins and frame < self.frame_of[n, 1 + len(self.bodies[n])]:
                return frame
        return None

    def mark(self, n, k):
        """Return the mark of octet `k` of packet `n`."""
        if not is_order(self.bodies[n], self.dialect) or k < 2:
            return Mark.PLAIN
        here, overwritten = self.frame_of[n, k], self.overwritten(n)
        if overwritten is not None and overwritten < here:
            return Mark.BODY
        if self.frame_of[n, 2] == self.frame_of[n, 3] == here:
            return Mark.ORDER
        return Mark.PLAIN if k == 2 else Mark.OLD_ORDER


class Frame:
    """Where a frame of a stream lies in time."""

    def __init__(self, stream, number, start, located, first):
        self.stream, self.number, self.start, self.located, self.first = stream, number, start, located, first
        self.low, self.high = stream.spans[number]
        self.end = max(start + 64, first + self.high - self.low + 3)

    def at(self, n, k):
        """Return the cycle in which octet `k` of packet `n` is at the framer, None if it is not in this frame."""
        if self.stream.frame_of.get((n, k)) != self.number:
            return None
        return self.first + self.stream.places.index((n, k)) - self.low


class Line:
    """Inputs for frames one behind the other."""

    def __init__(self, rng):
        self.rng, self.events, self.frames, self.free = rng, {}, [], 0

    def put(self, cycle, **values):
        self.events.setdefault(cycle, {}).update(values)

    def rows(self):
        """Return the rows: strobes only where they are put, noise on what means nothing."""
        noise = {
            "next_octet": 256,
            "load_lane": 8,
            "load_slot": 64,
            "save_slot": 32,
            "commit_slot": 32,
            "commit_lane": 8,
        }
        for cycle in range(max(self.events) + 60):
            random_values = {name: self.rng.randrange(most) for name, most in noise.items()}
            yield {**IDLE, **random_values, **self.events.get(cycle, {})}

    def directory(self):
        """Wait until the directory is empty, and write the symbols."""
        self.free = SLOTS + 10
        for symbol, index in SYMBOLS.items():
            slot = BUCKET_SLOTS * toeplitz(symbol, KEY)
            words = [*struct.unpack(">2I", symbol), index | ENTRY_VALID]
            for word, value in enumerate(words):
                self.put(self.free, write=1, address=Reg.DIRECTORY + 4 * slot + word, data=value)
                self.free += 10
        self.put(0, key=KEY, order_size=500, soup=0, dialect=0)

    def frame(self, stream, number, *, load=None, save=None, commit=None, tags=0, words=0, gap=1):
        """Add a frame; slots to load from and save to, lane to which it is committed later, tags, words of options."""
        start = self.free + gap
        located = start + LOCATED + 4 * tags
        frame = Frame(stream, number, start, located, located + PAYLOAD + 4 * words)
        octets = stream.octets[frame.low : frame.high]
        self.put(start + 12, open=1)
        self.put(located, soup=int(stream.soup), dialect=stream.dialect)
        if load is not None:
            self.put(located, start_load=1, load_lane=load & 7)
            for later in range(located + 1, located + 9):
                self.put(later, load_slot=load)
        for k, octet in enumerate(octets):
            last = int(k == len(octets) - 1)
            self.put(frame.first + k - 1, next_octet=octet)
            self.put(frame.first + k, payload_valid=1, payload_start=int(not k), payload_last=last)
        if save is not None:
            self.put(frame.end + 1, start_save=1, save_slot=save)
        if number in stream.overwrites:
            self.put(frame.end + self.rng.choice((1, 2)), overwritten=1)
        if commit is not None:
            self.put(frame.end + self.rng.choice((13, 20, 30, 42)), commit=1, commit_slot=save, commit_lane=commit)
        self.free = frame.end + 1
        self.frames.append(frame)


IDLE = dict.fromkeys(("open", "payload_valid", "payload_start", "payload_last", "overwritten", "write"), 0)
IDLE |= dict.fromkeys(("start_load", "start_save", "commit"), 0)


def interleave(rng, scripts):
    """Return a line on which the frames of the streams of `scripts`, lists by lane, come in their order."""
    line = Line(rng)
    line.directory()
    todo = {lane: [(stream, n) for stream in streams for n in range(len(stream.spans))] for lane, streams in scripts}
    lanes, age, slot, home = list(todo), dict.fromkeys(todo, 0), 0, {}
    while any(todo.values()):
        lanes = [lane for lane in todo if todo[lane]]
        lane = max(lanes, key=age.get) if max(age[lane] for lane in lanes) > 20 else rng.choice(lanes)
        stream, number = todo[lane].pop(0)
        chances = {
            "tags": rng.choice((0, 0, 1, 2)),
            "words": rng.choice((0, 0, 0, 3, 10)),
            "gap": rng.choice((1, 1, 20)),
        }
        if stream.soup:
            age = {other: age[other] + 1 for other in age} | {lane: 0}
            committed = rng.random() < 0.5
            load = home.get(lane) if number else None
            line.frame(stream, number, load=load, save=slot, commit=lane if committed else None, **chances)
            home[lane] = 32 + lane if committed else slot
            slot = (slot + 1) % 32
        else:
            line.frame(stream, number, **chances)
    return line


FLAGS = ("is_enter", "is_order", "bad_message", "replace")
TAG_FLAGS = ("pegged", "channel")
FIELDS = ("quantity", "price")
CHECKS = ("buy", "bad_side", "bad_quantity", "over_size", "zero_price", "market", "parent")


def result(record, cycle):
    """Return what a message that ends in `cycle` turned out to be: of an Enter with its fields, checks and index."""
    names = [*FLAGS, *(() if record[cycle]["bad_message"] else TAG_FLAGS)]
    names += CHECKS if record[cycle]["is_enter"] and not record[cycle]["bad_message"] else ()
    found = {name: record[cycle][name] for name in names} | {"user_ref": record[cycle + 1]["user_ref"]}
    if found["is_enter"] and not found["bad_message"]:
        found |= {name: record[cycle + 1][name] for name in FIELDS}
        found |= {"done": 1, "index": record[cycle]["index"] if record[cycle]["found"] else None}
        assert record[cycle]["done"]
    return found


async def results(dut, rng, dialect):
    """Return what each message turns out to be when it comes alone and in one piece."""
    line = interleave(rng, {0: [Stream([b"U" + message], dialect) for message in MESSAGES[dialect]]}.items())
    record = await play(dut, line.rows(), OUTPUTS)
    found = {}
    for frame, message in zip(line.frames, MESSAGES[dialect], strict=True):
        (cycle,) = [n for n in range(frame.start + 12, frame.end + 12) if record[n]["message_end"]]
        found[message] = result(record, cycle)
    return found


def price_at(message, dialect):
    """Return place of the last octet of the price, and cycles from there to `price_ready`, by the framer's octets."""
    if message[:1] != b"O":
        return None
    place, delay = (31, 3) if dialect else (25, 2)
    return (place, delay) if len(message) > place else None


def check(line, record, expected):
    """Compare everything that the parsers showed with what the packets say."""
    for frame, behind in zip(line.frames, [*line.frames[1:], None], strict=True):
        stream = frame.stream
        if not stream.soup:
            continue
        until = behind.start + 12 if behind else len(record)
        known = expected[stream.dialect]
        where = (frame.number, stream.spans, stream.bodies, stream.dialect, sorted(stream.overwrites))

        places = stream.places[frame.low : frame.high]
        marks = [MARKS[record[frame.first + k + 1]["mark"]] for k in range(len(places))]
        assert marks == [stream.mark(*place) for place in places], where
        rest = {*range(frame.start + 13, until + 1)} - {frame.first + k + 1 for k in range(len(places))}
        assert not any(record[cycle]["mark"] for cycle in rest if cycle < len(record)), where
        n, k = places[-1] if places else stream.places[frame.low - 1]
        unfinished = frame.low + len(places) > 0 and k < 1 + len(stream.bodies[n]) and k > 2
        inside = (
            unfinished
            and is_order(stream.bodies[n], stream.dialect)
            and not (stream.overwritten(n) is not None and stream.overwritten(n) < frame.number)
        )
        at_end = record[frame.end]
        assert at_end["inside"] == inside, where
        assert at_end["begins"] == (inside and stream.frame_of[n, 2] == frame.number), where
        assert at_end["continued"] == (Mark.OLD_ORDER in marks), where
        assert at_end["framing"] == 0, where

        # Messages that end, and prices that are ready, in order.
        ends, prices, held = {}, {}, []
        messages = {n for n, _ in places} | ({n} if unfinished else set())
        for n in sorted(messages):
            body = stream.bodies[n]
            if body[:1] != b"U":
                continue
            gone = stream.overwritten(n)
            if gone is not None and gone < frame.number:
                continue
            message, final = body[1:], frame.at(n, 1 + len(body))
            price = price_at(message, stream.dialect)
            again = False
            if price:
                ready = frame.at(n, 3 + price[0])
                if ready is not None:
                    prices[ready + price[1]] = n
                elif stream.frame_of[n, 3 + price[0]] < frame.number:
                    again = len(message) > price[0] + 1
                    if again:
                        prices[frame.located + 6] = n
            if final is not None:
                cycle = final + 2
                if again and cycle < frame.located + 20:
                    held.append((cycle, n))
                    cycle = frame.located + 20
                elif held and cycle <= frame.located + 20:
                    early = cycle - 1
                    ends = {(early if at == frame.located + 20 else at): other for at, other in ends.items()}
                ends[cycle] = n
        shown = [cycle for cycle in range(frame.start + 12, until) if record[cycle]["message_end"]]
        assert shown == sorted(ends), (where, frame.located, shown, ends)
        for cycle, n in ends.items():
            assert result(record, cycle) == known[stream.bodies[n][1:]], (where, cycle, ends)
            for later in (cycle + 1, cycle + 2):
                if not record[later]["message_end"] and not (later == cycle + 2 and record[cycle + 1]["message_end"]):
                    assert all(record[later][flag] == record[cycle][flag] for flag in FLAGS), where
        shown = [cycle for cycle in range(frame.start + 12, until) if record[cycle]["price_ready"]]
        assert shown == sorted(prices), (where, frame.located, shown, prices)
        for cycle, n in prices.items():
            expect = known[stream.bodies[n][1:]]
            if expect["bad_message"]:
                continue
            for later in range(cycle, cycle + 11):
                assert all(record[later][name] == expect[name] for name in (*FIELDS, "buy")), where
            index = record[cycle + 8]["index"] if record[cycle + 8]["found"] else None
            assert (record[cycle + 8]["done"], index) == (1, expect["index"]), where
        unjudged = set()
        for from_, n in held:
            (to,) = [cycle for cycle, other in ends.items() if other == n]
            unjudged |= set(range(from_, to + 2))
        shown = {cycle for cycle in range(frame.start + 12, until) if record[cycle]["unjudged"]}
        assert shown == unjudged, where


MARKS = {mark.value: mark for mark in Mark}


async def compare(dut, rng, scripts):
    expected = [await results(dut, rng, dialect) for dialect in (0, 1)]
    line = interleave(rng, scripts.items())
    check(line, await play(dut, line.rows(), OUTPUTS), expected)
    return line


def shared(streams):
    """Deal streams out to eight lanes."""
    return {lane: streams[lane::8] for lane in range(8)}


FOLLOWERS = ((), (b"UQ",), (b"UQ\0\0", b"U" + SAMPLES[0]), (b"U" + SAMPLES[0],), (b"R", b"U?", b"UQ"))
FOLLOWERS_42 = ((), (b"UQ",), (b"U" + CANCEL_42, b"U" + MESSAGES[1][0]), (b"U" + MESSAGES[1][0],), (b"R", b"UQ", b"UQ"))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def every_message_cut_in_two(dut):
    """At every octet of its packet, with other messages behind it; frames of other lanes lie between the two."""
    await reset(dut)
    rng = random.Random(11)
    streams = []
    for dialect, followers in ((0, FOLLOWERS), (1, FOLLOWERS_42)):
        for message in MESSAGES[dialect]:
            for cut in range(1, 3 + len(message)):
                streams.append(Stream([b"U" + message, *rng.choice(followers)], dialect, [cut]))
    rng.shuffle(streams)
    await compare(dut, rng, shared(streams))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def messages_cut_in_three(dut):
    """Two cuts drawn for each octet of each message; now and then a frame without payload stands between."""
    await reset(dut)
    rng = random.Random(12)
    streams = []
    for dialect, followers in ((0, FOLLOWERS), (1, FOLLOWERS_42)):
        for message in MESSAGES[dialect]:
            for first in range(1, 3 + len(message)):
                second = rng.choice((first, first + 1, rng.randrange(first, 4 + len(message))))
                streams.append(Stream([b"U" + message, *rng.choice(followers)], dialect, [first, second]))
    rng.shuffle(streams)
    await compare(dut, rng, shared(streams))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def what_follows_an_overwritten_part_is_no_message(dut):
    """Every order cut in three, overwritten where it begins, and nowhere else; what follows it is read."""
    await reset(dut)
    rng = random.Random(13)
    streams = []
    for dialect, followers in ((0, FOLLOWERS), (1, FOLLOWERS_42)):
        for message in MESSAGES[dialect]:
            for cut in range(1, 3 + len(message), 2):
                cuts = [cut, rng.randrange(cut, 4 + len(message))]
                streams.append(Stream([b"U" + message, *rng.choice(followers)], dialect, cuts, [rng.randrange(2)]))
    rng.shuffle(streams)
    await compare(dut, rng, shared(streams))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def sessions_at_random(dut):
    """Long streams of both dialects with all packet types, cut at random, beside datagrams that are cut short."""
    await reset(dut)
    rng = random.Random(14)
    scripts = {}
    for lane in range(8):
        dialect = lane & 1
        bodies = [
            b"U" + rng.choice(MESSAGES[dialect]) if rng.random() < 0.8 else rng.choice(BETWEEN) for _ in range(40)
        ]
        size = sum(2 + len(body) for body in bodies)
        cuts = [rng.randrange(size) for _ in range(rng.choice((20, 60)))]
        scripts[lane] = [Stream(bodies, dialect, cuts, [n for n in range(len(cuts)) if rng.random() < 0.2])]
    await compare(dut, rng, scripts | {UDP: [Datagram(b"U" + SAMPLES[0], cut) for cut in range(1, 50)]})


class Datagram(Stream):
    """A datagram of one order, cut behind some of its octets; it leaves nothing."""

    def __init__(self, body, cut):
        super().__init__([body], 0, [cut], soup=False)
        self.spans = self.spans[:1]

"""Bench of `hdl.filter.log`, with three sources: what was offered is written, or counted in a GAP (P11)."""

import random
import struct
from collections import Counter

import cocotb

from sim.serial import start

SOURCES = ("a", "b", "c")
GAP = 0
# Widths of a record's fields, lowest bits first, and what an event looks like in memory: hdl.wire.event, by hand.
FIELDS = {"kind": 4, "lane": 4, "reason": 6, "count": 7, "user_ref": 32, "symbol": 16, "quantity": 32, "price": 32}
WIRE = struct.Struct("<I4BQ4I")
NAMES = ("sequence", "kind", "lane", "reason", "count", "at", "user_ref", "symbol", "quantity", "price")
CAPACITY = 256


def anything():
    """Random fields; never of kind GAP."""
    fields = {name: random.getrandbits(bits) for name, bits in FIELDS.items()}
    return fields | {"kind": random.randrange(1, 9)}


class Bench:
    """Offers events and reads them back. `offered` are (source, fields, at, accepted)."""

    def __init__(self, dut):
        self.dut = dut
        self.now = random.choice([0, (1 << 32) - 2500, random.getrandbits(60)])
        self.offered = []
        for name in SOURCES:
            getattr(dut, f"{name}__valid").value = 0
        dut.now.value = self.now
        dut.reader__free.value = dut.reader__index.value = dut.reader__number.value = 0

    async def start(self):
        await start(self.dut)
        cocotb.start_soon(self.time())

    async def time(self):
        while True:
            self.dut.now.value = self.now
            await self.dut.clk.rising_edge
            self.now += 1

    async def cycles(self, number):
        for _ in range(number):
            await self.dut.clk.rising_edge

    async def offer(self, offers):
        """Offer in one cycle, for each source named its fields and age; tell which were accepted."""
        for source, (fields, _) in offers.items():
            word, shift = 0, 0
            for name, bits in FIELDS.items():
                word |= fields[name] << shift
                shift += bits
            getattr(self.dut, f"{source}__record").value = word
            getattr(self.dut, f"{source}__valid").value = 1
        await self.dut.clk.falling_edge
        for source, (_, age) in offers.items():
            getattr(self.dut, f"{source}__at").value = (self.now - age) % 2**12
        accepted = {source: getattr(self.dut, f"{source}__ready").value == 1 for source in offers}
        for source in sorted(offers):
            fields, age = offers[source]
            self.offered.append((source, fields, (self.now - age) % 2**64, accepted[source]))
        await self.dut.clk.rising_edge
        for source in offers:
            getattr(self.dut, f"{source}__valid").value = 0
        return accepted

    async def rest(self):
        await self.cycles(2)
        while self.dut.busy.value == 1:
            await self.cycles(1)

    async def free(self, number):
        self.dut.reader__number.value = number
        self.dut.reader__free.value = 1
        await self.cycles(1)
        self.dut.reader__free.value = 0
        await self.cycles(6)

    async def read(self, most=8):
        """Return up to `most` of the oldest events."""
        events = []
        for event in range(min(most, int(self.dut.reader__kept.value))):
            words = []
            for word in range(8):
                self.dut.reader__index.value = 8 * event + word
                await self.cycles(3)
                await self.dut.clk.falling_edge
                words.append(int(self.dut.reader__value.value))
                await self.cycles(1)
            events.append(dict(zip(NAMES, WIRE.unpack(struct.pack("<8I", *words)), strict=True)))
        return events

    async def read_all(self):
        """Read and free until nothing is kept."""
        events, number = [], None
        while True:
            if number is not None:
                await self.free(number)
            await self.rest()
            some = await self.read()
            if not some:
                return events
            events += some
            number = (some[-1]["sequence"] + 1) % 2**32


def told(event):
    """The fields that a source gave, and the time."""
    return {name: event[name] for name in FIELDS}, event["at"]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_event_is_written_with_its_time_and_number(dut):
    bench = Bench(dut)
    await bench.start()
    assert (dut.kept.value, dut.next.value, dut.lost.value, dut.busy.value) == (0, 0, 0, 0)
    await bench.cycles(2048)  # of these the first events can be
    for number in range(40):
        age = random.choice([0, 0, 1, 40, 1000, 2040])
        await bench.offer({random.choice(SOURCES): (anything(), age)})
        assert int(dut.next.value) == number
        cycles = 0
        while int(dut.next.value) == number:
            await dut.clk.falling_edge
            cycles += 1
            assert dut.busy.value == (cycles > 1)
        assert cycles == 11, "registered, then written"
        await bench.rest()
        assert int(dut.next.value) == int(dut.kept.value) == number + 1
    events = await bench.read_all()
    assert [event["sequence"] for event in events] == list(range(40))
    assert [told(event) for event in events] == [(fields, at) for _, fields, at, _ in bench.offered]
    assert dut.lost.value == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def events_are_written_in_the_order_of_offering(dut):
    """Those of one cycle in the order of the sources, however long they wait."""
    bench = Bench(dut)
    await bench.start()
    for first, then in [("a", "bc"), ("b", "ca"), ("c", "ab"), ("c", "ba"), ("ab", "c"), ("bc", "a"), ("abc", "")]:
        bench.offered.clear()
        await bench.offer({name: (anything(), 0) for name in first})
        for name in then:
            await bench.cycles(random.randrange(3))
            await bench.offer({name: (anything(), 0)})
        await bench.rest()
        assert [told(event) for event in await bench.read_all()] == [(f, at) for _, f, at, _ in bench.offered], (
            first + then
        )


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_event_offered_to_a_taken_place_is_a_gap(dut):
    """P11: `ready` tells the source; the loss is written before any later event, with the number lost."""
    bench = Bench(dut)
    await bench.start()
    first, last = anything(), anything()
    assert await bench.offer({"b": (first, 0)}) == {"b": True}
    for lost in range(3):
        assert await bench.offer({"b": (anything(), 0)}) == {"b": False}, lost
    assert await bench.offer({"a": (anything(), 0)}) == {"a": True}
    while dut.b__ready.value == 0:
        await bench.cycles(1)
    assert dut.next.value == 1, "its place is free when it is written"
    assert await bench.offer({"b": (anything(), 0)}) == {"b": True}
    await bench.rest()
    await bench.offer({"b": (last, 0)})
    events = await bench.read_all()
    assert [event["sequence"] for event in events] == list(range(5))
    assert [event["kind"] == GAP for event in events] == [False, True, False, False, False]
    assert told(events[0])[0] == first and told(events[-1])[0] == last
    gap = events[1]
    assert gap == dict.fromkeys(NAMES, 0) | {"sequence": 1, "user_ref": 3, "at": gap["at"]}
    assert dut.lost.value == 1


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_full_ring_loses_exactly_what_the_gap_says(dut):
    """P11: 256 are kept; then everything is lost until events are freed, and the gap comes first, unasked."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(CAPACITY):
        await bench.offer({"a": (anything(), 0)})
        await bench.rest()
    assert int(dut.kept.value) == CAPACITY and dut.lost.value == 0
    lost = 0
    for _ in range(50):
        names = random.sample(SOURCES, random.randrange(1, 4))
        await bench.offer({name: (anything(), 0) for name in names})
        lost += len(names)
        await bench.cycles(random.randrange(5))
    await bench.rest()
    assert (int(dut.kept.value), int(dut.next.value), dut.lost.value) == (CAPACITY, CAPACITY, 1)
    await bench.free(1)
    await bench.rest()
    assert (int(dut.kept.value), int(dut.next.value)) == (CAPACITY, CAPACITY + 1)
    # The gap has taken the only place: one more is lost, and told of in its turn.
    await bench.offer({"c": (anything(), 0)})
    await bench.rest()
    last = anything()
    await bench.free(5)
    await bench.rest()
    await bench.offer({"b": (last, 0)})
    await bench.rest()
    events = await bench.read_all()
    assert [event["sequence"] for event in events] == list(range(5, CAPACITY + 3))
    assert [told(event) for event in events[: CAPACITY - 5]] == [
        (fields, at) for _, fields, at, _ in bench.offered[5:CAPACITY]
    ]
    gaps = [(event["sequence"], event["user_ref"]) for event in events if event["kind"] == GAP]
    assert gaps == [(CAPACITY, lost), (CAPACITY + 1, 1)]
    assert told(events[-1])[0] == last


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def only_kept_events_are_freed(dut):
    """Freeing again changes nothing, and a number that was never given frees nothing."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(20):
        await bench.offer({"a": (anything(), 0)})
        await bench.rest()
    expected = 0
    for number in (7, 7, 3, 21, 2**32 - 1, 7 + 256, 2**31, 512 + 15, 2**31 + 15, 19, 20, 21, 0):
        await bench.free(number)
        expected = number if expected <= number <= 20 else expected
        assert int(dut.kept.value) == 20 - expected, number
        assert [event["sequence"] for event in await bench.read(2)] == list(range(expected, 20))[:2]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def numbers_are_consecutive_and_nothing_is_lost_in_silence(dut):
    """P11, under random floods while a reader reads and frees: events and gaps add up to what was offered."""
    bench = Bench(dut)
    await bench.start()

    async def flood():
        for _ in range(60):
            rate = random.choice([0.01, 0.05, 0.5])
            for _ in range(random.randrange(200)):
                names = [name for name in SOURCES if random.random() < rate]
                await (bench.offer({name: (anything(), 0) for name in names}) if names else bench.cycles(1))

    flooding = cocotb.start_soon(flood())
    events = []
    while True:
        done = flooding.done()
        if done:
            await bench.rest()
        some = await bench.read(random.randrange(1, 9))
        events += some
        if some:
            await bench.free(some[-1]["sequence"] + 1)
            if random.random() < 0.02:
                await bench.cycles(2000)
        elif done:
            break
        else:
            await bench.cycles(1)
    assert [event["sequence"] for event in events] == list(range(len(events)))
    written = [told(event) for event in events if event["kind"] != GAP]
    lost = sum(event["user_ref"] for event in events if event["kind"] == GAP)
    assert len(written) + lost == len(bench.offered)
    assert lost > sum(not accepted for *_, accepted in bench.offered) > 0, "the flood filled neither place nor ring"
    accepted = iter((fields, at) for _, fields, at, accepted in bench.offered if accepted)
    assert all(event in accepted for event in written), "out of order, or never offered"
    assert Counter(at for _, at in written) <= Counter(at for _, _, at, _ in bench.offered)

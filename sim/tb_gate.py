"""Bench of `hdl.filter.gate`: every cycle of the pins against a model in plain Python, and the promises one by one.

The bench is the frame buffer and the queue: it answers ``fetch`` three cycles later and shows the next head in the
cycle after ``head_pop``.
"""

import dataclasses
import random
import zlib

import cocotb

from hdl.filter.gate import Descriptor, Outcome, OutcomeKind
from sim.play import play, reset

PINS = ("tx_data", "tx_en", "tx_er")
STROBES = ("take", "skip", "head_pop", "fetch", "started", "finished", "outcome_valid", "busy")
OUTPUTS = (*PINS, *STROBES, "dwell", "gap", "length", "outcome")
PREAMBLE = b"\x55" * 7 + b"\xd5"
SENT, DISCARDED, ABORTED = (kind.value for kind in OutcomeKind)
READY = 20  # cycles: the gap after reset is over


@dataclasses.dataclass
class Frame:
    octets: bytes
    lane: int = 0
    orders: int = 1
    marks: frozenset = frozenset()
    reservations: int = 0
    base: int = 0
    stamp: int = 0

    def packed(self):
        fields = {name: getattr(self, name) for name in ("lane", "orders", "reservations", "base", "stamp")}
        return pack(Descriptor, length=len(self.octets), **fields)

    def outcome(self, kind):
        fields = {name: getattr(self, name) for name in ("lane", "orders", "reservations", "base")}
        return pack(Outcome, kind=kind, length=len(self.octets), **fields)

    def stopped(self, killed):
        return self.lane > 7 or bool(killed >> self.lane & 1)


def pack(layout, **fields):
    return sum(value << layout[name].offset for name, value in fields.items())


def frame(size=64, seed=0, **fields):
    octets = random.Random(f"{size} {seed}").randbytes(size - 4)
    return Frame(octets + zlib.crc32(octets).to_bytes(4, "little"), **fields)


def at(changes, cycle, value=0):
    """The value of something that changes in the cycles of a dict."""
    return next((changes[when] for when in sorted(changes, reverse=True) if when <= cycle), value)


async def run(dut, arrivals, *, cycles, killed=None, resets=(), now=lambda cycle: cycle):
    """Let frames arrive, {cycle: frames}; `killed` is {cycle: lanes from then on}. Return the outputs of each cycle."""
    killed, waiting, fetched, left = killed or {}, [], {}, []
    rng = random.Random(7)

    def react(cycle, sample):
        nonlocal left
        if sample["head_pop"]:
            head = waiting.pop(0)
            if sample["take"]:
                left = [(octet, int(number in head.marks)) for number, octet in enumerate(head.octets)]
        if sample["fetch"]:
            fetched[cycle + 3] = left.pop(0)
        return surroundings(cycle + 1)

    def surroundings(cycle):
        waiting.extend(arrivals.get(cycle, ()))
        octet, mark = fetched.pop(cycle, (rng.randrange(256), rng.randrange(2)))
        return {
            "head_valid": int(bool(waiting)),
            "head": waiting[0].packed() if waiting else rng.getrandbits(51),
            "octet": octet,
            "mark": mark,
            "killed": at(killed, cycle),
        }

    rows = [{"now": now(cycle), "rst": int(cycle in resets)} for cycle in range(cycles)]
    rows[0].update(surroundings(0))
    return await play(dut, rows, OUTPUTS, react)


def model(arrivals, *, cycles, killed=None):
    """What must happen: the pins and the outcome of each cycle, from the contract; no reset, `now` counts cycles."""
    killed, waiting, free = killed or {}, [], 12
    pins, outcomes = [(0, 0, 0)] * (cycles + 1), [None] * (cycles + 1)
    leaving, start, caught, ordered = None, 0, False, False
    for cycle in range(cycles):
        waiting += arrivals.get(cycle, ())
        lanes, ending = at(killed, cycle), False
        if leaving is not None:
            octets, number = leaving.octets, cycle - start - 8
            caught |= leaving.stopped(lanes)
            ordered |= number in leaving.marks
            abort = caught and ordered
            value = PREAMBLE[number + 8] if number < 0 else octets[number]
            if abort and number >= len(octets) - 4:
                check = zlib.crc32(octets[:-4]).to_bytes(4, "little")
                value = check[number - len(octets)] ^ 0xFF
            pins[cycle + 1] = (value, 1, int(abort))
            ending = number == len(octets) - 1
        if waiting and waiting[0].orders and waiting[0].stopped(lanes):
            if not ending:
                outcomes[cycle + 1] = waiting.pop(0).outcome(DISCARDED)
        elif waiting and leaving is None and cycle >= free:
            leaving, start, caught = waiting.pop(0), cycle, False
            ordered = leaving.orders > 0
            pins[cycle + 1] = (0x55, 1, 0)
        if ending:
            outcomes[cycle + 1] = leaving.outcome(ABORTED if abort else SENT)
            leaving, free = None, cycle + 13
    return pins[:cycles], outcomes[:cycles]


def compare(record, expected):
    """Compare a record with the model, cycle by cycle."""
    for cycle, (sample, pins, outcome) in enumerate(zip(record, *expected, strict=True)):
        assert tuple(sample[pin] for pin in PINS) == pins, f"{cycle=}"
        assert (sample["outcome"] if sample["outcome_valid"] else None) == outcome, f"{cycle=}"


def frames(record):
    """The frames on the pins: (cycle of the first preamble octet, octets after 0xD5, number of the first with er)."""
    found, carrier, errors, start = [], b"", [], 0
    for cycle, sample in enumerate([*record, {"tx_en": 0}]):
        if sample["tx_en"]:
            start = start if carrier else cycle
            carrier += bytes([sample["tx_data"]])
            errors.append(sample["tx_er"])
        elif carrier:
            assert carrier[:8] == PREAMBLE
            found.append((start, carrier[8:], errors.index(1) - 8 if 1 in errors else None))
            carrier, errors = b"", []
    return found


def valid(octets):
    return zlib.crc32(octets[:-4]).to_bytes(4, "little") == octets[-4:]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_frame_leaves_whole_and_on_time(dut):
    """P6: taken in S, on the pins from S + 1 on; what is reported, and when."""
    await reset(dut)
    one = frame(64, lane=5, orders=3, reservations=3, base=200, stamp=READY - 4)
    record = await run(dut, {READY: [one]}, cycles=READY + 100)
    assert frames(record) == [(READY + 1, one.octets, None)]
    last = READY + 8 + 64
    assert [cycle for cycle, sample in enumerate(record) if sample["take"]] == [READY]
    assert [cycle for cycle, sample in enumerate(record) if sample["fetch"]] == list(range(READY + 5, READY + 69))
    assert [cycle for cycle, sample in enumerate(record) if sample["started"]] == [READY + 1]
    assert [cycle for cycle, sample in enumerate(record) if sample["finished"]] == [last]
    assert [cycle for cycle, sample in enumerate(record) if sample["outcome_valid"]] == [last]
    assert record[last]["outcome"] == one.outcome(SENT)
    assert [record[READY + 1][name] for name in ("dwell", "gap", "length")] == [5, 65535, 64]
    assert [cycle for cycle, sample in enumerate(record) if not sample["busy"]] == [
        *range(12, READY),
        *range(last + 12, READY + 100),
    ]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def frames_follow_each_other_after_12_idle_cycles(dut):
    """P7: the first preamble octet shows 13 cycles after the predecessor's last octet, no later."""
    await reset(dut)
    queued = [frame(size, lane=size % 8, stamp=READY - 4) for size in (64, 65, 100, 1518, 64)]
    record = await run(dut, {READY: queued}, cycles=READY + 2000)
    begin, starts = READY + 1, []
    for one in queued:
        starts.append((begin, one.octets, None))
        begin += 8 + len(one.octets) - 1 + 13
    assert frames(record) == starts
    assert [sample["gap"] for sample in record if sample["started"]] == [65535, 13, 13, 13, 13]
    assert [sample["dwell"] for sample in record if sample["started"]] == [5 + s[0] - READY - 1 for s in starts]
    assert [sample["length"] for sample in record if sample["started"]] == [64, 65, 100, 1518, 64]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(idle=[12, 13, 500, 65533, 65534, 65535, 1 << 40])
async def the_gap_is_measured_in_time(dut, idle):
    """`now` may jump while nothing leaves: the gap counts what it jumped over, and saturates."""
    await reset(dut)
    last = READY + 8 + 64
    second = last + min(idle, 300)
    jump = idle - min(idle, 300)
    record = await run(
        dut,
        {READY: [frame()], second: [frame()]},
        cycles=second + 100,
        now=lambda cycle: 7 + cycle + (jump if cycle > last + 100 else 0),
    )
    assert [sample["gap"] for sample in record if sample["started"]] == [65535, min(idle + 1, 65535)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(size=[64, 77])
async def p1_p3_a_kill_in_every_cycle_of_a_frame(dut, size):
    """P1, P3: wherever it comes, the frame ends spoilt unless its last octet was already loaded; it keeps its length.

    A kill edge in cycle k shows in ``killed`` in k + 1.
    """
    await reset(dut)
    one = frame(size, lane=6)
    last = READY + 8 + size
    for edge in range(READY - 5, last + 3):
        record = await run(dut, {READY: [one]}, cycles=last + 20, killed={edge + 1: 0x40})
        found = frames(record)
        said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
        if edge < READY:
            assert (found, said) == ([], [one.outcome(DISCARDED)]), f"{edge=}"
        elif edge + 2 > last:
            assert (found, said) == ([(READY + 1, one.octets, None)], [one.outcome(SENT)]), f"{edge=}"
        else:
            ((start, octets, error),) = found
            assert (start, len(octets), error) == (READY + 1, size, edge + 2 - READY - 9), f"{edge=}"
            assert octets[:-4] == one.octets[:-4]
            assert not valid(octets)
            upright = min(max(edge + 2 - (last - 3), 0), 4)  # octets of the FCS that had left before
            expected = one.octets[-4:][:upright] + bytes(octet ^ 0xFF for octet in one.octets[-4:][upright:])
            assert octets[-4:] == expected, f"{edge=}"
            assert said == [one.outcome(ABORTED)]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_arm_does_not_end_an_abort(dut):
    """P9: the lane is killed for a single cycle; the rest of the frame stays spoilt."""
    await reset(dut)
    one = frame(100, lane=2)
    killed = {READY + 20: 4, READY + 21: 0}
    record = await run(dut, {READY: [one]}, cycles=READY + 150, killed=killed)
    ((_, octets, error),) = frames(record)
    assert error == READY + 21 - READY - 9
    assert octets[-4:] == bytes(octet ^ 0xFF for octet in one.octets[-4:])
    assert all(sample["tx_er"] for sample in record[READY + 21 : READY + 109])


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_mark_stops_what_the_descriptor_denies(dut):
    """P1: an octet marked as an order's, anywhere, aborts a frame of a killed lane that claims to have no orders."""
    await reset(dut)
    for number in [0, 1, 30, 60, 61, 62, 63]:
        one = frame(64, lane=1, orders=0, marks=frozenset([number]))
        record = await run(dut, {READY: [one]}, cycles=READY + 120, killed={0: 0x02})
        ((_, octets, error),) = frames(record)
        assert error == number
        assert not valid(octets)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def what_holds_no_order_passes_a_killed_lane(dut):
    """Cancels, and frames of no lane (ARP): neither kill nor arm touches them."""
    await reset(dut)
    queued = [frame(64, lane=3, orders=0), frame(64, lane=8, orders=0)]
    record = await run(dut, {READY: queued}, cycles=READY + 300, killed={0: 0xFF})
    assert [octets for _, octets, _ in frames(record)] == [one.octets for one in queued]
    assert not any(sample["tx_er"] for sample in record)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_doubt_stops_a_frame(dut):
    """P4: orders or marks in a frame of no lane, and a head too short to be a frame."""
    await reset(dut)
    short = Frame(bytes(63), orders=0)
    marked = frame(64, lane=15, orders=0, marks=frozenset([50]))
    queued = [frame(64, lane=8), frame(64, lane=12), short, marked]
    record = await run(dut, {READY: queued}, cycles=READY + 200)
    said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
    assert said == [*(one.outcome(DISCARDED) for one in queued[:3]), marked.outcome(ABORTED)]
    assert len(frames(record)) == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p7_a_killed_lane_makes_no_other_later(dut):
    """P7: heads are discarded one a cycle behind the frame that leaves, which is untouched; the next leaves on time."""
    await reset(dut)
    first, last = frame(80, 1, lane=0), frame(90, 2, lane=1)
    killed = [frame(100, number, lane=7, base=number) for number in range(20)]
    record = await run(dut, {READY: [first, *killed, last]}, cycles=READY + 300, killed={READY + 30: 0x80})
    end = READY + 8 + 80
    assert frames(record) == [(READY + 1, first.octets, None), (end + 13, last.octets, None)]
    skips = [cycle for cycle, sample in enumerate(record) if sample["skip"]]
    assert skips == list(range(READY + 30, READY + 50))

    # The cycle that loads the last octet has an outcome of its own; 20 discards last longer than the gap.
    record = await run(dut, {READY: [first, *killed, last]}, cycles=READY + 300, killed={end - 5: 0x80})
    assert frames(record) == [(READY + 1, first.octets, None), (end + 17, last.octets, None)]
    skips = [cycle for cycle, sample in enumerate(record) if sample["skip"]]
    assert skips == [*range(end - 5, end - 1), *range(end, end + 16)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def p4_a_reset_cuts_the_frame(dut):
    """P4: in any cycle; the pins fall silent, nothing is reported, and the next frame leaves whole after a full gap."""
    await reset(dut)
    one, other = frame(64, 1), frame(64, 2)
    for cut in range(READY, READY + 74):
        record = await run(dut, {READY: [one], cut + 1: [other]}, cycles=cut + 110, resets=[cut])
        assert not any(sample["tx_en"] for sample in record[cut + 1 : cut + 14])
        assert [cycle for cycle, sample in enumerate(record[cut + 1 :]) if sample["take"]] == [12]
        said = [sample["outcome"] for sample in record[cut + 1 :] if sample["outcome_valid"]]
        assert said == [other.outcome(SENT)]
        assert frames(record[cut + 1 :]) == [(13, other.octets, None)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(load=[0.6, 2.0])
async def random_traffic_is_as_the_model_says(dut, load):
    """Every cycle of the pins and every outcome: all lanes, any kill and any arm, at several loads."""
    await reset(dut)
    arrivals, killed, cycle = {}, {}, 0
    for _ in range(120):
        size = random.choice([64, 64, 65, random.randrange(64, 200)])
        orders = random.choice([0, 1, 1, random.randrange(128)])
        one = frame(
            size,
            random.random(),
            lane=random.choice([*range(9), random.randrange(16)]),
            orders=orders,
            marks=frozenset(random.sample(range(size), random.choice([0, 0, 0, 1, 5]))),
            reservations=random.randrange(32),
            base=random.randrange(256),
            stamp=random.randrange(65536),
        )
        arrivals.setdefault(cycle, []).append(one)
        cycle += int(random.expovariate(load / (size + 20)))
        if random.random() < 0.3:
            killed[cycle + random.randrange(100)] = random.choice([0, 0, 0xFF, random.randrange(256)])
    cycles = cycle + 1000
    record = await run(dut, arrivals, cycles=cycles, killed=killed)
    expected = model(arrivals, cycles=cycles, killed=killed)
    compare(record, expected)
    kinds = {outcome & 3 for outcome in expected[1] if outcome is not None}
    assert kinds == {SENT, DISCARDED, ABORTED}

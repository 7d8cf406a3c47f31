"""Bench of `hdl.filter.gate`: every cycle of the pins against a model in plain Python, and the promises one by one.

The bench is the frame buffer, the queue and the source of RSTs: it answers ``fetch`` three cycles later and shows the
next head in the cycle after ``head_pop``.
"""

import dataclasses
import random
import zlib

import cocotb

from hdl.filter.gate import Descriptor, Head, Outcome, OutcomeKind, Rest
from hdl.filter.marks import PAYLOAD, Mark, Past
from hdl.filter.reset import RESET_OCTETS
from sim.play import play, reset

PINS = ("tx_data", "tx_en", "tx_er")
STROBES = (
    "take", "skip", "head_pop", "fetch", "started", "measured", "finished", "outcome_valid", "busy", "reset_begin",
)  # fmt: skip
PAST = ("past_lane", "past_position", "past_octet", "past")
OUTPUTS = (*PINS, *STROBES, "dwell", "gap", "length", "outcome", "epochs", "reset_lane", "past_valid", *PAST)
RIGHT_FROM = {"stops": 6, "check_some": 8, "check_all": 8, "stamp": 8}  # cycles behind `take`; others: 7
PREAMBLE = b"\x55" * 7 + b"\xd5"
SENT, DISCARDED, ABORTED, STALE = (kind.value for kind in OutcomeKind)
OF_REST = ("advance", "finished", "slot")
READY = 20  # cycles: the gap after reset is over


@dataclasses.dataclass
class Frame:
    octets: bytes  # of an RST, what its source gives; the last four do not count
    lane: int = 0
    orders: int = 0
    marks: dict = dataclasses.field(default_factory=dict)  # by the number of the octet; OTHER where there is none
    stamp: int = 0
    tcp: int = 0
    reset: int = 0
    all: int = 0
    rewritable: int = 0
    live: int = 0
    cut: int = 0
    stops: int = 0
    check_some: int = 0
    check_all: int = 0
    position: int = 0
    advance: int = 0
    epoch: int = 0
    finished: int = 0
    slot: int = 0

    @property
    def streamed(self):
        return int(self.tcp and not self.reset)

    def packed(self):
        fields = {name: getattr(self, name) for name in Descriptor.members if name != "length"}
        orders = self.cut or (self.live and not self.rewritable and not self.all)
        stoppable = orders and not self.reset
        mine = 1 << (self.lane & 7)
        ready = {"mine": mine, "barred": mine if stoppable else 0, "streamed": self.streamed}
        ready["session"] = mine if self.tcp else 0
        unfit = len(self.octets) < 64 or (orders and self.lane > 7)
        return pack(Head, length=len(self.octets), unfit=unfit, **fields, **ready)

    def rest(self, **noise):
        return pack(Rest, **{**{name: getattr(self, name) for name in Rest.members}, **noise})

    def outcome(self, kind, *, forced=0):
        """Of a frame that never began the last fields mean nothing: they count as 0, as in `said`."""
        taken = kind in (SENT, ABORTED)
        fields = {name: getattr(self, name) for name in Outcome.members if name not in ("kind", "all", *OF_REST)}
        rest = {name: getattr(self, name) * taken for name in OF_REST}
        return pack(Outcome, kind=kind, all=forced, **fields, **rest)

    def closed(self, killed):
        return not self.reset and (self.lane > 7 or bool(killed >> self.lane & 1))

    def leave(self, every):
        """What leaves, with every order overwritten or not: the octets, the numbers of those of orders let go, and the
        history's (position, octet, past) by the number of the octet."""
        sent, let_go, past, runs, body = bytearray(self.octets), set(), {}, 0, len(self.octets) - 4
        if self.reset:
            return bytes(sent[:body]) + crc(sent[:body]), let_go, past
        altered, check = False, self.check_all if every else self.check_some
        for number, octet in enumerate(self.octets):
            mark, inside = self.marks.get(number, Mark.OTHER), number < body
            first = mark == Mark.ORDER and self.marks.get(number - 1) != Mark.ORDER
            runs += first
            over = mark in (Mark.TYPE, Mark.BODY)
            if mark == Mark.ORDER:
                over = every or bool(self.stops >> min(runs - 1, 31) & 1)
            if inside and mark in (Mark.CHECK_HIGH, Mark.CHECK_LOW):
                sent[number] = check >> 8 if mark == Mark.CHECK_HIGH else check & 0xFF
            if inside and over:
                sent[number] = ord("+") if first or mark == Mark.TYPE else ord(" ")
                altered = True
            if mark == Mark.OLD_ORDER or (mark == Mark.ORDER and not (over and inside)):
                let_go.add(number)
            if mark in PAYLOAD:
                what = Past.PLAIN
                if number in let_go:
                    what = Past.ORDER
                elif over and inside:
                    what = Past.TYPE if first or mark == Mark.TYPE else Past.BODY
                past[number] = ((self.position + len(past)) % 2048, octet, what.value)
        if altered:
            sent[body:] = crc(sent[:body])
        return bytes(sent), let_go, past if self.tcp else {}


def pack(layout, **fields):
    return sum(value << layout[name].offset for name, value in fields.items())


def crc(octets):
    return zlib.crc32(octets).to_bytes(4, "little")


def frame(size=64, seed=0, *, orders=1, **fields):
    octets = random.Random(f"{size} {seed}").randbytes(size - 4)
    return Frame(octets + crc(octets), **{"orders": orders, "live": int(orders > 0), **fields})


def marked(mark, *numbers):
    return dict.fromkeys(numbers, mark)


def at(changes, cycle, value=0):
    """The value of something that changes in the cycles of a dict."""
    return next((changes[when] for when in sorted(changes, reverse=True) if when <= cycle), value)


async def run(dut, arrivals, *, cycles, killed=None, renewed=None, resets=(), now=lambda cycle: cycle):
    """Let frames arrive, {cycle: frames}; `killed`: {cycle: lanes from then on}, `renewed`: {cycle: (lanes, accepted)}.

    Return the outputs of each cycle.
    """
    killed, renewed, waiting, fetched, left = killed or {}, renewed or {}, [], {}, []
    rng = random.Random(7)
    taken, since = None, 0

    def react(cycle, sample):
        nonlocal left, taken, since
        if sample["head_pop"]:
            head = waiting.pop(0)
            if sample["take"]:
                taken, since = head, cycle
                source = "reset_octet" if head.reset else "octet"
                marks = (head.marks.get(number, Mark.OTHER) for number in range(len(head.octets)))
                left = [{source: octet, "mark": mark.value} for octet, mark in zip(head.octets, marks, strict=True)]
                if head.reset:
                    left = [{source: octet} for octet in head.octets]
        if sample["fetch"]:
            fetched[cycle + 3] = left.pop(0)
        return surroundings(cycle + 1)

    def surroundings(cycle):
        waiting.extend(arrivals.get(cycle, ()))
        noise = {"octet": rng.randrange(256), "mark": rng.randrange(8), "reset_octet": rng.randrange(256)}
        rest = rng.getrandbits(Rest.size)
        if taken:
            early = (name for name in Rest.members if cycle < since + RIGHT_FROM.get(name, 7))
            rest = taken.rest(**{name: rng.getrandbits(Rest[name].width) for name in early})
        renew, accepted = renewed.get(cycle, (0, rng.getrandbits(8)))
        return {
            "rest": rest,
            "head_valid": int(bool(waiting)),
            "head": waiting[0].packed() if waiting else rng.getrandbits(Head.size),
            "killing": at(killed, cycle + 1),
            "renew": renew,
            "accepted": accepted,
            **noise,
            **fetched.pop(cycle, {}),
        }

    rows = [{"now": now(cycle), "rst": int(cycle in resets)} for cycle in range(cycles)]
    rows[0].update(surroundings(0))
    record = await play(dut, rows, OUTPUTS, react)
    for sample in record:
        if sample["outcome"] & 3 in (DISCARDED, STALE):  # the rest is another frame's
            sample["outcome"] &= (1 << Outcome[OF_REST[0]].offset) - 1
    return record


def model(arrivals, *, cycles, killed=None, renewed=None, epochs=0):
    """What must happen, from the contract: the pins, the outcome, the history's and the epochs of each cycle.

    No reset; `now` counts cycles.
    """
    killed, renewed, waiting, free = killed or {}, renewed or {}, [], 12
    pins, outcomes, pasts = [(0, 0, 0)] * (cycles + 1), [None] * (cycles + 1), [None] * (cycles + 1)
    shown = []
    leaving, variant, start, caught, ordered, forced = None, None, 0, False, False, False
    for cycle in range(cycles):
        shown.append(epochs)
        waiting += arrivals.get(cycle, ())
        lanes, ending, fallen, abort = at(killed, cycle), False, 0, False
        if leaving is not None:
            octets, let_go, past = variant
            number = cycle - start - 8
            caught |= leaving.closed(lanes)
            ordered |= number in let_go
            abort = caught and ordered
            value = PREAMBLE[number + 8] if number < 0 else octets[number]
            if abort and number >= len(octets) - 4:
                value = crc(octets[:-4])[number - len(octets)] ^ 0xFF
            pins[cycle + 1] = (value, 1, int(abort))
            if number in past:
                pasts[cycle] = (leaving.lane & 7, *past[number])
            ending = number == len(octets) - 1
        if waiting:
            head = waiting[0]
            stale = head.tcp and not head.reset and head.epoch != epochs >> (head.lane & 7) & 1
            barred = head.cut or (head.live and not head.all and not head.rewritable)
            dead = (head.closed(lanes) and barred) or len(head.octets) < 64
            held = leaving is not None and not stale and head.tcp and leaving.tcp and not (head.lane ^ leaving.lane) & 7
            if stale or dead:
                if not ending and not held:
                    outcomes[cycle + 1] = waiting.pop(0).outcome(STALE if stale else DISCARDED)
                    fallen = head.tcp and not head.reset and not stale and 1 << head.lane
            elif leaving is None and cycle >= free:
                leaving, start, caught = waiting.pop(0), cycle, False
                forced = head.closed(lanes) and bool(head.live and head.rewritable) and not head.all
                ordered = bool((head.orders or head.live) and not head.all and not forced and not head.reset)
                variant = head.leave(head.all or forced)
                pins[cycle + 1] = (0x55, 1, 0)
        if ending:
            outcomes[cycle + 1] = leaving.outcome(ABORTED if abort else SENT, forced=forced)
            if abort and leaving.tcp and leaving.epoch == epochs >> (leaving.lane & 7) & 1:
                fallen = 1 << leaving.lane
            leaving, free = None, cycle + 13
        renew, accepted = renewed.get(cycle, (0, 0))
        epochs = (epochs ^ fallen) & 0xFF & ~renew | ~accepted & renew
    return pins[:cycles], outcomes[:cycles], pasts[:cycles], shown


def compare(record, expected):
    """Compare a record with the model, cycle by cycle."""
    for cycle, (sample, pins, outcome, past, epochs) in enumerate(zip(record, *expected, strict=True)):
        shown = tuple(sample[pin] for pin in PINS)
        assert (shown if sample["tx_en"] else (0, *shown[1:])) == pins, f"{cycle=}"  # without tx_en, data means nothing
        assert (sample["outcome"] if sample["outcome_valid"] else None) == outcome, f"{cycle=}"
        assert (tuple(sample[name] for name in PAST) if sample["past_valid"] else None) == past, f"{cycle=}"
        assert sample["epochs"] == epochs, f"{cycle=}"


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
    return crc(octets[:-4]) == octets[-4:]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_frame_leaves_whole_and_on_time(dut):
    """P6: taken in S, on the pins from S + 1 on; what is reported, and when."""
    await reset(dut)
    one = frame(64, lane=5, stamp=READY - 4)
    record = await run(dut, {READY: [one]}, cycles=READY + 100)
    assert frames(record) == [(READY + 1, one.octets, None)]
    last = READY + 8 + 64
    assert [cycle for cycle, sample in enumerate(record) if sample["take"]] == [READY]
    assert [cycle for cycle, sample in enumerate(record) if sample["fetch"]] == list(range(READY + 4, READY + 68))
    assert [cycle for cycle, sample in enumerate(record) if sample["started"]] == [READY + 1]
    assert [cycle for cycle, sample in enumerate(record) if sample["measured"]] == [READY + 9]
    assert [cycle for cycle, sample in enumerate(record) if sample["finished"]] == [last]
    assert [cycle for cycle, sample in enumerate(record) if sample["outcome_valid"]] == [last]
    assert record[last]["outcome"] == one.outcome(SENT)
    assert [record[READY + 9][name] for name in ("dwell", "gap", "length")] == [5, 65535, 64]
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
    assert [sample["gap"] for sample in record if sample["measured"]] == [65535, 13, 13, 13, 13]
    assert [sample["dwell"] for sample in record if sample["measured"]] == [5 + s[0] - READY - 1 for s in starts]
    assert [sample["length"] for sample in record if sample["measured"]] == [64, 65, 100, 1518, 64]


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
    assert [sample["gap"] for sample in record if sample["measured"]] == [65535, min(idle + 1, 65535)]


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
        one = frame(64, lane=1, orders=0, marks=marked(Mark.ORDER, number))
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
    short = Frame(bytes(63))
    doubtful = frame(64, lane=15, orders=0, marks=marked(Mark.ORDER, 50))
    queued = [frame(64, lane=8), frame(64, lane=12), short, doubtful]
    record = await run(dut, {READY: queued}, cycles=READY + 200)
    said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
    assert said == [*(one.outcome(DISCARDED) for one in queued[:3]), doubtful.outcome(ABORTED)]
    assert len(frames(record)) == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p7_a_killed_lane_makes_no_other_later(dut):
    """P7: heads are discarded one a cycle behind the frame that leaves, which is untouched; the next leaves on time."""
    await reset(dut)
    first, last = frame(80, 1, lane=0), frame(90, 2, lane=1)
    killed = [frame(100, number, lane=7) for number in range(20)]
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
    """P4: in any cycle; the pins fall silent, nothing is reported, and the next frame leaves whole after a full gap.

    In the cycle behind a reset every lane is killed.
    """
    await reset(dut)
    one, early, other = frame(64, 1), frame(64, 3), frame(64, 2)
    for cut in range(READY, READY + 74):
        record = await run(dut, {READY: [one], cut + 1: [early, other]}, cycles=cut + 110, resets=[cut])
        assert not any(sample["tx_en"] for sample in record[cut + 1 : cut + 14])
        assert [cycle for cycle, sample in enumerate(record[cut + 1 :]) if sample["take"]] == [12]
        said = [sample["outcome"] for sample in record[cut + 1 :] if sample["outcome_valid"]]
        assert said == [early.outcome(DISCARDED), other.outcome(SENT)]
        assert frames(record[cut + 1 :]) == [(13, other.octets, None)]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def what_is_marked_leaves_overwritten_with_a_right_fcs(dut):
    """Worked out by hand: runs 0 and 2 of three are stopped, and BODY and TYPE octets belong to an older one."""
    await reset(dut)
    body = bytearray(b"\x11" * 20 + b"\xab\xcd" + b"-" * 8 + b"12__UABC__UDE__UFGH..") + bytes(9)
    marks = marked(Mark.PLAIN, *range(30, 51)) | {20: Mark.CHECK_HIGH, 21: Mark.CHECK_LOW, 30: Mark.TYPE, 31: Mark.BODY}
    marks |= marked(Mark.ORDER, 34, 35, 36, 37, 40, 41, 42, 45, 46, 47, 48)
    one = Frame(bytes(body) + crc(body), marks=marks, tcp=1, stops=0b101, check_some=0x1234, check_all=0x5678)
    assert one.octets[34:38] == b"UABC"
    record = await run(dut, {READY: [one]}, cycles=READY + 100)
    left = b"\x11" * 20 + b"\x12\x34" + b"-" * 8 + b"+ __+   __UDE__+   .." + bytes(9)
    assert frames(record) == [(READY + 1, left + crc(left), None)]
    written = [tuple(sample[name] for name in PAST[1:]) for sample in record if sample["past_valid"]]
    assert [position for position, _, _ in written] == list(range(21))
    assert bytes(octet for _, octet, _ in written) == body[30:51]
    assert [past for _, _, past in written] == [int(past) for past in "320032220011100322200"]

    # The same frame on a killed lane, when all of it may be overwritten.
    one.rewritable, one.live = 1, 1
    record = await run(dut, {READY: [one]}, cycles=READY + 100, killed={0: 0x01})
    left = b"\x11" * 20 + b"\x56\x78" + b"-" * 8 + b"+ __+   __+  __+   .." + bytes(9)
    assert frames(record) == [(READY + 1, left + crc(left), None)]
    assert [sample["outcome"] for sample in record if sample["outcome_valid"]] == [one.outcome(SENT, forced=1)]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_last_bit_stands_for_every_order_from_31_on(dut):
    """P1: 40 orders of two octets; the last bit alone."""
    await reset(dut)
    marks = {4 * n + k: Mark.ORDER for n in range(40) for k in (0, 1)}
    one = frame(200, marks=marks, stops=1 << 31, tcp=1)
    record = await run(dut, {READY: [one]}, cycles=READY + 250)
    ((_, octets, _),) = frames(record)
    expected = bytearray(one.octets[:-4])
    for number in range(31, 40):
        expected[4 * number : 4 * number + 2] = b"+ "
    assert octets == expected + crc(expected)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def p1_a_kill_in_every_cycle_of_a_frame_that_may_be_overwritten(dut):
    """P1: killed when it begins, it leaves without its orders; later, with one let go, it is aborted as any other."""
    await reset(dut)
    one = frame(64, lane=6, tcp=1, orders=1, live=1, rewritable=1, marks=marked(Mark.ORDER, 40, 41, 42))
    rest = frame(64, lane=6, tcp=1, orders=0, stops=1, marks=one.marks)
    last = READY + 8 + 64
    for edge in range(READY - 5, last + 3):
        record = await run(dut, {READY: [one]}, cycles=last + 20, killed={edge + 1: 0x40, edge + 90: 0})
        ((start, octets, error),) = frames(record)
        said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
        assert start == READY + 1
        if edge < READY:
            assert octets == rest.leave(True)[0], f"{edge=}"
            assert (error, said) == (None, [one.outcome(SENT, forced=1)])
        elif edge + 2 > last:
            assert (octets, error, said) == (one.octets, None, [one.outcome(SENT)]), f"{edge=}"
        else:
            assert not valid(octets), f"{edge=}"
            assert (error, said) == (edge + 2 - READY - 9, [one.outcome(ABORTED)])
        one.epoch = rest.epoch = record[-1]["epochs"] >> 6
        # Its own orders were all stopped by its verdict: the kill finds nothing.
        record = await run(dut, {READY: [rest]}, cycles=last + 20, killed={edge + 1: 0x40})
        assert frames(record) == [(READY + 1, rest.leave(False)[0], None)], f"{edge=}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p1_an_order_that_cannot_be_overwritten_is_not_let_go(dut):
    """P1: what began in an earlier frame, a part without end, a mark on the FCS; by descriptor or octets."""
    await reset(dut)
    for fields in (
        {"orders": 0, "live": 1},
        {"orders": 0, "cut": 1},
        {"orders": 0, "cut": 1, "all": 1},
        {"orders": 0, "cut": 1, "rewritable": 1},
    ):
        one = frame(64, lane=3, tcp=1, **fields)
        record = await run(dut, {READY: [one]}, cycles=READY + 120, killed={READY: 0x08})
        assert frames(record) == [], fields
        await reset(dut)  # its epoch has flipped
    for fields, mark, number in (
        ({"orders": 1}, Mark.PLAIN, -7),
        ({}, Mark.OLD_ORDER, 50),
        ({"all": 1}, Mark.OLD_ORDER, 50),
        ({"rewritable": 1}, Mark.OLD_ORDER, 50),
        ({"rewritable": 1}, Mark.ORDER, 61),
        ({"all": 1}, Mark.ORDER, 60),
        ({"stops": 2}, Mark.ORDER, 30),
    ):
        one = frame(64, lane=3, tcp=1, **{"orders": 0, "live": 0, "marks": {number: mark}, **fields})
        record = await run(dut, {READY: [one]}, cycles=READY + 120, killed={READY: 0x08})
        ((_, octets, error),) = frames(record)
        assert error == number, fields
        assert not valid(octets)
        await reset(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def what_follows_a_frame_that_did_not_leave_is_stale(dut):
    """A TCP frame of the lane behind an aborted or discarded one is discarded too, until one of the new epoch comes."""
    await reset(dut)
    first = frame(64, 1, lane=2, tcp=1)
    behind = [frame(64, 2, lane=2, tcp=1, orders=0), frame(64, 3, lane=2, tcp=1, rewritable=1)]
    other, new = frame(64, 4, lane=3, tcp=1), frame(64, 5, lane=2, tcp=1, epoch=1)
    record = await run(
        dut, {READY: [first, *behind, other, new]}, cycles=READY + 400, killed={READY + 30: 4, READY + 31: 0}
    )
    said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
    assert said == [
        first.outcome(ABORTED),
        *(one.outcome(STALE) for one in behind),
        other.outcome(SENT),
        new.outcome(SENT),
    ]
    assert [octets for _, octets, _ in frames(record)][1:] == [other.octets, new.octets]
    last = READY + 8 + 64
    assert [cycle for cycle, sample in enumerate(record) if sample["skip"]] == [last, last + 1]
    assert record[-1]["epochs"] == 4

    # Now by a discard; and behind a new session's begin, which makes another epoch than the frames' up to then.
    first.epoch, behind[0].epoch = 1, 1
    record = await run(
        dut,
        {READY: [first, behind[0]], READY + 50: [behind[1]], READY + 190: [behind[1]]},
        cycles=READY + 300,
        killed={0: 4, READY + 1: 0},
        renewed={READY + 170: (0x80, 0x80), READY + 175: (0x80, 0x7F), READY + 180: (0x04, 0x00)},
    )
    said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
    assert said == [one.outcome(kind) for one, kind in zip([first, *behind, behind[1]], (1, 3, 0, 3), strict=True)]
    assert record[-1]["epochs"] == 0x84


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_head_is_not_discarded_while_a_frame_of_its_session_leaves(dut):
    """The frame that leaves holds no order, and arrives: its octets count as sent before the next is rolled back."""
    await reset(dut)
    first, second = frame(64, 1, lane=5, tcp=1, orders=0), frame(64, 2, lane=5, tcp=1)
    record = await run(dut, {READY: [first, second]}, cycles=READY + 200, killed={READY + 30: 0x20})
    said = [(cycle, sample["outcome"]) for cycle, sample in enumerate(record) if sample["outcome_valid"]]
    last = READY + 8 + 64
    assert said == [(last, first.outcome(SENT)), (last + 1, second.outcome(DISCARDED))]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_rst_leaves_whatever_is_killed(dut):
    """Its octets come from their own source, the FCS is the gate's; neither kill nor epoch stops it."""
    await reset(dut)
    one = frame(66, 1, lane=4, tcp=1, reset=1, epoch=1, marks=marked(Mark.ORDER, *range(66)), cut=1, live=1, stops=1)
    two = frame(66, 2, lane=4, tcp=1)
    record = await run(dut, {READY: [one, two]}, cycles=READY + 300, killed={READY - 5: 0x10, READY + 100: 0})
    assert frames(record) == [(READY + 1, one.octets, None)]
    assert [cycle for cycle, sample in enumerate(record) if sample["reset_begin"]] == [READY + 1]
    assert record[READY + 1]["reset_lane"] == record[READY + 70]["reset_lane"] == 4
    said = [sample["outcome"] for sample in record if sample["outcome_valid"]]
    assert said == [one.outcome(SENT), two.outcome(DISCARDED)]
    assert not any(sample["past_valid"] for sample in record)


def marks_of_a_segment(size):
    """Marks as they may come, and some that may not."""
    marks, number = {}, random.randrange(4, 40)
    if random.random() < 0.8:
        marks = {number: Mark.CHECK_HIGH, number + 1: Mark.CHECK_LOW}
    number += random.randrange(4, 20)
    while number < size - 4:
        run = random.choice([1, 2, 3, 10])
        mark = random.choice([Mark.PLAIN, Mark.ORDER, Mark.ORDER, random.choice(PAYLOAD)])
        marks |= marked(mark, *range(number, min(number + run, size - 4)))
        number += run
        marks |= marked(Mark.PLAIN, *range(number, min(number + 2, size - 4)))
        number += 2
    if random.random() < 0.05:
        marks[size - random.randrange(1, 5)] = random.choice(list(Mark))
    return marks


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(load=[0.6, 2.0])
async def random_traffic_is_as_the_model_says(dut, load):
    """Every cycle of pins, outcomes, history and epochs: all lanes, any kill and any arm, at several loads."""
    await reset(dut)
    arrivals, killed, renewed, cycle = {}, {}, {}, 0
    epochs = 0
    for _ in range(250):
        size = random.choice([64, 64, 65, random.randrange(64, 200)])
        tcp = random.random() < 0.6
        one = frame(
            size,
            random.random(),
            lane=random.choice([*range(9), random.randrange(16), 1, 1]),
            orders=random.choice([0, 1, 1]),
            marks=marked(Mark.ORDER, *random.sample(range(size), random.choice([0, 0, 0, 1, 5]))),
            stamp=random.randrange(65536),
        )
        if tcp:
            one.tcp, one.marks = 1, marks_of_a_segment(size)
            one.orders = random.choice([0, 0, 1, 1])  # not always as `live`
            one.epoch = epochs >> (one.lane & 7) & 1 ^ (random.random() < 0.1)
            for name, share in (("all", 0.2), ("rewritable", 0.5), ("live", 0.3), ("cut", 0.1), ("reset", 0.1)):
                setattr(one, name, int(random.random() < share))
            for name in Rest.members:
                setattr(one, name, random.getrandbits(Rest[name].width))
            if one.reset:
                one.octets, one.lane = random.randbytes(RESET_OCTETS), one.lane & 7  # an RST is of a lane
        arrivals.setdefault(cycle, []).append(one)
        cycle += int(random.expovariate(load / (size + 20)))
        if random.random() < 0.3:
            killed[cycle + random.randrange(100)] = random.choice([0, 0, 0xFF, random.randrange(256)])
        if random.random() < 0.05:
            renewed[cycle + random.randrange(100)] = random.randrange(256), random.randrange(256)
        if random.random() < 0.2:  # follow the gate, roughly
            epochs = model(arrivals, cycles=cycle + 1, killed=killed, renewed=renewed)[3][-1]
    cycles = cycle + 1000
    record = await run(dut, arrivals, cycles=cycles, killed=killed, renewed=renewed)
    expected = model(arrivals, cycles=cycles, killed=killed, renewed=renewed)
    compare(record, expected)
    kinds = {outcome & 3 for outcome in expected[1] if outcome is not None}
    assert kinds == {SENT, DISCARDED, ABORTED, STALE}

"""The return path: four cycles from pin to pin while nothing is sent in between; RSTs; frames that are stopped."""

import random
from dataclasses import dataclass, field
from itertools import pairwise
from zlib import crc32

import pytest

from hdl.filter.passage import Passage
from tests.cycles import simulate

IDLE = (0, 0, 0)
PREAMBLE = b"\x55" * 7 + b"\xd5"
GAP = 12


def test_everything_comes_out_four_cycles_later_as_it_was():
    passage = Passage()
    rng = random.Random(2)
    sent = [(rng.randrange(256), rng.random() < 0.5, rng.random() < 0.1) for _ in range(300)]

    async def bench(ctx):
        for cycle, (data, valid, error) in enumerate(sent):
            ctx.set(passage.rx_data, data)
            ctx.set(passage.rx_dv, valid)
            ctx.set(passage.rx_er, error)
            if cycle >= 4:
                out = (ctx.get(passage.tx_data), ctx.get(passage.tx_en), ctx.get(passage.tx_er))
                assert out == sent[cycle - 4]
                assert ctx.get(passage.active) == any(valid for _, valid, _ in sent[cycle - 4 : cycle + 1])
            await ctx.tick()

    simulate(passage, bench)


@dataclass
class Carrier:
    start: int
    octets: list = field(default_factory=list)  # with their errors

    @property
    def end(self):
        return self.start + len(self.octets)

    @property
    def data(self):
        return bytes(octet for octet, _ in self.octets)


def carriers(line):
    found, inside = [], False
    for cycle, (octet, valid, error) in enumerate(line):
        if valid and not inside:
            found.append(Carrier(cycle))
        if valid:
            found[-1].octets.append((octet, error))
        inside = valid
    return found


class Line:
    """What comes in, cycle by cycle; the RSTs that are asked for, and the octets that are spoilt, by cycle."""

    def __init__(self, rng):
        self.rng = rng
        self.symbols, self.requests, self.spoils = [], {}, set()

    def idle(self, cycles):
        self.symbols += [IDLE] * cycles

    def carrier(self, octets, errors=0.0):
        self.symbols += [(octet, 1, self.rng.random() < errors) for octet in octets]

    def frame(self, length=64):
        """A frame with its preamble and FCS, `length` octets long."""
        octets = self.rng.randbytes(length - 4)
        self.carrier(PREAMBLE + octets + crc32(octets).to_bytes(4, "little"))

    def request(self, cycle, lane):
        self.requests[cycle] = (lane, self.rng.getrandbits(32), self.rng.getrandbits(32))


def body(request):
    return random.Random(repr(request)).randbytes(62)


def run(line, settle=400):
    """Drive the line, then let it rest; return what came out, the RSTs in the order in which they began, and when."""
    passage = Passage()
    out, begun = [], []
    noise = random.Random(9)

    async def bench(ctx):
        octets, fetched = iter(()), [None] * 3
        for cycle, (data, valid, error) in enumerate(line.symbols + [IDLE] * settle):
            ctx.set(passage.rx_data, data)
            ctx.set(passage.rx_dv, valid)
            ctx.set(passage.rx_er, error)
            ctx.set(passage.spoil, cycle - 2 in line.spoils)
            request = line.requests.get(cycle)
            ctx.set(passage.request, request is not None)
            for name, value in zip(("lane", "sequence", "acknowledgment"), request or (0, 0, 0), strict=True):
                ctx.set(getattr(passage, name), value)
            out.append((ctx.get(passage.tx_data), ctx.get(passage.tx_en), ctx.get(passage.tx_er)))
            if ctx.get(passage.begin):
                names = ("reset_lane", "reset_sequence", "reset_acknowledgment")
                begun.append((cycle, tuple(ctx.get(getattr(passage, name)) for name in names)))
                octets = iter(body(begun[-1][1]))
            fetched.append(next(octets) if ctx.get(passage.fetch) else None)
            octet = fetched.pop(0)
            ctx.set(passage.octet, noise.randrange(256) if octet is None else octet)
            await ctx.tick()
        assert not ctx.get(passage.active)

    simulate(passage, bench)
    return out, begun


def check(line, settle=400):
    """Run the line, and compare with what the docstring promises. Returns the delay of each carrier, and the RSTs.

    A carrier never begins before it may. It begins then, but for the queue's own time, and for the rest of a gap that
    the queue may hold behind an RST.
    """
    out, begun = run(line, settle)
    came, left = carriers(line.symbols), carriers(out)
    resets = [request for _, request in begun]
    frames, sent = [PREAMBLE + body(request) for request in resets], []
    delays, waiting = [], list(came)
    before, own = None, False  # what left last, and whether it was an RST
    for carrier in left:
        frame = frames[len(sent)] if len(sent) < len(frames) else None
        if frame and carrier.data == frame + crc32(frame[8:]).to_bytes(4, "little"):
            assert not any(error for _, error in carrier.octets)
            assert before is None or carrier.start - before.end >= GAP
            sent.append(carrier)
            before, own = carrier, True
            continue
        origin = waiting.pop(0)
        assert carrier.octets == origin.octets
        number = len(came) - len(waiting) - 1
        between = GAP if own or not number else min(GAP, origin.start - came[number - 1].end)
        earliest = max(origin.start + 4, before.end + between if before else 0)
        slack = 4 + (GAP if own else 0) if earliest > origin.start + 4 or (delays and delays[-1] > 4) else 0
        assert earliest <= carrier.start <= earliest + slack
        delays.append(carrier.start - origin.start)
        before, own = carrier, False
    assert not waiting
    assert len(sent) == len(resets)
    return delays, resets, sent


def test_an_rst_goes_into_the_next_gap_whenever_it_is_asked_for():
    """From long before two carriers that are 12 cycles apart to behind them; 7 cycles later, or after 12 cycles of gap.

    The carriers have errors, and no start delimiter but by chance.
    """
    rng = random.Random(4)
    line = Line(rng)
    asked = []
    for offset in range(160):
        line.idle(220)
        start = len(line.symbols)
        line.carrier(rng.randbytes(20), 0.1)
        line.idle(GAP)
        line.carrier(rng.randbytes(30), 0.1)
        line.request(start - 100 + offset, offset % 8)
        asked.append(start - 100 + offset)
    delays, resets, sent = check(line)
    assert resets == list(line.requests.values())
    assert delays.count(4) > 100
    spans = [(carrier.start + 4, carrier.end + 4) for carrier in carriers(line.symbols)]
    for cycle, reset in zip(asked, sent, strict=True):
        ends = [end for start, end in spans if start <= cycle + 7]
        assert reset.start <= max([cycle + 7, *(end + GAP for end in ends)])


def test_a_second_rst_is_asked_for_in_every_cycle_in_which_the_queue_runs_empty():
    """What waited for the first one has left or not, to the last idle cycle of its gap; the next carrier follows."""
    rng = random.Random(10)
    line = Line(rng)
    for offset in range(200):
        start = len(line.symbols)
        line.request(start + 5, 1)
        line.request(start + 60 + offset, 2)
        line.idle(20)
        line.carrier(rng.randbytes(rng.choice([20, 21])))
        line.idle(500)
        line.carrier(rng.randbytes(30))
        line.idle(300)
    delays, resets, _ = check(line)
    assert resets == [line.requests[cycle] for cycle in sorted(line.requests)]
    assert delays[1::2].count(4) == 200


def test_random_traffic_keeps_its_order_its_octets_and_its_gaps():
    """Carriers of 1 to 200 octets; gaps of 1 cycle and up; RSTs at any time, several in a row."""
    rng = random.Random(5)
    line = Line(rng)
    for number in range(400):
        if number % 40 == 0:
            line.idle(1500)
        line.carrier(rng.randbytes(rng.choice([1, 2, rng.randrange(3, 200)])), rng.choice([0, 0, 0.1]))
        line.idle(rng.choice([1, 12, 12, 13, 14, rng.randrange(1, 30), rng.randrange(1, 300)]))
    cycle = 0
    while (cycle := cycle + rng.choice([1, 7, 90, rng.randrange(1, 3000)])) < len(line.symbols):
        line.request(cycle, rng.randrange(8))
    delays, resets, _ = check(line, 3000)
    assert len(resets) > 50
    assert set(resets) <= set(line.requests.values())
    assert max(delays) > 300
    assert delays.count(4) > 40


def test_at_line_rate_nothing_is_lost_and_gaps_bring_the_delay_down():
    """64 octets with gaps of 12 cycles; all lanes at once; each RST costs 86 cycles and the gap that it began in."""
    line = Line(random.Random(6))
    line.idle(20)
    for lane in range(8):
        line.request(30 + lane, lane)
    for _ in range(40):
        line.frame()
        line.idle(GAP)
    for _ in range(60):
        line.frame()
        line.idle(GAP + 20)
    delays, resets, sent = check(line)
    assert sorted(lane for lane, _, _ in resets) == list(range(8))
    assert all(later.start - earlier.end == GAP for earlier, later in pairwise(sent))
    assert 8 * 86 <= max(delays) <= 8 * 86 + 4 + 2 * GAP
    assert max(delays) == delays[30]
    assert delays[-1] == 4


def test_an_rst_waits_while_the_queue_has_no_room_for_what_comes_meanwhile():
    """At line rate the queue takes eleven of them; the next ones wait until the line has gaps."""
    line = Line(random.Random(7))
    for number in range(120):
        line.request(len(line.symbols) + 50, number % 8)
        line.frame()
        line.idle(GAP if number < 100 else GAP + 200)
    delays, resets, sent = check(line)
    early = [reset for reset in sent if reset.start < 100 * 84]
    assert len(early) == 11
    assert len(resets) == len(sent) > 18
    assert max(delays) < 2048  # a frame in the queue may see several go before it
    assert delays[-1] <= 4 + 86 + GAP


@pytest.mark.parametrize("late", [False, True])
def test_a_frame_that_is_spoilt_keeps_its_length_and_its_fcs_is_the_inverse_of_the_right_one(late):
    """From any octet on, straight through or out of the queue; the frames around it are left alone."""
    rng = random.Random(8)
    line = Line(rng)
    spoilt = {}
    for number in range(1, 90):
        if late:
            line.request(len(line.symbols) + 1, 0)
            line.idle(3)
        if number % 3 == 0:
            first = rng.randrange(8, 72 - 3) if number > 9 else 72 - number // 3
            spoilt[len(line.symbols)] = first
            line.spoils |= set(range(len(line.symbols) + first, len(line.symbols) + 72))
        line.frame(64)
        line.idle(300 if late else rng.choice([GAP, 1]))
    out, _ = run(line)
    left = [carrier for carrier in carriers(out) if len(carrier.octets) == 72]
    came = carriers(line.symbols)
    assert len(left) == len(came) == 89
    for origin, carrier in zip(came, left, strict=True):
        assert (carrier.start - origin.start == 4) != late
        first = spoilt.get(origin.start, 72)
        assert carrier.octets[:first] == origin.octets[:first]
        assert all(error for _, error in carrier.octets[first:])
        right = crc32(carrier.data[8:-4])
        fcs = int.from_bytes(carrier.data[-4:], "little")
        if first == 72:
            assert fcs == right
        elif first <= 68:
            assert fcs == right ^ 0xFFFFFFFF
        else:
            assert fcs != right

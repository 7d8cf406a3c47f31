"""The checksums of a rewritten frame, with Scapy's as the witness."""

import random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from hdl.filter.marks import Mark
from hdl.filter.rewrite import Rewrite
from tests.cycles import simulate

TCP_AT = 34  # octet of the frame
CHECK_AT = TCP_AT + 16
OVER = {Mark.TYPE: ord("+"), Mark.BODY: ord(" ")}


def segment(payload, options=b"", check=None):
    """A frame with an FCS of zeros; without `check` Scapy gives the checksum."""
    fields = {"dataofs": 5 + len(options) // 4, "chksum": check}
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.1.1")
    return bytes(frame / TCP(sport=40000, dport=26400, flags="PA", **fields) / (options + payload)) + bytes(4)


def checksum_of(octets):
    """The checksum that Scapy gives the segment in a frame of `segment`."""
    packet = IP(octets[14:-4])
    del packet[TCP].chksum
    return IP(bytes(packet))[TCP].chksum


def same(one, other):
    """Tell whether two checksums are the same number in ones' complement, which has two zeros."""
    return one % 0xFFFF == other % 0xFFFF


def draw(rng):
    """Draw a payload: its marks, and the ends of its orders, None for one without."""
    marks, ends = [], []
    shortest = rng.random() < 0.2  # many orders of two octets
    for _ in range(rng.randrange(50 if shortest else 8)):
        if not shortest and rng.random() < 0.5:
            marks += [rng.choice([Mark.PLAIN, Mark.OLD_ORDER, Mark.BODY, Mark.TYPE])] * rng.randrange(1, 30)
        marks += [Mark.PLAIN] * 2  # the length of a packet
        if shortest or rng.random() < 0.6:
            marks += [Mark.ORDER] * (2 if shortest else rng.randrange(2, 60))
            ends.append(len(marks) - 1)
    if ends and ends[-1] == len(marks) - 1 and rng.random() < 0.4:
        ends[-1] = None
    return marks, ends


async def receive(ctx, rewrite, octets, marks, judgements, *, pause, before=Mark.OTHER):
    """Feed one frame as the receiver would; `judgements` are {cycle: stop}. Return what holds at its end.

    `before` is the mark of the last octet of the frame before, if that has come in the cycle before the two of a gap.
    """
    found = {}
    for cycle in range(len(octets) + 2 + pause):
        inside = cycle < len(octets)
        ctx.set(rewrite.octet, octets[cycle] if inside else 0xA5)
        ctx.set(rewrite.valid, inside)
        ctx.set(rewrite.start, cycle == 0)
        of_octet = marks[cycle - 3] if 3 <= cycle < len(octets) + 3 else Mark.ORDER
        ctx.set(rewrite.mark, before if cycle < 1 else of_octet)
        ctx.set(rewrite.judged, cycle in judgements)
        ctx.set(rewrite.stop, judgements.get(cycle, False))
        at_end = ("live", "old") if cycle == len(octets) else ()
        behind = ("check_some", "check_all", "stops") if cycle == len(octets) + 1 else ()
        found |= {name: ctx.get(getattr(rewrite, name)) for name in (*at_end, *behind)}
        await ctx.tick()
    return found


def overwritten(octets, marks, stops, *, every):
    """The frame as it leaves but for its checksum, and whether octets of an order leave as they came."""
    sent, run, live = bytearray(octets), -1, False
    for number, mark in enumerate(marks):
        if mark == Mark.ORDER:
            first = marks[number - 1] != Mark.ORDER
            run += first
            if every or stops[run]:
                sent[number] = OVER[Mark.TYPE if first else Mark.BODY]
            else:
                live = True
        elif mark in OVER:
            sent[number] = OVER[mark]
        live |= mark == Mark.OLD_ORDER
    return bytes(sent), live


def test_both_checksums_are_those_of_the_overwritten_segment():
    """Any marks and lengths, what is unfinished, and orders from 31 on."""
    rewrite, rng = Rewrite(), random.Random(4)
    seen = set()

    async def bench(ctx):
        for _ in range(250):
            of_payload, ends = draw(rng)
            options = bytes(4 * rng.randrange(3))
            octets = segment(rng.choice([rng.randbytes(len(of_payload)), bytes(len(of_payload))]), options)
            begin = TCP_AT + 20 + len(options)
            marks = [Mark.OTHER] * begin + of_payload + [Mark.OTHER] * 4
            marks[CHECK_AT : CHECK_AT + 2] = Mark.CHECK_HIGH, Mark.CHECK_LOW
            stops = [number >= 31 or rng.random() < 0.5 for number in range(len(ends))]
            if ends and ends[-1] is None:
                stops[-1] = len(ends) > 32
            judgements = {begin + end + 4: stop for end, stop in zip(ends, stops, strict=True) if end is not None}
            got = await receive(ctx, rewrite, octets, marks, judgements, pause=rng.choice([0, 10]))

            some, live = overwritten(octets, marks, stops, every=False)
            every, _ = overwritten(octets, marks, stops, every=True)
            assert same(got["check_some"], checksum_of(some))
            assert same(got["check_all"], checksum_of(every))
            bits = 0
            for number, (end, stop) in enumerate(zip(ends, stops, strict=True)):
                bits |= (stop and end is not None) << min(number, 31)
            assert got["stops"] == bits
            if len(ends) <= 32 or ends[-1] is not None:  # an unfinished order behind the 31st may count as live
                assert got["live"] == live
            assert got["old"] == (Mark.OLD_ORDER in marks)
            seen.update({"live" if live else "dead", "odd" if len(of_payload) % 2 else "even", min(len(ends), 33)})

    simulate(rewrite, bench)
    assert {"live", "dead", "odd", "even", 0, 1, 33} <= seen


@pytest.mark.parametrize("check", [0x0000, 0x0001, 0x1234, 0xFFFE, 0xFFFF])
def test_the_checksum_of_a_frame_with_nothing_to_overwrite_stays_bit_by_bit(check):
    rewrite = Rewrite()
    octets = segment(b"\x00\x10UC" + bytes(20), check=check)
    marks = [Mark.OTHER] * (TCP_AT + 20) + [Mark.PLAIN] * 24 + [Mark.OTHER] * 4
    marks[CHECK_AT : CHECK_AT + 2] = Mark.CHECK_HIGH, Mark.CHECK_LOW

    async def bench(ctx):
        for _ in range(2):
            got = await receive(ctx, rewrite, octets, marks, {}, pause=0)
            assert got == {"check_some": check, "check_all": check, "stops": 0, "live": 0, "old": 0}

    simulate(rewrite, bench)


def test_checksums_worked_out_by_hand():
    """A payload 00 04 'U' 'O' 'A' 'B': its words 0004 554F 4142 become 0004 2B20 2020, which is 4B51 less (0x9695 to
    0x4B44); the checksum 1234 becomes 1234 + 4B51 = 5D85. Judged in the cycle before the frame's end."""
    rewrite = Rewrite()
    octets = segment(b"\x00\x04UOAB", check=0x1234)
    marks = [Mark.OTHER] * (TCP_AT + 20) + [Mark.PLAIN] * 2 + [Mark.ORDER] * 4 + [Mark.OTHER] * 4
    marks[CHECK_AT : CHECK_AT + 2] = Mark.CHECK_HIGH, Mark.CHECK_LOW

    async def bench(ctx):
        last = len(octets) - 1
        got = await receive(ctx, rewrite, octets, marks, {last: True}, pause=0)
        assert got == {"check_some": 0x5D85, "check_all": 0x5D85, "stops": 1, "live": 0, "old": 0}
        got = await receive(ctx, rewrite, octets, marks, {last: False}, pause=0)
        assert got == {"check_some": 0x1234, "check_all": 0x5D85, "stops": 0, "live": 1, "old": 0}
        got = await receive(ctx, rewrite, octets, marks, {}, pause=0)  # unfinished
        assert got == {"check_some": 0x1234, "check_all": 0x5D85, "stops": 0, "live": 1, "old": 0}

    simulate(rewrite, bench)


def test_a_frame_that_was_cut_counts_for_nothing_in_the_next():
    """It ends in any octet that is overwritten, and the next one follows as close as it can."""
    rewrite, rng = Rewrite(), random.Random(5)
    octets, quiet = segment(bytes(20)), [Mark.OTHER] * 78
    quiet[CHECK_AT : CHECK_AT + 2] = Mark.CHECK_HIGH, Mark.CHECK_LOW

    async def bench(ctx):
        for last in (Mark.CHECK_HIGH, Mark.TYPE, Mark.BODY, Mark.ORDER, Mark.OLD_ORDER):
            for length in (*range(1, 12), 40):
                await receive(ctx, rewrite, rng.randbytes(length), [Mark.BODY] * (length - 1) + [last], {}, pause=0)
                got = await receive(ctx, rewrite, octets, quiet, {}, pause=0, before=last)
                assert same(got["check_some"], checksum_of(octets)), (last, length)
                assert same(got["check_all"], checksum_of(octets)), (last, length)
                assert (got["stops"], got["live"], got["old"]) == (0, 0, 0), (last, length)

    simulate(rewrite, bench)

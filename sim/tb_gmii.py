"""Bench of `hdl.filter.gmii`: carriers on the pins, good and bad, against what Python's zlib says of them."""

import random
import zlib

import cocotb

from hdl.filter.gmii import GmiiRx
from sim.play import Packed, play, reset

OUTPUTS = Packed(GmiiRx()).fields
PREAMBLE = b"\x55" * 7 + b"\xd5"


def closed(octets):
    """`octets` with their FCS, low octet first."""
    return octets + zlib.crc32(octets).to_bytes(4, "little")


def body(size, rng):
    return closed(rng.randbytes(size - 4))


def pins(carriers, *, gap=12, noise=lambda: 0):
    """Rows for carriers, each (octets with preamble, numbers of those with er), and the cycle of each octet 0."""
    rows, starts = [{"data": 0, "dv": 0, "er": 0}, {}], []
    for octets, errors in carriers:
        starts.append(len(rows))
        rows += [{"data": octet, "dv": 1, "er": int(n in errors)} for n, octet in enumerate(octets)]
        rows += [{"data": noise(), "dv": 0, "er": 0} for _ in range(gap)]
    rows += [{"data": 0, "dv": 0, "er": 0}] * 6
    return rows, starts


def frames(record):
    """The frames in a record: first cycle, cycle of the end, octets, and what was said with the end."""
    found, octets, first = [], b"", None
    for cycle, row in enumerate(record):
        assert not (row["valid"] and row["end"])
        assert row["end"] == (cycle > 0 and record[cycle - 1]["closes"])
        if row["valid"]:
            assert row["start"] == (not octets), cycle
            assert row["length"] == min(len(octets) + 1, 2047), cycle
            first = first if octets else cycle
            octets += bytes([row["octet"]])
        elif row["end"]:
            said = {name: row[name] for name in ("length", "fcs_ok", "error", "runt")}
            found.append({"first": first, "end": cycle, "octets": octets, **said})
            octets, first = b"", None
        else:
            assert not octets, f"a gap inside a frame, cycle {cycle}"
    assert not octets
    return found


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_frame_follows_the_pins_by_two_cycles(dut):
    """The octet of pin cycle c comes in c + 2, the end in c + 3 of the last; any preamble, 0xD5 in the frame too."""
    await reset(dut)
    rng = random.Random(1)
    octets = closed(b"\xd5\x55\xd5\xd5" + rng.randbytes(70) + b"\xd5")
    preambles = [PREAMBLE, b"\xd5", b"\x55\xd5", b"\xaa\x00\x54\xd5", b"\x55" * 40 + b"\xd5"]
    rows, starts = pins([(preamble + octets, ()) for preamble in preambles])
    found = frames(await play(dut, rows, OUTPUTS))
    assert len(found) == len(preambles)
    for frame, start, preamble in zip(found, starts, preambles, strict=True):
        assert frame["octets"] == octets
        assert frame["first"] == start + len(preamble) + 2
        assert frame["end"] == start + len(preamble) + len(octets) - 1 + 3
        assert (frame["length"], frame["fcs_ok"], frame["error"], frame["runt"]) == (len(octets), 1, 0, 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_fcs_is_right_or_not(dut):
    """One bit anywhere makes it wrong; a known frame's FCS is 0xCBF43926, the CRC-32 of 123456789."""
    await reset(dut)
    rng = random.Random(2)
    good = body(64, rng)
    assert closed(b"123456789")[9:] == bytes.fromhex("2639f4cb")
    octets = [closed(b"123456789"), good]
    for bit in [*rng.sample(range(8 * 64), 40), 0, 511]:
        octets.append(bytes(octet ^ (bit // 8 == n) << bit % 8 for n, octet in enumerate(good)))
    rows, _ = pins([(PREAMBLE + frame, ()) for frame in octets], gap=1)
    found = frames(await play(dut, rows, OUTPUTS))
    assert [frame["fcs_ok"] for frame in found] == [1, 1] + [0] * 42


def fcs_error(difference):
    """What must be wrong in the FCS for the CRC's state to end `difference` away from the residue: 32 steps back."""
    for _ in range(32):
        difference = ((difference ^ 0xEDB88320) << 1 | 1) if difference >> 31 else difference << 1
    return difference.to_bytes(4, "little")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_bit_of_the_fcs_counts(dut):
    """32 errors of the FCS, each of which shows in one bit of the receiver's state only."""
    await reset(dut)
    good = body(64, random.Random(8))
    octets = []
    for bit in range(32):
        error = fcs_error(1 << bit)
        octets.append(good[:60] + bytes(a ^ b for a, b in zip(good[60:], error, strict=True)))
        assert zlib.crc32(octets[-1]) ^ 0xFFFFFFFF ^ 0xDEBB20E3 == 1 << bit
    rows, _ = pins([(PREAMBLE + frame, ()) for frame in [*octets, good]], gap=1)
    found = frames(await play(dut, rows, OUTPUTS))
    assert [frame["fcs_ok"] for frame in found] == [0] * 32 + [1]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def lengths_at_the_edges(dut):
    """Runts are below 64 octets; the count stops at 2047; a carrier may end with its start delimiter."""
    await reset(dut)
    rng = random.Random(3)
    sizes = [4, 63, 64, 65, 1518, 2046, 2047, 2048, 2200]
    rows, _ = pins([(PREAMBLE, ())] + [(PREAMBLE + body(size, rng), ()) for size in sizes] + [(b"\xd5", ())], gap=1)
    found = frames(await play(dut, rows, OUTPUTS))
    assert [len(frame["octets"]) for frame in found] == [0, *sizes, 0]
    assert [frame["length"] for frame in found] == [0, 4, 63, 64, 65, 1518, 2046, 2047, 2047, 2047, 0]
    assert [frame["runt"] for frame in found] == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert [frame["fcs_ok"] for frame in found] == [0, *[1] * 9, 0]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def an_error_counts_anywhere_in_the_carrier(dut):
    """In the preamble, the delimiter, the first and the last octet; not outside, and not for the next frame."""
    await reset(dut)
    octets = PREAMBLE + body(64, random.Random(4))
    errors = [(0,), (), (7,), (), (8,), (40,), (), (71,), ()]
    rows, starts = pins([(octets, places) for places in errors])
    rows[starts[1] - 1] = {"data": 0, "dv": 0, "er": 1}
    rows[starts[1] - 12] = {"data": 0, "dv": 0, "er": 1}
    found = frames(await play(dut, rows, OUTPUTS))
    assert [frame["error"] for frame in found] == [1, 0, 1, 0, 1, 1, 0, 1, 0]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def p12_no_carrier_hides_the_next_frame(dut):
    """P12: carriers without delimiter, noise and fragments, one cycle apart; each good frame comes out whole."""
    await reset(dut)
    rng = random.Random(5)
    carriers, expected = [], []
    for number in range(60):
        junk = bytes(octet for octet in rng.randbytes(rng.randrange(1, 12)) if octet != 0xD5)
        carriers.append((junk or b"\x55", (0,)))
        if number % 3 == 0:
            carriers.append((b"\x55\xd5" + rng.randbytes(rng.randrange(0, 20)), ()))
        octets = body(rng.randrange(64, 90), rng)
        carriers.append((PREAMBLE[rng.randrange(8) :] + octets, ()))
        expected.append(octets)
    rows, _ = pins(carriers, gap=1, noise=lambda: 0xD5)
    found = frames(await play(dut, rows, OUTPUTS))
    assert [frame["octets"] for frame in found if frame["fcs_ok"]] == expected
    assert len(found) == 80
    assert not any(frame["error"] for frame in found)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def after_a_reset_the_line_must_rest_first(dut):
    """P4: the remainder of a frame that a reset hit is no frame, even if it holds a delimiter; the next one is."""
    await reset(dut)
    octets = body(64, random.Random(6))
    carrier = PREAMBLE + PREAMBLE + octets
    for cut in range(1, len(carrier) - 1, 5):
        rows, _ = pins([(carrier, ())])
        await play(dut, rows[: 2 + cut], OUTPUTS)
        dut.rst.value = 1
        await dut.clk.rising_edge
        dut.rst.value = 0
        after, _ = pins([(PREAMBLE + octets, ())])
        found = frames(await play(dut, rows[3 + cut : -18] + after, OUTPUTS))
        assert [frame["octets"] for frame in found] == [octets], cut


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def busy_covers_a_carrier_and_its_end(dut):
    """From two cycles after the first octet on the pins, preamble or not, to the cycle after the end; else low."""
    await reset(dut)
    octets = PREAMBLE + body(64, random.Random(7))
    rows, (start,) = pins([(octets, ())])
    record = await play(dut, rows, OUTPUTS)
    (frame,) = frames(record)
    busy = [cycle for cycle, row in enumerate(record) if row["busy"] and cycle >= start]
    assert busy == list(range(start + 2, frame["end"] + 2))

"""The headers of a frame, and the three small parts that read them."""

import pytest

from hdl.filter.checksum import InternetSum
from hdl.filter.headers import Headers
from hdl.filter.options import Options
from hdl.wire.ethernet import OPTION_LSRR, OPTION_SSRR
from sim.play import Packed
from tests.cycles import simulate


def test_headers(run_cocotb):
    run_cocotb(Packed(Headers()), testbench="sim.tb_headers")


def total_is_right(octets, *, twice=(), seed=0):
    part, right = InternetSum(seed=seed), []

    async def bench(ctx):
        ctx.set(part.add, 1)
        for number, octet in enumerate(octets):
            ctx.set(part.octet, octet)
            ctx.set(part.low, number % 2)
            ctx.set(part.twice, number in twice)
            await ctx.tick()
        right.append(ctx.get(part.right))

    simulate(part, bench)
    return bool(right[0])


def test_the_header_of_rfc_1071s_readers_sums_up_to_all_ones():
    """An IPv4 header worked out by hand: 4500 + 0073 + 0000 + 4000 + 4011 + b861 + c0a8 + 0001 + c0a8 + 00c7."""
    header = bytes.fromhex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7")
    assert total_is_right(header)
    assert not total_is_right(header[:-1] + b"\xc8")
    assert not total_is_right(header[:-2] + b"\x01\xc7")


@pytest.mark.parametrize(
    ("octets", "right"),
    [
        ("ffff", True),
        ("0000", False),
        ("ffff ffff", True),  # ffff + ffff = 1fffe, folded ffff
        ("ffff 0001", False),  # folded 0001
        ("8000 7fff", True),
        ("8000 8000 fffe", True),  # 10000, folded 0001, and fffe
        ("8000 8000 ffff", False),
    ],
)
def test_carries_are_brought_round(octets, right):
    assert total_is_right(bytes.fromhex(octets)) == right


def test_a_doubled_octet_and_the_seed_count():
    assert total_is_right(bytes.fromhex("8080 fdfc"), twice=(0, 1)) is False
    assert total_is_right(bytes.fromhex("8080 fefe"), twice=(0, 1))  # 2 * 8080 = 10100, folded 0101
    assert total_is_right(bytes.fromhex("ffee"), seed=0x11)


@pytest.mark.parametrize(
    ("octets", "right"),
    [
        ("", True),
        ("01010101", True),
        ("00ffffff", True),  # nothing counts behind END
        ("07040400", True),
        ("07030001", True),
        ("94040000 07040000", True),
        ("07020701", False),  # length 1
        ("07020700", False),  # length 0
        ("07060000", False),  # reaches beyond
        ("01010107", False),  # no length
        ("83030400", False),  # loose source route
        ("01890304", False),  # strict source route
        ("07ff0000", False),
    ],
)
def test_options(octets, right):
    part = Options(refused=(OPTION_LSRR, OPTION_SSRR))

    async def bench(ctx):
        for _ in range(2):
            ctx.set(part.valid, 1)
            for octet in bytes.fromhex(octets):
                ctx.set(part.octet, octet)
                await ctx.tick()
            ctx.set(part.valid, 0)
            assert ctx.get(part.right) == right
            ctx.set(part.clear, 1)
            await ctx.tick()
            ctx.set(part.clear, 0)

    simulate(part, bench)

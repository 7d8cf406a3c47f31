"""The golden model's return path against the gateware's, cycle by cycle; by hand in `tests.test_passage`."""

import random

import pytest

from sim.packets import PREAMBLE, fcs
from sim.wayback import DELAY, WayBack, spoilt
from tests.test_passage import Line, body, carriers, run


def model(line: Line, begun) -> list[tuple[int, bytes]]:
    """Return what the model lets out: first cycle and octets."""
    way = WayBack()
    for cycle, request in sorted(line.requests.items()):
        way.inject(cycle - 1, request[0], fcs(body(request)))
    for carrier in carriers(line.symbols):
        way.carrier(carrier.start, bytes(octet for octet, _ in carrier.octets), (-1, 0))
    way.settle()
    return [(at, octets) for at, octets, *_ in way.passed]


@pytest.mark.parametrize("seed", range(12))
def test_every_carrier_comes_out_in_its_cycle(seed):
    """Random carriers and RSTs: alone, at once, of one lane again, in every place of gaps of every length; not more
    than the queue has room for."""
    rng = random.Random(seed)
    line = Line(rng)
    line.idle(20)
    for _ in range(30):
        if rng.random() < 0.15:
            for _ in range(rng.choice((1, 1, 2, 3))):
                line.request(len(line.symbols) + rng.randrange(160), rng.randrange(8))
        line.carrier(PREAMBLE + rng.randbytes(rng.choice((1, 20, 56, 100))))
        line.idle(rng.choice((1, 5, 11, 12, 13, 14, 20, rng.randrange(12, 40), rng.randrange(200))))
    out, begun = run(line, 1500)
    got = [(carrier.start, bytes(octet for octet, _ in carrier.octets)) for carrier in carriers(out)]
    want = model(line, begun)
    for number, (expected, seen) in enumerate(zip(want, got, strict=False)):
        assert (number, expected[0], len(expected[1])) == (number, seen[0], len(seen[1]))
        assert expected[1] == seen[1]
    assert len(want) == len(got)


def test_what_is_spoilt():
    """100 octets behind the preamble, from number 60 on: the inverse of the FCS of 52 octets, and zeros."""
    octets = PREAMBLE + bytes(range(100))
    became, er = spoilt(octets, (-1, 0), 60)
    right = fcs(bytes(range(52)))[-4:]
    assert became == octets[:60] + bytes(octet ^ 0xFF for octet in right) + bytes(44)
    assert er == (60, 48)
    assert spoilt(octets, (50, 3), 60)[1] == (50, 51)
    assert DELAY == 4

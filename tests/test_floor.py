"""The exchange behind the lanes that are heard: what it says is what was meant."""

from random import Random
from types import SimpleNamespace

import pytest

from sim import packets
from sim.floor import Floor, encode
from sim.market import Market
from sim.model import Config
from sim.packets import enter, packet, replace
from sim.parents import Parent
from sim.parse import lenient
from sim.replies import OUCH42, OUCH50, Report, read

AAPL = 5  # its index
BUYS = 2 * AAPL


@pytest.mark.parametrize(("older", "shapes"), [(False, OUCH50), (True, OUCH42)])
def test_a_report_is_read_as_it_was_meant(older, shapes):
    """Every letter of both dialects; fields that a report does not have are 0."""
    for number, (letter, shape) in enumerate(shapes.items()):
        meant = Report(
            lane=5,
            kind=ord(letter),
            user_ref=0x0102_0304 + number if shape.user_ref else 0,
            original_ref=77 if shape.original_ref else 0,
            quantity=999_999 if shape.quantity else 0,
            price=1_999_999_900 if shape.price[0] else 0,
            dead=1 if shape.state else 0,
        )
        assert read(5, encode(meant, older, Random(number)), older) == meant


@pytest.fixture
def hall(monkeypatch):
    """A floor whose lane 0 is heard and needs parents, its exchange calm; `left` is what has left the lane."""
    config = Config(
        symbols={b"AAPL    ": AAPL},
        parents={8: Parent("A", AAPL, True, 1_000, 9)},
        **lenient(packets.TAG_OF_ORDERS, [AAPL]),
    )
    config.modes = [33, *[0] * 7]
    stream = SimpleNamespace(left=bytearray())
    receiver = SimpleNamespace(take=lambda: None, streams={(0, 40_000): [stream]})
    monkeypatch.setattr("sim.floor.Receiver", lambda model: receiver)
    monkeypatch.setattr(Market, "_now", lambda market, chance: False)
    floor = Floor(Random(1), config, wrong=0)
    floor.take(None)
    return SimpleNamespace(floor=floor, left=stream.left)


def child(name=b"A008") -> dict:
    return {"order_id": packets.TAG_OF_ORDERS + name}


def limits(shares: int) -> list[int]:
    """Return those of every symbol and side: none but buys of AAPL."""
    return [shares * (row == BUYS) for row in range(1024)]


def said(floor) -> list[Report]:
    return [read(0, message, False) for message in iter(lambda: floor.waiting(0), None)]


def test_a_replace_is_answered_while_its_order_lives(hall):
    floor = hall.floor
    hall.left += packet(enter(1, b"AAPL", 600, 10, **child())) + packet(replace(1, 2, 1_000, 12, **child()))
    hall.left += packet(replace(1, 3, 700, 12, **child()))  # of what has been replaced
    floor.take(None)
    assert said(floor) == [] and not any(floor.market.book)
    floor.take(None)
    first, second = said(floor)
    assert first[:5] == (0, ord("A"), 1, 0, 600)
    assert second == Report(0, ord("U"), 2, 1, 1_000)
    assert list(floor.market.book[0]) == [2]


def test_what_is_on_its_way_counts(hall):
    """600, that are to become 700; and 300, that are to become 200."""
    floor = hall.floor
    hall.left += packet(enter(1, b"AAPL", 600, 10, **child())) + packet(enter(2, b"AAPL", 300, 10, **child()))
    floor.never_beyond(limits(900))
    with pytest.raises(AssertionError, match=r"^symbol 5 has come to 900, its limit is 899$"):
        floor.never_beyond(limits(899))
    floor.take(None)
    hall.left += packet(replace(1, 3, 700, 12, **child())) + packet(replace(2, 4, 200, 12, **child()))
    floor.never_beyond(limits(1_000))
    with pytest.raises(AssertionError, match=r"^symbol 5 has come to 1000, its limit is 999$"):
        floor.never_beyond(limits(999))
    floor.take(None, everything=True)
    floor.never_beyond(limits(900))
    hall.left += packet(enter(5, b"AAPL", 101, 10, **child()))
    with pytest.raises(AssertionError, match=r"^the children of parent 8 have come to 1001, it has 1000$"):
        floor.never_beyond(limits(2_000))


def test_a_replace_that_names_another_parent_is_noticed(hall):
    hall.left += packet(enter(1, b"AAPL", 600, 10, **child())) + packet(replace(1, 2, 600, 12, **child(b"A009")))
    with pytest.raises(AssertionError, match=r"^a Replace left that names another parent$"):
        hall.floor.take(None, everything=True)

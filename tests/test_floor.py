"""The exchange behind the lanes that are heard: what it says is what was meant."""

from random import Random

import pytest

from sim.floor import encode
from sim.replies import OUCH42, OUCH50, Report, read


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

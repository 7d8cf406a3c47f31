"""Parent orders as the host speaks of them: their names, and the words of PARENT that say what they are."""

from typing import Literal, NamedTuple

from hdl.wire.registers import CHILDREN, LETTER, SELLS, SYMBOLS

NAME = r"[A-Z][01][0-9A-F]{2}"  # how an order names one, behind the build
CUSTOMER, ACCOUNT = "P", "D"  # letters in the drill: a customer's order; the other flow, one for each symbol and side
CHILDREN_MASK = ~((1 << CHILDREN) - 1) & 0xFFFFFFFF  # of the high word; read as 0

Side = Literal["buy", "sell"]


class Terms(NamedTuple):
    """What a parent is: its symbol by number."""

    name: str
    symbol: int
    side: Side
    shares: int


def name_of(number: int, letter: str = CUSTOMER) -> str:
    return f"{letter}{number:03X}"


def number_of(name: str) -> int:
    return int(name[1:], 16)


def side_of(buy: bool) -> Side:
    return "buy" if buy else "sell"


def pack(terms: Terms, children: int) -> tuple[int, int]:
    """Return the two words of a parent, the low one first."""
    letter = ord(terms.name[0]) - ord("A") + 1
    return terms.shares, terms.symbol | (terms.side == "sell") << SELLS | letter << LETTER | children << CHILDREN


def unpack(number: int, shares: int, high: int) -> Terms | None:
    """Return what the words of a parent say; None if there is none."""
    if not (letter := high >> LETTER & 31):
        return None
    name = name_of(number, chr(ord("A") + letter - 1))
    return Terms(name, high & SYMBOLS - 1, side_of(not high >> SELLS & 1), shares)

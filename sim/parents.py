"""The parent orders, and what each has left for its children. Part of the golden model."""

import re
from typing import NamedTuple

from hdl.wire.verdict import Reason

PARENT, CHILDREN = int(Reason.PARENT), int(Reason.CHILDREN)


class Parent(NamedTuple):
    """What the host loads: a letter, a symbol's index, a side, shares, and how many children there may be."""

    letter: str
    index: int
    buy: bool
    shares: int
    children: int


def name_of(letter: str, number: int) -> bytes:
    """Return the four octets with which an order names a parent."""
    return f"{letter}{number:03X}".encode()


class Parents:
    """What is left, by number: shares less those of children that are open or were executed, and children.

    back: how often something came back.
    """

    def __init__(self, parents: dict[int, Parent]):
        self.back = 0
        self.load(parents)

    def load(self, parents: dict[int, Parent]) -> None:
        """The host loads them, and each has all of its shares and children."""
        self._parents = dict(parents)
        self.left = {number: [parent.shares, parent.children] for number, parent in parents.items()}

    def check(self, name: bytes, order, shares: int) -> int:
        """Return why an order may not take so many shares of the parent that it names, 0 if it may.

        A Replace is no further child.
        """
        number = number_in(name)
        parent = self._parents.get(number)
        if parent is None or name[:1] != parent.letter.encode() or (order.index, order.buy) != parent[1:3]:
            return PARENT
        left, children = self.left[number]
        if shares > left:
            return PARENT
        return 0 if children or order.replaces else CHILDREN

    def take(self, number: int | None, shares: int, children: int) -> None:
        """An order is charged."""
        self.give(number, -shares, -children)

    def give(self, number: int | None, shares: int, children: int = 0) -> None:
        """Something comes back: of an Enter that did not leave a child as well, else shares only."""
        if number is not None:
            self.back += shares > 0
            self.left[number][0] += shares
            self.left[number][1] += children

    def clear(self) -> None:
        """The exposure was cleared: there are no parents."""
        self.load({})


def number_in(name: bytes) -> int | None:
    """Return the number of the parent that these octets name, None if they do not look like a name."""
    if not re.fullmatch(rb"[A-Z][01][0-9A-F]{2}", name):
        return None
    return int(name[1:], 16)

"""How much of each limit is used: rows of what a board holds, what is open and what was executed.

A further limit is one more function in `KINDS`.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec

from hdl.wire.registers import SLOTS, SYMBOLS, Reg
from hdl.wire.verdict import FIRM, LANES
from host import directory
from host.config import PRICE_UNIT
from host.device import Device
from host.readback import Held, pairs, words

ALWAYS = ("firm", "lane", "order")  # scopes that get their rows without use, too

Amount = Decimal | int


class Row(msgspec.Struct, frozen=True):
    """One limit as the board holds it, in dollars (exactly) or shares; `used` is None where nothing is used up.

    `name` tells the things of a `scope` apart: a lane's number, a symbol. `used` of a position is what it could come
    to, by `net` (shares bought less sold, on either side) and what is `open`; below 0 it stays on the other side.
    """

    scope: str
    name: str
    what: str
    unit: str
    used: Amount | None
    limit: Amount
    percent: Decimal | None  # rounded down, so that 100 is a limit used up, and never below 0; None of a limit of 0
    net: int | None = None
    open: int | None = None

    @property
    def fullness(self) -> float:
        """What share of the limit is used; infinite for use of a limit of 0."""
        if self.used is None or self.used <= 0:
            return 0.0
        return float(self.used / self.limit) if self.limit else float("inf")


def rows(device: Device, held: Held) -> list[Row]:
    """Return every limit, by kind and then in the board's order."""
    return [row for kind in KINDS for row in kind(device, held)]


def in_use(found: Sequence[Row]) -> list[Row]:
    """Return the rows of whatever has use, with both sides of a symbol, and those of `ALWAYS`."""
    used = {(row.scope, row.name) for row in found if row.used}
    return [row for row in found if row.scope in ALWAYS or (row.scope, row.name) in used]


def gross(device: Device, held: Held) -> Iterator[Row]:
    """Gross notional of the firm, and of the lanes that are configured or have use."""
    used, limits = device.gross(), pairs(words(held, Reg.GROSS_LIMIT, 2 * (FIRM + 1)))
    yield _row("firm", "", "gross", used[FIRM], limits[FIRM], unit="usd")
    for lane in range(LANES):
        if used[lane] or held[Reg.LANE_ENABLE] >> lane & 1:
            yield _row("lane", str(lane + 1), "gross", used[lane], limits[lane], unit="usd")


def positions(device: Device, held: Held) -> Iterator[Row]:
    """Shares of the symbols in the board's own directory, and of numbers that are not there but have use."""
    limits = pairs(words(held, Reg.EXPOSURE_LIMIT, 4 * SYMBOLS))
    # What is open comes first: shares that are executed meanwhile are told twice then, and not missed.
    opened, nets = device.opened(), device.net()
    names = directory.symbols(words(held, Reg.DIRECTORY, SLOTS * directory.WORDS))
    for number, net in enumerate(nets):
        buys, sells = opened[number]
        if number in names or net or buys or sells:
            name = names.get(number, f"number {number}")
            longest, shortest = limits[2 * number : 2 * number + 2]
            for what, limit, has, waits in (("long", longest, net, buys), ("short", shortest, -net, sells)):
                row = _row("symbol", name, what, has + waits, limit, unit="shares")
                yield msgspec.structs.replace(row, net=net, open=waits)


def orders(device: Device, held: Held) -> Iterator[Row]:
    """Shares and value of a single order."""
    (value,) = pairs(words(held, Reg.ORDER_VALUE, 2))
    yield _row("order", "", "size", None, held[Reg.ORDER_SIZE], unit="shares")
    yield _row("order", "", "value", None, value, unit="usd")


def parents(device: Device, held: Held) -> Iterator[Row]:
    """Shares of each parent, and the children that it has left."""
    for parent in device.parents():
        name, shares = parent.terms.name, parent.terms.shares
        yield _row("parent", name, "budget", shares - parent.left, shares, unit="shares")
        yield _row("parent", name, "children left", None, parent.children, unit="orders")


KINDS: tuple[Callable[[Device, Held], Iterator[Row]], ...] = (gross, positions, orders, parents)


def _row(scope: str, name: str, what: str, used: int | None, limit: int, *, unit: str) -> Row:
    """Return a row of the board's numbers, in which dollars are counted in 10⁻⁴."""
    scale: Amount = PRICE_UNIT if unit == "usd" else 1
    percent = None if used is None or not limit else Decimal(max(0, used) * 10_000 // limit).scaleb(-2)
    return Row(scope, name, what, unit, None if used is None else used * scale, limit * scale, percent)

"""The limits file: lanes, policy, watchdog, order size, gross limits, symbols and parents, checked before it is sent.

TOML. Money is in dollars with at most four decimals and never a float; quantities are shares. Whatever the file does
not set is 0: nothing may be released. An unknown key, a wrong type or a value out of range is one line that names the
file, the line and the key.
"""

import ipaddress
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from hdl.wire.ouch import HIGHEST_PRICE, MOST_SHARES
from hdl.wire.registers import MOST_CHILDREN, MOST_PARENT_SHARES, PARENTS, SYMBOLS
from hdl.wire.verdict import FIRST_TRIP, LANES, LAST_TRIP, Reason, Trip
from host import parents
from host.errors import UsageError

CYCLES_PER_MS = 125_000
CYCLES_PER_S = 1000 * CYCLES_PER_MS
PRICE_UNIT = Decimal("0.0001")
MOST_DOLLARS = 1 << 48
MOST_VALUE = 200_000_000_000  # dollars; no order can have more
MOST_PRICE = HIGHEST_PRICE * PRICE_UNIT
MOST_DEPTH = (1 << 32) - 1  # cycles
MOST_POSITION = (1 << 40) - 1  # shares
NO_AMOUNT = "expected an amount in dollars, got text"
PROTOCOLS = ("tcp", "udp")
# What an order brings about that fails a check, beside being stopped itself.
TRIPS = {reason.name.lower(): "none" for reason in Reason if FIRST_TRIP <= reason <= LAST_TRIP}
TRIPS |= {"position": "symbol", "lane_gross": "lane", "firm_gross": "firm"}

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Vid = Annotated[int, msgspec.Meta(ge=0, le=4094)]
Shares = Annotated[int, msgspec.Meta(ge=0, le=MOST_POSITION)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=((1 << 32) - 1) // CYCLES_PER_MS)]
Build = Annotated[str, msgspec.Meta(pattern="^([!-~]{4})?$")]
PerSecond = Annotated[int, msgspec.Meta(ge=1, le=CYCLES_PER_S)]
Burst = Annotated[int, msgspec.Meta(ge=1)]
Largest = Annotated[int, msgspec.Meta(ge=0, le=MOST_SHARES)]
ParentShares = Annotated[int, msgspec.Meta(ge=1, le=MOST_PARENT_SHARES)]
Children = Annotated[int, msgspec.Meta(ge=1, le=MOST_CHILDREN)]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames of no lane that may pass."""

    arp: bool = False
    icmp: bool = False


class Watchdog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Time without a heartbeat that kills."""

    timeout_ms: Milliseconds


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a single order: shares, and dollars."""

    largest: Largest
    value: Decimal = Decimal(0)


class Gross(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gross notional of the firm, in dollars."""

    firm: Decimal


class Lane(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One server's order flow: its addresses and tags, and the gross notional it may have, in dollars.

    A TCP lane learns its source port with each session, so only a UDP lane needs one. `action` says what becomes of
    orders that are stopped (hdl.wire.verdict.Action); a UDP lane drops their datagram, whatever it says but "cut".

    `build` is what the ClOrdIDs (4.2: the tokens) of its orders begin with. Orders may come at `rate_per_s`, and up to
    `burst` at once. Their UserRefNums (4.2: the last four characters of the tokens) have to rise, unless the lane is
    `unordered` or starves.

    Each order has to name a parent of its symbol and side with what follows the build, unless the lane has
    `needs_parent` false.

    With `evidence`, which only a TCP lane has, the exchange's reports release what the lane's orders were charged, and
    move positions; without it an order is charged for good.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=LANES)]
    server: str
    source: str
    source_port: Port = 0
    destination: str
    destination_port: Port
    gross: Decimal
    build: Build = ""
    rate_per_s: PerSecond = 0
    burst: Burst = 1
    unordered: bool = False
    needs_parent: bool = True
    evidence: bool = False
    vlan: Vid = 0
    inner_vlan: Vid = 0
    protocol: Literal["udp", "tcp"] = "udp"
    dialect: Literal["5.0", "4.2"] = "5.0"
    action: Literal["neutralise", "fence", "starve", "cut"] = "neutralise"

    @property
    def is_tcp(self) -> bool:
        return self.protocol == "tcp"

    @property
    def interval(self) -> int:
        """Cycles of an order at its rate; 0 if there is none, and nothing may pass."""
        return -(-CYCLES_PER_S // self.rate_per_s) if self.rate_per_s else 0

    @property
    def depth(self) -> int:
        """Cycles that a burst is ahead of its rate."""
        return (self.burst - 1) * self.interval


class Symbol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The longest and the shortest position that a symbol may come to, in shares, if all that is open is executed.

    Orders have to be priced from `low` to `high` dollars. A `restricted` symbol may not be traded at all, and one
    without `short_sale` not be sold short.
    """

    long: Shares
    short: Shares
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    restricted: bool = False
    short_sale: bool = False


class Parent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parent order: its children never have more `shares` between them, open and executed, nor are they more."""

    symbol: str
    side: parents.Side
    shares: ParentShares
    children: Children


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole limits file.

    `parents`: by their names, a capital letter and three hexadecimal digits, 000 to 1FF. `trips`: by reasons in small
    letters; those that it does not name are those of `TRIPS`.
    """

    watchdog: Watchdog
    orders: Orders
    gross: Gross
    lane: list[Lane]
    symbols: dict[str, Symbol]
    policy: Policy = Policy()
    trips: dict[str, str] = {}
    parents: dict[str, Parent] = {}

    def lane_of(self, number: int) -> Lane:
        return next(lane for lane in self.lane if lane.number == number)


def load(path: Path) -> Limits:
    """Return the limits in a file. Raises UsageError with the line of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"limits file {path} cannot be read: {reason}") from None
    return parse(text, str(path))


def parse(text: str, name: str = "limits") -> Limits:
    """Return the limits in `text`; `name` is what errors call it."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: {str(error)[0].lower()}{str(error)[1:]}") from None
    try:
        limits = msgspec.convert(values, Limits)
    except msgspec.ValidationError as error:
        raise UsageError(explain(str(error), text, name)) from None
    _check(limits, values, text, name)
    return limits


def speaking(limits: Limits, protocol: str, *, evidence: bool = False) -> Limits:
    """Return the limits with every lane on one of `PROTOCOLS`, with `evidence` all of them; over UDP none has it.

    Raises UsageError for a lane that cannot.
    """
    if evidence and protocol != "tcp":
        raise UsageError(f"evidence is read over TCP, not over {protocol.upper()}; try --protocol tcp")
    lacking = [lane.number for lane in limits.lane if not lane.source_port]
    if protocol == "udp" and lacking:
        raise UsageError(f"lanes {lacking} have no source_port in the limits; UDP needs one")
    change, is_tcp = msgspec.structs.replace, protocol == "tcp"
    lanes = [change(lane, protocol=protocol, evidence=(lane.evidence or evidence) and is_tcp) for lane in limits.lane]
    return change(limits, lane=lanes)


def lenient(limits: Limits) -> Limits:
    """Return the limits with none to rates, prices and the values of orders, and without need of parents."""
    change = msgspec.structs.replace
    lanes = [change(lane, rate_per_s=CYCLES_PER_S, burst=MOST_DEPTH, needs_parent=False) for lane in limits.lane]
    symbols = {
        name: change(symbol, low=Decimal(0), high=MOST_PRICE, restricted=False)
        for name, symbol in limits.symbols.items()
    }
    orders = change(limits.orders, value=Decimal(MOST_VALUE))
    return change(limits, lane=lanes, symbols=symbols, orders=orders)


def unreachable(limits: Limits) -> Limits:
    """Return `lenient` limits with positions and gross notional as high as can be."""
    change, free = msgspec.structs.replace, lenient(limits)
    most = Decimal(MOST_DOLLARS - 1)
    lanes = [change(lane, gross=most) for lane in free.lane]
    symbols = {name: change(symbol, long=MOST_POSITION, short=MOST_POSITION) for name, symbol in free.symbols.items()}
    return change(free, lane=lanes, symbols=symbols, gross=Gross(firm=most))


def _check(limits: Limits, values: dict[str, Any], text: str, name: str) -> None:
    """Raise UsageError for what a schema cannot say."""

    def refuse(path: str, why: str) -> UsageError:
        return UsageError(f"{name}, line {find_line(text, _steps(path))}: {path}: {why}")

    seen: dict[int, int] = {}
    keys: dict[tuple[object, ...], int] = {}
    for at, lane in enumerate(limits.lane):
        path = f"lane[{at}]"
        if lane.number in seen:
            raise refuse(f"{path}.number", f"lane {lane.number} is there twice")
        seen[lane.number] = at
        for field in ("source", "destination"):
            try:
                ipaddress.IPv4Address(getattr(lane, field))
            except ValueError:
                raise refuse(f"{path}.{field}", f"{getattr(lane, field)!r} is no IPv4 address") from None
        if lane.inner_vlan and not lane.vlan:
            raise refuse(f"{path}.inner_vlan", "an inner tag needs an outer one: set vlan too")
        if not lane.is_tcp and not lane.source_port:
            raise refuse(path, "source_port is missing; only a TCP lane does without")
        if lane.evidence and not lane.is_tcp:
            raise refuse(f"{path}.evidence", "only a TCP lane's reports are read: set protocol too")
        if lane.depth > MOST_DEPTH:
            most = MOST_DEPTH // lane.interval + 1
            raise refuse(f"{path}.burst", f"{lane.burst} orders at {lane.rate_per_s} a second, at most {most} fit")
        port = None if lane.is_tcp else lane.source_port
        key = (lane.vlan, lane.inner_vlan, lane.source, port, lane.destination, lane.destination_port)
        if key in keys:
            raise refuse(f"{path}.number", f"lane {lane.number} has the same addresses as lane {keys[key]}")
        keys[key] = lane.number
        if why := _bad_money(values["lane"][at]["gross"]):
            raise refuse(f"{path}.gross", why)
    if why := _bad_money(values["gross"]["firm"]):
        raise refuse("gross.firm", why)
    if unknown := sorted(limits.trips.keys() - TRIPS.keys()):
        raise refuse(f"trips.{unknown[0]}", f"no such check; there are {', '.join(TRIPS)}")
    for check, trip in limits.trips.items():
        if trip.upper() not in Trip.__members__:
            raise refuse(f"trips.{check}", f"{trip!r} is none of {', '.join(Trip.__members__).lower()}")
    if why := _bad_money(values["orders"].get("value", 0)):
        raise refuse("orders.value", why)
    if len(limits.symbols) > SYMBOLS:
        raise refuse("symbols", f"{len(limits.symbols)} symbols, the board holds {SYMBOLS}")
    for symbol in limits.symbols:
        if not re.fullmatch(r"[!-~]{1,8}", symbol):
            raise refuse(f'symbols."{symbol}"', "a symbol is 1 to 8 printable ASCII characters without spaces")
        for bound in ("low", "high"):
            price = values["symbols"][symbol].get(bound, 0)
            if why := _bad_money(price) or (f"{price} dollars, at most {MOST_PRICE}" if price > MOST_PRICE else None):
                raise refuse(f'symbols."{symbol}"', f"{bound}: {why}")

    numbers: dict[int, str] = {}
    for parent, entry in limits.parents.items():
        path = f'parents."{parent}"'
        if not re.fullmatch(parents.NAME, parent):
            raise refuse(path, f"a name is a capital letter and three hexadecimal digits, 000 to {PARENTS - 1:X}")
        if (number := parents.number_of(parent)) in numbers:
            raise refuse(path, f"its number is that of {numbers[number]}")
        numbers[number] = parent
        if entry.symbol not in limits.symbols:
            raise refuse(path, f"its symbol {entry.symbol} is not among the symbols")


def _bad_money(amount: Decimal | int | str) -> str | None:
    if isinstance(amount, str):  # msgspec would read a number out of it
        return NO_AMOUNT
    if not Decimal(amount).is_finite() or not 0 <= amount < MOST_DOLLARS:
        return f"{amount} dollars, must be 0 to {MOST_DOLLARS - 1}"
    return f"{amount} dollars has more than four decimals" if amount % PRICE_UNIT else None


def explain(message: str, text: str, name: str) -> str:
    """Turn a message of msgspec into one that names the line."""
    what, _, path = message.partition(" - at `")
    path = path.rstrip("`").removeprefix("$").removeprefix(".")
    if "[...]" in path:  # msgspec does not say which entry of a table it means
        path = path.replace("[...]", f'."{_bad_entry(text, path.partition("[")[0])}"')
    steps = _steps(path)
    if unknown := re.search(r"unknown field `(.+)`", what):
        steps = [*steps, unknown[1]]
        what = "unknown key"
    elif missing := re.search(r"missing required field `(.+)`", what):
        what = f"{missing[1]} is missing"
    else:
        what = what[0].lower() + what[1:]
    what = what.replace("expected `decimal`", "expected an amount in dollars").replace(
        "invalid decimal string", NO_AMOUNT
    )
    what = what.replace("`decimal`", "a fraction").replace("`int`", "a whole number").replace("`str`", "text")
    what = what.replace("`float`", "a float").replace("`bool`", "true or false").replace("`object`", "a table")
    label = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return f"{name}, line {find_line(text, steps)}: {label + ': ' if label else ''}{what}"


def _bad_entry(text: str, table: str) -> str:
    kind = {"symbols": Symbol, "parents": Parent}.get(table)
    for name, entry in tomllib.loads(text, parse_float=Decimal).get(table, {}).items() if kind else ():
        try:
            msgspec.convert(entry, kind)
        except msgspec.ValidationError:
            return str(name)
    return "?"


def _steps(path: str) -> list[str | int]:
    """Return the steps of a path such as ``lane[2].gross`` or ``symbols."A.B"``."""
    found = re.findall(r'"([^"]*)"|\[(\d+)\]|([^.\[\]"]+)', path)
    return [int(number) if number else quoted or word for quoted, number, word in found]


def find_line(text: str, steps: list[str | int]) -> int:
    """Return the line (from 1) on which the value at `steps` stands, or the nearest one around it.

    Knows what a limits file needs: tables, arrays of tables, plain and quoted keys, one key a line.
    """
    best, depth = 1, 0
    here: list[str | int] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[(\[?)\s*([^\]]+?)\s*\]", line):
            here = list(_steps(header[2]))
            if header[1]:
                counts[header[2]] = counts.get(header[2], -1) + 1
                here.append(counts[header[2]])
            path = here
        elif key := re.match(r'\s*((?:"[^"]*"|[A-Za-z0-9_.-])+)\s*=', line):
            path = here + _steps(key[1])
        else:
            continue
        shared = next(
            (i for i, (a, b) in enumerate(zip(path, steps, strict=False)) if a != b), min(len(path), len(steps))
        )
        if shared == len(path) and shared > depth:
            best, depth = number, shared
    return best


def price_units(amount: Decimal) -> int:
    """Return dollars in units of 10⁻⁴ dollars."""
    return int(amount / PRICE_UNIT)

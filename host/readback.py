"""Reads a board's configuration back and says where it differs from a limits file, in the file's own words.

`PARTS` has a line for each kind of thing that a limits file sets. A register of no part is compared like any other, and
told by its address.
"""

import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from hdl.wire import registers
from hdl.wire.lane import LANE_KEY
from hdl.wire.registers import SHORTED, TRADED, Reg
from hdl.wire.verdict import FIRM, LANES, Action, Trip
from host import directory, parents
from host.config import CYCLES_PER_MS, PRICE_UNIT, TRIPS
from host.device import Device, name_lanes
from host.loader import Image

MOST_WORD = (1 << 31) - 1  # of a price in SYMBOL_TERMS

Held = Mapping[int, int]  # what the board's registers hold, by address


class Difference(msgspec.Struct, frozen=True):
    """One thing that the board holds otherwise than the file has it; `register` is its first."""

    what: str
    register: int
    board: str
    file: str


@dataclass(frozen=True)
class Part:
    """Items of one kind, `words` registers each: what to call one of them, and how to say what its words mean."""

    first: int
    items: int
    words: int
    name: Callable[[Image, int], str]
    say: Callable[[Sequence[int]], str]

    @property
    def registers(self) -> range:
        return range(self.first, self.first + self.items * self.words)


def read(device: Device, image: Image) -> Held:
    """Return every register that `image` sets as the board holds it, and the board's CRC-32 of them."""
    held = {int(Reg.CONFIG_CRC): device.read(Reg.CONFIG_CRC)[0]}
    for address, values in image.runs:
        held |= dict(enumerate(device.read(address, len(values)), address))
    return held


def words(held: Held, first: int, count: int) -> list[int]:
    """Return `count` registers from `first` on."""
    return [held[address] for address in range(first, first + count)]


def pairs(halves: Sequence[int]) -> list[int]:
    """Return the 64-bit values that registers hold, low word first."""
    return [low | high << 32 for low, high in zip(halves[::2], halves[1::2], strict=True)]


def dollars(amount: Decimal) -> str:
    """Return an amount for a reader, exactly: cents, and what is below them if there is any."""
    return f"{amount:,.2f}" if amount * 100 % 1 == 0 else f"{amount:,.4f}"


def differences(image: Image, held: Held) -> list[Difference]:
    """Return what differs, in the order of `PARTS`; the CRC-32, with which lanes are armed, if nothing else does."""
    wanted = image.held
    named = {register for part in PARTS for register in part.registers}
    unnamed = [Part(register, 1, 1, _called("a setting"), _hex) for register in sorted(wanted.keys() - named)]
    found = [difference for part in (*PARTS, *unnamed) for difference in _compare(part, image, held, wanted)]
    if not found and (crc := held[Reg.CONFIG_CRC]) != image.crc:
        found.append(Difference("CRC-32 of what was written", Reg.CONFIG_CRC, _hex([crc]), _hex([image.crc])))
    return found


def _compare(part: Part, image: Image, held: Held, wanted: Held) -> Iterator[Difference]:
    for index, first in enumerate(part.registers[:: part.words]):
        if first in wanted:  # the board has rows of gross limits that are nobody's
            board, file = words(held, first, part.words), words(wanted, first, part.words)
            if board != file:
                yield Difference(part.name(image, index), first, *_said(part.say, board, file))


def _said(say: Callable[[Sequence[int]], str], board: Sequence[int], file: Sequence[int]) -> tuple[str, str]:
    """Return both values in words that tell them apart."""
    said = say(board), say(file)
    return said if said[0] != said[1] else (_hex(board), _hex(file))


def _hex(values: Sequence[int]) -> str:
    return "0x" + "".join(f"{value:08x}" for value in reversed(values))


def _called(name: str) -> Callable[[Image, int], str]:
    return lambda image, index: name


def _of_lane(name: str) -> Callable[[Image, int], str]:
    return lambda image, index: f"lane {index + 1} {name}" if index != FIRM else f"firm {name}"


def _symbol(image: Image, number: int) -> str:
    symbols = {number: symbol for symbol, number in image.directory.indices.items()}
    return f"symbol {symbols.get(number, f'number {number}')}"


def _symbol_side(image: Image, index: int) -> str:
    return f"{_symbol(image, index // 2)} {('long', 'short')[index % 2]} limit"


def _symbol_terms(image: Image, index: int) -> str:
    return f"{_symbol(image, index)} terms"


def _terms(values: Sequence[int]) -> str:
    (word,) = pairs(values)
    low, high = ((word >> shift & MOST_WORD) * PRICE_UNIT for shift in (0, 32))
    traded = "" if word & TRADED else ", restricted"
    return f"${dollars(low)} to ${dollars(high)}{traded}{', short sales' if word & SHORTED else ''}"


def _slot(values: Sequence[int]) -> str:
    return ", ".join(f"{name} as number {number}" for number, name in directory.symbols(values).items()) or "nothing"


def _build(values: Sequence[int]) -> str:
    return repr(values[0].to_bytes(4, "big").decode("latin-1")) if values[0] else "none"


def _trips(values: Sequence[int]) -> str:
    (word,) = pairs(values)
    found = {name: Trip(word >> 2 * at & 3) for at, name in enumerate(TRIPS)}
    return ", ".join(f"{name} {trip.name.lower()}" for name, trip in found.items() if trip) or "nothing"


def _policy(values: Sequence[int]) -> str:
    return " and ".join(name for bit, name in enumerate(("ARP", "ICMP")) if values[0] >> bit & 1) or "nothing"


def _mode(values: Sequence[int]) -> str:
    mode = values[0]
    dialect, action = "4.2" if mode >> 1 & 1 else "5.0", Action(mode >> 2 & 3).name.lower()
    numbers = "numbers in any order" if mode >> 4 & 1 else "numbers rise"
    flags = (", evidence" if mode >> 5 & 1 else "") + (", no parents" if mode >> 6 & 1 else "")
    return f"{'tcp' if mode & 1 else 'udp'}, OUCH {dialect}, {action}, {numbers}{flags}"


def _addresses(values: Sequence[int]) -> str:
    key = LANE_KEY.unpack(struct.pack("<4I", *values))
    ends = " to ".join(f"{ipaddress.IPv4Address(key[end])}:{key[f'{end}_port']!r}" for end in ("source", "destination"))
    tags = "/".join(f"{key[tag]!r}" for tag in ("outer_vid", "inner_vid") if key[tag])
    return f"{ends} in vlan {tags}" if tags else ends


def _money(values: Sequence[int]) -> str:
    return f"${dollars(pairs(values)[0] * PRICE_UNIT)}"


def _shares(values: Sequence[int]) -> str:
    return f"{pairs(values)[0]:,} shares"


def _parent(values: Sequence[int]) -> str:
    terms = parents.unpack(0, *values)
    if terms is None:
        return "nothing"
    return f"{terms.name[0]}, to {terms.side} {terms.shares:,} shares of symbol number {terms.symbol}"


# The directory comes before the limits of symbols: when it differs, their numbers stand for other symbols.
PARTS = (
    Part(Reg.POLICY, 1, 1, _called("what passes without a lane"), _policy),
    Part(Reg.LANE_ENABLE, 1, 1, _called("lanes in use"), lambda values: name_lanes(values[0])),
    Part(Reg.ORDER_SIZE, 1, 1, _called("largest order"), lambda values: f"{values[0]:,} shares"),
    Part(Reg.ORDER_VALUE, 1, 2, _called("largest order value"), _money),
    Part(Reg.WATCHDOG, 1, 1, _called("watchdog time"), lambda values: f"{values[0] / CYCLES_PER_MS:g} ms"),
    Part(Reg.TRIPS, 1, 2, _called("what a failed check brings about"), _trips),
    Part(Reg.LANE_MODE, LANES, 1, _of_lane("protocol and action"), _mode),
    Part(Reg.LANE_KEY, LANES, 4, _of_lane("addresses"), _addresses),
    Part(Reg.GROSS_LIMIT, FIRM + 1, 2, _of_lane("gross limit"), _money),
    Part(Reg.BUILD_TAG, LANES, 1, _of_lane("build"), _build),
    Part(Reg.RATE_INTERVAL, LANES, 1, _of_lane("cycles an order"), lambda values: f"{values[0]:,}"),
    Part(Reg.RATE_DEPTH, LANES, 1, _of_lane("cycles of a burst"), lambda values: f"{values[0]:,}"),
    Part(Reg.HASH_KEY, 1, 3, _called("hash key of the directory"), _hex),
    Part(Reg.DIRECTORY, registers.SLOTS, directory.WORDS, lambda image, index: f"directory slot {index}", _slot),
    Part(Reg.SYMBOL_TERMS, registers.SYMBOLS, 2, _symbol_terms, _terms),
    Part(Reg.EXPOSURE_LIMIT, 2 * registers.SYMBOLS, 2, _symbol_side, _shares),
    Part(Reg.PARENT, registers.PARENTS, 2, lambda image, index: f"parent {index:03X}", _parent),
)

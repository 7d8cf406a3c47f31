"""Turns limits into configuration writes, loads them into a board and reads them back."""

import ipaddress
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from hdl.wire import registers
from hdl.wire.lane import LANE_KEY
from hdl.wire.registers import SHORTED, TRADED, Reg
from hdl.wire.verdict import FIRM, FIRST_TRIP, LANES, Action, Reason, Trip
from host.config import CYCLES_PER_MS, MOST_VALUE, TRIPS, Limits, price_units
from host.device import ALL_LANES, Device
from host.directory import Directory, place
from host.errors import HostError, VerificationError
from host.parents import CHILDREN_MASK, Terms, number_of, pack

ROWS = FIRM + 1  # of the gross limits: lanes and firm


@dataclass(frozen=True)
class Image:
    """A configuration as the board gets it: runs of registers in the order of writing."""

    limits: Limits
    directory: Directory
    runs: tuple[tuple[int, tuple[int, ...]], ...]

    def words(self) -> Iterator[tuple[int, int]]:
        """Yield (address, value) in the order of writing."""
        for address, values in self.runs:
            yield from enumerate(values, address)

    @property
    def held(self) -> dict[int, int]:
        """What is read of the registers in the end; of a parent, not how many children it may have."""
        held = dict(self.words())
        highs = range(Reg.PARENT + 1, Reg.PARENT + 2 * registers.PARENTS, 2)
        return held | {address: held[address] & ~CHILDREN_MASK for address in highs if address in held}

    @property
    def crc(self) -> int:
        """CRC-32 (zlib's) over address and value of every write, both little-endian."""
        return zlib.crc32(b"".join(struct.pack("<II", *word) for word in self.words()))


def build(limits: Limits) -> Image:
    """Return the configuration that says what `limits` says; every table is written whole."""
    directory = place(list(limits.symbols))
    keys = [0] * (LANES * 4)
    modes, intervals, depths = [0] * LANES, [0] * LANES, [0] * LANES
    gross = [0] * (ROWS * 2)
    enabled = 0
    for lane in limits.lane:
        row = lane.number - 1
        enabled |= 1 << row
        key = LANE_KEY.pack(
            outer_vid=lane.vlan,
            inner_vid=lane.inner_vlan,
            source=ipaddress.IPv4Address(lane.source).packed,
            destination=ipaddress.IPv4Address(lane.destination).packed,
            source_port=lane.source_port,
            destination_port=lane.destination_port,
        )
        keys[row * 4 : row * 4 + 4] = struct.unpack("<4I", key)
        modes[row] = lane.is_tcp | (lane.dialect == "4.2") << 1 | Action[lane.action.upper()] << 2
        # A lane that starves repeats the orders that a kill withheld, with their numbers.
        modes[row] |= (lane.unordered or lane.action == "starve") << 4 | lane.evidence << 5
        modes[row] |= (not lane.needs_parent) << 6
        intervals[row], depths[row] = lane.interval, lane.depth
        gross[row * 2 : row * 2 + 2] = _halves(price_units(lane.gross))
    gross[FIRM * 2 : FIRM * 2 + 2] = _halves(price_units(limits.gross.firm))
    exposure, terms = [0] * (registers.SYMBOLS * 4), [0] * (registers.SYMBOLS * 2)
    for symbol, limit in limits.symbols.items():
        at = directory.index(symbol)
        exposure[4 * at : 4 * at + 4] = *_halves(limit.long), *_halves(limit.short)
        flags = TRADED * (not limit.restricted) | SHORTED * limit.short_sale
        terms[2 * at : 2 * at + 2] = _halves(price_units(limit.low) | price_units(limit.high) << 32 | flags)
    settings = (
        limits.policy.arp | limits.policy.icmp << 1,
        enabled,
        limits.orders.largest,
        limits.watchdog.timeout_ms * CYCLES_PER_MS,
        *directory.key_words(),
    )
    return Image(
        limits,
        directory,
        (
            (Reg.POLICY, settings),
            (Reg.ORDER_VALUE, _halves(min(price_units(limits.orders.value), price_units(Decimal(MOST_VALUE))))),
            (Reg.TRIPS, _halves(_trips(TRIPS | limits.trips))),
            (Reg.LANE_MODE, tuple(modes)),
            (Reg.LANE_KEY, tuple(keys)),
            (Reg.GROSS_LIMIT, tuple(gross)),
            (Reg.BUILD_TAG, _tags({lane.number: lane.build for lane in limits.lane})),
            (Reg.RATE_INTERVAL, tuple(intervals)),
            (Reg.RATE_DEPTH, tuple(depths)),
            (Reg.SYMBOL_TERMS, tuple(terms)),
            (Reg.EXPOSURE_LIMIT, tuple(exposure)),
            (Reg.DIRECTORY, directory.words),
            (Reg.PARENT, _parents(limits, directory)),
        ),
    )


def load(device: Device, image: Image, *, anew: bool = False) -> None:
    """Write `image` into a board whose lanes are all killed, and confirm its CRC-32.

    That gives every parent all of its shares and children. `anew` clears the exposure before, so that nothing comes
    back to a parent of orders from before; without it, nothing may have been used of any parent.
    Raises VerificationError when the board's CRC differs, HostError when a lane is open or a parent in use.
    """
    _need_killed(device)
    if anew:
        device.write(Reg.CLEAR_EXPOSURE, [1])
    else:
        _need_unused(device, image.limits)
    device.write(Reg.CONFIG_BEGIN, [1])
    for address, values in image.runs:
        device.write(address, values)
    _confirm(device, image)


def tag(device: Device, image: Image, builds: Mapping[int, str]) -> Image:
    """Write which build's orders each lane lets through, into a board that holds `image`; return what it holds then."""
    _need_killed(device)
    run = (Reg.BUILD_TAG, _tags(builds))
    device.write(*run)
    tagged = replace(image, runs=(*image.runs, run))
    _confirm(device, tagged)
    return tagged


def _need_killed(device: Device) -> None:
    killed = device.killed()
    if killed != ALL_LANES:
        raise HostError(f"{device.name}: lanes are open (killed {killed:#04x}); limits load after `breakwire kill`")


def _need_unused(device: Device, limits: Limits) -> None:
    """Raise HostError when loading would give a parent back what was used of it."""
    for parent in device.parents():
        name, shares = parent.terms.name, parent.terms.shares
        given = limits.parents[name].children if name in limits.parents else 0
        if parent.left != shares or parent.children < given:
            raise HostError(
                f"{device.name}: parent {name} has {parent.left:,} of {shares:,} shares and {parent.children:,} "
                "children left, and loading gives it all anew; cancel what rests and try --anew"
            )


def _confirm(device: Device, image: Image) -> None:
    if (crc := device.read(Reg.CONFIG_CRC)[0]) != image.crc:
        raise VerificationError(
            f"{device.name} has configuration CRC {crc:#010x}, not {image.crc:#010x}; load it again"
        )


def verify(device: Device, image: Image) -> int:
    """Read the whole configuration back and return how many words hold. Raises VerificationError at the first other."""
    held = image.held
    for address, values in image.runs:
        for register, found in enumerate(device.read(address, len(values)), address):
            if found != (wanted := held[register]):
                raise VerificationError(
                    f"{device.name}: register {register:#06x} holds {found:#010x}, not {wanted:#010x}; load again"
                )
    return len(held)


def _parents(limits: Limits, directory: Directory) -> tuple[int, ...]:
    """Return the words of PARENT."""
    words = [0] * (2 * registers.PARENTS)
    for name, parent in limits.parents.items():
        number, terms = number_of(name), Terms(name, directory.index(parent.symbol), parent.side, parent.shares)
        words[2 * number : 2 * number + 2] = pack(terms, parent.children)
    return tuple(words)


def _trips(trips: Mapping[str, str]) -> int:
    """Return the words of TRIPS, as one."""
    return sum(Trip[trip.upper()] << 2 * (Reason[name.upper()] - FIRST_TRIP) for name, trip in trips.items())


def _tags(builds: Mapping[int, str]) -> tuple[int, ...]:
    """Return the words of BUILD_TAG for the builds of lanes, by their numbers."""
    return tuple(int.from_bytes(builds.get(row + 1, "").encode(), "big") for row in range(LANES))


def _halves(value: int) -> tuple[int, int]:
    return value & 0xFFFFFFFF, value >> 32

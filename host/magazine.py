"""Frames for a measurement: orders, packed datagrams and cancels of all lanes, their UserRefNums as they are sent."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdl.wire.ouch import HIGHEST_PRICE
from host import frames
from host.config import Limits, price_units
from host.errors import UsageError

PACKED = (2, 5, 12, 28)  # orders of a packed datagram


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of a trial: its octets, lane from 1, and how many orders are in it."""

    octets: bytes
    lane: int
    orders: int


class Magazine:
    """Frames of all lanes, each once. UserRefNums rise from `last_ref` on."""

    def __init__(self, limits: Limits, seed: int, *, last_ref: int = 0):
        self._limits = limits
        self._draw = random.Random(f"{seed} frames")
        self._symbols = sorted(limits.symbols)
        self._lanes = sorted(lane.number for lane in limits.lane)
        self._templates: dict[tuple[int, int], frames.Template] = {}
        self._user_ref = last_ref

    def shots(self, count: int, *, crossing: bool) -> list[Shot]:
        """Return frames for a trial; with `crossing` one order in their midst is above its lane's gross limit."""
        kinds = [
            (self._draw.choice(self._lanes), self._draw.choices((0, 1, *PACKED), (3, 10, 2, 1, 1, 1))[0])
            for _ in range(count)
        ]
        crosses = None
        if crossing:
            lane = self._draw.choice(self._lanes)
            # Orders of that lane on both sides of the one that crosses, so that a kill has something to stop.
            for place in (self._draw.randrange(2), count - 1 - self._draw.randrange(2)):
                kinds[place] = lane, 1
            crosses = self._draw.randrange(count // 4, 3 * count // 4)
            kinds[crosses] = lane, 1
        return [
            Shot(self._crossing(lane) if place == crosses else self._build(lane, kind), lane, kind)
            for place, (lane, kind) in enumerate(kinds)
        ]

    def _template(self, lane: int, kind: int) -> frames.Template:
        if (lane, kind) not in self._templates:
            make = {0: frames.cancel_template, 1: frames.enter_template}.get(kind)
            of = self._limits.lane_of(lane)
            self._templates[lane, kind] = make(of) if make else frames.packed_template(of, kind)
        return self._templates[lane, kind]

    def _refs(self, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        self._user_ref += count
        return np.arange(self._user_ref - count + 1, self._user_ref + 1)

    def _order_id(self, lane: int) -> np.ndarray[Any, Any]:
        return np.array([f"{self._limits.lane_of(lane).build}MEAS".encode().ljust(14)], "S14")

    def _build(self, lane: int, kind: int) -> bytes:
        """Return a frame with `kind` orders; 0 is a cancel."""
        template = self._template(lane, kind)
        if not kind:
            return _octets(template.build(1, user_ref=self._refs(1), quantity=np.zeros(1, np.int64)))
        values: dict[str, np.ndarray[Any, Any]] = {}
        for number in range(kind):
            suffix = "" if kind == 1 else f"_{number}"
            values |= {
                f"user_ref{suffix}": self._refs(1),
                f"side{suffix}": np.array([self._draw.choice(b"BS")]),
                f"quantity{suffix}": np.ones(1, np.int64),
                f"symbol{suffix}": np.array([self._draw.choice(self._symbols).encode().ljust(8)], "S8"),
                f"price{suffix}": np.ones(1, np.int64),  # $0.0001: a campaign must not use its limits up
                f"order_id{suffix}": self._order_id(lane),
            }
        return _octets(template.build(1, **values))

    def _crossing(self, lane: int) -> bytes:
        """Return an order one size above the whole gross limit of its lane."""
        limit = price_units(self._limits.lane_of(lane).gross)
        quantity = min(self._limits.orders.largest, max(symbol.long for symbol in self._limits.symbols.values()))
        price = limit // max(1, quantity) + 1
        if not quantity or price > HIGHEST_PRICE:
            raise UsageError(
                f"no order of at most {quantity} shares can cross lane {lane}'s ${limit / 10_000:,.0f} gross limit; "
                "lower it or raise orders.largest"
            )
        symbol = next(name for name, limit in self._limits.symbols.items() if limit.long >= quantity)
        row = self._template(lane, 1).build(
            1, user_ref=self._refs(1), side=np.array([ord("B")]), quantity=np.array([quantity]),
            symbol=np.array([symbol.encode().ljust(8)], "S8"), price=np.array([price]),
            order_id=self._order_id(lane),
        )  # fmt: skip
        return _octets(row)


def _octets(rows: frames.Octets) -> bytes:
    return bytes(rows[0].tobytes())

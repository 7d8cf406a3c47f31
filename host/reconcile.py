"""Positions reconciled: what a board has of each symbol, and what the exchange's books have."""

from collections.abc import Mapping

from host.book import Holding
from host.device import Device


def differing(
    device: Device, indices: Mapping[str, int], books: Mapping[str, Holding], since: Mapping[str, Holding]
) -> list[str]:
    """Return the symbols of which a board at rest has other positions than the exchange, one line each.

    Parameters
    ----------
    indices : mapping
        The board's number of each symbol.
    books, since : mappings
        What the exchange has of each symbol, and what it had when the board was cleared; nothing where a symbol lacks.
    """
    count = max(indices.values()) + 1
    nets, opened = device.net(0, count), device.opened(0, count)
    lines = []
    for symbol, number in sorted(indices.items()):
        before, there = since.get(symbol, Holding()), books.get(symbol, Holding())
        there = there._replace(net=there.net - before.net)
        here = Holding(nets[number], *opened[number])
        if here != there:
            lines.append(f"{symbol}: the board has {_told(here)}; the exchange {_told(there)}")
    return lines


def _told(holding: Holding) -> str:
    return f"{holding.net:,} shares, {holding.buys:,} to buy and {holding.sells:,} to sell"

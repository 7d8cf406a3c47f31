"""Distributions of exact integers."""

from collections.abc import Sequence

QUANTILES = {"p50": 500, "p99": 990, "p999": 999}  # per mille


def summarize(samples: Sequence[int], *quantiles: str) -> dict[str, int | None]:
    """Return n, min, the quantiles asked for (p50, p99, p999) and max; all but n are None without samples.

    A quantile is the smallest sample that is not below the given share of them (nearest rank), so it was measured.
    """
    ordered = sorted(samples)
    if not ordered:
        return {"n": 0, "min": None, **dict.fromkeys(quantiles), "max": None}
    ranks = {name: ordered[-(-QUANTILES[name] * len(ordered) // 1000) - 1] for name in quantiles}
    return {"n": len(ordered), "min": ordered[0], **ranks, "max": ordered[-1]}


def table(rows: Sequence[Sequence[object]], *, left: int = 1) -> str:
    """Return rows as aligned text; the first `left` columns to the left, the others to the right."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    lines = []
    for row in cells:
        parts = [c.ljust(w) if at < left else c.rjust(w) for at, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)

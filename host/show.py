"""`breakwire limits FILE --show`: prints use against limits, and whether the board holds FILE."""

from argparse import Namespace
from collections.abc import Sequence

import msgspec

from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES
from host import readback, usage
from host.config import Limits
from host.device import Device, name_lanes
from host.errors import VerificationError
from host.loader import Image
from host.readback import Difference
from host.stats import table
from host.usage import Row

SCHEMA = "breakwire.limits/1"
UNITS = {"usd": "$"}  # how a unit is printed, if not by its own name


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    schema: str
    board: str
    file: str
    holds: bool
    words: int  # read back
    config_crc: int  # the board's
    differences: list[Difference]
    evidence: list[int]  # the board's lanes that have it
    use: list[Row]  # as full as can be first


def show(device: Device, image: Image, args: Namespace) -> None:
    """Print use against limits, by the board. Raises VerificationError when the board does not hold `image`."""
    held = readback.read(device, image)
    differences = readback.differences(image, held)
    every = usage.rows(device, held)
    rows = every if args.all else usage.in_use(every)
    report = Report(
        schema=SCHEMA,
        board=device.name,
        file=str(args.file),
        holds=not differences,
        words=sum(len(values) for _, values in image.runs),
        config_crc=held[Reg.CONFIG_CRC],
        differences=differences,
        evidence=[lane for lane, mode in enumerate(readback.words(held, Reg.LANE_MODE, LANES), 1) if mode >> 5 & 1],
        use=sorted(rows, key=lambda row: -row.fullness),
    )
    if args.json:
        print(msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(report), indent=2).decode())
    else:
        print(as_text(report, image.limits, left_out=_count_symbols(every) - _count_symbols(rows)))
    if differences:
        first, others = differences[0], len(differences) - 1
        raise VerificationError(
            f"{device.name} does not hold {args.file}: {first.what} is {first.board}, the file says {first.file} "
            f"(register {first.register:#06x}){f', and {others} more' if others else ''}; "
            f"load it with `breakwire limits {args.file}`"
        )


def as_text(report: Report, limits: Limits, *, left_out: int) -> str:
    """Return a report for a reader; `left_out` is how many symbols without use are not in it."""
    read_back = f"{report.words} words read back, CRC {report.config_crc:#010x}"
    holds = "holds" if report.holds else "does NOT hold"
    largest = ", ".join(_amount(row, row.limit) for row in report.use if row.scope == "order")
    evidence = name_lanes(sum(1 << lane - 1 for lane in report.evidence))
    parts = [f"{report.board} {holds} {report.file}: {read_back}\nlargest order {largest}; evidence on {evidence}"]
    tables: dict[str, list[Row]] = {"firm": [], "symbol": []}
    for row in report.use:
        if row.scope != "order":
            tables.setdefault("firm" if row.scope == "lane" else row.scope, []).append(row)
    parts += [as_table(rows, limits) for rows in tables.values() if rows]
    if left_out:
        parts.append(f"{left_out} symbols without use are left out; --all shows them")
    return "\n\n".join(parts)


def as_table(rows: Sequence[Row], limits: Limits) -> str:
    """Return rows with a line for each thing and a group of columns for each limit; the firm before its lanes."""
    heads = dict.fromkeys(head for row in sorted(rows, key=lambda row: row.what) for head in _cells(row))
    lines: dict[str, dict[tuple[str, str], str]] = {}
    for row in sorted(rows, key=lambda row: row.scope != "firm"):
        lines.setdefault(_label(row, limits), {}).update(_cells(row))
    title = "" if any(row.scope == "firm" for row in rows) else rows[0].scope
    cells: list[list[object]] = [[title, *(head for _, head in heads)]]
    cells += [[label, *(found.get(head, "") for head in heads)] for label, found in lines.items()]
    return table(cells)


def _label(row: Row, limits: Limits) -> str:
    if row.scope == "lane":
        servers = [lane.server for lane in limits.lane if str(lane.number) == row.name]
        return " ".join(["lane", row.name, *servers])
    return row.name or row.scope


def _cells(row: Row) -> dict[tuple[str, str], str]:
    """Return a row's cells by limit and head; the net of a symbol is of both its limits."""
    if row.used is None:
        return {(row.what, row.what): _number(row.limit)}
    unit = UNITS.get(row.unit, row.unit)
    percent = f"{row.percent:.2f}" if row.percent is not None else "over" if row.fullness else "-"
    used = _number(row.used)
    limit = {(row.what, "limit"): _number(row.limit), (row.what, "%"): percent}
    if row.net is None or row.open is None:
        return {(row.what, f"{row.what} {unit} used"): used} | limit
    position = {("", f"net {unit}"): _number(row.net), (row.what, f"{row.what} {unit} open"): _number(row.open)}
    return position | {(row.what, "used"): used} | limit


def _number(amount: usage.Amount) -> str:
    return f"{amount:,}" if isinstance(amount, int) else readback.dollars(amount)


def _amount(row: Row, amount: usage.Amount) -> str:
    return f"${_number(amount)}" if row.unit == "usd" else f"{_number(amount)} {row.unit}"


def _count_symbols(rows: Sequence[Row]) -> int:
    return len({row.name for row in rows if row.scope == "symbol"})

"""host.usage and host.show: how much of each limit is used, by what the board holds."""

import json
from decimal import Decimal

import pytest

from hdl.wire.control import Op
from hdl.wire.registers import Reg
from host import config, loader, readback, usage
from host.device import Device
from tests.fake_board import FakeBoard, FakeLink
from tests.test_host_cli import breakwire
from tests.test_host_cli import port as port
from tests.test_host_config import GOOD

IMAGE = loader.build(config.parse(GOOD))


def make(*, gross=(), exposure=(), image=IMAGE):
    """Return a device on a board with GOOD's limits; `exposure` is shares by symbol and side."""
    board = FakeBoard()
    device = Device(FakeLink(board))
    loader.load(device, image)
    board.gross[: len(gross)] = gross
    board.memory |= {Reg.EXPOSURE + 2 * at: shares for at, shares in enumerate(exposure)}
    return board, device


def rows(device, image=IMAGE):
    return usage.rows(device, readback.read(device, image))


def test_rows_of_a_board():
    """By hand: $500,000.50 is 50.00005 % of lane 1's limit. Lanes 3 to 8 are not configured; B.C may not be sold."""
    _, device = make(gross=[5_000_005_000, 0, 0, 0, 0, 0, 0, 0, 5_000_005_000], exposure=[33, 200, 0, 0])
    assert [(row.scope, row.name, row.what, row.unit, row.used, row.limit, row.percent) for row in rows(device)] == [
        ("firm", "", "gross", "usd", Decimal("500000.5"), Decimal("5000000.25"), Decimal("10.00")),
        ("lane", "1", "gross", "usd", Decimal("500000.5"), Decimal(1_000_000), Decimal("50.00")),
        ("lane", "2", "gross", "usd", 0, Decimal(2_000_000), 0),
        ("symbol", "AAA", "long", "shares", 33, 100, 33),
        ("symbol", "AAA", "short", "shares", 200, 200, 100),
        ("symbol", "B.C", "long", "shares", 0, 1, 0),
        ("symbol", "B.C", "short", "shares", 0, 0, None),
        ("order", "", "size", "shares", None, 1000, None),
        ("order", "", "value", "usd", None, 0, None),
    ]


@pytest.mark.parametrize(
    ("used", "limit", "percent", "fullness"),
    [(199_999, 200_000, "99.99", 0.999995), (250, 100, "250.00", 2.5), (0, 0, None, 0.0), (1, 0, None, float("inf"))],
)
def test_100_percent_is_a_limit_used_up(used, limit, percent, fullness):
    """Rounded down; of a limit of 0 there is no percent, and use of it is above everything."""
    board, device = make(exposure=[used])
    board.memory[Reg.EXPOSURE_LIMIT] = limit
    row = next(row for row in rows(device) if row.name == "AAA")
    assert (row.percent, row.fullness) == (percent and Decimal(percent), fullness)


def test_use_of_what_is_not_configured_any_more_is_shown():
    """A lane that the file has no longer, and a number that had a symbol: loading clears no exposure."""
    _, device = make(gross=[0, 0, 0, 70_000], exposure=[0] * 8 + [5])
    found = [(row.scope, row.name, row.used, row.limit) for row in usage.in_use(rows(device))]
    assert ("lane", "4", 7, 0) in found
    assert ("symbol", "number 4", 5, 0) in found and ("symbol", "number 4", 0, 0) in found


def test_symbols_are_the_boards_own():
    """A board that was loaded with another file: its symbols and its limits, whatever the file says."""
    other = loader.build(config.parse(GOOD.replace("AAA = { long = 100", "ZZZ = { long = 900")))
    _, device = make(exposure=[9], image=other)
    found = [(row.name, row.what, row.used, row.limit) for row in usage.in_use(rows(device)) if row.scope == "symbol"]
    assert found == [("ZZZ", "long", 9, 900), ("ZZZ", "short", 0, 200)]


@pytest.fixture
def armed(port, capfd):
    """A board behind a port that holds the port's limits, is armed, and has released something."""
    for command in ("limits", "arm"):
        assert breakwire(capfd, command, port.limits, "--rig", port.rig)[0] == 0
    port.board.gross = [12_345_000_000, 19_000_000_000, 0, 0, 0, 0, 0, 0, 31_345_000_000]
    port.board.memory |= {Reg.EXPOSURE: 33, Reg.EXPOSURE + 2: 150}
    port.board.requests.clear()
    return port


def show(capfd, port, *words):
    return breakwire(capfd, "limits", port.limits, "--show", *words, "--rig", port.rig)


def test_use_against_limits(armed, capfd):
    """The fullest first, the firm on top. It only reads, and the lanes stay open."""
    code, out, err = show(capfd, armed)
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.endswith(f" holds {armed.limits}: 7261 words read back, CRC {armed.board.crc:#010x}")
    assert rest == [
        "largest order 1,000 shares, $0.00",
        "",
        "            gross $ used         limit       %",
        "firm        3,134,500.00  5,000,000.25   62.68",
        "lane 1 one  1,234,500.00  1,000,000.00  123.45",
        "lane 2 two  1,900,000.00  2,000,000.00   95.00",
        "",
        "symbol  long shares used  limit      %  short shares used  limit      %",
        "AAA                   33    100  33.00                150    200  75.00",
        "",
        "1 symbols without use are left out; --all shows them",
    ]
    assert set(armed.board.requests) == {Op.READ}
    assert armed.board.killed == 0


@pytest.mark.parametrize("words", [["--all"], ["--all", "--show"]])
def test_all_symbols(armed, capfd, words):
    """`--all` loads nothing either."""
    code, out, _ = breakwire(capfd, "limits", armed.limits, *words, "--rig", armed.rig)
    assert code == 0 and set(armed.board.requests) == {Op.READ}
    assert out.splitlines()[-2:] == [
        "AAA                   33    100  33.00                150    200  75.00",
        "B.C                    0      1   0.00                  0      0      -",
    ]


def test_as_json(armed, capfd):
    code, out, err = show(capfd, armed, "--json")
    found = json.loads(out, parse_float=Decimal)
    assert (code, err) == (0, "")
    assert found.pop("board").startswith("the board on ")
    first, use = found["use"][0], found.pop("use")
    assert found == {
        "schema": "breakwire.limits/1",
        "file": str(armed.limits),
        "holds": True,
        "words": 7261,
        "config_crc": armed.board.crc,
        "differences": [],
    }
    assert first == {
        "scope": "lane", "name": "1", "what": "gross", "unit": "usd", "used": Decimal("1234500.0000"),
        "limit": Decimal("1000000.0000"), "percent": Decimal("123.45"),
    }  # fmt: skip
    assert [(row["name"], row["what"], row["percent"]) for row in use[1:]] == [
        ("2", "gross", 95), ("AAA", "short", 75), ("", "gross", Decimal("62.68")), ("AAA", "long", 33),
        ("", "size", None), ("", "value", None),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_another_limit_on_the_board_is_a_failed_verification(armed, capfd, words):
    """What the board holds is shown all the same, and its limit is the one that counts."""
    armed.board.memory |= {0x142: 15_000_000_000 & 0xFFFFFFFF, 0x143: 3, 0x800: 99, 0x802: 300}
    code, out, err = show(capfd, armed, *words)
    assert code == 4
    assert err.partition(" does not hold ")[2] == (
        f"{armed.limits}: lane 2 gross limit is $1,500,000.00, the file says $2,000,000.00 (register 0x0142), "
        f"and 2 more; load it with `breakwire limits {armed.limits}`\n"
    )
    if words:
        found = json.loads(out)
        assert (found["holds"], found["use"][0]["name"], found["use"][0]["percent"]) == (False, "2", 126.66)
        assert found["differences"][1:] == [
            {"what": "symbol AAA long limit", "register": 0x800, "board": "99 shares", "file": "100 shares"},
            {"what": "symbol AAA short limit", "register": 0x802, "board": "300 shares", "file": "200 shares"},
        ]
    else:
        assert f" does NOT hold {armed.limits}: 7261 words read back, CRC 0x" in out
        assert "lane 2 two  1,900,000.00  1,500,000.00  126.66" in out


def test_use_of_a_limit_of_0_is_over_and_on_top(armed, capfd):
    armed.board.memory |= {0x140: 0, 0x141: 0}
    _, out, _ = show(capfd, armed)
    assert out.splitlines()[5].split() == ["lane", "1", "one", "1,234,500.00", "0.00", "over"]


def test_a_symbol_or_all_of_them(armed, capfd):
    code, _, err = show(capfd, armed, "--symbol", "AAA")
    assert code == 2
    assert err == ("breakwire: argument --symbol: not allowed with argument --show; see `breakwire limits --help`\n")

"""host.usage and host.show: how much of each limit is used, by what the board holds."""

import json
import struct
from decimal import Decimal

import pytest

from hdl.wire.control import Op
from hdl.wire.registers import Reg
from host import config, loader, readback, usage
from host.device import Device
from host.show import as_table
from tests.fake_board import FakeBoard, FakeLink
from tests.test_host_cli import breakwire
from tests.test_host_cli import port as port
from tests.test_host_config import GOOD

IMAGE = loader.build(config.parse(GOOD))


def make(*, gross=(), exposure=(), net=(), image=IMAGE):
    """Return a device on a board with GOOD's limits; `exposure` is open shares by symbol and side, `net` by symbol."""
    board = FakeBoard()
    device = Device(FakeLink(board))
    loader.load(device, image)
    board.gross[: len(gross)] = gross
    board.memory |= {Reg.EXPOSURE + 2 * at: shares for at, shares in enumerate(exposure)}
    board.memory |= held(net)
    return board, device


def held(net):
    """Return the words of NET for the positions of the first symbols."""
    return {
        Reg.NET + at: word
        for at, word in enumerate(struct.unpack(f"<{2 * len(net)}I", struct.pack(f"<{len(net)}q", *net)))
    }


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


def test_rows_of_parents():
    """By hand: 250 of 1,000 shares are used; more than all of another's were executed."""
    parents = (
        '[parents]\nA001 = { symbol = "AAA", side = "buy", shares = 1_000, children = 9 }\n'
        'B002 = { symbol = "AAA", side = "sell", shares = 10, children = 1 }\n'
    )
    limits = config.parse(GOOD + parents)
    image = loader.build(limits)
    board, device = make(image=image)
    board.memory |= {Reg.PARENT_LEFT + 2: 750, Reg.PARENT_LEFT + 3: 7, Reg.PARENT_LEFT + 4: (1 << 32) - 5}
    found = [row for row in rows(device, image) if row.scope == "parent"]
    assert [(row.name, row.what, row.unit, row.used, row.limit, row.percent) for row in found] == [
        ("A001", "budget", "shares", 250, 1000, 25), ("A001", "children left", "orders", None, 7, None),
        ("B002", "budget", "shares", 15, 10, 150), ("B002", "children left", "orders", None, 1, None),
    ]  # fmt: skip
    assert as_table(found, limits).splitlines() == [
        "parent  budget shares used  limit       %  children left",
        "A001                   250  1,000   25.00              7",
        "B002                    15     10  150.00              1",
    ]


def test_the_use_of_a_position_is_what_it_could_come_to():
    """By hand: 60 bought and 33 open to buy, of 100; 150 open to sell, of 200. Then 33 open against 40 sold."""
    for net, long, short in ((60, (93, 93), (90, 45)), (-40, (-7, 0), (190, 95)), (-160, (-127, 0), (310, 155))):
        _, device = make(exposure=[33, 150], net=[net])
        found = [row for row in rows(device) if row.name == "AAA"]
        assert [(row.what, row.net, row.open) for row in found] == [("long", net, 33), ("short", net, 150)]
        assert [(row.used, row.percent) for row in found] == [long, short]
        assert [row.fullness for row in found] == [max(0, long[0]) / 100, short[0] / 200]


def test_a_position_without_open_orders_is_use():
    """Symbol B.C may not be sold, and a number that has no symbol any more is 5 shares short."""
    _, device = make(net=[0, -1, 0, 0, -5])
    found = [(row.name, row.what, row.used, row.percent) for row in usage.in_use(rows(device)) if row.scope == "symbol"]
    assert found == [
        ("B.C", "long", -1, 0), ("B.C", "short", 1, None),
        ("number 4", "long", -5, None), ("number 4", "short", 5, None),
    ]  # fmt: skip


def test_what_is_executed_while_it_is_read_is_told_twice_and_not_missed():
    """Five shares are executed as soon as the first table is read."""

    class Filling(FakeBoard):
        def read(self, address):
            value = super().read(address)
            if address in (Reg.EXPOSURE + 1, Reg.NET + 1):
                self.memory |= {Reg.EXPOSURE: 0, Reg.NET: 5}
            return value

    board = Filling()
    device = Device(FakeLink(board))
    loader.load(device, IMAGE)
    board.memory[Reg.EXPOSURE] = 5
    assert next(row.used for row in rows(device) if row.name == "AAA") == 10


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
    port.board.memory |= {Reg.EXPOSURE: 33, Reg.EXPOSURE + 2: 150} | held([12])
    port.board.requests.clear()
    return port


def show(capfd, port, *words):
    return breakwire(capfd, "limits", port.limits, "--show", *words, "--rig", port.rig)


def test_use_against_limits(armed, capfd):
    """The fullest first, the firm on top. It only reads, and the lanes stay open."""
    code, out, err = show(capfd, armed)
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.endswith(f" holds {armed.limits}: 8285 words read back, CRC {armed.board.crc:#010x}")
    assert rest == [
        "largest order 1,000 shares, $0.00; evidence on no lane",
        "",
        "            gross $ used         limit       %",
        "firm        3,134,500.00  5,000,000.25   62.68",
        "lane 1 one  1,234,500.00  1,000,000.00  123.45",
        "lane 2 two  1,900,000.00  2,000,000.00   95.00",
        "",
        "symbol  net shares  long shares open  used  limit      %  short shares open  used  limit      %",
        "AAA             12                33    45    100  45.00                150   138    200  69.00",
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
        "AAA             12                33    45    100  45.00                150   138    200  69.00",
        "B.C              0                 0     0      1   0.00                  0     0      0      -",
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
        "words": 8285,
        "config_crc": armed.board.crc,
        "differences": [],
        "evidence": [],
    }
    assert first == {
        "scope": "lane", "name": "1", "what": "gross", "unit": "usd", "used": Decimal("1234500.0000"),
        "limit": Decimal("1000000.0000"), "percent": Decimal("123.45"), "net": None, "open": None,
    }  # fmt: skip
    assert use[2] == {
        "scope": "symbol", "name": "AAA", "what": "short", "unit": "shares", "used": 138, "limit": 200,
        "percent": 69, "net": 12, "open": 150,
    }  # fmt: skip
    assert [(row["name"], row["what"], row["percent"]) for row in use[1:]] == [
        ("2", "gross", 95), ("AAA", "short", 69), ("", "gross", Decimal("62.68")), ("AAA", "long", 45),
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
        assert f" does NOT hold {armed.limits}: 8285 words read back, CRC 0x" in out
        assert "lane 2 two  1,900,000.00  1,500,000.00  126.66" in out


def test_use_of_a_limit_of_0_is_over_and_on_top(armed, capfd):
    armed.board.memory |= {0x140: 0, 0x141: 0}
    _, out, _ = show(capfd, armed)
    assert out.splitlines()[5].split() == ["lane", "1", "one", "1,234,500.00", "0.00", "over"]


def test_a_position_on_the_other_side_is_no_use(armed, capfd):
    """Sold short by 60 shares, the long limit is as far away as can be; of a limit of 0 there is none used either."""
    armed.board.memory |= held([-60, 1]) | {Reg.EXPOSURE_LIMIT + 4: 7}
    _, out, _ = show(capfd, armed)
    assert out.splitlines()[-2:] == [
        "AAA            -60                33   -27    100   0.00                150   210    200  105.00",
        "B.C              1                 0     1      7  14.28                  0    -1      0       -",
    ]


def test_lanes_with_evidence_are_the_boards(armed, capfd):
    """The file has lane 2 with evidence, the board lanes 2 and 3: that is a difference, and both are told."""
    file = GOOD.replace("vlan = 100", 'vlan = 100\nprotocol = "tcp"\nevidence = true')
    armed.limits.write_text(file)
    armed.board.memory |= {0x111: 0b10_0001, 0x112: 0b10_0001}
    code, out, err = show(capfd, armed)
    assert code == 4
    assert out.splitlines()[1] == "largest order 1,000 shares, $0.00; evidence on lanes 2, 3"
    assert err.partition(" does not hold ")[2] == (
        f"{armed.limits}: lane 3 protocol and action is tcp, OUCH 5.0, neutralise, numbers rise, evidence, the file "
        f"says udp, OUCH 5.0, neutralise, numbers rise (register 0x0112); load it with `breakwire limits "
        f"{armed.limits}`\n"
    )
    code, out, _ = show(capfd, armed, "--json")
    assert code == 4 and json.loads(out)["evidence"] == [2, 3]


def test_a_symbol_or_all_of_them(armed, capfd):
    code, _, err = show(capfd, armed, "--symbol", "AAA")
    assert code == 2
    assert err == ("breakwire: argument --symbol: not allowed with argument --show; see `breakwire limits --help`\n")

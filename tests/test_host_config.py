"""host.config: a limits file says one thing or is refused with the line of what is wrong."""

from decimal import Decimal
from pathlib import Path

import pytest

from host import config
from host.errors import UsageError
from host.runs import packaged_limits

GOOD = """\
[watchdog]
timeout_ms = 500

[orders]
largest = 1_000

[gross]
firm = 5_000_000.25

[[lane]]
number = 1
server = "one"
source = "10.1.0.1"
source_port = 26001
destination = "10.9.0.1"
destination_port = 9001
gross = 1_000_000

[[lane]]
number = 2
server = "two"
vlan = 100
source = "10.1.0.2"
source_port = 26002
destination = "10.9.0.1"
destination_port = 9001
gross = 2_000_000

[symbols]
AAA = { long = 100, short = 200 }
"B.C" = { long = 1, short = 0 }
"""


def test_a_good_file_says_what_it_says():
    limits = config.parse(GOOD)
    assert limits.watchdog.timeout_ms == 500 and limits.orders.largest == 1000
    assert limits.gross.firm == Decimal("5000000.25")
    assert config.price_units(limits.gross.firm) == 50_000_002_500
    assert [(lane.number, lane.server, lane.vlan) for lane in limits.lane] == [(1, "one", 0), (2, "two", 100)]
    assert limits.lane_of(2).gross == 2_000_000
    assert limits.symbols["B.C"] == config.Symbol(long=1, short=0)
    assert not limits.policy.arp and not limits.policy.icmp


def test_the_packaged_file_is_the_drills():
    """$2 m gross is what the 33 Account was limited to; 154 symbols, as many as on the day."""
    limits = packaged_limits()
    assert [lane.number for lane in limits.lane] == list(range(1, 9))
    assert {lane.gross for lane in limits.lane} == {Decimal(2_000_000)}
    assert len(limits.symbols) == 154


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("timeout_ms = 500", "timeout = 500", "f, line 2: watchdog.timeout: unknown key"),
        ("timeout_ms = 500", "", "f, line 1: watchdog: timeout_ms is missing"),
        ("timeout_ms = 500", 'timeout_ms = "500"', "f, line 2: watchdog.timeout_ms: expected a whole number, got text"),
        ("timeout_ms = 500", "timeout_ms = 0", "f, line 2: watchdog.timeout_ms: expected a whole number >= 1"),
        ("largest = 1_000", "largest = 1.5", "f, line 5: orders.largest: expected a whole number, got a fraction"),
        ("largest = 1_000", "largest = 1_000_000", "f, line 5: orders.largest: expected a whole number <= 999999"),
        ("[orders]", "[order]", "f, line 4: order: unknown key"),
        ("5_000_000.25", '"1"', "f, line 8: gross.firm: expected an amount in dollars, got text"),
        ("5_000_000.25", "0.00001", "f, line 8: gross.firm: 0.00001 dollars has more than four decimals"),
        ("5_000_000.25", "-1", "f, line 8: gross.firm: -1 dollars, must be 0 to 281474976710655"),
        ("5_000_000.25", "nan", "f, line 8: gross.firm: NaN dollars, must be 0 to 281474976710655"),
        ("vlan = 100", 'build = "RLP"', "f, line 22: lane[1].build: expected text matching regex '^([!-~]{4})?$'"),
        ("vlan = 100", "rate_per_s = 0", "f, line 22: lane[1].rate_per_s: expected a whole number >= 1"),
        ("vlan = 100", "burst = 0", "f, line 22: lane[1].burst: expected a whole number >= 1"),
        (
            "vlan = 100",
            "rate_per_s = 1\nburst = 36",
            "f, line 23: lane[1].burst: 36 orders at 1 a second, at most 35 fit",
        ),
        (
            "short = 200",
            "short = 200, high = 200_000",
            'f, line 30: symbols."AAA": high: 200000 dollars, at most 199999.9900',
        ),
        (
            "short = 200",
            "short = 200, low = 0.00001",
            'f, line 30: symbols."AAA": low: 0.00001 dollars has more than four decimals',
        ),
        (
            "largest = 1_000",
            "largest = 1\nvalue = -1",
            "f, line 6: orders.value: -1 dollars, must be 0 to 281474976710655",
        ),
        (
            "[symbols]",
            '[trips]\nposition = "desk"\n[symbols]',
            "f, line 30: trips.position: 'desk' is none of none, symbol, lane, firm",
        ),
        ("2_000_000", "true", "f, line 27: lane[1].gross: expected an amount in dollars, got true or false"),
        ("number = 2", "number = 1", "f, line 20: lane[1].number: lane 1 is there twice"),
        ("number = 2", "number = 9", "f, line 20: lane[1].number: expected a whole number <= 8"),
        ("vlan = 100", "vlan = 100\nvlann = 1", "f, line 23: lane[1].vlann: unknown key"),
        ("vlan =", "inner_vlan =", "f, line 22: lane[1].inner_vlan: an inner tag needs an outer one: set vlan too"),
        ('"10.1.0.2"', '"10.1.0"', "f, line 23: lane[1].source: '10.1.0' is no IPv4 address"),
        ("source_port = 26002", "source_port = 0", "f, line 24: lane[1].source_port: expected a whole number >= 1"),
        ("source_port = 26002", "", "f, line 19: lane[1]: source_port is missing; only a TCP lane does without"),
        (
            "vlan = 100",
            "evidence = true",
            "f, line 22: lane[1].evidence: only a TCP lane's reports are read: set protocol too",
        ),
        (
            "vlan = 100",
            'protocol = "tcp"\nevidence = 1',
            "f, line 23: lane[1].evidence: expected true or false, got a whole number",
        ),
        ("vlan = 100", 'protocol = "sctp"', "f, line 22: lane[1].protocol: invalid enum value 'sctp'"),
        ("long = 100,", "long = 100, middle = 1,", "f, line 30: symbols.AAA.middle: unknown key"),
        ("long = 1,", 'long = "1",', "f, line 31: symbols.B.C.long: expected a whole number, got text"),
        ("long = 1,", "", "f, line 31: symbols.B.C: long is missing"),
        (
            "AAA =",
            "ABCDEFGHI =",
            'f, line 30: symbols."ABCDEFGHI": a symbol is 1 to 8 printable ASCII characters without spaces',
        ),
        ("[gross]", "[gross", "f: expected ']' at the end of a table declaration (at line 7, column 7)"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(old, new, message):
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        config.parse(GOOD.replace(old, new, 1), "f")
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


PARENT = '[parents]\nP1A7 = { symbol = "AAA", side = "sell", shares = 2_097_151, children = 16_383 }\n'


def test_parents_have_names_as_orders_say_them():
    """A letter and three hexadecimal digits below 200; every lane needs them unless it says otherwise."""
    limits = config.parse(GOOD + PARENT)
    assert limits.parents == {"P1A7": config.Parent(symbol="AAA", side="sell", shares=2_097_151, children=16_383)}
    assert all(lane.needs_parent for lane in limits.lane)
    assert not any(lane.needs_parent for lane in config.lenient(limits).lane)
    assert not config.parse(GOOD.replace("vlan = 100", "needs_parent = false")).lane_of(2).needs_parent


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        *((("P1A7", name, f'parents."{name}": a name is a capital letter and three hexadecimal digits, 000 to 1FF'))
          for name in ("p1A7", "P200", "P1a7", "P1A", "P1A77", "1A7P")),
        ("AAA", "XYZ", 'parents."P1A7": its symbol XYZ is not among the symbols'),
        ("sell", "short", "parents.P1A7.side: invalid enum value 'short'"),
        ("2_097_151", "2_097_152", "parents.P1A7.shares: expected a whole number <= 2097151"),
        ("16_383", "0", "parents.P1A7.children: expected a whole number >= 1"),
        (", children = 16_383", "", "parents.P1A7: children is missing"),
        ("}", '}\nQ1A7 = { symbol = "AAA", side = "buy", shares = 1, children = 1 }',
         'parents."Q1A7": its number is that of P1A7'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_parent_is_one_line(old, new, message):
    assert old in PARENT
    with pytest.raises(UsageError) as caught:
        config.parse(GOOD + PARENT.replace(old, new, 1), "f")
    assert str(caught.value) == f"f, line {34 if 'Q1A7' in new else 33}: {message}"


def test_limits_that_nothing_reaches():
    free = config.unreachable(config.parse(GOOD))
    assert {lane.gross for lane in free.lane} == {free.gross.firm} == {2**48 - 1}
    assert {(symbol.long, symbol.short) for symbol in free.symbols.values()} == {(2**40 - 1, 2**40 - 1)}


def test_a_tcp_lane_needs_no_source_port():
    lane = config.parse(GOOD.replace("source_port = 26002", 'protocol = "tcp"')).lane_of(2)
    assert lane.is_tcp and (lane.source_port, lane.dialect, lane.action) == (0, "5.0", "neutralise")
    assert not config.parse(GOOD).lane_of(2).is_tcp


def test_evidence_is_read_over_tcp_only():
    limits = config.parse(GOOD)
    assert all(lane.evidence for lane in config.speaking(limits, "tcp", evidence=True).lane)
    with pytest.raises(UsageError, match=r"^evidence is read over TCP, not over UDP; try --protocol tcp$"):
        config.speaking(limits, "udp", evidence=True)


def test_a_tcp_lane_may_have_evidence_and_udp_takes_it_away():
    limits = config.parse(GOOD.replace("vlan = 100", 'vlan = 100\nprotocol = "tcp"\nevidence = true'))
    assert [lane.evidence for lane in limits.lane] == [False, True]
    assert [lane.evidence for lane in config.speaking(limits, "tcp").lane] == [False, True]
    assert config.speaking(limits, "udp") == config.parse(GOOD)


def test_every_lane_can_be_told_what_to_speak():
    limits = config.speaking(config.parse(GOOD), "tcp")
    assert [lane.protocol for lane in limits.lane] == ["tcp", "tcp"] and limits.symbols["AAA"].long == 100
    assert config.speaking(limits, "udp") == config.parse(GOOD)
    lacking = config.parse(GOOD.replace("source_port = 26002", 'protocol = "tcp"'))
    with pytest.raises(UsageError, match=r"^lanes \[2\] have no source_port in the limits; UDP needs one$"):
        config.speaking(lacking, "udp")


def test_two_tcp_lanes_differ_in_more_than_the_source_port():
    twice = (
        GOOD.replace("vlan = 100\n", "")
        .replace("10.1.0.2", "10.1.0.1")
        .replace("[[lane]]", '[[lane]]\nprotocol = "tcp"')
    )
    with pytest.raises(UsageError, match=r"lane 2 has the same addresses as lane 1$"):
        config.parse(twice)


def test_two_lanes_with_the_same_addresses_are_refused():
    twice = GOOD.replace("vlan = 100\n", "").replace("10.1.0.2", "10.1.0.1").replace("26002", "26001")
    with pytest.raises(
        UsageError, match=r"^limits, line 20: lane\[1\]\.number: lane 2 has the same addresses as lane 1$"
    ):
        config.parse(twice)


def test_more_symbols_than_the_board_holds_are_refused():
    many = GOOD + "".join(f"S{number} = {{ long = 1, short = 1 }}\n" for number in range(511))
    with pytest.raises(UsageError, match=r"^limits, line 29: symbols: 513 symbols, the board holds 512$"):
        config.parse(many)


def test_a_file_that_is_not_there_is_one_line():
    with pytest.raises(UsageError, match=r"^limits file nowhere.toml cannot be read: No such file or directory$"):
        config.load(Path("nowhere.toml"))

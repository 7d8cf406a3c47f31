"""Replaces on the golden model, worked out by hand: what is charged, what is stopped, and how each of them ends."""

from random import Random

from hdl.wire.event import NO_SYMBOL, Contradiction, Kind
from hdl.wire.registers import Count, drops
from hdl.wire.verdict import Action, Reason
from sim import packets
from sim.floor import encode
from sim.model import Config, Model
from sim.packets import ACK, PREAMBLE, SYN, TAG_OF_ORDERS, enter, packet, replace, tag_value
from sim.parents import Parent
from sim.parse import lenient
from sim.replies import Report

SERVER = packets.Address(bytes([10, 0, 0, 1]), bytes([10, 9, 0, 1]), 40_000, 26_400)
BUY_AAPL = 2 * 5  # row of index 5
NAMED = TAG_OF_ORDERS + b"P1A7"


class Trader:
    """A TCP lane of which orders can be replaced, armed and open, and its exchange; all happens at leisure."""

    def __init__(self, *, mode: int = 33 | 64, shares: int = 1000, gross: int = 10**12, parents: dict | None = None):
        self.model = Model(
            Config(
                lanes=[SERVER._replace(source_port=0).key, *[bytes(16)] * 7],
                enabled=1,
                order_size=999,
                symbols={b"AAPL    ": 5},
                limits={(5, True): shares, (5, False): shares},
                gross_limits=[gross] * 9,
                parents=parents or {},
                **lenient(TAG_OF_ORDERS, [5]) | {"modes": [mode] + [0] * 7},
            )
        )
        self.budget, self.now, self.next, self.spoken = self.model.budget, 5000, 1, 1
        self.model.open(10, 0xFF)
        self.say(sequence=0, flags=SYN)
        self.hear(sequence=0, acknowledgment=1, flags=SYN | ACK)
        self.hear(packet(b"      DAY1" + b"%20d" % 1, b"A"))

    def say(self, octets: bytes = b"", *, rest: bool = True, gap: int = 4000, **fields) -> int:
        """Send a segment; return the cycle in which its first octet comes."""
        frame = packets.segment(SERVER, octets, **{"sequence": self.next} | fields)
        begins, self.next = self.now + len(PREAMBLE), self.next + len(octets)
        self.model.carrier(self.now, PREAMBLE + frame)
        self.now += len(frame) + gap
        if rest:
            self.model.rest(self.now)
        return begins

    def hear(self, octets: bytes = b"", **fields) -> None:
        fields = {"sequence": self.spoken, "acknowledgment": self.next, "flags": ACK} | fields
        frame = packets.segment(packets.answering(SERVER), octets, **fields)
        self.spoken += len(octets)
        self.model.back(self.now, PREAMBLE + frame)
        self.now += len(frame) + 4000
        self.model.rest(self.now)

    def order(self, message: bytes) -> int:
        """Send an order; return why it is stopped, 0 if it is not."""
        before = drops(self.model.counters[0], Count.ORDER_DROP)
        self.say(packet(message))
        after = drops(self.model.counters[0], Count.ORDER_DROP)
        return next((reason for reason, count in after.items() if count > before.get(reason, 0)), 0)

    def report(self, letter: str, ref: int, quantity: int = 0, price: int = 0, *, original: int = 0, dead: int = 0):
        report = Report(0, ord(letter), ref, original, quantity, price, dead)
        self.hear(packet(encode(report, False, Random(1)), b"S"))

    @property
    def sums(self) -> tuple[int, int, int, int]:
        """Held, open to buy, gross notional of the firm, numbers that are kept."""
        budget = self.budget
        return budget.net[5], budget.exposure[BUY_AAPL], budget.gross[8], len(budget.evidence.orders)

    @property
    def told(self) -> list[int]:
        return [event.reason for event in self.model.events() if event.kind == Kind.CONTRADICTION]


def bought(ref: int, quantity: int, price: int = 10, order_id: bytes = TAG_OF_ORDERS) -> bytes:
    return enter(ref, b"AAPL", quantity, price, order_id=order_id)


def test_a_replace_reserves_the_shares_that_it_adds_and_all_of_its_notional():
    """100 at 10, to 140 at 30; the exchange replaces when 40 have been executed: 100 are left, at 30."""
    trader = Trader()
    assert trader.order(bought(1, 100)) == trader.order(replace(1, 2, 140, 30)) == 0
    assert trader.sums == (0, 140, 1000 + 4200, 2)
    trader.report("E", 1, 40, 9)
    assert trader.sums == (40, 100, 360 + 600 + 4200, 2)
    trader.report("U", 2, 100, original=1)
    assert trader.sums == (40, 100, 360 + 3000, 1)
    assert trader.order(replace(1, 3, 1, 1)) == Reason.REPLACE
    assert trader.order(replace(2, 4, 150, 2)) == 0
    trader.report("U", 4, 110, original=2)
    assert trader.sums == (40, 110, 360 + 220, 1)
    assert trader.told == []


def test_the_last_share_of_a_replace_passes_and_one_more_does_not():
    """P5: 600 and 300 are open of 1000; to 700, and to 701."""
    for total, reason in ((700, 0), (701, Reason.POSITION)):
        trader = Trader()
        assert trader.order(bought(1, 600)) == trader.order(bought(2, 300)) == 0
        assert trader.order(replace(1, 3, total, 10)) == reason
        assert trader.sums[1] == (900 if reason else 1000)


def test_a_replace_by_no_more_shares_passes_where_limit_and_parent_are_used_up():
    """It is no child. But its notional has to fit: 999 at 10 and 999 at 15 make 24,975."""
    for price, reason in ((15, 0), (16, Reason.LANE_GROSS)):
        parents = {0x1A7: Parent("P", 5, True, 999, 1)}
        trader = Trader(mode=33, shares=999, gross=24_975, parents=parents)
        assert trader.order(bought(1, 999, order_id=NAMED)) == 0
        assert trader.budget.parents.left == {0x1A7: [0, 0]}
        assert trader.order(replace(1, 2, 999, price, order_id=NAMED)) == reason
        assert trader.sums[1:3] == (999, 9990 if reason else 24_975)
        assert trader.budget.parents.left == {0x1A7: [0, 0]}


def test_a_replace_of_130_octets_is_looked_up_and_one_with_another_tag_is_not():
    """P12: what waits for it would wait too long. It is undecided."""
    for tags, reason in ((30, 0), (31, Reason.BUSY)):
        trader = Trader()
        assert trader.order(bought(1, 100)) == 0
        assert trader.order(replace(1, 2, 150, 10, tag_value(12, b"N") * tags)) == reason
        assert trader.sums[1] == (100 if reason else 150)


def test_a_replace_names_the_parent_of_its_order_and_takes_what_it_adds():
    parents = {0x1A7: Parent("P", 5, True, 150, 2), 9: Parent("P", 5, True, 500, 2)}
    trader = Trader(mode=33, parents=parents)
    assert trader.order(bought(1, 100, order_id=NAMED)) == 0
    cases = ((b"P009", 100), (b"    ", 100), (b"Q1A7", 100), (b"P1A7", 151))
    for ref, (name, total) in enumerate(cases, 2):
        assert trader.order(replace(1, ref, total, 10, order_id=TAG_OF_ORDERS + name)) == Reason.PARENT
    assert trader.order(replace(1, 7, 150, 10, order_id=NAMED)) == 0
    assert trader.budget.parents.left == {0x1A7: [0, 1], 9: [500, 2]}
    trader.report("C", 1, 30)
    assert trader.budget.parents.left[0x1A7] == [0, 1]
    trader.report("J", 7)
    assert trader.budget.parents.left[0x1A7] == [80, 1]


def test_what_can_be_replaced():
    """An order that is open and has no pending Replace; in 5.0, on a lane with evidence."""
    trader = Trader()
    assert trader.order(bought(1, 100)) == 0
    assert trader.order(replace(9, 10, 100, 10)) == Reason.REPLACE
    assert trader.order(replace(1, 11, 100, 10)) == 0
    assert trader.order(replace(1, 12, 100, 10)) == trader.order(replace(11, 13, 100, 10)) == Reason.FULL
    trader.report("J", 11)
    assert trader.order(replace(1, 14, 100, 10)) == 0
    trader.report("C", 1, 100)
    assert trader.order(replace(14, 15, 100, 10)) == trader.order(replace(1, 16, 100, 10)) == Reason.REPLACE
    assert trader.sums == (0, 0, 0, 0) and trader.told == []
    for mode in (1 | 64, 2 | 33 | 64):
        deaf = Trader(mode=mode)
        message = packets.replace42(b"TOK1", b"TOK2", 1, 1) if mode & 2 else replace(1, 2, 1, 1)
        assert deaf.order(message) == Reason.REPLACE


def test_the_fields_of_a_replace():
    """The lowest reason counts; what it needs of its order is told with it."""
    trader = Trader()
    assert trader.order(bought(1, 100)) == 0
    trader.model.config.order_value = 500 * 2000
    for ref, (reason, quantity, price, appendage) in enumerate(
        (
            (Reason.PEGGED, 100, 10, tag_value(27, b"B")),
            (Reason.CHANNEL, 100, 10, tag_value(28, b"1")),
            (Reason.QUANTITY, 0, 10, b""),
            (Reason.ORDER_SIZE, 1000, 10, b""),
            (Reason.PRICE, 1, 0, b""),
            (Reason.MARKET, 1, 1 << 32, b""),
            (Reason.ORDER_VALUE, 500, 2001, b""),
            (0, 500, 2000, tag_value(5, bytes(4))),
        ),
        2,
    ):
        assert trader.order(replace(1, ref, quantity, price, appendage)) == reason
    stopped = [event for event in trader.model.events() if event.kind == Kind.NEUTRALISE]
    assert stopped[-1][2:] == (0, Reason.ORDER_VALUE, 1, 8, 5, 500, 2001)
    assert trader.order(replace(77, 20, 100, 10)) == Reason.REPLACE
    (*_, event) = [event for event in trader.model.events() if event.kind == Kind.NEUTRALISE]
    assert event[2:] == (0, Reason.REPLACE, 1, 20, NO_SYMBOL, 100, 10)
    assert trader.order(replace(1, 20, 100, 10, order_id=b"NEW1")) == Reason.TAG
    assert trader.order(replace(1, 9, 100, 10)) == Reason.DUPLICATE


def test_the_death_of_an_order_takes_its_replace_along():
    """100 at 10, and to 140 at 30: executed above what is open, canceled, not accepted, replaced by nothing."""
    for says, sums in (
        (("E", 1, 100, 8), (100, 0, 800, 0)),
        (("C", 1, 100), (0, 0, 0, 0)),
        (("M", 1, 0), (0, 0, 0, 0)),
        (("J", 1), (0, 0, 0, 0)),
        (("U", 2, 0), (0, 0, 0, 0)),
    ):
        trader = Trader()
        assert trader.order(bought(1, 100)) == trader.order(replace(1, 2, 140, 30)) == 0
        trader.report(*says)
        assert trader.sums == sums and trader.told == []


def test_reports_that_contradict_a_chain():
    """Executed of a Replace that is pending: of its order. What is out of turn or replaces too many changes nothing."""
    for says, sums, told in (
        (("E", 2, 10, 8), (10, 130, 80 + 900 + 4200, 2), "OUT_OF_TURN"),
        (("E", 2, 130, 8), (130, 0, 1040, 0), "OUT_OF_TURN"),
        (("C", 2, 10), (0, 140, 5200, 2), "OUT_OF_TURN"),
        (("U", 1, 10), (0, 140, 5200, 2), "OUT_OF_TURN"),
        (("U", 2, 141), (0, 140, 5200, 2), "ABOVE"),
        (("C", 1, 101), (0, 0, 0, 0), "ABOVE"),
    ):
        trader = Trader()
        assert trader.order(bought(1, 100)) == trader.order(replace(1, 2, 140, 30)) == 0
        trader.report(*says)
        assert trader.sums == sums and trader.told == [Contradiction[told]]
        assert trader.model.kills.masks[-1] == 0xFF


def test_a_replace_that_does_not_leave_is_withdrawn():
    """Behind a long segment, discarded by a kill: alone; and with its order, of which the reservation goes first."""
    long = packet(bytes(1200), b"+")
    for first in (True, False):
        trader = Trader(mode=33 | 64 | Action.FENCE << 2)
        if first:
            assert trader.order(bought(1, 100)) == 0
        begins = trader.say(long, rest=False, gap=12)
        if not first:
            trader.say(packet(bought(1, 100)), rest=False, gap=12)
        trader.say(packet(replace(1, 2, 140, 30)), rest=False, gap=12)
        trader.model.kill(begins + 1800, 1)
        trader.now += 4000
        trader.model.rest(trader.now)
        assert trader.sums == ((0, 100, 1000, 1) if first else (0, 0, 0, 0))
        assert trader.model.counters[0][Count.ORDERS_OUT] == first
        assert trader.budget.evidence.seen["W"] == 1


def test_a_replace_of_which_the_number_to_be_replaced_came_in_an_earlier_frame_is_undecided():
    """The fifth octet of the message, 8 of its packet, is the number's last one."""
    for cut, reason in ((7, 0), (8, Reason.BUSY)):
        trader = Trader()
        assert trader.order(bought(1, 100)) == 0
        octets = packet(replace(1, 2, 100, 10))
        trader.say(octets[:cut])
        trader.say(octets[cut:])
        assert trader.model.verdicts[-1][2] == reason

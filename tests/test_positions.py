"""Exact positions, worked out by hand."""

import pytest

from hdl.wire.verdict import FIRM, Reason
from sim.chain import Enter, Event, Replace
from sim.positions import GROSS, NET, OPEN, Heard, Parent, Positions
from sim.replies import Report

INDEX, BUYS, SELLS = 5, 10, 11
PRICE = 10_000
KILL = True


def made(long: int = 1000, short: int = 1000, *, lane: int = 10**12, firm: int = 10**12, **parameters) -> Positions:
    """Positions with limits for one symbol."""
    return Positions({(INDEX, True): long, (INDEX, False): short}, [lane] * 8 + [firm], **parameters)


def enter(positions: Positions, ref: int, quantity: int, price: int = PRICE, *, buy=True, lane=0, parent=None) -> int:
    order = Enter(lane, ref, INDEX, buy, quantity, price, parent)
    reason = positions.check(order)
    if not reason:
        positions.commit(order)
    return reason


def replace(positions: Positions, original: int, ref: int, total: int, price=PRICE, *, lane=0, parent=None) -> int:
    order = Replace(lane, original, ref, total, price, parent)
    reason = positions.check(order)
    if not reason:
        positions.commit(order)
    return reason


def hear(positions: Positions, kind: str, ref: int, quantity=0, price=0, *, original=0, dead=0, lane=0) -> Heard:
    return positions.hear(*Report(lane, ord(kind), ref, original, quantity, price, dead))


def state(positions: Positions) -> tuple[int, int, int, int]:
    """Net, open to buy, open to sell, the firm's gross notional."""
    return positions.net[INDEX], positions.open[BUYS], positions.open[SELLS], positions.gross[FIRM]


def everything(positions: Positions):
    """What a blocked request must not change."""
    chains = sorted((key, vars(chain).copy()) for key, chain in positions.index.items())
    sums = positions.net, positions.open, positions.gross, positions.used, positions.children
    return [sum_.copy() for sum_ in sums], chains


def test_the_worked_example():
    """Protocol reference, 7.5: enter 500, executed 100; replaced with 500, with 600; 500 outstanding; canceled.

    What is asked for counts whole beside what is open, until the exchange has answered.
    """
    positions = made()
    assert enter(positions, 1, 500, 100) == 0
    assert state(positions) == (0, 500, 0, 50_000)
    assert hear(positions, "A", 1, 500) == Heard()
    assert hear(positions, "E", 1, 100, 90) == Heard()
    assert state(positions) == (100, 400, 0, 49_000)
    assert replace(positions, 1, 2, 500, 100) == 0
    assert state(positions) == (100, 400, 0, 99_000)
    assert hear(positions, "U", 2, 400, original=1) == Heard()
    assert state(positions) == (100, 400, 0, 49_000)
    assert replace(positions, 2, 3, 600, 100) == 0
    assert state(positions) == (100, 500, 0, 109_000)
    assert hear(positions, "U", 3, 500, original=2) == Heard()
    assert state(positions) == (100, 500, 0, 59_000)
    assert hear(positions, "C", 3, 500) == Heard()
    assert state(positions) == (100, 0, 0, 9_000)
    assert positions.index == {} and positions.hi[0] == 3


# Requests.


def test_a_symbol_takes_no_share_more_than_its_limit():
    """P5, both ways: what is held, what is open and no netting of buys against sells."""
    positions = made(1000, 300)
    assert enter(positions, 1, 1001) == Reason.POSITION
    assert enter(positions, 1, 1000) == 0
    assert enter(positions, 2, 1, buy=False) == 0
    assert enter(positions, 3, 300, buy=False) == Reason.POSITION
    assert enter(positions, 3, 299, buy=False) == 0
    assert enter(positions, 4, 1) == Reason.POSITION
    hear(positions, "E", 1, 1000, PRICE)
    assert enter(positions, 4, 1) == Reason.POSITION
    assert enter(positions, 4, 1001, buy=False) == Reason.POSITION
    assert enter(positions, 4, 1000, buy=False) == 0
    assert state(positions)[:3] == (1000, 0, 1300)


def test_other_symbols_have_limit_0():
    assert made().check(Enter(0, 1, INDEX + 1, True, 1, 1)) == Reason.POSITION


@pytest.mark.parametrize(("row", "reason"), [("lane", Reason.LANE_GROSS), ("firm", Reason.FIRM_GROSS)])
def test_gross_takes_no_notional_more_than_its_limit(row, reason):
    positions = made(**{row: 1_000_000})
    assert enter(positions, 1, 100, 9_999, buy=False) == 0
    assert enter(positions, 2, 1, 101) == reason
    assert enter(positions, 2, 1, 100) == 0
    hear(positions, "C", 1, 50)
    assert enter(positions, 3, 1, 499_951) == reason
    assert enter(positions, 3, 1, 499_950) == 0


def test_an_unset_gross_limit_stops_everything():
    assert Positions({(INDEX, True): 10}, [0] * 9).check(Enter(0, 1, INDEX, True, 1, 1)) == Reason.LANE_GROSS


def test_lanes_have_their_own_gross_notional_and_numbers():
    positions = made(lane=100)
    assert enter(positions, 7, 1, 100) == 0
    assert enter(positions, 8, 1, 1) == Reason.LANE_GROSS
    assert enter(positions, 1, 1, 100, lane=7) == 0
    assert positions.gross == [100, 0, 0, 0, 0, 0, 0, 100, 200]
    assert positions.hi == [7, 0, 0, 0, 0, 0, 0, 1]


def test_a_replace_is_charged_the_shares_that_it_adds_and_all_of_its_notional():
    """100 at 10, to 150 at 4 and to 100 at 20; of a limit of 2000."""
    positions = made(150, lane=2000)
    enter(positions, 1, 100, 10)
    assert replace(positions, 1, 2, 151, 4) == Reason.POSITION
    assert replace(positions, 1, 2, 143, 7) == Reason.LANE_GROSS
    assert replace(positions, 1, 2, 125, 8) == 0
    assert state(positions) == (0, 125, 0, 2000)
    hear(positions, "J", 2)
    assert replace(positions, 1, 3, 150, 4) == 0
    assert state(positions) == (0, 150, 0, 1600)
    hear(positions, "U", 3, 150, original=1)
    assert state(positions) == (0, 150, 0, 600)
    assert replace(positions, 3, 4, 100, 15) == Reason.LANE_GROSS
    assert replace(positions, 3, 4, 100, 14) == 0
    assert state(positions) == (0, 150, 0, 2000)
    hear(positions, "U", 4, 100, original=3)
    assert state(positions) == (0, 100, 0, 1400)


def test_a_replace_that_adds_nothing_passes_beyond_the_limit_of_its_symbol():
    positions = made()
    enter(positions, 1, 1000)
    positions.limits[INDEX, True] = 0
    assert replace(positions, 1, 2, 1001) == Reason.POSITION
    assert replace(positions, 1, 2, 1000) == 0


def test_a_replace_needs_an_order_that_is_live():
    positions = made()
    enter(positions, 1, 100)
    assert replace(positions, 2, 3, 100) == Reason.REPLACE
    assert replace(positions, 1, 2, 100, lane=1) == Reason.REPLACE
    assert replace(positions, 1, 2, 100) == 0
    assert replace(positions, 1, 3, 100) == Reason.FULL
    assert replace(positions, 2, 3, 100) == Reason.FULL
    hear(positions, "U", 2, 100, original=1)
    assert replace(positions, 1, 3, 100) == Reason.REPLACE
    assert replace(positions, 2, 3, 100) == 0
    hear(positions, "C", 2, 100)
    assert replace(positions, 2, 4, 100) == replace(positions, 3, 4, 100) == Reason.REPLACE


def test_numbers_rise():
    positions = made()
    assert enter(positions, 5, 1) == 0
    assert enter(positions, 5, 1) == enter(positions, 4, 1) == replace(positions, 5, 5, 1) == Reason.DUPLICATE
    positions.number(0, 9)
    positions.number(0, 2)
    assert enter(positions, 9, 1) == Reason.DUPLICATE
    assert enter(positions, 10, 1) == 0


def test_every_order_and_every_pending_replace_needs_room():
    positions = made(entries=3)
    assert enter(positions, 1, 1) == enter(positions, 2, 1) == replace(positions, 1, 3, 1) == 0
    assert enter(positions, 4, 1) == replace(positions, 2, 4, 1) == Reason.FULL
    hear(positions, "U", 3, 1, original=1)
    assert replace(positions, 2, 4, 1) == 0
    hear(positions, "J", 2)
    assert enter(positions, 5, 1) == enter(positions, 6, 1) == 0
    assert enter(positions, 7, 1) == Reason.FULL


def test_room_may_be_anything():
    class Odd(Positions):
        def room(self, lane, ref):
            return ref % 2

    positions = Odd({(INDEX, True): 1000}, [10**12] * 9)
    assert (enter(positions, 1, 1), enter(positions, 2, 1), replace(positions, 1, 2, 1)) == (
        0,
        Reason.FULL,
        Reason.FULL,
    )


def test_511_orders():
    positions = made()
    assert [enter(positions, ref, 1) for ref in range(1, 513)] == [0] * 511 + [Reason.FULL]


def test_children_never_exceed_their_parents_quantity():
    positions = made(parents={7: Parent(INDEX, True, 300, 99)})
    assert enter(positions, 1, 301, parent=7) == Reason.PARENT
    assert enter(positions, 1, 200, parent=7) == enter(positions, 2, 100, parent=7) == 0
    assert enter(positions, 3, 1, parent=7) == Reason.PARENT
    hear(positions, "E", 1, 50, PRICE)
    assert enter(positions, 3, 1, parent=7) == Reason.PARENT
    hear(positions, "C", 1, 60)
    assert replace(positions, 2, 3, 161, parent=7) == Reason.PARENT
    assert replace(positions, 2, 3, 160, parent=7) == 0
    hear(positions, "J", 2)
    assert positions.used == {7: 140}
    hear(positions, "E", 1, 90, PRICE)
    assert positions.used == {7: 140}


def test_a_parent_has_one_symbol_one_side_and_so_many_children():
    positions = made(parents={7: Parent(INDEX, True, 300, 2), 8: Parent(INDEX + 1, True, 300, 2)})
    for parent, buy in ((6, True), (8, True), (7, False)):
        assert enter(positions, 1, 1, buy=buy, parent=parent) == Reason.PARENT
    assert enter(positions, 1, 1, parent=7) == 0
    hear(positions, "C", 1, 1)
    assert enter(positions, 2, 1, parent=7) == 0
    assert enter(positions, 3, 1, parent=7) == Reason.CHILDREN
    assert replace(positions, 2, 3, 2, parent=7) == 0


def test_a_replace_names_its_chains_parent():
    positions = made(parents={7: Parent(INDEX, True, 300, 2), 9: Parent(INDEX, True, 300, 2)})
    enter(positions, 1, 1, parent=7)
    enter(positions, 2, 1)
    assert replace(positions, 1, 3, 1, parent=9) == replace(positions, 1, 3, 1) == Reason.PARENT
    assert replace(positions, 2, 3, 1, parent=9) == Reason.PARENT
    assert replace(positions, 2, 3, 1) == replace(positions, 1, 4, 1, parent=7) == 0


def test_of_several_reasons_the_first_is_told():
    positions = made(0, lane=0, firm=0, entries=0, parents={7: Parent(INDEX, True, 0, 0)})
    positions.hi[0] = 9
    told = [positions.check(Replace(0, 1, 9, 1, 1, 7))]
    for better in (
        lambda: positions.hi.__setitem__(0, 0),
        lambda: setattr(positions, "entries", 1),
        lambda: positions.parents.update({7: Parent(INDEX, True, 1, 0)}),
        lambda: positions.parents.update({7: Parent(INDEX, True, 1, 1)}),
        lambda: positions.limits.update({(INDEX, True): 1}),
        lambda: positions.gross_limits.__setitem__(0, 1),
        lambda: positions.gross_limits.__setitem__(8, 1),
    ):
        told.append(positions.check(Enter(0, 9, INDEX, True, 1, 1, 7)))
        better()
    assert told == [
        Reason.REPLACE, Reason.DUPLICATE, Reason.FULL, Reason.PARENT, Reason.CHILDREN, Reason.POSITION,
        Reason.LANE_GROSS, Reason.FIRM_GROSS,
    ]  # fmt: skip
    assert positions.check(Enter(0, 9, INDEX, True, 1, 1, 7)) == 0


def test_requests_that_release_pass_and_change_nothing():
    positions = made()
    enter(positions, 1, 100)
    before = everything(positions)
    positions.cancel(0, 1, 0)
    assert everything(positions) == before and positions.hi[0] == 1


# Undoing.


def test_an_enter_is_undone_whole():
    """But its number stays used."""
    positions = made(parents={7: Parent(INDEX, True, 300, 2)})
    before = everything(positions)
    token = positions.commit(Enter(0, 1, INDEX, True, 100, PRICE, 7))
    positions.undo(token)
    assert everything(positions) == before and positions.hi[0] == 1


@pytest.mark.parametrize("first", [0, 1])
def test_an_enter_and_its_replace_are_undone_in_any_order(first):
    """Each gives back what it was charged: 100 shares at 1 dollar, and 50 more, 150 at 2."""
    positions = made(parents={7: Parent(INDEX, True, 300, 2)})
    before = everything(positions)
    tokens = [
        positions.commit(Enter(0, 1, INDEX, True, 100, PRICE, 7)),
        positions.commit(Replace(0, 1, 2, 150, 2 * PRICE, 7)),
    ]
    assert state(positions) == (0, 150, 0, 1_000_000 + 3_000_000)
    positions.undo(tokens[first])
    assert state(positions) == ((0, 100, 0, 1_000_000) if first else (0, 50, 0, 3_000_000))
    assert positions.used == {7: 100 if first else 50} and positions.children == {7: first}
    positions.undo(tokens[1 - first])
    assert everything(positions) == before


def test_a_replace_whose_enter_was_undone_is_rejected_or_waits_for_its_own_end():
    """What is said of it contradicts otherwise, and changes nothing."""
    positions = made()
    token = positions.commit(Enter(0, 1, INDEX, True, 100, 10))
    replace(positions, 1, 2, 150, 20)
    positions.undo(token)
    assert replace(positions, 1, 3, 150) == Reason.REPLACE and replace(positions, 2, 3, 150) == Reason.FULL
    for kind in "AUECDM":
        assert hear(positions, kind, 2, 1, 10, original=kind == "U") == Heard(KILL, Event.OUT_OF_TURN)
    assert state(positions) == (0, 50, 0, 3000)
    assert hear(positions, "J", 2) == Heard()
    assert state(positions) == (0, 0, 0, 0) and positions.index == {}


def test_an_undone_replace_leaves_the_order():
    positions = made()
    enter(positions, 1, 100, 10)
    token = positions.commit(Replace(0, 1, 2, 200, 25))
    assert state(positions) == (0, 200, 0, 6000)
    hear(positions, "E", 1, 40, 10)
    assert state(positions) == (40, 160, 0, 6000)
    positions.undo(token)
    assert state(positions) == (40, 60, 0, 1000)
    assert replace(positions, 1, 2, 100) == Reason.DUPLICATE
    assert replace(positions, 1, 3, 100, 10) == 0


def test_a_replace_of_a_chain_that_died_is_undone_by_nothing():
    positions = made()
    enter(positions, 1, 100, 10)
    token = positions.commit(Replace(0, 1, 2, 200, 25))
    hear(positions, "E", 1, 100, 10)
    before = everything(positions)
    positions.undo(token)
    assert everything(positions) == before and state(positions) == (100, 0, 0, 1000)


# Evidence.


def test_a_rejected_or_dead_enter_is_released():
    for report in (("J", 0, 0), ("A", 100, 1)):
        positions = made()
        enter(positions, 1, 100)
        replace(positions, 1, 2, 150)
        kind, quantity, dead = report
        assert hear(positions, kind, 1, quantity, dead=dead) == Heard()
        assert state(positions) == (0, 0, 0, 0) and positions.index == {}


def test_a_rejected_replace_leaves_the_old_order():
    positions = made()
    enter(positions, 1, 100, 10)
    replace(positions, 1, 2, 150, 20)
    assert hear(positions, "J", 2) == Heard()
    assert state(positions) == (0, 100, 0, 1000)
    assert hear(positions, "J", 2) == Heard(False, Event.UNKNOWN)
    assert replace(positions, 1, 3, 100, 5) == 0


def test_a_fill_that_overtakes_a_replace():
    """300 of 500 executed while 400 is asked for: 100 remain, or 200 if the exchange rejects it."""
    for answer, opened in (("U", 100), ("J", 200)):
        positions = made()
        enter(positions, 1, 500)
        replace(positions, 1, 2, 400)
        hear(positions, "E", 1, 300, PRICE)
        assert state(positions)[:2] == (300, 200)
        assert hear(positions, answer, 2, 100 if answer == "U" else 0, original=1) == Heard()
        assert state(positions)[:2] == (300, opened)


def test_a_replaced_of_nothing_behind_more_executions_than_it_asked_for_is_none_of_too_many():
    """450 of 500 executed while 400 is asked for: nothing of that is left."""
    positions = made()
    enter(positions, 1, 500)
    replace(positions, 1, 2, 400)
    hear(positions, "E", 1, 450, PRICE)
    assert hear(positions, "U", 2, 0, original=1, dead=1) == Heard()
    assert state(positions)[:3] == (450, 0, 0) and positions.index == {}


def test_decrements_of_a_chain_release_only_what_its_replace_does_not_ask_for():
    """500 are open and 450 asked for: of 150 that are canceled 50, and none of 250 more."""
    positions = made()
    enter(positions, 1, 500, 10)
    replace(positions, 1, 2, 450, 20)
    assert hear(positions, "C", 1, 150) == Heard()
    assert state(positions) == (0, 450, 0, 350 * 10 + 450 * 20)
    assert hear(positions, "M", 1, 100) == Heard()
    assert state(positions) == (0, 450, 0, 100 * 10 + 450 * 20)
    assert hear(positions, "U", 2, 450, original=1) == Heard()
    assert state(positions) == (0, 450, 0, 450 * 20)


def test_an_order_that_is_executed_takes_its_pending_replace_along():
    positions = made()
    enter(positions, 1, 500)
    replace(positions, 1, 2, 900)
    assert hear(positions, "E", 1, 500, PRICE) == Heard()
    assert state(positions)[:2] == (500, 0) and positions.index == {}


def test_decrements_and_modifies_release():
    positions = made()
    enter(positions, 1, 500)
    for kind, quantity, opened in (("C", 100, 400), ("D", 100, 300), ("M", 250, 250), ("M", 250, 250), ("M", 0, 0)):
        assert hear(positions, kind, 1, quantity) == Heard()
        assert state(positions)[:2] == (0, opened)
    assert positions.index == {}


def test_a_replaced_that_is_dead_or_has_nothing_open_ends_the_chain():
    for outstanding, dead in ((100, 1), (0, 0), (0, 1)):
        positions = made()
        enter(positions, 1, 100)
        replace(positions, 1, 2, 100)
        assert hear(positions, "U", 2, outstanding, original=1, dead=dead) == Heard()
        assert state(positions) == (0, 0, 0, 0) and positions.index == {}


def test_executions_count_at_their_price():
    positions = made()
    enter(positions, 1, 100, 10, buy=False)
    hear(positions, "E", 1, 60, 12)
    assert state(positions) == (-60, 0, 40, 60 * 12 + 40 * 10)


def test_an_overfill_is_booked_and_kills():
    positions = made(parents={7: Parent(INDEX, True, 100, 1)})
    enter(positions, 1, 100, 10, parent=7)
    assert hear(positions, "E", 1, 100 + 900, 10) == Heard(KILL, Event.ABOVE)
    assert state(positions) == (1000, 0, 0, 10_000)
    assert positions.used == {7: 1000} and positions.index == {}
    assert hear(positions, "E", 1, 1, 10) == Heard(KILL, Event.UNKNOWN)
    assert state(positions)[0] == 1000


@pytest.mark.parametrize("kind", "ACDMU")
def test_a_report_of_more_shares_than_there_are_kills(kind):
    """And 150 of them do not. A Replaced of more changes nothing."""
    for more in (0, 1):
        positions = made()
        enter(positions, 1, 150 if kind != "U" else 100)
        if kind == "U":
            replace(positions, 1, 2, 150)
        before = everything(positions)
        heard = hear(positions, kind, 2 if kind == "U" else 1, 150 + more, original=kind == "U")
        assert heard == (Heard(KILL, Event.ABOVE) if more else Heard())
    assert state(positions)[1] == (150 if kind in "AMU" else 0)
    assert kind != "U" or everything(positions) == before


def test_shares_that_a_pending_replace_adds_are_not_open():
    """100 are, and 50 more reserved: the exchange may execute those when it has replaced."""
    for kind in "ACDM":
        positions = made()
        enter(positions, 1, 100)
        replace(positions, 1, 2, 150)
        assert hear(positions, kind, 1, 101) == Heard(KILL, Event.ABOVE)


def test_a_report_out_of_turn_kills():
    """Of a Replace that has not been said to have replaced, booked if it was executed; or a Replaced that comes again.

    That is told even if it is of too many shares.
    """
    positions = made()
    enter(positions, 1, 100)
    replace(positions, 1, 2, 200)
    for kind in "ACDM":
        assert hear(positions, kind, 2, 201) == Heard(KILL, Event.OUT_OF_TURN)
    assert hear(positions, "U", 1, 201) == Heard(KILL, Event.OUT_OF_TURN)
    assert state(positions)[:2] == (0, 200)
    assert hear(positions, "E", 2, 10, PRICE) == Heard(KILL, Event.OUT_OF_TURN)
    assert state(positions)[:2] == (10, 190)
    assert hear(positions, "U", 2, 190, original=1) == Heard()
    assert hear(positions, "U", 2, 190, original=1) == Heard(KILL, Event.OUT_OF_TURN)
    assert state(positions)[:2] == (10, 190)


@pytest.mark.parametrize("older", [False, True])
def test_only_reports_of_orders_at_the_exchange_kill_if_those_are_unknown(older):
    positions = made(older={0} if older else ())
    told = {kind: hear(positions, kind, 77, 1, 1) for kind in "SAUCDEBJPITMRXGKQF"}
    kills = {kind for kind, heard in told.items() if heard.kill}
    events = {event: "".join(kind for kind, heard in told.items() if heard.event == event) for event in Event}
    assert kills == set("AUCDEMG" if older else "AUCDEM")
    assert events[Event.TRADE] == ("BKF" if older else "B")
    assert events[Event.NONE] == ("SXQ" if older else "SXGKQ")
    assert set(state(positions)) == {0}


def test_broken_and_corrected_trades_are_told_and_change_nothing():
    positions = made(older={0})
    enter(positions, 1, 100)
    before = everything(positions)
    for kind in "BFK":
        assert hear(positions, kind, 1, 100, 1) == Heard(False, Event.TRADE)
    for kind in "PITR":
        assert hear(positions, kind, 1, 100, 1) == Heard()
    assert everything(positions) == before


def test_an_executed_with_reference_price_is_an_executed_in_4_2_only():
    positions = made(older={1})
    for lane in (0, 1):
        enter(positions, 1, 100, lane=lane)
        assert hear(positions, "G", 1, 100, 1, lane=lane) == Heard()
    assert state(positions)[:2] == (100, 100)


# A lane without evidence.


def test_orders_of_an_unheard_lane_are_charged_for_good():
    positions = made(unheard={0}, entries=0, parents={7: Parent(INDEX, True, 500, 9)})
    assert enter(positions, 1, 300, 10, parent=7) == 0
    assert replace(positions, 1, 2, 300, 10, parent=7) == Reason.REPLACE
    assert hear(positions, "E", 1, 300, 10) == hear(positions, "E", 9, 300, 10) == Heard()
    assert state(positions) == (0, 300, 0, 3000)
    assert enter(positions, 1, 1, 10, parent=7) == Reason.DUPLICATE
    assert enter(positions, 2, 201, 10, parent=7) == Reason.PARENT
    token = positions.commit(Enter(0, 2, INDEX, True, 200, 10, 7))
    positions.undo(token)
    assert state(positions) == (0, 300, 0, 3000) and positions.used == {7: 300} and positions.children == {7: 1}


def test_chains_of_a_lane_that_becomes_unheard_stay_charged():
    positions = made()
    enter(positions, 1, 300)
    positions.unheard.add(0)
    assert replace(positions, 1, 2, 300) == Reason.REPLACE
    assert hear(positions, "C", 1, 300) == Heard()
    assert state(positions)[1] == 300


# The ends of the sums.


def test_a_saturated_net_position_kills_and_fits_nothing():
    positions = made(2**32, 2**40)
    enter(positions, 1, 1000, 1)
    positions.net[INDEX] = NET - 100
    assert hear(positions, "E", 1, 99, 1) == Heard()
    assert hear(positions, "E", 1, 1, 1) == Heard(KILL, Event.SATURATED)
    assert enter(positions, 2, 1, 1, buy=False) == Reason.POSITION
    assert hear(positions, "E", 1, 900, 1) == Heard(KILL, Event.SATURATED)
    assert positions.net[INDEX] == NET == 2**39 - 1


def test_a_short_position_saturates_too():
    positions = made()
    enter(positions, 1, 10, 1, buy=False)
    positions.net[INDEX] = 9 - NET
    assert hear(positions, "E", 1, 10, 1) == Heard(KILL, Event.SATURATED)
    assert positions.net[INDEX] == -NET
    assert enter(positions, 2, 1, 1) == Reason.POSITION


def test_saturated_gross_notional_kills_and_fits_nothing():
    positions = made(2000, lane=GROSS, firm=GROSS)
    enter(positions, 1, 1000, 10)
    positions.gross[FIRM] = GROSS - 11
    assert enter(positions, 2, 1, 11) == Reason.FIRM_GROSS
    assert enter(positions, 2, 1, 10) == 0
    assert hear(positions, "E", 1, 1, 11) == Heard(KILL, Event.SATURATED)
    assert hear(positions, "C", 1, 999) == Heard(KILL, Event.SATURATED)
    assert positions.gross[FIRM] == GROSS == 2**64 - 1
    assert positions.gross[0] == 10 + 11


def test_open_shares_stay_below_their_end():
    positions = made(OPEN)
    positions.open[BUYS] = OPEN - 2
    assert enter(positions, 1, 2, 1) == Reason.POSITION
    assert enter(positions, 1, 1, 1) == 0

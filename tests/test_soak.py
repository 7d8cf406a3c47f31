"""Trading that ends as the exchange's books say; and that a share too many or too few is noticed."""

import pytest

import sim.budget
import sim.evidence
from hdl.wire.registers import Count
from hdl.wire.verdict import Reason
from sim.chain import Chain, Event
from sim.soak import trade

STEPS = 2_000


def test_the_core_ends_with_the_exchanges_positions():
    desk, duel = trade(1, steps=STEPS)
    assert desk.steps >= STEPS
    assert any(duel.model.budget.net) and any(duel.model.budget.exposure)
    assert duel.model.budget.evidence.seen["U"] > 10
    for reason in (Reason.FULL, Reason.POSITION, Reason.KILLED):
        assert sum(cells[Count.ORDER_DROP + reason] for cells in duel.model.counters), reason


def deaf_to(letter):
    """A chain that does not hear reports of this letter."""
    hear = Chain.hear

    def broken(self, said, *rest):
        return None if said == letter else hear(self, said, *rest)

    return broken


@pytest.mark.parametrize("letter", "CDJ")
def test_what_stays_reserved_is_noticed(monkeypatch, letter):
    monkeypatch.setattr(Chain, "hear", deaf_to(letter))
    with pytest.raises(AssertionError, match="more is reserved"):
        trade(1, steps=STEPS, alone=True)


def test_a_position_that_executions_do_not_move_is_noticed(monkeypatch):
    change = sim.evidence.Change
    monkeypatch.setattr(sim.evidence, "Change", lambda *fields: change(*fields[:3], 0, *fields[4:]))
    with pytest.raises(AssertionError, match=r"a position is not|its limit is"):
        trade(1, steps=STEPS, alone=True)


def test_a_price_that_is_not_the_executions_is_noticed(monkeypatch):
    change = sim.evidence.Change
    monkeypatch.setattr(sim.evidence, "Change", lambda *fields: change(*fields[:4], min(fields[4], -1), fields[5]))
    with pytest.raises(AssertionError, match="gross notional"):
        trade(1, steps=STEPS, alone=True)


def test_orders_that_are_not_charged_are_noticed(monkeypatch):
    """Soon the exchange could execute more than the limit."""
    monkeypatch.setattr(sim.budget.Budget, "_add", lambda self, row, lane, shares, notional: None)
    with pytest.raises(AssertionError, match="its limit is"):
        trade(2, steps=STEPS, alone=True)


def test_a_price_that_never_falls_is_noticed(monkeypatch):
    """Behind a Replaced an order counts at its new price."""
    replaced = Chain._replaced

    def dear(chain, *report):
        before = chain.px
        replaced(chain, *report)
        chain.px = max(chain.px, before)

    monkeypatch.setattr(Chain, "_replaced", dear)
    with pytest.raises(AssertionError, match="gross notional"):
        trade(1, steps=STEPS, alone=True)


def test_replaces_that_are_charged_when_they_are_confirmed_are_noticed(monkeypatch):
    """What has left, and is still on its way, could be executed."""
    more = sim.budget._more
    monkeypatch.setattr(sim.budget, "_more", lambda order, sought: 0 if sought else more(order, sought))
    monkeypatch.setattr(Chain, "spare", 0)
    with pytest.raises(AssertionError, match="its limit is"):
        trade(1, steps=STEPS, alone=True)


def test_an_order_that_dies_of_a_rejected_replace_is_noticed(monkeypatch):
    """The exchange goes on with it."""

    def die(chain):
        chain.pending, chain.dead = None, True

    monkeypatch.setattr(Chain, "_lapse", die)
    with pytest.raises(AssertionError, match=r"a position is not|more is reserved"):
        trade(1, steps=STEPS, alone=True)


def test_a_report_that_is_taken_for_wrong_is_noticed(monkeypatch):
    """It kills, and changes nothing else."""
    hear = Chain.hear

    def doubt(chain, said, *rest):
        event = hear(chain, said, *rest)
        return Event.ABOVE if said == "U" else event

    monkeypatch.setattr(Chain, "hear", doubt)
    with pytest.raises(AssertionError, match="contradicts"):
        trade(1, steps=STEPS, alone=True)

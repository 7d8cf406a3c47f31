"""Trading that ends as the exchange's books say; and that a share too many or too few is noticed."""

import pytest

import sim.budget
import sim.evidence
from hdl.wire.registers import Count
from hdl.wire.verdict import Reason
from sim.chain import Chain
from sim.soak import trade

STEPS = 2_000


def test_the_core_ends_with_the_exchanges_positions():
    desk, duel = trade(1, steps=STEPS)
    assert desk.steps >= STEPS
    assert any(duel.model.budget.net) and any(duel.model.budget.exposure)
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
    with pytest.raises(AssertionError, match="a position is not"):
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

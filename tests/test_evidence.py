"""The golden model's open orders by themselves: in which cycle what is said of a chain is applied."""

import pytest

from sim.evidence import Change, Evidence
from sim.replies import Report


def play_evidence(evidence: Evidence, last: int) -> list[tuple[int, Change]]:
    """Take each change as soon as it is there; return them, with their cycles."""
    changes = []
    while evidence.run(last) or (evidence.offer and evidence.offer[0] <= last):
        changes.append(evidence.offer)
        evidence.take(evidence.offer[0])
    return changes


@pytest.mark.parametrize(
    ("sought", "released", "there"),
    [
        (1012, 1050, 1028),  # passed in 1012: coming + 12
        (1011, 1012, 1011 + 15 + 16),
        (1000, 1009, 1015 + 16),
        (1000, 1010, 1015 + 16),
        (1000, 1011, 1016 + 16),
        (990, 1025, 1030 + 16),
    ],
)
def test_what_is_said_of_an_order_that_is_sought_waits_for_the_replace(sought, released, there):
    """The change is there 16 cycles behind the passing: not in 14 cycles behind the seek, nor 4 behind the release."""
    evidence = Evidence([0])
    evidence.enter(10, 0, 1, 10, 100, 10, None)
    for cycle in range(1, sought + 1):
        if cycle == 1000:
            evidence.report(1000, Report(0, ord("C"), 1, quantity=1))
        evidence.run(cycle)
    found = evidence.seek(sought, 0, 1)
    assert found.shown.left == (99 if sought == 1012 else 100)
    if sought < 1000:
        evidence.report(1000, Report(0, ord("C"), 1, quantity=1))
    evidence.run(released)
    evidence.release(released)
    assert play_evidence(evidence, 2000) == [(there, Change(10, 0, 1, 0, -10, None))]


def test_when_the_changes_of_a_chain_are_there():
    """Executed above, with a Replace: passed in 1012, told and worked out in 1021, there in 1033, and then 13 later."""
    evidence = Evidence([0])
    evidence.enter(10, 0, 1, 10, 100, 10, None)
    evidence.ask(90, evidence.seek(50, 0, 1), 2, 140, 30)
    evidence.release(88)
    evidence.report(1000, Report(0, ord("E"), 1, quantity=120, price=8))
    evidence.withdraw(1001, 0, 2)
    assert play_evidence(evidence, 3000) == [
        (1033, Change(10, 0, 100, 100, -200, None)),
        (1046, Change(10, 0, 0, 20, 160, None)),
        (1059, Change(10, 0, 40, 0, -4200, None)),
    ]
    assert [told.at for told in evidence.told] == [1021]
    # The last one was worked out in 1047. The withdrawal is asked for in 1049, and known in 1058: nobody's by then.
    assert evidence.drained(1002) == 1060


def test_reports_and_withdrawals_take_turns():
    """A report first; the second one, though it comes behind both withdrawals, comes between them."""
    evidence = Evidence([0])
    for number in (10, 20):
        evidence.enter(5, 0, number, 10, 100, number, None)
        evidence.ask(95, evidence.seek(50, 0, number), number + 1, 100, 1)
        evidence.release(88)
    for cycle, number in ((1000, 10), (1023, 20)):
        evidence.report(cycle, Report(0, ord("C"), number, quantity=40))
    for cycle, number in ((1001, 11), (1004, 21)):
        evidence.withdraw(cycle, 0, number)
    changes = [change.notional for _, change in play_evidence(evidence, 3000)]
    assert changes == [-400, -100, -800, -100]

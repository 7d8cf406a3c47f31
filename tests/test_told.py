"""What is told of the return path: nothing is lost for coming close behind something else."""

from collections import Counter

from hdl.wire.event import Kind
from hdl.wire.verdict import LANES
from sim import packets
from sim.desk import Desk
from sim.duel import FREE, READ, Duel
from sim.floor import encode
from sim.replies import Report
from sim.traffic import Carrier

LENGTHS = 32  # of messages that are no report: so many octets between a contradiction and a loss, and more


def test_a_contradiction_and_a_loss_are_both_told_however_close():
    """An execution of an unknown order, and in the same segment what is no report: the log has both, and no gap."""
    for first in range(1, LENGTHS, LANES):
        desk = Desk(first)
        duel = Duel(desk)
        duel.arm()
        carriers, answers = desk.open()
        duel.play(carriers, returns=answers, events=FREE)
        for length, line in enumerate(desk.lines, first):
            line.settle(duel.model.sessions[line.lane])
            unknown = encode(Report(line.lane, ord("E"), 1, quantity=1, price=1), line.older, desk.random)
            line.said += packets.packet(unknown, b"S") + packets.packet(b"Z" * length, b"S")
            answer = Carrier(12, packets.PREAMBLE + line.answer(len(line.said), line.had))
            duel.play((), returns=[answer], events=READ)
        kinds = Counter(event.kind for event in duel.model.ledger.events)
        assert kinds[Kind.CONTRADICTION] == kinds[Kind.EVIDENCE_LOST] == LANES

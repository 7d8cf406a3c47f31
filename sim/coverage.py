"""What random TCP traffic has reached: each requirement on TCP, each action, each reason, and how often."""

from collections import Counter

from hdl.wire.event import Contradiction, Kind, Loss
from hdl.wire.registers import Count
from hdl.wire.verdict import Action, Reason
from sim.chain import Chain
from sim.model import Model
from sim.session import BODY, OLD_ORDER

R = Reason
# Why a Replace of a lane that may send some is overwritten.
STOPS = (
    R.KILLED, R.REPLACE, R.PEGGED, R.CHANNEL, R.TAG, R.DUPLICATE, R.QUANTITY, R.ORDER_SIZE, R.PRICE, R.MARKET, R.PARENT,
    R.POSITION, R.FULL,
)  # fmt: skip
# Requirements, as in the table of the protocol reference, and what shows that each was exercised: a verdict on what was
# sent as (tag, reason), a reason of any frame, or a name that `Coverage.look` counts.
ROWS = {
    "lane identity": [("other port", R.NO_SESSION), ("stranger", R.NO_LANE)],
    "framing": ["an order in two segments left", "a packet cut in its length", "a packet cut behind its type"],
    "many per segment": ["several orders in a segment", "an order beside one that was stopped"],
    "commit point": [R.ROLLED_BACK, "rolled back in the queue", "aborted", "discarded"],
    "retransmission": ["repeated", "repeated and new", ("altered", R.HISTORY), R.OLD, R.IN_FLIGHT, R.WINDOW],
    "decision memory": ["repeated as overwritten", "went on as overwritten", "repeated an order that left"],
    "gap": [("swapped", R.GAP), ("data", R.GAP)],
    "SYN": [("SYN", R.PASSED), ("wrong SYN", R.TCP_FLAGS), ("wrong SYN", R.TCP_HEADER), "another session"],
    "FIN, pure ACK, RST; URG": [
        ("FIN", R.PASSED), ("bare ACK", R.PASSED), ("RST", R.PASSED), ("wrong URG", R.TCP_FLAGS), R.FINISHED,
        ("wrong flags", R.TCP_FLAGS),
    ],
    "keep-alive, window probe": [
        ("keep-alive", R.PASSED), ("keep-alive with garbage", R.PASSED), ("probe", R.PASSED),
    ],
    "VLAN": ["no tag", "one tag", "two tags", R.VLAN_DEPTH],
    "options": ["no options", "options", ("wrong options", R.TCP_HEADER), "IP options"],
    "fragments": [("wrong fragment", R.FRAGMENT)],
    "IPv6": [("wrong IPv6", R.ETHERTYPE)],
    "length": ["a trailer", ("wrong length", R.IP_LENGTH), ("wrong length", R.TCP_CHECKSUM)],
    "checksums": [("wrong checksum", R.TCP_CHECKSUM), ("wrong IP", R.IP_HEADER)],
    "unknown type, wrong length": [R.FRAMING, R.MESSAGE],
    "jumbo, runt, FCS error": [R.GIANT, R.RUNT, ("wrong FCS", R.FCS), R.RX_ERROR],
    "ARP, ICMP, other": [R.POLICY, R.PROTOCOL],
    "neutralise": ["NEUTRALISE", "overwritten by a late kill", "OUCH 4.2"],
    "fence": ["FENCE", R.FENCED, "an RST left"],
    "starve": ["STARVE"],
    "cut": ["CUT"],
    "reports once": ["applied", "applied, OUCH 4.2", "had been applied", "overlap"],
    "evidence": [
        "a gap spoilt", "evidence lost: PACKET", "evidence lost: MESSAGE", "evidence lost: SKIPPED", "whole again",
    ],
    "exact positions": [
        "released by A", "released by C", "released by D", "released by E", "released by J", "UNKNOWN", "ABOVE", R.FULL,
    ],
    "Replace": [
        "a Replace let go", "a Replace in two segments let go", "an order and its Replace let go in a segment",
        *(f"a Replace stopped: {reason.name}" for reason in STOPS), R.BUSY, "released by U", "released by W",
        "a Replace answered with U", "a Replace answered with J", "an order gone with its pending Replace",
    ],
    "parents": [R.PARENT, R.CHILDREN, "given back to a parent"],
}  # fmt: skip


class Coverage:
    """Counts of what was reached, over any number of rounds."""

    def __init__(self):
        self.frames = 0
        self.reasons: Counter = Counter()
        self._seen: Counter = Counter()
        self._verdicts = self._left = 0
        self._let_go: set[tuple[int, int]] = set()  # Replaces, by lane and number
        self._asked: list[tuple[Chain, int]] = []  # with a Replace pending, and its number

    def begin(self) -> None:
        """A new model."""
        self._verdicts = self._left = 0
        self._let_go, self._asked = set(), []

    def look(self, model: Model, carriers, tags: list[str]) -> None:
        """A round was played: `carriers`, meant as `tags`."""
        seen = self._seen
        meant = [tag for carrier, tag in zip(carriers, tags, strict=True) if b"\xd5" in carrier.octets]
        verdicts = model.verdicts[self._verdicts :]
        self._verdicts = len(model.verdicts)
        self.frames += len(verdicts)
        for tag, (_, row, reason) in zip(meant, verdicts, strict=True):
            self.reasons[reason] += 1
            seen[tag, reason] += 1
            if reason == R.KILLED and row < 8 and model.config.tcp(row):
                seen[Action(model.config.action(row)).name] += 1
        for left in model.left[self._left :]:
            self._look(model, left)
        self._left = len(model.left)
        for chain, ref in self._asked:
            seen["an order gone with its pending Replace"] += chain.dead and chain.asks(ref)
        orders = model.budget.evidence.orders
        self._asked = [(chain, ref) for (_, ref), chain in orders.items() if chain.asks(ref)]

    def end(self, model: Model) -> None:
        """The last round of a model was played."""
        judged = Counter(reason for _, _, reason in model.verdicts)
        for row in model.counters[:8]:
            self._seen["rolled back in the queue"] += row[Count.FRAME_DROP + R.ROLLED_BACK]
            self._seen["discarded"] += row[Count.FRAME_DROP + R.KILLED]
        self._seen["rolled back in the queue"] -= judged[R.ROLLED_BACK]
        self._seen["discarded"] -= judged[R.KILLED]
        for replies, session in zip(model.replies, model.sessions, strict=True):
            self._seen["applied, OUCH 4.2" if replies.older else "applied"] += len(replies.applied)
            for report in replies.applied:
                if (report.lane, report.user_ref) in self._let_go:
                    self._seen[f"a Replace answered with {chr(report.kind)}"] += 1
            self._seen["had been applied"] += replies.repeated
            self._seen["whole again"] += replies.made_good
            self._seen["overlap"] += session.overlaps
        for event in model.ledger.events:
            if event.kind == Kind.EVIDENCE_LOST:
                self._seen[f"evidence lost: {Loss(event.reason).name}"] += 1
            elif event.kind == Kind.CONTRADICTION:
                self._seen[Contradiction(event.reason).name] += 1
        for letter, times in model.budget.evidence.seen.items():
            self._seen[f"released by {letter}"] += times
        self._seen["given back to a parent"] += model.budget.parents.back
        self._seen["a gap spoilt"] += sum(row[Count.RETURN_GAPS] for row in model.counters[:8])
        opened = Counter(event.lane for event in model.ledger.events if event.kind == 11)
        self._seen["another session"] += sum(count - 1 for count in opened.values())

    def _look(self, model, left):
        kept, seen = left.kept, self._seen
        flow = kept.flow
        if kept.reset:
            seen["an RST left"] += 1
        if flow is None:
            return
        if left.er_at is not None:
            seen["aborted"] += 1
            return
        segment, reading = flow.segment, flow.reading
        seen["options" if segment.payload_at > segment.at + 20 else "no options"] += 1
        seen[("no tag", "one tag", "two tags")[(len(segment.head) - 14) // 4]] += 1
        seen["IP options"] += segment.at > len(segment.head) + 20
        end = segment.payload_at + len(segment.payload)
        seen["a trailer"] += any(left.octets[end:-4])
        if flow.old:
            seen["repeated and new" if flow.advance else "repeated"] += 1
            seen["repeated as overwritten"] += BODY in flow.marks[: flow.old]
            seen["repeated an order that left"] += OLD_ORDER in flow.marks[: flow.old]
        if reading is None:
            return
        held = len(flow.context.held)
        seen["a packet cut in its length"] += held == 1
        seen["a packet cut behind its type"] += held == 3
        orders = [item for item in reading.items if item.order]
        seen["an order in two segments left"] += any(item.continued for item in orders)
        seen["several orders in a segment"] += len(orders) > 1
        seen["an order beside one that was stopped"] += bool(kept.orders and flow.stopped)
        seen["went on as overwritten"] += reading.body[1] > 0
        seen["overwritten by a late kill"] += flow.late
        seen["NEUTRALISE"] += flow.stopped > 0
        seen["OUCH 4.2"] += flow.stopped > 0 and model.config.modes[kept.lane] & 2 > 0
        self._replaces(kept.lane, flow, orders)

    def _replaces(self, lane, flow, orders):
        """Count the Replaces that left, and the reason for the first order that was stopped, if it is one."""
        seen, stopped = self._seen, [item.message for item in orders if item.run in flow.stops]
        if stopped and stopped[0].replaces:
            seen[f"a Replace stopped: {Reason(flow.why).name}"] += 1
        if flow.everything or flow.late:
            return
        beside = set()  # numbers of orders
        for message, run in orders:
            if run not in flow.stops and message.whole:
                beside.add(message.user_ref)
                if message.replaces:
                    self._let_go.add((lane, message.user_ref))
                    seen["a Replace let go"] += 1
                    seen["a Replace in two segments let go"] += message.continued
                    seen["an order and its Replace let go in a segment"] += message.original in beside

    def rows(self) -> dict[str, dict[str, int]]:
        """Return, by requirement, how often each thing was reached that shows it."""
        return {row: {_name(what): self._count(what) for what in shows} for row, shows in ROWS.items()}

    def _count(self, what) -> int:
        return self.reasons[what] if isinstance(what, Reason) else self._seen[what]

    def missing(self) -> list[str]:
        """Return what was never reached, as "requirement: what"."""
        return [f"{row}: {what}" for row, shows in self.rows().items() for what, count in shows.items() if not count]

    def table(self) -> str:
        lines = [
            f"{row:28}" + ", ".join(f"{what} {count}" for what, count in shows.items())
            for row, shows in self.rows().items()
        ]
        reasons = ", ".join(f"{Reason(reason).name} {count}" for reason, count in sorted(self.reasons.items()))
        return "\n".join([*lines, f"{'verdicts':28}{reasons}"])


def _name(what) -> str:
    if isinstance(what, Reason):
        return what.name
    return f"{what[0]}: {what[1].name}" if isinstance(what, tuple) else what

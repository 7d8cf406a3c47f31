"""What the golden model counts and tells. Part of the golden model."""

from typing import NamedTuple

from hdl.wire.event import NO_SYMBOL, Kind
from hdl.wire.registers import COUNTERS_PER_ROW, Count
from hdl.wire.verdict import LANES, LAST_WITHOUT_LANE, NO_LANE, Reason
from sim.egress import Kept
from sim.messages import Decoded

# Plain integers: counting is much of what the model does.
FRAMES_IN, FRAMES_OUT, FRAMES_INJECTED, ORDERS_IN, ORDERS_OUT, NEUTRALISED, FENCES, FRAME_DROP, ORDER_DROP = (
    int(Count[name])
    for name in (
        "FRAMES_IN", "FRAMES_OUT", "FRAMES_INJECTED", "ORDERS_IN", "ORDERS_OUT", "NEUTRALISED", "FENCES", "FRAME_DROP",
        "ORDER_DROP",
    )
)  # fmt: skip
REPORTS, REPORTS_REPEATED, RETURN_GAPS = (
    int(Count[name]) for name in ("REPORTS", "REPORTS_REPEATED", "RETURN_GAPS")
)  # fmt: skip
FRAMING, KILLED, ROLLED_BACK, SIBLING, ABORTED = (
    int(Reason[name]) for name in ("FRAMING", "KILLED", "ROLLED_BACK", "SIBLING", "ABORTED")
)
# What became of a frame at the gate: its reason, the event that tells of it, and the event's reason.
_LOST = {
    "discarded": (KILLED, Kind.DROP, KILLED),
    "aborted": (ABORTED, Kind.ABORT, KILLED),
    "stale": (ROLLED_BACK, Kind.DROP, ROLLED_BACK),
}


class Event(NamedTuple):
    """An event without its number."""

    at: int
    kind: int
    lane: int = 0
    reason: int = 0
    count: int = 0
    user_ref: int = 0
    symbol: int = 0
    quantity: int = 0
    price: int = 0


class Ledger:
    """Counters, events, verdicts.

    counters: nine rows (lanes 0 to 7, no lane), cells as in `Count`. verdicts: (cycle, row, reason) of each frame, in
    order.
    """

    def __init__(self):
        self.counters = [[0] * COUNTERS_PER_ROW for _ in range(LANES + 1)]
        self.verdicts = []
        self.events = []

    def kept(self, verdict: int, lane: int, orders: int) -> None:
        """A frame was let through."""
        self.verdicts.append((verdict, lane, 0))
        self.counters[lane][FRAMES_IN] += 1
        self.counters[lane][ORDERS_IN] += orders

    def dropped(
        self, verdict: int, lane: int, reason: int, orders: int, failing: Decoded | None, fences: bool = False
    ) -> None:
        """A frame was dropped by its verdict: for `failing`, or as such. Up to FRAMING its orders do not count."""
        row = lane if reason > LAST_WITHOUT_LANE else NO_LANE
        self.verdicts.append((verdict, row, reason))
        cells = self.counters[row]
        cells[FRAMES_IN] += 1
        cells[FRAME_DROP + reason] += 1
        if reason <= FRAMING:
            orders, failing = 0, None
        cells[ORDERS_IN] += orders
        self._drop_orders(cells, orders, reason, failing is None or failing.order)
        if row != NO_LANE:
            self.events.append(_event(Kind.FENCE if fences else Kind.DROP, verdict, lane, reason, orders, failing))
        self.counters[lane][FENCES] += fences

    def neutralised(self, at: int, lane: int, reason: int, orders: int, first: Decoded | None = None) -> None:
        self.events.append(_event(Kind.NEUTRALISE, at, lane, reason, orders, first))

    def blocked(self, verdict: int, lane: int, index: int) -> None:
        self.events.append(Event(verdict, Kind.BLOCK, lane, symbol=index))

    def opened(self, at: int, lane: int, port: int) -> None:
        self.events.append(Event(at, Kind.SESSION, lane, user_ref=port))

    def heard(self, lane: int, applied: int, repeated: int) -> None:
        """Reports of the exchange have come."""
        self.counters[lane][REPORTS] += applied
        self.counters[lane][REPORTS_REPEATED] += repeated

    def gap(self, lane: int) -> None:
        """A frame of the return path was spoilt, since octets before it are missing."""
        self.counters[lane][RETURN_GAPS] += 1

    def evidence_lost(self, at: int, lane: int, why: int) -> None:
        self.events.append(Event(at, Kind.EVIDENCE_LOST, lane, why))

    def contradicted(self, at: int, lane: int, what: int, report) -> None:
        self.events.append(
            Event(at, Kind.CONTRADICTION, lane, what, user_ref=report.user_ref, quantity=report.quantity)
        )

    def sent(self, kept: Kept, cycle: int) -> None:
        """A frame has left, as it came or rewritten."""
        cells, flow = self.counters[kept.lane], kept.flow
        cells[FRAMES_OUT] += 1
        cells[FRAMES_INJECTED] += kept.reset
        if flow is None:
            cells[ORDERS_OUT] += kept.orders
            return
        cells[ORDER_DROP + KILLED if flow.late else ORDERS_OUT] += kept.orders
        if flow.stopped:
            cells[ORDER_DROP + flow.why] += flow.stopped
        cells[NEUTRALISED] += bool(flow.stopped or flow.late)
        if flow.late:
            self.neutralised(cycle, kept.lane, KILLED, kept.orders)

    def lost(self, kind: str, kept: Kept, cycle: int) -> None:
        """A frame that was kept did not leave: its orders count as those of a datagram that is dropped."""
        reason, told, why = _LOST[kind]
        cells = self.counters[kept.lane]
        cells[FRAME_DROP + reason] += 1
        orders = kept.orders + (kept.flow.stopped if kept.flow else 0)
        self._drop_orders(cells, orders, reason, True)
        self.events.append(Event(cycle, told, kept.lane, why, orders, symbol=NO_SYMBOL))

    @staticmethod
    def _drop_orders(cells, orders, reason, by_order):
        if not orders:
            return
        if by_order:
            cells[ORDER_DROP + reason] += 1
            orders -= 1
        cells[ORDER_DROP + SIBLING] += orders


def _event(kind, at, lane, reason, orders, message):
    """Return an event with the fields of a message. A malformed one has none."""
    event = Event(at, kind, lane, reason, orders, symbol=NO_SYMBOL)
    if message is None or message.malformed:
        return event
    event = event._replace(user_ref=message.user_ref)
    if message.priced:
        symbol = NO_SYMBOL if message.index is None else message.index
        event = event._replace(symbol=symbol, quantity=message.quantity, price=message.price & 0xFFFFFFFF)
    return event

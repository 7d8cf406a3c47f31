"""The golden model: what must leave the egress, byte for byte and cycle for cycle, for what came in.

Plain Python from the rules; it shares the declarations of `hdl.wire` with the gateware and nothing else. Time is in
cycles of 8 ns as the pins see them. `sim.parse` reads one frame, `sim.budget` keeps what was released, `sim.egress` has
the kill over time and the way out; here they are joined, counted and told.

    model = Model(config)
    model.open(100, 0xFF)                      # an arm: the lanes show open in cycle 101
    model.kill(5000, 0x01, Source.SERIAL)      # a kill edge from outside: killed shows in cycle 5001
    model.carrier(200, octets)                 # a run of dv that begins in cycle 200, preamble included
    model.rest()
    model.left, model.counters, model.events(), model.kills.edges, model.budget.exposure

Carriers come in the order of time. An edge from outside is announced before the first carrier that ends after it. What
the filter does by itself (kills by a breach, blocked symbols) is predicted.
"""

from typing import NamedTuple

from hdl.wire.ethernet import START
from hdl.wire.event import NO_SYMBOL, Kind
from hdl.wire.registers import COUNTERS_PER_ROW, Count
from hdl.wire.verdict import LANES, LAST_WITHOUT_LANE, NO_LANE, Reason, Source
from sim.budget import FIRM_GROSS, LANE_GROSS, POSITION, QUIET, READS, RESERVED, Budget
from sim.egress import EVERY_LANE, Egress, Kept, Kills
from sim.parse import Config, Parsed

__all__ = ["Config", "Event", "Model"]

SETTLED = 10_000  # cycles after which everything owed is given back
VERDICT = 3  # cycles from a frame's last octet to its verdict
STORED = 2  # cycles from a frame's first octet to its place in the buffer
DECODED = 4  # cycles from an octet on the pins to the decoder
LIFTED = 39  # a lift up to here after `decoded` counts for the check
DECIDED = RESERVED - READS - 1  # cycles from an order's check to its result

# Plain integers, as in sim.parse.
FRAMES_IN, FRAMES_OUT, ORDERS_IN, ORDERS_OUT, FRAME_DROP, ORDER_DROP = (
    int(Count[name]) for name in ("FRAMES_IN", "FRAMES_OUT", "ORDERS_IN", "ORDERS_OUT", "FRAME_DROP", "ORDER_DROP")
)
OVERFLOW, FRAMING, KILLED, SYMBOL, BLOCKED, BUSY, SIBLING, ABORTED = (
    int(Reason[name]) for name in ("OVERFLOW", "FRAMING", "KILLED", "SYMBOL", "BLOCKED", "BUSY", "SIBLING", "ABORTED")
)


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


class Model:
    """The filter since its reset in cycle 0: every lane killed, nothing on its way.

    counters: nine rows (lanes 0 to 7, no lane), cells as in `Count`. left: frames on the egress, in order.
    verdicts: (cycle, row, reason) of each frame, in order. breached_at: cycle of the last octet of the last message
    that was found to breach a limit, whatever became of its frame.
    """

    def __init__(self, config: Config):
        self.config = config
        self.counters = [[0] * COUNTERS_PER_ROW for _ in range(LANES + 1)]
        self.verdicts = []
        self.breached_at = None
        self.kills = Kills()
        self.budget = Budget(config)
        self.egress = Egress(self.kills, self._outcome)
        self._lanes = config.lane_of()
        self._events = []
        self._lifts = []  # cycles of arms that lift blocks, to come
        self._undone = 0  # in this cycle the undoing of the last dropped frame is over

    @property
    def left(self):
        return self.egress.left

    def kill(self, cycle: int, lanes: int, source: int = Source.LOOP) -> None:
        """A kill edge from outside: `killed` shows it in `cycle` + 1."""
        self.kills.add(cycle, lanes, int(source))

    def open(self, cycle: int, lanes: int) -> None:
        """An arm opens lanes: they show open in `cycle` + 1. Arming the whole firm lifts every block."""
        self.kills.add(cycle, lanes, opens=True)
        if lanes == EVERY_LANE:
            self._lifts.append(cycle)

    def clear_exposure(self) -> None:
        """The host zeroes exposure and gross notional, at rest."""
        self.budget.clear()

    def carrier(self, start: int, octets: bytes, er: tuple[int, int] | None = None) -> None:
        """Receive a run of dv that begins in cycle `start`; `er`: first cycle of it with rx_er, and how many."""
        begin = octets.find(START) + 1
        if not begin:
            return
        error = er is not None and er[0] < len(octets) and er[1] > 0
        self._frame(start + begin, octets[begin:], error)

    def rest(self, until: int = 0) -> None:
        """Let everything leave that is on its way, and come at least to cycle `until`."""
        until = max(until, self.egress.horizon())
        self.egress.run(until)
        self.budget.settle(until + SETTLED)

    def events(self) -> list[Event]:
        """Return what the log tells, in order of time; without arms refused, clears and configurations."""
        told = [Event(at, Kind.KILL, 0, source, 0, lanes) for at, lanes, source in self.kills.edges]
        told += [Event(at, Kind.ARM, user_ref=lanes) for at, lanes in self.kills.opened]
        return sorted(self._events + told)

    def _frame(self, start, octets, error):
        parsed = Parsed(octets, error, self.config, self._lanes)
        lane, budget, egress = parsed.lane, self.budget, self.egress
        verdict = start + len(octets) - 1 + VERDICT
        overflow = False
        if octets:
            egress.run(start + STORED)
            overflow = not egress.room(start + STORED)

        # The messages, in order: the first that fails decides.
        orders, failing, failed, before_order, entries = 0, None, 0, False, []
        first = None
        for message in parsed.messages:
            reason = message.reason
            if message.priced:
                reason, entry = self._check(message, lane, start, verdict, failed)
                if entry:
                    entries.append(entry)
            if not message.whole:
                break
            if message.order:
                orders += 1
                first = first or message
            if reason and not failed:
                failing, failed = message, reason
                before_order = first is None
                if reason in (POSITION, LANE_GROSS, FIRM_GROSS):
                    self.breached_at = start + message.at + message.length - 1

        # The verdict.
        egress.run(verdict)
        killed = orders and self.kills.mask(verdict) >> lane & 1
        reason = parsed.link
        if not reason and (overflow or egress.full(verdict)):
            reason = OVERFLOW
        reason = reason or parsed.net
        if not reason:
            if killed and not (failed and before_order):
                reason, failing = KILLED, first
            else:
                reason = failed
        row = NO_LANE if 0 < reason <= LAST_WITHOUT_LANE else lane
        self.verdicts.append((verdict, row, reason))
        cells = self.counters[row]
        cells[FRAMES_IN] += 1
        if not reason:
            cells[ORDERS_IN] += orders
            egress.push(Kept(verdict + 1, octets, lane, orders, entries, start + len(octets) - 1))
            budget.quiet(verdict + 2, verdict + 2)
            return
        cells[FRAME_DROP + reason] += 1
        budget.give_back(entries)
        budget.quiet(verdict + 2, verdict + (4 + 3 * len(entries) if entries else 2))
        if entries:
            self._undone = verdict + 7 + 3 * len(entries)
        if reason <= FRAMING:
            orders, failing = 0, None
        else:
            cells[ORDERS_IN] += orders
            self._drop_orders(cells, orders, reason, failing.order)
        if row != NO_LANE:
            self._events.append(self._dropped(verdict, lane, reason, orders, failing))
        if reason == POSITION:
            self._lift(verdict + 1)
            budget.blocked.add(failing.index)
            self._events.append(Event(verdict, Kind.BLOCK, lane, symbol=failing.index))
        elif reason in (LANE_GROSS, FIRM_GROSS):
            self.kill(verdict + 2, 1 << lane if reason == LANE_GROSS else EVERY_LANE, Source.BREACH)

    def _check(self, message, lane, start, verdict, failed):
        """Ask the budgets about an Enter; return the message's reason and its reservation, if any."""
        budget = self.budget
        decoded = start + message.at + DECODED
        reads = max(decoded + READS, self._undone)
        if not self.egress.idle:
            self.egress.run(min(decoded + QUIET - 6, verdict))
        budget.settle(decoded + QUIET - 1)
        reserved = reads + RESERVED - READS
        budget.quiet(decoded + QUIET, min(reserved, verdict + 2))
        self._lift(decoded + LIFTED)
        reason, found = message.reason, SYMBOL
        if reads + DECIDED > decoded + message.length + 1:
            reason = BUSY if reason in (0, SYMBOL) else reason
        elif message.index is not None:
            found = budget.check(message, lane)
            if found == BLOCKED:
                reason = reason if 0 < reason < BLOCKED else BLOCKED
            reason = reason or found
        entry = None
        if not (failed or message.early or found) and reserved <= verdict:
            entry = budget.reserve(message, lane)
        return reason, entry

    def _lift(self, cycle):
        while self._lifts and self._lifts[0] <= cycle:
            self._lifts.pop(0)
            self.budget.blocked.clear()

    def _outcome(self, kind, kept, cycle):
        cells = self.counters[kept.lane]
        if kind == "sent":
            cells[FRAMES_OUT] += 1
            cells[ORDERS_OUT] += kept.orders
            return
        reason = KILLED if kind == "discarded" else ABORTED
        cells[FRAME_DROP + reason] += 1
        self._drop_orders(cells, kept.orders, reason, True)
        self.budget.owe(cycle, kept.reservations)
        told = Kind.DROP if kind == "discarded" else Kind.ABORT
        self._events.append(Event(cycle, told, kept.lane, KILLED, kept.orders, symbol=NO_SYMBOL))

    @staticmethod
    def _drop_orders(cells, orders, reason, by_order):
        if not orders:
            return
        if by_order:
            cells[ORDER_DROP + reason] += 1
            orders -= 1
        cells[ORDER_DROP + SIBLING] += orders

    @staticmethod
    def _dropped(verdict, lane, reason, orders, failing):
        """Return the event of a frame dropped by its verdict. A malformed message has no fields."""
        event = Event(verdict, Kind.DROP, lane, reason, orders, symbol=NO_SYMBOL)
        if failing is None or failing.malformed:
            return event
        event = event._replace(user_ref=failing.user_ref)
        if failing.enter:
            symbol = NO_SYMBOL if failing.index is None else failing.index
            event = event._replace(symbol=symbol, quantity=failing.quantity, price=failing.price & 0xFFFFFFFF)
        return event

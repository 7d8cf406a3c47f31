"""Exact positions: what the firm holds, and what may still be executed of its orders. Part of the golden model.

An order is charged when it is committed, and only what the exchange reports releases any of it. No time is kept here,
and only what needs a memory of orders is checked.

    positions = Positions({(5, True): 1000}, [10**12] * 9)
    order = Enter(0, 1, 5, True, 600, 10_000)
    positions.check(order)                      # 0, or a reason
    token = positions.commit(order)             # charged: what is checked later sees it
    positions.undo(token)                       # its frame did not leave
    positions.hear(0, ord("E"), 1, 0, 100, 10_000)
"""

from typing import NamedTuple

from hdl.wire.verdict import FIRM, LANES, Reason
from sim.chain import Chain, Enter, Event, Replace

__all__ = ["Chain", "Enter", "Event", "Heard", "Parent", "Positions", "Replace", "Token"]

SYMBOLS = 512
# Sums. One that reaches its largest value stays there, it is a kill of the firm, and nothing fits into it any more.
NET = 2**39 - 1  # either way
OPEN = 2**40 - 1
GROSS = 2**64 - 1


# Why an order is stopped. REPLACE: it replaces an order that is unknown, never there, replaced already, or dead. FULL
# is also that a Replace of the chain is pending, PARENT that it is not the chain's.
REPLACE, DUPLICATE, PARENT, CHILDREN, POSITION, LANE_GROSS, FIRM_GROSS, FULL = (
    Reason[name]
    for name in ("REPLACE", "DUPLICATE", "PARENT", "CHILDREN", "POSITION", "LANE_GROSS", "FIRM_GROSS", "FULL")
)


class Parent(NamedTuple):
    """An entry of the table of parents."""

    index: int
    buy: bool
    quantity: int
    children: int  # Enters that it may have


class Token(NamedTuple):
    """What was committed, for undoing it."""

    chain: Chain
    ref: int


class Heard(NamedTuple):
    """What a report brought about, beside what it booked; `kill`, of the firm."""

    kill: bool = False
    event: Event = Event.NONE


class Positions:
    """Positions per symbol, gross notional per lane and firm, use of parents, and the chains.

    Parameters
    ----------
    limits : dict
        Shares by (index of the symbol, buy): how long or short the firm may become. What is missing is 0.
    gross_limits : sequence of 9
        Of lanes 0 to 7 and the firm, in 10⁻⁴ dollars: open and executed together.
    parents : dict
        By their numbers.
    entries : int
        Orders that there is room for: each chain is one, and each pending Replace.
    older : set of lanes
        Speak OUCH 4.2.
    unheard : set of lanes
        Without evidence: their orders are charged for good, and they cannot replace any. May be changed.

    Members
    -------
    net : by index. open : in rows of 2 * index, and 1 more for sells. gross : by lane, the last one the firm's.
    used, children : by parent: shares executed and open; Enters.
    hi : the highest number by lane. Undoing does not lower it; who drops a frame by its verdict puts back what it was.
    index : chains by lane and number.
    """

    chain = Chain

    def __init__(self, limits, gross_limits, parents=None, *, entries: int = 511, older=(), unheard=()):
        self.limits, self.gross_limits, self.parents = dict(limits), list(gross_limits), dict(parents or {})
        self.entries, self.older, self.unheard = entries, frozenset(older), set(unheard)
        self.net, self.open, self.gross = [0] * SYMBOLS, [0] * 2 * SYMBOLS, [0] * (LANES + 1)
        self.used, self.children = dict.fromkeys(self.parents, 0), dict.fromkeys(self.parents, 0)
        self.hi = [0] * LANES
        self.index: dict[tuple[int, int], Chain] = {}

    def room(self, lane: int, ref: int) -> bool:
        """Tell whether one more order can be kept, of this number."""
        return len(self.index) < self.entries

    def number(self, lane: int, ref: int) -> None:
        """A number was used: by an order, or by a Mass Cancel, a Disable or an Enable, which pass."""
        self.hi[lane] = max(self.hi[lane], ref)

    def cancel(self, lane: int, ref: int, size: int) -> None:
        """A Cancel or a Modify passes, and changes nothing: it is a request."""

    def check(self, order: Enter | Replace) -> int:
        """Return why an order may not be released, 0 if it may."""
        lane, was = order.lane, self._original(order)
        if isinstance(order, Replace) and was is None:
            return REPLACE
        if order.ref <= self.hi[lane]:
            return DUPLICATE
        if (was and was.pending) or (lane not in self.unheard and not self.room(lane, order.ref)):
            return FULL
        now = self._with(order, was)
        shares = now.reserved - (was.reserved if was else 0)
        notional = now.notional - (was.notional if was else 0)
        return (
            self._fits_parent(order, was, shares)
            or (self._fits_symbol(now, shares) if shares > 0 else 0)
            or (self._fits_gross(lane, notional) if notional > 0 else 0)
        )

    def commit(self, order: Enter | Replace) -> Token:
        """Charge an order that passed; return what undoes it."""
        chain, was = self._original(order), None
        if isinstance(order, Enter):
            chain = self._with(order, None)
            if chain.parent is not None:
                self.children[chain.parent] += 1
        else:
            was = chain.copy()
            chain.ask(order)
        if order.lane not in self.unheard:
            self.index[order.lane, order.ref] = chain
        self.number(order.lane, order.ref)
        self._book(chain, was)
        return Token(chain, order.ref)

    def undo(self, token: Token) -> None:
        """Take back an order whose frame did not leave. Its chain may have died by now."""
        chain, was = token.chain, token.chain.copy()
        chain.withdraw(token.ref)
        if token.ref == chain.ref and chain.parent is not None:
            self.children[chain.parent] -= 1
        self._book(chain, was)

    def hear(self, lane: int, kind: int, user_ref: int, original_ref=0, quantity=0, price=0, dead=0) -> Heard:
        """Book a report, each once and in order; fields as in `sim.replies.Report`."""
        letter, older = chr(kind), lane in self.older
        if lane in self.unheard or letter in ("SXQ" if older else "SXQGK"):  # these name no order
            return Heard()
        if letter in ("BFK" if older else "B"):
            return Heard(event=Event.TRADE)
        chain = self.index.get((lane, user_ref))
        if chain is None:
            return Heard(letter in "AUECDMG", Event.UNKNOWN)
        if letter in "PITR":
            return Heard()
        was = chain.copy()
        event = chain.hear("E" if letter == "G" else letter, user_ref, quantity, dead)
        executed = chain.exe - was.exe
        if self._book(chain, was, executed, executed * price):
            event = Event.SATURATED
        return Heard(event > Event.TRADE, event)

    def _original(self, order) -> Chain | None:
        if isinstance(order, Enter) or order.lane in self.unheard:
            return None
        return self.index.get((order.lane, order.original))

    def _with(self, order, was) -> Chain:
        """Return a chain as an order makes it."""
        if isinstance(order, Enter):
            return self.chain.of(order)
        now = was.copy()
        now.ask(order)
        return now

    def _fits_parent(self, order, was, shares) -> int:
        if was and order.parent != was.parent:
            return PARENT
        if order.parent is None:
            return 0
        parent = self.parents.get(order.parent)
        if parent is None or (was is None and (parent.index, parent.buy) != (order.index, order.buy)):
            return PARENT
        if shares > 0 and self.used[order.parent] + shares > parent.quantity:
            return PARENT
        return CHILDREN if was is None and self.children[order.parent] >= parent.children else 0

    def _fits_symbol(self, chain, shares) -> int:
        net, opened = self.net[chain.index], self.open[_row(chain)] + shares
        held = net if chain.buy else -net
        fits = abs(net) < NET and opened < OPEN and held + opened <= self.limits.get((chain.index, chain.buy), 0)
        return 0 if fits else POSITION

    def _fits_gross(self, lane, notional) -> int:
        for row, reason in ((lane, LANE_GROSS), (FIRM, FIRM_GROSS)):
            if self.gross[row] + notional > min(self.gross_limits[row], GROSS - 1):
                return reason
        return 0

    def _book(self, chain, was, executed: int = 0, value: int = 0) -> bool:
        """Book what became of a chain, and what was executed of it; tell whether a sum is saturated."""
        shares = chain.reserved - (was.reserved if was else 0)
        notional = chain.notional - (was.notional if was else 0) + value
        saturated = [
            _add(self.net, chain.index, executed if chain.buy else -executed, NET),
            _add(self.open, _row(chain), shares, OPEN),
            _add(self.gross, chain.lane, notional, GROSS),
            _add(self.gross, FIRM, notional, GROSS),
        ]
        assert min(self.open[_row(chain)], self.gross[chain.lane], self.gross[FIRM]) >= 0, "a sum below 0"
        if chain.parent is not None:
            saturated.append(_add(self.used, chain.parent, shares + executed, OPEN))
            assert self.used[chain.parent] >= 0, "a parent's use below 0"
        for ref in set(was.refs if was else ()) - set(chain.refs):
            self.index.pop((chain.lane, ref), None)  # an unheard lane's is not there
        return any(saturated)


def _row(chain) -> int:
    return 2 * chain.index + (not chain.buy)


def _add(sums, key, change, most) -> bool:
    """Add to a sum unless it is saturated; tell whether this could not be added, or saturated it."""
    if abs(sums[key]) < most:
        sums[key] = max(-most, min(most, sums[key] + change))
    return bool(change) and abs(sums[key]) == most

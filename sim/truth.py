"""What must hold of positions, told from the exchange's books and from what is on its way there."""

from collections import Counter

from hdl.wire.verdict import Reason
from sim.market import LANES, Market
from sim.positions import Enter, Positions


class Truth:
    """Compares positions with the truth. Its methods raise `AssertionError` where they differ.

    asked: gives a lane's orders that were committed, and neither taken by the exchange nor undone, in any order, as
    (number, "enter" or "replace", its fields); and taken Replaces of what is not yet undone. unheard: lanes without
    evidence. enters: Enters committed on those, and not undone. children: by parent.
    """

    def __init__(self, positions: Positions, market: Market, asked, unheard):
        self.positions, self.market, self.asked, self.unheard = positions, market, asked, unheard
        self.enters: list[tuple] = []
        self.children: Counter = Counter()

    def committed(self, fields, sign: int = 1) -> None:
        """An Enter was committed; with -1, undone."""
        lane, *_, parent = fields
        self.children[parent] += sign
        if sign < 0 and fields in self.enters:
            self.enters.remove(fields)
        elif sign > 0 and lane in self.unheard:
            self.enters.append(fields)

    def never_beyond(self) -> None:
        """P5: whatever happens to what is on its way, no symbol comes to lie beyond its limits."""
        opened = Counter()
        for lane in range(LANES):
            for shares, _, _, index, buy, _ in self._possible(lane):
                opened[index, buy] += shares
        held = self._held(range(LANES))
        for (index, buy), limit in self.positions.limits.items():
            assert (held[index] if buy else -held[index]) + opened[index, buy] <= limit, f"beyond the limit of {index}"

    def equal(self, at_rest: bool) -> None:
        """Nothing is on its way back (`at_rest`: nor there): what is kept equals the truth."""
        positions, market = self.positions, self.market
        heard = [lane for lane in range(LANES) if lane not in self.unheard]
        opened, used, gross, chains = Counter(), Counter(), [0] * LANES, 0
        for lane in heard:
            gross[lane] = market.turnover[lane]
            for shares, _, highest, index, buy, tag in self._possible(lane):
                opened[index, buy] += shares
                used[tag] += shares
                gross[lane] += shares * highest
                chains += 1
        for (tag, lane), shares in market.executed.items():
            used[tag] += shares * (lane in heard)
        for lane, _, index, buy, quantity, price, parent in self.enters:
            opened[index, buy] += quantity
            used[parent] += quantity
            gross[lane] += quantity * price
        held = self._held(heard)
        for index, buy in positions.limits:
            assert positions.net[index] == held[index], f"net of {index}"
            assert positions.open[2 * index + (not buy)] == opened[index, buy], f"open of {index}, {buy=}"
        assert positions.gross == [*gross, sum(gross)], "gross notional"
        for parent in positions.parents:
            assert positions.used[parent] == used[parent], f"use of parent {parent}"
            assert positions.children[parent] == self.children[parent], f"children of parent {parent}"
        assert chains <= len(positions.index) <= positions.entries, "orders in the index"
        if at_rest:
            assert len(positions.index) == chains, "orders in the index"
            self._room(held, opened, [*gross, sum(gross)])

    def _room(self, held, opened, gross) -> None:
        """One share or one price step more than the truth leaves is stopped, and no less."""
        positions = self.positions
        lane = next(lane for lane in range(LANES) if lane not in self.unheard)
        if len(positions.index) == positions.entries:
            return

        def ask(quantity, price):
            return positions.check(Enter(lane, positions.hi[lane] + 1, index, buy, quantity, price))

        left, left_firm = (positions.gross_limits[row] - gross[row] for row in (lane, LANES))
        least = max(0, min(left, left_firm))
        for (index, buy), limit in positions.limits.items():
            room = limit - opened[index, buy] - (held[index] if buy else -held[index])
            assert ask(max(0, room) + 1, 1) == Reason.POSITION, "more than is left passed"
            if room > 0:
                assert ask(room, 1) != Reason.POSITION, "what is left was stopped"
                above = Reason.LANE_GROSS if left <= least else Reason.FIRM_GROSS
                assert ask(1, least + 1) == above, "more notional than is left passed"
                assert not least or ask(1, least) == 0, "what notional is left was stopped"

    def _held(self, lanes) -> Counter:
        held = Counter()
        for lane in lanes:
            held.update(self.market.net[lane])
        return held

    def _possible(self, lane) -> list[list]:
        """Return each chain of a lane as [open, filled, highest price, index, buy, tag]: the most that may be of it."""
        chains = {
            ref: [order.open, order.filled, order.highest, order.index, order.buy, order.tag]
            for ref, order in self.market.book[lane].items()
        }
        for ref, kind, fields in sorted(self.asked(lane)):
            if kind == "enter":
                _, _, index, buy, quantity, price, parent = fields
                chains[ref] = [quantity, 0, price, index, buy, parent]
            elif fields[1] in chains:
                quantity, price = fields[3:5]
                chain = chains[ref] = chains.pop(fields[1])
                chain[0], chain[2] = max(chain[0], quantity - chain[1]), max(chain[2], price)
        return list(chains.values())

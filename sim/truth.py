"""What must hold of positions, told from the exchange's books and from what is on its way there."""

from collections import Counter

from hdl.wire.verdict import Reason
from sim.market import LANES, Market
from sim.positions import Enter, Positions


class Truth:
    """Compares positions with the truth. Its methods raise `AssertionError` where they differ.

    asked: gives a lane's orders that were committed, and neither taken by the exchange nor undone, in any order, as
    (number, "enter" or "replace", its fields). unheard: lanes without evidence. enters: Enters committed on those, and
    not undone. undone: Enters that were, by lane and number, until that is used again. children: by parent.
    """

    def __init__(self, positions: Positions, market: Market, asked, unheard):
        self.positions, self.market, self.asked, self.unheard = positions, market, asked, unheard
        self.enters: list[tuple] = []
        self.undone: dict[tuple[int, int], tuple] = {}
        self.children: Counter = Counter()

    def committed(self, fields, sign: int = 1) -> None:
        """An Enter was committed; with -1, undone."""
        lane, ref, *_, parent = fields
        self.children[parent] += sign
        if sign < 0:
            self.undone[lane, ref] = fields
        if sign < 0 and fields in self.enters:
            self.enters.remove(fields)
        elif sign > 0 and lane in self.unheard:
            self.enters.append(fields)

    def never_beyond(self) -> None:
        """P5: whatever happens to what is on its way, no symbol comes to lie beyond its limits."""
        opened = Counter()
        for lane in range(LANES):
            for shares, _, index, buy, _ in self._possible(lane):
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
            for shares, notional, index, buy, tag in self._possible(lane):
                opened[index, buy] += shares
                used[tag] += shares
                gross[lane] += notional
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
        """Return what may be of each chain of a lane as [shares, notional, index, buy, tag]: the most, and the sum."""
        chains, totals = {}, {}
        for ref, order in self.market.book[lane].items():
            chains[ref] = [order.open, order.open * order.price, order.index, order.buy, order.tag]
            totals[ref] = order.open + order.filled
        for ref, kind, fields in sorted(self.asked(lane)):
            if kind == "enter":
                _, _, index, buy, quantity, price, parent = fields
                chains[ref], totals[ref] = [quantity, quantity * price, index, buy, parent], quantity
        for _, kind, fields in self.asked(lane):
            if kind == "replace":
                _, original, _, quantity, price, _ = fields
                if (lane, original) in self.undone:
                    _, _, index, buy, totals[original], _, parent = self.undone[lane, original]
                    chains[original] = [0, 0, index, buy, parent]
                if original in chains:
                    chains[original][0] += max(0, quantity - totals[original])
                    chains[original][1] += quantity * price
        return list(chains.values())

"""Exact positions against an exchange that knows the truth, and broken on purpose."""

from collections import Counter
from functools import cache

import pytest

from sim.chain import Chain, Event
from sim.positions import Positions
from sim.trading import Trading, missing, table

SEEDS = range(40)


@cache
def trading(seed: int) -> Counter:
    run = Trading(seed).play()
    return run.seen + run.market.seen


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_kept_is_the_truth(seed):
    """P5: nothing that is on its way can bring a symbol beyond its limits; and what is kept equals the truth."""
    assert trading(seed)["at rest"] or trading(seed)["evidence lost"]


def test_everything_was_reached():
    seen = sum(map(trading, SEEDS), Counter())
    assert missing(seen) == [], table(seen)


def test_a_run_repeats_with_its_seed():
    assert Trading(3).play(300).seen == Trading(3).play(300).seen != Trading(4).play(300).seen


# Broken on purpose.


class Summed(Chain):
    """Reserves each order of a chain, not the most of them."""

    @property
    def reserved(self):
        total = self.pending.total if self.pending else 0
        return 0 if self.dead else max(0, self.live + total - self.exe)


class NewOnly(Chain):
    """Reserves what the pending Replace asks for, though it may come to nothing."""

    @property
    def reserved(self):
        return 0 if self.dead else max(0, (self.pending.total if self.pending else self.live) - self.exe)


class OldOnly(Chain):
    """Charges a Replace when it is confirmed."""

    @property
    def reserved(self):
        return 0 if self.dead else max(0, self.live - self.exe)


class FromNothing(Chain):
    """Takes the outstanding shares of a Replaced for the chain's total."""

    def hear(self, letter, ref, quantity, dead):
        event = super().hear(letter, ref, quantity, dead)
        if letter == "U" and not self.dead:
            self.live = quantity
        return event


class Dearest(Chain):
    """Lets the price never fall."""

    def _replaced(self, outstanding, dead):
        highest = max(self.px, self.pending.price)
        super()._replaced(outstanding, dead)
        self.px = highest


class Cheapest(Chain):
    """Counts the old order's notional or the Replace's, whichever is more."""

    @property
    def notional(self):
        return max(self.left * self.px, super().notional - self.left * self.px)


class Inseparable(Chain):
    """Takes a pending Replace for undone with its Enter."""

    def withdraw(self, ref):
        super().withdraw(ref)
        self.dead |= ref == self.ref


class Jumpy(Chain):
    """Takes a rejected Replace for a rejected order."""

    def hear(self, letter, ref, quantity, dead):
        event = super().hear(letter, ref, quantity, dead)
        self.dead |= letter == "J"
        return event


class Hasty(Chain):
    """Dies of a Canceled in part."""

    def hear(self, letter, ref, quantity, dead):
        event = super().hear(letter, ref, quantity, dead)
        self.dead |= letter == "C"
        return event


class Undying(Chain):
    """Does not mind that an order was accepted or replaced dead."""

    def hear(self, letter, ref, quantity, dead):
        return super().hear(letter, ref, quantity, False)


class Deaf(Chain):
    """Does not know of decrements."""

    def hear(self, letter, ref, quantity, dead):
        return super().hear(letter, ref, 0 if letter == "D" else quantity, dead)


class Unmodified(Chain):
    """Does not know of Modify."""

    def hear(self, letter, ref, quantity, dead):
        return super().hear(letter, ref, quantity, dead) if letter != "M" else Event.NONE


class Waiting(Chain):
    """Does not die before its pending Replace is answered."""

    def hear(self, letter, ref, quantity, dead):
        event = super().hear(letter, ref, quantity, dead)
        self.dead &= self.pending is None
        return event


class Costly(Chain):
    """Keeps the price of a Replace that did not leave."""

    def withdraw(self, ref):
        if self.pending and ref == self.pending.ref:
            self.px = max(self.px, self.pending.price)
        super().withdraw(ref)


class Forgetful(Chain):
    """Dies with its Replace that did not leave."""

    def withdraw(self, ref):
        super().withdraw(ref)
        self.dead = True


def of(chain_):
    return type(chain_.__name__, (Positions,), {"chain": chain_, "__doc__": chain_.__doc__})


class Obliging(Positions):
    """Releases what a Cancel asks for."""

    def cancel(self, lane, ref, size):
        chain = self.index.get((lane, ref))
        if chain and size < chain.live and not chain.pending:
            was = chain.copy()
            chain.live = max(size, chain.exe)
            self._book(chain, was)


class Believing(Positions):
    """Does not book what was executed beyond an order."""

    def hear(self, lane, kind, user_ref, original_ref=0, quantity=0, price=0, dead=0):
        chain = self.index.get((lane, user_ref))
        if chain and chr(kind) in "EG":
            quantity = min(quantity, chain.reserved)
        return super().hear(lane, kind, user_ref, original_ref, quantity, price, dead)


class Unbilled(Positions):
    """Undoes shares, and forgets the notional."""

    def undo(self, token):
        gross = self.gross.copy()
        super().undo(token)
        self.gross = gross


class Childless(Positions):
    """Undoes an Enter, and forgets that its parent has a child less."""

    def undo(self, token):
        children = self.children.copy()
        super().undo(token)
        self.children = children


class Spent(Positions):
    """Never gives back what a parent's child did not use."""

    def _book(self, chain, was, executed=0, value=0):
        used = self.used.copy()
        saturated = super()._book(chain, was, executed, value)
        if was is not None and chain.reserved <= was.reserved:
            self.used = used
        return saturated


class Netting(Positions):
    """Nets open buys against open sells."""

    def _fits_symbol(self, chain, shares):
        other = self.open[2 * chain.index + chain.buy]
        return super()._fits_symbol(chain, shares - other)


class Unopened(Positions):
    """Compares what is held alone."""

    def _fits_symbol(self, chain, shares):
        row = 2 * chain.index + (not chain.buy)
        opened, self.open[row] = self.open[row], 0
        reason = super()._fits_symbol(chain, shares)
        self.open[row] = opened
        return reason


class Lax(Positions):
    """Takes one share too many."""

    def _fits_symbol(self, chain, shares):
        return super()._fits_symbol(chain, shares - 1)


class Cheap(Positions):
    """Takes one price step too many."""

    def _fits_gross(self, lane, notional):
        return super()._fits_gross(lane, notional - 1)


class Again(Positions):
    """Takes a number that the exchange ignores."""

    def number(self, lane, ref):
        self.hi[lane] = max(self.hi[lane], ref - 1)


class Crammed(Positions):
    """Counts chains, and not their pending Replaces."""

    def room(self, lane, ref):
        return len({id(chain) for chain in self.index.values()}) < self.entries


class Dear(Positions):
    """Books executions at the price of the order."""

    def hear(self, lane, kind, user_ref, original_ref=0, quantity=0, price=0, dead=0):
        chain = self.index.get((lane, user_ref))
        return super().hear(lane, kind, user_ref, original_ref, quantity, chain.px if chain else price, dead)


class Hopeful(Positions):
    """Hears the reports of a lane whose orders are charged for good."""

    def hear(self, lane, *report):
        unheard, self.unheard = self.unheard, set()
        try:
            return super().hear(lane, *report)
        finally:
            self.unheard = unheard


CHAINS = (
    Summed, NewOnly, OldOnly, FromNothing, Dearest, Cheapest, Inseparable, Jumpy, Hasty, Undying, Deaf, Unmodified,
    Waiting, Costly, Forgetful,
)  # fmt: skip
BROKEN = [
    *map(of, CHAINS), Obliging, Believing, Unbilled, Childless, Spent, Netting, Unopened, Lax, Cheap, Again, Crammed,
    Dear, Hopeful,
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_positions_are_noticed(broken):
    with pytest.raises(AssertionError):
        for seed in SEEDS:
            Trading(seed, broken).play()

"""What becomes of an order and its Replace by what is said of them."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.blocks import SYMBOL_BITS
from hdl.filter.hearing import Says
from hdl.filter.multiplier import PRICE_BITS, QUANTITY_BITS
from hdl.filter.order_index import SLOT_BITS
from hdl.filter.parents import PARENT_BITS

MOST = (1 << QUANTITY_BITS) - 1  # shares of a report; one of more says as many
TOTAL = signed(QUANTITY_BITS + 1)
PART = 36

# ``child``: of ``parent``.
FAMILY = {"parent": PARENT_BITS, "child": 1}
# ``quantity``: shares that are open. ``total``: those, and what was executed. A Replace of which nothing has been heard
# is ``pending``: it has in ``quantity`` the total that it asks for, and in ``total`` by how much that is more.
ORDER = data.StructLayout(
    {
        "index": SYMBOL_BITS,
        "sell": 1,
        "price": PRICE_BITS - 1,
        "quantity": QUANTITY_BITS,
        **FAMILY,
        "pending": 1,
        "total": TOTAL,
    }
)
# ``asked``: it has a pending Replace, in the slot ``link``, whose own link is back. What asking changes lies in the
# last of three parts, and can be written without the others.
_LINK = {"asked": 1, "link": SLOT_BITS}
ROW = data.StructLayout({**ORDER.members, **_LINK, "unused": 3 * PART - ORDER.size - sum(_LINK.values())})


class Outcome(wiring.Component):
    """Works out what a report, or a withdrawal, changes of an order and of its pending Replace.

    The rows hold from cycle x on, ``names`` from x+1 and what is said from x-2 on. Of an order that is not asked and no
    Replace everything is right from x+2 on, but for what stays and is rest, a cycle later; of others from x+4 on.

    Members
    -------
    says, shares : In(Says), In(32)
    was, new : In(ROW)
        The order, and what its link leads to: its Replace, if ``asked`` says so.
    names, back : In(1)
        It is said of the Replace, which is ``new`` then; and the order's link leads back to it.
    asked, executes : Out(1)
        There is an order and its pending Replace; some was executed.
    books, settles, lapses, dies : Out(1)
        It changes the order; the Replace has replaced it; the Replace is gone. With the first two: nothing of the order
        is left, nor of its Replace.
    turns, exceeds, overfills : Out(1)
        It is out of turn; it is of more shares than there can be; and more than are open were executed.
    moves, taken : Out(1), Out(TOTAL)
        There is a first change; shares that are open no more.
    released, remaining : Out(20)
        Shares that are reserved no more by that change; that stay open.
    total, more : Out(TOTAL)
        The order's total, and by how much its Replace's is above that.
    excess, rest, spare : Out(20)
        Shares executed above those that were open; of the Replace's total, those that are not open by now; shares that
        were reserved for it beside the order's.
    """

    says: In(Says)
    shares: In(32)
    was: In(ROW)
    new: In(ROW)
    names: In(1)
    back: In(1)
    asked: Out(1)
    executes: Out(1)
    books: Out(1)
    settles: Out(1)
    lapses: Out(1)
    dies: Out(1)
    turns: Out(1)
    exceeds: Out(1)
    overfills: Out(1)
    moves: Out(1)
    taken: Out(TOTAL)
    released: Out(QUANTITY_BITS)
    remaining: Out(QUANTITY_BITS)
    total: Out(TOTAL)
    more: Out(TOTAL)
    excess: Out(QUANTITY_BITS)
    rest: Out(QUANTITY_BITS)
    spare: Out(QUANTITY_BITS)

    def elaborate(self, platform):
        m = Module()
        says, was, new, names, asked = self.says, self.was, self.new, self.names, self.asked
        opened = was.quantity

        # What is said alone, long before the rows are there.
        shares, none = Signal(QUANTITY_BITS), Signal()
        replaces, reduces, closes, leaves, withdraws, rejects, ends = (Signal() for _ in range(7))
        m.d.sync += [
            shares.eq(Mux(self.shares[QUANTITY_BITS:].any(), MOST, self.shares)),
            none.eq(self.shares == 0),
            self.executes.eq(says == Says.EXECUTED),
            reduces.eq(says.matches(Says.EXECUTED, Says.REDUCED, Says.LEFT)),
            closes.eq(says.matches(Says.DEAD, Says.REJECTED)),
            replaces.eq(says.matches(Says.REPLACED, Says.ENDED)),
            leaves.eq(says == Says.LEFT),
            rejects.eq(says == Says.REJECTED),
            withdraws.eq(says == Says.WITHDRAWN),
            ends.eq(says == Says.ENDED),
        ]

        # One cycle behind the rows.
        above, less = Signal(), Signal(TOTAL)
        most, room, no_room = Signal(signed(QUANTITY_BITS + 2)), Signal(signed(QUANTITY_BITS + 3)), Signal()
        m.d.sync += [
            above.eq(shares > opened),
            less.eq(opened - shares),
            most.eq(opened + new.total),
            room.eq(most - shares),
            no_room.eq(most[-1]),
            asked.eq(was.asked & (~names | self.back)),
            self.spare.eq(Mux(new.total[-1], 0, new.total[:-1])),
        ]
        books, settles, dies, beyond, empty = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq(less == 0),
            beyond.eq(Mux(no_room, ~none, room[-1])),
            books.eq(Mux(names, self.executes & asked, reduces | closes)),
            settles.eq(names & asked & replaces & ~beyond),
        ]
        # Two.
        m.d.sync += [
            self.books.eq(books),
            self.settles.eq(settles),
            self.lapses.eq(names & (withdraws | rejects)),
            self.turns.eq(Mux(names, ~(withdraws | rejects | (replaces & asked)), replaces)),
            self.overfills.eq(books & self.executes & above),
            self.exceeds.eq(~withdraws & Mux(names, replaces & beyond, above)),
            dies.eq((books & (closes | Mux(leaves, none, above | empty))) | (settles & (none | ends))),
            self.excess.eq(-less),
            self.taken.eq(
                Mux(
                    reduces,
                    Mux(leaves, Mux(above, 0, less), Mux(above, opened, shares)),
                    Mux(closes | ends, opened, Mux(replaces, less, 0)),
                )
            ),
        ]
        some = Signal()  # `taken` is not 0: an order has a share at the least
        m.d.sync += some.eq(~reduces | Mux(leaves, ~above & ~empty, ~none))
        m.d.comb += [self.dies.eq(dies), self.moves.eq(self.settles | (self.books & some))]
        # Three, and four.
        shrinks, alive, freed = Signal(TOTAL), Signal(), Signal(QUANTITY_BITS)
        m.d.comb += [shrinks.eq(Mux(self.executes, 0, self.taken)), alive.eq(self.settles & ~dies)]
        m.d.sync += [
            self.remaining.eq(Mux(self.lapses, opened, opened - self.taken)),
            self.total.eq(was.total - Mux(self.lapses, 0, shrinks)),
            self.more.eq(new.total + shrinks),
            self.rest.eq(new.quantity - Mux(alive, shares, 0)),
            freed.eq(
                Mux(replaces, less + self.spare, Mux(new.total[-1], self.taken - Mux(self.more[-1], 0, self.more), 0))
            ),
        ]
        plain = ~asked | self.executes | dies
        m.d.comb += self.released.eq(Mux(plain, self.taken, freed))
        return m

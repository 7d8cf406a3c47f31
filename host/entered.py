"""What was entered in the drill, as parents of a limits file: customers' orders, and accounts for the other flow."""

from collections.abc import Mapping, Sequence

from hdl.wire.registers import MOST_CHILDREN, MOST_PARENT_SHARES
from host.config import Parent
from host.parents import name_of, side_of
from host.router import LOT
from host.router import Parent as Order


def entered(orders: Sequence[Order], accounts: Mapping[tuple[str, bool], str]) -> dict[str, Parent]:
    """Return a parent for each customer's order that is not done, for its shares that are not executed, in lots.

    And one without end for each account, by symbol and side.
    """
    found = {
        name: Parent(symbol=symbol, side=side_of(buy), shares=MOST_PARENT_SHARES, children=MOST_CHILDREN)
        for (symbol, buy), name in accounts.items()
    }
    for order in orders:
        if (left := order.quantity - order.executed) > 0:
            lots = -(-left // LOT)
            found[name_of(order.number)] = Parent(
                symbol=order.symbol, side=side_of(order.buy), shares=left, children=lots
            )
    return found

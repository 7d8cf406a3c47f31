"""The emulated exchange's books: OUCH requests in, reports out. Nothing matches: an order fills at its own price.

Rules are the specification's, of what is emulated: Enter, Replace and Cancel. Any other message is counted and ignored.
Each account is answered in its own dialect, OUCH 5.0 or 4.2.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hdl.wire import ouch
from hdl.wire.format import Value
from hdl.wire.reports import Reject, Report
from host.dialect import DIALECTS, Dialect

USER, SYSTEM = b"U", b"Z"  # reasons of a Canceled: asked for by the user; by the exchange itself
LIVE = b"L"  # the state of every order at its report


class Holding(NamedTuple):
    """Shares of a symbol: bought less sold, and open on either side."""

    net: int = 0
    buys: int = 0
    sells: int = 0


@dataclass
class Account:
    """The live orders of one user by the last name they had (UserRefNum or token), and what was used of either.

    An order is what its reports repeat of it; orders execute whole, so all of its `quantity` is open.
    """

    dialect: Dialect
    working: dict[Value, dict[str, Value]] = field(default_factory=dict)
    highest: int = 0
    tokens: set[bytes] = field(default_factory=set)
    net: Counter[bytes] = field(default_factory=Counter)  # shares by symbol, bought less sold
    turnover: int = 0  # executed, in 10⁻⁴ dollars

    def has_used(self, name: Value) -> bool:
        """Tell whether a name is taken for a retransmission: a number that does not rise, a token of before."""
        return name <= self.highest if isinstance(name, int) else name in self.tokens

    def use(self, name: Value) -> None:
        if isinstance(name, int):
            self.highest = name
        else:
            self.tokens.add(name)


class Book:
    """The orders of every account.

    Parameters
    ----------
    symbols : collection of str
        What can be traded; an order in anything else is rejected.
    fills : bool
        Whether an order is executed whole as soon as it is accepted; otherwise it rests. May be changed at any time.
    resting : collection of values
        Times in force of the orders that rest even so: a letter of 5.0, seconds of 4.2.
    dialects : mapping
        What an account speaks, if it is not 5.0.
    """

    def __init__(
        self,
        symbols: Collection[str],
        *,
        fills: bool = True,
        resting: Collection[Value] = (),
        dialects: Mapping[Any, str] | None = None,
    ):
        self.fills = fills
        self._resting = frozenset(resting)
        self.ignored = 0  # messages that are not emulated, or too short for what they are
        self._symbols = {symbol.encode().ljust(8) for symbol in symbols}
        self._dialects: dict[Hashable, str] = dict(dialects or {})
        self._accounts: dict[Hashable, Account] = {}
        self._orders = 0
        self._matches = 0

    def working(self, account: Hashable) -> list[Value]:
        """Return the names of an account's live orders, in the order in which they were given."""
        return list(self._account(account).working)

    def notional(self, account: Hashable) -> int:
        """Return what an account has executed and what it has open, in 10⁻⁴ dollars."""
        owner = self._account(account)
        return owner.turnover + sum(int(order["quantity"]) * int(order["price"]) for order in owner.working.values())

    def holdings(self) -> dict[str, Holding]:
        """Return what all accounts have together, by symbol."""
        net, opened = Counter[bytes](), Counter[tuple[bytes, bool]]()
        for owner in self._accounts.values():
            net.update(owner.net)
            for order in owner.working.values():
                symbol = order["symbol"]
                assert isinstance(symbol, bytes)
                opened[symbol, order["side"] == ouch.Side.BUY] += int(order["quantity"])
        return {
            symbol.decode().strip(): Holding(net[symbol], opened[symbol, True], opened[symbol, False])
            for symbol in sorted(self._symbols)
        }

    def take(self, account: Hashable, message: bytes, at_ns: int) -> list[bytes]:
        """Return the reports on one message of a client; `at_ns` is what they give as their time."""
        owner = self._account(account)
        kind, fields = owner.dialect.read(message)
        match kind:
            case "enter":
                return self._enter(owner, fields, at_ns)
            case "replace":
                return self._replace(owner, fields, at_ns)
            case "cancel":
                return self._reduce(owner, fields[owner.dialect.key], int(fields["quantity"]), at_ns, USER)
        self.ignored += 1
        return []

    def disconnect(self, account: Hashable, at_ns: int) -> list[bytes]:
        """Cancel an account's live orders, as an exchange does when its session breaks; return the reports."""
        owner = self._account(account)
        return [report for name in list(owner.working) for report in self._reduce(owner, name, 0, at_ns, SYSTEM)]

    def _account(self, account: Hashable) -> Account:
        if account not in self._accounts:
            self._accounts[account] = Account(DIALECTS[self._dialects.get(account, "5.0")])
        return self._accounts[account]

    def _enter(self, owner: Account, terms: dict[str, Value], at_ns: int) -> list[bytes]:
        dialect, name = owner.dialect, terms[owner.dialect.key]
        if owner.has_used(name):
            return []
        owner.use(name)
        if reason := self._fault(terms):
            return [dialect.report(Report.REJECTED, at_ns, **terms, reason=dialect.reasons[reason])]
        self._orders += 1
        owner.working[name] = {**terms, "state": LIVE, "order": self._orders}
        return [dialect.report(Report.ACCEPTED, at_ns, **owner.working[name]), *self._fill(owner, name, at_ns)]

    def _replace(self, owner: Account, terms: dict[str, Value], at_ns: int) -> list[bytes]:
        dialect = owner.dialect
        old, name = terms[dialect.original], terms[dialect.key]
        order = owner.working.get(old)
        if order is None or owner.has_used(name):
            return []
        changed = order | terms
        if self._fault(changed):
            return self._reduce(owner, old, 0, at_ns, USER)
        owner.use(name)
        self._orders += 1
        changed["order"] = self._orders
        del owner.working[old]
        owner.working[name] = changed
        return [dialect.report(Report.REPLACED, at_ns, **changed), *self._fill(owner, name, at_ns)]

    def _fill(self, owner: Account, name: Value, at_ns: int) -> list[bytes]:
        if not self.fills or owner.working[name]["time_in_force"] in self._resting:
            return []
        self._matches += 1
        order = owner.working.pop(name)
        symbol, quantity = order["symbol"], int(order["quantity"])
        assert isinstance(symbol, bytes)
        owner.net[symbol] += quantity if order["side"] == ouch.Side.BUY else -quantity
        owner.turnover += quantity * int(order["price"])
        return [owner.dialect.report(Report.EXECUTED, at_ns, **order, liquidity=b"R", match=self._matches)]

    def _reduce(self, owner: Account, name: Value, quantity: int, at_ns: int, reason: bytes) -> list[bytes]:
        """Reduce an order to `quantity`; nothing happens where that is no reduction."""
        order = owner.working.get(name)
        canceled = int(order["quantity"]) - quantity if order else 0
        if order is None or canceled <= 0:
            return []
        order["quantity"] = quantity
        if not quantity:
            del owner.working[name]
        return [owner.dialect.report(Report.CANCELED, at_ns, **order | {"quantity": canceled}, reason=reason)]

    def _fault(self, terms: dict[str, Value]) -> Reject | None:
        if terms["side"] not in list(ouch.Side):
            return Reject.SIDE
        if not 0 < int(terms["quantity"]) <= ouch.MOST_SHARES:
            return Reject.QUANTITY
        if terms["symbol"] not in self._symbols:
            return Reject.SYMBOL
        return None if int(terms["price"]) else Reject.PRICE

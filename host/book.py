"""The emulated exchange's books: OUCH 5.0 requests in, reports out. Nothing matches: an order fills at its own price.

Rules are the specification's, of what is emulated: Enter, Replace and Cancel. Any other message is counted and ignored.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field

from hdl.wire import ouch, reports
from hdl.wire.format import Format, Value
from hdl.wire.reports import Reject, Report

USER, SYSTEM = b"U", b"Z"  # reasons of a Canceled: asked for by the user; by the exchange itself
LIVE = b"L"  # the state of every order at its report


@dataclass
class Account:
    """The live orders of one user by their last UserRefNum, and the highest number used.

    An order is what its reports repeat of it; orders execute whole, so all of its `quantity` is open.
    """

    working: dict[int, dict[str, Value]] = field(default_factory=dict)
    highest: int = 0


class Book:
    """The orders of every account.

    Parameters
    ----------
    symbols : collection of str
        What can be traded; an order in anything else is rejected.
    fills : bool
        Whether an order is executed whole as soon as it is accepted; otherwise it rests. May be changed at any time.
    resting : collection of bytes
        Times in force of the orders that rest even so.
    """

    def __init__(self, symbols: Collection[str], *, fills: bool = True, resting: Collection[bytes] = ()):
        self.fills = fills
        self._resting = frozenset(resting)
        self.ignored = 0  # messages that are not emulated, or too short for what they are
        self._symbols = {symbol.encode().ljust(8) for symbol in symbols}
        self._accounts: dict[Hashable, Account] = {}
        self._orders = 0
        self._matches = 0

    def working(self, account: Hashable) -> list[int]:
        """Return the UserRefNums of an account's live orders."""
        return sorted(self._account(account).working)

    def take(self, account: Hashable, message: bytes, at_ns: int) -> list[bytes]:
        """Return the reports on one message of a client; `at_ns` is what they give as their time."""
        owner = self._account(account)
        match message[:1]:
            case b"O" if len(message) >= ouch.ENTER.size:
                return self._enter(owner, _terms(ouch.ENTER, message), at_ns)
            case b"U" if len(message) >= ouch.REPLACE.size:
                return self._replace(owner, _terms(ouch.REPLACE, message), at_ns)
            case b"X" if len(message) >= ouch.CANCEL.size:
                fields = ouch.CANCEL.unpack(message)
                return self._reduce(owner, int(fields["user_ref"]), int(fields["quantity"]), at_ns, USER)
        self.ignored += 1
        return []

    def disconnect(self, account: Hashable, at_ns: int) -> list[bytes]:
        """Cancel an account's live orders, as an exchange does when its session breaks; return the reports."""
        owner = self._account(account)
        return [report for ref in sorted(owner.working) for report in self._reduce(owner, ref, 0, at_ns, SYSTEM)]

    def _account(self, account: Hashable) -> Account:
        return self._accounts.setdefault(account, Account())

    def _enter(self, owner: Account, terms: dict[str, Value], at_ns: int) -> list[bytes]:
        ref = int(terms["user_ref"])
        if ref <= owner.highest:
            return []  # taken for a retransmission
        owner.highest = ref
        if reason := self._fault(terms):
            order_id = terms["order_id"]
            return [_report(Report.REJECTED, at_ns, user_ref=ref, reason=reason, order_id=order_id)]
        self._orders += 1
        terms["order"] = self._orders
        owner.working[ref] = terms
        return [_report(Report.ACCEPTED, at_ns, **terms), *self._fill(owner, ref, at_ns)]

    def _replace(self, owner: Account, terms: dict[str, Value], at_ns: int) -> list[bytes]:
        old, ref = int(terms["original_ref"]), int(terms["user_ref"])
        order = owner.working.get(old)
        if order is None or ref <= owner.highest:
            return []
        changed = order | terms
        if self._fault(changed):
            return self._reduce(owner, old, 0, at_ns, USER)
        owner.highest = ref
        self._orders += 1
        changed["order"] = self._orders
        del owner.working[old]
        owner.working[ref] = changed
        return [_report(Report.REPLACED, at_ns, **changed), *self._fill(owner, ref, at_ns)]

    def _fill(self, owner: Account, ref: int, at_ns: int) -> list[bytes]:
        if not self.fills or owner.working[ref]["time_in_force"] in self._resting:
            return []
        self._matches += 1
        order = owner.working.pop(ref)
        return [
            _report(
                Report.EXECUTED, at_ns, user_ref=ref, quantity=order["quantity"], price=order["price"], liquidity=b"R",
                match=self._matches, appendage=0,
            )
        ]  # fmt: skip

    def _reduce(self, owner: Account, ref: int, quantity: int, at_ns: int, reason: bytes) -> list[bytes]:
        """Reduce an order to `quantity`; nothing happens where that is no reduction."""
        order = owner.working.get(ref)
        canceled = int(order["quantity"]) - quantity if order else 0
        if order is None or canceled <= 0:
            return []
        order["quantity"] = quantity
        if not quantity:
            del owner.working[ref]
        return [_report(Report.CANCELED, at_ns, user_ref=ref, quantity=canceled, reason=reason)]

    def _fault(self, terms: dict[str, Value]) -> Reject | None:
        if terms["side"] not in list(ouch.Side):
            return Reject.SIDE
        if not 0 < int(terms["quantity"]) <= ouch.MOST_SHARES:
            return Reject.QUANTITY
        if terms["symbol"] not in self._symbols:
            return Reject.SYMBOL
        return None if int(terms["price"]) else Reject.PRICE


def _terms(form: Format, message: bytes) -> dict[str, Value]:
    """Return what an order says of itself; option tags are not emulated, and so none is given back."""
    return {**form.unpack(message), "appendage": 0, "state": LIVE}


def _report(kind: Report, at_ns: int, **values: Value) -> bytes:
    """Return a report made of what it has a field for."""
    form = reports.form(kind)
    given = {**values, "type": kind, "timestamp": at_ns}
    return form.pack(**{item.name: given[item.name] for item in form})

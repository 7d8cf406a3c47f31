"""The emulated exchange's books for clients of OUCH 4.2, where a token names an order: Enter and Cancel."""

from collections.abc import Collection, Hashable

from hdl.wire import ouch, ouch42, reports, reports42
from hdl.wire.format import Value
from hdl.wire.ouch42 import Message
from hdl.wire.reports import Report
from host.book import Book

OTHER = b"O"  # reason of every Rejected: the letters are in no document that was read


class Book42(Book):
    """The same books, which know an order by a number of ours. A used token is ignored.

    Every message but Enter and Cancel is counted and ignored.
    """

    def __init__(self, symbols: Collection[str], *, fills: bool = True):
        super().__init__(symbols, fills=fills)
        self._numbers: dict[tuple[Hashable, Value], int] = {}  # of a token
        self._entered: dict[int, dict[str, Value]] = {}  # what an order's Enter said

    def take(self, account: Hashable, message: bytes, at_ns: int) -> list[bytes]:
        match message[:1], len(message):
            case b"O", ouch42.ENTER.size:
                terms = ouch42.ENTER.unpack(message)
                number = len(self._entered) + 1
                if self._numbers.setdefault((account, terms["token"]), number) != number:
                    return []
                self._entered[number] = terms
                request = _enter(number, terms)
            case b"X", ouch42.CANCEL.size:
                fields = ouch42.CANCEL.unpack(message)
                number = self._numbers.get((account, fields["token"]), 0)
                request = ouch.CANCEL.pack(type=Message.CANCEL, user_ref=number, quantity=fields["quantity"])
            case _:
                self.ignored += 1
                return []
        return [self._translate(report) for report in super().take(account, request, at_ns)]

    def disconnect(self, account: Hashable, at_ns: int) -> list[bytes]:
        return [self._translate(report) for report in super().disconnect(account, at_ns)]

    def _translate(self, report: bytes) -> bytes:
        fields = reports.form(report[0]).unpack(report)
        terms = self._entered[int(fields["user_ref"])]
        given = {"weight": b"", **terms, **fields, "time_in_force": terms["time_in_force"]}
        if report[0] == Report.REJECTED:
            given["reason"] = OTHER
        form = reports42.form(report[0])
        return form.pack(**{item.name: given[item.name] for item in form})


def _enter(number: int, terms: dict[str, Value]) -> bytes:
    """Return the Enter of 5.0 for one of 4.2."""
    given = {**terms, "user_ref": number, "time_in_force": b"0", "order_id": terms["token"], "appendage": 0}
    return ouch.ENTER.pack(**{item.name: given[item.name] for item in ouch.ENTER})

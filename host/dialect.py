"""What the emulated exchange has to know of a dialect: how requests are read and reports are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdl.wire import ouch, ouch42, reports, reports42
from hdl.wire.format import Format, Value
from hdl.wire.reports import Reject, Report


@dataclass(frozen=True)
class Dialect:
    """One version of OUCH. `key` is the field that names an order, `original` that of the order to be replaced.

    `constants` are fields of reports that say the same whatever a request said; `reasons` what a Rejected says;
    `exact`: a message has no more octets than its layout.
    """

    enter: Format
    replace: Format
    cancel: Format
    form: Callable[[int], Format]
    key: str
    original: str
    constants: Mapping[str, Value]
    reasons: Mapping[Reject, Value]
    exact: bool

    def read(self, message: bytes) -> tuple[str, dict[str, Value]]:
        """Return what a request is (*enter*, *replace*, *cancel*) and its fields; "" for any other message."""
        kinds = {b"O": ("enter", self.enter), b"U": ("replace", self.replace), b"X": ("cancel", self.cancel)}
        kind, form = kinds.get(message[:1], ("", self.enter))
        if not kind or len(message) < form.size or (self.exact and len(message) != form.size):
            return "", {}
        return kind, form.unpack(message)

    def report(self, kind: Report, at_ns: int, **values: Value) -> bytes:
        """Return a report, made of what it has a field for."""
        form = self.form(kind)
        given: dict[str, Any] = {**values, **self.constants, "type": kind, "timestamp": at_ns}
        return form.pack(**{item.name: given[item.name] for item in form})


DIALECTS = {
    "5.0": Dialect(
        ouch.ENTER, ouch.REPLACE, ouch.CANCEL, reports.form, "user_ref", "original_ref",
        # Option tags are not emulated, and so none is given back.
        constants={"appendage": 0}, reasons={reason: int(reason) for reason in Reject}, exact=False,
    ),
    # The letters of a Rejected are in no document that was read, but for the Z of the sample.
    "4.2": Dialect(
        ouch42.ENTER, ouch42.REPLACE, ouch42.CANCEL, reports42.form, "token", "original",
        constants={"weight": b""}, reasons=dict.fromkeys(Reject, b"Z"), exact=True,
    ),
}  # fmt: skip

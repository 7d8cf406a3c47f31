"""A fixed layout of unsigned integers and octet strings, declared once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Value = int | bytes


@dataclass(frozen=True)
class Field:
    """One field of a `Format`: `size` octets from `offset`; `alpha` fields hold octets, others unsigned integers."""

    name: str
    offset: int
    size: int
    alpha: bool = False


class Format:
    """A named sequence of fields without gaps.

    Parameters
    ----------
    name : str
        What the layout is called in documents.
    order : "big" or "little"
        Octet order of the integers.
    *fields : str
        ``"name:octets"`` for an unsigned integer, ``"name:octets:a"`` for an octet string.
    """

    def __init__(self, name: str, order: Literal["big", "little"], *fields: str):
        self.name = name
        self.order: Literal["big", "little"] = order
        self._fields: dict[str, Field] = {}
        offset = 0
        for text in fields:
            label, octets, *kind = text.split(":")
            self._fields[label] = Field(label, offset, int(octets), kind == ["a"])
            offset += int(octets)
        self.size = offset

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def pack(self, **values: Value) -> bytes:
        """Return the octets. Every field is given; alpha is padded with spaces on the right.

        Raises ValueError for a missing or unknown field and for a value that does not fit.
        """
        if values.keys() != self._fields.keys():
            odd = sorted(values.keys() ^ self._fields.keys())
            raise ValueError(f"{self.name}: missing or unknown fields {odd}")
        octets = bytearray()
        for field in self:
            value = values[field.name]
            if isinstance(value, int):
                if not 0 <= value < 1 << 8 * field.size:
                    raise ValueError(f"{self.name}.{field.name} must fit {field.size} octets, not {value}")
                octets += value.to_bytes(field.size, self.order)
            else:
                if len(value) > field.size:
                    raise ValueError(f"{self.name}.{field.name} must fit {field.size} octets, not {value!r}")
                octets += value.ljust(field.size)
        return bytes(octets)

    def unpack(self, octets: bytes, at: int = 0) -> dict[str, Value]:
        """Return the fields of the `size` octets that begin at `at`. Raises ValueError when there are too few."""
        if len(octets) - at < self.size:
            raise ValueError(f"{self.name} takes {self.size} octets, not {len(octets) - at}")
        values: dict[str, Value] = {}
        for field in self:
            raw = octets[at + field.offset : at + field.offset + field.size]
            values[field.name] = raw if field.alpha else int.from_bytes(raw, self.order)
        return values

    def describe(self) -> str:
        """Return one line that changes whenever the layout does."""
        fields = " ".join(f"{f.name}@{f.offset}:{f.size}{'a' if f.alpha else ''}" for f in self)
        return f"{self.name} {self.order} {fields}"

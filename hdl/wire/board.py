"""Records between the virtual board and its host, on one stream socket that carries both packet links.

A record is a RECORD header and `length` octets. `at` is a time in cycles of `hdl.wire.registers.Reg.NOW` (8 ns).
`side` names the connector of the board: a FRAME of the host with side SERVER goes in there, a FRAME of the board with
side EXCHANGE left there.

| kind | from | side | at | payload |
|---|---|---|---|---|
| HELLO | board, once | 0 | now | JSON: clock ("virtual" or "wall"), core_sha256, map_hash, cycle_ns, uart_divisor |
| FRAME | host | in | its first preamble octet | the frame with FCS, no preamble |
| FRAME | board | out | its first preamble octet | the frame with FCS, no preamble |
| RUN | host | 0 | run until | none |
| DONE | board | 0 | now | none |
| STARTED | board | in | its first preamble octet | none |
| ERROR | board | 0 | now | one line of text (UTF-8); the board closes the socket after it |

A frame of the host whose time is past, or before the line has had 12 octet times of rest, goes as soon as it can;
frames of one side go in the order in which they came. With flag WANT_STARTED the board tells when it began. Flag ERROR
says rx_er or tx_er: from the host, during the whole frame; from the board, somewhere in it (an aborted frame).
RUN moves virtual time to `at`; a time that is not in the future moves nothing. The board answers with the records of
all that happened, in order of time, and then with DONE. In wall time DONE comes when the wall has got there.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from hdl.wire.format import Format

RECORD = Format("board_record", "little", "kind:1", "side:1", "flags:2", "length:4", "at:8")
MOST_OCTETS = 16384  # of a payload; a longer one is an error
CYCLE_NS = 8
ERROR_FLAG = 1 << 0
WANT_STARTED = 1 << 1

_HEADER = struct.Struct("<BBHIQ")  # RECORD again, for speed; a test compares the two


class Kind(IntEnum):
    """Kinds of record."""

    HELLO = 1
    FRAME = 2
    RUN = 3
    DONE = 4
    STARTED = 5
    ERROR = 6


class Side(IntEnum):
    """The two packet connectors."""

    SERVER = 0
    EXCHANGE = 1


class Record(NamedTuple):
    """One record."""

    kind: int
    side: int = 0
    flags: int = 0
    at: int = 0
    payload: bytes = b""


def encode(kind: int, side: int = 0, flags: int = 0, at: int = 0, payload: bytes = b"") -> bytes:
    """Return the octets of one record."""
    return _HEADER.pack(kind, side, flags, len(payload), at) + payload


def decode(received: bytearray) -> Iterator[Record]:
    """Yield the whole records at the front of `received` and remove them; a record in part stays.

    Raises ValueError at a length above `MOST_OCTETS`: the stream is not ours, or out of step.
    """
    begin = 0
    try:
        while len(received) - begin >= _HEADER.size:
            kind, side, flags, length, at = _HEADER.unpack_from(received, begin)
            if length > MOST_OCTETS:
                raise ValueError(f"a record of {length} octets; the most is {MOST_OCTETS}")
            end = begin + _HEADER.size + length
            if end > len(received):
                break
            payload = bytes(received[begin + _HEADER.size : end])
            begin = end
            yield Record(kind, side, flags, at, payload)
    finally:
        del received[:begin]

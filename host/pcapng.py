"""Writes pcapng files with nanosecond times. Each frame goes to the file whole, so the file is valid at any time.

Format: draft-ietf-opsawg-pcapng; blocks are little-endian and padded to 4 octets.
"""

import struct
from pathlib import Path
from typing import Self

ETHERNET_LINK = 1
INBOUND, OUTBOUND = 1, 2
CRC_ERROR, SYMBOL_ERROR = 1 << 24, 1 << 31  # of epb_flags


class PcapngWriter:
    """A pcapng file with one Ethernet interface whose frames carry their FCS.

    Parameters
    ----------
    path : Path
        The file; replaced if it is there.
    interface : str
        Name of the interface.
    epoch_ns : int
        Nanoseconds from 1970 to the time 0 of `write`.
    """

    def __init__(self, path: Path, interface: str, *, epoch_ns: int = 0):
        self._epoch_ns = epoch_ns
        self._file = path.open("wb")
        header = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(4, b"breakwire") + _option(0, b"")
        self._file.write(_block(0x0A0D0D0A, header))
        options = _option(2, interface.encode()) + _option(9, b"\x09") + _option(13, b"\x04") + _option(0, b"")
        self._file.write(_block(1, struct.pack("<HHI", ETHERNET_LINK, 0, 0) + options))

    def write(self, at_ns: int, frame: bytes, *, direction: int, error: bool = False, comment: str = "") -> None:
        """Append a frame that began at `at_ns`; `error` marks one with an inverted FCS and tx_er."""
        stamp = self._epoch_ns + at_ns
        head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
        options = _option(1, comment.encode()) if comment else b""
        flags = direction | (CRC_ERROR | SYMBOL_ERROR if error else 0)
        options += _option(2, struct.pack("<I", flags)) + _option(0, b"")
        self._file.write(_block(6, head + _pad(frame) + options))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pad(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _pad(value)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size

"""Places symbols in the board's directory, and proves the placement by the board's own rule.

The directory is a hash table of 128 buckets with 8 slots each; the hash is Toeplitz under a key that the host chooses
so that no bucket runs over.
"""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hdl.wire import registers
from hdl.wire.registers import BUCKET_SLOTS, ENTRY_VALID, KEY_BITS, SLOTS, toeplitz
from host.errors import UsageError

TRIES = 2000
WORDS = 4  # of a slot


@dataclass(frozen=True)
class Directory:
    """A placement: `words` are the registers from Reg.DIRECTORY on, `indices` the number of each symbol."""

    key: int
    words: tuple[int, ...]
    indices: dict[str, int]

    def index(self, symbol: str) -> int:
        """Return the number of a symbol. Raises UsageError for one that is not there."""
        try:
            return self.indices[symbol]
        except KeyError:
            raise UsageError(f"symbol {symbol!r} is not in the directory of {len(self.indices)} symbols") from None

    def key_words(self) -> tuple[int, int, int]:
        """Return the registers from Reg.HASH_KEY on."""
        return self.key & 0xFFFFFFFF, self.key >> 32 & 0xFFFFFFFF, self.key >> 64


def octets(symbol: str) -> bytes:
    """Return a symbol as it is on the wire: 8 octets, spaces on the right."""
    return symbol.encode("ascii").ljust(8)


def place(symbols: Sequence[str], *, seed: int = 0) -> Directory:
    """Return a directory of `symbols`, numbered in their order. Raises UsageError when they do not fit."""
    if len(set(symbols)) > registers.SYMBOLS:
        raise UsageError(f"{len(set(symbols))} symbols, the board holds {registers.SYMBOLS}")
    draw = random.Random(seed)
    for _ in range(TRIES):
        key = draw.getrandbits(KEY_BITS)
        buckets: dict[int, list[int]] = {}
        for index, symbol in enumerate(symbols):
            bucket = buckets.setdefault(toeplitz(octets(symbol), key), [])
            if len(bucket) == BUCKET_SLOTS:
                break
            bucket.append(index)
        else:
            break
    else:
        raise UsageError(f"no hash key of {TRIES} places {len(symbols)} symbols in buckets of {BUCKET_SLOTS}")
    words = [0] * (SLOTS * WORDS)
    for number, bucket in buckets.items():
        for slot, index in enumerate(bucket, number * BUCKET_SLOTS):
            high, low = struct.unpack(">2I", octets(symbols[index]))
            words[slot * WORDS : slot * WORDS + 3] = high, low, ENTRY_VALID | index
    directory = Directory(key, tuple(words), {symbol: index for index, symbol in enumerate(symbols)})
    for index, symbol in enumerate(symbols):
        if (found := lookup(directory.words, key, symbol)) != index:
            raise AssertionError(f"symbol {symbol} was placed as {index} and is found as {found}")
    return directory


def lookup(words: Sequence[int], key: int, symbol: str) -> int | None:
    """Return what a board with these registers finds for `symbol`: the lowest matching slot of its bucket."""
    first = toeplitz(octets(symbol), key) * BUCKET_SLOTS
    for slot in range(first, first + BUCKET_SLOTS):
        high, low, entry = words[slot * WORDS : slot * WORDS + 3]
        if entry & ENTRY_VALID and struct.pack(">2I", high, low) == octets(symbol):
            return entry & registers.SYMBOLS - 1
    return None


def symbols(words: Sequence[int]) -> dict[int, str]:
    """Return the symbols in whole slots of a board's directory, by number."""
    slots = [words[at : at + WORDS] for at in range(0, len(words), WORDS)]
    return {
        entry & registers.SYMBOLS - 1: struct.pack(">2I", high, low).decode("ascii", "backslashreplace").rstrip(" ")
        for high, low, entry, _ in slots
        if entry & ENTRY_VALID
    }

"""CRC-32 of octets, as Ethernet's frame check sequence has it (IEEE 802.3-2022 §3.2.9).

Reflected polynomial 0xEDB88320. The state starts at `INIT`; the check sequence is ``~state``, sent low octet first.
After a frame and its right check sequence the state is `RESIDUE`. It is also zlib's CRC-32: ``zlib.crc32(octets)`` is
``~state``.
"""

from amaranth.hdl import Cat, Const, Mux

INIT = 0xFFFFFFFF
RESIDUE = 0xDEBB20E3
_POLYNOMIAL = 0xEDB88320


def _table(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_COLUMNS = [_table(1 << bit) for bit in range(8)]


def crc32(state, octet):
    """Return the 32-bit state after `octet`: an expression of exclusive ors only, at most 3 LUT levels.

    `state` is 32 bits and `octet` 8 bits wide; bit 0 of the octet goes first, as on the wire.
    """
    low = [state[bit] ^ octet[bit] for bit in range(8)]
    bits = []
    for number in range(32):
        terms = [low[bit] for bit in range(8) if _COLUMNS[bit] >> number & 1]
        bit = state[number + 8] if number + 8 < 32 else Const(0, 1)
        for term in terms:
            bit = bit ^ term
        bits.append(bit)
    return Cat(*bits)


def crc32_bit(state, bit):
    """Return the 32-bit state after one bit of an octet, the lowest first: an expression of 1 LUT level."""
    return state[1:] ^ Mux(state[0] ^ bit, _POLYNOMIAL, 0)

"""Frames of the control link: COBS(body + CRC-32) between zero octets.

CRC-32 is zlib's, little-endian. Either end finds the next frame at any zero octet.
"""

import struct
import zlib


def encode(body: bytes) -> bytes:
    """Return the frame that carries `body`, with a zero octet before and after it."""
    frame = bytearray(b"\0")
    for block in (body + struct.pack("<I", zlib.crc32(body))).split(b"\0"):
        rest = block
        while len(rest) >= 254:
            frame += b"\xff" + rest[:254]
            rest = rest[254:]
        frame += bytes([len(rest) + 1]) + rest
    return bytes(frame + b"\0")


def decode(frame: bytes) -> bytes | None:
    """Return the body in `frame` (without its zero octets), or None when COBS or the CRC is wrong."""
    octets = bytearray()
    at = 0
    while at < len(frame):
        code = frame[at]
        if code == 0 or at + code > len(frame):
            return None
        octets += frame[at + 1 : at + code]
        at += code
        if code < 255 and at < len(frame):
            octets.append(0)
    if len(octets) < 4 or struct.pack("<I", zlib.crc32(octets[:-4])) != octets[-4:]:
        return None
    return bytes(octets[:-4])

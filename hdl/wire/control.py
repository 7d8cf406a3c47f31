"""Control link: requests and replies in COBS frames over a UART (8N1), each closed by CRC-32.

A frame is COBS(body + CRC-32 of the body, zlib's, little-endian) between zero octets. A request has a HEADER and up
to `MOST_WORDS` words; its reply has the same header with `REPLY` set in `op` and the result in `status`, and its words.
A request with a bad CRC, version or length gets no reply and changes nothing.

| op | address | words | reply words |
|---|---|---|---|
| READ | first register | 1: how many (1 to MOST_WORDS) | that many |
| WRITE | first register | 1 to MOST_WORDS values, one register after another | none |
| KILL | 0 | 1: lanes, bits 7..0 | 1: lanes killed now |
| HEARTBEAT | 0 | none | none |
| NONCE | 0 | none | 1: nonce, good for one ARM |
| ARM | 0 | 3: nonce, lanes (bits 7..0), CRC-32 of the configuration | 1: lanes killed now |
| EVENTS | first event wanted; those before it are freed | 1: how many (1 to MOST_EVENTS) | 8 for each event there is |
"""

from enum import IntEnum

from hdl.wire.format import Format

VERSION = 1
REPLY = 0x80
MOST_WORDS = 64
MOST_EVENTS = 8

HEADER = Format("control_header", "little", "version:1", "sequence:1", "op:1", "status:1", "address:4")
WORD = Format("control_word", "little", "value:4")
CRC = Format("control_crc", "little", "crc:4")


class Op(IntEnum):
    """Operations. `status` is 0 in a request."""

    READ = 1
    WRITE = 2
    KILL = 3
    HEARTBEAT = 4
    NONCE = 5
    ARM = 6
    EVENTS = 7


class Status(IntEnum):
    """Result of a request. An arm that was refused has ARM_REFUSED + its `hdl.wire.verdict.Refusal`."""

    OK = 0
    UNKNOWN = 1  # no such operation, or the number of words does not fit it
    ADDRESS = 2  # no register there, or not writable; the words before it took effect
    LOCKED = 3  # configuration is written only while every lane is killed
    ARM_REFUSED = 16

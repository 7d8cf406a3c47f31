"""Register map: addresses of 32-bit words, and the layout of the tables behind them.

64-bit values take two words, low word first. Reading the low word latches the high one; writing the low word holds
it until the high word is written, and then both take effect at once. Registers are 0 after reset unless said.
Configuration (the addresses in `CONFIG`) can be written only while every lane is killed. Writing a parent gives it all
of its shares and children.
"""

from collections.abc import Sequence
from enum import IntEnum

from hdl.wire.verdict import Reason

MAGIC = 0x31525742  # "BWR1", little-endian


class Reg(IntEnum):
    """Word addresses of single registers."""

    MAGIC = 0x0000  # RO  "BWR1"
    MAP_HASH = 0x0001  # RO  first 32 bits of the hash of hdl.wire
    SIZES = 0x0002  # RO  bits 7..0 lanes, 15..8 log2 symbols, 23..16 log2 slots, 31..24 log2 of events
    NOW = 0x0004  # RO  64 bits: cycles of 8 ns

    STATE = 0x0010  # RO  bits 7..0 lanes killed (1 after reset), 8 loop open, 9 watchdog expired, 10 fault, 11 armable
    CAUSE = 0x0011  # RO  bits of Source seen since the last arm that changed a lane
    CONFIG_CRC = 0x0012  # RO  CRC-32 of the configuration writes since CONFIG_BEGIN
    FAULTS = 0x0013  # RO  ran over: bit 0 event log, 1 counter queue, 2 outcome queue, 3 the risk engine or its reports

    KILL_AT = 0x0020  # RO  64 bits: `now` of the first kill edge since the last arm
    KILL_CAUSE = 0x0022  # RO  bits 7..0 sources (as in CAUSE), 15..8 lanes of that edge
    AFTER_ORDERS = 0x0023  # RO  orders that completed later than their lane's kill edge + 4 cycles, since the last arm
    AFTER_END = 0x0024  # RO  64 bits: `now` of the last octet of the last order frame completed after its lane's edge
    ABORTS = 0x0026  # RO  frames aborted since the last arm
    PASS_START = 0x0028  # RO  64 bits: `now` of the first preamble octet out of the last frame that left
    PASS_DWELL = 0x002A  # RO  bits 15..0 cycles from its last octet in to PASS_START; 31..16 its octets with FCS
    PASS_GAP = 0x002B  # RO  cycles from the last octet of its predecessor to PASS_START; saturates at 65535
    BREACH_AT = 0x002C  # RO  64 bits: `now` at which the last breach was decided
    BREACH_AFTER = 0x002E  # RO  bits 15..0 cycles from the last octet of the breaching order to that decision

    SESSIONS = 0x0014  # RO  TCP lanes: bits 7..0 a session is open, 15..8 fenced, 23..16 evidence lost

    EVENTS = 0x0030  # RO  number of the next event to be written (events are numbered from 0)
    EVENTS_KEPT = 0x0031  # RO  events waiting to be read

    CONFIG_BEGIN = 0x0100  # WO  any value: restarts CONFIG_CRC (this write is not counted)
    POLICY = 0x0101  # RW  bit 0 ARP passes, bit 1 ICMP passes
    LANE_ENABLE = 0x0102  # RW  bits 7..0
    ORDER_SIZE = 0x0103  # RW  largest quantity of one order
    WATCHDOG = 0x0104  # RW  cycles without heartbeat that kill; 0: never armable
    HASH_KEY = 0x0105  # RW  3 words: Toeplitz key, bit 0 of the first word meets the first bit of the symbol
    CLEAR_EXPOSURE = 0x0108  # WO  any value: zeroes net, exposure, gross, parents; forgets open orders; an event tells
    ORDER_VALUE = 0x010A  # RW  64 bits (52 used): largest quantity times price of one order; 10^-4 dollars
    TRIPS = 0x010C  # RW  2 words: two bits, a Trip, for each Reason from TAG to FIRM_GROSS, TAG in the lowest
    LANE_MODE = 0x0110  # RW  a word a lane: bit 0 TCP, 1 OUCH 4.2, 3..2 Action, 4 no DUPLICATE, 5 evidence, 6 no parent
    LANE_KEY = 0x0120  # RW  8 lanes x 4 words: LANE_KEY layout, octet 0 in bits 7..0 of the first word
    GROSS_LIMIT = 0x0140  # RW  16 rows x 64 bits: lanes 0 to 7, row 8 the firm; 10^-4 dollars
    BUILD_TAG = 0x0160  # RW  8 words, a lane each: how a ClOrdID begins, its first octet in bits 31..24
    LAST_REF = 0x0168  # RW  8 words: highest UserRefNum that the lane let go
    RATE_INTERVAL = 0x0170  # RW  8 words: cycles that an order takes of the lane's time; 0: none may pass
    RATE_DEPTH = 0x0178  # RW  8 words: cycles that the lane's time may be ahead of `now`
    SYMBOL_TERMS = 0x0400  # RW  512 symbols x 64 bits: bits 30..0 lowest price, 62..32 highest, 31 TRADED, 63 SHORTED
    EXPOSURE_LIMIT = 0x0800  # RW  512 symbols x 2 sides (buy, sell) x 64 bits (40 used): longest and shortest position
    DIRECTORY = 0x1000  # RW  1024 slots x 4 words: symbol octets 0 to 3 (first in bits 31..24), 4 to 7, ENTRY, unused

    GROSS = 0x2000  # RO  16 rows x 64 bits: gross notional, open and executed, 10^-4 dollars
    NET = 0x2400  # RO  512 symbols x 64 bits, signed: shares bought less shares sold, as reports tell
    EXPOSURE = 0x2800  # RO  512 symbols x 2 sides x 64 bits: shares released, and not executed or canceled since
    COUNTER = 0x3000  # RO  16 rows x 128 counters of 32 bits; rows 0 to 7 lanes, row 8 no lane

    PARENT = 0x4000  # RW  512 x 64 bits: 20..0 shares, 40..32 symbol, 41 sells, 46..42 letter, 60..47 children (read 0)
    PARENT_LEFT = 0x4400  # RO  512 parents x 64 bits: bits 31..0 shares left, signed, 45..32 children left


CONFIG = range(0x0100, 0x2000), range(0x4000, 0x4400)  # configuration: addresses
ENTRY_VALID = 1 << 31  # in a directory slot's third word; bits 8..0 are the symbol's index

TRADED, SHORTED = 1 << 31, 1 << 63  # in SYMBOL_TERMS: orders may name the symbol; short sales may
SELLS, LETTER, CHILDREN = 9, 10, 15  # in the high word of PARENT: lowest bits of these; letter A is 1, and 0 is none

SYMBOLS = 512
PARENTS = 512
MOST_PARENT_SHARES, MOST_CHILDREN = (1 << 21) - 1, (1 << 14) - 1
SLOTS = 1024
BUCKET_SLOTS = 8  # slots BUCKET_SLOTS * h to BUCKET_SLOTS * h + 7 hold the symbols whose hash is h
BUCKET_BITS = 7
KEY_BITS = 64 + BUCKET_BITS - 1
EVENTS = 256
HISTORY = 2048  # octets of a TCP lane's stream that are kept to be compared with what is repeated


class Count(IntEnum):
    """Counters of a row. FRAME_DROP + reason, and from ROLLED_BACK on ORDER_DROP + reason, are drops for a reason."""

    FRAMES_IN = 0
    FRAMES_OUT = 1
    FRAMES_INJECTED = 2
    ORDERS_IN = 3
    ORDERS_OUT = 4
    NEUTRALISED = 5  # frames out that had orders overwritten
    FENCES = 6
    REPORTS = 7  # messages of the exchange that were applied
    REPORTS_REPEATED = 8  # that had been applied before
    RETURN_GAPS = 9  # frames of the return path spoilt, since octets before them were missing
    FRAME_DROP = 16
    ORDER_DROP = 64


COUNTERS_PER_ROW = 128


def drops(row: Sequence[int], first: Count) -> dict[Reason, int]:
    """Return what a row counts from FRAME_DROP or ORDER_DROP on, by reason."""
    lowest = Reason.ROLLED_BACK if first == Count.ORDER_DROP else Reason.RUNT
    return {reason: row[first + reason] for reason in Reason if reason >= lowest}


def toeplitz(symbol: bytes, key: int) -> int:
    """Return the bucket of an 8-octet `symbol` under a `KEY_BITS`-bit `key`.

    The bits of the symbol, most significant bit of the first octet first, each select the `BUCKET_BITS` bits of the
    key that begin at their own number; the selected windows are added modulo 2.
    """
    bits = int.from_bytes(symbol, "big")
    bucket = 0
    for number in range(64):
        if bits >> (63 - number) & 1:
            bucket ^= key >> number & (1 << BUCKET_BITS) - 1
    return bucket

"""Cycles per second of the engine: the whole core, armed, on a line without a pause.

    python -m sim.bench [--cycles N]

Frames of eight lanes in turn with the smallest gap: the shortest frames, one order in each, and packed with orders.
Rates are per second of processor time. Each frame must come out as it went in, so the numbers are of a core that does
all its work; ends with 1 otherwise.
"""

import argparse
import struct
import sys
import time
import zlib

import numpy as np

from hdl.wire.ethernet import ETHERNET, GAP_OCTETS, IPV4, PREAMBLE_OCTETS, SHORTEST, UDP, EtherType, Protocol
from hdl.wire.lane import LANE_KEY
from hdl.wire.ouch import ENTER, Message, Side
from hdl.wire.registers import BUCKET_SLOTS, ENTRY_VALID, TRADED, Reg, toeplitz
from hdl.wire.ufo import LENGTH, Packet
from hdl.wire.verdict import FIRM, LANES
from sim.console import Console
from sim.engine import CARRIER, Engine

SYMBOL, SYMBOL_INDEX = b"ACME    ", 5
HASH_KEY = 0x1_2345_6789_ABCD_EF01
PORT, ADDRESS = 26400, bytes([10, 0, 1, 1])
UNLIMITED = (1 << 40) - 1
TAG, LENIENT = b"BNCH", 1 << 4 | 1 << 6  # numbers in any order, no parents
MOST_ORDERS = 29  # that fit the longest frame
LOADS = {"shortest frames": 0, "one order each": 1, "packed with orders": MOST_ORDERS}


def source(lane: int) -> tuple[bytes, int]:
    """Return address and port of the server of `lane`."""
    return bytes([10, 0, 0, lane + 1]), 40000 + lane


def configure(console: Console) -> None:
    """Give the core eight lanes, one symbol and limits that nothing reaches, and arm it."""
    console.write(Reg.CONFIG_BEGIN, [1])
    console.write(Reg.LANE_ENABLE, [(1 << LANES) - 1, 999_999, 0xFFFF_FFFF])  # and ORDER_SIZE, WATCHDOG
    console.write(Reg.HASH_KEY, [HASH_KEY & 0xFFFF_FFFF, HASH_KEY >> 32 & 0xFFFF_FFFF, HASH_KEY >> 64])
    console.write(Reg.ORDER_VALUE, [0xFFFF_FFFF, 0xF_FFFF])
    terms = (Reg.LANE_MODE, LENIENT), (Reg.BUILD_TAG, int.from_bytes(TAG, "big")), (Reg.RATE_INTERVAL, 1)
    for register, word in (*terms, (Reg.RATE_DEPTH, 0xFFFF_FFFF)):
        console.write(register, [word] * LANES)
    console.write(Reg.SYMBOL_TERMS + 2 * SYMBOL_INDEX, [TRADED, 0x7FFF_FFFF])
    for lane in range(LANES):
        address, port = source(lane)
        fields = {"source": address, "destination": ADDRESS, "source_port": port, "destination_port": PORT}
        console.write(Reg.LANE_KEY + 4 * lane, struct.unpack("<4I", LANE_KEY.pack(outer_vid=0, inner_vid=0, **fields)))
    for row in range(FIRM + 1):
        console.write(Reg.GROSS_LIMIT + 2 * row, [0xFFFF_FFFF, 0x7FFF_FFFF])
    slot = BUCKET_SLOTS * toeplitz(SYMBOL, HASH_KEY)
    console.write(Reg.DIRECTORY + 4 * slot, [*struct.unpack(">2I", SYMBOL), ENTRY_VALID | SYMBOL_INDEX, 0])
    console.write(Reg.EXPOSURE_LIMIT + 4 * SYMBOL_INDEX, [UNLIMITED & 0xFFFF_FFFF, UNLIMITED >> 32] * 2)
    killed = console.arm()
    if killed:
        raise SystemExit(f"the core was not armed: lanes killed {killed:#04x}")


def frame(lane: int, orders: int) -> bytes:
    """Return a frame of `lane` with FCS: a datagram of so many orders to buy 1 share, or of a heartbeat."""
    order = ENTER.pack(
        type=Message.ENTER, user_ref=1, side=Side.BUY, quantity=1, symbol=SYMBOL, price=10_000, time_in_force=b"0",
        display=b"Y", capacity=b"P", sweep=b"N", cross=b"N", order_id=TAG, appendage=0,
    )  # fmt: skip
    packet = LENGTH.pack(length=1 + len(order)) + bytes([Packet.UNSEQUENCED]) + order
    payload = packet * orders or LENGTH.pack(length=1) + bytes([Packet.HEARTBEAT])
    address, port = source(lane)
    length = UDP.size + len(payload)
    udp = UDP.pack(source=port, destination=PORT, length=length, checksum=0)
    udp = udp[:-2] + checksum(address + ADDRESS + struct.pack(">HH", Protocol.UDP, length) + udp + payload)
    ip = {"version_ihl": 0x45, "dscp": 0, "length": IPV4.size + length, "identification": 0, "fragment": 0, "ttl": 64}
    ip |= {"protocol": Protocol.UDP, "checksum": 0, "source": address, "destination": ADDRESS}
    header = IPV4.pack(**ip)
    header = IPV4.pack(**ip | {"checksum": int.from_bytes(checksum(header), "big")})
    ethernet = ETHERNET.pack(destination=b"\2\0\0\0\0\1", source=b"\2\0\0\0\0\2", ethertype=EtherType.IPV4)
    octets = (ethernet + header + udp + payload).ljust(SHORTEST - 4, b"\0")
    return octets + zlib.crc32(octets).to_bytes(4, "little")


def checksum(octets: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071), never 0."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets[: len(octets) & ~1]))
    total += octets[-1] << 8 if len(octets) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF or 0xFFFF)


def measure(engine: Engine, orders: int, cycles: int) -> tuple[int, float, bool]:
    """Return frames sent, seconds of processor time, and whether all came out as they went in."""
    frames = [frame(lane, orders) for lane in range(LANES)]
    size = len(frames[0])
    count = cycles // (PREAMBLE_OCTETS + size + GAP_OCTETS)
    specs = np.zeros(count, CARRIER)
    specs["offset"] = np.arange(count) % LANES * size
    specs["length"], specs["er_first"], specs["gap"], specs["preamble"] = size, -1, GAP_OCTETS, PREAMBLE_OCTETS
    began = time.process_time()
    output = engine.run(engine.now + cycles + 10_000, carriers=(specs, b"".join(frames)))
    seconds = time.process_time() - began
    left = [sent.octets for sent in output]
    return count, seconds, left == [frames[number % LANES] for number in range(count)]


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.bench", description="Cycles per second of the engine.")
    parser.add_argument("--cycles", type=int, default=10_000_000, metavar="N", help="per load (default: %(default)s)")
    args = parser.parse_args(argv)
    engine = Engine()
    configure(Console(engine))
    print(f"core {engine.core_sha256}")
    faithful = True
    for name, orders in LOADS.items():
        before = engine.simulated
        frames, seconds, all_left = measure(engine, orders, args.cycles)
        rate = (engine.simulated - before) / seconds
        print(
            f"{name:18}  {rate / 1e6:6.2f} M cycles/s  {frames / seconds:9,.0f} frames/s  "
            f"{frames * orders / seconds:9,.0f} orders/s" + "  NOT ALL CAME OUT" * (not all_left)
        )
        faithful &= all_left
    return 0 if faithful else 1


if __name__ == "__main__":
    sys.exit(main())

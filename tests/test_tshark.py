"""What leaves on TCP lanes, read by an independent decoder: Wireshark's."""

import shutil
import subprocess
from random import Random
from types import SimpleNamespace

import pytest
from scapy.utils import wrpcap

from hdl.wire.ethernet import FCS_OCTETS
from sim import packets
from sim.duel import ALL, Duel
from sim.fuzz import fight_tcp
from sim.model import Config
from sim.packets import ACK, PREAMBLE, SYN, segment
from sim.parse import lenient
from sim.traffic import Carrier, place

LACKS = "missing on this machine: tshark (apt install tshark)"
pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason=LACKS)

SERVER = packets.Address(bytes((10, 0, 0, 1)), bytes((10, 9, 0, 1)), 40_000, 26_400)
ISN, BACK = 1000, 7000
OUCH42 = 1 << 1


def decode(frames, folder, *fields):
    """Return the given fields of each frame, as tshark tells them; an absent one is empty."""
    path = folder / "left.pcap"
    wrpcap(str(path), [frame[:-FCS_OCTETS] for frame in frames], linktype=1)
    command = ["tshark", "-r", str(path), "-d", "tcp.port==26400,soupbintcp", "-T", "fields", "-E", "separator=/t"]
    for check in ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "tcp.desegment_tcp_streams:TRUE"):
        command += ["-o", check]
    for field in fields:
        command += ["-e", field]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert len(rows) == len(frames), told.stderr
    return rows


def test_every_segment_that_left_has_right_checksums(tmp_path):
    """Neutralised or not, in a round of random traffic with kills."""
    duel = fight_tcp(2026, frames=1500)
    left = [frame for frame in duel.model.left if frame.er_at is None and frame.kept.flow]
    overwritten = [frame for frame in left if frame.octets != frame.kept.octets]
    assert len(overwritten) > 20
    rows = decode([frame.octets for frame in left], tmp_path, "ip.checksum.status", "tcp.checksum.status")
    assert all(row == ["1", "1"] for row in rows), "1 is good"


def test_ouch_42_orders_and_what_they_are_overwritten_with(tmp_path):
    """Orders, a cancel and their fields before the kill; Debug packets and the cancel after it; nothing malformed."""
    symbols = {b"AAPL    ": 5}
    key, slots = place(Random(1), symbols)
    limits = {(5, True): 10**6, (5, False): 10**6}
    config = Config(
        lanes=[SERVER._replace(source_port=0).key, *[bytes(16)] * 7],
        enabled=1,
        order_size=500,
        symbols=symbols,
        limits=limits,
        gross_limits=[10**15] * 9,
        **lenient(b"TOK1", [5], [1 | OUCH42, *[0] * 7]),
    )
    duel = Duel(SimpleNamespace(config=config, key=key, slots=slots))
    duel.arm()

    def carrier(octets, gap=200):
        return Carrier(gap, PREAMBLE + octets, None)

    answer = segment(packets.answering(SERVER), sequence=BACK, acknowledgment=ISN + 1, flags=SYN | ACK)
    duel.play([carrier(segment(SERVER, sequence=ISN, flags=SYN))], returns=[carrier(answer, 600)])
    enter, cancel = packets.enter42(b"TOK1", b"AAPL", 100, 1_234_500), packets.cancel42(b"TOK1", 0)
    stream = b"".join(map(packets.packet, (enter, cancel, enter)))
    cut = len(stream) - 20  # the last order goes over into a second frame
    duel.play([carrier(segment(SERVER, stream[:cut], sequence=ISN + 1))])
    duel.play([carrier(segment(SERVER, stream[cut:], sequence=ISN + 1 + cut))], kills=[(2000, ALL)])
    duel.play([carrier(segment(SERVER, stream, sequence=ISN + 1 + len(stream)))])
    left = [frame.octets for frame in duel.model.left]
    fields = [f"ouch.{name}" for name in ("packet_type", "order_token", "shares", "price", "stock")]
    rows = decode(left, tmp_path, "tcp.checksum.status", "_ws.malformed", "soupbintcp.packet_type", *fields)
    assert rows == [
        ["1", "", "", "", "", "", "", ""],
        ["1", "", "'U','U'", "'O','X'", "TOK1          ,TOK1          ", "100,0", "1234500", "AAPL    "],
        ["1", "", "'U'", "'O'", "TOK1          ", "100", "1234500", "AAPL    "],
        ["1", "", "'+','U','+'", "'X'", "TOK1          ", "0", "", ""],
    ]

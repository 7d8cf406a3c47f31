"""host.pcapng: files that other programs read, valid at any time."""

import struct
from decimal import Decimal

import pytest

from host.pcapng import INBOUND, OUTBOUND, PcapngWriter


def blocks(octets):
    """Return (type, body) of each block of a file, checking both lengths. Written from the format's document."""
    found, at = [], 0
    while at < len(octets):
        kind, size = struct.unpack_from("<II", octets, at)
        assert size % 4 == 0 and struct.unpack_from("<I", octets, at + size - 4) == (size,)
        found.append((kind, octets[at + 8 : at + size - 4]))
        at += size
    assert at == len(octets)
    return found


def packets(octets):
    """Return (nanoseconds, frame, flags) of each packet of a file."""
    found = []
    for kind, body in blocks(octets):
        if kind == 6:
            _, high, low, kept, length = struct.unpack_from("<5I", body)
            assert kept == length
            options, flags = body[20 + kept + -kept % 4 :], None
            while (code := struct.unpack_from("<HH", options))[0]:
                if code[0] == 2:
                    (flags,) = struct.unpack_from("<I", options, 4)
                options = options[4 + code[1] + -code[1] % 4 :]
            found.append((high << 32 | low, body[20 : 20 + kept], flags))
    return found


def test_a_file_holds_its_frames_to_the_nanosecond(tmp_path):
    path = tmp_path / "a.pcapng"
    with PcapngWriter(path, "server side", epoch_ns=1_343_793_600 * 10**9) as writer:
        writer.write(8, bytes(range(65)), direction=INBOUND)
        writer.write(16, bytes(64), direction=OUTBOUND, error=True, comment="aborted")
    assert packets(path.read_bytes()) == [
        (1_343_793_600_000_000_008, bytes(range(65)), 1),
        (1_343_793_600_000_000_016, bytes(64), 0x8100_0002),
    ]
    kinds = [kind for kind, _ in blocks(path.read_bytes())]
    assert kinds == [0x0A0D0D0A, 1, 6, 6]


def test_a_file_is_valid_after_each_flush(tmp_path):
    writer = PcapngWriter(tmp_path / "a.pcapng", "x")
    for number in range(5):
        writer.write(number, bytes(60 + number), direction=INBOUND)
        writer.flush()
        assert len(packets((tmp_path / "a.pcapng").read_bytes())) == number + 1
    writer.close()


def test_another_program_reads_it(tmp_path):
    utils = pytest.importorskip("scapy.utils")
    with PcapngWriter(tmp_path / "a.pcapng", "x", epoch_ns=10**18) as writer:
        writer.write(1_000, bytes(64), direction=INBOUND, comment="a comment")
    with utils.PcapNgReader(str(tmp_path / "a.pcapng")) as reader:
        packet = reader.read_packet()
    assert bytes(packet) == bytes(64)
    assert packet.time == Decimal("1000000000.000001")

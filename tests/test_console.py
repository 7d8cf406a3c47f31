"""The control link on an engine, and the bench that uses it: the core of this checkout answers."""

import random
import zlib

import pytest
from cobs import cobs

from hdl.wire.control import Op, Status
from hdl.wire.registers import MAGIC, Reg
from sim import bench
from sim.console import Console, ConsoleError, stuff, unstuff
from sim.engine import Engine
from tests.stub import stub_verilog


def test_octets_are_stuffed_as_the_reference_does():
    """Against another implementation, around the lengths at which a block is full."""
    chance = random.Random(1)
    for length in [0, 1, 2, 253, 254, 255, 256, 507, 508, 509, 510, 762]:
        for low in (0, 1, 254):
            octets = bytes(chance.randint(low, 255) for _ in range(length))
            assert cobs.decode(stuff(octets)) == octets
            assert unstuff(cobs.encode(octets)) == octets


@pytest.mark.parametrize("octets", [b"\x05abc", b"\x02a\x00", b"\x00"])
def test_what_is_not_stuffed_is_refused(octets):
    with pytest.raises(ConsoleError, match=r"^not COBS: "):
        unstuff(octets)


def test_the_core_answers():
    """It says what it is, and says no: to an unknown operation, and to a register that is not there."""
    console = Console(Engine())
    assert console.read(Reg.MAGIC) == [MAGIC]
    assert console.request(77)[0] == Status.UNKNOWN
    assert console.request(Op.READ, 0x3FFFF, [1])[0] == Status.ADDRESS
    with pytest.raises(ConsoleError, match=r"^status 2 \(op 1, address 0x3ffff\)$"):
        console.read(0x3FFFF)


def test_a_request_octet_by_octet():
    """Worked out by hand: read one register from address 0. The reply has `REPLY` in its operation, and BWR1."""
    body = bytes.fromhex("01 05 01 00 00000000 01000000")
    request = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
    output = Engine().run(10**6, control=[(0, request)], settle=True)
    body = bytes.fromhex("01 05 81 00 00000000") + b"BWR1"
    assert output.control_octets.strip(b"\0") == cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))


def test_a_core_that_does_not_answer_is_told():
    with pytest.raises(ConsoleError, match=r"^0 replies to one request \(op 4, address 0x0\)$"):
        Console(Engine(stub_verilog(mute=True))).ask(Op.HEARTBEAT)


def test_the_reply_of_another_request_is_refused():
    """The stub echoes, so the reply lacks its mark."""
    with pytest.raises(ConsoleError, match=r"^a reply of another request, or a wrong one: 01 01 04 00 "):
        Console(Engine(stub_verilog())).ask(Op.HEARTBEAT)


def test_the_bench_finds_every_frame_again(capsys):
    """Line rate: the shortest frames with the smallest gap, and datagrams packed with orders."""
    assert bench.main(["--cycles", "60000"]) == 0
    core, *loads = capsys.readouterr().out.splitlines()
    assert core == f"core {Engine().core_sha256}"
    assert [load[:18].strip() for load in loads] == list(bench.LOADS)


def test_the_bench_notices_a_frame_that_does_not_come_out(capsys, monkeypatch):
    monkeypatch.setattr(bench, "configure", lambda console: None)  # not armed: orders are dropped
    assert bench.main(["--cycles", "10000"]) == 1
    assert "NOT ALL CAME OUT" in capsys.readouterr().out

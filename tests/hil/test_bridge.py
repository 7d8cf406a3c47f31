"""host.namespace and host.bridge on their own: a wire in place of the board, kernel sockets at both ends."""

import asyncio
import json
import os
import socket

import pytest

from hdl.wire import board
from hdl.wire.board import Kind, Side
from host import frames, namespace
from host.bridge import Bridge
from host.errors import LinkError
from host.namespace import Namespace

pytestmark = pytest.mark.skipif(bool(namespace.lacking()), reason=str(namespace.lacking()))
HERE, THERE = "10.1.0.1", "10.9.0.1"
MACS = {Side.SERVER: "02:00:00:00:01:01", Side.EXCHANGE: "02:00:00:00:09:01"}


class Wire:
    """A board that passes every frame to its other side, changed by `change(octets) -> (octets, flags)`."""

    def __init__(self):
        self.passed = []
        self.change = lambda octets: (octets, 0)
        self.drop, self.done = asyncio.Event(), asyncio.Event()

    async def serve(self, reader, writer):
        writer.write(board.encode(Kind.HELLO, payload=json.dumps({"core_sha256": "ab" * 32}).encode()))
        received = bytearray()
        dropping = asyncio.create_task(self.drop.wait())
        while not dropping.done():
            reading = asyncio.create_task(reader.read(1 << 16))
            await asyncio.wait([reading, dropping], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() or not reading.result():
                reading.cancel()
                break
            received += reading.result()
            for record in board.decode(received):
                self.passed.append(record)
                octets, flags = self.change(record.payload)
                writer.write(board.encode(Kind.FRAME, 1 - record.side, flags, payload=octets))
        dropping.cancel()
        writer.close()
        await writer.wait_closed()
        self.done.set()


def on_a_wire(tmp_path, scenario):
    """Run `scenario(wire, bridge, here, there)`; the last two make sockets of the two namespaces."""

    async def run():
        wire = Wire()
        server = await asyncio.start_unix_server(wire.serve, tmp_path / "link")
        with Namespace() as servers, Namespace() as venues:
            taps = {
                Side.SERVER: servers.tap("servers", mac=MACS[Side.SERVER], addresses=[f"{HERE}/8", "10.1.0.2/8"]),
                Side.EXCHANGE: venues.tap("exchange", mac=MACS[Side.EXCHANGE], addresses=[f"{THERE}/8"]),
            }
            async with asyncio.timeout(30), Bridge(taps) as bridge:
                await bridge.open(str(tmp_path / "link"))
                assert bridge.core_sha256 == "ab" * 32
                await scenario(wire, bridge, servers, venues)
            await wire.done.wait()
            for tap in taps.values():
                os.close(tap)
        server.close()

    asyncio.run(run())


def udp(space, address):
    opened = space.socket(socket.SOCK_DGRAM)
    opened.bind((address, 9001))
    opened.setblocking(False)
    return opened


def test_datagrams_and_their_arp_cross_with_good_checksums(tmp_path):
    """Both namespaces find each other by ARP through the wire; the kernel adds no offload, so checksums are real."""

    async def scenario(wire, bridge, servers, venues):
        loop = asyncio.get_running_loop()
        with udp(servers, "10.1.0.2") as here, udp(venues, THERE) as there:
            here.sendto(b"order", (THERE, 9001))
            octets, sender = await loop.sock_recvfrom(there, 100)
            assert (octets, sender) == (b"order", ("10.1.0.2", 9001))
            there.sendto(b"report", sender)
            assert (await loop.sock_recvfrom(here, 100))[0] == b"report"
        assert all(frames.has_good_fcs(record.payload) and len(record.payload) >= 64 for record in wire.passed)
        kinds = [record.payload[12:14].hex() for record in wire.passed]
        assert kinds == ["0806", "0806", "0800", "0800"]
        # A checksum over what it is in, and the pseudo header: all ones.
        packet = wire.passed[2].payload[14:47]
        words = packet[12:20] + b"\0\x11" + packet[24:26] + packet[20:] + b"\0"
        assert sum(int.from_bytes(words[at : at + 2], "big") for at in range(0, len(words), 2)) % 0xFFFF == 0
        assert bridge.traffic[Side.SERVER].into == bridge.traffic[Side.EXCHANGE].out == 2

    on_a_wire(tmp_path, scenario)


@pytest.mark.parametrize("how", ["fcs", "error", "payload"])
def test_what_is_spoilt_does_not_arrive(tmp_path, how):
    """A wrong FCS and tx_er stop at the bridge; a change under a good FCS stops at the kernel's own checksum."""

    def spoil(octets):
        if octets[12:14] != b"\x08\x00" or b"bad" not in octets:
            return octets, 0
        if how == "error":
            return octets, board.ERROR_FLAG
        changed = octets.replace(b"bad", b"bed")
        return (changed if how == "fcs" else frames.close_frame(changed[:-4])), 0

    async def scenario(wire, bridge, servers, venues):
        wire.change = spoil
        with udp(servers, HERE) as here, udp(venues, THERE) as there:
            here.sendto(b"bad", (THERE, 9001))
            here.sendto(b"good", (THERE, 9001))
            assert (await asyncio.get_running_loop().sock_recvfrom(there, 100))[0] == b"good"
        assert bridge.traffic[Side.EXCHANGE].spoilt == (how != "payload")

    on_a_wire(tmp_path, scenario)


def test_a_broken_cable_loses_one_direction(tmp_path):
    async def scenario(wire, bridge, servers, venues):
        loop = asyncio.get_running_loop()
        with udp(servers, HERE) as here, udp(venues, THERE) as there:
            there.sendto(b"first", (HERE, 9001))
            assert await loop.sock_recv(here, 100) == b"first"
            bridge.broken = {Side.EXCHANGE}
            here.sendto(b"lost", (THERE, 9001))
            there.sendto(b"second", (HERE, 9001))
            assert await loop.sock_recv(here, 100) == b"second"
            while not bridge.traffic[Side.EXCHANGE].lost:
                await asyncio.sleep(0.01)
            bridge.broken = set()
            here.sendto(b"third", (THERE, 9001))
            assert await loop.sock_recv(there, 100) == b"third"

    on_a_wire(tmp_path, scenario)


def test_a_board_that_goes_is_told(tmp_path):
    async def scenario(wire, bridge, servers, venues):
        assert bridge.failure is None
        wire.drop.set()
        while bridge.failure is None:
            await asyncio.sleep(0.01)
        assert isinstance(bridge.failure, LinkError) and str(bridge.failure) == "the virtual board is gone"

    on_a_wire(tmp_path, scenario)


def test_a_board_that_is_not_there(tmp_path):
    async def run():
        async with Bridge({}) as bridge:
            await bridge.open(str(tmp_path / "link"))

    with pytest.raises(LinkError, match=r"^the board's packet socket .*link is not there: No such file or directory$"):
        asyncio.run(run())


def test_nothing_of_a_namespace_is_seen_outside_or_stays():
    """The process stays in its own namespace; sockets and devices are the other's."""
    before = os.readlink("/proc/thread-self/ns/net")
    with Namespace() as space:
        tap = space.tap("inside")
        assert os.readlink("/proc/thread-self/ns/net") == before
        assert "inside" not in [name for _, name in socket.if_nameindex()]
        with space.inside():
            assert os.readlink("/proc/thread-self/ns/net") != before
            assert [name for _, name in socket.if_nameindex()] == ["lo", "inside"]
        os.close(tap)
        with space.inside():
            assert [name for _, name in socket.if_nameindex()] == ["lo"]

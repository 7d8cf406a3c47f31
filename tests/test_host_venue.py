"""host.venue and host.client: the emulated exchange and its clients, over the kernel's TCP on the loopback."""

import asyncio
import socket
import struct

import pytest

from hdl.wire.reports import Report
from host.book import Book
from host.client import Client, wait_for
from host.soup import encode
from host.venue import Venue

USERS = {f"user{number}": "secret" for number in range(1, 9)}


def on_a_venue(scenario, *, fills=True, dialect="5.0"):
    """Run `scenario(venue, connect)`; `connect` returns a socket to the venue."""

    async def run():
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        book = Book(["AAA"], fills=fills, dialects=dict.fromkeys(USERS, dialect))
        async with Venue(book, USERS) as venue:
            await venue.listen(listener)

            async def connect():
                opened = socket.socket()
                opened.setblocking(False)
                await asyncio.get_running_loop().sock_connect(opened, address)
                return opened

            async with asyncio.timeout(30):
                await scenario(venue, connect)

    asyncio.run(run())


def test_eight_clients_trade():
    async def scenario(venue, connect):
        clients = [await Client(user, "secret").log_in(await connect()) for user in USERS]
        for client in clients:
            for _ in range(3):
                client.enter("AAA", 100, 10_000)
        for client in clients:
            await client.wait_report(3, Report.EXECUTED)
            assert [client.reports_on(ref) for ref in (1, 2, 3)] == [[Report.ACCEPTED, Report.EXECUTED]] * 3
            await client.close()
        assert len(venue.orders()) == len(venue.arrivals) == 24
        assert [arrival.user for arrival in venue.orders()].count("user8") == 3

    on_a_venue(scenario)


def test_a_cancel_is_acknowledged():
    async def scenario(venue, connect):
        client = await Client("user1", "secret").log_in(await connect())
        client.enter("AAA", 100, 10_000)
        await client.wait_report(1, Report.ACCEPTED)
        client.cancel(1)
        await client.wait_report(1, Report.CANCELED)
        assert venue.book.working("user1") == []
        await client.close()

    on_a_venue(scenario, fills=False)


def test_in_ouch_42_an_order_is_known_by_the_same_number():
    async def scenario(venue, connect):
        client = await Client("user1", "secret", dialect="4.2").log_in(await connect())
        assert [client.enter("AAA", 100, 10_000) for _ in range(2)] == [1, 2]
        client.cancel(2)
        await client.wait_report(2, Report.CANCELED)
        assert client.reports_on(1) == [Report.ACCEPTED]
        assert [arrival.is_order for arrival in venue.arrivals] == [True, True, False]
        assert [arrival.message[1:15] for arrival in venue.orders()] == [b"user1-00000001", b"user1-00000002"]
        await client.close()

    on_a_venue(scenario, fills=False, dialect="4.2")


def test_a_session_that_breaks_is_cancelled_and_told_at_the_next_login():
    """Reports of the time in between are replayed from the number that the client asks for."""

    async def scenario(venue, connect):
        client = await Client("user1", "secret").log_in(await connect())
        client.enter("AAA", 100, 10_000)
        await client.wait_report(1, Report.ACCEPTED)
        await client.close()
        await wait_for(lambda: bool(venue.ends))
        assert venue.ends == [("user1", "closed")] and venue.book.working("user1") == []
        assert client.reports_on(1) == [Report.ACCEPTED]
        await client.log_in(await connect())
        await client.wait_report(1, Report.CANCELED)
        assert client.enter("AAA", 100, 10_000) == 2
        await client.wait_report(2, Report.ACCEPTED)
        assert client.reports_on(1) == [Report.ACCEPTED, Report.CANCELED]
        await client.close()

    on_a_venue(scenario, fills=False)


def test_both_ends_tell_a_reset_from_a_close():
    async def scenario(venue, connect):
        client = await Client("user1", "secret").log_in(await connect())
        raw = await connect()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
        login = "002f4c" + b"user2 secret".hex() + "20" * 14 + "20" * 19 + "31"
        raw.send(bytes.fromhex(login))
        await wait_for(lambda: "user2" in venue.connections)
        raw.close()
        await wait_for(lambda: bool(venue.ends))
        assert venue.ends == [("user2", "reset")]
        venue.connections["user1"].abort()
        assert await client.wait_end() == "reset"
        await client.close()

    on_a_venue(scenario)


@pytest.mark.parametrize("user, password", [("user1", "guess"), ("nobody", "secret")])
def test_a_stranger_is_refused(user, password):
    async def scenario(venue, connect):
        client = await Client(user, password).log_in(await connect())
        assert client.session.refused == "A" and await client.wait_end() == "closed"
        assert venue.connections == {}

    on_a_venue(scenario)


def test_a_user_logs_in_once_at_a_time():
    async def scenario(venue, connect):
        first = await Client("user1", "secret").log_in(await connect())
        second = await Client("user1", "secret").log_in(await connect())
        assert second.session.refused == "S" and first.how == ""
        await first.close()

    on_a_venue(scenario)


def test_debug_packets_are_ignored_and_counted():
    async def scenario(venue, connect):
        client = await Client("user1", "secret").log_in(await connect())
        client.session.outgoing += encode(ord("+"), b" " * 47)
        client.enter("AAA", 100, 10_000)
        await client.wait_report(1, Report.EXECUTED)
        assert (venue.debug_packets, len(venue.arrivals)) == (1, 1)
        await client.close()
        await wait_for(lambda: not venue.connections)
        assert venue.debug_packets == 1

    on_a_venue(scenario)


def test_what_is_no_soup_ends_its_connection_only():
    async def scenario(venue, connect):
        client = await Client("user1", "secret").log_in(await connect())
        raw = await connect()
        raw.send(b"\0\0\0\0")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(raw, 10) == b""
        raw.close()
        client.enter("AAA", 100, 10_000)
        await client.wait_report(1, Report.EXECUTED)
        await client.close()

    on_a_venue(scenario)

"""The emulated exchange on the kernel's TCP: OUCH 5.0 over SoupBinTCP, one account a user, one login a user at a time.

Cancels what rests when a session breaks. Every message that reaches it is kept with its time, as the evidence of what
passed a filter in front of it.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hdl.wire import ouch
from host.book import Book
from host.connection import Connection
from host.soup import Journal, Login, ServerSession

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of a client as it reached the exchange, at a time of `time.monotonic`."""

    at_s: float
    user: str
    message: bytes

    @property
    def is_order(self) -> bool:
        return self.message[:1] in [bytes([kind]) for kind in ouch.ORDERS]


class Venue:
    """An exchange on a listening socket. Use it as an asynchronous context manager.

    Parameters
    ----------
    users : mapping of str to str
        Passwords.
    """

    def __init__(self, book: Book, users: Mapping[str, str], *, session: str = "DAY1"):
        self.book = book
        self.arrivals: list[Arrival] = []
        self.ends: list[tuple[str, str]] = []  # (user, how) of the sessions that ended, in order
        self.connections: dict[str, Connection[ServerSession]] = {}  # of the users that are logged in
        self.debugs = 0  # Debug packets of sessions that have ended
        self._users = dict(users)
        self._journals = {user: Journal(session) for user in users}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> Self:
        """Accept clients on a socket, which the venue then owns."""
        self._server = await asyncio.start_server(self._client, sock=listener)
        return self

    @property
    def debug_packets(self) -> int:
        """How many Debug packets have come, from everyone: ignored, as SoupBinTCP says."""
        return self.debugs + sum(connection.session.debugs for connection in self.connections.values())

    def orders(self, since_s: float = 0.0) -> list[Arrival]:
        """Return the orders that came at or after a time."""
        return [arrival for arrival in self.arrivals if arrival.is_order and arrival.at_s >= since_s]

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def open_journal(login: Login) -> Journal | str:
            if self._users.get(login.user) != login.password or not login.user:
                return "A"
            journal = self._journals[login.user]
            if login.session not in ("", journal.session) or login.user in self.connections:
                return "S"
            self.connections[login.user] = connection
            return journal

        def take(message: bytes) -> None:
            login = connection.session.login
            assert login
            self.arrivals.append(Arrival(time.monotonic(), login.user, message))
            self._journals[login.user].messages += self.book.take(login.user, message, _time_ns())
            connection.session.pump(time.monotonic())

        connection = Connection(ServerSession(open_journal, time.monotonic()), reader, writer, take)
        try:
            await connection.run()
        finally:
            self._left(connection)

    def _left(self, connection: Connection[ServerSession]) -> None:
        self.debugs += connection.session.debugs
        for user, other in list(self.connections.items()):
            if other is connection:
                del self.connections[user]
                self.ends.append((user, connection.how))
                self._journals[user].messages += self.book.disconnect(user, _time_ns())


def _time_ns() -> int:
    """Return nanoseconds since midnight (UTC)."""
    return time.time_ns() % DAY_NS

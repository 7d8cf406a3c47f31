"""The emulated exchange on the kernel's TCP."""

import asyncio
import socket
import time
from collections.abc import Mapping
from typing import Self

from host.book import Book
from host.connection import Connection
from host.market import DAY_NS, Market
from host.soup import ServerSession


class Venue(Market):
    """A market on a listening socket, its times of `time.monotonic`. Use it as an asynchronous context manager."""

    def __init__(self, book: Book, users: Mapping[str, str], *, session: str = "DAY1"):
        super().__init__(book, users, session=session)
        self._connections: list[Connection[ServerSession]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> dict[str, Connection[ServerSession]]:
        """The connections of the users that are logged in."""
        mine = {id(connection.session): connection for connection in self._connections}
        return {user: mine[id(session)] for user, session in self.sessions.items()}

    async def listen(self, listener: socket.socket) -> Self:
        """Accept clients on a socket, which the venue then owns."""
        self._server = await asyncio.start_server(self._client, sock=listener)
        return self

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
        session = self.open(time.monotonic())
        connection = Connection(
            session, reader, writer, lambda message: self.take(session, message, time.monotonic(), _time_ns())
        )
        self._connections.append(connection)
        try:
            await connection.run()
        finally:
            self._connections.remove(connection)
            self.left(session, connection.how, _time_ns())


def _time_ns() -> int:
    """Return nanoseconds since midnight (UTC)."""
    return time.time_ns() % DAY_NS

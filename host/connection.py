"""A SoupBinTCP session on a connected socket of the kernel: reads, writes and lets time pass, until it ends."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from host.soup import Session, SoupError

TICK_S = 0.1
Kind = TypeVar("Kind", bound=Session)

CLOSED, RESET, SILENT, PROTOCOL = "closed", "reset", "silent", "protocol"


class Connection(Generic[Kind]):
    """One end of a session. `run` serves it; `how` then says how it ended.

    That is CLOSED: by either end in order; RESET: by a TCP reset (ECONNRESET); SILENT: the peer said nothing for too
    long; PROTOCOL: it sent what is no SoupBinTCP. "" while it runs.

    Parameters
    ----------
    session : Session
        Made with the time of `time.monotonic`.
    take : callable
        Called with each message that arrives. What it gives to the session to send leaves with what follows.
    """

    def __init__(
        self,
        session: Kind,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        take: Callable[[bytes], None],
    ):
        self.session = session
        self.how = ""
        self._reader, self._writer, self._take = reader, writer, take

    @classmethod
    async def over(cls, connected: socket.socket, session: Kind, take: Callable[[bytes], None]) -> Self:
        """Return the session's connection on a socket, which it then owns."""
        reader, writer = await asyncio.open_connection(sock=connected)
        return cls(session, reader, writer, take)

    def flush(self) -> None:
        """Send what waits in the session."""
        if self.session.outgoing and not self.how:
            self._writer.write(bytes(self.session.outgoing))
            self.session.outgoing.clear()

    def abort(self) -> None:
        """Reset the connection."""
        if (opened := self._writer.get_extra_info("socket")) is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def run(self) -> None:
        """Serve the session until it ends."""
        try:
            self.how = await self._serve()
        except SoupError:
            self.how = PROTOCOL
        except ConnectionResetError:
            self.how = RESET
        except OSError:
            self.how = CLOSED
        finally:
            self.how = self.how or CLOSED
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _serve(self) -> str:
        reading = asyncio.create_task(self._reader.read(1 << 16))
        try:
            while True:
                self.flush()
                done, _ = await asyncio.wait([reading], timeout=TICK_S)
                now_s = time.monotonic()
                if done:
                    octets = reading.result()
                    if not octets:
                        return CLOSED
                    for message in self.session.receive(octets, now_s):
                        self._take(message)
                    reading = asyncio.create_task(self._reader.read(1 << 16))
                elif self.session.is_silent(now_s):
                    return SILENT
                self.session.tick(now_s)
                if self.session.ended:
                    self.flush()
                    return CLOSED
        finally:
            reading.cancel()

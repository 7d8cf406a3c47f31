"""A client of the emulated exchange on the kernel's TCP: logs in, enters and cancels orders, keeps what is reported."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Literal, Self

from hdl.wire import ouch, ouch42, reports, reports42
from hdl.wire.format import Value
from hdl.wire.ouch import Message
from hdl.wire.reports import Report
from host.connection import Connection
from host.soup import ClientSession

Reported = tuple[Report, dict[str, Value]]


class Client:
    """One server's session, on a connected socket. `reported` is what came, across reconnections too.

    UserRefNums go on across reconnections, and a new login asks for the reports that follow the last one seen. In OUCH
    4.2 an order has a token, by whose number it is known here all the same. Its first four characters, and those of a
    ClOrdID, are the user's: they are what a filter takes for the build. Its last four rise.
    """

    def __init__(self, user: str, password: str, *, dialect: Literal["5.0", "4.2"] = "5.0"):
        self.user = user
        self.reported: list[Reported] = []
        self.last_ref = 0
        self._is_42 = dialect == "4.2"
        self._password = password
        self._next = 1
        self._connection: Connection[ClientSession] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> ClientSession:
        assert self._connection, "not connected yet"
        return self._connection.session

    @property
    def how(self) -> str:
        """How the last connection ended, "" while it is up (host.connection)."""
        return self._connection.how if self._connection else "closed"

    async def log_in(self, connected: socket.socket) -> Self:
        """Log in on a connected socket, which the client then owns, and return when the server has answered."""
        await self.close()
        session = ClientSession(self.user, self._password, time.monotonic(), sequence=self._next)
        self._connection = await Connection.over(connected, session, self._take)
        self._task = asyncio.create_task(self._connection.run())
        await wait_for(lambda: session.accepted or bool(self.how))
        return self

    def enter(self, symbol: str, quantity: int, price: int, *, side: ouch.Side = ouch.Side.BUY) -> int:
        """Send an Enter Order, its price in 10⁻⁴ dollars; return its UserRefNum."""
        self.last_ref += 1
        name = self.name(self.last_ref)
        common: dict[str, Value] = {
            "type": Message.ENTER, "side": side, "quantity": quantity, "symbol": symbol.encode(), "price": price,
            "display": b"Y", "capacity": b"P", "sweep": b"N", "cross": b"N",
        }  # fmt: skip
        if self._is_42:
            common |= {"time_in_force": ouch42.MARKET_HOURS, "firm": b"", "min_quantity": 0, "customer": b"R"}
            self._send(ouch42.ENTER.pack(token=name, **common))
        else:
            common |= {"time_in_force": b"0", "appendage": 0}
            self._send(ouch.ENTER.pack(user_ref=self.last_ref, order_id=name, **common))
        return self.last_ref

    def cancel(self, ref: int) -> None:
        """Send a Cancel of a whole order."""
        if self._is_42:
            self._send(ouch42.CANCEL.pack(type=Message.CANCEL, token=self.name(ref), quantity=0))
        else:
            self._send(ouch.CANCEL.pack(type=Message.CANCEL, user_ref=ref, quantity=0))

    def reports_on(self, ref: int) -> list[Report]:
        """Return the types of the reports on one order, in order."""
        return [kind for kind, fields in self.reported if fields.get("user_ref") == ref]

    async def wait_report(self, ref: int, kind: Report, timeout_s: float = 10.0) -> None:
        """Wait for a report on an order. Raises TimeoutError."""
        await wait_for(lambda: kind in self.reports_on(ref), timeout_s)

    async def wait_end(self, timeout_s: float = 10.0) -> str:
        """Wait for the connection's end and return how it ended. Raises TimeoutError."""
        await wait_for(lambda: bool(self.how), timeout_s)
        return self.how

    async def close(self) -> None:
        """Close the connection without a word."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _take(self, message: bytes) -> None:
        self._next += 1
        kind = Report(message[0])
        fields = (reports42 if self._is_42 else reports).form(kind).unpack(message)
        if isinstance(token := fields.get("token"), bytes):
            fields["user_ref"] = int(token.rpartition(b"-")[2])
        self.reported.append((kind, fields))

    def name(self, ref: int) -> bytes:
        """Return an order's ClOrdID or token."""
        return f"{self.user}-{ref:0{13 - len(self.user)}}".encode()

    def _send(self, message: bytes) -> None:
        assert self._connection, "not connected yet"
        self._connection.session.enter(message, time.monotonic())
        self._connection.flush()


async def wait_for(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Return when `holds` does. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)

"""The test bed: eight kernel TCP clients in one network namespace, the exchange in another, a board between them.

Each client has an address of its own, each namespace one TAP device with permanent ARP entries. The board runs on the
wall clock; its watchdog is fed until the bed is torn down. Everything is in this process but the board, and goes with
it: the namespaces have no names.
"""

import asyncio
import contextlib
import ipaddress
import os
import re
import time

from hdl.wire import ouch, ouch42
from hdl.wire.board import Side
from hdl.wire.reports import Report
from hdl.wire.soup import Client as Packet
from host import config, loader, segments, soup
from host.book import Book
from host.bridge import Bridge
from host.client import Client
from host.device import ALL_LANES, Device
from host.link import SerialLink
from host.namespace import Namespace
from host.rig import ANSWER_S, BoardProcess
from host.venue import Venue

LANES = range(1, 9)
VENUE, PORT = "10.9.0.1", 9001
SERVER_MAC, VENUE_MAC = "02:00:00:00:01:01", "02:00:00:00:09:01"
SYMBOL, SHARES, PRICE = "AAA", 100, 10_000
CONNECT_S = 20.0
HEARTBEAT_S = 2.0

LIMITS = """
[watchdog]
timeout_ms = 30_000
[orders]
largest = 1_000
value = 10_000
[gross]
firm = 10_000_000
[symbols]
AAA = { long = 100_000, short = 100_000, high = 10 }
"""
LANE = """
[[lane]]
number = {lane}
server = "server{lane}"
protocol = "tcp"
dialect = "{dialect}"
action = "{action}"
source = "10.1.0.{lane}"
destination = "10.9.0.1"
destination_port = 9001
gross = 1_000_000
build = "serv"
rate_per_s = 10_000
burst = 1_000
needs_parent = false
"""


def limits(action, dialect):
    return config.parse(LIMITS + "".join(LANE.format(lane=lane, action=action, dialect=dialect) for lane in LANES))


class Bed:
    """Namespaces, board, bridge, exchange and eight clients that are not connected yet; every lane is open.

    `left` is what left the board towards the exchange, `answered` what the exchange sent into it, and `returned` what
    left it towards the servers: (time, frame with FCS).
    """

    def __init__(self, action: str, dialect: str = "5.0"):
        self.image = loader.build(limits(action, dialect))
        self.dialect = dialect
        self.clients = {lane: Client(f"serv{lane}", "secret", dialect=dialect) for lane in LANES}
        self.left: list[tuple[float, bytes]] = []
        self.answered: list[tuple[float, bytes]] = []
        self.returned: list[tuple[float, bytes]] = []
        self.bridge: Bridge
        self.venue: Venue
        self.device: Device
        self._servers: Namespace
        self._asked = asyncio.Lock()
        self._things = contextlib.AsyncExitStack()

    async def __aenter__(self):
        async with self._things as things:
            board = things.enter_context(contextlib.closing(BoardProcess(clock="wall")))
            self._servers = things.enter_context(Namespace())
            venues = things.enter_context(Namespace())
            taps = {
                Side.SERVER: self._servers.tap("servers", mac=SERVER_MAC, addresses=[f"10.1.0.{n}/8" for n in LANES]),
                Side.EXCHANGE: venues.tap("exchange", mac=VENUE_MAC, addresses=[f"{VENUE}/8"]),
            }
            for tap in taps.values():
                things.callback(os.close, tap)
            self._servers.neighbour("servers", VENUE, VENUE_MAC)
            for lane in LANES:
                venues.neighbour("exchange", f"10.1.0.{lane}", SERVER_MAC)

            self.bridge = await things.enter_async_context(Bridge(taps, self._watch))
            await self.bridge.open(board.ports["link"])
            link = things.enter_context(SerialLink(board.ports["control"], timeout_s=ANSWER_S))
            self.device = Device(link, name="the virtual board")
            await self.ask(self.device.check)
            await self.ask(loader.load, self.device, self.image)
            await self.arm()
            beat = asyncio.create_task(self._beat())
            things.push_async_callback(_end, beat)

            listener = venues.socket()
            listener.bind((VENUE, PORT))
            listener.listen()
            users = {client.user: "secret" for client in self.clients.values()}
            book = Book([SYMBOL], dialects=dict.fromkeys(users, self.dialect))
            self.venue = await things.enter_async_context(Venue(book, users))
            await self.venue.listen(listener)
            for client in self.clients.values():
                things.push_async_callback(client.close)
            self._things = things.pop_all()
        return self

    async def __aexit__(self, *_):
        failure = self.bridge.failure
        await self._things.aclose()
        if failure:
            raise failure

    async def ask(self, question, *arguments):
        """Ask the board over its control link, one question at a time, while the sockets go on."""
        async with self._asked:
            return await asyncio.to_thread(question, *arguments)

    async def kill(self, lanes=ALL_LANES):
        """Kill over the control link; when this returns the lanes are killed."""
        assert await self.ask(self.device.kill, lanes) & lanes == lanes

    async def arm(self, lanes=ALL_LANES):
        assert await self.ask(self.device.arm, self.image.crc, lanes) & lanes == 0

    async def log_in(self, lanes=LANES):
        """Connect and log in, each client from its own address and a port of the kernel's choice."""
        await asyncio.gather(*(self._log_in(lane) for lane in lanes))

    async def connect(self, lane, timeout_s=CONNECT_S):
        """Return a socket from a lane's address to the exchange. Raises TimeoutError."""
        opened = self._servers.socket()
        try:
            opened.setblocking(False)
            opened.bind((f"10.1.0.{lane}", 0))
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(opened, (VENUE, PORT))
        except BaseException:
            opened.close()
            raise
        return opened

    def enter(self, lanes=LANES, *, count=1):
        """Send orders of each lane and return their (lane, UserRefNum)."""
        return [(lane, self.clients[lane].enter(SYMBOL, SHARES, PRICE)) for lane in lanes for _ in range(count)]

    async def reported(self, orders, kind: Report):
        """Wait until each of the orders has a report."""
        for lane, ref in orders:
            await self.clients[lane].wait_report(ref, kind, timeout_s=CONNECT_S)

    def arrived(self):
        """Return the (lane, UserRefNum) of the orders that reached the exchange, in order."""
        return [
            (int(arrival.user.removeprefix("serv")), self._number(arrival.message)) for arrival in self.venue.orders()
        ]

    def on_the_wire(self, orders):
        """Return those of the orders that left the board in any frame, told by their ClOrdID or token."""
        marks = {(lane, ref): self.clients[lane].name(ref) for lane, ref in orders}
        return [order for order, mark in marks.items() if any(mark in frame for _, frame in self.left)]

    def neutralised(self):
        """Return where in which stream an order left the board as a Debug packet: {(address, sequence number)}.

        Such a packet has the length of a packet with one Enter Order, 48 or 50, and spaces behind its type.
        """
        size = 1 + (ouch42.ENTER.size if self.dialect == "4.2" else ouch.ENTER.size)
        shape = re.escape(soup.encode(Packet.DEBUG, b" " * (size - 1)))
        found = set()
        for _, frame in self.left:
            if parts := segments.unpack(frame):
                source, _, _, _, segment = parts
                for packet in re.finditer(shape, segment.payload):
                    found.add((source, segment.sequence + packet.start()))
        return found

    def of_lane(self, seen, lane, since_s=0.0):
        """Return those of `left`, `answered` or `returned` that are a lane's right TCP segments, from a time on."""
        address = ipaddress.IPv4Address(f"10.1.0.{lane}").packed
        found = [segments.unpack(frame) for at_s, frame in seen if at_s >= since_s]
        return [parts[-1] for parts in found if parts and address in (parts[0], parts[2])]

    def _number(self, message):
        return int(message[1:15].split(b"-")[1]) if self.dialect == "4.2" else int.from_bytes(message[1:5], "big")

    async def _log_in(self, lane):
        client = self.clients[lane]
        await client.log_in(await self.connect(lane))
        assert client.session.accepted, f"lane {lane}: login refused {client.session.refused!r}, {client.how}"

    def _watch(self, side, into, frame):
        if side == Side.EXCHANGE:
            (self.answered if into else self.left).append((time.monotonic(), frame))
        elif not into:
            self.returned.append((time.monotonic(), frame))

    async def _beat(self):
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await self.ask(self.device.heartbeat)


async def _end(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""SoupBinTCP 3.00 without sockets: octets in, octets out, time as an argument.

A session holds no socket and reads no clock, so the same one runs over the kernel's TCP and over `host.tcp`. What is to
be sent collects in `outgoing`; whoever carries the octets empties it. Times are seconds of any clock that never goes
back.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hdl.wire import soup
from hdl.wire.soup import Client, Server

HEARTBEAT_S = 1.0  # of silence before one is sent
SILENCE_S = 15.0  # after which the peer is given up


class SoupError(ValueError):
    """The peer sent what cannot be SoupBinTCP, or not now; the stream is out of step and has to be closed."""


class Packet(NamedTuple):
    """One logical packet."""

    type: int
    payload: bytes = b""


def encode(kind: int, payload: bytes = b"") -> bytes:
    """Return the octets of a packet."""
    return soup.LENGTH.pack(length=1 + len(payload)) + bytes([kind]) + payload


def decode(received: bytearray) -> Iterator[Packet]:
    """Yield the whole packets at the front of `received` and remove them; a packet in part stays.

    Raises SoupError at a length that no packet has.
    """
    while len(received) > soup.LENGTH.size:
        length = int.from_bytes(received[: soup.LENGTH.size], "big")
        if not 1 <= length <= soup.LONGEST:
            raise SoupError(f"a packet of length {length}")
        end = soup.LENGTH.size + length
        if len(received) < end:
            return
        packet = Packet(received[soup.LENGTH.size], bytes(received[soup.LENGTH.size + 1 : end]))
        del received[:end]
        yield packet


class Session:
    """What both ends have in common: packets in and out, heartbeats, and giving up a silent peer."""

    _heartbeat: int

    def __init__(self, now_s: float):
        self.outgoing = bytearray()
        self.debugs = 0  # Debug packets received: free text, ignored
        self.heartbeats = 0  # received
        self.ended = False  # by the peer's or our own last packet, or by silence
        self._incoming = bytearray()
        self._sent_s = self._heard_s = now_s

    def send(self, kind: int, payload: bytes, now_s: float) -> None:
        self.outgoing += encode(kind, payload)
        self._sent_s = now_s

    def receive(self, octets: bytes, now_s: float) -> Iterator[bytes]:
        """Take octets of the peer and yield the messages in them. Raises SoupError."""
        self._incoming += octets
        self._heard_s = now_s
        for packet in decode(self._incoming):
            if packet.type == soup.Client.DEBUG:  # the same at both ends
                self.debugs += 1
            else:
                yield from self._take(packet, now_s)

    def tick(self, now_s: float) -> None:
        """Send a heartbeat when one is due, and give up a peer that has been silent too long."""
        if self.is_silent(now_s):
            self.ended = True
        if not self.ended and now_s - self._sent_s >= HEARTBEAT_S:
            self.send(self._heartbeat, b"", now_s)

    @property
    def due_s(self) -> float:
        """When `tick` has something to do; what is due is done a moment later."""
        return math.inf if self.ended else min(self._sent_s + HEARTBEAT_S, self._heard_s + SILENCE_S)

    def is_silent(self, now_s: float) -> bool:
        """Tell whether the peer has said nothing for so long that it is given up."""
        return now_s - self._heard_s > SILENCE_S

    def _take(self, packet: Packet, now_s: float) -> Iterator[bytes]:
        raise NotImplementedError


class ClientSession(Session):
    """A client's end. The login goes out at once; `accepted` says that the server took it.

    Parameters
    ----------
    sequence : int
        Number of the first sequenced message wanted: 1 for all there are, 0 for none but new ones.
    """

    _heartbeat = Client.HEARTBEAT

    def __init__(self, user: str, password: str, now_s: float, *, session: str = "", sequence: int = 1):
        super().__init__(now_s)
        self.accepted = False
        self.refused = ""  # the letter of a Login Rejected
        self.session = session
        self.next = sequence
        fields = {"user": user.encode(), "password": password.encode(), "session": session.encode()}
        self.send(Client.LOGIN, soup.LOGIN.pack(**fields, sequence=_number(sequence)), now_s)

    def enter(self, message: bytes, now_s: float) -> None:
        """Send one message of the order protocol."""
        self.send(Client.UNSEQUENCED, message, now_s)

    def logout(self, now_s: float) -> None:
        self.send(Client.LOGOUT, b"", now_s)

    def _take(self, packet: Packet, now_s: float) -> Iterator[bytes]:
        match packet.type:
            case Server.ACCEPTED if len(packet.payload) == soup.ACCEPTED.size:
                fields = soup.ACCEPTED.unpack(packet.payload)
                self.session = _text(fields["session"])
                self.next = int(_text(fields["sequence"]))
                self.accepted = True
            case Server.REJECTED:
                self.refused = packet.payload.decode(errors="replace")
                self.ended = True
            case Server.SEQUENCED:
                self.next += 1
                yield packet.payload
            case Server.UNSEQUENCED:
                yield packet.payload
            case Server.HEARTBEAT:
                self.heartbeats += 1
            case Server.END:
                self.ended = True
            case _:
                raise SoupError(f"a server's packet of type {packet.type:#04x} and {len(packet.payload)} octets")


class Login(NamedTuple):
    """What a client asks for; `session` is empty for the present one, `sequence` 0 for new messages only."""

    user: str
    password: str
    session: str
    sequence: int


class Journal:
    """The sequenced messages of one session, kept for replay; the first has number 1."""

    def __init__(self, session: str):
        self.session = session
        self.messages: list[bytes] = []


class ServerSession(Session):
    """A server's end. Replay and new messages are the same: `pump` sends what the journal has and the client has not.

    Parameters
    ----------
    open_journal : callable
        Returns the journal that a login is for, or the letter of its refusal.
    """

    _heartbeat = Server.HEARTBEAT

    def __init__(self, open_journal: Callable[[Login], Journal | str], now_s: float):
        super().__init__(now_s)
        self.login: Login | None = None  # once accepted
        self._open = open_journal
        self._journal: Journal | None = None
        self._next = 0  # index of the next message to send

    def pump(self, now_s: float) -> None:
        """Send the messages that wait in the journal."""
        while self._journal and not self.ended and self._next < len(self._journal.messages):
            self.send(Server.SEQUENCED, self._journal.messages[self._next], now_s)
            self._next += 1

    @property
    def due_s(self) -> float:
        return super().due_s if self._journal or self.ended else self._heard_s + SILENCE_S

    def tick(self, now_s: float) -> None:
        if self._journal or self.is_silent(now_s):  # a stranger gets no heartbeat
            super().tick(now_s)

    def _take(self, packet: Packet, now_s: float) -> Iterator[bytes]:
        match packet.type:
            case Client.LOGIN if self.login is None and len(packet.payload) == soup.LOGIN.size:
                self._log_in(packet.payload, now_s)
            case Client.UNSEQUENCED if self._journal:
                yield packet.payload
            case Client.HEARTBEAT if self._journal:
                self.heartbeats += 1
            case Client.LOGOUT:
                self.ended = True
            case _:
                raise SoupError(f"a client's packet of type {packet.type:#04x} and {len(packet.payload)} octets")

    def _log_in(self, payload: bytes, now_s: float) -> None:
        fields = soup.LOGIN.unpack(payload)
        number = _text(fields["sequence"])
        if not number.isdecimal():
            raise SoupError(f"a login with sequence number {number!r}")
        login = Login(_text(fields["user"]), _text(fields["password"]), _text(fields["session"]), int(number))
        journal = self._open(login)
        if isinstance(journal, Journal) and login.sequence > len(journal.messages) + 1:
            journal = "S"  # what is asked for has not been yet: our rule
        if isinstance(journal, str):
            self.send(Server.REJECTED, journal.encode(), now_s)
            self.ended = True
            return
        self.login, self._journal = login, journal
        self._next = login.sequence - 1 if login.sequence else len(journal.messages)
        session = journal.session.rjust(10).encode()
        self.send(Server.ACCEPTED, soup.ACCEPTED.pack(session=session, sequence=_number(self._next + 1)), now_s)
        self.pump(now_s)


def _number(value: int) -> bytes:
    return f"{value:20}".encode()


def _text(value: int | bytes) -> str:
    assert isinstance(value, bytes)
    return value.decode(errors="replace").strip()

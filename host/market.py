"""The emulated exchange without sockets: OUCH over SoupBinTCP, one account a user, one login a user at a time.

Cancels what rests when a session breaks. Every message that reaches it is kept with its time, as the evidence of what
passed a filter in front of it. Reads no clock: `now_s` are seconds of any clock that never goes back, `at_ns`
nanoseconds since midnight.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hdl.wire import ouch
from host.book import Book
from host.soup import Journal, Login, ServerSession

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message of a client as it reached the exchange."""

    at_s: float
    user: str
    message: bytes

    @property
    def is_order(self) -> bool:
        return self.message[:1] in [bytes([kind]) for kind in ouch.ORDERS]


class Market:
    """Accounts and the sessions on them. Whoever carries the octets says when a session has ended (`left`).

    Parameters
    ----------
    users : mapping of str to str
        Passwords.
    """

    def __init__(self, book: Book, users: Mapping[str, str], *, session: str = "DAY1"):
        self.book = book
        self.arrivals: list[Arrival] = []
        self.ends: list[tuple[str, str]] = []  # (user, how) of the sessions that ended, in order
        self.sessions: dict[str, ServerSession] = {}  # of the users that are logged in
        self._debugs = dict.fromkeys(users, 0)  # of sessions that have ended
        self._users = dict(users)
        self._journals = {user: Journal(session) for user in users}

    @property
    def debug_packets(self) -> int:
        """How many Debug packets have come, from everyone: ignored, as SoupBinTCP says."""
        return sum(self.debugs(user) for user in self._users)

    def debugs(self, user: str) -> int:
        """Return how many Debug packets of a user have come."""
        return self._debugs[user] + (self.sessions[user].debugs if user in self.sessions else 0)

    def reported(self, user: str) -> list[bytes]:
        """Return everything that an account was told, whether its session was up or not."""
        return self._journals[user].messages

    def orders(self, since_s: float = 0.0) -> list[Arrival]:
        """Return the orders that came at or after a time."""
        return [arrival for arrival in self.arrivals if arrival.is_order and arrival.at_s >= since_s]

    def open(self, now_s: float) -> ServerSession:
        """Return the session of a client that has connected and is to log in."""

        def open_journal(login: Login) -> Journal | str:
            if self._users.get(login.user) != login.password or not login.user:
                return "A"
            journal = self._journals[login.user]
            if login.session not in ("", journal.session) or login.user in self.sessions:
                return "S"
            self.sessions[login.user] = session
            return journal

        session = ServerSession(open_journal, now_s)
        return session

    def take(self, session: ServerSession, message: bytes, now_s: float, at_ns: int) -> None:
        """Take a message of a session that is logged in; the reports on it go to the session."""
        assert session.login
        user = session.login.user
        self.arrivals.append(Arrival(now_s, user, message))
        self._journals[user].messages += self.book.take(user, message, at_ns)
        session.pump(now_s)

    def left(self, session: ServerSession, how: str, at_ns: int) -> None:
        """A session has ended: cancel what rests, unless nobody had logged in on it."""
        user = session.login.user if session.login else ""
        if self.sessions.get(user) is session:
            del self.sessions[user]
            self._debugs[user] += session.debugs
            self.ends.append((user, how))
            self._journals[user].messages += self.book.disconnect(user, at_ns)

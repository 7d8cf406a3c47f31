"""One end of a connection without a kernel: `host.tcp` below, `host.soup` above, time as an argument."""

import math
from collections.abc import Callable

from host.segments import Segment
from host.soup import Session, SoupError
from host.tcp import Endpoint, State

TICK_S = 0.25  # a session looks at the time that often: heartbeats of many ends then fall together


class End:
    """An endpoint and the session on it. `how` says how the connection ended, "" while it is up.

    Whatever is done with it, what it wants to send is then in `outgoing`.

    Parameters
    ----------
    take : callable
        Called with each message and the time at which it came.
    left : callable
        Called once, when the connection has ended.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        session: Session,
        take: Callable[[bytes, float], None],
        left: Callable[["End", float], None],
    ):
        self.session = session
        self.asked = False  # this end wanted the connection to end
        self._endpoint, self._take, self._left = endpoint, take, left
        self._closing = self._over = False

    @property
    def outgoing(self) -> list[Segment]:
        return self._endpoint.outgoing

    @property
    def how(self) -> str:
        return self._endpoint.how

    @property
    def retransmissions(self) -> int:
        return self._endpoint.retransmissions

    @property
    def is_listening(self) -> bool:
        return self._endpoint.state is State.LISTEN

    @property
    def is_closing(self) -> bool:
        """Nothing more can be sent on it."""
        return self._closing or self._over

    @property
    def due_s(self) -> float:
        """When `tick` has something to do."""
        if self._over:
            return math.inf
        due_s = math.inf if self._closing else self.session.due_s
        if due_s != math.inf:
            due_s = math.ceil(due_s / TICK_S) * TICK_S
        return due_s if self._endpoint.due_s is None else min(due_s, self._endpoint.due_s)

    def connect(self, now_s: float) -> None:
        self._endpoint.connect(now_s)
        self.settle(now_s)

    def listen(self) -> None:
        self._endpoint.listen()

    def receive(self, segment: Segment, now_s: float) -> None:
        self._endpoint.receive(segment, now_s)
        octets = bytes(self._endpoint.incoming)
        self._endpoint.incoming.clear()
        if octets and not self._closing:
            try:
                for message in self.session.receive(octets, now_s):
                    self._take(message, now_s)
            except SoupError:
                self._endpoint.abort()
        self.settle(now_s)

    def tick(self, now_s: float) -> None:
        self._endpoint.tick(now_s)
        if not self._closing:
            self.session.tick(now_s)
        self.settle(now_s)

    def close(self, now_s: float) -> None:
        """Close the connection in order, without a word of the session."""
        self.asked = True
        self._shut(now_s)
        self.settle(now_s)

    def settle(self, now_s: float) -> None:
        """Send what the session has to say, and see whether it is over."""
        if self.session.outgoing and not self._closing:
            self._endpoint.write(bytes(self.session.outgoing), now_s)
        self.session.outgoing.clear()
        if (self.session.ended or self._endpoint.finished) and not self._closing:
            self._shut(now_s)
        if self.how and not self._over:
            self._over = True
            self._left(self, now_s)

    def _shut(self, now_s: float) -> None:
        self._closing = True
        self._endpoint.close(now_s)

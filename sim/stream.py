"""A file descriptor that never blocks, with what came in and what has to go out."""

import os
import selectors

CHUNK = 1 << 16
MOST = 1 << 22  # octets that may wait in either direction


class Stream:
    """One end of a socket or a pty in a selector.

    `incoming` grows to `MOST` octets and is for the owner to shorten. `closed` is set once the other end is gone.
    """

    def __init__(self, selector: selectors.BaseSelector, fd: int, received):
        os.set_blocking(fd, False)
        self._selector, self._fd, self._received = selector, fd, received
        self.incoming, self.outgoing = bytearray(), bytearray()
        self.closed = False
        self._interest = 0
        self._update()

    @property
    def congested(self) -> bool:
        """The other end does not take what is sent to it."""
        return len(self.outgoing) > MOST

    def send(self, octets: bytes) -> None:
        """Send at once what the other end takes, and keep the rest until it does."""
        self.outgoing += octets
        self._flush()
        self._update()

    def ready(self, events: int) -> None:
        """Read and write what can be; tells the owner when something came in or the other end has gone."""
        if self._fd < 0:
            return  # closed since the selector looked
        if events & selectors.EVENT_WRITE:
            self._flush()
        received = False
        while events & selectors.EVENT_READ and not self.closed and len(self.incoming) < MOST:
            try:
                octets = os.read(self._fd, CHUNK)
            except BlockingIOError:
                break
            except OSError:
                octets = b""
            self.incoming += octets
            self.closed |= not octets
            received = True
            if len(octets) < CHUNK:
                break
        self._update()
        if received or self.closed:
            self._received()
            self._update()

    def close(self) -> None:
        """Close the descriptor. What has not gone out is lost."""
        if self._fd >= 0:
            if self._interest:
                self._selector.unregister(self._fd)
            os.close(self._fd)
        self._fd, self._interest, self.closed = -1, 0, True

    def _flush(self) -> None:
        while self.outgoing and not self.closed:
            try:
                sent = os.write(self._fd, memoryview(self.outgoing)[:CHUNK])
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            del self.outgoing[:sent]

    def _update(self) -> None:
        if self._fd < 0:
            return
        reading = selectors.EVENT_READ if len(self.incoming) < MOST and not self.closed else 0
        interest = reading | (selectors.EVENT_WRITE if self.outgoing and not self.closed else 0)
        if interest == self._interest:
            return
        if not interest:
            self._selector.unregister(self._fd)
        elif self._interest:
            self._selector.modify(self._fd, interest, self)
        else:
            self._selector.register(self._fd, interest, self)
        self._interest = interest

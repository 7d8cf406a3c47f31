"""What a drill needs of the way in which its servers and its exchange talk to each other."""

from collections.abc import Callable, Iterable
from typing import Protocol

from hdl.wire.ethernet import GAP_OCTETS
from host.rig import Frame, Movement
from host.router import Sent

NEXT = GAP_OCTETS + 1  # cycles from a frame's last octet to the next one's first
Filled = Callable[[int, int, int], None]  # called with lane, UserRefNum and quantity of each execution


class Traffic(Protocol):
    """Eight servers and an exchange. Times are cycles.

    Ask `frames` for what is to be sent until a cycle, let the rig run no further than `horizon`, and give what came
    out to `take`.
    """

    protocol: str
    free: int  # first cycle at which the servers' line is free

    @property
    def connected(self) -> list[int]:
        """The lanes whose server can send."""

    def enter(self, messages: Iterable[tuple[int, Sent]]) -> None:
        """Let servers send messages, each at its cycle."""

    def horizon(self, now: int, until: int) -> int:
        """Return how far time may go before what came out has to be taken."""

    def frames(self, now: int, until: int) -> list[Frame]:
        """Return the frames that are to be sent from `now` to before `until`, in order of time."""

    def take(self, moved: Movement) -> None:
        """Bring what came out of the board to where it goes."""

    def notional(self) -> dict[int, int]:
        """Return what the exchange makes of each lane's gross notional, in 10⁻⁴ dollars."""

"""The servers' orders over UDP: one message a datagram, built at rate, and the emulated exchange behind the board."""

from collections.abc import Iterable

import numpy as np

from hdl.wire.board import Side
from host import exchange, frames
from host.config import CYCLES_PER_S, Limits
from host.exchange import Exchange
from host.rig import Frame, Movement, last_cycle
from host.router import Sent, What
from host.traffic import NEXT, Filled

LATENCY = CYCLES_PER_S // 4  # cycles from a datagram at the exchange to its reports


class Datagrams:
    """Eight servers and an exchange on UDP: no sessions, nothing is repeated, and what is lost is lost."""

    protocol = "udp"

    def __init__(self, limits: Limits, filled: Filled):
        self.free = 0
        self._exchange = Exchange(limits)
        self._filled = filled
        self._templates = {
            (what, lane.number): make(lane)
            for what, make in ((What.ENTER, frames.enter_template), (What.CANCEL, frames.cancel_template))
            for lane in limits.lane
        }
        self._lanes = [lane.number for lane in limits.lane]
        self._waiting: list[Frame] = []
        self._notional = dict.fromkeys(self._lanes, 0)

    @property
    def connected(self) -> list[int]:
        return self._lanes

    def enter(self, messages: Iterable[tuple[int, Sent]]) -> None:
        timed = sorted(messages, key=lambda message: message[0])
        octets: dict[int, bytes] = {}
        for (what, lane), template in self._templates.items():
            mine = [(number, sent) for number, (_, sent) in enumerate(timed) if (sent.what, sent.lane) == (what, lane)]
            if mine:
                rows = _build(what, template, [sent for _, sent in mine])
                octets |= {number: row.tobytes() for (number, _), row in zip(mine, rows, strict=True)}
        for number, (at, _) in enumerate(timed):
            begin = max(at, self.free)
            self._waiting.append(Frame(begin, Side.SERVER, octets[number]))
            self.free = last_cycle(begin, len(octets[number])) + NEXT

    def horizon(self, now: int, until: int) -> int:
        return until

    def frames(self, now: int, until: int) -> list[Frame]:
        """Return all there are: the rig keeps those of later."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def take(self, moved: Movement) -> None:
        whole = []
        for frame in moved.frames:
            if frame.side == Side.SERVER:
                lane = self._exchange.lane_back(frame.octets)
                for user_ref, quantity in exchange.executions(frame.octets):
                    self._filled(lane, user_ref, quantity)
            elif not frame.error and (orders := self._exchange.orders(frame.octets)):
                whole.append((max(moved.now, frame.end + LATENCY), frame.octets))
                for order in orders:
                    self._notional[order.lane] += order.quantity * order.price
        self._waiting += self._exchange.answer(whole)

    def notional(self) -> dict[int, int]:
        return dict(self._notional)


def _build(what: What, template: frames.Template, messages: list[Sent]) -> frames.Octets:
    user_ref = np.array([sent.user_ref for sent in messages])
    if what == What.CANCEL:
        return template.build(len(messages), user_ref=user_ref, quantity=np.zeros(len(messages), np.uint32))
    return template.build(
        len(messages),
        user_ref=user_ref,
        side=np.array([ord("B" if sent.buy else "S") for sent in messages]),
        quantity=np.array([sent.quantity for sent in messages]),
        symbol=np.array([sent.symbol.encode().ljust(8) for sent in messages], "S8"),
        price=np.array([sent.price * 100 for sent in messages]),
        order_id=np.array([sent.order_id.encode().ljust(14) for sent in messages], "S14"),
    )

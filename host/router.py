"""Eight emulated order routers, a deployer that reports success, and the question that tells the truth.

Each server has a build, and with it a code path for parents that carry the flag: the new build runs RLP, which counts
what its children executed and stops; the old one runs Power Peg, whose counter was moved away years ago, so it sends
child after child. Parents come round robin. (reference: SEC order 34-70694, paragraphs 13 to 17; the rates are a
model.)
"""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from host.errors import VerificationError
from host.parents import ACCOUNT, name_of

NEW_BUILD, OLD_BUILD = "RLP1", "PEG0"
LOTS = (99, 99, 99, 100)  # 3 : 1, as in the totals of the day
LOT = 100
BACKGROUND_PER_S = 5.0  # orders of the other flow, per server
CANCELLED = 0.3  # of them


class What(Enum):
    """Messages that a server sends."""

    ENTER = "enter"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of a server at a time in seconds.

    `price` in cents; `parent` 0 is flow without a parent; `rests`: an order that its server will cancel.
    """

    at_s: float
    what: What
    lane: int
    user_ref: int
    symbol: str = ""
    buy: bool = True
    quantity: int = 0
    price: int = 0
    parent: int = 0
    order_id: str = ""
    rests: bool = False

    @property
    def cents(self) -> int:
        """Notional in cents."""
        return self.quantity * self.price


@dataclass
class Parent:
    """A customer's order, to be executed by children."""

    number: int
    symbol: str
    buy: bool
    quantity: int
    price: int
    executed: int = 0
    sent: int = 0
    next_s: float = 0.0


@dataclass
class Server:
    """One router: numbered as its lane, 1 to 8.

    `peg_per_s` is the rate of Power Peg over all its parents. `accounts`: the parents of the other flow, which is in
    their symbols only, if there are any.
    """

    number: int
    build: str
    seed: int
    symbols: dict[str, int]  # symbol: price in cents
    peg_per_s: float
    parents: list[Parent] = field(default_factory=list)
    accounts: dict[tuple[str, bool], str] = field(default_factory=dict)  # names, by symbol and side

    def __post_init__(self) -> None:
        self._traded = sorted({symbol for symbol, _ in self.accounts} or self.symbols)
        self._draw = random.Random(f"{self.seed} server {self.number}")
        self._user_ref = self._drafts = 0
        self._children: dict[int, Parent] = {}  # of drafts
        self._numbers: dict[int, int] = {}  # of orders that will be cancelled, by draft
        self._peg_s: float | None = None
        self._peg_count = 0
        self._background_s: float | None = None
        self._open: dict[int, Parent] = {}
        self._to_cancel: list[Sent] = []

    @property
    def name(self) -> str:
        return f"smars-{self.number}"

    def report_build(self) -> str:
        """Answer an attestation: what really runs here."""
        return self.build

    def install(self, build: str) -> None:
        self.build = build

    def take(self, parent: Parent) -> None:
        """Take over a parent."""
        self.parents.append(parent)

    def filled(self, user_ref: int, quantity: int) -> None:
        """Book an execution that the exchange reports. Power Peg has nothing that would look at the sum."""
        if parent := self._open.pop(user_ref, None):
            parent.executed += quantity

    def emit(self, begin_s: float, end_s: float) -> list[Sent]:
        """Return what this server sends from `begin_s` to before `end_s`, in order of time."""
        code = self._rlp if self.build == NEW_BUILD else self._power_peg
        drafts = sorted(code(begin_s, end_s) + self._background(begin_s, end_s), key=lambda sent: sent.at_s)
        return [self._number(draft) for draft in drafts]

    def cancel_all(self, at_s: float) -> list[Sent]:
        """Return the cancels of all that is to be cancelled some time, now."""
        self._to_cancel.clear()
        rests, self._numbers = self._numbers, {}
        return [Sent(at_s, What.CANCEL, self.number, user_ref) for user_ref in rests.values()]

    def burst(self, at_s: float) -> Sent:
        """Return one more order of the other flow, at a time of the caller's."""
        symbol, buy = self._draw.choice(self._traded), self._draw.random() < 0.5
        return self._number(self._enter(at_s, symbol, buy, LOT // 2, 0))

    def _number(self, draft: Sent) -> Sent:
        """Give an order its UserRefNum, as numbers rise with time; and a cancel that of its order."""
        if draft.what is What.CANCEL:
            return replace(draft, user_ref=self._numbers.pop(draft.user_ref))
        self._user_ref += 1
        if draft.rests:
            self._numbers[draft.user_ref] = self._user_ref
        if parent := self._children.pop(draft.user_ref, None):
            self._open[self._user_ref] = parent
        return replace(draft, user_ref=self._user_ref)

    def _rlp(self, begin_s: float, end_s: float) -> list[Sent]:
        """One child at a time, for what is still to be executed."""
        sent = []
        for parent in self.parents:
            if parent.next_s == 0:
                parent.next_s = begin_s + self._draw.uniform(0, 1)
            left = parent.quantity - max(parent.executed, parent.sent)
            if left > 0 and begin_s <= parent.next_s < end_s:
                sent.append(self._child(parent, parent.next_s, min(LOT, left)))
                parent.next_s += self._draw.uniform(0.5, 1.5)
            elif parent.next_s < begin_s:
                parent.next_s = begin_s + self._draw.uniform(0, 1)
        return sent

    def _power_peg(self, begin_s: float, end_s: float) -> list[Sent]:
        """Child after child, round the parents, whatever was executed: buys at the offer, sells at the bid."""
        sent: list[Sent] = []
        if not self.parents:
            return sent
        if self._peg_s is None:
            self._peg_s = begin_s + self._draw.random() / self.peg_per_s
        while self._peg_s < end_s:
            parent = self.parents[self._peg_count % len(self.parents)]
            sent.append(self._child(parent, self._peg_s, self._draw.choice(LOTS)))
            self._peg_count += 1
            self._peg_s += self._draw.uniform(0.5, 1.5) / self.peg_per_s
        return sent

    def _background(self, begin_s: float, end_s: float) -> list[Sent]:
        """Orders without a parent, some cancelled within two seconds."""
        sent: list[Sent] = []
        if self._background_s is None or self._background_s < begin_s:
            self._background_s = begin_s + self._draw.expovariate(BACKGROUND_PER_S)
        while self._background_s < end_s:
            at_s, symbol = self._background_s, self._draw.choice(self._traded)
            order = self._enter(at_s, symbol, self._draw.random() < 0.5, self._draw.randrange(1, LOT), 0)
            if self._draw.random() < CANCELLED:
                order = replace(order, rests=True)
                later_s = at_s + self._draw.uniform(0.05, 2)
                self._to_cancel.append(Sent(later_s, What.CANCEL, self.number, order.user_ref))
            sent.append(order)
            self._background_s = at_s + self._draw.expovariate(BACKGROUND_PER_S)
        due = [cancel for cancel in self._to_cancel if cancel.at_s < end_s]
        self._to_cancel = [cancel for cancel in self._to_cancel if cancel.at_s >= end_s]
        return sent + [cancel for cancel in due if cancel.at_s >= begin_s]

    def _child(self, parent: Parent, at_s: float, quantity: int) -> Sent:
        order = self._enter(at_s, parent.symbol, parent.buy, quantity, parent.number)
        parent.sent += quantity
        self._children[order.user_ref] = parent
        return order

    def _enter(self, at_s: float, symbol: str, buy: bool, quantity: int, parent: int) -> Sent:
        self._drafts += 1
        spread = self._draw.randint(1, 3)
        price = self.symbols[symbol] + (spread if buy else -spread)
        name = name_of(parent) if parent else self.accounts.get((symbol, buy), name_of(0))
        order_id = self.build + name
        return Sent(at_s, What.ENTER, self.number, self._drafts, symbol, buy, quantity, price, parent, order_id)


class CopyFailed(Exception):
    """The new build did not get onto a server."""


def deploy(build: str, servers: Sequence[Server], *, unreachable: Sequence[int] = ()) -> list[str]:
    """Copy `build` to each server as the script of the story did, and return its reports: it looks at no result."""
    reports = []
    for server in servers:
        with contextlib.suppress(CopyFailed):  # the fault that the drill is about: it goes on and says the same
            _copy(build, server, unreachable)
        reports.append(f"{server.name}: copied {build}")
    return reports


def _copy(build: str, server: Server, unreachable: Sequence[int]) -> None:
    if server.number in unreachable:
        raise CopyFailed(server.name)
    server.install(build)


class FleetDiffers(VerificationError):
    """The servers do not run the same build."""


def attest(servers: Sequence[Server]) -> str:
    """Ask each server itself what it runs; return the one build, or raise FleetDiffers."""
    builds = {server.name: server.report_build() for server in servers}
    counts = {build: list(builds.values()).count(build) for build in builds.values()}
    most = max(counts, key=lambda build: counts[build])
    others = [f"{name} runs {build}" for name, build in builds.items() if build != most]
    if others:
        raise FleetDiffers(
            f"arming refused by attestation: {', '.join(others)}, the other {counts[most]} run {most}; "
            "put the same build on every server"
        )
    return most


def parents_of(count: int, symbols: dict[str, int], seed: int, *, first: int = 1) -> list[Parent]:
    """Return `count` small retail orders over the symbols; every symbol gets one before any gets two."""
    draw = random.Random(f"{seed} parents {first}")
    names = sorted(symbols)
    draw.shuffle(names)
    found = []
    for at in range(count):
        symbol = names[at % len(names)]
        quantity = draw.randrange(100, 501, 50)
        found.append(Parent(first + at, symbol, draw.random() < 0.5, quantity, symbols[symbol]))
    return found


def accounts_of(symbols: Sequence[str], first: int, count: int) -> dict[tuple[str, bool], str]:
    """Return names of parents for the other flow, of both sides of each symbol, as far as `count` numbers go."""
    sides = [(symbol, buy) for symbol in sorted(symbols)[: count // 2] for buy in (True, False)]
    return {side: name_of(number, ACCOUNT) for number, side in enumerate(sides, first)}


def prices_of(symbols: Sequence[str], seed: int) -> dict[str, int]:
    """Return a price in cents for each symbol, $6.00 to $89.99 (reference: section 4.2 of the model)."""
    draw = random.Random(f"{seed} prices")
    return {symbol: draw.randrange(600, 9000) for symbol in symbols}

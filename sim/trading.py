"""Random trading of eight lanes: what the positions say is compared with what the exchange knows.

    python -m sim.trading [--seeds 100] [--steps 2000] [--first 0]

Orders are checked and committed, wait to leave and travel to the exchange, and its reports travel back, at random paces
and in order on each lane. Frames are dropped by their verdict or do not leave, lanes are killed, evidence is lost, and
an exchange may execute more than was ordered.
"""

import argparse
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from hdl.wire.verdict import Reason
from sim.market import HIGHEST, LANES, MOST, Market
from sim.positions import SYMBOLS, Enter, Parent, Positions, Replace, Token
from sim.truth import Truth

PLENTY = 10**18
R = Reason
# What runs are to reach; of Enter and Replace, decisions.
ROWS = {
    "Enter": ["passed", R.DUPLICATE, R.FULL, R.PARENT, R.CHILDREN, R.POSITION, R.LANE_GROSS, R.FIRM_GROSS],
    "Replace": ["passed", R.REPLACE, R.DUPLICATE, R.FULL, R.PARENT, R.POSITION, R.LANE_GROSS, R.FIRM_GROSS],
    "Replace of": ["live", "pending", "dead", "to be undone", "never there"],
    "outcome": [
        "replaced", "replaced and canceled", "invalid", "rejected", "of an order that is dead", "after executions",
        "after decrements", "C in part", "C whole", "D in part", "D whole",
    ],
    "heard": [*"AUCDEGBFJPITMRXKQS", "A dead", "U dead", "while a Replace was pending", "and took a Replace along"],
    "told": ["TRADE", "UNKNOWN", "ABOVE"],
    "undone": [
        "enter", "replace", "replace of a dead chain", "replace of what did not leave", "enter before its replace",
        "with its frame", "a number came again",
    ],
    "lanes": ["killed", "unheard", "evidence lost", "mass cancel", "overfilled"],
    "equal": ["on the way", "at rest"],
}  # fmt: skip


class Sent(NamedTuple):
    """A message of a member; with a token if it is an order."""

    kind: str  # a method of the exchange
    fields: tuple
    token: Token | None = None


@dataclass
class Lane:
    """A member's port."""

    parents: bool  # are needed
    datagrams: bool
    ref: int = 1  # the next number
    killed: bool = False
    waiting: deque[Sent] = field(default_factory=deque)  # to leave
    out: deque[Sent] = field(default_factory=deque)  # has left
    owed: list[Sent] = field(default_factory=list)  # did not leave, and is to be undone
    back: deque = field(default_factory=deque)
    known: dict[int, tuple] = field(default_factory=dict)  # total, price and parent of orders that passed


class Trading:
    """One run: `play`, and `seen` says what it reached. Raises `AssertionError` where positions and truth differ."""

    def __init__(self, seed: int, positions=Positions):
        random = self.random = Random(seed)
        self.symbols = random.sample(range(SYMBOLS), random.choice((1, 2, 4)))
        size = random.choice((2000, 5000, 5000, 20_000))
        limits = {(index, buy): random.randrange(size) for index in self.symbols for buy in (True, False)}
        few = random.choice((PLENTY, 3 * 10**10, 10**11))
        gross = [random.choice((PLENTY, few)) for _ in range(LANES)] + [random.choice((PLENTY, 4 * few))]
        self.parents = {number: self._parent() for number in random.sample(range(512), 60)}
        self.unheard = {random.randrange(LANES)} if random.random() < 0.5 else set()
        older = random.sample(range(LANES), 3)
        entries = random.choice((511, 40, 15))
        lanes = {"older": older, "unheard": self.unheard.copy()}
        self.positions = positions(limits, gross, self.parents, entries=entries, **lanes)
        self.market = Market(random, older)
        self.lanes = [Lane(random.random() < 0.4, number in (2, 5)) for number in range(LANES)]
        self.truth = Truth(self.positions, self.market, self._asked, self.unheard)
        self.whole = True  # no evidence has been lost
        self.wild = None  # the report of an execution beyond its order: it kills the firm
        self.seen = Counter(unheard=len(self.unheard))

    def play(self, steps: int = 2000):
        random = self.random
        overfills, loses = random.random() < 0.3, random.random() < 0.2
        for step in range(steps):
            number = random.randrange(LANES)
            if random.random() < 0.7:
                self._client(number)
            for _ in range(random.choice((0, 1, 3))):
                self._leave(random.choice(self.lanes))
                self._take(random.randrange(LANES))
                self._hear(random.choice(self.lanes))
                self._undo(random.choice(self.lanes))
            if random.random() < 0.45:
                self._send(self.market.move())
            if random.random() < 0.02:
                self._abort(self.lanes[number], kills=random.random() < 0.5)
            if random.random() < 0.2:
                self.lanes[number].killed = False
            if overfills and step > steps * 0.7:
                self._overfill(number)
            if loses and step > steps * 0.8:
                self._lose(number)
            if random.random() < 0.03:
                self._rest(there=False)
            if random.random() < 0.003:
                self._rest()
            if not self.wild:
                self.truth.never_beyond()
        self._rest()
        return self

    # Members.

    def _client(self, number):
        random, draw, lane = self.random, self.random.random(), self.lanes[number]
        if draw < 0.2 and lane.known:
            kind = random.choice(("cancel", "cancel", "modify"))
            ref = random.choice(list(lane.known)[-12:])
            size = random.choice((0, random.randrange(lane.known[ref][0] + 10)))
            self.positions.cancel(number, ref, size)
            lane.waiting.append(Sent(kind, (number, ref, size)))
        elif draw < 0.21:
            self.seen["mass cancel"] += 1
            self.positions.number(number, lane.ref)
            lane.waiting.append(Sent("mass_cancel", (number, lane.ref, random.choice(self.symbols))))
            lane.ref += 1
        elif not lane.killed and not self.wild:
            self._frame(number, lane)

    def _frame(self, number, lane):
        """Some orders; of datagrams none leaves if one is stopped, and then their numbers may come again."""
        highest, first, frame = self.positions.hi[number], lane.ref, []
        for _ in range(self.random.choice((1, 2, 3)) if lane.datagrams else 1):
            order = self._replace(number, lane) if self._now(0.3) else self._enter(number, lane)
            kind = type(order).__name__
            reason = self.positions.check(order)
            self.seen[kind, reason or "passed"] += 1
            if reason:
                self.random.shuffle(frame)
                for sent in frame:
                    self.seen["with its frame"] += 1
                    self._take_back(sent)
                self.positions.hi[number] = highest
                if lane.datagrams and self._now(0.5):
                    self.seen["a number came again"] += len(frame)
                    lane.ref = first
                return
            frame.append(Sent(kind.lower(), tuple(order), self.positions.commit(order)))
            self.truth.undone.pop((number, order.ref), None)
            if kind == "Enter":
                self.truth.committed(order)
        owed = {sent.token.ref for sent in lane.owed}
        for sent in frame:
            lane.known[sent.token.ref] = sent.fields[-3:]
            if sent.kind == "replace" and sent.fields[1] in owed:  # nor does it leave
                self.seen["replace of what did not leave"] += 1
                lane.owed.append(sent)
            else:
                lane.waiting.append(sent)

    def _number(self, lane) -> int:
        if self._now(0.05):
            return self.random.randint(1, lane.ref)
        lane.ref += self.random.choice((1, 1, 1, 3))
        return lane.ref - 1

    def _parent(self) -> Parent:
        random = self.random
        return Parent(random.choice(self.symbols), self._now(0.5), random.randrange(1, 6000), random.choice((3, 9)))

    def _enter(self, number, lane) -> Enter:
        random = self.random
        index, buy, parent = random.choice(self.symbols), self._now(0.5), None
        if lane.parents:
            parent = random.choice([*self.parents, 600])
            if parent in self.parents and self._now(0.9):
                index, buy, *_ = self.parents[parent]
        quantity = random.randint(1, random.choice((200, 1000, 3000, MOST if self._now(0.1) else 500)))
        price = random.randint(1, random.choice((10**5, 10**7, HIGHEST if self._now(0.1) else 10**6)))
        return Enter(number, self._number(lane), index, buy, quantity, price, parent)

    def _replace(self, number, lane) -> Replace:
        """Return a Replace of some order, or of none."""
        random = self.random
        live = [ref for ref in self.market.book[number] if ref in lane.known]
        asked = [ref for ref, kind, _ in self._asked(number) if kind == "replace" and ref in lane.known]
        refs = {
            "live": live, "pending": asked, "dead": list(lane.known.keys() - {*live, *asked}),
            "to be undone": [sent.token.ref for sent in lane.owed], "never there": [9**9],
        }  # fmt: skip
        kinds = [what for what in refs if refs[what]]
        weights = {"live": 14, "to be undone": 14, "never there": 1}
        (what,) = random.choices(kinds, [weights.get(what, 2) for what in kinds])
        self.seen[what] += 1
        ref = random.choice(refs[what][-12:])
        total, price, parent = lane.known.get(ref, (1, 1, None))
        total = random.choice((total, total * 2, total // 2, total + random.randint(-300, 300)))
        price = random.choice((price, price * 2, price // 2, price + random.randint(-99, 99)))
        if lane.parents and self._now(0.05):
            parent = random.choice([*self.parents, 600])
        total, price = min(MOST, max(1, total)), min(HIGHEST, max(1, price))
        return Replace(number, ref, self._number(lane), total, price, parent)

    # What is on its way.

    def _asked(self, number):
        """Return the orders that the exchange has not taken, as `Truth` wants them."""
        lane = self.lanes[number]
        return [(s.token.ref, s.kind, s.fields) for s in (*lane.owed, *lane.out, *lane.waiting) if s.token]

    def _leave(self, lane):
        if lane.waiting:
            lane.out.append(lane.waiting.popleft())

    def _take(self, number):
        """The exchange takes a message; it does not know of parents in a Replace."""
        lane = self.lanes[number]
        if lane.out:
            sent = lane.out.popleft()
            fields = sent.fields[:-1] if sent.kind == "replace" else sent.fields
            self._send(getattr(self.market, sent.kind)(*fields))

    def _send(self, reports):
        for report in reports:
            self.lanes[report.lane].back.append(report)

    def _hear(self, lane):
        if not lane.back:
            return
        report, letter = lane.back[0], chr(lane.back.popleft().kind)
        chain = self.positions.index.get((report.lane, report.user_ref))
        pending = chain is not None and chain.pending is not None
        heard = self.positions.hear(*report)
        assert heard.kill == (report is self.wild), f"{report}: {heard}"
        if report.lane not in self.unheard:
            self.seen.update((letter, heard.event.name))
            self.seen[f"{letter} dead"] += report.dead
            self.seen["while a Replace was pending"] += pending and letter in "EG" and not chain.dead
            self.seen["and took a Replace along"] += pending and chain.dead

    def _abort(self, lane, kills):
        """What waits does not leave."""
        self.seen["killed"] += kills
        lane.killed |= kills
        lane.owed += [sent for sent in lane.waiting if sent.token]
        lane.waiting.clear()

    def _undo(self, lane):
        if lane.owed and self._now(0.3):
            self._take_back(lane.owed.pop(self.random.choice((0, 0, self.random.randrange(len(lane.owed))))))

    def _take_back(self, sent):
        self.seen["replace of a dead chain"] += sent.token.chain.dead
        self.seen[sent.kind] += 1
        self.positions.undo(sent.token)
        self.seen["enter before its replace"] += sent.kind == "enter" and not sent.token.chain.dead
        if sent.kind == "enter":
            self.truth.committed(sent.fields, -1)

    def _rest(self, there: bool = True):
        """All that is on its way back arrives; and all that is on its way there."""
        for number, lane in enumerate(self.lanes):
            while there and (lane.owed or lane.waiting or lane.out):
                self._undo(lane)
                self._leave(lane)
                self._take(number)
            while lane.back:
                self._hear(lane)
        if self.whole:
            self.seen["at rest" if there else "on the way"] += 1
            self.truth.equal(there)

    # What must not happen.

    def _overfill(self, number):
        if self.wild or number in self.unheard or not self.market.book[number]:
            return
        self.seen["overfilled"] += 1
        (self.wild,) = self.market.fill(number, self.random.choice(list(self.market.book[number])), more=MOST)
        self._send([self.wild])

    def _lose(self, number):
        """A lane's evidence is lost, for good."""
        if self.whole and not self.wild:
            self.seen["evidence lost"] += 1
            self.whole = False
            self.unheard.add(number)
            self.positions.unheard.add(number)

    def _now(self, chance) -> bool:
        return self.random.random() < chance


def missing(seen: Counter) -> list[str]:
    """Return what was never reached, as "row: what"."""
    return [f"{row}: {_name(what)}" for row, shows in ROWS.items() for what in shows if not seen[_key(row, what)]]


def table(seen: Counter) -> str:
    return "\n".join(
        f"{row:12}" + ", ".join(f"{_name(what)} {seen[_key(row, what)]:,}" for what in shows)
        for row, shows in ROWS.items()
    )


def _key(row, what):
    return (row, what) if row in ("Enter", "Replace") else what


def _name(what) -> str:
    return what if isinstance(what, str) else what.name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    began, seen = time.process_time(), Counter()
    for seed in range(args.first, args.first + args.seeds):
        try:
            run = Trading(seed).play(args.steps)
        except AssertionError as error:
            raise SystemExit(f"seed {seed}: {error}") from error
        seen += run.seen + run.market.seen
    print(table(seen))
    print(f"{args.seeds} seeds of {args.steps} steps in {time.process_time() - began:.1f} s of CPU time")


if __name__ == "__main__":
    main()

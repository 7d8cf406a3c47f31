"""Drives the risk engine cycle by cycle beside its reference, and makes traffic for it."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Event

from hdl.filter.tally import TOGETHER
from hdl.wire.registers import BUCKET_SLOTS, ENTRY_VALID, KEY_BITS, TRADED, Reg, toeplitz
from sim.bus import BusMaster
from sim.risk_reference import MOST, READS, SHOWS, Order, Reference

SYMBOLS = {f"SYM{index}".ljust(8).encode(): index for index in (0, 1, 2, 3, 255, 511)}
UNKNOWN = b"NOTHERE "
OCTETS_BEFORE = 15  # cycles from a symbol's first octet to `price_ready`
SPACING = 50  # of orders packed in a frame
JUDGED = 22  # cycles from `price_ready` to `checked`
TO_END = 25  # cycles from the last order's `price_ready` to `frame_end`, when nothing stands behind it
NEXT = 84  # cycles from `frame_end` to the next frame's first `price_ready`, at the least
QUIET = 40
RESULTS = ("missing", "blocked", "over_position", "over_lane", "over_firm", "over_parent", "over_children")
OF_PARENT = 2  # of them
LETTER = 20  # of every parent
TERMS = ("restricted", "unborrowed", "off_collar", "over_value")
STROBES = (
    "symbol_valid", "symbol_first", "price_ready", "checked", "charge", "frame_end", "block", "lift",
    "failed__valid", "report_valid",
)  # fmt: skip


class Bench:
    """Drives one value of every input in each cycle, at its falling edge, and steps the reference along.

    `at(cycle, name=value)` plans an input; strobes are 0 where nothing is planned.
    """

    def __init__(self, dut):
        self.dut, self.rng = dut, random.Random(cocotb.RANDOM_SEED)
        self.bus, self.directory = BusMaster(dut), BusMaster(dut, "directory_bus")
        self.reference = Reference()
        self.cycle, self.plan, self.calls, self.waits = 0, {}, {}, {}
        self.decided = []  # orders, in order
        self.hosting = True
        self.key = self.rng.getrandbits(KEY_BITS)

    def at(self, cycle, **values):
        assert cycle > self.cycle, f"planned too late: {values}"
        self.plan.setdefault(cycle, {}).update(values)

    def call(self, cycle, function):
        """Call `function` in `cycle`, before the reference steps through it."""
        self.calls.setdefault(cycle, []).append(function)

    async def start(self, *, limit=10**6, gross=10**16):
        dut = self.dut
        Clock(dut.clk, 8, unit="ns").start()
        for name in (
            *STROBES,
            "symbol_data",
            "quantity",
            "price",
            "buy",
            "is_short",
            "lane",
            "kept",
            "block_index",
            "load",
            "user_ref",
            "heard",
            "report",
            "older",
            "parent",
            "seek",
            "replaces",
        ):
            getattr(dut, name).value = 0
        dut.parentless.value, dut.named.value = 0xFF, 1
        dut.order_value.value = (1 << 52) - 1
        dut.failed__payload.value, dut.key.value, dut.rst.value = 0, self.key, 1
        await dut.clk.falling_edge
        await dut.clk.falling_edge
        dut.rst.value = 0
        await self.settle(2000)
        taken = {}
        for symbol, index in SYMBOLS.items():
            bucket = toeplitz(symbol, self.key)
            slot = BUCKET_SLOTS * bucket + taken.setdefault(bucket, 0)
            taken[bucket] += 1
            words = (int.from_bytes(symbol[:4], "big"), int.from_bytes(symbol[4:], "big"), index | ENTRY_VALID)
            for word, value in enumerate(words):
                await self.directory.write(Reg.DIRECTORY + 4 * slot + word, value)
            await self.terms(index, TRADED | 0x7FFFFFFF << 32)
            for sell in (0, 1):
                await self.limit(index, sell, limit)
        for row in range(9):
            await self.gross_limit(row, gross)
        cocotb.start_soon(self._run())
        await self.until(1)

    async def terms(self, index, word):
        await self.bus.write_pair(Reg.SYMBOL_TERMS + 2 * index, word)

    async def limit(self, index, sell, value):
        await self.bus.write_pair(Reg.EXPOSURE_LIMIT + 4 * index + 2 * sell, value)
        self.reference.limits[index, bool(sell)] = value

    async def gross_limit(self, row, value):
        await self.bus.write_pair(Reg.GROSS_LIMIT + 2 * row, value)
        self.reference.gross_limits[row] = value

    async def load_parent(self, number, index, sell, shares, children):
        word = shares | index << 32 | sell << 41 | LETTER << 42 | children << 47
        await self.bus.write_pair(Reg.PARENT + 2 * number, word)
        self.reference.parents[number] = index, bool(sell)
        self.reference.left[number] = [shares, children]

    async def settle(self, most=5000):
        """Wait until the engine is at rest."""
        for _ in range(most):
            await self.dut.clk.falling_edge
            if not self.dut.busy.value and self.dut.clearing.value == 0:
                return
        raise AssertionError(f"busy for {most} cycles")

    async def until(self, cycle):
        if self.cycle < cycle:
            await self.waits.setdefault(cycle, Event()).wait()

    async def _run(self):
        dut = self.dut
        while True:
            await dut.clk.falling_edge
            self.cycle += 1
            self._check()
            values = dict.fromkeys(STROBES, 0) | self.plan.pop(self.cycle, {})
            for name, value in values.items():
                getattr(dut, name).value = value
            for function in self.calls.pop(self.cycle, ()):
                function()
            self.reference.step(self.cycle)
            if self.cycle in self.waits:
                self.waits.pop(self.cycle).set()

    def _check(self):
        """The results of the current order show in the promised cycle, and stay until it is judged."""
        order = self.reference.order
        if order is None or self.cycle > order.at + JUDGED:
            return
        since, full = self.cycle - order.at, len(self.reference.frame) == MOST and order not in self.reference.frame
        if 0 < since < order.shows:
            assert not self.dut.decided.value, f"{since=}"
        if since in (SHOWS, order.shows, JUDGED):
            shown = tuple(bool(getattr(self.dut, name).value) for name in RESULTS)
            told = order.results
            if since < order.shows:
                shown, told = shown[:-OF_PARENT], told[:-OF_PARENT]
            assert self.dut.forbidden.value == any(getattr(self.dut, name).value for name in TOGETHER)
            assert bool(self.dut.decided.value) == (since >= order.shows and not full), f"{order=}"
            assert shown == told or (shown[0] and told[0]), f"{order=} {shown=}"
            assert told[0] or self.dut.index.value == order.index
        if since == order.shows:
            self.decided.append(order)

    def order(self, at, *, lane, symbol, sell, quantity, price, parent=None, named=READS, refused=False):
        """Plan an order whose `price_ready` is in cycle `at`; `refused`: for something else, when it is judged.

        `parent`: the number of the one that it names, `named` cycles later.
        """
        for number, octet in enumerate(symbol):
            self.at(at - OCTETS_BEFORE + number, symbol_valid=1, symbol_first=int(number == 0), symbol_data=octet)
        self.at(at - OCTETS_BEFORE, lane=lane)
        self.at(at, price_ready=1, quantity=quantity, price=price, buy=int(not sell))
        garbage = {
            "quantity": self.rng.getrandbits(20),
            "price": self.rng.getrandbits(32),
            "buy": self.rng.getrandbits(1),
        }
        self.at(at + 11, **garbage)
        order = Order(at, lane, SYMBOLS.get(symbol), bool(sell), quantity, price, parent, named)
        if parent is not None:
            self.at(at - OCTETS_BEFORE, named=0, parent=self.rng.getrandbits(14))
            self.at(at + named, named=1, parent=parent | LETTER << 9)
            self.at(at + max(named, READS) + 1, parent=self.rng.getrandbits(14))

        def judge():
            if self.reference.order is order:
                self.dut.checked.value = 1
                if self.reference.judge(at + JUDGED, not refused):
                    self.at(at + JUDGED + 1, charge=1)

        self.call(at, lambda: self.reference.ready(order))
        self.call(at + JUDGED, judge)
        return order

    def end(self, cycle, kept):
        """Plan a frame's end; returns a dict that holds its base and its reserved orders after that."""
        frame = {}
        self.at(cycle, frame_end=1, kept=int(kept))

        def call():
            frame.update(base=int(self.dut.base.value), orders=self.reference.end(cycle, kept))
            assert not kept or self.dut.reservations.value == len(frame["orders"])

        self.call(cycle, call)
        return frame

    def fail(self, cycle, frame):
        """Plan the failure of a kept `frame` at the gate."""

        def call():
            assert self.dut.failed__ready.value
            self.dut.failed__valid.value = 1
            self.dut.failed__payload.value = frame["base"] | len(frame["orders"]) << 8
            self.reference.fail(cycle, frame["orders"])

        self.call(cycle, call)

    def report(self, at, kind, ref, quantity=0, price=0, lane=0):
        """Plan a report; its fields as in `hdl.filter.report.REPORT`."""
        word = lane | ord(kind) << 3 | ref << 11 | quantity << 75 | price << 107
        self.at(at, report_valid=1, report=word)

    async def compare(self):
        """At rest, exposure and gross are what the reference says."""
        await self.settle()
        assert not self.dut.fault.value
        for index in SYMBOLS.values():
            for sell in (0, 1):
                value = await self.bus.read_pair(Reg.EXPOSURE + 4 * index + 2 * sell)
                assert value == self.reference.released.get((index, bool(sell)), 0), f"{index=} {sell=}"
        for row in range(9):
            assert await self.bus.read_pair(Reg.GROSS + 2 * row) == self.reference.gross.get(row, 0), f"{row=}"
        for number, (shares, children) in self.reference.left.items():
            word = await self.bus.read_pair(Reg.PARENT_LEFT + 2 * number)
            assert word == shares & 0xFFFFFFFF | children << 32, f"parent {number}"


class Traffic:
    """Random frames of orders that crowd the limits, random verdicts and outcomes in any order, and kills."""

    def __init__(self, bench, *, drops, failures):
        self.bench, self.drops, self.failures = bench, drops, failures
        self.next = bench.cycle + 30
        self.kept, self.busy_until = [], 0

    def order(self, at, lane):
        bench, rng = self.bench, self.bench.rng
        symbol = rng.choice([*SYMBOLS, *SYMBOLS, UNKNOWN])
        sell, price = rng.getrandbits(1), rng.randrange(1, 10**6)
        room = bench.reference.room((SYMBOLS.get(symbol), bool(sell)))
        quantity = rng.choice([1, rng.randrange(1, 40), rng.randrange(1, 400), room, room + 1, rng.randrange(1, 10**6)])
        row = rng.choice([lane, 8])
        if rng.random() < 0.15:
            quantity, price = 1, bench.reference.gross_room(row) + rng.choice([0, 1])
        quantity, price = min(max(quantity, 1), 999_999), min(max(price, 1), 2**32 - 1)
        family = {}
        if not int(bench.dut.parentless.value) >> lane & 1:
            mine = [
                number for number, key in bench.reference.parents.items() if key == (SYMBOLS.get(symbol), bool(sell))
            ]
            number = rng.choice([*mine * 5, *bench.reference.parents, 400])
            shares, _ = bench.reference.left.get(number, (0, 0))
            quantity = rng.choice([quantity, shares, shares + 1, rng.randrange(1, 40)])
            quantity = min(max(quantity, 1), 999_999)
            family = {"parent": number, "named": rng.choice([-5, READS - 1, READS, READS + 1, 14, 14, 14, 17])}
        else:  # it names one all the same
            bench.at(at + 1, named=1, parent=rng.choice([*bench.reference.parents, 0]) | LETTER << 9)
        refused = rng.random() < 0.1
        bench.order(at, lane=lane, symbol=symbol, sell=sell, quantity=quantity, price=price, refused=refused, **family)

    async def frame(self, count):
        """One frame of `count` orders."""
        bench, rng = self.bench, self.bench.rng
        lane, at = rng.randrange(8), self.next + OCTETS_BEFORE
        for _ in range(count):
            await bench.until(at - OCTETS_BEFORE - 1)
            self.order(at, lane)
            last, at = at, at + rng.choice([SPACING, SPACING, SPACING + rng.randrange(30), JUDGED + 16])
        end = (last + TO_END if count else at) + rng.choice([0, 0, rng.randrange(20)])
        kept = rng.random() > self.drops
        frame = bench.end(end, kept)
        if kept:
            self.kept.append((end, frame))
        await bench.until(end - 2)
        self.next = max(end + NEXT - OCTETS_BEFORE, self.next) + rng.choice([0, 0, rng.randrange(200)])
        if rng.random() < self.failures:
            self.gate(end)

    def gate(self, now):
        """Some of the kept frames leave; others do not, in any order and as little as a cycle apart."""
        bench, rng = self.bench, self.bench.rng
        rng.shuffle(self.kept)
        at = max(now + 1 + rng.choice([0, 1, 2, rng.randrange(150)]), self.busy_until)
        for end, frame in self.kept:
            if rng.random() < 0.7:
                at = max(at, end + 1) + rng.choice([1, 1, 1, 4, rng.randrange(1, 60)])
                bench.fail(at, frame)
        self.kept, self.busy_until = [], at + 1

"""Bench of the risk engine against plain arithmetic: every decision, in its cycle, and what is charged in the end."""

import cocotb

from hdl.wire.registers import SHORTED, TRADED, Reg
from sim.risk_bench import JUDGED, NEXT, QUIET, SPACING, SYMBOLS, TERMS, TO_END, Bench, Traffic
from sim.risk_reference import READS, SHOWS, Order

CHANGES = 29


async def disturb(bench):
    """The host reads and rewrites limits all the time; it gets its answers, and no order's cycle moves."""
    while bench.hosting:
        address = bench.rng.choice([Reg.EXPOSURE, Reg.GROSS, Reg.EXPOSURE_LIMIT, Reg.GROSS_LIMIT])
        await bench.bus.read_pair(address + 2 * bench.rng.randrange(9))
        (index, sell), value = bench.rng.choice(list(bench.reference.limits.items()))
        await bench.bus.write_pair(Reg.EXPOSURE_LIMIT + 4 * index + 2 * sell, value)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(mix=["drops", "failures", "both"])
async def every_decision_and_every_charge_is_that_of_plain_arithmetic(dut, mix):
    """Frames of 0 to 29 orders, packed and not, while the host reads: results, their cycle, and the final tables.

    The orders of four lanes need parents, which have a few shares and children each.
    """
    bench = Bench(dut)
    await bench.start(limit=3000, gross=4 * 10**8)
    dut.parentless.value = 0x0F
    for number, (index, sell) in enumerate((index, sell) for index in SYMBOLS.values() for sell in (0, 1)):
        await bench.load_parent(number, index, sell, 1500, bench.rng.choice([4, 500]))
        await bench.load_parent(511 - number, index, sell, 700, 6)
    await bench.gross_limit(8, 15 * 10**8)
    host = cocotb.start_soon(disturb(bench))
    drops, failures = {"drops": (0.7, 0), "failures": (0.1, 0.6), "both": (0.4, 0.3)}[mix]
    traffic = Traffic(bench, drops=drops, failures=failures)
    for _ in range(60):
        await traffic.frame(bench.rng.choice([0, 1, 1, 1, 2, 2, 3, 4, 12, 29]))
    traffic.gate(bench.cycle + 30)
    await bench.until(traffic.busy_until + 1000)
    bench.hosting = False
    await host
    seen = [order.results for order in bench.decided]
    assert len(seen) > 150
    assert all(any(results[n] for results in seen) for n in (0, 2, 3, 4, 5, 6))
    assert sum(not any(results) for results in seen) > 20
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(over=[0, 1])
async def exactly_at_a_limit_passes_and_one_over_is_a_breach(dut, over):
    """Shares, the lane's notional and the firm's, at widths up to the highest there are."""
    bench = Bench(dut)
    await bench.start(limit=2**40 - 1, gross=2**64 - 1)
    await bench.limit(1, 0, 1000)
    await bench.limit(2, 1, 999_999)
    await bench.gross_limit(3, 999_999 * 1_999_999_900)
    await bench.gross_limit(8, 5 * 10**15)
    flag = [False] * 7
    at = bench.cycle + QUIET

    def order(symbol, lane, sell, quantity, price, breach):
        nonlocal at
        bench.order(at, lane=lane, symbol=symbol, sell=sell, quantity=quantity, price=price)
        expected.append([n == breach and bool(over) for n in range(7)])
        end = at + TO_END
        bench.end(end, True)
        at += TO_END + NEXT

    expected, one = [], b"SYM1    "
    order(one, 0, 0, 600, 1, None)
    order(one, 0, 0, 400 + over, 1, 2)
    order(b"SYM2    ", 1, 1, 999_999 if not over else 999_998, 1, None)
    order(b"SYM2    ", 1, 1, over + 1 if over else 1, 1, 2)
    if not over:
        expected[-1][2] = True  # the limit is used up: nothing more passes
    order(b"SYM3    ", 3, 0, 999_999, 1_999_999_900 - over, None)
    order(b"SYM3    ", 3, 1, 1, 999_999 * over + over or 1, 3)
    if not over:
        expected[-1][3] = True
    used = sum(frame for frame in (600 + 400 * (not over), 999_999 - over, 999_999 * (1_999_999_900 - over)))
    left = 5 * 10**15 - used
    order(b"SYM255  ", 4, 0, 750_000, 4_000_000_000 - 1, None)
    left -= 750_000 * (4_000_000_000 - 1)
    assert 0 < left < 2**32
    order(b"SYM255  ", 4, 0, 1, left + over, 4)
    await bench.until(at)
    assert [list(order.results) for order in bench.decided] == expected, flag
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def what_the_terms_of_a_symbol_forbid(dut):
    """Exactly at each bound passes, one beyond it does not; results show in p+15, as the others do."""
    bench = Bench(dut)
    await bench.start(limit=2**40 - 1, gross=2**64 - 1)
    dut.order_value.value = 1_000_000
    word = 100 | TRADED | 20_000 << 32
    cases = [
        (word, 100, 10_000, 0, set()),
        (word, 50, 20_000, 0, set()),
        (word, 1, 20_001, 0, {"off_collar"}),
        (word, 1, 100, 0, set()),
        (word, 1, 99, 0, {"off_collar"}),
        (word, 101, 10_000, 0, {"over_value"}),
        (word, 1, 1_000_001, 0, {"over_value", "off_collar"}),
        (word, 1, 100, 1, {"unborrowed"}),
        (word | SHORTED, 1, 100, 1, set()),
        (word & ~TRADED, 1, 100, 0, {"restricted"}),
        (0, 1, 1, 1, {"restricted", "unborrowed", "off_collar"}),
    ]
    for terms, quantity, price, short, expected in cases:
        await bench.settle()
        await bench.terms(255, terms)
        assert await bench.bus.read_pair(Reg.SYMBOL_TERMS + 2 * 255) == terms
        at = bench.cycle + QUIET
        bench.order(at, lane=0, symbol=b"SYM255  ", sell=1, quantity=quantity, price=price, refused=bool(expected))
        bench.at(at, is_short=short)
        bench.at(at + 11, is_short=1 - short)
        await bench.until(at + SHOWS)
        assert {name for name in TERMS if getattr(dut, name).value} == expected, (terms, quantity, price, short)
        bench.end(at + TO_END, True)
        await bench.until(at + TO_END + NEXT)
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def an_unset_limit_releases_nothing(dut):
    """P4: after a reset every limit is 0, whatever it was before."""
    bench = Bench(dut)
    await bench.start(limit=0)
    at = bench.cycle + QUIET
    bench.order(at, lane=0, symbol=b"SYM0    ", sell=0, quantity=1, price=1)
    await bench.until(at + 30)
    await bench.limit(0, 0, 10)
    await bench.gross_limit(0, 0)
    bench.order(at + 500, lane=0, symbol=b"SYM0    ", sell=0, quantity=1, price=1)
    await bench.until(at + 530)
    assert [order.results[2:5] for order in bench.decided] == [(True, False, False), (False, True, False)]


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def what_is_undone_counts_from_its_own_cycle_on(dut):
    """A failed frame's entry that begins in p+4 makes room for the check of p; one that would begin in p+5 does not."""
    bench = Bench(dut)
    await bench.start(limit=100)
    for offset in range(-4, 8):
        for entries in (1, 3):
            at = bench.cycle + QUIET
            share = 100 // entries
            for number in range(entries):
                quantity = share if number else 100 - share * (entries - 1)
                bench.order(at, lane=1, symbol=b"SYM511  ", sell=1, quantity=quantity, price=7)
                at += SPACING
            frame = bench.end(at - SPACING + TO_END, True)
            at += TO_END + NEXT
            order = bench.order(at, lane=1, symbol=b"SYM511  ", sell=1, quantity=100, price=7)
            began = at + 4 + offset  # the last entry
            await bench.until(at - 40)
            bench.fail(began - 3 * (entries - 1) - 5, frame)
            last = bench.end(at + TO_END, True)
            await bench.until(at + TO_END + 1)
            assert order.results[2] == (offset > 0), f"{offset=} {entries=}"
            bench.fail(bench.cycle + 30, last)
            await bench.until(bench.cycle + 60)
            assert sorted(bench.reference.released.values())[-1] == 0
    await bench.compare()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def undoing_meets_undoing_at_every_distance(dut):
    """One symbol and lane: a failed frame's entries beside a dropped frame's, and beside another failed one's."""
    bench = Bench(dut)
    await bench.start()
    at = bench.cycle + QUIET

    async def frame(kept):
        nonlocal at
        for quantity in (3, 50):
            bench.order(at, lane=2, symbol=b"SYM1    ", sell=0, quantity=quantity, price=quantity)
            at += SPACING
        end = at - SPACING + TO_END
        result = bench.end(end, kept)
        at = end + NEXT
        await bench.until(end - 20)
        return result, end

    for distance in range(-14, 14):
        first, _ = await frame(True)
        _, end = await frame(False)
        bench.fail(end + distance, first)
    for distance in range(1, 14):
        first, _ = await frame(True)
        second, end = await frame(True)
        bench.fail(end + 4, second)
        bench.fail(end + 4 + distance, first)
    await bench.until(at)
    assert bench.reference.released[1, False] == 0
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_dropped_frame_of_29_orders_is_undone_before_the_next_one(dut):
    """Orders every 50 cycles; the first check of the next frame sees none of them. Then two that are kept."""
    bench = Bench(dut)
    await bench.start(limit=29)
    at = bench.cycle + QUIET
    for kept in (False, False, True):
        for number in range(29):
            sell = number & 1
            bench.order(at, lane=5, symbol=b"SYM2    ", sell=sell, quantity=2 - sell, price=2**31)
            at += SPACING
        bench.end(at - SPACING + TO_END, kept)
        at += TO_END - SPACING + NEXT
        await bench.until(at - QUIET)
    passed = [not any(order.results) for order in bench.decided]
    assert passed == [number & 1 or number <= 26 for number in range(29)] * 3
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(failed=[None, -1, 1, 30])
async def a_check_waits_for_a_frame_that_is_being_undone(dut, failed):
    """Only with gaps that Ethernet does not have: a check reads in e+7+3n, and its results show six cycles later.

    A frame that fails meanwhile, `failed` cycles from e, is undone behind it and makes it no later.
    """
    bench = Bench(dut)
    await bench.start(limit=30)
    at = bench.cycle + QUIET
    bench.order(at, lane=4, symbol=b"SYM2    ", sell=0, quantity=1, price=1)
    first = bench.end(at + TO_END, True)
    at += TO_END + NEXT
    for _ in range(29):
        bench.order(at, lane=5, symbol=b"SYM2    ", sell=0, quantity=1, price=2**31)
        at += SPACING
    end = at - SPACING + TO_END
    bench.end(end, False)
    if failed is not None:
        bench.fail(end + failed, first)
    await bench.until(end + 2)
    at = end + 40
    bench.order(at, lane=5, symbol=b"SYM2    ", sell=0, quantity=29, price=1)
    bench.calls.pop(at)  # not for the reference: it does not know such gaps
    bench.plan.pop(at + 11)  # the fields stay: the next message is far
    shows = end + 7 + 3 * 29 + SHOWS - READS
    bench.at(shows + 1, checked=1)
    bench.at(shows + 2, charge=1)
    await bench.until(shows - 1)
    assert not dut.decided.value
    await bench.until(shows)
    assert dut.decided.value and not dut.over_position.value
    await bench.until(shows + 3)
    assert dut.reservations.value == 1
    await bench.settle()
    assert await bench.bus.read_pair(Reg.EXPOSURE + 8) == 29 + (failed is None)
    assert not dut.fault.value


@cocotb.test(timeout_time=3, timeout_unit="ms")
@cocotb.parametrize(late=[0, 1])
async def nothing_begins_to_be_undone_in_the_cycle_behind_a_frame_end(dut, late):
    """29 entries, the first of which would begin in e+1: they begin in e+2 to e+86, in time for p = e+82."""
    bench = Bench(dut)
    await bench.start(limit=29)
    at = bench.cycle + QUIET
    for _ in range(29):
        bench.order(at, lane=5, symbol=b"SYM2    ", sell=0, quantity=1, price=2**31)
        at += SPACING
    frame = bench.end(at - SPACING + TO_END, True)
    end = at + NEXT
    bench.end(end, True)
    await bench.until(end - 20)
    bench.fail(end - 4, frame)
    order = bench.order(end + 82 - late, lane=5, symbol=b"SYM2    ", sell=0, quantity=29, price=2**31)
    await bench.until(end + 120)
    assert order.results[2] == bool(late)
    assert bench.reference.began[0] == end + 2
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_message_cut_short_by_the_end_of_its_frame_reserves_nothing(dut):
    """A frame may end anywhere behind the price; once the order is judged the reservation is there, and is undone."""
    bench = Bench(dut)
    await bench.start(limit=50)
    for since in (*range(JUDGED), *range(JUDGED + 2, JUDGED + 6)):
        at = bench.cycle + QUIET
        bench.order(at, lane=6, symbol=b"SYM1    ", sell=0, quantity=50, price=3)
        frame = bench.end(at + since, since & 1)
        await bench.until(at + since + 1)
        assert len(frame["orders"]) == (since > JUDGED), f"{since=}"
        await bench.until(at + since + NEXT)
        if since & 1:
            bench.fail(bench.cycle + 1, frame)
        await bench.until(bench.cycle + 20)
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def an_order_beyond_31_reservations_stays_undecided(dut):
    """No frame holds so many; a count that wrapped would lose reservations."""
    bench = Bench(dut)
    await bench.start()
    at = bench.cycle + QUIET
    for _ in range(34):
        bench.order(at, lane=0, symbol=b"SYM0    ", sell=0, quantity=1, price=1)
        at += SPACING
    bench.end(at, False)
    await bench.until(at + NEXT + 30)
    assert len(bench.decided) == 34
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_block_holds_both_sides_until_all_are_lifted(dut):
    """Blocks come from the verdict and go with a firm arm, all at once. A block in the cycle of a lift stays."""
    bench = Bench(dut)
    await bench.start()

    async def check(**blocks):
        """Look at every symbol once; `blocks` are strobes for the first frame's end."""
        at = bench.cycle + QUIET
        for number, symbol in enumerate([*SYMBOLS, b"SYM511  "]):
            bench.order(at, lane=0, symbol=symbol, sell=number & 1, quantity=1, price=1)
            at += SPACING
        bench.end(at, True)
        bench.at(at, **blocks)
        if blocks.get("lift"):
            bench.call(at, bench.reference.blocked.clear)
        if blocks.get("block"):
            bench.call(at, lambda: bench.reference.blocked.add(blocks["block_index"]))
        await bench.until(at + NEXT)

    await check(block=1, block_index=511)
    await check(block=1, block_index=2)
    await check(block=1, block_index=0)
    await check()
    assert bench.reference.blocked == {511, 2, 0}
    await check(lift=1)
    await check(block=1, block_index=3, lift=1)
    await check()
    assert bench.reference.blocked == {3}
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_lift_counts_up_to_two_cycles_before_the_results_show(dut):
    """In p+13 at the latest for the check of p."""
    bench = Bench(dut)
    await bench.start()
    for since in range(11, 17):
        at = bench.cycle + QUIET
        bench.at(at - 30, block=1, block_index=255)
        bench.order(at, lane=0, symbol=b"SYM255  ", sell=0, quantity=1, price=1)
        bench.at(at + since, lift=1)
        bench.reference.blocked = {255} if since > 13 else set()
        await bench.until(at + QUIET)
    assert [order.results[1] for order in bench.decided] == [False] * 3 + [True] * 3


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def clearing_zeroes_what_is_released_and_forgets_what_was_reserved(dut):
    """From the answer on all reads 0; frames that fail afterwards give nothing back; then counting begins again."""
    bench = Bench(dut)
    await bench.start(limit=100)
    at = bench.cycle + QUIET
    frames = []
    for symbol in SYMBOLS:
        bench.order(at, lane=SYMBOLS[symbol] & 7, symbol=symbol, sell=1, quantity=60, price=2**31)
        frames.append(bench.end(at + TO_END, True))
        at += TO_END + NEXT
    await bench.until(at)
    await bench.compare()

    cleared = []
    bench.call(bench.cycle + 1, lambda: cocotb.start_soon(count(dut, cleared)))
    await bench.bus.write(Reg.CLEAR_EXPOSURE, 1)
    answered = bench.cycle
    for frame in frames:
        frame["orders"] = [Order(o.at, o.lane, o.index, o.sell, 0, 0) for o in frame["orders"]]  # count for nothing now
    for number, frame in enumerate(frames[:3]):
        bench.fail(answered + 20 + 300 * number, frame)
    bench.reference.released.clear()
    bench.reference.gross.clear()
    assert dut.clearing.value
    for symbol in SYMBOLS.values():
        assert await bench.bus.read_pair(Reg.EXPOSURE + 4 * symbol + 2) == 0
        assert await bench.bus.read_pair(Reg.GROSS + 2 * (symbol & 7)) == 0
    assert await bench.bus.read_pair(Reg.GROSS + 16) == 0
    at = answered + 500
    bench.order(at, lane=0, symbol=b"SYM0    ", sell=1, quantity=100, price=1, refused=True)
    bench.at(at + JUDGED + 1, charge=1)  # nothing but the clearing keeps it from being reserved
    await bench.until(answered + 1000)
    assert dut.clearing.value
    await bench.settle()
    assert cleared == [1]
    for frame in frames[3:]:
        bench.fail(bench.cycle + 5, frame)
        await bench.until(bench.cycle + 20)
    bench.order(bench.cycle + QUIET, lane=0, symbol=b"SYM0    ", sell=1, quantity=100, price=1)
    bench.end(bench.cycle + QUIET + TO_END, True)
    await bench.until(bench.cycle + QUIET + TO_END + 10)
    assert not any(bench.decided[-1].results)
    await bench.compare()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def a_place_that_is_used_again_after_a_clear_is_not_given_back(dut):
    """An order reserved before fails afterwards: the one that has its place now stays known."""
    bench = Bench(dut)
    await bench.start(limit=100)
    dut.heard.value = 0xFF
    frames = []
    for quantity in (60, 40):
        at = bench.cycle + QUIET
        bench.at(at - 5, user_ref=7)
        bench.order(at, lane=1, symbol=b"SYM1    ", sell=0, quantity=quantity, price=3)
        frames.append(bench.end(at + TO_END, True))
        await bench.until(at + TO_END + NEXT)
        if quantity == 60:
            await bench.bus.write(Reg.CLEAR_EXPOSURE, 1)
            await bench.settle()
            bench.reference.released.clear()
            bench.reference.gross.clear()
    frames[0]["orders"] = [Order(o.at, o.lane, o.index, o.sell, 0, 0) for o in frames[0]["orders"]]
    bench.fail(bench.cycle + 5, frames[0])
    await bench.until(bench.cycle + 40)
    told = []
    cocotb.start_soon(watch(dut, told))
    bench.report(bench.cycle + 2, "E", 7, 40, 3, lane=1)
    await bench.until(bench.cycle + 80)
    assert told == [] and await bench.bus.read_pair(Reg.NET + 2) == 40
    assert await bench.bus.read_pair(Reg.EXPOSURE + 4) == 0


async def count(dut, cleared):
    """Count the strobes of `cleared`."""
    while True:
        await dut.clk.falling_edge
        if dut.cleared.value:
            cleared.append(1)


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_reset_zeroes_every_table_and_arms_nothing(dut):
    """In the middle of undoing: limits, exposure, gross and directory are 0 afterwards, and the host waits for that."""
    bench = Bench(dut)
    await bench.start()
    at = bench.cycle + QUIET
    for _ in range(8):
        bench.order(at, lane=7, symbol=b"SYM511  ", sell=0, quantity=9, price=9)
        at += SPACING
    bench.end(at, False)
    await bench.until(at + 8)
    dut.rst.value = 1
    await dut.clk.falling_edge
    dut.rst.value = 0
    bench.bus.patience = 1100
    assert await bench.bus.read_pair(Reg.EXPOSURE_LIMIT + 4 * 511) == 0
    assert await bench.bus.read_pair(Reg.EXPOSURE + 4 * 511) == 0
    for row in range(9):
        assert await bench.bus.read_pair(Reg.GROSS_LIMIT + 2 * row) == 0
        assert await bench.bus.read_pair(Reg.GROSS + 2 * row) == 0
    assert await bench.bus.read_pair(Reg.SYMBOL_TERMS + 2 * 511) == 0
    assert dut.reservations.value == 0
    assert not dut.fault.value


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def limits_read_back_and_other_addresses_are_errors(dut):
    """A limit changes with its high word only; the high word read is that of the low word read before."""
    bench = Bench(dut)
    await bench.start(limit=0, gross=0)
    limits = {(i, s): bench.rng.getrandbits(40) for i in bench.rng.sample(range(512), 30) for s in (0, 1)}
    for (index, sell), value in limits.items():
        await bench.limit(index, sell, value)
    rows = {row: bench.rng.getrandbits(64) for row in range(9)}
    for row, value in rows.items():
        await bench.gross_limit(row, value)
    for (index, sell), value in limits.items():
        assert await bench.bus.read_pair(Reg.EXPOSURE_LIMIT + 4 * index + 2 * sell) == value
    for row, value in rows.items():
        assert await bench.bus.read_pair(Reg.GROSS_LIMIT + 2 * row) == value

    (index, sell), value = limits.popitem()
    address = Reg.EXPOSURE_LIMIT + 4 * index + 2 * sell
    await bench.bus.write(address, 0x12345678)
    assert await bench.bus.read_pair(address) == value
    await bench.bus.write(address + 1, 0x9A)
    assert await bench.bus.read(address) == 0x12345678
    await bench.gross_limit(2, 5 << 32)
    assert await bench.bus.read(address + 1) == 0x9A

    for row in range(9, 16):
        assert await bench.bus.read_pair(Reg.GROSS_LIMIT + 2 * row) == 0
        assert await bench.bus.read_pair(Reg.GROSS + 2 * row) == 0
        assert await bench.bus.access(Reg.GROSS_LIMIT + 2 * row + 1, 1) is None
    for address in (Reg.EXPOSURE, Reg.GROSS, Reg.EXPOSURE + 1, Reg.COUNTER, Reg.DIRECTORY):
        assert await bench.bus.access(address, 1) is None
    for address in (Reg.CLEAR_EXPOSURE, Reg.COUNTER, Reg.POLICY, 0):
        assert await bench.bus.access(address) is None
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def what_is_reported_moves_open_shares_to_the_net_position_or_releases_them(dut):
    """P5: net and open shares, and notional at the prices of each, worked out by hand; the limit is of their sum."""
    bench = Bench(dut)
    await bench.start(limit=1000, gross=10**7)
    dut.heard.value = 1 << 4
    tell = [  # kind, quantity, price; then net, open and gross
        (None, (0, 600, 6_000_000)),
        (("A", 600, 0), (0, 600, 6_000_000)),
        (("E", 100, 9_000), (100, 500, 5_900_000)),
        (("C", 150, 0), (100, 350, 4_400_000)),
        (("E", 350, 11_000), (450, 0, 4_750_000)),
    ]
    at = bench.cycle + QUIET
    bench.at(at - 5, user_ref=7)
    bench.order(at, lane=4, symbol=b"SYM1    ", sell=0, quantity=600, price=10_000)
    bench.end(at + TO_END, True)
    await bench.until(at + TO_END + 1)
    for told, expected in tell:
        if told:
            bench.report(bench.cycle + 2, told[0], 7, *told[1:], lane=4)
            await bench.until(bench.cycle + 80)
        await bench.settle()
        net = await bench.bus.read_pair(Reg.NET + 2)
        opened = await bench.bus.read_pair(Reg.EXPOSURE + 4)
        assert (net, opened, await bench.bus.read_pair(Reg.GROSS + 8)) == expected, told
        assert await bench.bus.read_pair(Reg.GROSS + 16) == expected[2]
    # 450 are held: 550 more may be bought, and 1450 sold.
    results = []
    for sell, quantity in ((0, 551), (0, 550), (1, 1451), (1, 1450)):
        at = bench.cycle + QUIET
        bench.order(at, lane=0, symbol=b"SYM1    ", sell=sell, quantity=quantity, price=1, refused=True)
        bench.calls.pop(at)  # not for the reference: it knows of no reports
        await bench.until(at + SHOWS)
        results.append(int(dut.over_position.value))
        bench.at(bench.cycle + 2, frame_end=1)
        await bench.until(at + 60)
    assert results == [1, 0, 1, 0]
    # The order is over: one more report of it contradicts, and changes nothing.
    told = []
    cocotb.start_soon(watch(dut, told))
    bench.report(bench.cycle + 2, "E", 7, 1, 1, lane=4)
    await bench.until(bench.cycle + 80)
    assert told == [(4, 1, 7)] and await bench.bus.read_pair(Reg.NET + 2) == 450
    await bench.bus.write(Reg.CLEAR_EXPOSURE, 1)
    await bench.settle()
    assert await bench.bus.read_pair(Reg.NET + 2) == await bench.bus.read_pair(Reg.GROSS + 8) == 0
    assert not dut.fault.value


async def watch(dut, told):
    """Keep lane, kind and number of every contradiction."""
    while True:
        await dut.clk.falling_edge
        if dut.contradicted_valid.value:
            word = int(dut.contradicted.value)
            told.append((word & 7, word >> 3 & 3, word >> 5 & 0xFFFFFFFF))


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(what=["undone", "reported"])
async def a_charge_meets_what_else_is_applied_at_every_distance(dut, what):
    """No update is lost: an entry that is undone, or a report's change, begins in each cycle around a charge."""
    bench = Bench(dut)
    await bench.start()
    dut.heard.value = 1 << 2
    undone = 0
    for distance in range(-60, 20):
        at = bench.cycle + QUIET
        bench.at(at - 5, user_ref=100 + distance)
        bench.order(at, lane=2, symbol=b"SYM2    ", sell=1, quantity=3, price=5)
        first = bench.end(at + TO_END, True)
        at += TO_END + NEXT + 60
        bench.at(at - 5, user_ref=1000 + distance)
        await bench.until(at - 78)
        bench.order(at, lane=2, symbol=b"SYM2    ", sell=1, quantity=10, price=7)
        bench.end(at + TO_END + 12, True)
        if what == "undone":
            bench.fail(at + JUDGED + distance, first)
            undone += 3
        else:
            bench.report(at + JUDGED + distance, "C", 100 + distance, 3, lane=2)
        await bench.until(at + 150)
    if what == "undone":
        await bench.compare()
        return
    await bench.settle()
    assert not dut.fault.value
    assert await bench.bus.read_pair(Reg.EXPOSURE + 4 * 2 + 2) == 80 * 10
    for row in (2, 8):
        assert await bench.bus.read_pair(Reg.GROSS + 2 * row) == 80 * 70


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_change_that_begins_in_p_plus_4_counts_for_the_check_and_one_in_p_plus_5_does_not(dut):
    """When nothing is in its way, a report's change begins CHANGES cycles behind it."""
    bench = Bench(dut)
    await bench.start(limit=100)
    dut.heard.value = 0xFF
    seen = {}
    for offset in range(-4, 16):
        at = bench.cycle + QUIET
        bench.at(at - 5, user_ref=200 + offset)
        first = bench.order(at, lane=1, symbol=b"SYM3    ", sell=0, quantity=100, price=7)
        bench.end(at + TO_END, True)
        at += TO_END + NEXT + 20
        await bench.until(at - 60)
        bench.at(at - 5, user_ref=9999)
        bench.order(at, lane=1, symbol=b"SYM3    ", sell=0, quantity=1, price=7, refused=True)
        bench.calls.pop(at)
        bench.report(at + offset - CHANGES, "C", 200 + offset, 100, lane=1)
        await bench.until(at + SHOWS)
        seen[offset] = int(dut.over_position.value)
        bench.at(bench.cycle + 10, frame_end=1)
        await bench.until(bench.cycle + 80)
        bench.reference.charge(first, -1)  # it knows of no reports
    assert seen == {offset: int(offset > 4) for offset in seen}
    assert not dut.fault.value


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def an_order_is_kept_where_there_is_room_and_forgotten_when_it_does_not_leave(dut):
    """A number that is open has no room, and neither has the ninth of a bucket; what is undone makes room again."""
    bench = Bench(dut)
    await bench.start()
    dut.heard.value = 0x0F
    results, frames = [], []

    async def order(ref, *, lane=3, kept=True):
        at = bench.cycle + QUIET
        bench.at(at - 5, user_ref=ref)
        planned = bench.order(at, lane=lane, symbol=b"SYM1    ", sell=0, quantity=1, price=1)
        bench.at(at + 3, user_ref=0)
        await bench.until(at + SHOWS)
        results.append(int(dut.no_room.value))
        if results[-1]:
            bench.reference.order = None  # it knows of no places
        frames.append(bench.end(at + TO_END, kept))
        await bench.until(at + TO_END + NEXT)
        return planned

    for ref in range(64, 64 * 9, 64):  # of one bucket, as their second octets' low bits turn it
        await order(ref ^ (ref >> 8 << 3) & 63)
    await order(64)
    await order(64, lane=4)  # not heard
    await order(64 * 9 ^ (64 * 9 >> 8 << 3) & 63)
    assert results == [0] * 8 + [1, 0, 1]
    bench.fail(bench.cycle + 1, frames[0])
    await bench.until(bench.cycle + 20)
    await order(64)
    await order(64 * 10 ^ (64 * 10 >> 8 << 3) & 63, kept=False)
    assert results[-2:] == [0, 1]
    bench.fail(bench.cycle + 1, frames[1])
    await bench.until(bench.cycle + 20)
    await order(64 * 10 ^ (64 * 10 >> 8 << 3) & 63, kept=False)  # dropped by its verdict: forgotten at once
    await order(64 * 11 ^ (64 * 11 >> 8 << 3) & 63)
    assert results[-2:] == [0, 0]
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def a_report_that_is_lost_is_a_fault(dut):
    """More come at once than have room, which a line does not bring."""
    bench = Bench(dut)
    await bench.start()
    dut.heard.value = 1
    for number in range(40):
        bench.report(bench.cycle + 2 + number, "C", 5, 1)
    await bench.until(bench.cycle + 5)
    assert not dut.fault.value
    await bench.until(bench.cycle + 60)
    assert dut.fault.value

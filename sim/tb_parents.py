"""Bench of the parents in the risk engine: what an order is told of its parent, and what comes back to it."""

import cocotb

from hdl.wire.registers import Reg
from sim.risk_bench import JUDGED, LETTER, NEXT, QUIET, TO_END, Bench
from sim.risk_reference import READS, Order

CHILD = {"lane": 1, "symbol": b"SYM3    ", "sell": 0, "quantity": 100, "price": 7}


async def begin(dut, *parents):
    """Return a bench whose lanes need parents; each of `parents`: number, symbol, sell, shares, children."""
    bench = Bench(dut)
    await bench.start()
    dut.parentless.value = 0
    for parent in parents:
        await bench.load_parent(*parent)
    return bench


def kept(bench, **order):
    """Plan an order and its frame, which is kept; return the frame, and when the next price may come."""
    at = bench.cycle + QUIET
    bench.order(at, **order)
    return bench.end(at + TO_END, True), at + TO_END + NEXT


async def left(bench, number):
    """Return the shares and the children that a parent has left."""
    word = await bench.bus.read_pair(Reg.PARENT_LEFT + 2 * number)
    return (word & 0xFFFFFFFF) - (word >> 31 & 1) * 2**32, word >> 32


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def what_comes_back_to_a_parent_counts_from_its_own_cycle_on(dut):
    """A child that did not leave, undone from p+4 on, makes room for the order of p; one from p+5 on does not."""
    bench = await begin(dut, (7, 3, 0, 100, 40))
    for named in (READS, 14, 17):
        for offset in range(-2, named + 4):
            failed, at = kept(bench, **CHILD, parent=7)
            order = bench.order(at, **CHILD, parent=7, named=named)
            await bench.until(at - 40)
            bench.fail(at + offset - 1, failed)
            last = bench.end(at + TO_END, True)
            await bench.until(at + TO_END + 1)
            assert order.results[5:] == (offset > 0, False), f"{named=} {offset=}"
            if offset <= 0:
                bench.fail(bench.cycle + 30, last)
            await bench.until(bench.cycle + 60)
    await bench.compare()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_look_at_a_parent_is_not_disturbed_by_what_is_undone(dut):
    """Of another parent, which has nothing left, in every cycle around it."""
    bench = await begin(dut, (7, 3, 0, 100, 400), (8, 3, 0, 100, 400))
    for offset in range(20):
        failed, at = kept(bench, **CHILD, parent=7)
        order = bench.order(at, **CHILD, parent=8, named=14)
        await bench.until(at - 40)
        bench.fail(at + offset - 5, failed)
        last = bench.end(at + TO_END, True)
        await bench.until(at + TO_END + 1)
        assert order.results[5:] == (False, False), f"{offset=}"
        bench.fail(bench.cycle + 30, last)
        await bench.until(bench.cycle + 60)
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def an_order_that_names_its_parent_too_late_or_never_is_not_decided_and_holds_nothing_up(dut):
    """P12: it ends with its message or its frame, whichever comes first, and what was to be applied goes on then."""
    bench = await begin(dut, (7, 3, 0, 1000, 40))
    for named in (18, JUDGED - 1, JUDGED, JUDGED + 1, 60):
        for ends in (10, JUDGED - 2, TO_END):
            failed, at = kept(bench, **CHILD, parent=7)
            bench.order(at, **CHILD, parent=7, named=named, refused=True)
            bench.fail(at + 1, failed)  # its entry would begin in p+6
            bench.end(at + ends, True)
            over = at + min(ends, JUDGED)
            bench.reference.forbidden.append((at + 5, over + 2))
            for cycle in range(at + 1, over):
                await bench.until(cycle)
                assert dut.busy.value and not dut.decided.value
            await bench.until(max(over, at + ends) + 12)
            assert not dut.busy.value, f"{named=} {ends=}"
            assert await left(bench, 7) == (1000, 40)
            bench.at(bench.cycle + 1, named=1)
            await bench.until(bench.cycle + 60)
    await bench.compare()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def what_is_reported_gives_back_to_the_parent_what_was_not_executed(dut):
    """By hand: shares and children that are left; executed shares are used for good, and those above all as well."""
    bench = await begin(dut, (511, 1, 1, 1000, 3))
    dut.heard.value = 1 << 4
    for ref in (7, 8):
        bench.at(bench.cycle + 1, user_ref=ref)
        order = {"lane": 4, "symbol": b"SYM1    ", "sell": 1, "quantity": 400, "price": 10}
        _, at = kept(bench, **order, parent=511, named=14)
        await bench.until(at)
    tell = [  # kind, number, shares; shares and children left
        ("A", 7, 400, 200, 1),
        ("E", 7, 100, 200, 1),
        ("C", 7, 50, 250, 1),
        ("M", 7, 200, 300, 1),
        ("E", 7, 200, 300, 1),
        ("E", 8, 900, -200, 1),
        ("C", 8, 1, -200, 1),  # of an order that is over
    ]
    for kind, ref, shares, *has in tell:
        bench.report(bench.cycle + 2, kind, ref, shares, 10, lane=4)
        await bench.until(bench.cycle + 100)
        await bench.settle()
        assert await left(bench, 511) == tuple(has), kind
    assert not dut.fault.value


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def an_order_that_needs_no_parent_is_none_of_the_one_that_it_names(dut):
    """Charged, canceled by the exchange, or undone, it takes nothing from the parent and gives it nothing."""
    bench = await begin(dut, (7, 3, 0, 1000, 40))
    dut.heard.value = dut.parentless.value = 1 << 1
    for ref in (7, 8):
        bench.at(bench.cycle + 1, user_ref=ref)
        frame, at = kept(bench, **CHILD, parent=7)
        bench.decided.clear()
        await bench.until(at)
        bench.reference.left[7] = [1000, 40]  # it takes the order for a child
        assert len(bench.decided) == 1 and await left(bench, 7) == (1000, 40)
    bench.report(bench.cycle + 2, "C", 7, 100, lane=1)
    bench.fail(bench.cycle + 3, frame)
    await bench.until(bench.cycle + 100)
    await bench.settle()
    assert await bench.bus.read_pair(Reg.EXPOSURE + 4 * 3) == 0
    assert await left(bench, 7) == (1000, 40) and not dut.fault.value


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def parents_are_loaded_when_a_clear_is_over_and_gone_behind_the_next(dut):
    """What was charged before a clear gives nothing back. Of a parent all is read but its children."""
    bench = await begin(dut)
    frames = []
    for _ in range(2):
        await bench.load_parent(300, 3, 0, 1000, 9)
        assert await bench.bus.read_pair(Reg.PARENT + 600) == 1000 | 3 << 32 | LETTER << 42
        assert await left(bench, 300) == (1000, 9)
        failed, at = kept(bench, **CHILD | {"quantity": 600}, parent=300)
        frames.append(failed)
        await bench.until(at)
        assert await left(bench, 300) == (400, 8)
        assert await bench.bus.access(Reg.PARENT_LEFT + 600, 1) is None
        await bench.bus.write(Reg.CLEAR_EXPOSURE, 1)
        bench.reference.released.clear()
        bench.reference.gross.clear()
        assert await bench.bus.read_pair(Reg.EXPOSURE) == 0 and dut.clearing.value  # others are answered meanwhile
        bench.bus.patience = 1100
        assert await bench.bus.read_pair(Reg.PARENT + 600) == 0 and not dut.clearing.value
        assert await left(bench, 300) == (0, 0)
    await bench.load_parent(300, 3, 0, 1000, 9)
    for frame in frames:
        frame["orders"] = [Order(o.at, o.lane, o.index, o.sell, 0, 0) for o in frame["orders"]]
        bench.fail(bench.cycle + 5, frame)
        await bench.until(bench.cycle + 40)
    await bench.compare()

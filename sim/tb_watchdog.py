"""Bench of `hdl.filter.watchdog`: both sides of the deadline, near 32-bit boundaries of `now`, and at random."""

import random

import cocotb

from sim.play import play, reset

OUTPUTS = ("expired", "deadline")
NEVER = (1 << 64) - 1


@cocotb.test(timeout_time=100, timeout_unit="us")
async def p4_expired_after_reset(dut):
    """P4: no time-out, or no heartbeat: expired, and nothing to wait for."""
    await reset(dut)
    rows = (
        [{"now": 5, "timeout": 0, "heartbeat": 0}] * 5 + [{"heartbeat": 1}] * 5 + [{"heartbeat": 0, "timeout": 9}] * 5
    )
    record = await play(dut, rows, OUTPUTS)
    assert all(row == {"expired": 1, "deadline": NEVER} for row in record)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(
    begin=[0, (1 << 32) - 20, (1 << 32) - 1, 1 << 32, (7 << 32) - 40],
    timeout=[3, 30, (1 << 32) - 1],
)
async def p10_it_expires_two_cycles_after_the_deadline(dut, begin, timeout):
    """P10: not before; also when `now` jumps to just before the deadline; the deadline is told exactly."""
    await reset(dut)
    await play(dut, [{"now": begin, "timeout": timeout, "heartbeat": 0}] * 4, OUTPUTS)
    jump = max(timeout - 30, 0)
    times = [begin, begin + 1, *range(begin + 2 + jump, begin + timeout + 10)]
    rows = [{"now": now, "heartbeat": int(now == begin)} for now in times]
    record = await play(dut, rows, OUTPUTS)
    assert not record[1]["expired"]
    for now, row in zip(times[2:], record[2:], strict=True):
        expired = now >= begin + timeout + 2
        assert row == {"expired": int(expired), "deadline": NEVER if expired else begin + timeout}, f"{now=}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(early=[3, 1, 0, -1, -2])
async def p10_a_heartbeat_at_the_deadline_is_in_time(dut, early):
    """P10: in the cycle in which `now` reaches the deadline it still counts; one later the expiry is not skipped."""
    await reset(dut)
    rows = [{"now": 100 + cycle, "timeout": 50, "heartbeat": int(cycle in (10, 60 - early))} for cycle in range(100)]
    record = await play(dut, rows, OUTPUTS)
    expired = [cycle for cycle, row in enumerate(record) if row["expired"] and cycle > 10]
    if early >= 0:
        assert expired == []
        assert record[-1]["deadline"] == 100 + 60 - early + 50
    else:
        assert expired[0] == 62
        assert record[62]["deadline"] == NEVER


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_next_heartbeat_restarts_an_expired_timer(dut):
    """And a time-out of 0 stops it at once, until there is one again and a heartbeat."""
    await reset(dut)
    rows = [{"now": 1000, "timeout": 20, "heartbeat": 0}, {"heartbeat": 1}, {"heartbeat": 0}, {"now": 1100}, {}, {}]
    rows += [{"heartbeat": 1}, {"heartbeat": 0}, {"timeout": 0}, {}, {"heartbeat": 1}, {"heartbeat": 0, "timeout": 20}]
    rows += [{}, {}, {"heartbeat": 1}, {"heartbeat": 0}, {}]
    record = await play(dut, rows, OUTPUTS)
    assert [row["expired"] for row in record] == [1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert [record[8]["deadline"], record[9]["deadline"], record[10]["deadline"]] == [1120, 1120, NEVER]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(timeout=[1, (1 << 32) - 1])
@cocotb.parametrize(beyond=[0, 1, 1 << 32, (1 << 33) - 6])
async def p10_a_jump_over_the_deadline_expires(dut, timeout, beyond):
    """P10: in two cycles, however far it jumps."""
    await reset(dut)
    begin = (9 << 32) - 3
    rows = [{"now": begin, "timeout": timeout, "heartbeat": 0}] * 3 + [{"heartbeat": 1}, {"heartbeat": 0}]
    rows += [{"now": begin + timeout + beyond + cycle, "heartbeat": 0} for cycle in range(5)]
    record = await play(dut, rows, OUTPUTS)
    assert [row["expired"] for row in record] == [1, 1, 1, 1, 0, 0, 0, 1, 1, 1]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def random_heartbeats_are_as_the_model_says(dut):
    """Random time-outs, heartbeats and jumps of `now`, against the contract in plain Python."""
    await reset(dut)
    rows, now = [], random.getrandbits(40)
    for _ in range(5000):
        now += random.choice([1, 1, 1, 1, random.randrange(1, 40)])
        rows.append({"now": now, "heartbeat": int(random.random() < 0.05)})
        if random.random() < 0.01:
            rows[-1]["timeout"] = random.choice([0, 1, 2, random.randrange(100)])
    rows[0]["timeout"] = 60
    record = await play(dut, rows, OUTPUTS)

    expired, deadline, coming, late, never, timeout = 1, NEVER, None, False, True, 0
    for cycle, (row, sample) in enumerate(zip(rows, record, strict=True)):
        assert sample == {"expired": expired, "deadline": deadline}, f"{cycle=}"
        timeout = row.get("timeout", timeout)
        reached = row["now"] >= deadline and not row["heartbeat"] and coming is None
        deadline, coming = coming or deadline, None
        if never or late:
            expired, deadline = 1, NEVER
        elif row["heartbeat"]:
            expired, coming = 0, row["now"] + timeout
        late, never = reached, timeout == 0

"""Bench of the store of contexts: saves, loads and commits at random distances, beside a plain reading."""

import random

import cocotb

from hdl.filter.context import WORD_BITS, WORDS
from hdl.filter.store import ContextStore
from sim.play import Packed, play, reset

OUTPUTS = Packed(ContextStore()).fields
IDLE = {"start_load": 0, "start_save": 0, "commit": 0}
LANES_FROM = 32


def words_of(context):
    return [context >> WORD_BITS * n & (1 << WORD_BITS) - 1 for n in range(WORDS)]


class Script:
    """Inputs by cycle. The context is another one in every cycle, so that each word tells when it was taken."""

    def __init__(self, seed):
        self.rng, self.events, self.contexts = random.Random(seed), {}, []

    def put(self, cycle, **values):
        row = self.events.setdefault(cycle, {})
        assert not row.keys() & values.keys()
        row.update(values)

    def load(self, cycle, slot, *, anew=0):
        """Start a load: what else it needs comes a cycle later."""
        self.put(cycle, start_load=1, load_lane=slot & 7)
        for later in range(cycle + 1, cycle + 9):
            self.put(later, load_slot=slot, anew=anew)

    async def play(self, dut):
        """Return the outputs, and fill `contexts`."""
        table = []
        for _ in range(max(self.events) + 60):
            noise = {"anew": 2, "load_slot": 64, "load_lane": 8, "save_slot": 32, "commit_slot": 32, "commit_lane": 8}
            row = {name: self.rng.randrange(most) for name, most in noise.items()}
            self.contexts.append(self.rng.getrandbits(WORDS * WORD_BITS))
            table.append({**IDLE, **row, "context": self.contexts[-1], **self.events.get(len(table), {})})
        return await play(dut, table, OUTPUTS)

    def saved(self, start):
        """Return the words that a save that starts in cycle `start` takes."""
        at = {0: start + 11} | {n: start + 2 + n for n in range(1, WORDS)}
        return [words_of(self.contexts[at[n]])[n] for n in range(WORDS)]


def loaded(record, start):
    """Return the words that come with the strobes, each of which comes in its cycle and alone."""
    words = []
    for n in range(WORDS):
        assert record[start + 3 + n]["load"] == 1 << n, (start, n)
        words.append(record[start + 3 + n]["word"])
    return words


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_slot_keeps_its_own_context(dut):
    """Saved in order, as close as they may be, and loaded as close as they may be; nothing else is strobed."""
    await reset(dut)
    script = Script(1)
    for slot in range(32):
        script.put(10 + 12 * slot, start_save=1, save_slot=slot)
    for place, slot in enumerate(reversed(range(32))):
        script.load(500 + 9 * place, slot)
    record = await script.play(dut)
    for place, slot in enumerate(reversed(range(32))):
        assert loaded(record, 500 + 9 * place) == script.saved(10 + 12 * slot), slot
    assert not any(row["load"] for row in record[:503] + record[503 + 32 * 9 :])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def nothing_is_loaded_for_a_new_session(dut):
    await reset(dut)
    script = Script(5)
    script.load(10, 3, anew=1)
    script.load(19, 4)
    record = await script.play(dut)
    assert [cycle for cycle, row in enumerate(record) if row["load"]] == list(range(22, 30))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_save_is_there_twelve_cycles_later(dut):
    await reset(dut)
    script = Script(2)
    for n in range(20):
        script.put(10 + 50 * n, start_save=1, save_slot=n)
        script.load(22 + 50 * n, n)
    record = await script.play(dut)
    for n in range(20):
        assert loaded(record, 22 + 50 * n) == script.saved(10 + 50 * n)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_commit_alone_takes_twelve_cycles(dut):
    """`pending` from the cycle behind the strobe, for 12 cycles, and only of that lane."""
    await reset(dut)
    script = Script(3)
    for lane in range(8):
        script.put(100 * lane + 10, start_save=1, save_slot=lane + 3)
        script.put(100 * lane + 40, commit=1, commit_slot=lane + 3, commit_lane=lane)
    record = await script.play(dut)
    for lane in range(8):
        shown = [cycle for cycle, row in enumerate(record) if row["pending"] >> lane & 1]
        assert shown == list(range(100 * lane + 41, 100 * lane + 53)), (lane, shown)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def a_load_of_a_lane_gives_what_was_committed_last(dut):
    """At every distance from the commit, with saves and loads of others between, and bursts of commits."""
    await reset(dut)
    script = Script(4)
    rng = script.rng
    slot, cycle, saved_at, expected = 0, 20, {}, {}
    last = {}
    loads = []
    load_free = save_free = 0
    while cycle < 60_000:
        cycle += 1
        if cycle >= save_free and rng.random() < 0.02:
            slot = (slot + 1) % 32
            script.put(cycle, start_save=1, save_slot=slot)
            save_free = cycle + 12 + rng.choice((0, 0, 30))
            saved_at[slot] = cycle
        ready = [s for s, at in saved_at.items() if at + 12 <= cycle and (slot - s) % 32 < 16]
        if ready and rng.random() < rng.choice((0.01, 0.2)) and cycle % 400 < 120:
            lane, source = rng.randrange(rng.choice((2, 8))), rng.choice(ready)
            script.put(cycle, commit=1, commit_slot=source, commit_lane=lane)
            expected[cycle, lane] = saved_at[source]
        if cycle >= load_free and rng.random() < rng.choice((0.02, 0.3)):
            lane = rng.randrange(8)
            if lane in last and rng.random() < 0.7:
                script.load(cycle, LANES_FROM + lane)
                loads.append((cycle, last[lane]))
                load_free = cycle + 9
            elif ready:
                source = rng.choice(ready)
                script.load(cycle, source)
                loads.append((cycle, saved_at[source]))
                load_free = cycle + 9
        for lane in range(8):
            if (cycle, lane) in expected:  # seen by the loads behind this cycle
                last[lane] = expected[cycle, lane]
    record = await script.play(dut)
    assert len(loads) > 3000
    for start, saved in loads:
        assert loaded(record, start) == script.saved(saved), (start, saved)
    assert any(row["pending"].bit_count() > 3 for row in record)
    assert record[-1]["pending"] == 0

"""The engine: what goes in comes out in its cycle, time jumps where it may and nowhere else."""

import random
import re
import subprocess

import numpy as np
import pytest

from hdl.wire.board import Side
from sim import export, library
from sim.engine import CARRIER, FRAME, MOMENT, Carrier, Engine, EngineError, Output, _join, pack
from tests.stub import stub_verilog

ORDER_DELAY, RETURN_DELAY = 20, 4  # of the stub, in cycles
BIT = 8  # cycles of a bit of the control link
HUNDRED = bytes(range(100))


@pytest.fixture
def engine():
    with Engine(stub_verilog()) as engine:
        yield engine


def test_a_frame_comes_out_with_its_octets_and_its_cycles(engine):
    out = engine.run(1000, carriers=[Carrier(10, HUNDRED), Carrier(300, b"back", side=Side.EXCHANGE)])
    assert list(out) == [
        # (first octet of the preamble, side, octets, preamble, er, last octet)
        (10 + ORDER_DELAY, Side.EXCHANGE, HUNDRED, 8, None, 10 + ORDER_DELAY + 107),
        (300 + RETURN_DELAY, Side.SERVER, b"back", 8, None, 300 + RETURN_DELAY + 11),
    ]
    assert engine.now == 1000


def test_any_carrier_can_be_sent(engine):
    """Short, long and no preamble, no start delimiter, a single octet."""
    raw = [b"\x55\xd5abc", b"\xd5abc", b"\x55\x55\x55", b"\xd5", b"\x12"]
    carriers = [Carrier(100 * number, octets, preamble=0) for number, octets in enumerate(raw)]
    carriers.append(Carrier(600, b"abc", preamble=20))
    out = engine.run(1000, carriers=carriers)
    assert [(f.at - ORDER_DELAY, f.octets, f.preamble) for f in out] == [
        (0, b"abc", 2), (100, b"abc", 1), (200, b"", 3), (300, b"", 1), (400, b"", 1), (600, b"abc", 20),
    ]  # fmt: skip
    assert out.octets == b"".join(raw) + 19 * b"\x55" + b"\xd5abc"


def test_an_error_is_put_where_asked_and_reported_where_seen(engine):
    carriers = [
        Carrier(0, HUNDRED, er=(8 + 37, 1)),
        Carrier(200, HUNDRED, er=(2, 1)),  # in the preamble
        Carrier(400, HUNDRED, er=(107, 50)),  # from the last octet on
        Carrier(600, HUNDRED, er=(0, 108)),
    ]
    out = engine.run(1000, carriers=carriers)
    assert [frame.er for frame in out] == [37, 0, 99, 0]
    assert out.frames["er"].tolist() == [45, 2, 107, 0]
    assert out.frames["er_count"].tolist() == [1, 1, 1, 108]


def test_a_carrier_waits_for_its_gap_and_keeps_its_order(engine):
    """Asked for at 0, 0, 5 and 500: the second ends what the first left, the third needs only one cycle of rest."""
    carriers = [Carrier(0, b"a" * 64), Carrier(0, b"b" * 64), Carrier(5, b"c" * 64, gap=1), Carrier(500, b"d")]
    out = engine.run(1000, carriers=carriers)
    assert out.started.tolist() == [(0, 0, 0), (72 + 12, 1, 0), (84 + 72 + 1, 2, 0), (500, 3, 0)]
    assert [frame.octets[:1] for frame in out] == [b"a", b"b", b"c", b"d"]


def test_the_sides_do_not_wait_for_each_other(engine):
    out = engine.run(500, carriers=[Carrier(0, HUNDRED), Carrier(3, HUNDRED, side=Side.EXCHANGE)])
    assert out.started.tolist() == [(0, 0, 0), (3, 1, 1)]


def test_a_carrier_that_is_still_leaving_is_reported_when_it_has_left(engine):
    assert not list(engine.run(100, carriers=[Carrier(10, HUNDRED)]))
    assert [(frame.at, len(frame.octets)) for frame in engine.run(200)] == [(30, 100)]


def test_control_octets_follow_each_other_bit_by_bit(engine):
    """The stub answers 2 cycles after; an octet is reported in the middle of its stop bit, 9.5 bits after its start bit
    began."""
    out = engine.run(2000, control=[(100, b"\xa5\x00"), (1000, b"\xff")])
    seen = 2 + BIT // 2 + 9 * BIT - 1 + 1
    assert out.control.tolist() == [(100 + seen, 0xA5, 0), (180 + seen, 0, 0), (1000 + seen, 0xFF, 0)]
    assert out.control_octets == b"\xa5\x00\xff"


def test_loop_and_kill_have_their_cycles(engine):
    """The stub shows `killed` 3 cycles after the loop opened, and 1 after a frame began."""
    out = engine.run(1000, carriers=[Carrier(10, HUNDRED)], loop=[(500, False), (600, True)])
    assert out.killed.tolist() == [(11, 0, 0), (503, 0xFF, 0)]
    assert engine.killed == 0xFF


def test_a_reset_in_a_frame_cuts_it(engine):
    with pytest.raises(ValueError, match=r"^resets are for an engine with resettable=True$"):
        engine.run(1000, resets=[(60, 2)])
    with Engine(stub_verilog(), resettable=True) as resettable:
        out = resettable.run(1000, carriers=[Carrier(10, HUNDRED)], resets=[(60, 2)])
    (first, second) = out
    assert (first.at, first.end) == (30, 60)  # in cycle 61 the registers show their reset values
    assert first.octets == HUNDRED[: 60 - 30 - 8 + 1]
    assert (second.at, second.end) == (62 + ORDER_DELAY, 10 + 107 + ORDER_DELAY)
    assert out.killed.tolist() == [(11, 0, 0), (61, 0xFF, 0), (63, 0, 0)]  # the stub takes the rest for a new frame


def test_idle_time_costs_nothing(engine):
    out = engine.run(10**15, carriers=[Carrier(10, HUNDRED), Carrier(7 * 10**14, HUNDRED)])
    assert [frame.at for frame in out] == [30, 7 * 10**14 + ORDER_DELAY]
    assert engine.now == 10**15
    assert engine.simulated < 1000


def test_time_never_jumps_over_an_input(engine):
    out = engine.run(10**9, loop=[(10**6, False), (10**6 + 50, True)], carriers=[Carrier(10**6 + 60, HUNDRED)])
    assert out.killed.tolist() == [(10**6 + 61, 0, 0), (10**6 + 61 + 5000, 0xFF, 0)]
    out = engine.run(2 * 10**9, carriers=[Carrier(10**9 + 777, b"")], loop=[(10**9 + 900, False)])
    assert out.killed.tolist() == [(10**9 + 778, 0, 0), (10**9 + 903, 0xFF, 0)]


def test_time_never_jumps_over_the_watchdog(engine):
    """P10: a frame at 10 sets the stub's deadline to 5010 and it kills one cycle after it, however long the run."""
    out = engine.run(10**12, carriers=[Carrier(10, HUNDRED)])
    assert out.killed.tolist() == [(11, 0, 0), (5011, 0xFF, 0)]
    assert engine.simulated < 1000


def test_a_core_that_is_busy_is_not_skipped():
    with Engine(stub_verilog(restless=True)) as engine:
        engine.run(20_000)
        assert engine.simulated == 20_000


@pytest.mark.parametrize("seed", range(5))
def test_runs_may_be_cut_anywhere(seed):
    """The same inputs give the same outputs, and as many cycles simulated, in one run and in many."""
    chance = random.Random(seed)
    carriers = [Carrier(chance.randrange(60_000), chance.randbytes(70), side=chance.randrange(2)) for _ in range(40)]
    carriers.sort()
    loop = [(chance.randrange(60_000), bool(chance.randrange(2))) for _ in range(10)]
    control = [(at, chance.randbytes(3)) for at in sorted(chance.sample(range(60_000), 5))]
    cuts = sorted({*(chance.randrange(70_000) for _ in range(200)), 70_000})
    with Engine(stub_verilog()) as whole, Engine(stub_verilog()) as cut:
        expected = whole.run(70_000, carriers=carriers, loop=loop, control=control)
        got = _join([cut.run(cuts[0], carriers=carriers, loop=loop, control=control), *map(cut.run, cuts[1:])])
        assert whole.simulated == cut.simulated < 60_000
    assert list(got) == list(expected)
    for name in ("started", "killed", "control"):
        assert getattr(got, name).tolist() == getattr(expected, name).tolist()
    assert len(expected.killed) > 3


def test_bulk_and_single_carriers_are_the_same():
    carriers = [Carrier(100 * number, HUNDRED[: number + 1], er=(number, 1)) for number in range(50)]
    specs, pool = pack(carriers)
    assert (specs.dtype, len(specs), len(pool)) == (CARRIER, 50, 50 * 51 // 2)
    with Engine(stub_verilog()) as one, Engine(stub_verilog()) as other:
        assert list(one.run(10_000, carriers=carriers)) == list(other.run(10_000, carriers=(specs, pool)))


def test_collections_of_one_run_are_joined():
    moments = np.zeros(1, MOMENT)
    frames = np.zeros(1, FRAME)
    frames["length"], frames["preamble"] = 3, 1
    part = Output(frames, b"\xd5ab", moments, moments, moments)
    joined = _join([part, part])
    assert [frame.octets for frame in joined] == [b"ab", b"ab"]
    assert len(joined.control) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 5}, "carrier 0: its octets must lie in the pool"),
        ({"offset": 4_000_000_000}, "carrier 0: its octets must lie in the pool"),
        ({"length": 0, "preamble": 0}, "carrier 0: it must have at least one octet"),
        ({"gap": 0}, "carrier 0: gap must be at least 1"),
        ({"side": 2}, "carrier 0: side must be 0 or 1"),
    ],
)
def test_a_wrong_carrier_is_refused(engine, change, message):
    specs, pool = pack([Carrier(0, b"abcd")])
    for name, value in change.items():
        specs[name] = value
    with pytest.raises(ValueError, match=f"^{message}$"):
        engine.run(100, carriers=(specs, pool))


# The control link settles.


def test_settle_ends_when_the_request_was_answered(engine):
    """Three octets of 80 cycles; the stub answers so early that the request's last stop bit is the end."""
    out = engine.run(10**9, control=[(0, b"\x01\x02\x00")], settle=True)
    assert out.control_octets == b"\x01\x02\x00"
    assert engine.now == 3 * 80


def test_settle_waits_for_no_answer_to_half_a_request(engine):
    engine.run(10**9, control=[(0, b"\x01\x02")], settle=True)
    assert engine.now <= 2 * 80 + 2


def test_settle_lets_traffic_go_on(engine):
    out = engine.run(10**9, carriers=[Carrier(50, HUNDRED)], control=[(0, b"\x01\x02\x00")], settle=True)
    assert [frame.at for frame in out] == [70]


def test_settle_gives_up_when_a_core_at_rest_has_not_answered():
    with Engine(stub_verilog(mute=True)) as engine:
        engine.run(10**9, control=[(0, b"\x01\x02\x00")], settle=True)
        assert engine.now < 1000
        engine.run(10**9, control=[(0, b"\x00")], settle=True)  # and does not wait for that answer again
        assert engine.now < 1000


def test_settle_gives_up_on_a_busy_core_in_the_end():
    with Engine(stub_verilog(mute=True, restless=True)) as engine:
        engine.run(10**9, control=[(0, b"\x01\x02\x00")], settle=True)
        assert 100_000 < engine.now < 101_000
        engine.run(10**9, control=[(0, b"\x01")], settle=True)  # and does not wait for that answer again
        assert engine.now < 101_000


# Waveforms.


def changes(path, name):
    """Return the (time, value) pairs of a signal of the top module in a VCD file, and the first and last time."""
    text = path.read_text()
    # Verilator writes ports in their own scope first; both have the same identifier.
    identifier = re.search(rf"\$var wire +1 (\S+) {name} \$end", text)[1]
    time, found, times = 0, [], []
    for line in text.split("$enddefinitions $end")[1].splitlines():
        if line.startswith("#"):
            time = int(line[1:])
            times.append(time)
        elif line[1:] == identifier:
            found.append((time, int(line[0])))
    return found, times[0], times[-1]


def test_a_waveform_shows_its_window_of_the_past(tmp_path):
    """Times are nanoseconds, 8 a cycle: the frame at 10 has its last octet on the pins in cycle 137."""
    with Engine(stub_verilog(), log=tmp_path / "log") as engine:
        engine.run(500, carriers=[Carrier(10, HUNDRED)])
        late = Carrier(0, HUNDRED)  # begins in 500, and so it must when the log is run again
        engine.run(10**9, carriers=[late, Carrier(10**6, HUNDRED)], control=[(0, b"\x00")], loop=[(50_000, False)])
        engine.wave(130, 145, tmp_path / "a.vcd")
        engine.wave(510, 530, tmp_path / "late.vcd")
        engine.wave(10**6 + 15, 10**6 + 25, tmp_path / "b.vcd")
    found, first, last = changes(tmp_path / "a.vcd", "exchange_tx_en")
    assert (first, last) == (130 * 8, 145 * 8 + 4)
    assert found == [(130 * 8, 1), (138 * 8, 0)]
    assert changes(tmp_path / "late.vcd", "exchange_tx_en")[0] == [(510 * 8, 0), (520 * 8, 1)]
    found, first, last = changes(tmp_path / "b.vcd", "exchange_tx_en")
    assert (first, last) == ((10**6 + 15) * 8, (10**6 + 25) * 8 + 4)
    assert found == [((10**6 + 15) * 8, 0)]  # the loop is open: nothing leaves


def test_a_waveform_needs_a_log_and_a_window_in_the_past(tmp_path, engine):
    with pytest.raises(EngineError, match=r"^no waveform without an input log$"):
        engine.wave(0, 1, tmp_path / "a.vcd")
    with Engine(stub_verilog(), log=tmp_path / "log") as logged:
        logged.run(2_000_000)
        for first, last, message in [
            (5, 4, "no waveform of cycles 5 to 4: the window must lie in 0 to 1999999"),
            (0, 2_000_000, "no waveform of cycles 0 to 2000000: the window must lie in 0 to 1999999"),
            (0, 1_048_576, "no waveform of 1048577 cycles: 1048576 are the most"),
        ]:
            with pytest.raises(EngineError, match=f"^{message}$"):
                logged.wave(first, last, tmp_path / "a.vcd")
        with pytest.raises(EngineError, match=r"^cannot write the waveform .*/none/a\.vcd$"):
            logged.wave(0, 1, tmp_path / "none" / "a.vcd")


# Building.


def test_a_library_is_built_once():
    text = stub_verilog()
    place = library.library(text)
    before = place.stat().st_mtime_ns
    assert library.library(text) == place
    assert place.stat().st_mtime_ns == before
    assert library.library(text, traced=True) != place


def test_a_core_that_does_not_compile_is_named(monkeypatch, tmp_path):
    failed = r"did not build the engine \(exit code 1\)"
    with pytest.raises(EngineError, match=rf"^verilator_bin {failed}: %Error: core\.v:1:"):
        Engine("module breakwire(;", cache=tmp_path)
    with pytest.raises(EngineError, match=rf"^verilator_bin {failed}: %Error-PINNOTFOUND: .* Pin not found: 'now'$"):
        Engine("module breakwire(input clk, input rst); endmodule", cache=tmp_path)
    monkeypatch.setattr(library, "COMPILE", ("-std=none",))
    with pytest.raises(EngineError, match=rf"^g\+\+ {failed}: .*-std=none"):
        Engine(stub_verilog(), cache=tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if not path.name.startswith("runtime-")]


def test_a_missing_compiler_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"^missing on this machine: g\+\+; on Debian: apt install g\+\+$"):
        Engine(stub_verilog())


def test_the_hash_names_the_text_that_was_built(engine, tmp_path):
    (tmp_path / "core.v").write_text(stub_verilog())
    done = subprocess.run(["sha256sum", tmp_path / "core.v"], capture_output=True, text=True, check=True)
    assert engine.core_sha256 == done.stdout[:64]


def test_the_cache_outside_of_a_checkout_is_the_users(monkeypatch, tmp_path):
    assert export.cache_folder().parts[-2:] == ("build", "engine")
    monkeypatch.setattr(export, "__file__", str(tmp_path / "site-packages" / "sim" / "export.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert export.cache_folder() == tmp_path / "cache" / "breakwire"

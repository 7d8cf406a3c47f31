"""What a drill is told to do, and what it found."""

from dataclasses import dataclass, field

from hdl.wire.board import CYCLE_NS
from hdl.wire.verdict import Source
from host.config import Limits

CYCLES_PER_S = 1_000_000_000 // CYCLE_NS
BAD = 8  # the lane whose server was missed


@dataclass(frozen=True)
class Script:
    """Times of day in seconds, and rates. `peg_per_s` is the model's rate of one bad server before any rollback."""

    power_s: float = 8 * 3600.0
    arm_s: float = 9.5 * 3600 - 2
    open_s: float = 9.5 * 3600
    operator_s: float = 9.5 * 3600 + 30
    pulled_s: float = 9.5 * 3600 + 35
    repaired_s: float = 9.75 * 3600
    clean_s: float = 10.0
    after_kill_s: float = 2.0
    step_s: float = 0.25
    peg_per_s: float = 444.4
    parents: int = 212
    more_parents: int = 40
    burst: int = 160


@dataclass(frozen=True)
class Killed:
    """A kill as the board tells it: its edge in cycles, what asked for it, the lanes newly killed."""

    at: int
    source: Source
    lanes: int
    t_effective: int
    opened: int = 0  # cycle of the next arm; 0 if there was none


@dataclass
class Outcome:
    """What the drill found, for the results and the report."""

    script: Script
    limits: Limits
    seed: int
    rig: str
    clock: str
    core_sha256: str
    builds: dict[int, str] = field(default_factory=dict)  # at the open
    zero: int = 0  # cycle of `script.power_s`
    opened: int = 0
    ended: int = 0
    first_bad: int = 0
    kills: list[Killed] = field(default_factory=list)
    t_pass: list[int] = field(default_factory=list)
    t_breach: list[int] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    gross: list[int] = field(default_factory=list)  # before it was cleared
    counters: list[list[int]] = field(default_factory=list)
    dropped_before_kill: dict[int, int] = field(default_factory=dict)
    events_passed_over: int = 0
    lines: list[tuple[float, str]] = field(default_factory=list)

    def day_s(self, cycle: int) -> float:
        """Return the time of day of a cycle, in seconds."""
        return self.script.power_s + (cycle - self.zero) / CYCLES_PER_S

    def kill_of(self, source: Source) -> Killed | None:
        return next((kill for kill in self.kills if kill.source == source), None)


def clock(day_s: float) -> str:
    """Return a time of day as people write it."""
    ms = round(day_s * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"

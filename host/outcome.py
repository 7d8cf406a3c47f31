"""What a drill is told to do, and what it found."""

from collections import Counter
from dataclasses import dataclass, field

from hdl.wire.verdict import Source
from host.config import CYCLES_PER_S, Limits

BAD = 8  # the lane whose server was missed


@dataclass(frozen=True)
class Script:
    """Times of day in seconds, and rates. `peg_per_s` is the model's rate of one bad server before any rollback."""

    power_s: float = 8 * 3600.0
    connect_s: float = 9.5 * 3600 - 5
    arm_s: float = 9.5 * 3600 - 2
    open_s: float = 9.5 * 3600
    operator_s: float = 9.5 * 3600 + 30
    pulled_s: float = 9.5 * 3600 + 35
    repaired_s: float = 9.5 * 3600 + 300
    clean_s: float = 10.0
    rest_s: float = 3.0
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


@dataclass(frozen=True, slots=True)
class Canceled:
    """A cancel that the exchange has acknowledged; `at` is the cycle in which its server read so."""

    at: int
    lane: int
    user_ref: int


@dataclass
class Told:
    """What the ends of the sessions know by themselves, to be compared with the board and the links."""

    lost: list[tuple[int, str]] = field(default_factory=list)  # (lane, how) of those that ended and no server wanted to
    canceled: list[Canceled] = field(default_factory=list)
    unsent: int = 0  # messages of servers without a session
    retransmissions: int = 0  # time-outs of either end
    reports: Counter[str] = field(default_factory=Counter)  # of the exchange, by name
    debugs: dict[int, int] = field(default_factory=dict)  # Debug packets that came to the exchange, by lane
    orders: dict[int, list[bytes]] = field(default_factory=dict)  # that came to the exchange, by lane


@dataclass
class Outcome:
    """What the drill found, for the results and the report."""

    script: Script
    limits: Limits
    protocol: str
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
    connected: list[int] = field(default_factory=list)  # lanes whose server could send at the open
    gross: list[int] = field(default_factory=list)  # by the board, before it was cleared
    notional: dict[int, int] = field(default_factory=dict)  # by the exchange, then, by lane
    reconciled: int = 0  # positions of symbols that were compared with the exchange's books
    unlike: list[str] = field(default_factory=list)  # how some of them differed
    told: Told | None = None  # over TCP, at the end
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

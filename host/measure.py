"""Kills at uniformly random phase against traffic, one fresh arm each: distributions from the capture registers.

Each trial sends frames of all lanes close to line rate (orders, packed datagrams, cancels; most of them 12 octet times
apart), kills in their midst, and compares what the links saw with what the captures say. A trial in which the two
disagree, or in which the kill met no traffic, is invalid and counted with its reason: it never improves a number.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hdl.wire.board import Side
from hdl.wire.ethernet import GAP_OCTETS
from hdl.wire.verdict import Source
from host import config, loader
from host.config import Limits
from host.device import ALL_LANES, Device
from host.errors import HostError, UsageError, VerificationError
from host.magazine import Magazine, Shot
from host.rig import Frame, Movement, Rig, last_cycle
from host.stats import summarize, table
from host.trial import BOUND, Trial

SCHEMA = "breakwire.measure/1"
SOURCES = {"loop": Source.LOOP, "serial": Source.SERIAL, "breach": Source.BREACH}
FRAMES = 36  # of a trial
SETTLE = 30_000  # cycles after the last frame in which everything comes to rest
LEAD = 200  # cycles from now to the first frame


@dataclass
class Campaign:
    """What a measurement found; latencies in cycles of 8 ns, one entry a valid trial."""

    source: str
    seed: int
    rig: str
    clock: str
    core_sha256: str
    kills: int = 0
    aborted: int = 0
    completed_after_kill: int = 0
    t_effective: list[int] = field(default_factory=list)
    t_breach: list[int] = field(default_factory=list)
    t_pass: list[int] = field(default_factory=list)
    conditioning: list[int] = field(default_factory=list)  # from the loop pin to the kill edge
    invalid: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        samples = {"t_effective": self.t_effective, "t_breach": self.t_breach, "t_pass": self.t_pass}
        return {
            "schema": SCHEMA,
            "rig": self.rig,
            "clock": self.clock,
            "source": self.source,
            "kills": self.kills,
            "invalid": self.invalid.total(),
            "completed_after_kill": self.completed_after_kill,
            "aborted": self.aborted,
            "core_sha256": self.core_sha256,
            "seed": self.seed,
            "latency_cycles": {name: summarize(values, "p50", "p99", "p999") for name, values in samples.items()},
        }

    def as_text(self) -> str:
        found = self.as_json()["latency_cycles"]
        rows: list[list[object]] = [["cycles of 8 ns", "count", "min", "p50", "p99", "p99.9", "max"]]
        for name, label in (
            ("t_effective", "T_effective: kill edge to last order out"),
            ("t_breach", "T_breach: last bit in to suppressed"),
            ("t_pass", "T_pass less F + 8"),
        ):
            if found[name]["n"]:
                rows.append([label, *found[name].values()])
        lines = [
            f"{self.kills} kills by {self.source} on the {self.rig} rig ({self.clock} clock), seed {self.seed}",
            table(rows),
            f"orders completed after the kill edge + {BOUND} cycles: {self.completed_after_kill}; "
            f"frames aborted: {self.aborted}",
        ]
        if valid := self.kills - self.invalid.total():
            lines.append(f"0 of {valid} failing would bound the probability below {3 / valid:.2g} at 95 %")
        if self.conditioning:
            low, high = min(self.conditioning), max(self.conditioning)
            lines.append(f"loop pin to kill edge, not part of the above: {low} to {high} cycles")
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.invalid.items()) or "none"
        lines.append(f"invalid trials: {reasons}")
        return "\n".join(lines)


class Measurement:
    """A campaign on a rig. `run` yields after each trial."""

    def __init__(self, rig: Rig, limits: Limits, source: str, *, seed: int):
        if source not in SOURCES:
            raise ValueError(f"source must be one of {', '.join(SOURCES)}, not {source!r}")
        if not limits.lane or not limits.symbols:
            raise UsageError("measuring needs at least one lane and one symbol in the limits")
        self.rig = rig
        self.device = Device(rig.control, name=f"the {rig.name} board")
        self.campaign = Campaign(source, seed, rig.name, rig.clock, rig.core_sha256)
        self._limits = config.lenient(limits)
        self._image = loader.build(self._limits)
        self._draw = random.Random(f"{seed} {source}")
        self._serial_delay = 0
        self._last_end = -(1 << 20)

    def run(self, kills: int) -> Iterator[Campaign]:
        """Load the limits, then kill `kills` times. Raises HostError."""
        self.device.check()
        self.rig.loop(closed=True)
        if self.device.killed() != ALL_LANES:
            self.device.kill()
        loader.load(self.device, self._image, anew=True)
        self._magazine = Magazine(self._limits, self.campaign.seed, last_ref=max(self.device.last_refs()))
        if self.campaign.source == "serial":
            self._arm()
            now = self.rig.run().now
            self.device.kill()
            self._serial_delay = self.device.captures().kill_at - now
        for _ in range(kills):
            self._trial()
            yield self.campaign

    def _arm(self) -> None:
        if killed := self.device.arm(self._image.crc):
            raise HostError(f"{self.device.name} armed, and lanes {killed:#04x} stayed killed; see `breakwire status`")

    def _trial(self) -> None:
        campaign = self.campaign
        self._arm()
        begin = self.rig.run().now + LEAD
        shots = self._magazine.shots(FRAMES, crossing=campaign.source == "breach")
        sent = self._schedule(begin, shots)
        self.rig.send(sent)
        span = sent[-1].end - begin
        phase = begin + round(self._draw.uniform(0.15, 0.7) * span)
        first = Movement()
        if campaign.source == "loop":
            self.rig.loop(closed=False, at=phase)
        elif campaign.source == "serial":
            first = self.rig.run(phase - self._serial_delay)
            self.device.kill()
        moved = self.rig.run(sent[-1].end + SETTLE)
        captures, passage = self.device.captures(), self.device.passage()
        campaign.kills += 1
        campaign.aborted += captures.aborts
        started = [at for side, at in first.started + moved.started if side == Side.SERVER]
        left = [frame for frame in first.frames + moved.frames if frame.side == Side.EXCHANGE]
        trial = Trial(shots, started, left, captures, passage, SOURCES[campaign.source], self._last_end)
        campaign.completed_after_kill += max(trial.completed_after_kill, captures.after_orders)
        if reason := trial.invalid():
            campaign.invalid[reason] += 1
        else:
            campaign.t_effective.append(captures.t_effective)
            campaign.t_pass.append(passage.t_pass)
            if campaign.source == "breach":
                campaign.t_breach.append(captures.breach_after)
            if campaign.source == "loop":
                campaign.conditioning.append(captures.kill_at - phase)
        self._last_end = left[-1].end if left else self._last_end
        if campaign.source == "loop":
            self.rig.loop(closed=True)

    def _schedule(self, begin: int, shots: list[Shot]) -> list[Frame]:
        """Give frames their times: most as close as allowed, some apart."""
        at, sent = begin, []
        for shot in shots:
            sent.append(Frame(at, Side.SERVER, shot.octets))
            gap = GAP_OCTETS if self._draw.random() < 0.7 else self._draw.randrange(GAP_OCTETS, 400)
            at = last_cycle(at, len(shot.octets)) + 1 + gap
        return sent


def judge(campaign: Campaign) -> None:
    """Raise VerificationError unless the campaign shows what it is to show."""
    wrong = []
    if campaign.completed_after_kill:
        wrong.append(f"{campaign.completed_after_kill} orders completed after the kill")
    if campaign.t_effective and max(campaign.t_effective) > BOUND:
        wrong.append(f"T_effective reached {max(campaign.t_effective)} cycles, the bound is {BOUND}")
    if campaign.t_pass and max(campaign.t_pass) > BOUND:
        wrong.append(f"T_pass reached F + 8 + {max(campaign.t_pass)} cycles, the bound is {BOUND}")
    if campaign.invalid:
        wrong.append(f"{campaign.invalid.total()} of {campaign.kills} trials were invalid")
    if wrong:
        raise VerificationError(f"measure by {campaign.source}, seed {campaign.seed}: " + "; ".join(wrong))

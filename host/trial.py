"""Judges one kill: what the links saw against what the captures say."""

from dataclasses import dataclass

from hdl.wire.ethernet import FCS_OCTETS, GAP_OCTETS
from hdl.wire.verdict import Source
from host import frames
from host.device import Captures, Passage
from host.magazine import Shot
from host.rig import Frame, last_cycle

BOUND = 4  # cycles from the kill edge: P1


@dataclass
class Trial:
    """One kill as the links and the captures tell it."""

    shots: list[Shot]
    started: list[int]
    left: list[Frame]
    captures: Captures
    passage: Passage
    source: Source
    last_end: int  # of the frame that left before this trial

    def __post_init__(self) -> None:
        self.lanes = self.captures.kill_lanes
        self.edge = self.captures.kill_at
        self._numbers = {shot.octets[:-FCS_OCTETS]: number for number, shot in enumerate(self.shots)}
        self._left = [(self._numbers.get(frame.octets[:-FCS_OCTETS], -1), frame) for frame in self.left]

    def _is_stopped(self, shot: Shot) -> bool:
        return bool(shot.orders and self.lanes >> (shot.lane - 1) & 1)

    @property
    def late(self) -> list[tuple[Shot, Frame]]:
        """Order frames of killed lanes that completed after the edge, with a valid FCS."""
        return [
            (self.shots[number], frame)
            for number, frame in self._left
            if number >= 0 and self._is_stopped(self.shots[number])
            if frame.end > self.edge and not frame.error and frames.has_good_fcs(frame.octets)
        ]

    @property
    def completed_after_kill(self) -> int:
        """Orders that completed later than the edge + 4 cycles, from the frames alone."""
        return sum(shot.orders for shot, frame in self.late if frame.end > self.edge + BOUND)

    def invalid(self) -> str | None:
        """Return why this trial says nothing, or None."""
        if not self.edge or self.source not in self.captures.kill_sources:
            return "killed by another source"
        if len(self.started) != len(self.shots):
            return "frames not sent"
        stopped = [at for at, shot in zip(self.started, self.shots, strict=True) if self._is_stopped(shot)]
        if not stopped or not stopped[0] < self.edge or not self.edge < stopped[-1]:
            return "kill outside the traffic"
        numbers = [number for number, _ in self._left]
        if numbers != sorted(set(numbers)) or -1 in numbers:
            return "a frame left that had not come in so, or not in order"
        if any(frame.error == frames.has_good_fcs(frame.octets) for frame in self.left):
            return "tx_er and FCS disagree"
        if sum(frame.error for frame in self.left) != self.captures.aborts:
            return "captures and links disagree on aborts"
        if max((frame.end for _, frame in self.late), default=0) != self.captures.after_end:
            return "captures and links disagree on the last order"
        return self._missing(set(numbers)) or self._pass_time()

    def _missing(self, numbers: set[int]) -> str | None:
        """Return what is missing though the kill was no reason: frames without orders, frames before the edge."""
        line = self.last_end
        for number, (at, shot) in enumerate(zip(self.started, self.shots, strict=True)):
            begin = max(last_cycle(at, len(shot.octets)) + 5, line + GAP_OCTETS + 1)
            if number in numbers:
                line = next(frame.end for found, frame in self._left if found == number)
            elif not self._is_stopped(shot) or last_cycle(begin, len(shot.octets)) <= self.edge:
                return "frames lost without a reason"
        return None

    def _pass_time(self) -> str | None:
        """Return whether the captures' T_pass is not the links'."""
        line = self.last_end
        latest = None
        for number, frame in self._left:
            end = last_cycle(self.started[number], len(frame.octets))
            latest = 4 + frame.at - max(end + 5, line + GAP_OCTETS + 1)
            line = frame.end
        return "captures and links disagree on T_pass" if latest != self.passage.t_pass else None

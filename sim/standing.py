"""What lanes have used up of numbers and of time: the rising UserRefNum, and the rate. Part of the golden model."""

from hdl.wire.verdict import LANES, Reason

DUPLICATE, RATE = int(Reason.DUPLICATE), int(Reason.RATE)


class Standing:
    """last_refs: the highest number of each lane. What a frame uses up counts for the next one if it is let go."""

    def __init__(self, config):
        self._config = config
        self.last_refs = [0] * LANES
        self._times = [0] * LANES  # in cycles, as of which the lane has used up its rate
        self._lane = self._now = self._highest = self._ahead = 0

    def begin(self, lane: int, now: int) -> None:
        """A frame of a lane begins; all of it counts as of `now`."""
        self._lane, self._now = lane, now
        self._highest, self._ahead = self.last_refs[lane], max(self._times[lane] - now, 0)

    def failures(self, message) -> list[int]:
        """Return why an Enter may not be let go."""
        interval, depth = self._config.rates[self._lane]
        repeated = message.user_ref <= self._highest and self._config.ordered(self._lane)
        failures = [DUPLICATE] if repeated else []
        return failures if interval and self._ahead <= depth else [*failures, RATE]

    def passed(self, message) -> None:
        """A message is let go, as far as it is known."""
        if message.numbered:
            self._highest = max(self._highest, message.user_ref)

    def charged(self) -> None:
        """An Enter is let go, and its frame too as far as it is known."""
        self._ahead += self._config.rates[self._lane][0]

    def commit(self) -> None:
        """The frame is let go, with its orders as they are."""
        self.last_refs[self._lane], self._times[self._lane] = self._highest, self._now + self._ahead

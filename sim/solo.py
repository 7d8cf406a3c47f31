"""The golden model by itself, in the place of a duel: for its own tests, and to see what random traffic reaches."""

from collections.abc import Iterable

from hdl.wire.registers import Count, drops
from sim.model import Model
from sim.traffic import Carrier

ALL = 0xFF


def announce(model: Model, start: int, carriers: Iterable[Carrier], returns: Iterable[Carrier]) -> int:
    """Give a model the carriers of both directions from cycle `start` on; return the cycle behind the last one."""
    announced = []
    for receive, given in ((model.carrier, carriers), (model.back, returns)):
        now = start
        for gap, octets, er in given:
            now += gap
            announced.append((now + len(octets), receive, now, octets, er))
            now += len(octets)
    announced.sort(key=lambda one: one[0])
    for _, receive, now, octets, er in announced:
        receive(now, octets, er)
    return announced[-1][0] if announced else start


class Solo:
    """What `sim.duel.Duel` is, without a core: time is its own."""

    def __init__(self, setup):
        self.setup, self.model = setup, Model(setup.config)
        self.now = 1000
        self.frames = 0

    def arm(self, lanes: int = ALL) -> None:
        self.model.open(self.now, lanes)
        self.now += 1000
        self.model.rest(self.now)

    def play(self, carriers, *, loop=(), kills=(), returns=(), events=None) -> int:
        """Play carriers and kills as a duel does; a kill command takes effect at once."""
        start = self.now + 100
        for after, _ in loop:
            self.model.kill(start + after, ALL)
        for after, lanes in kills:
            self.model.kill(start + after, lanes)
        carriers = list(carriers)
        end = announce(self.model, start, carriers, returns)
        self.now = max([end, *(start + after for after, _ in (*loop, *kills))]) + 60_000
        self.model.rest(self.now)
        self.frames += len(carriers)
        return start

    def clear_exposure(self) -> None:
        self.model.clear_exposure()

    def load_parents(self) -> None:
        self.model.budget.parents.load(self.setup.config.parents)

    def audit(self) -> None:
        """What went in must balance what came out (P8)."""
        for cells in self.model.counters:
            came, left = cells[Count.FRAMES_IN] + cells[Count.FRAMES_INJECTED], cells[Count.FRAMES_OUT]
            assert came == left + sum(drops(cells, Count.FRAME_DROP).values())
            assert cells[Count.ORDERS_IN] == cells[Count.ORDERS_OUT] + sum(drops(cells, Count.ORDER_DROP).values())

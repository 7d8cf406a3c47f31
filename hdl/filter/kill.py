"""What kills, and the latch that keeps a lane killed."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hdl.wire.verdict import LANES, Source

FIRM = (1 << LANES) - 1  # every lane


class KillSources(wiring.Component):
    """Conditions everything that may ask for a kill into one request.

    The cycle in which ``request`` shows a lane is that lane's kill edge: one cycle after a strobe or a level came in,
    three cycles after the loop opened at its pin (two of them the synchroniser). A level asks again in every cycle.
    Nothing masks a source, in any state. Reset is a source as well: it requests every lane for one cycle, and the loop
    counts as open until the synchroniser has seen it closed.

    Members
    -------
    loop_closed : In(1)
        From the pin, asynchronous: 1 while the normally-closed loop conducts.
    serial, breach : In(8)
        Lanes to kill, strobes.
    watchdog_expired, fault : In(1)
        Levels; both kill every lane.
    contradicted : In(1)
        Strobe; kills every lane.
    request : Out(8)
        Lanes requested in this cycle.
    sources : Out(7)
        What asks in this cycle; bit numbers are those of `Source`.
    loop_open : Out(1)
        The level behind the synchroniser, two cycles after the pin.
    """

    loop_closed: In(1)
    serial: In(LANES)
    breach: In(LANES)
    watchdog_expired: In(1)
    fault: In(1)
    contradicted: In(1)
    request: Out(LANES, init=FIRM)
    sources: Out(len(Source), init=1 << Source.RESET)
    loop_open: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        closed = Signal()
        m.submodules.synchronizer = FFSynchronizer(self.loop_closed, closed)
        m.d.comb += self.loop_open.eq(~closed)

        asking = {
            Source.LOOP: self.loop_open,
            Source.SERIAL: self.serial.any(),
            Source.WATCHDOG: self.watchdog_expired,
            Source.BREACH: self.breach.any(),
            Source.FAULT: self.fault,
            Source.EVIDENCE: self.contradicted,
        }
        firm = self.loop_open | self.watchdog_expired | self.fault | self.contradicted
        m.d.sync += self.request.eq(self.serial | self.breach | Mux(firm, FIRM, 0))
        m.d.sync += self.sources.eq(Cat(asking.get(source, 0) for source in Source))
        return m


class KillLatch(wiring.Component):
    """Keeps a lane killed until it is armed.

    A lane requested in cycle k is killed from cycle k + 1 on. Only ``open`` clears it, likewise one cycle later, and a
    request in the same cycle wins. Power-up and reset kill every lane.

    Members
    -------
    request, open : In(8)
    killed : Out(8)
    next : Out(8)
        What ``killed`` will show in the next cycle.
    """

    request: In(LANES)
    open: In(LANES)
    killed: Out(LANES, init=FIRM)
    next: Out(LANES)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.next.eq(self.killed & ~self.open | self.request)
        m.d.sync += self.killed.eq(self.next)
        return m

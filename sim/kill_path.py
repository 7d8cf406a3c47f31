"""The kill and the arm, wired as in the filter, for benches: what `hdl.filter.core` leaves between pins and latch."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.arming import Arming
from hdl.filter.kill import KillLatch, KillSources
from hdl.filter.watchdog import Watchdog
from hdl.wire.verdict import LANES, Source


class KillPath(wiring.Component):
    """Sources, latch, watchdog and arming. ``latch`` is the class of the latch: a bench must notice a broken one."""

    now: In(64)
    loop_closed: In(1)
    serial: In(LANES)
    breach: In(LANES)
    fault: In(1)
    contradicted: In(1)
    timeout: In(32)
    heartbeat: In(1)
    nonce_request: In(1)
    arm: In(1)
    arm_nonce: In(32)
    arm_lanes: In(LANES)
    arm_crc: In(32)
    config_crc: In(32)
    tables_busy: In(1)
    request: Out(LANES)
    sources: Out(len(Source))
    killed: Out(LANES)
    expired: Out(1)
    deadline: Out(64)
    nonce: Out(32)
    open: Out(LANES)
    lift: Out(1)
    done: Out(1)
    refusal: Out(3)

    def __init__(self, *, latch=KillLatch):
        self._latch = latch
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.sources = sources = KillSources()
        m.submodules.latch = latch = self._latch()
        m.submodules.watchdog = watchdog = Watchdog()
        m.submodules.arming = arming = Arming()
        for name in ("loop_closed", "serial", "breach", "fault", "contradicted"):
            m.d.comb += getattr(sources, name).eq(getattr(self, name))
        for name in ("now", "timeout", "heartbeat"):
            m.d.comb += getattr(watchdog, name).eq(getattr(self, name))
        for name in ("now", "nonce_request", "arm", "arm_nonce", "arm_lanes", "arm_crc", "config_crc", "tables_busy"):
            m.d.comb += getattr(arming, name).eq(getattr(self, name))
        for name in ("nonce", "open", "lift", "done", "refusal"):
            m.d.comb += getattr(self, name).eq(getattr(arming, name))
        m.d.comb += [
            sources.watchdog_expired.eq(watchdog.expired),
            latch.request.eq(sources.request),
            latch.open.eq(arming.open),
            arming.request.eq(sources.request),
            arming.loop_open.eq(sources.loop_open),
            arming.watchdog_expired.eq(watchdog.expired),
            arming.fault.eq(self.fault),
            self.request.eq(sources.request),
            self.sources.eq(sources.sources),
            self.killed.eq(latch.killed),
            self.expired.eq(watchdog.expired),
            self.deadline.eq(watchdog.deadline),
        ]
        return m

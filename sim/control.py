"""The control link with everything that answers it, but without the filter: what `sim.tb_control` drives."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.filter import settings, status
from hdl.filter.arming import Arming
from hdl.filter.bus import Bus, BusDecoder
from hdl.filter.controller import Controller
from hdl.filter.link import Link
from hdl.filter.log import Log, Offer
from hdl.filter.multiplier import NOTIONAL_BITS
from hdl.wire.registers import KEY_BITS, Reg
from hdl.wire.verdict import LANES

NOW = 0xFFFF_FFF0


class Control(wiring.Component):
    """Link, controller, settings, status, event log and arming, wired as in the filter.

    What kills and fails comes from the bench: ``killed`` is an input, and ``table`` a bus target of its own in place of
    the tables, one range of which is configuration. ``now`` counts cycles, through resets, from a little below 2^32.
    """

    def __init__(self, divisor: int):
        self.divisor = divisor
        super().__init__(
            {
                "now": Out(64),
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "killed": In(LANES),
                "kill": Out(LANES),
                "heartbeat": Out(1),
                "opened": Out(LANES),
                "armed": Out(1),
                "loop_open": In(1),
                "fault": In(1),
                "watchdog_expired": In(1),
                "tables_busy": In(1),
                "config_crc": Out(32),
                "config_begun": Out(1),
                "kill_edge": In(1),
                "kill_forgotten": In(1),
                "aborts": In(32),
                "event": In(Offer),
                "table": Out(Bus),
                "policy": Out(2),
                "lane_enable": Out(LANES),
                "order_size": Out(32),
                "order_value": Out(NOTIONAL_BITS),
                "trips": Out(settings.TRIPS),
                "watchdog": Out(32),
                "hash_key": Out(KEY_BITS),
                "tcp_lanes": Out(LANES),
                "dialect_lanes": Out(LANES),
                "unordered_lanes": Out(LANES),
                "parentless_lanes": Out(LANES),
                "actions": Out(2 * LANES),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        now = Signal(64, init=NOW, reset_less=True)
        m.d.sync += now.eq(now + 1)
        m.submodules.link = link = Link(self.divisor)
        m.submodules.controller = controller = Controller()
        m.submodules.settings = registers = settings.Settings()
        m.submodules.log = log = Log(["event"])
        m.submodules.arming = arming = Arming()
        m.submodules.bus = bus = BusDecoder(
            {
                "status": [(status.FIRST, status.LAST)],
                "settings": settings.RANGES,
                "table": [
                    (Reg.CLEAR_EXPOSURE, Reg.CLEAR_EXPOSURE),
                    (0x1000, 0x1FFF),
                    (0x2000, 0x2FFF),
                    (0x4000, 0x47FF),
                ],
            },
            quiet=("status", "settings"),
        )
        m.submodules.status = state = status.Status(
            {
                Reg.STATE: self.killed,
                Reg.CONFIG_CRC: controller.config_crc,
                Reg.ABORTS: self.aborts,
                Reg.EVENTS: log.next,
                Reg.EVENTS_KEPT: log.kept,
            },
            {Reg.KILL_AT: (self.kill_edge, self.kill_forgotten)},
        )
        connect(m, link.requests, controller.requests)
        connect(m, controller.bus, bus.bus)
        connect(m, controller.events, log.reader)
        connect(m, bus.status, state.bus)
        connect(m, bus.settings, registers.bus)
        connect(m, bus.table, flipped(self.table))
        connect(m, flipped(self.event), log.event)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.now.eq(now),
            log.now.eq(now),
            state.now.eq(now),
            controller.link_kill.eq(link.kill),
            controller.killed.eq(self.killed),
            controller.nonce.eq(arming.nonce),
            controller.arm_done.eq(arming.done),
            controller.arm_refusal.eq(arming.refusal),
            arming.now.eq(now),
            arming.nonce_request.eq(controller.nonce_request),
            arming.arm.eq(controller.arm),
            arming.arm_nonce.eq(controller.arm_nonce),
            arming.arm_lanes.eq(controller.arm_lanes),
            arming.arm_crc.eq(controller.arm_crc),
            arming.config_crc.eq(controller.config_crc),
            arming.loop_open.eq(self.loop_open),
            arming.fault.eq(self.fault),
            arming.watchdog_expired.eq(self.watchdog_expired),
            arming.tables_busy.eq(self.tables_busy),
            arming.request.eq(controller.kill),
            self.kill.eq(controller.kill),
            self.heartbeat.eq(controller.heartbeat),
            self.opened.eq(arming.open),
            self.armed.eq(arming.done),
            self.config_crc.eq(controller.config_crc),
            self.config_begun.eq(controller.config_begun),
            self.busy.eq(link.busy | controller.busy | log.busy | state.busy),
        ]
        for name in (
            "policy", "lane_enable", "order_size", "watchdog", "hash_key", "tcp_lanes", "dialect_lanes",
            "unordered_lanes", "parentless_lanes", "actions", "order_value", "trips",
        ):  # fmt: skip
            m.d.comb += getattr(self, name).eq(getattr(registers, name))
        return m

"""The filter: between eight servers and the exchange, at GMII level."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.filter.arming import Arming
from hdl.filter.buffer import FrameBuffer
from hdl.filter.bus import BusDecoder
from hdl.filter.capture import Capture
from hdl.filter.controller import Controller
from hdl.filter.counters import Counters
from hdl.filter.drain import Drain
from hdl.filter.framer import Framer
from hdl.filter.gate import Gate, OutcomeKind
from hdl.filter.gmii import GmiiRx
from hdl.filter.headers import Headers
from hdl.filter.kill import KillLatch, KillSources
from hdl.filter.lanes import Lanes
from hdl.filter.link import Link
from hdl.filter.log import Log
from hdl.filter.marks import Mark
from hdl.filter.order import Order
from hdl.filter.passage import Passage
from hdl.filter.queue import EgressQueue
from hdl.filter.risk import Risk
from hdl.filter.settings import Settings
from hdl.filter.status import Status
from hdl.filter.verdict import Verdict
from hdl.filter.watchdog import Watchdog
from hdl.wire.event import NO_SYMBOL, Kind
from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES, Reason, Refusal

# What each bus target answers, as (first, last) addresses.
TARGETS = {
    "status": [(0x0000, 0x003F)],
    "risk": [
        (Reg.CLEAR_EXPOSURE, Reg.CLEAR_EXPOSURE),
        (Reg.GROSS_LIMIT, Reg.GROSS_LIMIT + 31),
        (Reg.EXPOSURE_LIMIT, Reg.EXPOSURE_LIMIT + 2047),
        (Reg.GROSS, Reg.GROSS + 31),
        (Reg.EXPOSURE, Reg.EXPOSURE + 2047),
    ],
    "settings": [(Reg.CONFIG_BEGIN, Reg.CONFIG_BEGIN + 7)],
    "lanes": [(Reg.LANE_KEY, Reg.LANE_KEY + 31)],
    "directory": [(Reg.DIRECTORY, Reg.DIRECTORY + 4095)],
    "counters": [(Reg.COUNTER, Reg.COUNTER + 2047)],
}


class Filter(wiring.Component):
    """Reads every frame from the servers and lets out what is allowed; passes the way back unread.

    A frame that is kept leaves bit-identical, its first preamble octet 5 cycles after its last octet came in, or 13
    after its predecessor's last octet left. From the cycle after a kill edge no order of a killed lane begins to leave;
    from two cycles after it the frame that is leaving is spoilt (`hdl.filter.gate`). Power-up and reset are killed. The
    map of the control link is `hdl.wire.registers`; the pipeline is described by its parts, cycle by cycle.

    Parameters
    ----------
    uart_divisor : int
        Cycles of one bit of the control link; 42 is 2.98 Mbaud at 125 MHz.

    Members
    -------
    now : In(64)
        Time in cycles of 8 ns. It may jump forward while ``busy`` is low.
    loop_closed : In(1)
        The break wire, asynchronous; open (0) kills.
    server_rx_data, server_rx_dv, server_rx_er, exchange_tx_data, exchange_tx_en, exchange_tx_er
        The order path.
    exchange_rx_data, …, server_tx_er
        The return path, 4 cycles from pin to pin.
    uart_rx, uart_tx : In(1), Out(1)
        The control link, asynchronous, idle high.
    killed : Out(8)
    busy : Out(1)
        Something is going on that takes cycles. It may go low for a few cycles in between.
    deadline : Out(64)
        ``now`` at which the watchdog expires; all ones when it does not run.
    """

    def __init__(self, *, uart_divisor: int = 42):
        self.uart_divisor = uart_divisor
        ports = {}
        for side in ("server", "exchange"):
            ports |= {f"{side}_rx_data": In(8), f"{side}_rx_dv": In(1), f"{side}_rx_er": In(1)}
            ports |= {f"{side}_tx_data": Out(8), f"{side}_tx_en": Out(1), f"{side}_tx_er": Out(1)}
        super().__init__(
            {
                "now": In(64),
                "loop_closed": In(1),
                **ports,
                "uart_rx": In(1, init=1),
                "uart_tx": Out(1, init=1),
                "killed": Out(LANES),
                "busy": Out(1),
                "deadline": Out(64),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = GmiiRx()
        m.submodules.headers = headers = Headers()
        m.submodules.lanes = lanes = Lanes()
        m.submodules.framer = framer = Framer()
        m.submodules.order = order = Order()
        m.submodules.risk = risk = Risk()
        m.submodules.verdict = verdict = Verdict()
        m.submodules.buffer = buffer = FrameBuffer()
        m.submodules.queue = queue = EgressQueue()
        m.submodules.gate = gate = Gate()
        m.submodules.sources = sources = KillSources()
        m.submodules.latch = latch = KillLatch()
        m.submodules.watchdog = watchdog = Watchdog()
        m.submodules.arming = arming = Arming()
        m.submodules.drain = drain = Drain()
        m.submodules.capture = capture = Capture()
        m.submodules.link = link = Link(divisor=self.uart_divisor)
        m.submodules.controller = controller = Controller()
        m.submodules.settings = settings = Settings()
        m.submodules.counters = counters = Counters()
        m.submodules.log = log = Log(["kill", "arm", "gate", "verdict", "block", "notice"])
        m.submodules.passage = passage = Passage()
        m.submodules.bus = bus = BusDecoder(TARGETS)

        # The order path, from the pins to the verdict. The parsers keep their state until a frame has twelve octets.
        opening = Signal(12)
        m.d.sync += opening.eq(Cat(receiver.start, opening))
        m.d.comb += [
            receiver.data.eq(self.server_rx_data),
            receiver.dv.eq(self.server_rx_dv),
            receiver.er.eq(self.server_rx_er),
            headers.policy.eq(settings.policy),
            lanes.enable.eq(settings.lane_enable),
            order.order_size.eq(settings.order_size),
            framer.open.eq(opening[-1]),
        ]
        follow(m, receiver, headers, "octet", "valid", "start", "end", "length")
        follow(m, headers, lanes, "key_octet", "key_index", "key_valid")
        follow(m, lanes, headers, "found", "found_lane")
        follow(m, headers, framer, "payload_octet", "payload_valid", "payload_last", "payload_start")
        # The framer answers without a clock: the decoder takes its messages one cycle later.
        parts = ("octet", "valid", "first", "last", "left", "short", "gone")
        follow(m, framer, order, *(f"message_{part}" for part in parts), domain="sync")
        m.d.comb += order.open.eq(framer.open)
        no_room = Signal()  # as of the cycle before: both are settled long before a frame ends
        m.d.sync += no_room.eq(buffer.overflow | queue.full)
        m.d.comb += [
            risk.key.eq(settings.hash_key),
            risk.lane.eq(headers.lane),
            risk.symbol_data.eq(order.symbol_octet),
            risk.doomed.eq(verdict.doomed | order.early),
            verdict.undecided.eq(~risk.decided),
            verdict.flags.eq(headers.flags | link_flags(receiver, framer, no_room)),
            verdict.lane.eq(headers.lane),
            verdict.killed.eq(latch.killed),
        ]
        follow(m, order, risk, "symbol_valid", "symbol_first", "price_ready", "quantity", "buy", "price")
        follow(m, verdict, risk, "frame_end", "kept", "block", "block_index")
        follow(m, receiver, verdict, "start", "end")
        follow(m, order, verdict, "message_end", "is_order", "is_enter", "user_ref", "quantity", "price")
        follow(m, order, verdict, "bad_message", "replace", "pegged", "channel")
        follow(m, order, verdict, "bad_side", "bad_quantity", "over_size", "zero_price", "market")
        follow(m, risk, verdict, "index", "missing", "blocked", "over_position", "over_lane", "over_firm")

        # From the verdict to the pins.
        stamp = Signal(16)  # `now` of three cycles ago: when the frame that ends now had its last octet on the pins
        m.d.sync += stamp.eq(self.now - 2)
        follow(m, receiver, buffer, "octet", "valid", "start", "end", "length")
        m.d.comb += [
            buffer.mark.eq(framer.mark == Mark.ORDER),
            buffer.keep.eq(verdict.keep),
            queue.end.eq(receiver.end),
            queue.keep.eq(verdict.keep),
            queue.descriptor.length.eq(receiver.length),
            queue.descriptor.lane.eq(headers.lane),
            queue.descriptor.orders.eq(verdict.orders),
            queue.descriptor.reservations.eq(risk.reservations),
            queue.descriptor.base.eq(risk.base),
            queue.descriptor.stamp.eq(stamp),
            queue.pop.eq(gate.head_pop),
            buffer.pop.eq(gate.head_pop),
            buffer.head_length.eq(queue.head.length),
            buffer.freed.eq(gate.outcome_valid),
            buffer.freed_octets.eq(gate.outcome.length),
            gate.now.eq(self.now),
            gate.killed.eq(latch.killed),
            gate.octet.eq(buffer.fetched),
            gate.mark.eq(buffer.fetched_mark),
            self.exchange_tx_data.eq(gate.tx_data),
            self.exchange_tx_en.eq(gate.tx_en),
            self.exchange_tx_er.eq(gate.tx_er),
            risk.failed.valid.eq(gate.outcome_valid & (gate.outcome.kind != OutcomeKind.SENT)),
            risk.failed.payload.base.eq(gate.outcome.base),
            risk.failed.payload.count.eq(gate.outcome.reservations),
        ]
        follow(m, queue, gate, "head_valid", "head")
        follow(m, gate, buffer, "take", "fetch")

        # The kill, and the arm.
        unsettled = Signal()  # an outcome that the risk engine could not take
        with m.If(risk.failed.valid & ~risk.failed.ready):
            m.d.sync += unsettled.eq(1)
        m.d.sync += [watchdog.now.eq(self.now), arming.now.eq(self.now)]  # a cycle late, and near them
        m.d.comb += [
            sources.loop_closed.eq(self.loop_closed),
            sources.serial.eq(controller.kill),
            sources.breach.eq(verdict.breach),
            sources.watchdog_expired.eq(watchdog.expired),
            sources.fault.eq(counters.fault | risk.fault | unsettled),
            latch.request.eq(sources.request),
            latch.open.eq(arming.open),
            watchdog.timeout.eq(settings.watchdog),
            watchdog.heartbeat.eq(controller.heartbeat),
            drain.request.eq(sources.request),
            drain.waiting.eq(queue.count),
            drain.pop.eq(queue.popped),
            arming.nonce_request.eq(controller.nonce_request),
            arming.config_crc.eq(controller.config_crc),
            arming.loop_open.eq(sources.loop_open),
            arming.fault.eq(sources.fault),
            arming.watchdog_expired.eq(watchdog.expired),
            arming.tables_busy.eq(risk.clearing | drain.draining),
            arming.request.eq(sources.request),
            risk.lift.eq(arming.lift),
            self.killed.eq(latch.killed),
            self.deadline.eq(watchdog.deadline),
        ]
        follow(m, controller, arming, "arm", "arm_nonce", "arm_lanes", "arm_crc")

        # The control link.
        connect(m, link.requests, controller.requests)
        connect(m, controller.bus, bus.bus)
        connect(m, controller.events, log.reader)
        connect(m, bus.settings, settings.bus)
        connect(m, bus.lanes, lanes.bus)
        connect(m, bus.risk, risk.bus)
        connect(m, bus.directory, risk.directory_bus)
        connect(m, bus.counters, counters.bus)
        m.d.comb += [
            link.rx.eq(self.uart_rx),
            self.uart_tx.eq(link.tx),
            controller.link_kill.eq(link.kill),
            controller.killed.eq(latch.killed),
            controller.nonce.eq(arming.nonce),
            controller.arm_done.eq(arming.done),
            controller.arm_refusal.eq(arming.refusal),
        ]

        self._observe(m, capture, sources, latch, arming, gate, framer, verdict)
        self._count(m, counters, verdict, gate, log)
        self._tell(m, log, capture, sources, latch, arming, controller, counters, verdict, risk)
        armable = ~sources.loop_open & ~sources.fault & ~watchdog.expired
        m.submodules.status = status = Status(
            {
                Reg.NOW: self.now,
                Reg.STATE: Cat(latch.killed, sources.loop_open, watchdog.expired, sources.fault, armable),
                Reg.CONFIG_CRC: controller.config_crc,
                Reg.FAULTS: Cat(log.lost, counters.fault, unsettled, risk.fault),
                Reg.EVENTS: log.next,
                Reg.EVENTS_KEPT: log.kept,
                **capture.registers,
            }
        )
        connect(m, bus.status, status.bus)

        m.d.comb += [
            passage.rx_data.eq(self.exchange_rx_data),
            passage.rx_dv.eq(self.exchange_rx_dv),
            passage.rx_er.eq(self.exchange_rx_er),
            self.server_tx_data.eq(passage.tx_data),
            self.server_tx_en.eq(passage.tx_en),
            self.server_tx_er.eq(passage.tx_er),
        ]
        active = Cat(
            receiver.busy, gate.busy, passage.active, risk.busy, counters.busy, log.busy, link.busy, controller.busy
        )  # fmt: skip
        m.d.sync += self.busy.eq(active.any())
        return m

    def _observe(self, m, capture, sources, latch, arming, gate, framer, verdict):
        """Connect the capture registers."""
        m.d.comb += [
            capture.now.eq(self.now),
            capture.request.eq(sources.request),
            capture.sources.eq(sources.sources),
            capture.killed.eq(latch.killed),
            capture.opened.eq(arming.open),
            capture.sent.eq(gate.outcome_valid & (gate.outcome.kind == OutcomeKind.SENT)),
            capture.aborted.eq(gate.outcome_valid & (gate.outcome.kind == OutcomeKind.ABORTED)),
            capture.lane.eq(gate.outcome.lane),
            capture.orders.eq(gate.outcome.orders),
            capture.last_octet.eq(framer.message_valid & framer.message_last),
            capture.breached.eq(verdict.breached),
        ]
        follow(m, gate, capture, "started", "dwell", "gap", "length")

    def _count(self, m, counters, verdict, gate, log):
        """Book every verdict and every outcome."""
        runt = verdict.reason == Reason.RUNT
        m.d.comb += [
            counters.judged.eq(verdict.judged & ~runt),
            counters.runt.eq(verdict.judged & runt),
            counters.now.eq(self.now[:16]),
            counters.log_ready.eq(log.gate.ready),
        ]
        follow(m, verdict, counters, "row", "reason", "counted_orders", "failing_is_order")
        follow(m, gate, counters, "outcome_valid", "outcome")

    def _tell(self, m, log, capture, sources, latch, arming, controller, counters, verdict, risk):
        """Write the events."""
        edge, edge_sources = Signal(LANES), Signal.like(sources.sources)
        opened, refused = Signal(LANES), Signal()
        m.d.sync += [edge.eq(sources.request & ~latch.killed), edge_sources.eq(sources.sources)]
        lowest, killed_lanes = Signal(4), Signal(LANES)
        for source in reversed(range(len(edge_sources))):
            with m.If(edge_sources[source]):
                m.d.sync += lowest.eq(source)
        m.d.sync += [log.kill.valid.eq(edge.any()), killed_lanes.eq(edge)]
        m.d.comb += [
            opened.eq(arming.open),
            refused.eq(arming.refusal != Refusal.NONE),
            log.now.eq(self.now),
            log.kill.age.eq(2),
            log.arm.valid.eq(arming.done),
            log.gate.valid.eq(counters.booked & (counters.booked_kind != OutcomeKind.SENT)),
            log.gate.age.eq(counters.booked_age),
            log.verdict.valid.eq(verdict.logged),
            log.verdict.age.eq(3),
            log.block.age.eq(2),
            log.notice.valid.eq(controller.config_begun | risk.cleared),
        ]
        record(m, log.kill, kind=Kind.KILL, lane=0, reason=lowest, user_ref=killed_lanes)
        record(
            m, log.arm, kind=Mux(refused, Kind.ARM_REFUSED, Kind.ARM), reason=arming.refusal, user_ref=opened
        )  # fmt: skip
        aborted = counters.booked_kind == OutcomeKind.ABORTED
        record(
            m,
            log.gate,
            kind=Mux(aborted, Kind.ABORT, Kind.DROP),
            lane=counters.booked_lane,
            reason=Reason.KILLED,
            count=counters.booked_orders,
            symbol=NO_SYMBOL,
        )
        record(
            m,
            log.verdict,
            kind=Kind.DROP,
            lane=verdict.row,
            reason=verdict.reason,
            count=verdict.counted_orders,
            user_ref=verdict.order.user_ref,
            symbol=verdict.order.symbol,
            quantity=verdict.order.quantity,
            price=verdict.order.price,
        )
        block_lane = Signal(4)
        m.d.sync += [log.block.valid.eq(verdict.block), block_lane.eq(verdict.lane)]
        record(m, log.block, kind=Kind.BLOCK, lane=block_lane, symbol=verdict.block_index)
        record(m, log.notice, kind=Mux(risk.cleared, Kind.CLEAR, Kind.CONFIG))


def follow(m, source, target, *names, domain="comb"):
    """Drive the inputs of `target` from the outputs of the same names of `source`; in `sync`, one cycle later."""
    for name in names:
        value = getattr(source, name)
        if domain == "sync":
            m.d.sync += (later := Signal.like(value, name=f"{name}_later")).eq(value)
            value = later
        m.d.comb += getattr(target, name).eq(value)


def record(m, offer, **fields):
    """Fill an event's record; what is not given is 0."""
    for name, value in fields.items():
        m.d.comb += offer.record[name].eq(value)


def link_flags(receiver, framer, no_room):
    """Return the flags that do not come from the headers, each at its reason's bit."""
    return (
        (receiver.runt << Reason.RUNT)
        | (receiver.error << Reason.RX_ERROR)
        | (~receiver.fcs_ok << Reason.FCS)
        | (no_room << Reason.OVERFLOW)
        | (framer.framing << Reason.FRAMING)
    )

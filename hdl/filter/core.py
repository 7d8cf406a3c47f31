"""The filter: between eight servers and the exchange, at GMII level."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.filter.addresses import Addresses
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
from hdl.filter.history import History
from hdl.filter.kill import KillLatch, KillSources
from hdl.filter.lanes import Lanes
from hdl.filter.link import Link
from hdl.filter.log import MOMENT, Log
from hdl.filter.marks import Mark
from hdl.filter.order import Order
from hdl.filter.queue import EgressQueue
from hdl.filter.records import Records
from hdl.filter.replies import Replies
from hdl.filter.reset import Reset
from hdl.filter.returns import ReturnPath
from hdl.filter.rewrite import Rewrite
from hdl.filter.risk import Risk
from hdl.filter.session import Session
from hdl.filter.settings import Settings
from hdl.filter.status import Status
from hdl.filter.store import ContextStore
from hdl.filter.verdict import LOGGED_LATER, Verdict
from hdl.filter.watchdog import Watchdog
from hdl.wire.event import NO_SYMBOL, Kind
from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES, Action, Reason, Refusal

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
    "settings": [(Reg.CONFIG_BEGIN, Reg.CONFIG_BEGIN + 7), (Reg.LANE_MODE, Reg.LANE_MODE + 7)],
    "lanes": [(Reg.LANE_KEY, Reg.LANE_KEY + 31)],
    "directory": [(Reg.DIRECTORY, Reg.DIRECTORY + 4095)],
    "counters": [(Reg.COUNTER, Reg.COUNTER + 2047)],
}


class Filter(wiring.Component):
    """Reads every frame from the servers and lets out what is allowed; reads the way back and passes it on.

    A frame that is kept leaves bit-identical, its first preamble octet 5 cycles after its last octet came in, or 13
    after its predecessor's last octet left. From the cycle after a kill edge no order of a killed lane begins to leave;
    from two cycles after it the frame that is leaving is spoilt (`hdl.filter.gate`). Power-up and reset are killed. The
    map of the control link is `hdl.wire.registers`; the pipeline is described by its parts, cycle by cycle.

    Parameters
    ----------
    uart_divisor : int
        Cycles of one bit of the control link; 42 is 2.98 Mbaud at 125 MHz.
    tcp : bool
        With what TCP lanes need. Without, a smaller core: no segment ever has a session (NO_SESSION), and the return
        path is not read.

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

    def __init__(self, *, uart_divisor: int = 42, tcp: bool = True):
        self.uart_divisor, self.tcp = uart_divisor, tcp
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
        m.submodules.records = records = Records()
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
        m.submodules.log = log = Log(["kill", "control", "gate", "verdict", "block", "session", "evidence"])
        parts = (Session, ContextStore, Rewrite, Addresses, Reset, Replies)
        session, store, rewrite, addresses, reset, replies = (part() if self.tcp else Absent(part) for part in parts)
        m.submodules.session, m.submodules.store, m.submodules.rewrite = session, store, rewrite
        m.submodules.addresses, m.submodules.reset, m.submodules.replies = addresses, reset, replies
        m.submodules.history = history = History()
        m.submodules.returns = returns = ReturnPath(read=self.tcp)
        m.submodules.bus = bus = BusDecoder(TARGETS, quiet=("status", "settings"))

        lane = Signal(4)  # of the frame, a cycle later: for all that has time
        m.d.sync += lane.eq(headers.lane)
        self._read(m, receiver, headers, lanes, lane, session, history, framer, order, store, settings)
        self._judge(m, receiver, headers, lane, session, history, framer, order, risk, verdict, buffer, queue, settings)
        self._send(
            m,
            receiver,
            headers,
            lane,
            session,
            history,
            framer,
            risk,
            verdict,
            rewrite,
            buffer,
            queue,
            records,
            gate,
            reset,
        )
        for parser in (framer, order, risk):
            follow(m, store, parser, "load", "word")
        m.d.comb += [
            store.context.eq(framer.context | order.context | risk.context),
            risk.key.eq(settings.hash_key),
            order.order_size.eq(settings.order_size),
            verdict.killing.eq(latch.next),
            gate.killed.eq(latch.killed),
            session.armed.eq(arming.open),
        ]

        # The sessions: what the gate and the exchange say of them, and the RSTs.
        pins = ("rx_data", "rx_dv", "rx_er")
        m.d.comb += [getattr(returns, name).eq(getattr(self, f"exchange_{name}")) for name in pins]
        m.d.comb += [
            getattr(self, f"server_{name}").eq(getattr(returns, name)) for name in ("tx_data", "tx_en", "tx_er")
        ]
        follow(m, receiver, addresses, "octet", "valid", "start")
        follow(m, headers, addresses, "key_octet", "key_index", "key_valid", "tags")
        for reader in (reset, returns):
            follow(m, addresses, reader, "slots", "write_en", "write_addr", "write_data")
        follow(m, gate, session, "outcome_valid", "outcome", "epochs")
        follow(m, session, gate, "flip")
        follow(m, session, returns, "missing")
        self._hear(m, returns, session, replies, settings, counters, log)
        follow(m, returns, session, "evidence_valid", "evidence")
        connect(m, lanes.back, returns.lookup)
        m.d.comb += [
            session.tcp_lanes.eq(settings.tcp_lanes),
            session.actions.eq(settings.actions),
            addresses.learn.eq(session.learn),
            addresses.lane.eq(lane),
            returns.killed.eq(latch.killed),
            returns.actions.eq(settings.actions),
        ]
        m.d.sync += [  # a cycle late: the numbers are read and added to
            returns.request.eq(verdict.fence),
            returns.lane.eq(lane),
            returns.sequence.eq(session.back),
            returns.acknowledgment.eq(session.sent),
        ]

        # The kill, and the arm.
        unsettled = Signal()  # an outcome that the risk engine could not take
        with m.If(risk.failed.valid & ~risk.failed.ready):
            m.d.sync += unsettled.eq(1)
        # A cycle late, and near them. A level that refuses an arm asks for a kill as soon, which makes its nonce void;
        # so does what begins to drain. Exposure is cleared by another request of the link, long before or behind.
        m.d.sync += [
            watchdog.now.eq(self.now),
            arming.now.eq(self.now),
            arming.loop_open.eq(sources.loop_open),
            arming.fault.eq(sources.fault),
            arming.watchdog_expired.eq(watchdog.expired),
            arming.tables_busy.eq(risk.clearing | drain.draining),
        ]
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

        # `now`, as many cycles ago as the index says.
        ago = [self.now[:MOMENT], *(Signal(MOMENT, name=f"ago_{cycles}") for cycles in range(1, 4 + LOGGED_LATER))]
        m.d.sync += [later.eq(moment) for moment, later in pairwise(ago)]
        self._observe(m, capture, sources, latch, arming, records, gate, framer, verdict)
        self._count(m, ago, counters, verdict, records, log)
        self._tell(m, ago, log, sources, latch, arming, controller, counters, verdict, risk, session)
        armable = ~sources.loop_open & ~sources.fault & ~watchdog.expired
        m.submodules.status = status = Status(
            {
                Reg.STATE: Cat(latch.killed, sources.loop_open, watchdog.expired, sources.fault, armable),
                Reg.CONFIG_CRC: controller.config_crc,
                Reg.FAULTS: Cat(log.lost, counters.fault, unsettled, risk.fault),
                Reg.SESSIONS: Cat(session.opened, session.fenced, replies.lost),
                Reg.EVENTS: log.next,
                Reg.EVENTS_KEPT: log.kept,
                **capture.registers,
            },
            capture.moments,
        )
        m.d.comb += status.now.eq(self.now)
        connect(m, bus.status, status.bus)

        parts = (receiver, gate, records, replies, risk, counters, log, link, controller, status)
        m.d.sync += self.busy.eq(Cat(returns.active, *(part.busy for part in parts)).any())
        return m

    def _read(self, m, receiver, headers, lanes, lane, session, history, framer, order, store, settings):
        """From the pins to the messages: headers, lane, session, what is new in the payload."""
        m.d.comb += [
            receiver.data.eq(self.server_rx_data),
            receiver.dv.eq(self.server_rx_dv),
            receiver.er.eq(self.server_rx_er),
            headers.policy.eq(settings.policy),
            lanes.enable.eq(settings.lane_enable),
            lanes.tcp_lanes.eq(settings.tcp_lanes),
        ]
        follow(m, receiver, headers, "octet", "valid", "start", "end", "length")
        follow(m, headers, lanes.orders, "key_octet", "key_index", "key_valid", "tcp")
        follow(m, lanes.orders, headers, "found", "found_lane")
        located = ("open", "located", "lane", "source_port", "sequence", "tcp_flags", "payload_length")
        follow(m, headers, session, *located)
        follow(m, headers, history, "payload_octet", "payload_valid", "soon")
        follow(m, session, history, "old_left")
        begin, dialect, fresh = Signal(), Signal(), Signal()  # fresh: payload to be parsed
        m.d.sync += [
            begin.eq(headers.located),
            dialect.eq(settings.dialect_lanes.bit_select(lane[:3], 1)),
            fresh.eq(headers.payload_follows & ~session.mute & ~(session.segment & history.still)),
        ]
        m.d.comb += [
            history.begin.eq(begin),
            history.lane.eq(lane),
            history.position.eq(session.position),
            store.start_load.eq(headers.located),
            store.load_lane.eq(headers.lane),
            store.anew.eq(session.anew),
            store.load_slot.eq(session.load_slot),
            store.start_save.eq(session.save),
            store.save_slot.eq(session.slot),
            store.commit.eq(session.commit),
            store.commit_slot.eq(session.commit_slot),
            store.commit_lane.eq(session.commit_lane),
            framer.payload_octet.eq(headers.payload_octet),
            framer.payload_valid.eq(fresh),
            framer.payload_start.eq(headers.payload_start),
            framer.payload_last.eq(headers.payload_last),
            framer.payload_length.eq(session.advance),
            framer.soup.eq(session.segment),
            framer.dialect.eq(dialect),
            order.dialect.eq(dialect),
        ]
        # The framer answers without a clock: the decoder takes its messages one cycle later.
        parts = ("octet", "valid", "first", "last", "left", "short", "gone")
        follow(m, framer, order, *(f"message_{part}" for part in parts), domain="sync")
        for part in (framer, order):
            follow(m, headers, part, "open")

    def _hear(self, m, returns, session, replies, settings, counters, log):
        """From the return path to what is counted and told of it."""
        m.d.comb += [
            replies.octet.eq(returns.payload_octet),
            replies.valid.eq(returns.payload_valid),
            replies.last.eq(returns.payload_last),
            replies.dialects.eq(settings.dialect_lanes),
            counters.heard.eq(replies.heard_valid),
            counters.heard_lane.eq(replies.heard.lane),
            counters.applied.eq(replies.heard.applied),
            counters.repeated.eq(replies.heard.repeated),
        ]
        follow(m, returns, replies, "soon", "end")
        follow(m, session, replies, "skip", "began", "began_lane", domain="sync")
        m.d.sync += [replies.commit.eq(session.heard), replies.lane.eq(returns.evidence.lane)]
        follow(m, returns, counters, "spoilt", "spoilt_lane")
        m.d.comb += log.evidence.valid.eq(replies.lost_valid)
        record(m, log.evidence, kind=Kind.EVIDENCE_LOST, lane=replies.told.lane, reason=replies.told.reason)

    def _judge(
        self, m, receiver, headers, lane, session, history, framer, order, risk, verdict, buffer, queue, settings
    ):
        """From the messages to the verdict."""
        segment, no_room, completes, action = session.segment, Signal(), Signal(), Signal(2)
        m.d.sync += [
            # As of the cycle before: all of them are settled long before a frame ends.
            risk.lane.eq(lane),
            no_room.eq(buffer.overflow | queue.full | (segment & session.full)),
            completes.eq(framer.message_completes),
            action.eq(Mux(headers.lane[3], Action.NEUTRALISE, settings.actions[headers.lane[:3]])),
        ]
        others = Signal.like(headers.flags)
        m.d.comb += [
            others[Reason.RUNT].eq(receiver.runt),
            others[Reason.RX_ERROR].eq(receiver.error),
            others[Reason.FCS].eq(~receiver.fcs_ok),
            others[Reason.OVERFLOW].eq(no_room),
            others[Reason.NO_SESSION].eq(headers.tcp & (not self.tcp)),
            others[Reason.HISTORY].eq(session.repeats & history.differs),
            others[Reason.FRAMING].eq(framer.framing),
        ]
        m.d.comb += [
            risk.symbol_data.eq(order.symbol_octet),
            risk.doomed.eq(verdict.doomed | order.early | ~completes),
            risk.kept.eq(verdict.released),
            verdict.undecided.eq(~risk.decided),
            verdict.flags.eq(headers.flags | session.flags | others),
            verdict.lane.eq(headers.lane),
            verdict.action.eq(action),
            verdict.tcp.eq(segment),
            verdict.continued.eq(framer.continued),
            verdict.unfinished.eq(framer.begins),
            verdict.stale.eq(session.stale),
            verdict.old_order.eq(session.repeats & history.had_order),
            session.kept.eq(verdict.kept),
            session.fence.eq(verdict.fence),
            session.latch.eq(verdict.latch),
            session.withhold.eq(verdict.withhold),
        ]
        overwritten = Signal()
        m.d.sync += overwritten.eq(verdict.keep & verdict.overwrite)
        m.d.comb += framer.overwritten.eq(overwritten)
        # A frame that is cut behind a price must not have it checked when it is over: the next frame would be charged.
        over = Signal()
        with m.If(receiver.end):
            m.d.sync += over.eq(1)
        with m.Elif(receiver.start):
            m.d.sync += over.eq(0)
        m.d.comb += order.over.eq(over)
        follow(m, order, risk, "symbol_valid", "symbol_first", "price_ready", "quantity", "buy", "price")
        follow(m, verdict, risk, "frame_end", "block", "block_index")
        follow(m, receiver, verdict, "start", "end")
        follow(m, order, verdict, "message_end", "unjudged", "is_order", "is_enter", "user_ref", "quantity", "price")
        follow(m, order, verdict, "bad_message", "replace", "pegged", "channel")
        follow(m, order, verdict, "bad_side", "bad_quantity", "over_size", "zero_price", "market")
        follow(m, risk, verdict, "index", "missing", "blocked", "over_position", "over_lane", "over_firm")

    def _send(
        self,
        m,
        receiver,
        headers,
        lane,
        session,
        history,
        framer,
        risk,
        verdict,
        rewrite,
        buffer,
        queue,
        records,
        gate,
        reset,
    ):
        """From the verdict to the pins."""
        # The mark of an octet comes one cycle behind it, and two or three from here.
        payload, old, muted, high, low = (Signal(2) for _ in range(5))
        framed, past, mark, settled = (Signal(Mark, name=name) for name in ("framed", "past", "mark", "settled"))
        for flag, now in (
            (payload, headers.payload_valid),
            (old, session.segment & history.old),
            (muted, session.mute),
            (high, headers.check_high),
            (low, headers.check_low),
        ):
            m.d.sync += flag.eq(Cat(now, flag))
        m.d.sync += [framed.eq(framer.mark), past.eq(history.mark), settled.eq(mark)]
        with m.If(payload[1] & ~muted[1]):
            m.d.comb += mark.eq(Mux(old[1], past, framed))
        with m.If(high[1]):
            m.d.comb += mark.eq(Mark.CHECK_HIGH)
        with m.If(low[1]):
            m.d.comb += mark.eq(Mark.CHECK_LOW)

        stamp = Signal(16)
        m.d.sync += stamp.eq(self.now - 2)  # when the frame that ends now had its last octet on the pins
        follow(m, receiver, buffer, "octet", "valid", "start", "end", "length")
        follow(m, receiver, rewrite, "octet", "valid", "start")
        follow(m, verdict, rewrite, "stop")
        descriptor, rest, books = queue.descriptor, records.new, records.new_books
        may_rewrite = Signal()  # settled before the frame ends
        m.d.sync += may_rewrite.eq(session.segment & (verdict.action == Action.NEUTRALISE) & ~framer.inside)
        overwritten, length = Signal(), Signal(11)
        m.d.sync += [overwritten.eq(verdict.overwrite), length.eq(receiver.length)]
        m.d.comb += [
            buffer.mark.eq(settled),
            rewrite.mark.eq(mark),
            buffer.keep.eq(verdict.keep),
            rewrite.judged.eq(verdict.judged_order),
            queue.end.eq(receiver.end),
            queue.keep.eq(verdict.enter),
            descriptor.lane.eq(lane),
            descriptor.length.eq(receiver.length),
            descriptor.stamp.eq(stamp),
            descriptor.tcp.eq(session.segment),
            descriptor.reset.eq(verdict.reset),
            descriptor.all.eq(verdict.overwrite),
            descriptor.orders.eq(verdict.lets_go),
            descriptor.rewritable.eq(may_rewrite & ~rewrite.old),
            descriptor.live.eq(rewrite.live),
            descriptor.cut.eq(verdict.action == Action.CUT),
            descriptor.epoch.eq(session.epoch),
            records.end.eq(receiver.end),
            records.keep.eq(queue.keep & ~queue.full),
            records.length.eq(length),
            books.base.eq(risk.base),
            books.reservations.eq(Mux(overwritten, 0, risk.reservations)),
            books.orders.eq(verdict.orders),
            books.stopped.eq(verdict.stopped),
            books.reason.eq(verdict.stop_reason),
        ]
        for name in ("stops", "check_some", "check_all"):
            m.d.comb += rest[name].eq(getattr(rewrite, name))
        for name in ("position", "advance", "finished", "slot"):
            m.d.comb += rest[name].eq(getattr(session, name))

        # An RST is in the queue, and not in the buffer.
        from_buffer = Signal()
        m.d.comb += [
            from_buffer.eq(~queue.head.reset),
            queue.pop.eq(gate.head_pop),
            buffer.pop.eq(gate.head_pop & from_buffer),
            buffer.take.eq(gate.free),
            buffer.head_length.eq(queue.head.length),
            buffer.freed.eq(records.account_valid & ~records.account.reset),
            buffer.freed_octets.eq(records.account.length),
            records.pop.eq(gate.head_pop),
            records.take.eq(gate.take),
            records.frame_length.eq(gate.length),
            gate.now.eq(self.now),
            gate.octet.eq(buffer.fetched),
            gate.mark.eq(buffer.fetched_mark),
            gate.reset_octet.eq(reset.octet),
            reset.begin.eq(gate.reset_begin),
            reset.lane.eq(gate.reset_lane),
            reset.sequence.eq(session.reset_sent),
            reset.acknowledgment.eq(session.reset_back),
            reset.fetch.eq(gate.fetch),
            session.reset_lane.eq(gate.reset_lane),
            self.exchange_tx_data.eq(gate.tx_data),
            self.exchange_tx_en.eq(gate.tx_en),
            self.exchange_tx_er.eq(gate.tx_er),
        ]
        account = records.account
        m.d.sync += [
            risk.failed.valid.eq(records.account_valid & ((account.kind != OutcomeKind.SENT) | account.all)),
            risk.failed.payload.base.eq(account.base),
            risk.failed.payload.count.eq(account.reservations),
        ]
        follow(m, gate, records, "outcome_valid", "outcome")
        follow(m, records, gate, "rest")
        follow(m, queue, gate, "head_valid", "head")
        follow(m, gate, buffer, "fetch")
        follow(m, gate, history, "past_valid", "past_lane", "past_position", "past_octet", "past")

    def _observe(self, m, capture, sources, latch, arming, records, gate, framer, verdict):
        """Connect the capture registers."""
        m.d.comb += [
            capture.request.eq(sources.request),
            capture.sources.eq(sources.sources),
            capture.killed.eq(latch.killed),
            capture.opened.eq(arming.open),
            capture.sent.eq(gate.outcome_valid & (gate.outcome.kind == OutcomeKind.SENT)),
            capture.aborted.eq(gate.outcome_valid & (gate.outcome.kind == OutcomeKind.ABORTED)),
            capture.lane.eq(gate.outcome.lane),
            capture.orders.eq(Mux(gate.outcome.all | gate.outcome.reset, 0, records.books.orders)),
            capture.last_octet.eq(framer.message_valid & framer.message_last),
            capture.breached.eq(verdict.breached),
        ]
        follow(m, gate, capture, "started", "dwell", "gap", "length")

    def _count(self, m, ago, counters, verdict, records, log):
        """Book every verdict and every outcome."""
        m.d.comb += [
            counters.now.eq(ago[Records.DELAY]),
            counters.log_ready.eq(log.gate.ready),
        ]
        m.d.comb += counters.reason.eq(Mux(verdict.passed, Reason.PASSED, verdict.reason))
        follow(m, verdict, counters, "runt", "judged", "row", "counted_orders", "failing_is_order", "fenced")
        follow(m, records, counters, "account_valid", "account")

    def _tell(self, m, ago, log, sources, latch, arming, controller, counters, verdict, risk, session):
        """Write the events."""
        # Kills can follow each other closely: one waits here while another is being written. Of three the log is told,
        # so that it counts the loss.
        edge, edge_sources, some_edge = Signal(LANES), Signal.like(sources.sources), Signal()
        m.d.sync += [edge.eq(sources.request & ~latch.killed), edge_sources.eq(sources.sources)]
        lowest, killed_lanes, killed_at, kill_waits = Signal(4), Signal(LANES), Signal(MOMENT), Signal()
        m.d.comb += some_edge.eq(edge.any())
        with m.If(some_edge):
            for source in reversed(range(len(edge_sources))):
                with m.If(edge_sources[source]):
                    m.d.sync += lowest.eq(source)
            m.d.sync += [killed_lanes.eq(edge), killed_at.eq(ago[1])]
        m.d.sync += kill_waits.eq(some_edge | (kill_waits & ~log.kill.ready))

        # The link does one of these at a time.
        told, control_kind, control_reason, control_lanes = Signal(), Signal(Kind), Signal(Refusal), Signal(LANES)
        m.d.sync += [
            told.eq(arming.done | risk.cleared | controller.config_begun),
            control_kind.eq(Mux(risk.cleared, Kind.CLEAR, Kind.CONFIG)),
            control_reason.eq(arming.refusal),
            control_lanes.eq(arming.open),
        ]
        with m.If(arming.done):
            m.d.sync += control_kind.eq(Mux(arming.refusal != Refusal.NONE, Kind.ARM_REFUSED, Kind.ARM))
        with m.Else():
            m.d.sync += control_reason.eq(Refusal.NONE)
        m.d.comb += [
            log.now.eq(self.now),
            log.kill.valid.eq(kill_waits & (log.kill.ready | some_edge)),
            log.kill.at.eq(killed_at),
            log.control.valid.eq(told),
            log.control.at.eq(ago[1]),
            log.gate.valid.eq(counters.booked),
            log.gate.at.eq(counters.booked_at),
            log.verdict.valid.eq(verdict.logged),
            log.verdict.at.eq(ago[3 + LOGGED_LATER]),
            log.block.at.eq(ago[2]),
            log.session.at.eq(ago[1]),
            log.evidence.at.eq(ago[2]),
        ]
        record(m, log.kill, kind=Kind.KILL, lane=0, reason=lowest, user_ref=killed_lanes)
        record(m, log.control, kind=control_kind, reason=control_reason, user_ref=control_lanes)
        gate_kind, gate_reason = Signal(Kind), Signal(Reason)
        m.d.comb += [gate_kind.eq(Kind.DROP), gate_reason.eq(Reason.KILLED)]
        with m.Switch(counters.booked_kind):
            with m.Case(OutcomeKind.SENT):
                m.d.comb += gate_kind.eq(Kind.NEUTRALISE)
            with m.Case(OutcomeKind.ABORTED):
                m.d.comb += gate_kind.eq(Kind.ABORT)
            with m.Case(OutcomeKind.STALE):
                m.d.comb += gate_reason.eq(Reason.ROLLED_BACK)
        record(
            m,
            log.gate,
            kind=gate_kind,
            lane=counters.booked_lane,
            reason=gate_reason,
            count=counters.booked_orders,
            symbol=NO_SYMBOL,
        )
        record(
            m,
            log.verdict,
            kind=Mux(verdict.passed, Kind.NEUTRALISE, Mux(verdict.fenced, Kind.FENCE, Kind.DROP)),
            lane=verdict.row,
            reason=verdict.reason,
            count=Mux(verdict.passed, verdict.overwritten, verdict.counted_orders),
            user_ref=verdict.order.user_ref,
            symbol=verdict.order.symbol,
            quantity=verdict.order.quantity,
            price=verdict.order.price,
        )
        session_lane, session_port = Signal(3), Signal(16)
        m.d.sync += [
            log.session.valid.eq(session.began),
            session_lane.eq(session.began_lane),
            session_port.eq(session.began_port),
        ]
        record(m, log.session, kind=Kind.SESSION, lane=session_lane, user_ref=session_port)
        block_lane = Signal(4)
        m.d.sync += [log.block.valid.eq(verdict.block), block_lane.eq(verdict.lane)]
        record(m, log.block, kind=Kind.BLOCK, lane=block_lane, symbol=verdict.block_index)


class Absent(wiring.Component):
    """Stands for a component that is not built: its outputs rest."""

    def __init__(self, component: type[wiring.Component]):
        super().__init__(component.__annotations__)

    def elaborate(self, platform):
        return Module()


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

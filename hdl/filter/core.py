"""The filter: between eight servers and the exchange, at GMII level."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.filter.addresses import Addresses
from hdl.filter.arming import Arming
from hdl.filter.ascent import Ascent
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
from hdl.filter.lane_terms import LaneTerms
from hdl.filter.lanes import Lanes
from hdl.filter.link import Link
from hdl.filter.log import MOMENT, Log
from hdl.filter.marks import Mark
from hdl.filter.order import Order
from hdl.filter.pace import Pace
from hdl.filter.queue import EgressQueue
from hdl.filter.records import Records
from hdl.filter.replies import Replies
from hdl.filter.reset import Reset
from hdl.filter.returns import ReturnPath
from hdl.filter.rewrite import Rewrite
from hdl.filter.risk import Risk
from hdl.filter.session import Session
from hdl.filter.settings import RANGES as SETTINGS
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
        (Reg.SYMBOL_TERMS, Reg.SYMBOL_TERMS + 1023),
        (Reg.EXPOSURE_LIMIT, Reg.EXPOSURE_LIMIT + 2047),
        (Reg.GROSS, Reg.GROSS + 31),
        (Reg.NET, Reg.NET + 1023),
        (Reg.EXPOSURE, Reg.EXPOSURE + 2047),
        (Reg.PARENT, Reg.PARENT + 1023),
        (Reg.PARENT_LEFT, Reg.PARENT_LEFT + 1023),
    ],
    "settings": SETTINGS,
    "terms": [(Reg.BUILD_TAG, Reg.BUILD_TAG + 31)],
    "lanes": [(Reg.LANE_KEY, Reg.LANE_KEY + 31)],
    "directory": [(Reg.DIRECTORY, Reg.DIRECTORY + 4095)],
    "counters": [(Reg.COUNTER, Reg.COUNTER + 2047)],
}
LOGGED = ("kill", "control", "gate", "verdict", "block", "session", "loss", "contradiction")


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
        m.submodules.terms = terms = LaneTerms()
        m.submodules.ascent = Ascent()
        m.submodules.pace = Pace()
        m.submodules.risk = risk = Risk()
        m.submodules.verdict = verdict = Verdict()
        m.submodules.buffer = FrameBuffer()
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
        m.submodules.log = log = Log(LOGGED)
        m.submodules.session = session = Session()
        m.submodules.store = store = ContextStore()
        m.submodules.rewrite = Rewrite()
        m.submodules.addresses = addresses = Addresses()
        m.submodules.reset = reset = Reset()
        m.submodules.replies = replies = Replies()
        m.submodules.history = History()
        m.submodules.returns = returns = ReturnPath()
        m.submodules.bus = bus = BusDecoder(TARGETS, quiet=("status", "settings"))

        lane = Signal(4)  # of the frame, a cycle later: for all that has time
        m.d.sync += lane.eq(headers.lane)
        self._read(m, lane)
        self._judge(m, lane)
        self._admit(m, lane)
        self._send(m, lane)
        for parser in (framer, order, risk):
            follow(m, store, parser, "load", "word")
        m.d.comb += [
            store.context.eq(framer.context | order.context | risk.context),
            risk.key.eq(settings.hash_key),
            order.order_size.eq(settings.order_size),
            verdict.killing.eq(latch.next),
            gate.killing.eq(latch.next),
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
        follow(m, session, gate, "renew", "accepted")
        follow(m, session, returns, "missing")
        self._hear(m)
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
        # A cycle late, and near them; what stirs the nonce, two. A level that refuses an arm asks for a kill as soon,
        # which makes its nonce void; so does what begins to drain. Exposure is cleared by another request of the link,
        # long before or behind.
        m.d.sync += [
            watchdog.now.eq(self.now),
            arming.now.eq(watchdog.now),
            arming.loop_open.eq(sources.loop_open),
            arming.fault.eq(sources.fault),
            arming.watchdog_expired.eq(watchdog.expired),
            arming.tables_busy.eq(risk.clearing | drain.draining),
        ]
        m.d.comb += [
            sources.loop_closed.eq(self.loop_closed),
            sources.serial.eq(controller.kill),
            sources.breach.eq(verdict.breach),
            sources.contradicted.eq(risk.contradicts),
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
        connect(m, bus.terms, terms.bus)
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
        self._observe(m)
        self._count(m, ago)
        self._tell(m, ago)
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
        each = Cat(returns.active, *(part.busy for part in parts))
        m.d.sync += [(some := Signal.like(each, name="some_busy")).eq(each), self.busy.eq(some.any())]
        return m

    def _read(self, m, lane):
        """From the pins to the messages: headers, lane, session, what is new in the payload."""
        p = m.submodules
        m.d.comb += [
            p.receiver.data.eq(self.server_rx_data),
            p.receiver.dv.eq(self.server_rx_dv),
            p.receiver.er.eq(self.server_rx_er),
            p.headers.policy.eq(p.settings.policy),
            p.lanes.enable.eq(p.settings.lane_enable),
            p.lanes.tcp_lanes.eq(p.settings.tcp_lanes),
        ]
        follow(m, p.receiver, p.headers, "next_octet", "valid", "start", "end", "length")
        follow(m, p.headers, p.lanes.orders, "key_octet", "key_index", "key_valid", "tcp")
        follow(m, p.lanes.orders, p.headers, "found", "found_lane")
        located = ("open", "located", "lane", "source_port", "sequence", "tcp_flags", "payload_length")
        follow(m, p.headers, p.session, *located)
        follow(m, p.headers, p.history, "payload_octet", "payload_valid", "soon")
        follow(m, p.session, p.history, "old_left")
        begin, dialect, replaceable, soup, fresh = (Signal() for _ in range(5))  # fresh: payload to be parsed
        m.d.sync += [
            soup.eq(p.session.segment),
            begin.eq(p.headers.located),
            dialect.eq(p.settings.dialect_lanes.bit_select(lane[:3], 1)),
            replaceable.eq(p.risk.heard.bit_select(lane[:3], 1)),
            fresh.eq(p.headers.payload_follows & ~p.session.mute & ~(p.session.segment & p.history.still)),
        ]
        m.d.comb += [
            p.history.begin.eq(begin),
            p.history.lane.eq(lane),
            p.history.position.eq(p.session.position),
            p.store.start_load.eq(p.headers.located),
            p.store.load_lane.eq(p.headers.lane),
            p.store.anew.eq(p.session.anew),
            p.store.load_slot.eq(p.session.load_slot),
            p.store.start_save.eq(p.session.save),
            p.store.save_slot.eq(p.session.slot),
            p.store.commit.eq(p.session.commit),
            p.store.commit_slot.eq(p.session.commit_slot),
            p.store.commit_lane.eq(p.session.commit_lane),
            p.framer.next_octet.eq(p.receiver.octet),
            p.framer.payload_valid.eq(fresh),
            p.framer.payload_start.eq(p.headers.payload_start),
            p.framer.payload_last.eq(p.headers.payload_last),
            p.framer.soup.eq(soup),
            p.framer.dialect.eq(dialect),
            p.order.dialect.eq(dialect),
            p.order.replaceable.eq(replaceable),
        ]
        # The framer answers without a clock: the decoder takes its messages one cycle later.
        parts = ("octet", "valid", "first", "last", "left", "gone")
        follow(m, p.framer, p.order, *(f"message_{part}" for part in parts), domain="sync")
        follow(m, p.headers, p.framer, "open")
        follow(m, p.headers, p.order, "open", domain="sync")

    def _hear(self, m):
        """From the return path to what is counted and told of it."""
        p = m.submodules
        m.d.comb += [
            p.replies.octet.eq(p.returns.payload_octet),
            p.replies.valid.eq(p.returns.payload_valid),
            p.replies.last.eq(p.returns.payload_last),
            p.replies.dialects.eq(p.settings.dialect_lanes),
            p.counters.heard.eq(p.replies.heard_valid),
            p.counters.heard_lane.eq(p.replies.heard.lane),
            p.counters.applied.eq(p.replies.heard.applied),
            p.counters.repeated.eq(p.replies.heard.repeated),
        ]
        follow(m, p.returns, p.replies, "soon", "end")
        follow(m, p.session, p.replies, "skip", "began", "began_lane", domain="sync")
        m.d.sync += [p.replies.commit.eq(p.session.heard), p.replies.lane.eq(p.returns.evidence.lane)]
        follow(m, p.returns, p.counters, "spoilt", "spoilt_lane")

        # What reports change of the open orders, and what contradicts them.
        report, told = p.replies.report, p.risk.contradicted
        m.d.comb += [
            p.risk.heard.eq(p.settings.evidence_lanes & p.settings.tcp_lanes),
            p.risk.older.eq(p.settings.dialect_lanes.bit_select(report.lane, 1)),
        ]
        follow(m, p.replies, p.risk, "report_valid", "report")

        loss = p.replies.told
        m.d.comb += [
            p.log.loss.valid.eq(p.replies.lost_valid),
            p.log.contradiction.valid.eq(p.risk.contradicted_valid),
        ]
        record(m, p.log.loss, kind=Kind.EVIDENCE_LOST, lane=loss.lane, reason=loss.reason)
        record(
            m,
            p.log.contradiction,
            kind=Kind.CONTRADICTION,
            lane=told.lane,
            reason=told.what,
            user_ref=told.user_ref,
            quantity=told.quantity,
        )

    def _judge(self, m, lane):
        """From the messages to the verdict."""
        p = m.submodules
        segment, no_room, action = p.session.segment, Signal(), Signal(2)
        later = Signal(4)  # the lane, two cycles behind the headers
        m.d.sync += later.eq(lane)
        m.d.sync += [
            # As of the cycle before: all of them are settled long before a frame ends.
            no_room.eq(p.buffer.overflow | p.queue.full | (segment & p.session.full)),
            action.eq(Mux(p.headers.lane[3], Action.NEUTRALISE, p.settings.actions[p.headers.lane[:3]])),
        ]
        others = Signal.like(p.headers.flags)
        m.d.comb += [
            others[Reason.RUNT].eq(p.receiver.runt),
            others[Reason.RX_ERROR].eq(p.receiver.error),
            others[Reason.FCS].eq(~p.receiver.fcs_ok),
            others[Reason.OVERFLOW].eq(no_room),
            others[Reason.HISTORY].eq(p.session.repeats & p.history.differs),
            others[Reason.FRAMING].eq(p.framer.framing),
        ]
        m.d.comb += [
            p.risk.symbol_data.eq(p.order.symbol_octet),
            p.risk.order_value.eq(p.settings.order_value),
            p.risk.parentless.eq(p.settings.parentless_lanes),
            p.risk.kept.eq(p.verdict.released),
            p.verdict.undecided.eq(~p.risk.decided),
            p.verdict.trips.eq(p.settings.trips),
            p.verdict.flags.eq(p.headers.flags | p.session.flags | others),
            p.risk.lane.eq(later),
            p.verdict.lane.eq(later),
            p.verdict.action.eq(action),
            p.verdict.tcp.eq(segment),
            p.verdict.continued.eq(p.framer.continued),
            p.verdict.unfinished.eq(p.framer.begins),
            p.verdict.stale.eq(p.session.stale),
            p.verdict.old_order.eq(p.session.repeats & p.history.had_order),
            p.session.kept.eq(p.verdict.kept),
            p.session.fence.eq(p.verdict.fence),
            p.session.latch.eq(p.verdict.latch),
            p.session.withhold.eq(p.verdict.withhold),
        ]
        overwritten = Signal()
        m.d.sync += overwritten.eq(p.verdict.keep & p.verdict.overwrite)
        m.d.comb += p.framer.overwritten.eq(overwritten)
        # A frame that is cut behind a price must not have it checked when it is over: the next frame would be charged.
        over = Signal()
        with m.If(p.receiver.end):
            m.d.sync += over.eq(1)
        with m.Elif(p.receiver.start):
            m.d.sync += over.eq(0)
        m.d.comb += p.order.over.eq(over)
        follow(
            m, p.order, p.risk, "symbol_valid", "symbol_first", "price_ready", "quantity", "buy", "is_short", "price"
        )
        follow(m, p.order, p.risk, "user_ref", "parent", "named", "seek", "replaces")
        follow(m, p.verdict, p.risk, "checked", "charge", "frame_end", "block", "block_index")
        follow(m, p.receiver, p.verdict, "start", "end", "closes")
        follow(m, p.order, p.verdict, "message_end", "unjudged", "is_order", "is_enter", "replaces")
        follow(m, p.order, p.verdict, "user_ref", "quantity", "price", "bad_message", "replace", "pegged", "channel")
        follow(m, p.order, p.verdict, "bad_tag", "bad_side", "bad_quantity", "over_size", "zero_price", "market")
        follow(m, p.risk, p.verdict, "index", "missing", "restricted", "blocked", "unborrowed", "off_collar")
        follow(m, p.risk, p.verdict, "over_value", "over_position", "over_lane", "over_firm", "no_room", "forbidden")
        follow(m, p.risk, p.verdict, "over_parent", "over_children")

    def _admit(self, m, lane):
        """What the lane's own terms say of an order: tag, number, rate. They are the frame's until it is released."""
        p = m.submodules
        begin, owned = Signal(), Signal()
        m.d.sync += begin.eq(p.headers.owned)
        with m.If(p.receiver.start):
            m.d.sync += owned.eq(0)
        with m.If(begin):
            m.d.sync += owned.eq(1)
        commit, ordered = owned & p.verdict.released, Signal()
        m.d.sync += ordered.eq(~p.settings.unordered_lanes.bit_select(lane[:3], 1))
        m.d.comb += [
            p.terms.begin.eq(begin),
            p.terms.lane.eq(lane),
            p.terms.commit.eq(commit),
            p.terms.commit_ref.eq(p.ascent.highest),
            p.order.tag.eq(p.terms.tag),
            p.ascent.begin.eq(p.terms.shown),
            p.pace.now.eq(p.watchdog.now),
            p.pace.begin.eq(begin),
            p.pace.lane.eq(lane),
            p.pace.commit.eq(commit),
            p.verdict.repeated.eq(p.ascent.repeated & ordered),
            p.verdict.over_rate.eq(p.pace.over),
        ]
        follow(m, p.terms, p.ascent, "last_ref")
        follow(m, p.terms, p.pace, "interval", "depth")
        follow(m, p.order, p.ascent, "message_end", "numbered", "user_ref")
        follow(m, p.verdict, p.ascent, "passes")
        follow(m, p.verdict, p.pace, "charge")

    def _send(self, m, lane):
        """From the verdict to the pins."""
        p = m.submodules
        # The mark of an octet comes one cycle behind it, and two or three from here.
        payload, old, muted, high, low = (Signal(2) for _ in range(5))
        framed, past, mark, settled = (Signal(Mark, name=name) for name in ("framed", "past", "mark", "settled"))
        for flag, now in (
            (payload, p.headers.payload_valid),
            (old, p.session.segment & p.history.old),
            (muted, p.session.mute),
            (high, p.headers.check_high),
            (low, p.headers.check_low),
        ):
            m.d.sync += flag.eq(Cat(now, flag))
        m.d.sync += [framed.eq(p.framer.mark), past.eq(p.history.mark), settled.eq(mark)]
        with m.If(payload[1] & ~muted[1]):
            m.d.comb += mark.eq(Mux(old[1], past, framed))
        with m.If(high[1]):
            m.d.comb += mark.eq(Mark.CHECK_HIGH)
        with m.If(low[1]):
            m.d.comb += mark.eq(Mark.CHECK_LOW)

        stamp = Signal(16)
        m.d.sync += stamp.eq(p.watchdog.now - 2)  # when the frame that has just ended had its last octet on the pins
        follow(m, p.receiver, p.buffer, "octet", "valid", "start", "end", "length")
        follow(m, p.receiver, p.rewrite, "octet", "valid", "start")
        follow(m, p.verdict, p.rewrite, "stop")
        descriptor, rest, books = p.queue.descriptor, p.records.new, p.records.new_books
        may_rewrite = Signal()  # settled before the frame ends
        m.d.sync += may_rewrite.eq(p.session.segment & (p.verdict.action == Action.NEUTRALISE) & ~p.framer.inside)
        overwritten, length = Signal(), Signal(11)
        m.d.sync += [overwritten.eq(p.verdict.overwrite), length.eq(p.receiver.length)]
        m.d.comb += [
            p.buffer.mark.eq(settled),
            p.rewrite.mark.eq(mark),
            p.buffer.keep.eq(p.verdict.keep),
            p.rewrite.judged.eq(p.verdict.judged_order),
            p.queue.end.eq(p.receiver.end),
            p.queue.keep.eq(p.verdict.enter),
            descriptor.lane.eq(lane),
            descriptor.length.eq(p.receiver.length),
            rest.stamp.eq(stamp),
            descriptor.tcp.eq(p.session.segment),
            descriptor.reset.eq(p.verdict.reset),
            descriptor.all.eq(p.verdict.overwrite),
            descriptor.orders.eq(p.verdict.lets_go),
            descriptor.rewritable.eq(may_rewrite & ~p.rewrite.old),
            descriptor.live.eq(p.rewrite.live),
            descriptor.cut.eq(p.verdict.action == Action.CUT),
            descriptor.epoch.eq(p.session.epoch),
            p.records.end.eq(p.receiver.end),
            p.records.keep.eq(p.queue.keep & ~p.queue.full),
            p.records.length.eq(length),
            books.base.eq(p.risk.base),
            books.reservations.eq(Mux(overwritten, 0, p.risk.reservations)),
            books.orders.eq(p.verdict.orders),
            books.stopped.eq(p.verdict.stopped),
            books.reason.eq(p.verdict.stop_reason),
        ]
        for name in ("stops", "check_some", "check_all"):
            m.d.comb += rest[name].eq(getattr(p.rewrite, name))
        for name in ("position", "advance", "finished", "slot"):
            m.d.comb += rest[name].eq(getattr(p.session, name))

        # An RST is in the queue, and not in the buffer.
        from_buffer = Signal()
        m.d.comb += [
            from_buffer.eq(~p.queue.head.reset),
            p.queue.pop.eq(p.gate.head_pop),
            p.buffer.pop.eq(p.gate.head_pop & from_buffer),
            p.buffer.take.eq(p.gate.free),
            p.buffer.head_length.eq(p.queue.head.length),
            p.buffer.freed.eq(p.records.account_valid & ~p.records.account.reset),
            p.buffer.freed_octets.eq(p.records.account.length),
            p.records.pop.eq(p.gate.head_pop),
            p.records.take.eq(p.gate.take),
            p.records.frame_length.eq(p.gate.length),
            p.gate.now.eq(self.now),
            p.gate.octet.eq(p.buffer.fetched),
            p.gate.mark.eq(p.buffer.fetched_mark),
            p.gate.reset_octet.eq(p.reset.octet),
            p.reset.begin.eq(p.gate.reset_begin),
            p.reset.lane.eq(p.gate.reset_lane),
            p.reset.sequence.eq(p.session.reset_sent),
            p.reset.acknowledgment.eq(p.session.reset_back),
            p.reset.fetch.eq(p.gate.fetch),
            p.session.reset_lane.eq(p.gate.reset_lane),
            self.exchange_tx_data.eq(p.gate.tx_data),
            self.exchange_tx_en.eq(p.gate.tx_en),
            self.exchange_tx_er.eq(p.gate.tx_er),
        ]
        account = p.records.account
        m.d.sync += [
            p.risk.failed.valid.eq(p.records.account_valid & ((account.kind != OutcomeKind.SENT) | account.all)),
            p.risk.failed.payload.base.eq(account.base),
            p.risk.failed.payload.count.eq(account.reservations),
        ]
        follow(m, p.gate, p.records, "outcome_valid", "outcome")
        follow(m, p.records, p.gate, "rest")
        follow(m, p.queue, p.gate, "head_valid", "head")
        follow(m, p.gate, p.buffer, "fetch")
        follow(m, p.gate, p.history, "past_valid", "past_lane", "past_position", "past_octet", "past")

    def _observe(self, m):
        """Connect the capture registers."""
        p = m.submodules
        m.d.comb += [
            p.capture.request.eq(p.sources.request),
            p.capture.sources.eq(p.sources.sources),
            p.capture.killed.eq(p.latch.killed),
            p.capture.opened.eq(p.arming.open),
            p.capture.sent.eq(p.gate.outcome_valid & (p.gate.outcome.kind == OutcomeKind.SENT)),
            p.capture.aborted.eq(p.gate.outcome_valid & (p.gate.outcome.kind == OutcomeKind.ABORTED)),
            p.capture.lane.eq(p.gate.outcome.lane),
            p.capture.orders.eq(Mux(p.gate.outcome.all | p.gate.outcome.reset, 0, p.records.books.orders)),
            # A message of one octet is no order, and may end while the one before it is being judged.
            p.capture.last_octet.eq(p.framer.message_valid & p.framer.message_last & ~p.framer.message_first),
            p.capture.tripped.eq(p.verdict.tripped),
        ]
        follow(m, p.gate, p.capture, "started", "measured", "dwell", "gap", "length")

    def _count(self, m, ago):
        """Book every verdict and every outcome."""
        p = m.submodules
        m.d.comb += [
            p.counters.now.eq(ago[Records.DELAY]),
            p.counters.log_ready.eq(p.log.gate.ready),
        ]
        m.d.comb += p.counters.reason.eq(Mux(p.verdict.passed, Reason.PASSED, p.verdict.reason))
        follow(m, p.verdict, p.counters, "runt", "judged", "row", "counted_orders", "failing_is_order", "fenced")
        follow(m, p.records, p.counters, "account_valid", "account")

    def _tell(self, m, ago):
        """Write the events."""
        p = m.submodules
        # Kills can follow each other closely: one waits here while another is being written. Of three the log is told,
        # so that it counts the loss.
        edge, edge_sources, some_edge = Signal(LANES), Signal.like(p.sources.sources), Signal()
        m.d.sync += [edge.eq(p.sources.request & ~p.latch.killed), edge_sources.eq(p.sources.sources)]
        lowest, killed_lanes, killed_at, kill_waits = Signal(4), Signal(LANES), Signal(MOMENT), Signal()
        m.d.comb += some_edge.eq(edge.any())
        with m.If(some_edge):
            for source in reversed(range(len(edge_sources))):
                with m.If(edge_sources[source]):
                    m.d.sync += lowest.eq(source)
            m.d.sync += [killed_lanes.eq(edge), killed_at.eq(ago[1])]
        m.d.sync += kill_waits.eq(some_edge | (kill_waits & ~p.log.kill.ready))

        # The link does one of these at a time.
        told, control_kind, control_reason, control_lanes = Signal(), Signal(Kind), Signal(Refusal), Signal(LANES)
        m.d.sync += [
            told.eq(p.arming.done | p.risk.cleared | p.controller.config_begun),
            control_kind.eq(Mux(p.risk.cleared, Kind.CLEAR, Kind.CONFIG)),
            control_reason.eq(p.arming.refusal),
            control_lanes.eq(p.arming.open),
        ]
        with m.If(p.arming.done):
            m.d.sync += control_kind.eq(Mux(p.arming.refusal != Refusal.NONE, Kind.ARM_REFUSED, Kind.ARM))
        with m.Else():
            m.d.sync += control_reason.eq(Refusal.NONE)
        m.d.comb += [
            p.log.now.eq(self.now),
            p.log.kill.valid.eq(kill_waits & (p.log.kill.ready | some_edge)),
            p.log.kill.at.eq(killed_at),
            p.log.control.valid.eq(told),
            p.log.control.at.eq(ago[1]),
            p.log.gate.valid.eq(p.counters.booked),
            p.log.gate.at.eq(p.counters.booked_at),
            p.log.verdict.valid.eq(p.verdict.logged),
            p.log.verdict.at.eq(ago[3 + LOGGED_LATER]),
            p.log.block.at.eq(ago[2]),
            p.log.session.at.eq(ago[2]),
            p.log.loss.at.eq(ago[3]),
            p.log.contradiction.at.eq(ago[1]),
        ]
        record(m, p.log.kill, kind=Kind.KILL, lane=0, reason=lowest, user_ref=killed_lanes)
        record(m, p.log.control, kind=control_kind, reason=control_reason, user_ref=control_lanes)
        gate_kind, gate_reason = Signal(Kind), Signal(Reason)
        m.d.comb += [gate_kind.eq(Kind.DROP), gate_reason.eq(Reason.KILLED)]
        with m.Switch(p.counters.booked_kind):
            with m.Case(OutcomeKind.SENT):
                m.d.comb += gate_kind.eq(Kind.NEUTRALISE)
            with m.Case(OutcomeKind.ABORTED):
                m.d.comb += gate_kind.eq(Kind.ABORT)
            with m.Case(OutcomeKind.STALE):
                m.d.comb += gate_reason.eq(Reason.ROLLED_BACK)
        record(
            m,
            p.log.gate,
            kind=gate_kind,
            lane=p.counters.booked_lane,
            reason=gate_reason,
            count=p.counters.booked_orders,
            symbol=NO_SYMBOL,
        )
        record(
            m,
            p.log.verdict,
            kind=Mux(p.verdict.passed, Kind.NEUTRALISE, Mux(p.verdict.fenced, Kind.FENCE, Kind.DROP)),
            lane=p.verdict.row,
            reason=p.verdict.reason,
            count=Mux(p.verdict.passed, p.verdict.overwritten, p.verdict.counted_orders),
            user_ref=p.verdict.order.user_ref,
            symbol=p.verdict.order.symbol,
            quantity=p.verdict.order.quantity,
            price=p.verdict.order.price,
        )
        began, session_lane, session_port = Signal(), Signal(3), Signal(16)
        m.d.sync += [
            began.eq(p.session.began),
            p.log.session.valid.eq(began),  # of an evidence, which stays
            session_lane.eq(p.session.began_lane),
            session_port.eq(p.session.began_port),
        ]
        record(m, p.log.session, kind=Kind.SESSION, lane=session_lane, user_ref=session_port)
        block_lane = Signal(4)
        m.d.sync += [p.log.block.valid.eq(p.verdict.block), block_lane.eq(p.verdict.lane)]
        record(m, p.log.block, kind=Kind.BLOCK, lane=block_lane, symbol=p.verdict.block_index)


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

"""The control link's upper half: executes requests, one after another."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import ADDRESS_BITS, Bus
from hdl.filter.fcs import INIT, crc32
from hdl.filter.link import HEADER_WORDS, Requests
from hdl.filter.log import READ_DELAY, Reader
from hdl.wire import event
from hdl.wire.control import MOST_EVENTS, MOST_WORDS, REPLY, Op, Status
from hdl.wire.registers import CONFIG_FIRST, CONFIG_LAST, Reg
from hdl.wire.verdict import LANES

ALL = (1 << LANES) - 1
ARGUMENTS = 3  # words behind the header that are fetched at once
SETTLE = 10  # cycles in which a kill, an arm, a nonce or freed events have taken effect


class Controller(wiring.Component):
    """Executes the requests of the link in order and has each one answered: `hdl.wire.control` says what they do.

    Words are read and written on the bus one after another; each waits for its ack. A failing word ends the request
    with its status, and the words before it have taken effect. A reply with a status other than OK has no words, but
    for that of a refused ARM. Words of configuration are written only while ``killed`` shows every lane; this is
    looked at for every word, and lanes are opened only here, so they stay killed until the word's ack.

    ``config_crc`` is the CRC-32 of all words of configuration written without error since ``CONFIG_BEGIN``, or since
    reset: for each the address and the value, 32 bits each, low octet first. ``CONFIG_BEGIN`` and ``CLEAR_EXPOSURE``
    do not count.

    A kill strobe of the link is passed on in the next cycle in every state, also while a request waits for its ack. The
    same KILL acts again in its turn: were there an ARM before it in the queue, the lanes would stay open otherwise.

    Members
    -------
    requests : In(Requests)
    link_kill : In(8)
        The link's strobes.
    bus : Out(Bus)
    killed : In(8)
    kill : Out(8)
        Strobes: lanes to kill.
    heartbeat : Out(1)
        Strobe.
    nonce_request, nonce : Out(1), In(32)
        Strobe, and the nonce, taken at least 10 cycles later.
    arm, arm_nonce, arm_lanes, arm_crc : Out(1), Out(32), Out(8), Out(32)
        Strobe, and what it came with; stable until ``arm_done``.
    arm_done, arm_refusal : In(1), In(3)
        Strobe, and the `Refusal` with it.
    config_crc : Out(32)
    config_begun : Out(1)
        Strobe: ``CONFIG_BEGIN`` was written.
    events : Out(Reader)
    busy : Out(1)
        A request is being executed or its reply sent. Combinational.
    """

    requests: In(Requests)
    link_kill: In(LANES)
    bus: Out(Bus)
    killed: In(LANES)
    kill: Out(LANES)
    heartbeat: Out(1)
    nonce_request: Out(1)
    nonce: In(32)
    arm: Out(1)
    arm_nonce: Out(32)
    arm_lanes: Out(LANES)
    arm_crc: Out(32)
    arm_done: In(1)
    arm_refusal: In(3)
    config_crc: Out(32)
    config_begun: Out(1)
    events: Out(Reader)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        requests, bus, events = self.requests, self.bus, self.events

        header = Signal(32)
        address = Signal(32)
        arguments = [Signal(32, name=f"argument_{number}") for number in range(ARGUMENTS)]
        asked = {op: Signal(name=f"is_{op.name.lower()}") for op in Op}
        item = Signal(7)  # the word being handled
        items = Signal(7, init=1)  # how many are left, this one included
        item_at = Signal(7)  # its place in the request
        result = Signal(32)  # the word on its way to or from the bus, or into the reply
        status, reply_words = Signal(8), Signal(7)
        step, pause = Signal(4), Signal(range(SETTLE + 1))
        killing = Signal()

        m.d.comb += [
            self.arm_nonce.eq(arguments[0]),
            self.arm_lanes.eq(arguments[1]),
            self.arm_crc.eq(arguments[2]),
            events.number.eq(address),
            events.index.eq(item),
            bus.address.eq(address),
            bus.data.eq(result),
        ]
        strobes = [killing, self.heartbeat, self.nonce_request, self.arm, self.config_begun]
        strobes += [events.free, bus.request, requests.reply]
        m.d.sync += [strobe.eq(0) for strobe in strobes]
        m.d.sync += self.kill.eq(self.link_kill | Mux(killing, arguments[0][:LANES], 0))

        # What the states decide by, one cycle behind the registers it is taken from.
        all_killed, is_config, is_counted, is_begin, no_address = (Signal() for _ in range(5))
        no_word, some_words, one_word, three_words, some_events = (Signal() for _ in range(5))
        enough, last_item = Signal(), Signal()
        m.d.sync += [
            all_killed.eq(self.killed == ALL),
            is_config.eq((address[:ADDRESS_BITS] >= CONFIG_FIRST) & (address[:ADDRESS_BITS] <= CONFIG_LAST)),
            is_counted.eq(address[:ADDRESS_BITS] != Reg.CLEAR_EXPOSURE),
            is_begin.eq(address[:ADDRESS_BITS] == Reg.CONFIG_BEGIN),
            no_address.eq(address[ADDRESS_BITS:].any()),
            *(flag.eq(header[16:24] == op) for op, flag in asked.items()),
            no_word.eq(requests.words == 0),
            one_word.eq(requests.words == 1),
            three_words.eq(requests.words == ARGUMENTS),
            some_words.eq((requests.words == 1) & (arguments[0] != 0) & (arguments[0] <= MOST_WORDS)),
            some_events.eq((requests.words == 1) & (arguments[0] != 0) & (arguments[0] <= MOST_EVENTS)),
            enough.eq(events.kept >= arguments[0][:4]),
            last_item.eq(items == 1),
        ]

        # The CRC-32 of the configuration, an octet a cycle.
        crc, crc_octets, crc_left = Signal(32, init=INIT), Signal(64), Signal(range(9))
        counting = Signal()
        m.d.comb += self.config_crc.eq(~crc)
        m.d.sync += counting.eq(0)
        with m.If(counting):
            m.d.sync += [crc_octets.eq(Cat(address, result)), crc_left.eq(8)]
        with m.If(self.config_begun):
            m.d.sync += crc.eq(INIT)
        with m.If(crc_left != 0):
            m.d.sync += [crc.eq(crc32(crc, crc_octets[:8])), crc_octets.eq(crc_octets >> 8), crc_left.eq(crc_left - 1)]

        def fail(code):
            m.d.sync += [status.eq(code), reply_words.eq(HEADER_WORDS)]
            m.next = "header"

        def begin(op, condition, state, action):
            with m.If(asked[op] & condition):
                m.d.sync += [status.eq(Status.OK), action]
                m.next = state

        with m.FSM() as machine:
            with m.State("idle"):
                m.d.sync += [step.eq(1), pause.eq(SETTLE)]
                m.d.sync += [item.eq(0), item_at.eq(HEADER_WORDS), items.eq(1), reply_words.eq(HEADER_WORDS)]
                with m.If(requests.waiting):
                    m.next = "request"
            with m.State("request"):
                # The words move in from behind, two cycles after their address.
                m.d.comb += requests.address.eq(step)
                words = Cat(header, address, *arguments)
                m.d.sync += [words.eq(Cat(words[32:], requests.value)), step.eq(step + 1)]
                with m.If(step == HEADER_WORDS + ARGUMENTS + 1):
                    m.next = "checks"
            with m.State("checks"):
                m.d.sync += step.eq(0)
                m.next = "operation"
            with m.State("operation"):
                fail(Status.UNKNOWN)
                begin(Op.READ, some_words, "read", items.eq(arguments[0]))
                begin(Op.WRITE, ~no_word, "fetch", items.eq(requests.words))
                begin(Op.KILL, one_word, "settle", killing.eq(1))
                begin(Op.HEARTBEAT, no_word, "header", self.heartbeat.eq(1))
                begin(Op.NONCE, no_word, "settle", self.nonce_request.eq(1))
                begin(Op.ARM, three_words, "arm", self.arm.eq(1))
                begin(Op.EVENTS, some_events, "settle", events.free.eq(1))

            with m.State("arm"), m.If(self.arm_done):
                with m.If(self.arm_refusal != 0):
                    m.d.sync += status.eq(Status.ARM_REFUSED + self.arm_refusal)
                m.next = "settle"
            with m.State("settle"):
                m.d.sync += [pause.eq(pause - 1), result.eq(Mux(asked[Op.NONCE], self.nonce, self.killed))]
                with m.If(pause == 0):
                    m.next = "put"
                    with m.If(asked[Op.EVENTS]):
                        m.next = "count events"
            with m.State("count events"):
                found = Mux(enough, arguments[0][:4], events.kept[:4])
                m.d.sync += items.eq(found * event.WORDS)
                m.next = "event"
                with m.If(found == 0):
                    m.next = "header"
            with m.State("event"):
                m.d.sync += [step.eq(step + 1), result.eq(events.value)]
                with m.If(step == READ_DELAY):
                    m.next = "put"

            # A word on the bus.
            with m.State("fetch"):
                m.d.comb += requests.address.eq(item_at)
                m.d.sync += [step.eq(step + 1), result.eq(requests.value)]
                with m.If(step == 2):
                    m.next = "access"
            with m.State("read"):
                m.next = "access"
            with m.State("access"):
                m.d.sync += [bus.write.eq(asked[Op.WRITE]), bus.request.eq(1)]
                m.next = "answer"
                with m.If(no_address):
                    m.d.sync += bus.request.eq(0)
                    fail(Status.ADDRESS)
                with m.Elif(asked[Op.WRITE] & is_config & ~all_killed):
                    m.d.sync += bus.request.eq(0)
                    fail(Status.LOCKED)
            with m.State("answer"), m.If(bus.ack):
                m.next = "put"
                with m.If(bus.error):
                    fail(Status.ADDRESS)
                with m.Elif(bus.write):
                    m.next = "confirm"
                with m.Else():
                    m.d.sync += result.eq(bus.value)
            with m.State("confirm"), m.If(crc_left == 0):
                m.d.sync += [self.config_begun.eq(is_begin), counting.eq(is_config & is_counted & ~is_begin)]
                m.next = "next"

            # A word into the reply.
            with m.State("put"):
                m.d.comb += [requests.address.eq(item_at), requests.data.eq(result), requests.write.eq(1)]
                with m.If(requests.written):
                    m.d.sync += reply_words.eq(reply_words + 1)
                    m.next = "next"
            with m.State("next"):
                m.d.sync += [item.eq(item + 1), item_at.eq(item_at + 1), address.eq(address + 1), step.eq(0)]
                m.next = "event"
                with m.If(asked[Op.READ]):
                    m.next = "read"
                with m.If(asked[Op.WRITE]):
                    m.next = "fetch"
                m.d.sync += items.eq(items - 1)
                with m.If(last_item):
                    m.next = "header"

            with m.State("header"):
                m.d.comb += [requests.data.eq(Cat(header[:16], header[16:24] | REPLY, status)), requests.write.eq(1)]
                with m.If(requests.written):
                    m.d.sync += requests.reply.eq(1)
                    m.next = "reply"
            with m.State("reply"), m.If(~requests.waiting):
                m.next = "idle"
        m.d.comb += [requests.reply_words.eq(reply_words), self.busy.eq(~machine.ongoing("idle"))]
        return m

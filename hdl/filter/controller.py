"""The control link's upper half: executes requests, one after another."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import ADDRESS_BITS, Bus, prefixes
from hdl.filter.fcs import INIT, crc32_bit
from hdl.filter.link import FIRST, SLOT_BITS, Requests
from hdl.filter.log import Reader
from hdl.wire import event
from hdl.wire.control import REPLY, Op, Status
from hdl.wire.registers import CONFIG, Reg
from hdl.wire.verdict import LANES

ALL = (1 << LANES) - 1
BEHIND = 6  # cycles in which one bit of a word is found


class Controller(wiring.Component):
    """Executes the requests of the link in order and has each one answered: `hdl.wire.control` says what they do.

    Words are read and written on the bus one after another; each waits for its ack. A failing word ends the request
    with its status, and the words before it have taken effect. A reply with a status other than OK has no words, but
    for that of a refused ARM. Words of configuration are written only while ``killed`` shows every lane; this is
    looked at for every word, and lanes are opened only here, so they stay killed until the word's ack.

    ``config_crc`` is the CRC-32 of all words of configuration written without error since ``CONFIG_BEGIN``, or since
    reset: for each the address and the value, 32 bits each, low octet first. ``CONFIG_BEGIN`` and ``CLEAR_EXPOSURE``
    do not count.

    Bits are moved one by one: a word takes about 110 cycles when it is read and 120 when it is written.

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

        # Everything moves bit by bit, a word in 32 cycles, so that registers shift and need no multiplexers.
        bit_at = Signal(5)  # of the word on the move
        last_bit, octet_end, top, word_end = (Signal() for _ in range(4))  # top: it is in the last octet
        at = Signal(SLOT_BITS, init=FIRST)  # its octet; three bits ahead when it comes from the memory, which is late
        number = at[2:]
        header, address, data = Signal(32), Signal(32), Signal(32)
        lanes, nonce = Signal(32), Signal(32)  # arguments before the one in `data`
        excess = Signal()  # `data` is 128 or more
        octet = Signal(8)  # on its way into the reply
        limit = Signal(7)  # words to be written, or of the reply
        opening, closing, sealing = (
            Signal(),
            Signal(),
            Signal(),
        )  # takes the header; makes the reply's frame; and its CRC
        asked = {op: Signal(name=f"is_{op.name.lower()}") for op in Op}
        status, killing, killed = Signal(5), Signal(), Signal(LANES)
        m.d.comb += [
            self.arm_nonce.eq(nonce),
            self.arm_lanes.eq(lanes),
            self.arm_crc.eq(data),
            events.number.eq(address),
            events.index.eq(number),
            bus.address.eq(address),
            bus.data.eq(data),
            requests.address.eq(at),
            requests.data.eq(octet),
            requests.reply_words.eq(number),
        ]
        strobes = [killing, self.heartbeat, self.nonce_request, self.arm, self.config_begun]
        strobes += [events.free, bus.request, requests.reply]
        m.d.sync += [strobe.eq(0) for strobe in strobes]
        m.d.sync += self.kill.eq(self.link_kill | Mux(killing, data[:LANES], 0))

        # What the states decide by, one cycle behind what it is taken from.
        all_killed, is_config, is_counted, is_begin, no_address = (Signal() for _ in range(5))
        no_word, one_word, three_words, some_words, some_events = (Signal() for _ in range(5))
        enough, done, third, answered, refused = (Signal() for _ in range(5))
        m.d.sync += [
            answered.eq(bus.ack),
            refused.eq(bus.error),
            last_bit.eq(bit_at == 30),  # `bit_at` never rests there
            octet_end.eq(bit_at[:3] == 6),  # nor there
            top.eq(bit_at[3:] == 3),
            word_end.eq(bit_at == 0),
            third.eq(number == 3),
            all_killed.eq(self.killed == ALL),
            is_config.eq(bus.address.matches(*(one for part in CONFIG for one in prefixes(part[0], part[-1])))),
            is_counted.eq(bus.address != Reg.CLEAR_EXPOSURE),
            is_begin.eq(bus.address == Reg.CONFIG_BEGIN),
            no_address.eq(address[ADDRESS_BITS:].any()),
            *(flag.eq(header[16:24] == op) for op, flag in asked.items()),
            no_word.eq(requests.words == 0),
            one_word.eq(requests.words == 1),
            three_words.eq(requests.words == 3),
            enough.eq(events.kept >= data[:4]),
            done.eq(number == limit),
            # From 1 to MOST_WORDS, which is 64, and to MOST_EVENTS, which is 8.
            some_words.eq(~excess & (data[6] ^ data[:6].any())),
            some_events.eq(~excess & ~data[4:7].any() & (data[3] ^ data[:3].any())),
        ]

        # The moves: from the memory into a register, once around in a register, from anywhere into the memory.
        taking, putting, turning_address, turning_data, settling = (Signal() for _ in range(5))
        source, taken, put = Signal(8), Signal(), Signal()  # the octet from the memory; the bit
        m.d.sync += source.eq(Mux(taking & ~octet_end, source >> 1, requests.value))
        m.d.comb += taken.eq(source[0])
        with m.If(taking | putting | turning_address | turning_data | settling):
            m.d.sync += bit_at.eq(bit_at + 1)
        with m.If(taking & (bit_at[:3] == 4)):
            m.d.sync += at.eq(at + 1)
        with m.If((taking & opening) | (putting & closing)):
            m.d.sync += header.eq(Cat(header[1:], address[0]))
        # The address is one higher when it has turned.
        carry = Signal()
        with m.If((taking & opening) | turning_address | (putting & asked[Op.READ] & ~closing)):
            m.d.sync += [
                address.eq(Cat(address[1:], Mux(opening, taken, address[0] ^ (carry | (bit_at == 0))))),
                carry.eq(address[0] & (carry | (bit_at == 0))),
            ]
        with m.If(taking | turning_data):
            m.d.sync += Cat(nonce, lanes, data).eq(Cat(nonce[1:], lanes, data, Mux(taking, taken, data[0])))
            m.d.sync += excess.eq((excess & (bit_at != 0)) | (taken & (bit_at >= 7)))

        # A bit of a word, found by halves with a register behind each: nothing wide is on the way.
        words = {Op.READ: bus.value, Op.EVENTS: events.value, Op.NONCE: self.nonce}
        halves = [Signal(16, name=f"half_of_{op.name.lower()}") for op in words]
        for (op, word), half in zip(words.items(), halves, strict=True):
            m.d.sync += half.eq(Mux(asked[op] & ~closing, Mux(bit_at[0], word[1::2], word[::2]), 0))
        joined, place = Signal(16), bit_at[1:]
        m.d.sync += joined.eq(halves[0] | halves[1] | halves[2])
        for step in range(2):
            m.d.sync += (later := Signal(4, name=f"place_{step}")).eq(place)
            place = later
        while len(joined) > 1:
            half, later = Signal(len(joined) // 2), Signal(max(len(place) - 1, 1))
            m.d.sync += [half.eq(Mux(place[0], joined[1::2], joined[::2])), later.eq(place[1:])]
            joined, place = half, later

        # So what is put, and what the reply's CRC is of, is as late.
        others, moved = Signal(BEHIND), Signal()
        was_put, summing = Signal(BEHIND), Signal(BEHIND)
        all_put, summed = Signal(), Signal()  # no bit of it is up
        sums = (taking | putting) & closing & ~sealing
        m.d.comb += moved.eq(joined | others[-1])
        m.d.sync += [
            others.eq(Cat(put, others)),
            was_put.eq(Cat(putting, was_put)),
            summing.eq(Cat(sums, summing)),
            all_put.eq(~(putting | was_put[:-1].any())),
            summed.eq(~(sums | summing[:-1].any())),
        ]
        with m.If(was_put[-1]):
            m.d.sync += octet.eq(Cat(octet[1:], moved))

        # The CRC-32 of the configuration, and of the reply, which is put with its last word.
        crc, reply_crc = Signal(32, init=INIT), Signal(32, init=INIT)
        counting = Signal()
        m.d.comb += self.config_crc.eq(~crc)
        with m.If(self.config_begun):
            m.d.sync += crc.eq(INIT)
        with m.Elif(counting & (turning_address | turning_data)):
            m.d.sync += crc.eq(crc32_bit(crc, Mux(turning_address, address[0], data[0])))
        with m.If(~closing):
            m.d.sync += reply_crc.eq(INIT)
        with m.Elif(summing[-1] | (putting & sealing)):
            m.d.sync += reply_crc.eq(crc32_bit(reply_crc, Mux(sealing, reply_crc[0], moved)))

        with m.If(taking):
            m.d.comb += put.eq(taken)
        with m.Elif(sealing):
            m.d.comb += put.eq(~reply_crc[0])
        with m.Elif(closing & top):
            m.d.comb += put.eq(status[0])
        with m.Elif(closing):
            m.d.comb += put.eq(header[0] | (bit_at == 16 + REPLY.bit_length() - 1))
        with m.Elif(asked[Op.KILL] | asked[Op.ARM]):
            m.d.comb += put.eq(killed[0])
        with m.If(putting):
            m.d.sync += killed.eq(killed >> 1)
        with m.If(putting & closing & top):
            m.d.sync += status.eq(status >> 1)

        def fail(code):
            m.d.sync += [status.eq(code), limit.eq(0)]
            m.next = "close"

        with m.FSM() as machine:
            with m.State("idle"):
                m.d.sync += [at.eq(FIRST), opening.eq(1), closing.eq(0), sealing.eq(0), status.eq(Status.OK)]
                with m.If(requests.waiting):
                    m.next = "look"
            # The memory's delay, and the event log's.
            with m.State("look"):
                m.next = "seek"
            with m.State("seek"):
                m.next = "find"
            with m.State("find"):
                m.next = "take"
                with m.If(asked[Op.EVENTS] & ~opening & ~closing):
                    m.next = "put"
            with m.State("take"):
                m.d.comb += taking.eq(1)
                with m.If(last_bit):
                    with m.If(closing):
                        with m.If(done):
                            m.next = "sum"
                    with m.Elif(~opening):
                        m.next = "weigh"
                    with m.Elif(~at[-1]):
                        m.next = "checks"
            with m.State("checks"):
                m.d.sync += opening.eq(0)
                m.next = "operation"
            with m.State("operation"):
                fail(Status.UNKNOWN)
                one = asked[Op.READ] | asked[Op.KILL] | asked[Op.EVENTS]
                with m.If((one & one_word) | (asked[Op.ARM] & three_words) | (asked[Op.WRITE] & ~no_word)):
                    m.d.sync += [status.eq(Status.OK), limit.eq(requests.words)]
                    m.next = "take"
                with m.If(asked[Op.HEARTBEAT] & no_word):
                    m.d.sync += [status.eq(Status.OK), self.heartbeat.eq(1)]
                with m.If(asked[Op.NONCE] & no_word):
                    m.d.sync += [status.eq(Status.OK), self.nonce_request.eq(1), limit.eq(1)]
                    m.next = "settle"
            with m.State("weigh"):
                m.next = "argument"
            with m.State("argument"):
                with m.If(asked[Op.WRITE]):
                    m.next = "access"
                with m.Elif(asked[Op.ARM] & ~third):
                    m.next = "take"
                with m.Else():
                    m.d.sync += [at.eq(0), limit.eq(1)]
                    m.next = "settle"
                    with m.If(asked[Op.READ]):
                        m.d.sync += limit.eq(data[:7])
                        m.next = "access"
                    with m.If((asked[Op.READ] & ~some_words) | (asked[Op.EVENTS] & ~some_events)):
                        fail(Status.UNKNOWN)
                    with m.If(asked[Op.EVENTS]):
                        m.d.sync += events.free.eq(some_events)
                    with m.If(asked[Op.KILL]):
                        m.d.sync += killing.eq(1)
                    with m.If(asked[Op.ARM]):
                        m.d.sync += self.arm.eq(1)
                        m.next = "arm"

            with m.State("arm"), m.If(self.arm_done):
                with m.If(self.arm_refusal != 0):
                    m.d.sync += status.eq(Status.ARM_REFUSED | self.arm_refusal)
                m.next = "settle"
            with m.State("settle"):
                # A kill, an arm, a nonce or freed events take effect within 10 cycles.
                m.d.comb += settling.eq(1)
                m.d.sync += killed.eq(self.killed)
                with m.If(last_bit):
                    m.next = "put"
                    with m.If(asked[Op.EVENTS]):
                        m.next = "count events"
            with m.State("count events"):
                found = Mux(enough, data[:4], events.kept[:4])
                m.d.sync += limit.eq(found * event.WORDS)
                m.next = "put"
                with m.If(found == 0):
                    m.next = "close"

            # A word on the bus.
            with m.State("access"):
                m.d.sync += [bus.write.eq(asked[Op.WRITE]), bus.request.eq(1)]
                m.next = "answer"
                with m.If(no_address):
                    m.d.sync += bus.request.eq(0)
                    fail(Status.ADDRESS)
                with m.Elif(asked[Op.WRITE] & is_config & ~all_killed):
                    m.d.sync += bus.request.eq(0)
                    fail(Status.LOCKED)
            with m.State("answer"), m.If(answered):
                m.next = "put"
                with m.If(refused):
                    fail(Status.ADDRESS)
                with m.Elif(bus.write):
                    m.d.sync += [self.config_begun.eq(is_begin), counting.eq(is_config & is_counted & ~is_begin)]
                    m.next = "turn address"
            with m.State("turn address"):
                m.d.comb += turning_address.eq(1)
                with m.If(last_bit):
                    m.next = "turn data"
            with m.State("turn data"):
                m.d.comb += turning_data.eq(1)
                with m.If(last_bit):
                    m.next = "take"
                    with m.If(done):
                        m.d.sync += limit.eq(0)
                        m.next = "close"

            # A word into the reply.
            with m.State("put"):
                m.d.comb += putting.eq(1)
                with m.If(octet_end):
                    m.next = "show"
            with m.State("show"), m.If(all_put):
                m.next = "store"
            with m.State("store"):
                m.d.comb += requests.write.eq(1)
                m.next = "stored"
            with m.State("stored"):
                m.next = "store"
                with m.If(requests.written):
                    m.d.sync += at.eq(at + 1)
                    m.next = "put"
                    with m.If(word_end):
                        m.next = "counted"
            with m.State("counted"):
                m.next = "next"
            with m.State("next"):
                m.next = "look"
                with m.If(sealing):
                    m.d.sync += requests.reply.eq(1)
                    m.next = "reply"
                with m.Elif(done & ~closing):
                    m.next = "close"
                with m.Elif(asked[Op.READ] & ~closing):
                    m.next = "access"

            # The frame: the header with the status, everything again for the CRC, the CRC.
            with m.State("close"):
                m.d.sync += [at.eq(FIRST), closing.eq(1)]
                m.next = "put"
            with m.State("sum"), m.If(summed):
                m.next = "seal"
            with m.State("seal"):
                m.d.sync += sealing.eq(1)
                m.next = "put"
            with m.State("reply"), m.If(~requests.waiting):
                m.next = "idle"
        m.d.comb += self.busy.eq(~machine.ongoing("idle"))
        return m

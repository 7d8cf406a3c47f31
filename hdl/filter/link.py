"""The control link's lower half: frames over the UART, checked, kept until they are executed, answered."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.cobs import CobsDecoder, CobsEncoder
from hdl.filter.fcs import INIT, RESIDUE, crc32_bit
from hdl.filter.memory import Memory
from hdl.filter.uart import UartReceiver, UartTransmitter
from hdl.wire.control import CRC, HEADER, MOST_WORDS, REPLY, VERSION, WORD, Op

MOST_OCTETS = HEADER.size + MOST_WORDS * WORD.size + CRC.size
SLOTS, SLOT_BITS = 4, 9  # fill one block RAM with octets
SLOT_OCTETS = 1 << SLOT_BITS
FIRST = SLOT_OCTETS - HEADER.size  # where a frame begins: its header stands at the end, and word n at 4 * n

Requests = wiring.Signature(
    {
        "waiting": Out(1),
        "words": Out(7),
        "address": In(SLOT_BITS),
        "value": Out(8),
        "write": In(1),
        "data": In(8),
        "written": Out(1),
        "reply": In(1),
        "reply_words": In(7),
    }
)
"""A request as the controller sees it, octet by octet, and its place for the reply.

While `waiting`, a request is at hand: its HEADER from `FIRST` on, then, from 0 on, `words` words (0 to MOST_WORDS), low
octet first. `value` is the octet at `address` of two cycles before. `write` puts `data` at `address`, unless the line
writes in this cycle: `written` tells in the next. The `reply` strobe sends the header and `reply_words` words (1 to
MOST_WORDS + 1) as they are now: the last word is the CRC. `waiting` is low from the next cycle on until the whole reply
has left and another request is there.
"""


class Link(wiring.Component):
    """Receives requests and sends replies: `hdl.wire.control` says how they look on the wire.

    A request is kept, in order, when its frame was whole, its length fits, version and CRC-32 are right and it is not
    itself a reply (an echo). Up to four are kept, the one being executed included; a request that comes when all four
    places are taken is forgotten without a reply, and so is everything else that comes: nothing that the line carries
    ever stops the link, and the next good frame behind a zero octet is received.

    A good KILL request acts at once, whatever is being executed, also when it can't be kept: its lanes are on ``kill``
    5 cycles after the middle of the stop bit of the closing zero octet. It is executed in its turn too, behind requests
    that came before it.

    Parameters
    ----------
    divisor : int
        Cycles per bit of the UART, at least 4.

    Members
    -------
    rx, tx : In(1), Out(1)
        The pins; ``rx`` is asynchronous.
    requests : Out(Requests)
    kill : Out(8)
        Strobes.
    busy : Out(1)
        An octet is on either line, or a request waits or is executed. Low inside a frame whose next octet is late.
    """

    def __init__(self, divisor: int = 42):
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "requests": Out(Requests),
                "kill": Out(8),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.encoder = encoder = CobsEncoder(SLOT_BITS, FIRST)
        m.submodules.memory = memory = Memory(8, SLOTS * SLOT_OCTETS)
        m.submodules.counts = counts = Memory(7, SLOTS, distributed=True)
        wiring.connect(m, encoder.o, transmitter.i)
        requests = self.requests
        m.d.comb += [
            receiver.rx.eq(self.rx),
            decoder.octet.eq(receiver.octet),
            decoder.valid.eq(receiver.valid),
            decoder.broken.eq(receiver.broken),
            self.tx.eq(transmitter.tx),
        ]

        # Receive: octets go into the first free place.
        kept = Signal(range(SLOTS + 1))  # requests in their places
        place, first = Signal(range(SLOTS)), Signal(range(SLOTS))  # of the frame coming in, of the oldest request
        number = Signal(SLOT_BITS, init=FIRST)  # of the octet; stops at the first that is too many, where no word ends
        octet, octet_at = Signal(), Signal(SLOT_BITS)  # there is one, since the cycle before; its number, which stays
        room = Signal()  # there was a free place when the frame began
        version_right, asked, killing, lanes = Signal(), Signal(), Signal(), Signal(8)
        m.d.sync += octet.eq(decoder.data_valid)
        with m.If(decoder.data_valid):
            m.d.sync += octet_at.eq(number)
            with m.If(number != MOST_OCTETS - HEADER.size):
                m.d.sync += number.eq(number + 1)
            with m.Switch(number):
                with m.Case(FIRST):
                    m.d.sync += [version_right.eq(decoder.data == VERSION), room.eq(kept != SLOTS)]
                with m.Case(FIRST + 2):
                    m.d.sync += [asked.eq((decoder.data & REPLY) == 0), killing.eq(decoder.data == Op.KILL)]
                with m.Case(0):
                    m.d.sync += lanes.eq(decoder.data)

        # Its CRC-32, bit by bit: the next octet is at least 10 bit times away.
        crc = Signal(32, init=INIT)
        bit, more = Signal(3), Signal()
        with m.If(decoder.data_valid):
            m.d.sync += more.eq(1)
        with m.Elif(bit == 7):
            m.d.sync += more.eq(0)
        with m.If(more):
            m.d.sync += [crc.eq(crc32_bit(crc, decoder.data.bit_select(bit, 1))), bit.eq(bit + 1)]

        # The end of a frame: every condition in a register, then their conjunction.
        ended, fits, right, one_word = Signal(), Signal(), Signal(), Signal()
        words = octet_at[2:]  # the CRC-32 is the word of this number
        in_header = octet_at[-2:].all()
        m.d.sync += ended.eq(decoder.end)
        with m.If(decoder.end):
            m.d.sync += [
                fits.eq(decoder.whole & octet_at[:2].all() & ~in_header),
                right.eq(crc == RESIDUE),
                one_word.eq(words == 1),
                crc.eq(INIT),
                number.eq(FIRST),
            ]
        good, kill = Signal(), Signal()
        m.d.comb += good.eq(ended & fits & right & version_right & asked)
        m.d.sync += kill.eq(good & one_word & killing)
        m.d.sync += self.kill.eq(Mux(kill, lanes, 0))

        keep, release = Signal(), Signal()
        m.d.sync += keep.eq(good & room)
        with m.If(keep):
            m.d.sync += place.eq(place + 1)
        with m.If(release):
            m.d.sync += first.eq(first + 1)
        m.d.sync += kept.eq(kept + keep - release)
        m.d.comb += [
            counts.write_en.eq(keep),
            counts.write_addr.eq(place),
            counts.write_data.eq(words),
            counts.read_addr.eq(first),
            requests.words.eq(counts.read_data),
        ]

        # One write port: an octet from the line goes first.
        incoming = Signal()
        m.d.comb += incoming.eq(octet & room)
        m.d.sync += [
            requests.written.eq(requests.write & ~incoming),
            memory.write_en.eq(incoming | requests.write),
            memory.write_addr.eq(Mux(incoming, Cat(octet_at, place), Cat(requests.address, first))),
            memory.write_data.eq(Mux(incoming, decoder.data, requests.data)),
        ]

        # Reply.
        some, waiting, replying = Signal(), Signal(), Signal()
        m.d.sync += some.eq(kept != 0)
        m.d.comb += [
            requests.value.eq(memory.read_data),
            requests.waiting.eq(waiting),
            memory.read_addr.eq(Cat(Mux(replying, encoder.address, requests.address), first)),
            encoder.value.eq(memory.read_data),
        ]
        m.d.sync += encoder.begin.eq(0)
        with m.FSM():
            with m.State("request"):
                m.d.sync += waiting.eq(some)
                with m.If(requests.reply & waiting):
                    m.d.sync += [waiting.eq(0), replying.eq(1), encoder.begin.eq(1)]
                    m.d.sync += encoder.end.eq(requests.reply_words << 2)
                    m.next = "send"
            with m.State("send"), m.If(~encoder.begin & ~encoder.busy & ~transmitter.busy):
                m.d.comb += release.eq(1)
                m.d.sync += replying.eq(0)
                # Until the next request's words have been counted.
                m.next = "release"
            with m.State("release"):
                m.next = "find"
            with m.State("find"):
                m.next = "count"
            with m.State("count"):
                m.next = "request"

        m.d.sync += self.busy.eq(
            receiver.busy
            | Cat(receiver.valid, receiver.broken, decoder.data_valid, octet, decoder.end, ended, keep).any()
            | (kept != 0)
            | transmitter.busy
        )
        return m

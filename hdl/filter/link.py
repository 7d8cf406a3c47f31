"""The control link's lower half: frames over the UART, checked, kept until they are executed, answered."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.cobs import CobsDecoder, CobsEncoder
from hdl.filter.fcs import INIT, RESIDUE, crc32
from hdl.filter.memory import Memory
from hdl.filter.uart import UartReceiver, UartTransmitter
from hdl.wire.control import CRC, HEADER, MOST_WORDS, REPLY, VERSION, WORD, Op

HEADER_WORDS = HEADER.size // WORD.size
MOST_OCTETS = HEADER.size + MOST_WORDS * WORD.size + CRC.size
SLOTS, SLOT_WORDS = 4, 128  # fill one block RAM

Requests = wiring.Signature(
    {
        "waiting": Out(1),
        "words": Out(7),
        "address": In(7),
        "value": Out(32),
        "write": In(1),
        "data": In(32),
        "written": Out(1),
        "reply": In(1),
        "reply_words": In(7),
    }
)
"""A request as the controller sees it, word by word, and its place for the reply.

While `waiting`, a request is at hand: its HEADER in words 0 and 1, then `words` words more (0 to MOST_WORDS). `value`
is the word at `address` of two cycles before. `write` puts `data` at `address` in the cycles in which `written`
(combinational) is high. The `reply` strobe, with `reply_words` (1 to HEADER_WORDS + MOST_WORDS), sends the first
words as they are now; `waiting` is low from the next cycle on until the whole reply has left and another request is
there.
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
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.memory = memory = Memory(32, SLOTS * SLOT_WORDS)
        wiring.connect(m, encoder.o, transmitter.i)
        requests = self.requests
        m.d.comb += [
            receiver.rx.eq(self.rx),
            decoder.octet.eq(receiver.octet),
            decoder.valid.eq(receiver.valid),
            decoder.broken.eq(receiver.broken),
            self.tx.eq(transmitter.tx),
        ]

        # Receive: octets become words, words go into the first free place.
        kept = Signal(range(SLOTS + 1))  # requests in their places
        place, first = Signal(range(SLOTS)), Signal(range(SLOTS))  # of the frame coming in, of the oldest request
        octets = Signal(range(MOST_OCTETS + 2))  # in the frame so far; stops above the most, where no words end
        crc = Signal(32, init=INIT)
        word, word_done, word_at = Signal(32), Signal(), Signal(7)
        version, op, lanes = Signal(8), Signal(8), Signal(8)
        room = Signal()  # there was a free place when the frame began

        m.d.sync += word_done.eq(0)
        with m.If(decoder.data_valid):
            with m.If(octets == 0):
                m.d.sync += room.eq(kept != SLOTS)
            m.d.sync += [word.eq(Cat(word[8:], decoder.data)), crc.eq(crc32(crc, decoder.data))]
            m.d.sync += [word_done.eq(octets[:2] == 3), word_at.eq(octets[2:])]
            with m.If(octets != MOST_OCTETS + 1):
                m.d.sync += octets.eq(octets + 1)
        with m.If(word_done):
            with m.If(word_at == 0):
                m.d.sync += [version.eq(word[:8]), op.eq(word[16:24])]
            with m.If(word_at == HEADER_WORDS):
                m.d.sync += lanes.eq(word[:8])

        # The end of a frame: every condition in a register, then their conjunction.
        ended, fits, right, asked, one_word = Signal(), Signal(), Signal(), Signal(), Signal()
        words = Signal(7)
        length = octets[2:]
        m.d.sync += ended.eq(decoder.end)
        with m.If(decoder.end):
            m.d.sync += [
                fits.eq(decoder.whole & (octets[:2] == 0) & (length > HEADER_WORDS)),
                right.eq(crc == RESIDUE),
                asked.eq((version == VERSION) & ((op & REPLY) == 0)),
                one_word.eq((length == HEADER_WORDS + 1 + CRC.size // WORD.size) & (op == Op.KILL)),
                words.eq(length - HEADER_WORDS - CRC.size // WORD.size),
                crc.eq(INIT),
                octets.eq(0),
            ]
        good, killing = Signal(), Signal()
        m.d.sync += [good.eq(ended & fits & right & asked), killing.eq(ended & fits & right & asked & one_word)]
        m.d.sync += self.kill.eq(Mux(killing, lanes, 0))

        counts = Array(Signal(7, name=f"words_{number}") for number in range(SLOTS))
        keep, release = Signal(), Signal()
        m.d.comb += keep.eq(good & room)
        with m.If(keep):
            m.d.sync += [counts[place].eq(words), place.eq(place + 1)]
        with m.If(release):
            m.d.sync += first.eq(first + 1)
        m.d.sync += kept.eq(kept + keep - release)

        # One write port: a word from the line goes first.
        incoming = Signal()
        m.d.comb += [
            incoming.eq(word_done & room & (word_at < HEADER_WORDS + MOST_WORDS)),
            requests.written.eq(requests.write & ~incoming),
        ]
        m.d.sync += [
            memory.write_en.eq(incoming | requests.write),
            memory.write_addr.eq(Mux(incoming, Cat(word_at, place), Cat(requests.address, first))),
            memory.write_data.eq(Mux(incoming, word, requests.data)),
        ]

        # Reply: words become octets, and their CRC-32 follows.
        number, last = Signal(7), Signal(7)
        fetched = Signal(3)
        reply_crc = Signal(32, init=INIT)
        shifter, left, closing = Signal(32), Signal(2), Signal()
        waiting, replying = Signal(), Signal()
        m.d.comb += [
            requests.value.eq(memory.read_data),
            requests.waiting.eq(waiting),
            memory.read_addr.eq(Cat(Mux(replying, number, requests.address), first)),
            encoder.i.payload.octet.eq(shifter[:8]),
            encoder.i.payload.last.eq(closing & (left == 0)),
        ]
        with m.FSM():
            with m.State("request"):
                m.d.sync += [requests.words.eq(counts[first]), waiting.eq(kept != 0)]
                m.d.sync += [number.eq(0), fetched.eq(1), reply_crc.eq(INIT), closing.eq(0)]
                with m.If(requests.reply & waiting):
                    m.d.sync += [waiting.eq(0), replying.eq(1), last.eq(requests.reply_words - 1)]
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.sync += [fetched.eq(fetched << 1), shifter.eq(memory.read_data), left.eq(WORD.size - 1)]
                with m.If(fetched[2]):
                    m.next = "octets"
            with m.State("octets"):
                m.d.comb += encoder.i.valid.eq(1)
                with m.If(encoder.i.ready):
                    m.d.sync += [shifter.eq(shifter >> 8), left.eq(left - 1)]
                    m.d.sync += reply_crc.eq(crc32(reply_crc, shifter[:8]))
                    with m.If(left == 0):
                        m.d.sync += [number.eq(number + 1), fetched.eq(1)]
                        m.next = "fetch"
                        with m.If(number == last):
                            m.next = "crc"
                        with m.If(closing):
                            m.next = "send"
            with m.State("crc"):
                m.d.sync += [shifter.eq(~reply_crc), closing.eq(1)]
                m.next = "octets"
            with m.State("send"), m.If(~encoder.busy & ~transmitter.busy):
                m.d.comb += release.eq(1)
                m.d.sync += replying.eq(0)
                m.next = "settle"
            with m.State("settle"):
                m.next = "request"

        m.d.sync += self.busy.eq(
            receiver.busy
            | Cat(receiver.valid, receiver.broken, decoder.data_valid, word_done, decoder.end, ended, good).any()
            | (kept != 0)
            | transmitter.busy
        )
        return m

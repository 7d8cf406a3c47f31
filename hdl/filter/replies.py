"""What the exchange says to the servers: reports, each applied once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.chunks import DEPTH, QUEUED, Chunks
from hdl.filter.context import WORD_BITS
from hdl.filter.memory import Memory
from hdl.filter.numbers import Numbers, Relation
from hdl.filter.report import FIELDS, REPORT, ReportReader
from hdl.filter.soup import ServerFramer
from hdl.wire.event import Loss
from hdl.wire.verdict import LANES

# What a chunk has brought; a report takes 13 octets or more.
HEARD = data.StructLayout({"lane": 3, "applied": 7, "repeated": 7})
LOST = data.StructLayout({"lane": 3, "reason": Loss})

_CONTEXT, _WORDS = 5, 3  # of a lane's words in the memory: the first one of the context, how many
_LOADED = _WORDS + 2  # cycles in which a context is loaded
_SETTLES = 16  # cycles behind the last octet until all that follows from it is in the context
_LATENCY = 2  # of the memory
_LOW = 24  # bits of the last three octets
_SHIFT = WORD_BITS - 7  # where the bits of `Numbers` stand


class _Phase(enum.Enum):
    REST = 0
    LOAD = 1
    READ = 2
    SETTLE = 3


class Replies(wiring.Component):
    """Reads the payload of the return path behind its commit: SoupBinTCP from the server, and the reports in it.

    Chunks (`Chunks`) are octets of a lane's session in order, each octet once. They are split into packets
    (`ServerFramer`). Sequenced messages are numbered from what the login says (`Numbers`), and each must be a report
    (`ReportReader`). A report whose number is the next one is applied; one below has been. Numbers outlive the TCP
    session: they begin with 1 when a login names another session than the last one did. Other packets say nothing.

    A lane's evidence is lost from an error in its packets, its login's number or its reports on, from a login on that
    skips numbers, and from a frame on that was overrun; behind all but the skipping nothing more of the TCP session is
    read. It is whole again with a login from which on nothing is missing. Nothing is ever applied but the next number,
    so such a login makes good what was lost.

    The first octet of a chunk is read 8 cycles behind its commit, or 23 behind the last octet of the chunk before it,
    whichever is later; then one with every cycle. That is as fast as `Chunks` asks for.

    Members
    -------
    soon, octet, valid, last, end, commit, lane, skip, began, began_lane : In
        As in `Chunks`.
    dialects : In(8)
        Lanes of OUCH 4.2.
    report_valid, report : Out(1), Out(REPORT)
        Strobe: a report is applied, 9 cycles behind its last octet; they come at least 13 cycles apart.
    heard_valid, heard : Out(1), Out(HEARD)
        Strobe: reports of a chunk to be counted; at least 35 cycles apart.
    lost : Out(8)
        Lanes whose evidence is lost.
    lost_valid, told : Out(1), Out(LOST)
        Strobe: the evidence of a lane was whole, and is lost. Four cycles behind the octet that shows it for PACKET,
        five for MESSAGE.
    busy : Out(1)
        Chunks wait or are being read.
    """

    soon: In(1)
    octet: In(8)
    valid: In(1)
    last: In(1)
    end: In(1)
    commit: In(1)
    lane: In(3)
    skip: In(11)
    began: In(1)
    began_lane: In(3)
    dialects: In(LANES)
    report_valid: Out(1)
    report: Out(REPORT)
    heard_valid: Out(1)
    heard: Out(HEARD)
    lost: Out(LANES)
    lost_valid: Out(1)
    told: Out(LOST)
    busy: Out(1)

    def __init__(self, *, depth: int = DEPTH, queued: int = QUEUED):
        self.depth, self.queued = depth, queued
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.chunks = chunks = Chunks(depth=self.depth, queued=self.queued)
        m.submodules.framer = framer = ServerFramer()
        m.submodules.reader = reader = ReportReader()
        m.submodules.numbers = numbers = Numbers()
        # Of a lane: the slots of the message that is being read, words 0 to 4, and the context from 5 on.
        m.submodules.memory = memory = Memory(WORD_BITS, LANES * 8)
        for name in ("soon", "octet", "valid", "last", "end", "commit", "lane", "skip", "began", "began_lane"):
            m.d.comb += getattr(chunks, name).eq(getattr(self, name))

        phase, step = Signal(_Phase), Signal(range(_SETTLES))
        lane, fresh, hole = Signal(3), Signal(), Signal()
        loads, settled = Signal(), Signal()  # in the last cycle of each
        m.d.comb += [
            loads.eq((phase == _Phase.LOAD) & (step == _LOADED - 1)),
            settled.eq((phase == _Phase.SETTLE) & (step == _SETTLES - 1)),
            numbers.lane.eq(lane),
        ]
        m.d.sync += [step.eq(step + 1), reader.dialect.eq(self.dialects.bit_select(lane, 1))]
        with m.Switch(phase):
            with m.Case(_Phase.REST):
                m.d.sync += [step.eq(0), Cat(lane, fresh, hole).eq(chunks.chunk)]
                with m.If(chunks.some):
                    m.d.sync += phase.eq(_Phase.LOAD)
            with m.Case(_Phase.LOAD):
                with m.If(loads):
                    m.d.sync += phase.eq(_Phase.READ)
            with m.Case(_Phase.READ):
                m.d.sync += step.eq(0)
                with m.If(chunks.read_valid & chunks.read_last):
                    m.d.sync += phase.eq(_Phase.SETTLE)
            with m.Case(_Phase.SETTLE):
                with m.If(settled):
                    m.d.sync += phase.eq(_Phase.REST)
        m.d.comb += chunks.take.eq((phase == _Phase.LOAD) & (step == _LOADED - 4))

        # From octets to messages.
        accepted, ended = Signal(), Signal()  # a whole login, and one cycle later; a report
        m.d.comb += [
            accepted.eq(framer.accepted & ~numbers.wrong),
            ended.eq(reader.ended & reader.right),
            framer.octet.eq(chunks.read_octet),
            framer.valid.eq(chunks.read_valid),
            framer.fresh.eq(loads & fresh),
            framer.stop.eq(
                (loads & hole & ~fresh) | (framer.accepted & numbers.wrong) | (reader.ended & ~reader.right)
            ),
            reader.octet.eq(chunks.read_octet),
            reader.valid.eq(framer.message),
            reader.place.eq(framer.place),
            reader.left.eq(framer.left),
            reader.last.eq(framer.last),
            numbers.octet.eq(chunks.read_octet),
            numbers.valid.eq(framer.login),
            numbers.place.eq(framer.place),
            numbers.count.eq(ended),
        ]
        m.d.sync += [numbers.login.eq(accepted), numbers.fresh.eq(loads & fresh)]  # its context is loaded last

        # A report: its fields are read back, one a cycle.
        applies, send = Signal(), Signal(range(len(FIELDS) + _LATENCY + 1))
        has, slots = Signal(len(FIELDS)), Signal.like(reader.slots)
        m.d.comb += applies.eq(ended & (numbers.relation == Relation.EQUAL))
        with m.If(applies):
            m.d.sync += [send.eq(1), has.eq(reader.has), slots.eq(reader.slots), self.report.lane.eq(lane)]
            m.d.sync += [self.report.kind.eq(reader.kind), self.report.dead.eq(reader.dead)]
        with m.Elif(send == len(FIELDS) + _LATENCY):
            m.d.sync += send.eq(0)
        with m.Elif(send != 0):
            m.d.sync += send.eq(send + 1)
        for number, name in enumerate(FIELDS):
            with m.If(applies):
                m.d.sync += self.report[name].eq(0)
            with m.Elif((send == number + 1 + _LATENCY) & has[number]):
                m.d.sync += self.report[name].eq(memory.read_data)
        m.d.sync += self.report_valid.eq(send == len(FIELDS) + _LATENCY)

        # The memory. The low bits of the reader's word are the last octets, as in a slot; the last word has none there.
        saves, save = Signal(), Signal(_WORDS)
        contexts = [framer.context[:WORD_BITS], reader.context[WORD_BITS : 2 * WORD_BITS]]
        contexts.append(Cat(Const(0, _SHIFT), numbers.context[2 * WORD_BITS : 3 * WORD_BITS - _SHIFT]))
        high = Mux(save[1], contexts[1][_LOW:], Mux(save[2], contexts[2][_LOW:], reader.recent[_LOW:]))
        m.d.sync += [
            memory.write_en.eq(saves | reader.slot_end),
            memory.write_addr.eq(Cat(Mux(saves, (_CONTEXT + save[1:])[:3], reader.slot), lane)),
            memory.write_data.eq(Mux(save[0], contexts[0], Cat(reader.recent[:_LOW], high))),
        ]
        m.d.comb += [
            save.eq(Cat((phase == _Phase.SETTLE) & (step == _SETTLES - _WORDS + word) for word in range(_WORDS))),
            saves.eq(save.any()),
            memory.read_addr.eq(Cat(Mux(send == 0, (_CONTEXT + step)[:3], slots[(send - 1)[:2]]), lane)),
            framer.word.eq(memory.read_data),
            reader.word.eq(memory.read_data),
            numbers.word.eq(memory.read_data[_SHIFT:]),
        ]
        for word, part in enumerate((framer, reader, numbers)):
            m.d.comb += part.load[word].eq((phase == _Phase.LOAD) & (step == word + _LATENCY))

        m.d.sync += self.busy.eq(self.commit | chunks.some | (phase != _Phase.REST) | self.heard_valid)
        overrun = Signal()
        m.d.comb += overrun.eq(loads & hole)
        self._lose(m, lane, chunks, framer, reader, numbers, ended, overrun)
        self._count(m, lane, phase, settled, applies, ended & (numbers.relation == Relation.BELOW))
        return m

    def _lose(self, m, lane, chunks, framer, reader, numbers, ended, overrun):
        """The lanes whose evidence is lost, and the events of that."""
        missing, loses, whole, reason = Signal(), Signal(), Signal(), Signal(Loss)
        m.d.comb += missing.eq((numbers.settled | ended) & (numbers.relation == Relation.ABOVE))  # also behind the last
        m.d.sync += [
            whole.eq(numbers.settled & ~missing & ~framer.broken),
            loses.eq(missing | overrun | framer.wrong | framer.stop),
            reason.eq(Mux(reader.ended, Loss.MESSAGE, Loss.PACKET)),
        ]
        with m.If(overrun):
            m.d.sync += reason.eq(Loss.OVERRUN)
        with m.If(missing):
            m.d.sync += reason.eq(Loss.SKIPPED)

        mine, lost, overruns = Signal(LANES), Signal(LANES), Signal(LANES)  # `mine`: one bit, for the lane
        before, overran, was_lost = Signal(), Signal(), Signal()
        m.d.comb += [
            self.lost.eq(lost | chunks.holes),
            before.eq((self.lost & mine).any() & ~whole),
            overruns.eq(chunks.overran << self.lane),
        ]
        m.d.sync += [
            mine.eq(1 << lane),
            lost.eq((lost | mine & loses.replicate(LANES)) & ~(mine & (whole & ~loses).replicate(LANES)) | overruns),
            overran.eq(chunks.overran),
            was_lost.eq(self.lost.bit_select(self.lane, 1)),
        ]

        # A frame that was overrun is told when nothing else is. Its hole comes when what is before it has been read.
        late, late_lane, tells, why = Signal(), Signal(3), Signal(), Signal(Loss)
        m.d.sync += [
            tells.eq(loses & ~before),
            why.eq(reason),
            self.lost_valid.eq(tells | late),
            self.told.lane.eq(Mux(tells, lane, late_lane)),
            self.told.reason.eq(Mux(tells, why, Loss.OVERRUN)),
            late.eq((late & tells) | (overran & ~was_lost)),
        ]
        with m.If(chunks.overran):
            m.d.sync += late_lane.eq(self.lane)

    def _count(self, m, lane, phase, settled, applied, repeated):
        """Count the reports of a chunk."""
        counts = self.heard
        some = Signal(2)
        m.d.sync += [
            some.eq(Cat(applied, repeated)),
            counts.applied.eq(counts.applied + some[0]),
            counts.repeated.eq(counts.repeated + some[1]),
        ]
        m.d.sync += self.heard_valid.eq(settled & Cat(counts.applied, counts.repeated).any())
        m.d.comb += counts.lane.eq(lane)
        with m.If(phase == _Phase.LOAD):
            m.d.sync += [counts.applied.eq(0), counts.repeated.eq(0)]

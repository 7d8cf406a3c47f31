"""What is said of open orders: by the exchange, and of Replaces that did not leave; one after the other."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.filter.gross import LANE_BITS
from hdl.filter.multiplier import PRICE_BITS
from hdl.filter.order_index import REF_BITS
from hdl.filter.report import REPORT
from hdl.wire.verdict import LANES

REPORTS = 16  # places for them, of which one stays free
WITHDRAWALS = 32


class Says(enum.Enum):
    """What is said of an order."""

    ACCEPTED = 0
    EXECUTED = 1
    REDUCED = 2  # by so many shares
    LEFT = 3  # so many shares are
    DEAD = 4  # accepted, and not live
    REJECTED = 5
    REPLACED = 6  # and so many shares are left
    ENDED = 7  # replaced, and not live
    WITHDRAWN = 8  # it did not leave


_NAME = {"lane": LANE_BITS, "user_ref": REF_BITS}
WITHDRAWN = data.StructLayout(_NAME)
_HEARD = data.StructLayout({**_NAME, "says": 3, "quantity": 32, "price": PRICE_BITS})
SAID = data.StructLayout({**_NAME, "says": Says, "quantity": 32, "price": PRICE_BITS})


class Hearing(wiring.Component):
    """Keeps what is said until it is taken: reports in order, withdrawals in order, and of both in turns.

    Of reports those are kept that name an order of a lane that is ``heard``: Accepted, Executed (of 4.2 also with a
    reference price), Canceled, AIQ Canceled, Modified, Rejected and Replaced. A report ``waits`` from two cycles behind
    its coming on, a withdrawal from the cycle behind it on. ``said`` is the next one, as long as ``begins`` is up or
    has been since the last ``ends``.

    Members
    -------
    heard : In(8)
    report_valid, report, older : In(1), In(REPORT), In(1)
        ``older``: the report's lane speaks OUCH 4.2.
    withdraw, withdrawn : In(1), In(WITHDRAWN)
    waits, withdrawing : Out(1)
        Something does; a withdrawal does.
    said : Out(SAID)
        Of a withdrawal quantity and price mean nothing.
    begins, ends : In(1)
        ``begins`` is up in some cycles, and not in that of ``ends``, which forgets what was said.
    clearing : In(1)
        Level: nothing is taken, and what has come is forgotten.
    fault : Out(1)
        Strobe: one was lost, since there was no place.
    """

    heard: In(LANES)
    report_valid: In(1)
    report: In(REPORT)
    older: In(1)
    withdraw: In(1)
    withdrawn: In(WITHDRAWN)
    waits: Out(1)
    withdrawing: Out(1)
    said: Out(SAID)
    begins: In(1)
    ends: In(1)
    clearing: In(1)
    fault: Out(1)

    def elaborate(self, platform):
        m = Module()
        reports = _Ring(m, "reports", _HEARD, REPORTS)
        withdrawals = _Ring(m, "withdrawals", WITHDRAWN, WITHDRAWALS)
        turn, withdraws = Signal(), Signal()  # whose turn it is, if both wait; whose it is
        m.d.comb += [
            self.withdrawing.eq(withdrawals.some),
            self.waits.eq(reports.some | withdrawals.some),
            withdraws.eq(withdrawals.some & (~reports.some | turn)),
        ]
        with m.If(self.begins):
            m.d.sync += turn.eq(withdraws)
        with m.If(self.ends):
            m.d.sync += turn.eq(~withdraws)
        with m.If(self.clearing):
            m.d.sync += turn.eq(0)

        says, here, names = Signal(3), Signal(), Signal()
        item = Signal(_HEARD)
        m.d.comb += names.eq(1)
        with m.Switch(self.report.kind):
            with m.Case(ord("A")):
                m.d.comb += says.eq(Mux(self.report.dead, Says.DEAD, Says.ACCEPTED))
            with m.Case(ord("E")):
                m.d.comb += says.eq(Says.EXECUTED)
            with m.Case(ord("G")):  # of 5.0 it names no order
                m.d.comb += [says.eq(Says.EXECUTED), names.eq(self.older)]
            with m.Case(ord("C"), ord("D")):
                m.d.comb += says.eq(Says.REDUCED)
            with m.Case(ord("M")):
                m.d.comb += says.eq(Says.LEFT)
            with m.Case(ord("J")):
                m.d.comb += says.eq(Says.REJECTED)
            with m.Case(ord("U")):
                m.d.comb += says.eq(Mux(self.report.dead, Says.ENDED, Says.REPLACED))
            with m.Default():
                m.d.comb += names.eq(0)
        m.d.sync += [
            here.eq(self.report_valid & names & self.heard.bit_select(self.report.lane, 1) & ~self.clearing),
            item.says.eq(says),
            *(item[name].eq(self.report[name]) for name in ("lane", "user_ref", "quantity", "price")),
        ]
        lost = Signal(2)
        m.d.comb += [
            lost[0].eq(reports.keep(m, here, item, self.ends & ~withdraws, self.clearing)),
            lost[1].eq(
                withdrawals.keep(
                    m, self.withdraw & ~self.clearing, self.withdrawn, self.ends & withdraws, self.clearing
                )
            ),
        ]
        m.d.sync += self.fault.eq(lost.any())

        said = reports.head
        m.d.comb += [
            self.said.says.eq(Mux(withdraws, Says.WITHDRAWN, said.says)),
            self.said.quantity.eq(said.quantity),
            self.said.price.eq(said.price),
            *(self.said[name].eq(Mux(withdraws, withdrawals.head[name], said[name])) for name in _NAME),
        ]
        return m


class _Ring:
    """A queue in look-up tables, read without a clock: its head is there while there is ``some``."""

    def __init__(self, m, name, shape, depth):
        memory = Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "distributed"})
        m.submodules[name] = memory
        self._write, read = memory.write_port(), memory.read_port(domain="comb")
        self._into, self._out_of = Signal(ceil_log2(depth)), Signal(ceil_log2(depth))
        self.some, self.head = Signal(), read.data
        m.d.comb += [read.addr.eq(self._out_of), self.some.eq(self._into != self._out_of)]

    def keep(self, m, comes, item, goes, clearing):
        """Take one item, and let the head go; return that there is no place for it. One place stays free."""
        into, out_of, full = self._into, self._out_of, Signal()
        m.d.comb += [
            full.eq((into + 1)[: len(into)] == out_of),
            self._write.en.eq(comes),
            self._write.addr.eq(into),
            self._write.data.eq(item),
        ]
        with m.If(comes & ~full):
            m.d.sync += into.eq(into + 1)
        with m.If(goes):
            m.d.sync += out_of.eq(out_of + 1)
        with m.If(clearing):
            m.d.sync += out_of.eq(into)
        return comes & full

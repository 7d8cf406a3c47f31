"""The return path: from the exchange to the servers, unread."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Passage(wiring.Component):
    """Repeats a GMII octet stream after four cycles, pin to pin: octets, gaps and errors as they are.

    Members
    -------
    rx_data, rx_dv, rx_er : In
    tx_data, tx_en, tx_er : Out
    active : Out(1)
        Something is on its way.
    """

    DELAY = 4

    rx_data: In(8)
    rx_dv: In(1)
    rx_er: In(1)
    tx_data: Out(8)
    tx_en: Out(1)
    tx_er: Out(1)
    active: Out(1)

    def elaborate(self, platform):
        m = Module()
        data, valid, error = self.rx_data, self.rx_dv, self.rx_er
        on_the_way = [valid]
        for _ in range(self.DELAY):
            next_data, next_valid, next_error = Signal(8), Signal(), Signal()
            m.d.sync += [next_data.eq(data), next_valid.eq(valid), next_error.eq(error)]
            data, valid, error = next_data, next_valid, next_error
            on_the_way.append(valid)
        m.d.comb += [self.tx_data.eq(data), self.tx_en.eq(valid), self.tx_er.eq(error)]
        m.d.comb += self.active.eq(Cat(on_the_way).any())
        return m

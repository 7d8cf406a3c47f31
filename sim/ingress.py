"""Headers and lanes of one direction, wired as in the filter: what `sim.tb_segment` drives."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.filter.headers import Headers
from hdl.filter.lanes import Lanes
from hdl.wire.verdict import LANES

_TAKEN = ("found", "found_lane")


class Ingress(wiring.Component):
    """The outputs of `Headers` for frames of its stream; keys are written in single cycles of ``write``.

    A write takes five cycles.
    """

    def __init__(self, *, back: bool):
        self.headers, self.lanes = Headers(back=back), Lanes()
        self._inner = {
            name: member for name, member in self.headers.signature.members.items() if name not in _TAKEN
        }  # fmt: skip
        keys = {"write": In(1), "word": In(5), "data": In(32), "enable": In(LANES), "tcp_lanes": In(LANES)}
        super().__init__(self._inner | keys)

    def elaborate(self, platform):
        m = Module()
        m.submodules.headers = headers = self.headers
        m.submodules.lanes = lanes = self.lanes
        lookup = lanes.back if headers.back else lanes.orders
        for name, member in self._inner.items():
            inside, outside = getattr(headers, name), getattr(self, name)
            m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)
        for name in ("key_octet", "key_index", "key_valid", "tcp"):
            m.d.comb += getattr(lookup, name).eq(getattr(headers, name))
        for name in _TAKEN:
            m.d.comb += getattr(headers, name).eq(getattr(lookup, name))
        m.d.comb += [
            lanes.enable.eq(self.enable),
            lanes.tcp_lanes.eq(self.tcp_lanes),
            lanes.bus.request.eq(self.write),
            lanes.bus.write.eq(1),
            lanes.bus.address.eq(self.word),
            lanes.bus.data.eq(self.data),
        ]
        return m

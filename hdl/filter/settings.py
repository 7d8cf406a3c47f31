"""The settings: single registers of the configuration."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.filter.memory import Memory
from hdl.filter.multiplier import NOTIONAL_BITS
from hdl.wire.registers import KEY_BITS, Reg
from hdl.wire.verdict import FIRST_TRIP, LANES, LAST_TRIP

TRIPS = 2 * (LAST_TRIP - FIRST_TRIP + 1)  # bits: a `Trip` for each reason from FIRST_TRIP on
RANGES = [
    (Reg.CONFIG_BEGIN, Reg.CONFIG_BEGIN + 7),
    (Reg.ORDER_VALUE, Reg.ORDER_VALUE + 1),
    (Reg.TRIPS, Reg.TRIPS + 1),
    (Reg.LANE_MODE, Reg.LANE_MODE + LANES - 1),
]
FIRST, LAST = Reg.CONFIG_BEGIN, Reg.LANE_MODE + LANES - 1


class Settings(wiring.Component):
    """Keeps the settings; a quiet bus target for the addresses in `RANGES`.

    Answers three cycles after the request; a written value is on its output from the cycle of the ack on. Bits that a
    register does not have are ignored and read as 0. ``CONFIG_BEGIN`` takes any value, keeps none, and can't be read.
    All 0 after reset, which passes nothing: no lane is enabled, no order is small enough, no watchdog can be
    restarted.

    Members
    -------
    bus : In(Bus)
    policy : Out(2)
        Bit 0: ARP passes. Bit 1: ICMP passes.
    lane_enable : Out(8)
    order_size : Out(32)
        Largest quantity of one order.
    order_value : Out(52)
        Largest quantity times price of one order.
    trips : Out(38)
        Two bits, a `hdl.wire.verdict.Trip`, for each reason from FIRST_TRIP on.
    watchdog : Out(32)
        Cycles; 0: never armable.
    hash_key : Out(70)
        The Toeplitz key, as in `hdl.wire.registers.toeplitz`.
    tcp_lanes, dialect_lanes : Out(8)
        A bit a lane: TCP, not UDP; OUCH 4.2, not 5.0.
    unordered_lanes : Out(8)
        A bit a lane: the numbers of its orders need not rise.
    evidence_lanes : Out(8)
        A bit a lane: what the exchange reports releases exposure.
    parentless_lanes : Out(8)
        A bit a lane: its orders need no parent.
    actions : Out(data.ArrayLayout(2, 8))
        A `hdl.wire.verdict.Action` a lane.
    """

    bus: In(Bus)
    policy: Out(2)
    lane_enable: Out(LANES)
    order_size: Out(32)
    order_value: Out(NOTIONAL_BITS)
    trips: Out(TRIPS)
    watchdog: Out(32)
    hash_key: Out(KEY_BITS)
    tcp_lanes: Out(LANES)
    dialect_lanes: Out(LANES)
    unordered_lanes: Out(LANES)
    evidence_lanes: Out(LANES)
    parentless_lanes: Out(LANES)
    actions: Out(data.ArrayLayout(2, LANES))

    def elaborate(self, platform):
        m = Module()
        registers = {
            Reg.POLICY: self.policy,
            Reg.LANE_ENABLE: self.lane_enable,
            Reg.ORDER_SIZE: self.order_size,
            Reg.ORDER_VALUE: self.order_value[:32],
            Reg.ORDER_VALUE + 1: self.order_value[32:],
            Reg.TRIPS: self.trips[:32],
            Reg.TRIPS + 1: self.trips[32:],
            Reg.WATCHDOG: self.watchdog,
            Reg.HASH_KEY: self.hash_key[:32],
            Reg.HASH_KEY + 1: self.hash_key[32:64],
            Reg.HASH_KEY + 2: self.hash_key[64:],
        }
        for lane in range(LANES):
            flags = self.unordered_lanes[lane], self.evidence_lanes[lane], self.parentless_lanes[lane]
            mode = Cat(self.tcp_lanes[lane], self.dialect_lanes[lane], self.actions[lane], *flags)
            registers[Reg.LANE_MODE + lane] = mode
        bus = self.bus
        number = bus.address[: (LAST - FIRST).bit_length()]
        asked, found, writes, is_begin = Signal(), Signal(), Signal(), Signal()
        m.d.comb += writes.eq(bus.request & bus.write)
        m.d.sync += [asked.eq(bus.request), found.eq(asked), bus.ack.eq(found)]
        m.d.sync += [is_begin.eq(number == Reg.CONFIG_BEGIN - FIRST), bus.error.eq(is_begin & ~bus.write)]

        # What is read is what was written, from a memory; of a register that was not written since reset, 0.
        m.submodules.memory = memory = Memory(32, LAST - FIRST + 1, distributed=True)
        written, was_written = Signal(LAST - FIRST + 1), Signal()
        m.d.sync += memory.write_data.eq(bus.data)
        for bits in sorted({len(register) for register in registers.values()}):
            narrow = [address - FIRST for address, register in registers.items() if len(register) == bits]
            with m.If(number.matches(*narrow)):
                m.d.sync += memory.write_data[bits:].eq(0)
        m.d.comb += [memory.write_addr.eq(number), memory.read_addr.eq(number)]
        m.d.sync += [memory.write_en.eq(writes), was_written.eq(written.bit_select(number, 1))]
        m.d.sync += bus.value.eq(Mux(was_written & found, memory.read_data, 0))
        for address, register in registers.items():
            chosen = Signal(name=f"write_{address:x}")
            m.d.sync += chosen.eq(writes & (number == address - FIRST))
            with m.If(chosen):
                m.d.sync += [register.eq(bus.data), written[address - FIRST].eq(1)]
        return m

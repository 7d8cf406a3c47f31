"""The status: what the control link can read of the filter's state."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.bus import Bus
from hdl.filter.moments import READ_DELAY, Moments
from hdl.wire.digest import map_hash
from hdl.wire.registers import EVENTS, MAGIC, SLOTS, SYMBOLS, Reg
from hdl.wire.verdict import LANES

FIRST, LAST = 0x0000, 0x003F


def sizes() -> int:
    """Return the value of `Reg.SIZES`."""
    logarithms = [(size - 1).bit_length() for size in (SYMBOLS, SLOTS, EVENTS)]
    return LANES | sum(bits << 8 * (number + 1) for number, bits in enumerate(logarithms))


def check(reg, value):
    """Raise ValueError for a register that is not driven from outside, or a value that does not fit it."""
    bits = len(Value.cast(value))
    if reg not in range(FIRST, LAST + 1) or reg in (Reg.MAGIC, Reg.MAP_HASH, Reg.SIZES, Reg.NOW):
        raise ValueError(f"no status register to be driven: {reg!r}")
    if bits > 32:
        raise ValueError(f"status register {reg.name} is too narrow for {bits} bits")


class Status(wiring.Component):
    """Reads registers that others drive, and the moments of what happened; a quiet bus target from `FIRST` to `LAST`.

    A register is sampled two cycles after the request, and the answer comes in the sixth. Moments take two words, as
    `Moments` keeps them; ``NOW`` is the moment at which its low word is asked for, and takes up to 40 cycles. Writes,
    and addresses of no register, are errors.

    Parameters
    ----------
    registers : dict[Reg, Value]
        What drives each register, at most 32 bits. ``MAGIC``, ``MAP_HASH`` and ``SIZES`` are there without being given.
    moments : dict[Reg, tuple[Value, Value]]
        By the register of the low word, the strobes ``happened`` and ``forgotten`` of `Moments`. ``NOW`` is there.

    Members
    -------
    bus : In(Bus)
    now : In(64)
    busy : Out(1)
        Of `Moments`.
    """

    bus: In(Bus)
    now: In(64)
    busy: Out(1)

    def __init__(self, registers, moments):
        constants = {Reg.MAGIC: MAGIC, Reg.MAP_HASH: map_hash(), Reg.SIZES: sizes()}
        self._registers = {reg: Const(value, 32) for reg, value in constants.items()}
        for reg, value in registers.items():
            check(reg, value)
            self._registers[reg] = Value.cast(value)
        self._moments = moments
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        number = bus.address[: LAST.bit_length()]
        m.submodules.moments = moments = Moments(1 + len(self._moments))
        asking = Signal()
        m.d.comb += [
            moments.now.eq(self.now),
            moments.happened.eq(Cat(asking, *(happened for happened, _ in self._moments.values()))),
            moments.forgotten.eq(Cat(Const(0, 1), *(forgotten for _, forgotten in self._moments.values()))),
            self.busy.eq(moments.busy),
        ]

        # The address has been there for two cycles when something depends on it.
        is_moment, is_now = Signal(), Signal()
        m.d.sync += [is_moment.eq(0), is_now.eq((number == Reg.NOW) & ~bus.write)]
        with m.Switch(number):
            for thing, reg in enumerate([Reg.NOW, *self._moments]):
                with m.Case(reg, reg + 1):
                    m.d.sync += [is_moment.eq(1), moments.thing.eq(thing)]
        m.d.sync += moments.high.eq(number[0])

        # One of them is chosen, from a register for each.
        chosen = {reg: Signal(name=f"is_{reg.name.lower()}") for reg in self._registers}
        m.d.sync += [flag.eq(number == reg) for reg, flag in chosen.items()]
        value = Mux(is_moment, moments.value, 0)
        for reg, word in self._registers.items():
            value = value | Mux(chosen[reg], word, 0)
        sampled, reading = Signal(), Signal(READ_DELAY)
        m.d.sync += [
            bus.value.eq(Mux(reading[-1], value, 0)),
            bus.error.eq(~(is_moment | Cat(chosen.values()).any()) | bus.write),
        ]

        m.d.comb += moments.read.eq(sampled & ~bus.write)
        m.d.sync += Cat(reading, bus.ack).eq(Cat(sampled, reading))
        with m.FSM():
            with m.State("idle"), m.If(bus.request):
                m.next = "asked"
            with m.State("asked"):
                m.next = "sample"
                with m.If(is_now):
                    m.d.comb += asking.eq(1)
                    m.next = "wait"
            with m.State("wait"), m.If(~moments.pending[0]):
                m.next = "sample"
            with m.State("sample"):
                m.d.comb += sampled.eq(1)
                m.next = "idle"
        return m

"""The status: what the control link can read of the filter's state."""

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.filter.bus import Bus
from hdl.wire.digest import map_hash
from hdl.wire.registers import EVENTS, MAGIC, SLOTS, SYMBOLS, Reg
from hdl.wire.verdict import LANES

FIRST, LAST = 0x0000, 0x003F
PAIRS = (Reg.NOW, Reg.KILL_AT, Reg.AFTER_END, Reg.PASS_START, Reg.BREACH_AT)  # 64 bits, in two words

_GROUP = 8  # addresses joined in the first of two stages


def sizes() -> int:
    """Return the value of `Reg.SIZES`."""
    logarithms = [(size - 1).bit_length() for size in (SYMBOLS, SLOTS, EVENTS)]
    return LANES | sum(bits << 8 * (number + 1) for number, bits in enumerate(logarithms))


def check(reg, value):
    """Raise ValueError for a register that is not driven from outside, or a value that does not fit it."""
    bits = len(Value.cast(value))
    if reg not in range(FIRST, LAST + 1) or reg in (Reg.MAGIC, Reg.MAP_HASH, Reg.SIZES):
        raise ValueError(f"no status register to be driven: {reg!r}")
    if bits > (64 if reg in PAIRS else 32):
        raise ValueError(f"status register {reg.name} is too narrow for {bits} bits")


class Status(wiring.Component):
    """Reads registers that others drive; a bus target for the addresses from `FIRST` to `LAST`.

    A register is sampled one cycle after the request, and the answer comes in the third. Reading the low word of a
    64-bit register latches its high word of the same cycle, separately for each; the high word is read from that
    latch, which is 0 until then. Writes, and addresses of no register, are errors. Reset clears the latches.

    Parameters
    ----------
    registers : dict[Reg, Value]
        What drives each register, at most 32 bits, 64 for those of `PAIRS`. ``MAGIC``, ``MAP_HASH`` and ``SIZES`` are
        there without being given.

    Members
    -------
    bus : In(Bus)
    """

    bus: In(Bus)

    def __init__(self, registers):
        constants = {Reg.MAGIC: MAGIC, Reg.MAP_HASH: map_hash(), Reg.SIZES: sizes()}
        self._registers = {reg: Const(value, 32) for reg, value in constants.items()}
        for reg, value in registers.items():
            check(reg, value)
            self._registers[reg] = Value.cast(value)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        number = bus.address[: LAST.bit_length()]
        asked, joining = Signal(), Signal()
        m.d.sync += [asked.eq(bus.request), joining.eq(asked), bus.ack.eq(joining)]

        words = {}
        for reg, value in self._registers.items():
            words[int(reg)] = value
            if reg in PAIRS:
                high = Signal(32, name=f"{reg.name.lower()}_high")
                with m.If(asked & ~bus.write & (number == reg)):
                    m.d.sync += high.eq(value[32:])
                words[int(reg)], words[reg + 1] = value[:32], high

        joined, exists = 0, 0
        for start in range(FIRST, LAST + 1, _GROUP):
            group = {address: word for address, word in words.items() if start <= address < start + _GROUP}
            if not group:
                continue
            value = Signal(32, name=f"group_{start:x}")
            found = Signal(name=f"found_{start:x}")
            m.d.sync += [value.eq(0), found.eq(0)]
            with m.Switch(number):
                for address, word in group.items():
                    with m.Case(address):
                        m.d.sync += [value.eq(word), found.eq(1)]
            joined = joined | value
            exists = exists | found
        m.d.sync += [bus.value.eq(joined), bus.error.eq(~exists | bus.write)]
        return m

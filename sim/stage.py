"""The filter between a player and a recorder of its pins: what a bench in Python needs to be fast."""

from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.wire.verdict import LANES

BLOCK = 128  # cycles between two looks of the bench
WORD = 32

# What is played in a cycle, and what is recorded in it; least significant bit first.
PLAYED = data.StructLayout(
    {
        "server_rx_data": 8,
        "server_rx_dv": 1,
        "server_rx_er": 1,
        "exchange_rx_data": 8,
        "exchange_rx_dv": 1,
        "exchange_rx_er": 1,
        "uart_rx": 1,
        "loop_closed": 1,
        "reset": 1,
    }
)
RECORDED = data.StructLayout(
    {
        "exchange_tx_data": 8,
        "exchange_tx_en": 1,
        "exchange_tx_er": 1,
        "server_tx_data": 8,
        "server_tx_en": 1,
        "server_tx_er": 1,
        "uart_tx": 1,
        "busy": 1,
        "killed": LANES,
    }
)


class Stage(wiring.Component):
    """Plays its pins to a filter, a word of `PLAYED` a cycle, and records a word of `RECORDED` a cycle.

    Words come and go in blocks of 128, the first cycle's in the lowest bits. ``turn`` changes when a block begins: the
    one on ``tape`` has been taken, and ``record`` holds the outputs of the block before, each in the cycle of the
    input played. ``now`` counts cycles, and is ahead by ``jump`` more in a block that is taken with one. From power-up
    a block of rest is played (line idle, loop closed), and ``now`` is 0 in the first cycle of the next one.

    There is no other reset than the one that is played. A reset at the top, or a bench that could write what stands
    between the pins and the player, would be inputs on which all logic depends, and the simulator would look at all
    logic again on every edge of the clock: so everything is one level down.

    Members
    -------
    clk : In(1)
    tape : In(4096)
        Taken from two cycles before the block's end on.
    jump : In(64)
    record : Out(4096)
    turn : Out(1)
    now, deadline : Out(64)
        In the current cycle.
    """

    REST = PLAYED.const({"uart_rx": 1, "loop_closed": 1}).as_bits()
    PORTS = {
        "clk": In(1),
        "tape": In(BLOCK * WORD),
        "jump": In(64),
        "record": Out(BLOCK * WORD),
        "turn": Out(1),
        "now": Out(64),
        "deadline": Out(64),
    }

    def __init__(self, core):
        self.core = core
        super().__init__(self.PORTS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inside = inside = _Inside(self.core)
        for name, member in self.PORTS.items():
            source, target = (self, inside) if member.flow == In else (inside, self)
            m.d.comb += getattr(target, name).eq(getattr(source, name))
        return m


class _Inside(wiring.Component):
    def __init__(self, core):
        self.core = core
        super().__init__(Stage.PORTS)

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain(reset_less=True, local=True)
        m.d.comb += sync.clk.eq(self.clk)
        rest = sum(Stage.REST << WORD * number for number in range(BLOCK))
        playing, recording = Signal(BLOCK * WORD, init=rest), Signal(BLOCK * WORD)
        played, recorded = Signal(PLAYED), Signal(RECORDED)
        place, last = Signal(range(BLOCK)), Signal()
        now = Signal(64, init=(1 << 64) - BLOCK)
        m.submodules.core = core = ResetInserter(played.reset)(self.core)

        m.d.comb += [played.eq(playing[: PLAYED.size]), core.now.eq(now), self.now.eq(now)]
        m.d.comb += [last.eq(place == BLOCK - 1), self.deadline.eq(core.deadline)]
        for name in PLAYED.members:
            if name != "reset":
                m.d.comb += getattr(core, name).eq(played[name])
        for name in RECORDED.members:
            m.d.comb += recorded[name].eq(getattr(core, name))
        # Registers, lest logic depend on inputs.
        tape, jump = Signal(BLOCK * WORD), Signal(64)
        m.d.sync += [tape.eq(self.tape), jump.eq(self.jump)]
        whole = Signal(BLOCK * WORD)
        m.d.comb += whole.eq(recording >> WORD | recorded.as_value() << WORD * (BLOCK - 1))
        m.d.sync += [
            place.eq(place + 1),
            playing.eq(playing >> WORD),
            recording.eq(whole),
            now.eq(now + 1),
        ]
        with m.If(last):
            m.d.sync += [
                playing.eq(tape),
                self.record.eq(whole),
                self.turn.eq(~self.turn),
                now.eq(now + 1 + jump),
            ]
        return m

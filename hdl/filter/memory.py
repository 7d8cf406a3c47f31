"""Memory with two cycles of read latency: plain in simulation and exported Verilog, block RAM with OUTREG on ECP5."""

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

BYTE = 9  # bits that a DP16KD can write by themselves, in its wide modes
MODES = {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}  # width of one DP16KD in bits: its depth


def arrangement(width: int, depth: int) -> tuple[int, int, int]:
    """Return the mode (bits), the columns and the rows of the fewest DP16KD that hold `depth` words of `width` bits.

    Of equally few the ones with fewest rows, since several rows need a multiplexer behind them. Raises ValueError for
    no words or no bits.
    """
    if width < 1 or depth < 1:
        raise ValueError(f"memory must have at least 1 word of 1 bit, not {depth!r} words of {width!r}")
    shapes = [(mode, -(-width // mode), -(-depth // words)) for mode, words in MODES.items()]
    return min(shapes, key=lambda shape: (shape[1] * shape[2], shape[2]))


def parts(width: int, depth: int, part: int) -> int:
    """Return how many parts of `part` bits a word has. Raises ValueError if a DP16KD can't write them one by one."""
    if part != width and (width % part or part % BYTE or arrangement(width, depth)[0] < 2 * BYTE):
        raise ValueError(f"memory of {width!r} x {depth!r} can't be written in parts of {part!r} bits")
    return width // part


class Memory(wiring.Component):
    """Holds words; writes one and reads one in every cycle.

    ``read_addr`` presented in cycle c shows its word on ``read_data`` in cycle c+2, one word per cycle. A write in
    cycle c is seen by ``read_addr`` of cycle c+1. A read in the cycle of a write to the same address shows the old
    word in simulation; for the two ports of a block RAM this is unspecified, so nothing may depend on it. All zero at
    power-up; a reset changes no word, and ``read_data`` means nothing for two cycles behind it.

    On a platform whose attribute ``memory`` is ``"ecp5"`` it is made of DP16KD with their output registers, unless
    ``distributed``. Synthesis finds no output register by itself, and without one a block RAM takes 5.8 of the 8 ns.

    Parameters
    ----------
    width, depth : int
        Bits of a word and number of words, both at least 1.
    distributed : bool
        Make it of look-up tables: for small depths, up to 64.
    part : int
        Bits of a word that ``write_en`` has a bit of its own for, the whole word if left out. In block RAMs a multiple
        of 9, and only for shapes whose mode is of 18 or 36 bits.

    Members
    -------
    write_en : In(width // part)
    write_addr, write_data : In
    read_addr : In
    read_data : Out(width)
    """

    def __init__(self, width: int, depth: int, distributed: bool = False, part: int | None = None):
        self.arrangement = arrangement(width, depth)
        self.width, self.depth, self.distributed, self.part = width, depth, distributed, part or width
        address = ceil_log2(depth)
        super().__init__(
            {
                "write_en": In(parts(width, depth, self.part)),
                "write_addr": In(address),
                "write_data": In(width),
                "read_addr": In(address),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if getattr(platform, "memory", None) == "ecp5" and not self.distributed:
            self._block_rams(m)
        else:
            self._plain(m)
        return m

    def _plain(self, m):
        attributes = {"ram_style": "distributed"} if self.distributed else {}
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.depth, init=[], attrs=attributes)
        write, read = words.write_port(granularity=self.part), words.read_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_addr),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_addr),
            read.en.eq(1),
        ]
        m.d.sync += self.read_data.eq(read.data)

    def _block_rams(self, m):
        mode, columns, rows = self.arrangement
        bits = ceil_log2(MODES[mode])
        read = []
        for row in range(rows):
            selected = Signal.like(self.write_en, name=f"write_en_{row}")
            with m.If(self.write_addr[bits:] == row):
                m.d.comb += selected.eq(self.write_en)
            word = Signal(mode * columns, name=f"read_data_{row}")
            data = Signal.like(word, name="write_data")
            m.d.comb += data.eq(self.write_data)
            for column in range(columns):
                span = slice(mode * column, mode * (column + 1))
                last = len(selected) - 1
                enables = Cat(
                    selected[min((span.start + BYTE * byte) // self.part, last)] for byte in range(-(-mode // BYTE))
                )
                m.submodules[f"ram_{row}_{column}"] = _dp16kd(
                    mode, enables, self.write_addr[:bits], data[span], self.read_addr[:bits], word[span]
                )
            read.append(word)
        if rows == 1:
            m.d.comb += self.read_data.eq(read[0])
        else:
            chosen, shown = Signal(range(rows)), Signal(range(rows))
            m.d.sync += [chosen.eq(self.read_addr[bits:]), shown.eq(chosen)]
            m.d.comb += self.read_data.eq(Array(read)[shown])


def _dp16kd(mode, enables, write_addr, write_data, read_addr, read_data):
    """Return one DP16KD that writes on port A and reads on port B, as Lattice's FPGA-TN-02204 has it.

    `enables` is for each nine bits of `write_data`.

    Its 14 address bits count single bits, so a word's address stands on top of them; in the modes of 18 and 36 bits
    the lowest are the byte enables. 36 bits are the data of both ports side by side, 18 low bits on A.
    """
    low = 14 - ceil_log2(MODES[mode])
    high = [Const(0, 1)] * (14 - low - len(write_addr))
    write_bits = [enables[n] if mode >= 18 and n < mode // BYTE else Const(0, 1) for n in range(low)]
    write_bits += [*write_addr, *high]
    read_bits = [Const(0, 1)] * low + [*read_addr, *high]
    written = list(write_data) + [Const(0, 1)] * (36 - mode)
    outputs = [f"DOA{n}" for n in range(18)] + [f"DOB{n}" for n in range(18)]
    outputs = outputs if mode == 36 else outputs[18 : 18 + mode]
    ports = {
        **{f"i_ADA{n}": bit for n, bit in enumerate(write_bits)},
        **{f"i_ADB{n}": bit for n, bit in enumerate(read_bits)},
        **{f"i_DI{'AB'[n // 18]}{n % 18}": bit for n, bit in enumerate(written)},
        **{f"o_{name}": bit for name, bit in zip(outputs, read_data, strict=True)},
        "i_WEA": enables.any(),
        "i_WEB": Const(0, 1),
    }
    for port in "AB":
        ports |= {f"i_CLK{port}": ClockSignal(), f"i_CE{port}": Const(1, 1), f"i_OCE{port}": Const(1, 1)}
        ports |= {f"i_{name}": Const(0, 1) for name in (f"RST{port}", f"CS{port}0", f"CS{port}1", f"CS{port}2")}
    return Instance(
        "DP16KD",
        p_DATA_WIDTH_A=mode,
        p_DATA_WIDTH_B=mode,
        p_REGMODE_A="OUTREG" if mode == 36 else "NOREG",
        p_REGMODE_B="OUTREG",
        p_RESETMODE="SYNC",
        p_ASYNC_RESET_RELEASE="SYNC",
        p_WRITEMODE_A="NORMAL" if mode == 36 else "READBEFOREWRITE",
        p_WRITEMODE_B="NORMAL" if mode == 36 else "READBEFOREWRITE",
        p_CSDECODE_A="0b000",
        p_CSDECODE_B="0b000",
        p_GSR="DISABLED",
        **ports,
    )

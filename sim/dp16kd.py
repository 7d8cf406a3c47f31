"""Behaviour of Lattice's block RAM DP16KD in the modes that hdl.filter.memory uses, in plain Python."""

from amaranth.hdl import Cat, Fragment, Instance
from amaranth.sim import Simulator

BYTE = 9  # bits
BYTES = 2048
FIXED = {"RESETMODE": "SYNC", "CSDECODE_A": "0b000", "CSDECODE_B": "0b000", "GSR": "DISABLED"}


class Dp16kd:
    """One block RAM, written on port A and read on port B, both on one clock.

    Its 14 address bits count single bits of data (without parity). Writing needs CEA and WEA, and from 18 bits on the
    enable of each 9-bit byte on ADA0 and up. 36 bits stand on both ports' pins together. Reading takes CEB, and with
    OUTREG one more cycle with OCE. A byte that is read while it is written comes out inverted: the device promises
    nothing there.

    Raises ValueError for parameters whose behaviour is not modelled.
    """

    def __init__(self, parameters):
        wrong = {name: parameters.get(name) for name, value in FIXED.items() if parameters.get(name) != value}
        self._mode = mode = parameters["DATA_WIDTH_A"]
        if wrong or mode not in (9, 18, 36) or parameters["DATA_WIDTH_B"] != mode:
            raise ValueError(f"DP16KD in a mode that is not modelled: {mode} bits, {wrong}")
        self._registered = [parameters[f"REGMODE_{port}"] == "OUTREG" for port in "AB"]
        self._bytes = [0] * BYTES
        self._latch, self._register = 0, 0

    @property
    def outputs(self):
        """The pins DOA and DOB as they show until the next rising edge."""
        shown = [self._register if registered else self._latch for registered in self._registered]
        if self._mode == 36:
            return shown[0] & (1 << 18) - 1, shown[1] >> 18
        return 0, shown[1]

    def rise(self, pins):
        """Take a rising edge with the input `pins` (name: value)."""
        if pins["WEB"] or pins["RSTA"] or pins["RSTB"]:
            raise ValueError("DP16KD: port B does not write and nothing is reset in the model")
        address = {port: sum(pins[f"AD{port}{n}"] << n for n in range(14)) for port in "AB"}
        count = self._mode // BYTE
        first = {port: (value >> 3) // count * count for port, value in address.items()}
        selected = {port: pins[f"CE{port}"] and not any(pins[f"CS{port}{n}"] for n in range(3)) for port in "AB"}

        if pins["OCEB"]:
            self._register = self._latch
        written = set()
        if selected["A"] and pins["WEA"]:
            written = {n for n in range(count) if count == 1 or address["A"] >> n & 1}
        if selected["B"]:
            self._latch = 0
            for n in range(count):
                collides = first["A"] == first["B"] and n in written
                self._latch |= (self._bytes[first["B"] + n] ^ (0x1FF if collides else 0)) << BYTE * n
        data = sum(pins[f"DI{'AB'[n // 18]}{n % 18}"] << n for n in range(self._mode))
        for n in written:
            self._bytes[first["A"] + n] = data >> BYTE * n & 0x1FF


def simulator(component, platform):
    """Return a simulator of `component` as it is for `platform`, with the model in place of each DP16KD."""
    fragment = Fragment.get(component, platform)
    cells = list(_cells(fragment))
    result = Simulator(fragment)
    result.add_clock(8e-9)
    for cell in cells:
        result.add_process(_process(cell))
    return result


def _cells(fragment):
    """Take the instances out of `fragment` and yield them."""
    for part in fragment.subfragments:
        if not isinstance(part[0], Instance):
            yield from _cells(part[0])
        elif part[0].type == "DP16KD":
            yield part[0]
    fragment.subfragments = [part for part in fragment.subfragments if not isinstance(part[0], Instance)]


def _process(cell):
    inputs = {name: value for name, (value, kind) in cell.ports.items() if kind == "i" and not name.startswith("CLK")}
    outputs = [(port, n) for port in "AB" for n in range(18) if f"DO{port}{n}" in cell.ports]
    shown = Cat(cell.ports[f"DO{port}{n}"][0] for port, n in outputs)
    model = Dp16kd(cell.parameters)

    async def process(ctx):
        async for _, _, values in ctx.tick().sample(Cat(*inputs.values())):
            model.rise({name: values >> n & 1 for n, name in enumerate(inputs)})
            pins = dict(zip("AB", model.outputs, strict=True))
            ctx.set(shown, sum((pins[port] >> n & 1) << place for place, (port, n) in enumerate(outputs)))

    return process

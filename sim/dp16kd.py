"""Behaviour of Lattice's block RAM DP16KD in the modes that hdl.filter.memory uses, and components made with it."""

from amaranth.hdl import Cat, Const, Fragment, Instance, Module, Signal
from amaranth.lib import memory, wiring

BYTE = 9  # bits
DEPTHS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}  # by the width in bits
FIXED = {"RESETMODE": "SYNC", "CSDECODE_A": "0b000", "CSDECODE_B": "0b000", "GSR": "DISABLED"}


class Ecp5:
    """A platform with these block RAMs, and nothing else of a board."""

    memory = "ecp5"


class Modelled(wiring.Component):
    """A component as it is for an ECP5, with the model in place of each DP16KD; the members are the same."""

    def __init__(self, component):
        self._component = component
        super().__init__(component.signature)

    def elaborate(self, platform):
        m = Module()
        fragment = Fragment.get(self._component, Ecp5())
        _replace(fragment)
        m.submodules.component = fragment
        for path, member, value in self.signature.flatten(self):
            inner = self._component
            for name in path:
                inner = getattr(inner, name) if isinstance(name, str) else inner[name]
            m.d.comb += inner.eq(value) if member.flow == wiring.In else value.eq(inner)
        return m


def _replace(fragment):
    parts = []
    for part, *rest in fragment.subfragments:
        if not isinstance(part, Instance):
            _replace(part)
        elif part.type == "DP16KD":
            part = Fragment.get(_model(part), None)
        parts.append((part, *rest))
    fragment.subfragments = parts


def _model(cell):
    """Return a module that behaves like `cell`, written on port A and read on port B, both on the clock of `sync`.

    Its 14 address bits count single bits of data (without parity). Writing needs CEA and WEA, and from 18 bits on the
    enable of each 9-bit byte, on ADA0 and up. 36 bits stand on the pins of both ports, the low ones on A. Reading
    takes CEB, and with OUTREG one more cycle with OCEB. A byte that is read while it is written comes out inverted:
    the device promises nothing there. Raises ValueError for parameters whose behaviour is not modelled.
    """
    wrong = {name: cell.parameters.get(name) for name, value in FIXED.items() if cell.parameters.get(name) != value}
    mode = cell.parameters["DATA_WIDTH_A"]
    if wrong or mode not in DEPTHS or cell.parameters["DATA_WIDTH_B"] != mode:
        raise ValueError(f"DP16KD in a mode that is not modelled: {mode} bits, {wrong}")
    part = min(mode, BYTE)  # what has an enable of its own
    count = mode // part
    low = {1: 0, 2: 1, 4: 2, 9: 3, 18: 4, 36: 5}[mode]

    def pin(name):
        return cell.ports[name][0]

    def selected(port):
        return pin(f"CE{port}") & ~Cat(pin(f"CS{port}{n}") for n in range(3)).any() & ~pin(f"RST{port}")

    m = Module()
    m.submodules.words = words = memory.Memory(shape=mode, depth=DEPTHS[mode], init=[])
    write, read = words.write_port(granularity=part), words.read_port()
    enables = Cat(pin(f"ADA{n}") for n in range(count)) if mode > BYTE else Const(1, 1)
    written, data = Signal(count), Signal(mode)
    m.d.comb += [
        write.en.eq(enables & (selected("A") & pin("WEA")).replicate(count)),
        write.addr.eq(Cat(pin(f"ADA{n}") for n in range(low, 14))),
        write.data.eq(Cat(pin(f"DI{'AB'[n // 18]}{n % 18}") for n in range(mode))),
        read.en.eq(selected("B") & ~pin("WEB")),
        read.addr.eq(Cat(pin(f"ADB{n}") for n in range(low, 14))),
        data.eq(read.data ^ Cat(written[n].replicate(part) for n in range(count))),
    ]
    m.d.sync += written.eq(write.en & (write.addr == read.addr).replicate(count))

    registered = Signal(mode)
    with m.If(pin("OCEB")):
        m.d.sync += registered.eq(data)
    for port, place in (("A", 0), ("B", 18 if mode == 36 else 0)):
        source = registered if cell.parameters[f"REGMODE_{port}"] == "OUTREG" else data
        for n in range(18):
            if f"DO{port}{n}" in cell.ports:
                m.d.comb += pin(f"DO{port}{n}").eq(source[place + n])
    return m

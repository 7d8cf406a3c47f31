"""The bus between the control link and whatever has registers or tables.

`Bus` is the signature as the controller drives it: a controller has ``Out(Bus)``, a target ``In(Bus)``.

One access at a time. `request` is high for one cycle, with `write`, `address` (of a 32-bit word) and `data`; these
three stay as they are until the answer. The target answers in a later cycle (the risk engine's tables let orders come
first, and may have to be zeroed), with `ack` high for one cycle; in that cycle, and only then, `value` holds what was
read and `error` says that there is no such register or that it can't be accessed in this way, and that nothing changed.
The next request comes after the ack.
A target that is asked decodes the low bits of `address` only as far as its own range needs: the decoder sends it
nothing else. Reset ends an access without an ack, on both sides.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 16
WORD_BITS = 32

Bus = wiring.Signature(
    {
        "request": Out(1),
        "write": Out(1),
        "address": Out(ADDRESS_BITS),
        "data": Out(WORD_BITS),
        "ack": In(1),
        "value": In(WORD_BITS),
        "error": In(1),
    }
)


def prefix(first: int, last: int) -> str:
    """Return the pattern of 16 digits (0, 1, -) that the addresses from `first` to `last` match, and no other.

    Raises ValueError for a range that is not a power of two long, or does not begin at a multiple of its length.
    """
    size = last - first + 1
    if not 0 <= first <= last < 1 << ADDRESS_BITS or size & (size - 1) or first % size:
        raise ValueError(f"no aligned power of two: addresses {first:#06x} to {last:#06x}")
    free = size.bit_length() - 1
    return f"{first:0{ADDRESS_BITS}b}"[: ADDRESS_BITS - free] + "-" * free


def prefixes(first: int, last: int) -> list[str]:
    """Return the fewest patterns that together match the addresses from `first` to `last`, and no other."""
    patterns = []
    while first <= last:
        size = min(first & -first or 1 << ADDRESS_BITS, 1 << (last - first + 1).bit_length() - 1)
        patterns.append(prefix(first, first + size - 1))
        first += size
    return patterns


class BusDecoder(wiring.Component):
    """Passes each access on to the target that owns the address.

    The request reaches the target one cycle after it came, and the answer comes back one cycle after the target's;
    ``value`` then stays until the next answer.
    An address that no target owns is answered with an error, two cycles after the request. Of several ranges that
    hold an address the first counts, in the order of `targets`.

    Parameters
    ----------
    targets : dict[str, list[tuple[int, int]]]
        By the target's name, its ranges of addresses (first, last), each an aligned power of two.
    quiet : tuple[str, ...]
        Targets whose ``value`` is 0 but in the cycle of an ack: they need no gate.

    Members
    -------
    bus : In(Bus)
        From the controller.
    <name> : Out(Bus)
        To each target; the address is passed on whole.
    """

    def __init__(self, targets, quiet=()):
        self.quiet = quiet
        self.targets = {name: [prefix(first, last) for first, last in ranges] for name, ranges in targets.items()}
        super().__init__({"bus": In(Bus)} | {name: Out(Bus) for name in targets})

    def elaborate(self, platform):
        m = Module()
        outputs = [getattr(self, name) for name in self.targets]
        chosen = Signal(len(outputs))

        owner = Signal(len(outputs))
        with m.Switch(self.bus.address):
            for number, patterns in enumerate(self.targets.values()):
                with m.Case(*patterns):
                    m.d.comb += owner.eq(1 << number)

        asked, orphan = Signal(), Signal()
        m.d.sync += asked.eq(self.bus.request)
        m.d.comb += orphan.eq(~chosen.any())
        with m.If(self.bus.request):
            m.d.sync += chosen.eq(owner)
        for number, output in enumerate(outputs):
            m.d.comb += [
                output.request.eq(asked & chosen[number]),
                output.write.eq(self.bus.write),
                output.address.eq(self.bus.address),
                output.data.eq(self.bus.data),
            ]

        # One answer at a time, but a target that is not quiet may hold anything on `value` while it does not ack.
        acks = Cat(output.ack & chosen[number] for number, output in enumerate(outputs))
        value = 0
        for number, (name, output) in enumerate(zip(self.targets, outputs, strict=True)):
            value = value | (output.value if name in self.quiet else Mux(chosen[number], output.value, 0))
        m.d.sync += [
            self.bus.ack.eq(acks.any() | (asked & orphan)),
            self.bus.error.eq((Cat(output.error for output in outputs) & acks).any() | orphan),
        ]
        with m.If(acks.any()):
            m.d.sync += self.bus.value.eq(value)
        return m

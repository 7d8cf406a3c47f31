"""What the status can be given, and the registers that it has without being given."""

import pytest
from amaranth.hdl import Signal

from hdl.filter.status import check, sizes
from hdl.wire.registers import Reg


def test_sizes():
    """8 lanes, 512 symbols, 1024 slots, 256 events."""
    assert sizes() == 0x080A0908


@pytest.mark.parametrize("reg", [Reg.MAGIC, Reg.SIZES, Reg.NOW, Reg.POLICY, Reg.COUNTER])
def test_only_status_registers_are_driven(reg):
    with pytest.raises(ValueError, match=f"^no status register to be driven: {reg!r}$"):
        check(reg, Signal())


def test_a_register_takes_32_bits():
    check(Reg.EVENTS, Signal(32))
    with pytest.raises(ValueError, match=r"^status register EVENTS is too narrow for 33 bits$"):
        check(Reg.EVENTS, Signal(33))

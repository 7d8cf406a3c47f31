"""The directory through its ports, with a hand-worked hash as the witness of the rule."""

from hdl.filter.directory import Directory
from hdl.wire.registers import toeplitz


def test_directory(run_cocotb):
    run_cocotb(Directory(), testbench="sim.tb_directory")


def test_the_hash_by_hand():
    """Bit n of the symbol, the first octet's highest first, selects the seven bits of the key from bit n on."""
    key = 0b1011011 | 0b1100101 << 8 | 0b0011100 << 63
    assert toeplitz(bytes.fromhex("80 00 00 00 00 00 00 00"), key) == 0b1011011
    assert toeplitz(bytes.fromhex("00 80 00 00 00 00 00 00"), key) == 0b1100101
    assert toeplitz(bytes.fromhex("00 00 00 00 00 00 00 01"), key) == 0b0011100
    assert toeplitz(bytes.fromhex("80 80 00 00 00 00 00 00"), key) == 0b0111110

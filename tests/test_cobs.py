"""The framing of the control link, in gateware."""

import pytest

from hdl.filter.cobs import CobsDecoder, CobsEncoder, check_depth


def test_decoder(run_cocotb):
    run_cocotb(CobsDecoder(), testbench="sim.tb_cobs_decoder")


def test_encoder(run_cocotb):
    run_cocotb(CobsEncoder(1024), testbench="sim.tb_cobs_encoder")


@pytest.mark.parametrize("depth", [2, 500, 0])
def test_a_depth_that_is_no_power_of_two_is_refused(depth):
    with pytest.raises(ValueError, match=f"^COBS buffer must be a power of two of at least 4 octets, not {depth}$"):
        check_depth(depth)

"""The framing of the control link, in gateware."""

from hdl.filter.cobs import CobsDecoder, CobsEncoder


def test_decoder(run_cocotb):
    run_cocotb(CobsDecoder(), testbench="sim.tb_cobs_decoder")


def test_encoder(run_cocotb):
    run_cocotb(CobsEncoder(bits=9, first=504), testbench="sim.tb_cobs_encoder")

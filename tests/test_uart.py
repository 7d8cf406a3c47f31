"""The UART of the control link."""

import re

import pytest

from hdl.filter.uart import UartReceiver, UartTransmitter, check_divisor


@pytest.mark.parametrize("divisor", [4, 5, 7, 42])
def test_receiver(run_cocotb, divisor):
    run_cocotb(UartReceiver(divisor), testbench="sim.tb_uart_receiver", env={"DIVISOR": str(divisor)})


@pytest.mark.parametrize("divisor", [4, 5, 42])
def test_transmitter(run_cocotb, divisor):
    run_cocotb(UartTransmitter(divisor), testbench="sim.tb_uart_transmitter", env={"DIVISOR": str(divisor)})


@pytest.mark.parametrize("divisor", [3, 0, -1, 42.5])
def test_a_divisor_below_four_is_refused(divisor):
    line = re.escape(f"UART divisor must be an integer of at least 4 cycles per bit, not {divisor!r}")
    with pytest.raises(ValueError, match=f"^{line}$"):
        check_divisor(divisor)

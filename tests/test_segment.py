"""TCP segments behind their headers, in both directions."""

import pytest

from sim.ingress import Ingress
from sim.play import Packed


@pytest.mark.parametrize("back", [False, True])
def test_segment(run_cocotb, back):
    run_cocotb(Packed(Ingress(back=back)), testbench="sim.tb_segment", env={"BACK": str(int(back))})

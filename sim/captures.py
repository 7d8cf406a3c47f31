"""What the capture registers must hold, from what the golden model saw. Part of the golden model."""

from hdl.wire.registers import Reg
from sim.model import Model

BOUND = 4  # cycles after its kill edge in which an order may still complete
LONGEST_GAP = 0xFFFF
BREACH_DELAY = 8  # cycles from a message's last octet on the pins to the decision that it breaches


def captures(model: Model) -> dict[Reg, int]:
    """Return the registers that the model can tell, at rest; 64-bit ones whole."""
    armed = model.kills.opened[-1][0] if model.kills.opened else -1
    edges = [edge for edge in model.kills.edges if edge[0] > armed]
    first, lanes, source = edges[0] if edges else (0, 0, None)
    last_edge = {lane: cycle for cycle, lanes, _ in edges for lane in range(8) if lanes >> lane & 1}
    since = [left for left in model.left if left.end > armed]
    completed = [
        left
        for left in since
        if left.orders and left.er_at is None and left.kept.lane in last_edge and left.end > last_edge[left.kept.lane]
    ]
    late = [left for left in completed if left.end > last_edge[left.kept.lane] + BOUND]
    registers = {
        Reg.KILL_AT: first,
        Reg.KILL_CAUSE: lanes << 8 | (1 << source if source is not None else 0),
        Reg.AFTER_END: completed[-1].end if completed else 0,
        Reg.AFTER_ORDERS: sum(left.orders for left in late),
        Reg.ABORTS: sum(left.er_at is not None for left in since),
    }
    if model.left:
        left = model.left[-1]
        gap = left.at - model.left[-2].end if len(model.left) > 1 else LONGEST_GAP
        registers[Reg.PASS_START] = left.at
        registers[Reg.PASS_DWELL] = left.at - left.kept.last_in & 0xFFFF | len(left.octets) << 16
        registers[Reg.PASS_GAP] = min(gap, LONGEST_GAP)
    if model.breached_at is not None:
        registers[Reg.BREACH_AT] = model.breached_at + BREACH_DELAY
        registers[Reg.BREACH_AFTER] = BREACH_DELAY
    return registers

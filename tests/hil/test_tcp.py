"""A kill on eight live TCP sessions of the kernel: what is stopped, what goes on, and what must not come later.

Nothing here is fast or exact in time: waits are bounded, and only what arrived is asserted.
"""

import asyncio
import os
import time

import pytest

from hdl.wire.board import Side
from hdl.wire.reports import Report
from host import namespace
from host.client import wait_for
from sim import export, library, tools
from tests.hil.bed import CONNECT_S, LANES, Bed

LACKING = tools.missing(["g++"]) or namespace.lacking()
pytestmark = pytest.mark.skipif(bool(LACKING), reason=str(LACKING))

CI = bool(os.environ.get("BREAKWIRE_NO_SKIPS"))
KILLED_S = 60 if CI else 3  # of killed time in which the sessions must stay up; a peer gives up after 15 s
MOST_S = 240  # of one scenario
FLIGHT_S = 0.2  # in which what was on its way has left the board


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Let the core be compiled before anything waits for it."""
    library.library(export.core_verilog())


def play(scenario, action, dialect="5.0"):
    """Run a scenario on a bed whose lanes have an action."""

    async def run():
        async with asyncio.timeout(MOST_S), Bed(action, dialect) as bed:
            await scenario(bed)

    asyncio.run(run())


async def trade(bed, lanes=LANES, *, fills=True):
    """Let each lane enter an order and wait for its report; return the orders."""
    bed.venue.book.fills = fills
    orders = bed.enter(lanes)
    await bed.reported(orders, Report.EXECUTED if fills else Report.ACCEPTED)
    return orders


@pytest.mark.parametrize("dialect", ["5.0", "4.2"])
def test_nothing_stale_arrives_and_the_sessions_live_on(dialect):
    """P9, NEUTRALISE: orders sent while killed never reach the exchange, neither then nor after re-arming.

    A cancel that is sent behind them is acknowledged during the kill, and heartbeats keep all eight sessions up.
    """

    async def scenario(bed):
        await bed.log_in()
        passed = await trade(bed)
        resting = await trade(bed, fills=False)
        await bed.kill()
        blocked = bed.enter(count=3)
        for lane, ref in resting:
            bed.clients[lane].cancel(ref)
        await bed.reported(resting, Report.CANCELED)
        connections = list(bed.venue.connections.values())
        beats = [connection.session.heartbeats for connection in connections]
        await asyncio.sleep(KILLED_S)
        assert [client.how for client in bed.clients.values()] == [""] * 8 and bed.venue.ends == []
        assert all(connection.session.heartbeats > n for connection, n in zip(connections, beats, strict=True))
        assert sorted(bed.arrived()) == sorted(passed + resting)
        assert bed.venue.debug_packets == len(blocked) == 24

        await bed.arm()
        again = await trade(bed)
        assert sorted(bed.arrived()) == sorted(passed + resting + again)
        assert bed.on_the_wire(blocked) == []
        assert sorted(bed.on_the_wire(passed + resting + again)) == sorted(passed + resting + again)
        assert bed.venue.ends == []

    play(scenario, "neutralise", dialect)


def test_a_retransmission_of_what_was_neutralised_is_neutralised_again():
    """P9, NEUTRALISE: blocked orders left as Debug packets and were lost behind the board; it is armed again before the
    kernel's retransmission gets through. What arrives then is the same Debug packets, and the orders sent since.
    """

    async def scenario(bed):
        await bed.log_in()
        passed = await trade(bed)
        await bed.kill()
        bed.bridge.broken = {Side.EXCHANGE}
        blocked = bed.enter(count=3)
        await wait_for(lambda: len(bed.neutralised()) == len(blocked), CONNECT_S)
        assert sorted(bed.arrived()) == sorted(passed) and bed.venue.debug_packets == 0
        await bed.arm()
        bed.bridge.broken = set()
        again = await trade(bed)
        assert sorted(bed.arrived()) == sorted(passed + again)
        assert bed.venue.debug_packets == len(blocked) == 24
        assert bed.on_the_wire(blocked) == [] and bed.venue.ends == []

    play(scenario, "neutralise")


def test_a_starving_switch_is_a_delay_line():
    """The measured baseline, why STARVE is never a default: after re-arming, every order of the kill arrives."""

    async def scenario(bed):
        await bed.log_in()
        passed = await trade(bed)
        await bed.kill()
        stale = bed.enter(count=3)
        await asyncio.sleep(1)
        assert sorted(bed.arrived()) == sorted(passed)
        assert bed.on_the_wire(stale) == []
        await bed.arm()
        await wait_for(lambda: len(bed.arrived()) == len(passed + stale), CONNECT_S)
        assert sorted(bed.arrived()) == sorted(passed + stale)
        assert sorted(bed.on_the_wire(stale)) == sorted(stale)
        await bed.reported(stale, Report.EXECUTED)

    play(scenario, "starve")


def test_a_fence_resets_both_ends_and_a_new_session_begins_clean():
    """P9, FENCE: both ends see ECONNRESET; nothing gets through until the lane is armed, and then only a new session.

    Two lanes are killed and fenced; the other six trade on (P7).
    """

    async def scenario(bed):
        fenced, others = LANES[:2], LANES[2:]
        await bed.log_in()
        passed = await trade(bed, fills=False)
        await bed.kill(0b11)
        blocked = bed.enter(fenced, count=2)
        assert [await bed.clients[lane].wait_end(CONNECT_S) for lane in fenced] == ["reset", "reset"]
        await wait_for(lambda: len(bed.venue.ends) == 2, CONNECT_S)
        assert sorted(bed.venue.ends) == [("serv1", "reset"), ("serv2", "reset")]
        opened, shut = await bed.ask(bed.device.sessions)
        assert (opened & 0b11111100, shut) == (0b11111100, 0b11)
        passed += await trade(bed, others)
        with pytest.raises(TimeoutError):
            await bed.connect(1, timeout_s=2)

        await bed.arm(0b11)
        await bed.log_in(fenced)
        await bed.reported([(lane, 1) for lane in fenced], Report.CANCELED)  # on disconnect, replayed at the login
        passed += await trade(bed)
        assert sorted(bed.arrived()) == sorted(passed)
        assert bed.on_the_wire(blocked) == []
        assert [client.how for client in bed.clients.values()] == [""] * 8

    play(scenario, "fence")


def test_a_cut_lets_nothing_through_and_a_new_session_begins_clean():
    """P9, CUT: no octet of a killed lane passes in either direction, no RST either, so both ends give up in silence.

    Lane 2 stays killed until then. Lane 1 is armed while both its ends still repeat what was cut: nothing of it leaves
    all the same, until a new session opens. The other six trade on (P7).
    """

    async def scenario(bed):
        cut, others = LANES[:2], LANES[2:]
        await bed.log_in()
        passed = await trade(bed, fills=False)
        await bed.kill(0b11)
        await asyncio.sleep(FLIGHT_S)
        killed_s = time.monotonic()
        blocked = bed.enter(cut, count=2)
        for lane in cut:
            bed.clients[lane].cancel(1)
        passed += await trade(bed, others)
        with pytest.raises(TimeoutError):
            await bed.connect(1, timeout_s=2)
        for lane in cut:
            assert bed.of_lane(bed.answered, lane, killed_s) != []
            assert bed.of_lane(bed.returned, lane, killed_s) == [] == bed.of_lane(bed.left, lane, killed_s)
        opened, shut = await bed.ask(bed.device.sessions)
        assert (opened & 0b11111100, shut) == (0b11111100, 0b11)

        await bed.arm(0b01)
        await wait_for(lambda: len(bed.venue.ends) == 2, CONNECT_S)
        assert sorted(bed.venue.ends) == [("serv1", "silent"), ("serv2", "silent")]
        assert await bed.clients[2].wait_end(CONNECT_S) == "silent"
        assert bed.of_lane(bed.returned, 2, killed_s) == []
        assert bed.of_lane(bed.left, 1, killed_s) == [] == bed.of_lane(bed.left, 2, killed_s)

        await bed.arm(0b11)
        await bed.log_in(cut)
        await bed.reported([(lane, 1) for lane in cut], Report.CANCELED)  # on disconnect, replayed at the login
        passed += await trade(bed)
        assert sorted(bed.arrived()) == sorted(passed)
        assert bed.on_the_wire(blocked) == []
        assert [client.how for client in bed.clients.values()] == [""] * 8

    play(scenario, "cut")

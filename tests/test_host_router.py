"""host.router: the new build stops, the old one does not, and only the servers themselves tell which they run."""

import pytest

from host import router
from host.router import BACKGROUND_PER_S, NEW_BUILD, OLD_BUILD, Parent, Server, What

PRICES = {"AAA": 1000, "BBB": 5000}


def make(build, parents=(), *, seed=1):
    server = Server(1, build, seed, PRICES, peg_per_s=400)
    for parent in parents:
        server.take(parent)
    return server


def trade(server, seconds, *, fill=True):
    """Return the children that a server sends; with `fill` each is executed at once."""
    children = []
    for step in range(int(seconds * 4)):
        for sent in server.emit(step / 4, (step + 1) / 4):
            if sent.parent:
                children.append(sent)
                if fill:
                    server.filled(sent.user_ref, sent.quantity)
    return children


def test_rlp_stops_when_its_parent_is_executed():
    children = trade(make(NEW_BUILD, [Parent(1, "AAA", True, 350, 1000)]), 60)
    assert [child.quantity for child in children] == [100, 100, 100, 50]
    assert all(child.symbol == "AAA" and child.buy for child in children)


def test_power_peg_never_stops():
    """At the rate of the model, whatever was executed: 1 parent of 350 shares, 60 s."""
    server = make(OLD_BUILD, [Parent(1, "AAA", True, 350, 1000)])
    children = trade(server, 60)
    assert len(children) == pytest.approx(400 * 60, rel=0.02)
    assert server.parents[0].executed == sum(child.quantity for child in children) > 2_000_000
    assert {child.quantity for child in children} == {99, 100}


def test_power_peg_buys_at_the_offer_and_sells_at_the_bid():
    server = make(OLD_BUILD, [Parent(1, "AAA", True, 100, 1000), Parent(2, "BBB", False, 100, 5000)])
    for child in trade(server, 1):
        edge = child.price - PRICES[child.symbol]
        assert 1 <= edge <= 3 if child.buy else -3 <= edge <= -1


def test_the_other_flow_goes_on_and_some_of_it_is_cancelled():
    server = make(NEW_BUILD)
    sent = [message for step in range(2000) for message in server.emit(step / 4, (step + 1) / 4)]
    orders = {message.user_ref for message in sent if message.what == What.ENTER}
    cancelled = {message.user_ref for message in sent if message.what == What.CANCEL}
    assert len(orders) == pytest.approx(BACKGROUND_PER_S * 500, rel=0.1)
    assert len(cancelled) == pytest.approx(0.3 * len(orders), rel=0.15)
    assert cancelled < orders
    resting = {message.user_ref for message in sent if message.rests}
    assert cancelled <= resting < orders and len(resting - cancelled) < 10  # some are to be cancelled later
    assert [message.user_ref for message in sent if message.what == What.ENTER] == sorted(orders)


def test_messages_come_in_order_within_their_step():
    server = make(OLD_BUILD, [Parent(1, "AAA", True, 100, 1000)])
    for step in range(40):
        times = [sent.at_s for sent in server.emit(step / 4, (step + 1) / 4)]
        assert times == sorted(times) and all(step / 4 <= at < (step + 1) / 4 for at in times)


def test_the_same_seed_gives_the_same_flow():
    parents = [Parent(1, "AAA", True, 350, 1000)]
    assert make(OLD_BUILD, parents).emit(0, 5) == make(OLD_BUILD, parents).emit(0, 5)
    assert make(OLD_BUILD, parents).emit(0, 5) != make(OLD_BUILD, parents, seed=2).emit(0, 5)


def fleet():
    return [Server(number, OLD_BUILD, 1, PRICES, 400) for number in range(1, 9)]


def test_the_deployer_reports_eight_successes_although_a_copy_failed():
    servers = fleet()
    reports = router.deploy(NEW_BUILD, servers, unreachable=[8])
    assert reports == [f"smars-{number}: copied RLP1" for number in range(1, 9)]
    assert [server.build for server in servers] == [NEW_BUILD] * 7 + [OLD_BUILD]


def test_attestation_asks_each_server_itself():
    servers = fleet()
    router.deploy(NEW_BUILD, servers, unreachable=[8])
    message = (
        r"^arming refused by attestation: smars-8 runs PEG0, the other 7 run RLP1; put the same build on every server$"
    )
    with pytest.raises(router.FleetDiffers, match=message) as caught:
        router.attest(servers)
    assert caught.value.exit_code == 4
    router.deploy(NEW_BUILD, servers)
    assert router.attest(servers) == NEW_BUILD


def test_the_other_flow_names_a_parent_for_each_symbol_and_side():
    """Of as many symbols as there are numbers for; without any it names number 0, and trades in all."""
    accounts = router.accounts_of(["BBB", "AAA"], 0x100, 3)
    assert accounts == {("AAA", True): "D100", ("AAA", False): "D101"}
    server = Server(1, NEW_BUILD, 1, PRICES, 400, accounts=accounts)
    orders = [sent for sent in server.emit(0, 100) if sent.what == What.ENTER] + [server.burst(100)]
    assert {(sent.symbol, sent.buy, sent.order_id) for sent in orders} == {
        ("AAA", True, "RLP1D100"), ("AAA", False, "RLP1D101"),
    }  # fmt: skip
    without = [sent for sent in make(NEW_BUILD).emit(0, 100) if sent.what == What.ENTER]
    assert {sent.order_id for sent in without} == {"RLP1P000"} and {sent.symbol for sent in without} == set(PRICES)


def test_parents_are_spread_over_all_symbols():
    prices = router.prices_of([f"S{number:03}" for number in range(154)], 1)
    parents = router.parents_of(212, prices, 1)
    assert len({parent.symbol for parent in parents}) == 154
    assert [parent.number for parent in parents] == list(range(1, 213))
    assert all(600 <= price < 9000 for price in prices.values())

"""host.market: sessions of an exchange that needs no socket, each answered in its dialect."""

from host.book import Book
from host.market import Market
from host.soup import ClientSession
from tests.test_host_book import ENTER_42, enter

DAY_NS = 34_200_000_000_000


class Member:
    """A client's session and the exchange's end of it; `say` carries a message and returns what is answered."""

    def __init__(self, market, user, password="secret"):
        self.market = market
        self.client, self.server = ClientSession(user, password, 0.0), market.open(0.0)
        assert self._carry() == []

    def say(self, message):
        self.client.enter(message, 1.0)
        return self._carry()

    def leave(self, how="closed"):
        self.market.left(self.server, how, DAY_NS)

    def _carry(self):
        for message in self.server.receive(bytes(self.client.outgoing), 1.0):
            self.market.take(self.server, message, 1.0, DAY_NS)
        self.client.outgoing.clear()
        found = list(self.client.receive(bytes(self.server.outgoing), 1.0))
        self.server.outgoing.clear()
        return found


def make(*, fills=False):
    return Market(Book(["AAPL"], fills=fills, dialects={"old": "4.2"}), {"old": "secret", "new": "secret"})


def test_each_session_is_answered_in_its_dialect():
    """Accepted and Executed of 4.2 have 66 and 40 octets, of 5.0 64 and 36."""
    market = make(fills=True)
    assert [(m[:1], len(m)) for m in Member(market, "old").say(ENTER_42)] == [(b"A", 66), (b"E", 40)]
    assert [(m[:1], len(m)) for m in Member(market, "new").say(enter(1))] == [(b"A", 64), (b"E", 36)]
    assert [(arrival.user, arrival.message) for arrival in market.orders()] == [("old", ENTER_42), ("new", enter(1))]


def test_what_rests_when_a_session_breaks_is_told_at_the_next_login():
    market = make()
    first = Member(market, "old")
    first.say(ENTER_42)
    first.leave("reset")
    assert market.ends == [("old", "reset")] and market.book.working("old") == []
    again = ClientSession("old", "secret", 2.0, sequence=2)
    server = market.open(2.0)
    assert list(server.receive(bytes(again.outgoing), 2.0)) == []
    (canceled,) = again.receive(bytes(server.outgoing), 2.0)
    assert canceled.hex() == "4300001f1aced9f000544f4b31202020202020202020200000" + "00645a"


def test_a_stranger_leaves_no_trace():
    market = make()
    stranger = Member(market, "old", "guess")
    assert stranger.client.refused == "A" and market.sessions == {}
    stranger.leave()
    assert market.ends == []


def test_debug_packets_are_counted_for_each_user_across_sessions():
    market = make()
    member = Member(market, "new")
    member.client.send(ord("+"), b" " * 47, 1.0)
    assert member.say(enter(1))[0][:1] == b"A"
    assert (market.debugs("new"), market.debugs("old"), market.debug_packets) == (1, 0, 1)
    member.leave()
    assert (market.debugs("new"), market.debug_packets) == (1, 1)

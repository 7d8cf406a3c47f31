"""host.soup: packets however TCP cuts them, and sessions that need no socket."""

import math

import pytest

from host.soup import ClientSession, Journal, Packet, ServerSession, SoupError, decode, encode

LOGIN = "002f4c" + b"user  ".hex() + b"pass      ".hex() + "20" * 10 + "20" * 19 + "31"  # the reference's sample
JOURNAL = ["one", "two", "three"]


def journal():
    made = Journal("DAY1")
    made.messages += [text.encode() for text in JOURNAL]
    return made


def pair(opened, *, sequence=1, session="", now_s=0.0):
    """Return a client and a server, the login on its way."""
    client = ClientSession("user", "pass", now_s, session=session, sequence=sequence)
    return client, ServerSession(lambda login: opened, now_s)


def carry(one, other, now_s=0.0):
    """Carry what `one` sent to `other` and return the messages in it."""
    octets, one.outgoing = bytes(one.outgoing), bytearray()
    return list(other.receive(octets, now_s))


def test_a_login_in_octets():
    client, _ = pair(None)
    assert client.outgoing.hex() == LOGIN


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_packets_are_found_however_the_stream_is_cut(size):
    stream = encode(ord("U"), b"abc") + encode(ord("R")) + encode(ord("+"), b" " * 300)
    assert stream[:9].hex() == "0004" + "55616263" + "0001" + "52"
    received, found = bytearray(), []
    for at in range(0, len(stream), size):
        received += stream[at : at + size]
        found += decode(received)
    assert found == [Packet(ord("U"), b"abc"), Packet(ord("R")), Packet(ord("+"), b" " * 300)]
    assert received == b""


@pytest.mark.parametrize("length", ["0000", "8000"])
def test_a_length_that_no_packet_has(length):
    with pytest.raises(SoupError, match=r"^a packet of length (0|32768)$"):
        list(decode(bytearray.fromhex(length + "55")))


@pytest.mark.parametrize(
    ("sequence", "replayed", "number"), [(1, JOURNAL, 1), (3, ["three"], 3), (0, [], 4), (4, [], 4)]
)
def test_a_login_replays_from_the_number_it_asks_for(sequence, replayed, number):
    opened = journal()
    client, server = pair(opened, sequence=sequence)
    assert carry(client, server) == []
    accepted = f"001f41{b'      DAY1'.hex()}{f'{number:20}'.encode().hex()}"
    assert server.outgoing.hex().startswith(accepted)
    assert carry(server, client) == [text.encode() for text in replayed]
    assert (client.accepted, client.session, client.next) == (True, "DAY1", 4)
    opened.messages.append(b"four")
    server.pump(0.0)
    assert (carry(server, client), client.next) == ([b"four"], 5)


def test_a_login_for_what_has_not_been_yet_is_refused():
    client, server = pair(journal(), sequence=5)
    carry(client, server)
    assert server.outgoing.hex() == "00024a53" and server.ended
    carry(server, client)
    assert (client.refused, client.ended, client.accepted) == ("S", True, False)


def test_a_login_that_is_not_authorised():
    client, server = pair("A")
    carry(client, server)
    assert server.outgoing.hex() == "00024a41"


def test_messages_go_both_ways_and_debug_packets_are_counted():
    opened = Journal("DAY1")
    client, server = pair(opened)
    carry(client, server)
    carry(server, client)
    client.enter(b"order", 0.0)
    client.send(ord("+"), b" " * 47, 0.0)
    client.enter(b"cancel", 0.0)
    assert carry(client, server) == [b"order", b"cancel"]
    assert server.debugs == 1


def test_a_heartbeat_after_a_second_of_silence_and_the_end_after_fifteen():
    client, server = pair(Journal("DAY1"))
    carry(client, server)
    carry(server, client)
    for side in (client, server):
        side.tick(0.999)
        assert side.outgoing == b""
        side.tick(1.0)
    assert (client.outgoing.hex(), server.outgoing.hex()) == ("000152", "000148")
    carry(client, server, 1.0)
    carry(server, client, 1.0)
    assert (client.heartbeats, server.heartbeats) == (1, 1)
    client.tick(16.0)
    assert not client.ended
    client.tick(16.1)
    assert client.ended


def test_who_does_not_log_in_gets_no_heartbeat_and_is_given_up():
    _, server = pair(Journal("DAY1"))
    server.tick(14.9)
    assert server.outgoing == b"" and not server.ended
    server.tick(15.1)
    assert server.outgoing == b"" and server.ended


def test_a_message_keeps_the_heartbeat_away():
    client, server = pair(Journal("DAY1"))
    carry(client, server)
    client.enter(b"order", 0.5)
    client.outgoing.clear()
    client.tick(1.2)
    assert client.outgoing == b""


@pytest.mark.parametrize("octets", [encode(ord("U"), b"order"), encode(ord("R")), encode(ord("L"), b""), encode(0x20)])
def test_before_its_login_a_client_says_nothing_else(octets):
    _, server = pair(Journal("DAY1"))
    with pytest.raises(SoupError, match=r"^a client's packet of type 0x\w\w and \d octets$"):
        list(server.receive(octets, 0.0))


def test_logout_and_end_of_session_end_it():
    client, server = pair(Journal("DAY1"))
    carry(client, server)
    carry(server, client)
    client.logout(0.0)
    carry(client, server)
    assert server.ended and not client.ended
    list(client.receive(encode(ord("Z")), 0.0))
    assert client.ended


def test_a_session_says_when_it_wants_to_be_looked_at():
    """A second behind what it sent, 15 behind what it heard; a server without a login only the latter."""
    client, server = pair(journal(), now_s=10.0)
    assert (client.due_s, server.due_s) == (11.0, 25.0)
    carry(client, server, 12.0)
    assert server.due_s == 13.0
    server.tick(14.0)
    assert server.outgoing.endswith(b"\0\x01H") and server.due_s == 15.0
    server.tick(27.1)
    assert server.ended and server.due_s == math.inf

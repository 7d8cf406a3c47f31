"""host.book: what the emulated exchange answers, message by message."""

import pytest

from hdl.wire import ouch, reports
from host.book import Book

NOW = 34_200_000_000_000


def enter(ref, *, side="B", quantity=100, symbol=b"AAPL", price=1_234_500):
    return ouch.ENTER.pack(
        type=ord("O"), user_ref=ref, side=ord(side), quantity=quantity, symbol=symbol, price=price, time_in_force=b"0",
        display=b"Y", capacity=b"P", sweep=b"N", cross=b"N", order_id=b"CL1", appendage=0,
    )  # fmt: skip


def replace(old, ref, quantity, price=1_234_600):
    return ouch.REPLACE.pack(
        type=ord("U"), original_ref=old, user_ref=ref, quantity=quantity, price=price, time_in_force=b"0",
        display=b"Y", sweep=b"N", order_id=b"CL3", appendage=0,
    )  # fmt: skip


def cancel(ref, quantity=0):
    return ouch.CANCEL.pack(type=ord("X"), user_ref=ref, quantity=quantity)


def read(found):
    """Return (type, some fields) of each report."""
    fields = [reports.form(message[0]).unpack(message) for message in found]
    wanted = ("original_ref", "user_ref", "quantity", "price", "reason", "state")
    return [(chr(v["type"]), {name: v[name] for name in wanted if name in v}) for v in fields]


def test_an_order_is_accepted_and_executed_at_its_price():
    """Octet for octet the reference's Accepted, but for the order number, which here is 1."""
    accepted, executed = Book(["AAPL"]).take("one", enter(1), NOW)
    shown = "4100001f1aced9f0000000000142000000644141504c20202020000000000012d64430590000000000000001504e4e4c"
    assert accepted.hex() == shown + b"CL1           ".hex() + "0000"
    assert executed.hex() == "4500001f1aced9f0000000000100000064000000000012d6445200000000000000010000"


def test_a_resting_order_is_cancelled_in_parts():
    """A cancel's quantity is the new total; a Canceled says by how much less."""
    book = Book(["AAPL"], fills=False)
    assert [kind for kind, _ in read(book.take("one", enter(1), NOW))] == ["A"]
    assert read(book.take("one", cancel(1, 60), NOW)) == [("C", {"user_ref": 1, "quantity": 40, "reason": b"U"})]
    assert book.take("one", cancel(1, 60), NOW) == []
    assert book.working("one") == [1] and book.working("two") == []
    assert read(book.take("one", cancel(1), NOW)) == [("C", {"user_ref": 1, "quantity": 60, "reason": b"U"})]
    assert book.working("one") == [] and book.take("one", cancel(1), NOW) == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"side": "X"}, 0x09),
        ({"quantity": 0}, 0x13),
        ({"quantity": 1_000_000}, 0x13),
        ({"symbol": b"ZZZ"}, 0x17),
        ({"price": 0}, 0x1D),
    ],
)
def test_a_bad_order_is_rejected_and_uses_its_number(values, reason):
    book = Book(["AAPL"])
    assert read(book.take("one", enter(5, **values), NOW)) == [("J", {"user_ref": 5, "reason": reason})]
    assert book.take("one", enter(5), NOW) == []


def test_a_number_that_does_not_rise_is_ignored_on_its_account_only():
    book = Book(["AAPL"])
    assert len(book.take("one", enter(7), NOW)) == 2
    assert book.take("one", enter(7), NOW) == [] and book.take("one", enter(6), NOW) == []
    assert len(book.take("two", enter(6), NOW)) == 2


def test_a_replacement_gives_the_chains_total():
    """500 entered and replaced by 600, which the report shows as outstanding; an invalid replacement cancels it."""
    book = Book(["AAPL"], fills=False)
    book.take("one", enter(1, quantity=500), NOW)
    (first,) = read(book.take("one", replace(1, 2, 600), NOW))
    assert first == (
        "U", {"original_ref": 1, "user_ref": 2, "quantity": 600, "price": 1_234_600, "state": b"L"}
    )  # fmt: skip
    assert book.take("one", replace(1, 3, 600), NOW) == []  # 1 is no longer live
    assert book.take("one", replace(2, 2, 600), NOW) == []  # 2 has been used
    assert book.working("one") == [2]
    assert read(book.take("one", replace(2, 9, 0), NOW)) == [("C", {"user_ref": 2, "quantity": 600, "reason": b"U"})]


def test_a_replacement_executes_at_its_own_price():
    book = Book(["AAPL"], fills=False)
    book.take("one", enter(1), NOW)
    book.fills = True
    found = read(book.take("one", replace(1, 2, 60), NOW))
    assert [kind for kind, _ in found] == ["U", "E"]
    assert found[1] == ("E", {"user_ref": 2, "quantity": 60, "price": 1_234_600})
    assert book.working("one") == []


def test_orders_of_a_resting_time_in_force_are_not_filled():
    """`enter` says 0, a day order; the one that replaces it is of the same kind."""
    book = Book(["AAPL"], resting=[b"0"])
    assert [kind for kind, _ in read(book.take("one", enter(1), NOW))] == ["A"]
    assert [kind for kind, _ in read(book.take("one", replace(1, 2, 60), NOW))] == ["U"]
    at_once = enter(3)[:26] + b"3" + enter(3)[27:]
    assert [kind for kind, _ in read(book.take("one", at_once, NOW))] == ["A", "E"] and book.working("one") == [2]


def test_a_disconnected_accounts_orders_are_cancelled():
    book = Book(["AAPL"], fills=False)
    for account, ref in (("one", 1), ("one", 2), ("two", 1)):
        book.take(account, enter(ref), NOW)
    found = read(book.disconnect("one", NOW))
    assert found == [("C", {"user_ref": ref, "quantity": 100, "reason": b"Z"}) for ref in (1, 2)]
    assert book.working("one") == [] and book.working("two") == [1]


@pytest.mark.parametrize("message", [b"", b"Q", b"M" + bytes(9), enter(1)[:-1], cancel(1)[:-1]])
def test_what_is_not_emulated_is_counted(message):
    book = Book(["AAPL"])
    assert book.take("one", message, NOW) == [] and book.ignored == 1


def test_option_tags_are_not_given_back():
    """The reference's order with Firm, SharesLocated and UserRefIdx: its Accepted has no appendage."""
    tagged = bytes.fromhex(
        "4f0000000254000000644141504c20202020000000000012d6443359504e4e434c322020202020202020202020000c"
        "05024b43474d021959021c01"
    )
    accepted, _ = Book(["AAPL"]).take("one", tagged, NOW)
    assert len(accepted) == 64 and accepted.endswith(b"CL2           \0\0")


# OUCH 4.2: the reference's samples, which an independent decoder has read.
ENTER_42 = bytes.fromhex(
    "4f544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59504e000000004e52"
)
REPLACE_42 = bytes.fromhex(
    "55544f4b3120202020202020202020544f4b3220202020202020202020000000c80012d6a80001869e594e00000000"
)
CANCEL_42 = bytes.fromhex("58544f4b322020202020202020202000000000")
DIALECTS = {"one": "4.2", "two": "4.2"}


def test_an_order_in_42_is_accepted_replaced_and_cancelled():
    """Octet for octet the reference's reports, but for the order numbers, which here are 1 and 2."""
    book = Book(["AAPL"], fills=False, dialects=DIALECTS)
    (accepted,) = book.take("one", ENTER_42, NOW)
    assert accepted.hex() == (
        "4100001f1aced9f000544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59"
        "0000000000000001504e000000004e4c20"
    )
    assert book.working("one") == [b"TOK1          "]
    (replaced,) = book.take("one", REPLACE_42, NOW)
    assert replaced.hex() == (
        "5500001f1aced9f000544f4b322020202020202020202042000000c84141504c202020200012d6a80001869e4b43474d59"
        "0000000000000002504e000000004e4c544f4b312020202020202020202020"
    )
    (canceled,) = book.take("one", CANCEL_42, NOW)
    assert canceled.hex() == "4300001f1aced9f000544f4b3220202020202020202020000000c855"
    assert book.working("one") == [] and book.take("one", CANCEL_42, NOW) == []


def test_an_order_in_42_is_executed_at_its_price():
    """The reference's Executed, of all 100 shares, with match number 1."""
    _, executed = Book(["AAPL"], dialects=DIALECTS).take("one", ENTER_42, NOW)
    assert executed.hex() == "4500001f1aced9f000544f4b3120202020202020202020000000640012d644520000000000000001"


def test_an_order_in_42_is_rejected():
    """The reference's Rejected, its token and Z; shares 0 stand from octet 16 on. The token is used up."""
    book = Book(["AAPL"], dialects=DIALECTS)
    nothing = ENTER_42.replace(b"TOK1", b"TOK3")[:16] + bytes(4) + ENTER_42[20:]
    assert [report.hex() for report in book.take("one", nothing, NOW)] == [
        "4a00001f1aced9f000544f4b33202020202020202020205a"
    ]
    assert book.take("one", ENTER_42.replace(b"TOK1", b"TOK3"), NOW) == []


def test_a_used_token_is_ignored_on_its_account_only():
    """Tokens need not rise, and one that a Replace has given is used too."""
    book = Book(["AAPL"], fills=False, dialects=DIALECTS)
    assert [len(book.take("one", ENTER_42, NOW)) for _ in range(2)] == [1, 0]
    assert len(book.take("two", ENTER_42, NOW)) == 1
    assert len(book.take("one", REPLACE_42, NOW)) == 1
    assert book.take("one", ENTER_42.replace(b"TOK1", b"TOK2"), NOW) == []
    assert len(book.take("one", ENTER_42.replace(b"TOK1", b"TOK0"), NOW)) == 1


def test_a_disconnected_account_in_42_is_cancelled_in_its_dialect():
    book = Book(["AAPL"], fills=False, dialects=DIALECTS)
    book.take("one", ENTER_42, NOW)
    assert [report.hex() for report in book.disconnect("one", NOW)] == [
        "4300001f1aced9f000544f4b31202020202020202020200000006" + "45a"
    ]


def test_seconds_say_what_rests_in_42():
    """99,998 of the sample are the market's hours; 0 is at once."""
    book = Book(["AAPL"], resting=[99_998], dialects=DIALECTS)
    assert len(book.take("one", ENTER_42, NOW)) == 1
    at_once = ENTER_42.replace(b"TOK1", b"TOK5")[:32] + bytes(4) + ENTER_42[36:]
    assert len(book.take("one", at_once, NOW)) == 2


def test_each_account_has_its_own_dialect():
    """A message of the other dialect has another length, and is counted."""
    book = Book(["AAPL"], dialects={"old": "4.2"})
    assert len(book.take("old", ENTER_42, NOW)) == len(book.take("new", enter(1), NOW)) == 2
    assert book.take("old", enter(2), NOW) == [] and book.ignored == 1


@pytest.mark.parametrize("message", [b"", ENTER_42[:-1], ENTER_42 + b"R", CANCEL_42[:-1], b"M" + bytes(19), enter(1)])
def test_what_is_not_emulated_in_42_is_counted(message):
    book = Book(["AAPL"], dialects=DIALECTS)
    assert book.take("one", message, NOW) == [] and book.ignored == 1

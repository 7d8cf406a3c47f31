"""host.book42: what the emulated exchange answers to OUCH 4.2. The samples are an independent decoder's."""

import pytest

from host.book42 import Book42
from sim import packets

NOW = 34_200_000_000_000
ENTER = bytes.fromhex(
    "4f544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59504e000000004e52"
)
CANCEL = packets.cancel42(b"TOK1")


def test_an_order_is_accepted_and_executed_at_its_price():
    """Octet for octet the reference's Accepted and Executed, but for order number, shares and match number."""
    accepted, executed = Book42(["AAPL"]).take("one", ENTER, NOW)
    assert accepted.hex() == (
        "4100001f1aced9f000544f4b312020202020202020202042000000644141504c202020200012d6440001869e4b43474d59"
        "000000000000000150" + "4e000000004e4c20"
    )
    assert executed.hex() == "4500001f1aced9f000544f4b3120202020202020202020000000640012d644520000000000000001"


def test_a_resting_order_is_cancelled_once():
    book = Book42(["AAPL"], fills=False)
    book.take("one", ENTER, NOW)
    assert book.take("two", CANCEL, NOW) == [] and len(book.working("one")) == 1
    (canceled,) = book.take("one", CANCEL, NOW)
    assert canceled.hex() == "4300001f1aced9f000544f4b31202020202020202020200000006455"
    assert book.take("one", CANCEL, NOW) == [] and book.working("one") == []


def test_a_broken_sessions_orders_are_cancelled_by_the_exchange():
    book = Book42(["AAPL"], fills=False)
    book.take("one", ENTER, NOW)
    assert [report[23:].hex() for report in book.disconnect("one", NOW)] == ["000000645a"]


def test_a_used_token_is_ignored_on_its_account_only():
    book = Book42(["AAPL"])
    assert [len(book.take(account, ENTER, NOW)) for account in ("one", "one", "two", "one")] == [2, 0, 2, 0]


def test_an_order_in_an_unknown_symbol_is_rejected():
    (rejected,) = Book42(["MSFT"]).take("one", ENTER, NOW)
    assert rejected.hex() == "4a00001f1aced9f000544f4b31202020202020202020204f"


@pytest.mark.parametrize("message", [b"", ENTER[:-1], ENTER + b"R", packets.replace42(b"TOK1", b"TOK2", 1, 1)])
def test_what_is_not_emulated_is_counted(message):
    book = Book42(["AAPL"])
    assert book.take("one", message, NOW) == [] and book.ignored == 1

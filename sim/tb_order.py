"""Bench of `hdl.filter.order`: messages from Nasdaq's document and their neighbours, one wrong field at a time."""

import random
import struct

import cocotb

from hdl.filter.order import Order
from sim.play import Packed, play, reset

FIELDS = ("is_enter", "is_order", "user_ref", "quantity", "buy", "is_short", "price")
CHECKS = ("bad_side", "bad_quantity", "over_size", "zero_price", "market")
LATE = ("bad_message", "replace", "pegged", "channel")
SYMBOL = ("symbol_octet", "symbol_valid", "symbol_first")
OUTPUTS = Packed(Order()).fields

# Whole messages of the project's protocol reference, section 10.
ENTER = bytes.fromhex("4f0000000142000000644141504c20202020000000000012d6443059504e4e434c3120202020202020202020200000")
ENTER_TAGS = bytes.fromhex(
    "4f0000000254000000644141504c20202020000000000012d6443359504e4e434c322020202020202020202020000c05024b43474d021959021c01"
)
REPLACE = bytes.fromhex("550000000100000003000000c8000000000012d6a830594e434c3320202020202020202020200000")
REPLACE_TAG = bytes.fromhex("550000000100000004000000c8000000000012d6a830594e434c3320202020202020202020200003021b54")
CANCEL, CANCEL_TAG = bytes.fromhex("580000000300000000"), bytes.fromhex("5800000003000000000003021c01")
MODIFY = bytes.fromhex("4d000000035400000032")
MASS_CANCEL = bytes.fromhex("43000000054b43474d20202020202020200000")
MASS_CANCEL_TAG = bytes.fromhex("43000000064b43474d4141504c202020200003021b42")
DISABLE, ENABLE = bytes.fromhex("44000000074b43474d0000"), bytes.fromhex("45000000084b43474d0000")
QUERY = b"Q"
SAMPLES = (
    ENTER, ENTER_TAGS, REPLACE, REPLACE_TAG, CANCEL, CANCEL_TAG, MODIFY, MASS_CANCEL, MASS_CANCEL_TAG, DISABLE, ENABLE,
    QUERY,
)  # fmt: skip
# The shortest message of each type, without its appendage length.
BARE = {"O": ENTER[:-2], "U": REPLACE[:-2], "X": CANCEL, "M": MODIFY, "C": MASS_CANCEL[:-2], "D": DISABLE[:-2]}
BARE |= {"E": ENABLE[:-2], "Q": QUERY}
# Option tags: size, and the messages that may carry the tag; from the table of the protocol reference, section 3.
TAGS = {
    2: (4, "O"), 3: (4, "OU"), 4: (1, "O"), 5: (4, "OU"), 6: (1, "OU"), 7: (4, "OU"), 9: (8, "OU"), 10: (1, "OU"),
    11: (4, "OU"), 12: (1, "OU"), 13: (4, "OU"), 15: (4, "OU"), 16: (1, "OU"), 17: (1, "OU"), 24: (2, "OC"),
    25: (1, "OUM"), 26: (4, "OUM"), 27: (1, "UC"), 28: (1, "OUXMCDEQ"),
}  # fmt: skip


def enter(**fields):
    """An Enter with some fields changed."""
    values = {"side": b"B", "quantity": 100, "price": 1234500, "symbol": b"AAPL    ", "order_id": b"ORDER-ID-00001"}
    values |= fields
    head = struct.pack(">cIcI8sQ", b"O", 77, values["side"], values["quantity"], values["symbol"], values["price"])
    return head + b"0YPNN" + values["order_id"] + b"\0\0"


def replace(**fields):
    """A Replace with some fields changed."""
    values = {"quantity": 300, "price": 1234500, "order_id": b"ORDER-ID-00001"} | fields
    return struct.pack(">cIIIQ", b"U", 0x01020304, 0x05060708, values["quantity"], values["price"]) + (
        b"0YN" + values["order_id"] + b"\0\0"
    )


def tag(number, size):
    return bytes([1 + size, number]) + bytes(size)


def rows(message, *, gap=3, noise=lambda: 0):
    table = []
    for number, octet in enumerate(message):
        table.append(
            {
                "message_octet": octet,
                "message_valid": 1,
                "message_first": int(not number),
                "message_last": int(number == len(message) - 1),
                "message_left": len(message) - number,
                "open": 0,
            }
        )
    idle = {"message_valid": 0, "message_first": 0, "message_last": 0, "open": 0, "message_gone": 0, "over": 0}
    return table + [{**idle, "message_octet": noise(), "message_left": noise()} for _ in range(gap)]


async def decode(dut, messages, *, order_size=1000, dialect=0, tag=0, replaceable=0, **options):
    """Return for each message the outputs in every cycle from its type octet on, to two cycles behind its end."""
    table, starts = [], []
    for message in messages:
        starts.append(len(table))
        table += rows(message, **options)
    table[0] |= {
        "order_size": order_size,
        "dialect": dialect,
        "tag": tag,
        "replaceable": replaceable,
        "load": 0,
        "word": 0,
        "message_gone": 0,
        "over": 0,
    }
    record = await play(dut, table, OUTPUTS)
    ends = [start + len(message) for start, message in zip(starts, messages, strict=True)]
    assert [cycle for cycle, row in enumerate(record) if row["message_end"]] == ends
    return [record[start : end + 3] for start, end in zip(starts, ends, strict=True)]


def late(window):
    """The flags that come with the message's end, of those that are set; they hold for two cycles more.

    The tags of a malformed message say nothing.
    """
    flags = [{name for name in LATE if row[name]} for row in window[-3:]]
    flags = [some - {"pegged", "channel"} if "bad_message" in some else some for some in flags]
    assert flags[0] == flags[1] == flags[2]
    return flags[0]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_fields_of_an_enter_come_in_time(dut):
    """Symbol in s0 + 11 to 18, price_ready in s0 + 26 with the fields, the checks from s0 + 27, the end in s0 + 47."""
    await reset(dut)
    (window,) = await decode(dut, [ENTER])
    assert [n for n, row in enumerate(window) if row["symbol_valid"]] == list(range(11, 19))
    assert [n for n, row in enumerate(window) if row["symbol_first"]] == [11]
    assert bytes(row["symbol_octet"] for row in window[11:19]) == b"AAPL    "
    assert [n for n, row in enumerate(window) if row["price_ready"]] == [26]
    assert [n for n, row in enumerate(window) if row["message_end"]] == [47]
    for row in window[26:]:
        fields = {name: row[name] for name in FIELDS}
        assert fields == {
            "is_enter": 1, "is_order": 1, "user_ref": 1, "quantity": 100, "buy": 1, "is_short": 0, "price": 1234500,
        }  # fmt: skip
    assert all(row["is_enter"] for row in window[1:])
    assert not any(row[name] for row in window[27:] for name in CHECKS)
    assert late(window) == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_documents_samples_are_right(dut):
    """All message types in a row, three cycles apart; only Enter, Replace and Enable are orders."""
    await reset(dut)
    rng = random.Random(1)
    windows = await decode(dut, SAMPLES, noise=lambda: rng.randrange(256))
    results = {message: (late(window), window[-1]) for message, window in zip(SAMPLES, windows, strict=True)}
    for message, (flags, row) in results.items():
        expected = {ENTER_TAGS: {"channel"}, REPLACE: {"replace"}, REPLACE_TAG: {"replace", "pegged"}}
        assert flags == expected.get(message, set()), message
        assert row["is_order"] == (message[:1] in b"OUE"), message
        assert row["numbered"] == (message[:1] in b"OUECD"), message
        assert row["is_enter"] == (message[:1] == b"O"), message
    assert results[ENTER_TAGS][1]["buy"] == 0
    references = {ENTER: 1, ENTER_TAGS: 2, REPLACE: 3, REPLACE_TAG: 4, CANCEL: 3, MODIFY: 3, ENABLE: 8, QUERY: 0}
    assert {message: results[message][1]["user_ref"] for message in references} == references
    for message, window in zip(SAMPLES, windows, strict=True):
        some = any(row["symbol_valid"] or row["price_ready"] for row in window)
        assert some == (message[:1] == b"O"), message


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_fields_of_a_replace_come_in_time(dut):
    """Its order in s0 + 6, price_ready in s0 + 21, checks from s0 + 22, tag and parent from s0 + 30 and 33 on."""
    await reset(dut)
    message = replace(order_id=b"TAG1P1A7      ")
    options = {"tag": int.from_bytes(b"TAG1", "big"), "replaceable": 1}
    _, window = await decode(dut, [enter(side=b"T", order_id=b"TAG2X000      "), message], **options)
    assert [n for n, row in enumerate(window) if row["seek"]] == [6]
    assert window[6]["user_ref"] == 0x01020304
    assert [n for n, row in enumerate(window) if row["price_ready"]] == [21]
    assert [n for n, row in enumerate(window) if row["message_end"]] == [40]
    for row in window[21:]:
        assert (row["user_ref"], row["quantity"], row["price"], row["is_order"]) == (0x05060708, 300, 1234500, 1)
        assert (row["replaces"], row["is_enter"]) == (1, 0)
    assert not any(row[name] for row in window[22:] for name in CHECKS)
    assert window[26]["bad_tag"] and not any(row["bad_tag"] for row in window[30:])
    assert [n for n, row in enumerate(window) if n and row["named"]][:1] == [33]
    assert window[33]["parent"] == 16 << 9 | 0x1A7
    assert late(window) == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_checks_of_a_replace_are_those_of_an_enter(dut):
    """One field wrong at a time; tags that are refused, Side among them; and what is refused on other lanes."""
    await reset(dut)
    right = replace(order_id=b"TAG1P1A7      ")
    options = {"tag": int.from_bytes(b"TAG1", "big"), "replaceable": 1}
    cases = {
        right: set(),
        replace(quantity=0): {"bad_quantity"},
        replace(quantity=1000): set(),
        replace(quantity=1001): {"over_size"},
        replace(price=0): {"zero_price"},
        replace(price=1_999_999_901): {"market"},
        replace(price=1 << 32 | 5): {"market"},
    }
    windows = await decode(dut, list(cases), **options)
    for (message, checks), window in zip(cases.items(), windows, strict=True):
        assert {name for name in CHECKS if window[-1][name]} == checks, message
        assert window[-1]["bad_tag"] == (message is not right), message
        assert late(window) == set()
    tags = {27: "pegged", 6: "pegged", 9: "pegged", 28: "channel", 25: None}
    with_tags = [right[:-2] + struct.pack(">H", 2 + TAGS[number][0]) + tag(number, TAGS[number][0]) for number in tags]
    windows = await decode(dut, with_tags, **options)
    for refused, window in zip(tags.values(), windows, strict=True):
        assert late(window) == ({refused} if refused else set())
    sizes = (5, 9, 39, 40, 41, 130, 131, 132, 400)  # of what is sought, from 40 to 131 octets
    windows = await decode(dut, [(right + bytes(400))[:size] for size in sizes], **options)
    assert [any(row["seek"] for row in window) for window in windows] == [size in range(40, 132) for size in sizes]
    for refused in ({"dialect": 0}, {"dialect": 1, "replaceable": 1}):
        message = REPLACE_42 if refused["dialect"] else right
        (window,) = await decode(dut, [message], **refused)
        assert late(window) == {"replace"}
        assert not any(row["replaces"] or row["seek"] for row in window)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def only_exact_lengths_are_right(dut):
    """Each type bare where it may be, with an empty appendage, and wrong with any other length."""
    await reset(dut)
    for kind, bare in BARE.items():
        messages = [(bare + bytes(70))[:size] for size in (*range(1, 52), 63, 64, 65, 70)]
        right = [len(bare) + 2] + ([len(bare)] if kind in "XMQ" else [])
        windows = await decode(dut, messages)
        for message, window in zip(messages, windows, strict=True):
            assert ("bad_message" not in late(window)) == (len(message) in right), (kind, len(message))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def unknown_types_are_bad_and_no_orders(dut):
    """Also those that an exchange sends, and long ones that end in zeros; each behind an Enter."""
    await reset(dut)
    messages = [bytes([n]) + ENTER[1:] for n in (0, *range(0x40, 0x60), 0x6F, 0xCF, 0xFF) if n not in b"OUXMCDEQ"]
    messages += [b"A" + bytes(size) for size in (1, 2, 8, 9, 61, 62, 63, 64, 65, 66, 70, 130)]
    between = [octets for message in messages for octets in (ENTER, message)]
    for message, window in zip(messages, (await decode(dut, between))[1::2], strict=True):
        assert late(window) == {"bad_message"}, message
        assert not window[-1]["is_order"] and not any(row["price_ready"] for row in window)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_side(dut):
    """B buys; S, T and E sell, T and E short; nothing else is a side."""
    await reset(dut)
    sides = (0, *range(0x40, 0x60), 0x62, 0x73, 0xC2, 0xD3, 0xFF)
    messages = [enter(side=bytes([n])) for n in sides]
    for n, window in zip(sides, await decode(dut, messages), strict=True):
        for row in window[27:]:
            assert row["bad_side"] == (n not in b"BSTE"), n
            assert row["buy"] == (n == ord("B")), n
            assert row["is_short"] == (n in b"TE"), n


async def check_tags(dut, decode, make, known):
    """Each bit of the four octets counts, and no other octet; from cycle s0 + `known` on."""
    right = b"AB1 "
    tags = [
        right,
        *(bytes(o ^ (bit >> 8 * n & 255) for n, o in enumerate(right)) for bit in (1 << b for b in range(32))),
    ]
    messages = [make(tag + behind) for tag in tags for behind in (b"PARENT-001", b"          ")]
    windows = await decode(dut, messages, tag=int.from_bytes(right, "big"))
    for number, window in enumerate(windows):
        assert all(row["bad_tag"] == (number >= 2) for row in window[known:]), messages[number]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_tag_is_how_a_clordid_begins(dut):
    """Right from s0 + 37 on."""
    await reset(dut)
    await check_tags(dut, decode, lambda name: enter()[:31] + name + b"\0\0", 37)


# What the four octets behind the tag name: number and letter, 0 if that is no parent.
NAMES = {b"A000": (0, 1), b"Z1FF": (511, 26), b"P0A9": (0x0A9, 16), b"B19F": (0x19F, 2), b"M1C5": (0x1C5, 13)}
NAMES |= dict.fromkeys((b"A200", b"AA00", b"AF00", b"a000", b"@000", b"[000", b"1000", b"    "), (None, 0))
NAMES |= dict.fromkeys((b"A00a", b"A0f0", b"A0G0", b"A00G", b"A0/0", b"A0:0", b"A0@0", b"A 00", b"A00\0"), (None, 0))
NAMES |= {bytes([ord("A") ^ 1 << bit]) + b"000": (0, 0) for bit in (5, 7)}


async def check_names(dut, decode, make, known):
    """Decode orders whose tag is followed by each of NAMES; the parent is named from s0 + `known` on."""
    windows = await decode(dut, [make(b"BLD1" + name) for name in NAMES])
    for (name, (number, letter)), window in zip(NAMES.items(), windows, strict=True):
        assert [row["named"] for row in window[1:]] == [int(n >= known) for n in range(1, len(window))], name
        for row in window[known:]:
            assert row["parent"] >> 9 == letter, name
            assert not letter or row["parent"] & 511 == number, name


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_parent_is_behind_the_tag(dut):
    """Named from s0 + 40 on: a capital letter and three hexadecimal digits below 200."""
    await reset(dut)
    await check_names(dut, decode, lambda name: enter(order_id=name.ljust(14)), 40)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def limits_of_quantity_and_price(dut):
    """At, below and above each limit; every octet of a price counts."""
    await reset(dut)
    quantities = {
        0: {"bad_quantity"}, 1: set(), 500: set(), 501: {"over_size"}, 999_999: {"over_size"},
        1_000_000: {"bad_quantity", "over_size"}, 1 << 20: {"bad_quantity", "over_size"},
        1 << 31: {"bad_quantity", "over_size"}, 0xFFFFFFFF: {"bad_quantity", "over_size"}, 1 << 8: set(),
    }  # fmt: skip
    prices = {0: {"zero_price"}, 1: set(), 1_999_999_900: set(), 1_999_999_901: {"market"}, 0x7FFFFFFF: {"market"}}
    prices |= {0xFFFFFFFF: {"market"}, 0xFFFFFFFFFFFFFFFF: {"market"}}
    prices |= {1 << shift: {"market"} if shift > 30 else set() for shift in range(64)}
    cases = [(enter(quantity=q), "quantity", q, flags) for q, flags in quantities.items()]
    cases += [(enter(price=p), "price", p & 0xFFFFFFFF, flags) for p, flags in prices.items()]
    for (_, field, value, flags), window in zip(
        cases, await decode(dut, [case[0] for case in cases], order_size=500), strict=True
    ):
        for row in window[27:]:
            assert {name for name in CHECKS if row[name]} == flags, (field, value)
            assert row[field] == value


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def each_tag_in_each_message(dut):
    """Right only where Nasdaq's table has it, and with its size; pegs and channels are named in orders."""
    await reset(dut)
    cases = []
    for number in [*range(33), 255]:
        for kind, bare in BARE.items():
            right = TAGS.get(number, (3, ""))[0]
            for size in {right, 8 if right == 4 else 4}:
                octets = tag(number, size)
                cases.append((number, kind, size, bare + struct.pack(">H", len(octets)) + octets))
    windows = await decode(dut, [case[3] for case in cases])
    for (number, kind, size, _), window in zip(cases, windows, strict=True):
        flags = late(window)
        right = number in TAGS and size == TAGS[number][0] and kind in TAGS[number][1]
        assert ("bad_message" in flags) == (not right), (number, kind, size)
        assert ("replace" in flags) == (kind == "U")
        if right:
            assert ("pegged" in flags) == (number in (6, 7, 9, 10, 11) or (number, kind) == (27, "U")), (number, kind)
            assert ("channel" in flags) == (number == 28 and kind in "OUE"), (number, kind)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def appendages_at_random(dut):
    """Seeded: several tags, lengths one off, octets missing or too many, a length of 0; read the plain way."""
    await reset(dut)
    rng = random.Random(4)
    cases = []
    for _ in range(300):
        kind = rng.choice("OOOUXMCDEQ")
        legal = [n for n in TAGS if kind in TAGS[n][1]]
        octets = b"".join(tag(n, TAGS[n][0]) for n in rng.choices(legal, k=rng.randrange(5)))
        if rng.random() < 0.3 and octets:
            place = rng.randrange(len(octets))
            octets = octets[:place] + bytes([rng.choice((0, 1, 2, 3, 5, 9, 12, 255))]) + octets[place + 1 :]
        length = max(0, len(octets) + rng.choice((0,) * 12 + (1, -1, 256, 3)))
        octets = octets[: len(octets) - rng.choice((0,) * 12 + (1, 2))] + bytes(rng.choice((0,) * 12 + (1, 3)))
        right, at, seen = length == len(octets), 0, set()
        while right and at < len(octets):
            size, number = octets[at] - 1, (octets[at + 1 : at + 2] or b"\0")[0]
            right = number in legal and size == TAGS[number][0] and at + 2 + size <= len(octets)
            at, seen = at + 2 + size, seen | {number}
        cases.append((kind, BARE[kind] + struct.pack(">H", length) + octets, right or length == len(octets) == 0, seen))
    windows = await decode(dut, [case[1] for case in cases], noise=lambda: rng.randrange(256))
    rights = 0
    for (kind, message, right, seen), window in zip(cases, windows, strict=True):
        flags = late(window)
        assert ("bad_message" in flags) == (not right), message.hex()
        if right and kind in "OE":
            rights += 1
            assert ("pegged" in flags) == bool(seen & {6, 7, 9, 10, 11}), message.hex()
            assert ("channel" in flags) == (28 in seen), message.hex()
    assert rights > 40


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def p12_a_message_that_was_cut_leaves_nothing(dut):
    """P12: cut behind any octet, it never ends, and the first message behind ``open`` is read as if alone."""
    await reset(dut)
    rng = random.Random(5)
    for size in range(1, len(ENTER_TAGS)):
        cut = rows(ENTER_TAGS)[:size]
        quiet = [{"message_valid": 0, "message_first": 0, "message_last": 0, "open": 0, "message_gone": 0}] * 2
        quiet = [*quiet[size % 2 :], {**quiet[0], "open": 1}]
        record = await play(dut, cut + quiet, OUTPUTS)
        assert not any(row["message_end"] for row in record), size
        message = rng.choice((ENTER, CANCEL_TAG, QUERY, MODIFY))
        (window,) = await decode(dut, [message])
        assert late(window) == set(), size
        if message == ENTER:
            assert (window[-1]["user_ref"], window[-1]["price"]) == (1, 1234500), size


def enter42(**fields):
    """An Enter of OUCH 4.2 with some fields changed."""
    values = {"token": b"TOKEN-0001ABCD", "side": b"B", "quantity": 100, "symbol": b"AAPL    ", "price": 1234500}
    head = struct.pack(">14scI8sI", *(values | fields).values())
    return b"O" + head + struct.pack(">I4s3sI2s", 99999, b"FIRM", b"YPN", 7, b"NR")


# 4.2, octet by octet from the dissectors' tables: 49, 47, 19 and 20 octets.
REPLACE_42 = b"U" + b"OLDTOKEN-1WXYZ" + b"NEWTOKEN-2abcd" + struct.pack(">IIIccI", 200, 5000, 0, b"Y", b"N", 0)
CANCEL_42, MODIFY_42 = b"XTOKEN-0001ABCD" + bytes(4), b"MTOKEN-0001ABCDS" + bytes(4)


async def decode42(dut, messages, **options):
    return await decode(dut, messages, dialect=1, **options)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_fields_of_an_enter_of_42_come_in_time(dut):
    """Symbol in s0 + 21 to 28, price_ready in s0 + 33, the checks with it, the end in s0 + 49."""
    await reset(dut)
    (window,) = await decode42(dut, [enter42()])
    assert [n for n, row in enumerate(window) if row["symbol_valid"]] == list(range(21, 29))
    assert [n for n, row in enumerate(window) if row["symbol_first"]] == [21]
    assert bytes(row["symbol_octet"] for row in window[21:29]) == b"AAPL    "
    assert [n for n, row in enumerate(window) if row["price_ready"]] == [33]
    assert [n for n, row in enumerate(window) if row["message_end"]] == [49]
    for row in window[33:]:
        fields = {name: row[name] for name in FIELDS}
        assert fields == {
            "is_enter": 1, "is_order": 1, "user_ref": 0x41424344, "quantity": 100, "buy": 1, "is_short": 0,
            "price": 1234500,
        }  # fmt: skip
        assert not any(row[name] for name in CHECKS)
    assert late(window) == set()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def only_the_four_messages_of_42_are_right_with_their_lengths(dut):
    """Enter and Replace are orders; no appendage; what 5.0 knows besides is unknown."""
    await reset(dut)
    refs = {b"O": 0x41424344, b"U": 0x61626364, b"X": 0x41424344, b"M": 0x41424344}
    messages = []
    for right in (enter42(), REPLACE_42, CANCEL_42, MODIFY_42):
        messages += [(right + bytes(70))[:size] for size in (*range(1, 75), len(right))]
    windows = await decode42(dut, messages)
    sizes = {b"O": 49, b"U": 47, b"X": 19, b"M": 20}
    for message, window in zip(messages, windows, strict=True):
        kind = message[:1]
        right = len(message) == sizes[kind]
        flags = late(window)
        assert ("bad_message" not in flags) == right, message
        assert ("replace" in flags) == (kind == b"U")
        assert not right or window[-1]["user_ref"] == refs[kind]
        assert (window[-1]["is_order"], window[-1]["is_enter"]) == (kind in b"OU", kind == b"O")
        assert window[-1]["numbered"] == window[-1]["is_order"]
    unknown = [bytes([n]) + bytes(size) for n in b"CDEQNA" for size in (0, 2, 10, 18, 48, 70)]
    for message, window in zip(unknown, await decode42(dut, unknown), strict=True):
        assert late(window) == {"bad_message"}, message
        assert not window[-1]["is_order"]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_tag_of_42_is_how_a_token_begins(dut):
    """Right from s0 + 7 on."""
    await reset(dut)
    await check_tags(dut, decode42, lambda name: enter42(token=name), 7)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_parent_of_42_is_behind_the_tag(dut):
    """Named from s0 + 10 on."""
    await reset(dut)
    await check_names(dut, decode42, lambda name: enter42(token=name.ljust(14)), 10)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def limits_of_quantity_and_price_of_42(dut):
    """A price has 32 bits; the limits are those of 5.0. The octets behind the price do not count."""
    await reset(dut)
    prices = {0: {"zero_price"}, 1: set(), 0x7735939C: set(), 0x7735939D: {"market"}, 0xFFFFFFFF: {"market"}}
    prices |= {1 << shift: {"market"} if shift > 30 else set() for shift in range(32)}
    quantities = {0: {"bad_quantity"}, 500: set(), 501: {"over_size"}, 1 << 20: {"bad_quantity", "over_size"}}
    cases = [(enter42(price=value), "price", value, flags) for value, flags in prices.items()]
    cases += [(enter42(quantity=value), "quantity", value, flags) for value, flags in quantities.items()]
    cases += [(enter42(side=bytes([n])), "quantity", 100, set() if n in b"BSTE" else {"bad_side"}) for n in b"BSTEb\0"]
    windows = await decode42(dut, [case[0] for case in cases], order_size=500)
    for (_, field, value, flags), window in zip(cases, windows, strict=True):
        for row in window[33:]:
            assert {name for name in CHECKS if row[name]} == flags, (field, value)
            assert row[field] == value

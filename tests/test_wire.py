"""Witnesses of hdl.wire: octets worked out by hand from the documents, not with the declarations."""

import ast
import inspect
from enum import IntEnum
from itertools import pairwise

import pytest

from hdl.wire import control, digest, ethernet, event, lane, ouch, registers, reports, ufo, verdict
from hdl.wire.format import Format

# Samples of the reference (protocol, section 10), OUCH 5.0 inbound.
ENTER = "4f0000000142000000644141504c20202020000000000012d6443059504e4e434c3120202020202020202020200000"
SAMPLES = [
    (ENTER, ouch.Message.ENTER, "full"),
    (
        "4f0000000254000000644141504c20202020000000000012d6443359504e4e434c322020202020202020202020000c05024b43474d0219"
        "59021c01",
        ouch.Message.ENTER,
        "tags",
    ),
    ("550000000100000003000000c8000000000012d6a830594e434c3320202020202020202020200000", ouch.Message.REPLACE, "full"),
    (
        "550000000100000004000000c8000000000012d6a830594e434c3320202020202020202020200003021b54",
        ouch.Message.REPLACE,
        "tags",
    ),
    ("580000000300000000", ouch.Message.CANCEL, "bare"),
    ("5800000003000000000003021c01", ouch.Message.CANCEL, "tags"),
    ("4d000000035400000032", ouch.Message.MODIFY, "bare"),
    ("43000000054b43474d20202020202020200000", ouch.Message.MASS_CANCEL, "full"),
    ("43000000064b43474d4141504c202020200003021b42", ouch.Message.MASS_CANCEL, "tags"),
    ("44000000074b43474d0000", ouch.Message.DISABLE, "full"),
    ("45000000084b43474d0000", ouch.Message.ENABLE, "full"),
    ("51", ouch.Message.QUERY, "bare"),
]


@pytest.mark.parametrize(("octets", "kind", "form"), SAMPLES)
def test_every_message_of_the_reference_has_a_declared_length(octets, kind, form):
    octets = bytes.fromhex(octets)
    length = ouch.LENGTHS[kind]
    assert octets[0] == kind
    if form == "bare":
        assert len(octets) == length.bare
    else:
        assert len(octets) == length.full + int.from_bytes(octets[length.full - 2 : length.full], "big")
        assert (len(octets) > length.full) == (form == "tags")
    # Behind the length: TagValues of a length, a tag and a value of the tag's size, to the end.
    at = length.full
    while form == "tags" and at < len(octets):
        tag = ouch.TAG_VALUES[octets[at + 1]]
        assert octets[at] == 1 + tag.size
        assert kind in tag.messages
        at += 1 + octets[at]


def test_enter_order():
    """Buy 100 AAPL at $123.4500, day, visible, principal; the reference's sample."""
    fields = {
        "type": ord("O"), "user_ref": 1, "side": ord("B"), "quantity": 100, "symbol": b"AAPL    ", "price": 1_234_500,
        "time_in_force": b"0", "display": b"Y", "capacity": b"P", "sweep": b"N", "cross": b"N",
        "order_id": b"CL1           ", "appendage": 0,
    }  # fmt: skip
    assert ouch.ENTER.pack(**fields).hex() == ENTER
    assert ouch.ENTER.unpack(bytes.fromhex(ENTER)) == fields
    assert ouch.ENTER.size == 47


def test_replace_cancel_modify():
    assert ouch.REPLACE.unpack(bytes.fromhex(SAMPLES[2][0])) == {
        "type": ord("U"), "original_ref": 1, "user_ref": 3, "quantity": 200, "price": 1_234_600, "time_in_force": b"0",
        "display": b"Y", "sweep": b"N", "order_id": b"CL3           ", "appendage": 0,
    }  # fmt: skip
    assert ouch.CANCEL.pack(type=ord("X"), user_ref=3, quantity=0).hex() == "580000000300000000"
    assert ouch.MODIFY.unpack(bytes.fromhex("4d000000035400000032")) == {
        "type": ord("M"), "user_ref": 3, "side": ord("T"), "quantity": 50,
    }  # fmt: skip


def test_mass_cancel_disable_enable_query():
    mass = ouch.MASS_CANCEL.unpack(bytes.fromhex("43000000064b43474d4141504c202020200003021b42"))
    assert mass == {"type": ord("C"), "user_ref": 6, "firm": b"KCGM", "symbol": b"AAPL    ", "appendage": 3}
    assert ouch.DISABLE.pack(type=ord("D"), user_ref=7, firm=b"KCGM", appendage=0).hex() == "44000000074b43474d0000"
    assert ouch.ENABLE.pack(type=ord("E"), user_ref=8, firm=b"KCGM", appendage=0).hex() == "45000000084b43474d0000"
    assert ouch.QUERY.pack(type=ord("Q")).hex() == "51"


def test_limits_of_an_order():
    """$199,999.9900 is 0x7735939C; a quantity is below 1,000,000."""
    assert ouch.HIGHEST_PRICE == 0x7735939C
    assert ouch.MOST_SHARES == 999_999
    assert bytes(ouch.Side) == b"BSTE"
    assert {chr(order) for order in ouch.ORDERS} == {"O", "U", "E"}


def test_what_is_refused():
    """Price type, peg offset, discretion, and another side: pegged. UserRefIdx: a channel."""
    refused = {number: tag.refused for number, tag in ouch.TAG_VALUES.items() if tag.refused}
    assert refused == {6: "pegged", 7: "pegged", 9: "pegged", 10: "pegged", 11: "pegged", 27: "pegged", 28: "channel"}


def test_ufo_packets():
    """Login as SoupBinTCP without its sequence: 6 + 10 + 10 octets and the type. One order, framed."""
    login = ufo.LOGIN.pack(user=b"user", password=b"pass", session=b"")
    assert login == b"user  " + b"pass      " + b" " * 10
    assert ufo.FIXED == {ord("L"): 1 + len(login), ord("T"): 1 + 4 + 2, ord("R"): 1, ord("O"): 1}
    assert ufo.RETRANSMIT.pack(sequence=5, count=2).hex() == "000000050002"
    # The reference's sample of an order in its Soup packet: 0x30 = 1 + 47.
    assert ufo.LENGTH.pack(length=48).hex() + "55" + ENTER == "003055" + ENTER


# Samples of the reference (protocol, section 10), OUCH 5.0 outbound, at 09:30:00: 34,200 s in nanoseconds.
T930 = 34_200_000_000_000
REPORTS = [
    ("5300001f1aced9f00053", {"event": b"S"}),
    (
        "4100001f1aced9f0000000000142000000644141504c20202020000000000012d64430590000000000000007504e4e4c434c31202020202020"
        "20202020200000",
        {
            "user_ref": 1, "side": ord("B"), "quantity": 100, "symbol": b"AAPL    ", "price": 1_234_500,
            "time_in_force": b"0", "display": b"Y", "order": 7, "capacity": b"P", "sweep": b"N", "cross": b"N",
            "state": b"L", "order_id": b"CL1           ", "appendage": 0,
        },
    ),
    (
        "5500001f1aced9f000000000010000000342000000c84141504c20202020000000000012d6a830590000000000000008504e4e4c434c332020"
        "2020202020202020200000",
        {
            "original_ref": 1, "user_ref": 3, "side": ord("B"), "quantity": 200, "symbol": b"AAPL    ",
            "price": 1_234_600, "time_in_force": b"0", "display": b"Y", "order": 8, "capacity": b"P", "sweep": b"N",
            "cross": b"N", "state": b"L", "order_id": b"CL3           ", "appendage": 0,
        },
    ),
    ("4300001f1aced9f00000000003000000c855", {"user_ref": 3, "quantity": 200, "reason": b"U"}),
    (
        "4400001f1aced9f00000000003000000c8510000000a000000000012d6a85244",
        {
            "user_ref": 3, "quantity": 200, "reason": b"Q", "prevented": 10, "price": 1_234_600, "liquidity": b"R",
            "strategy": b"D",
        },
    ),
    (
        "4500001f1aced9f0000000000100000028000000000012d6445200000000000000630000",
        {"user_ref": 1, "quantity": 40, "price": 1_234_500, "liquidity": b"R", "match": 99, "appendage": 0},
    ),
    (
        "4200001f1aced9f00000000001000000000000006345434c312020202020202020202020",
        {"user_ref": 1, "match": 99, "reason": b"E", "order_id": b"CL1           "},
    ),
    (
        "4a00001f1aced9f00000000009001e434c392020202020202020202020",
        {"user_ref": 9, "reason": 0x001E, "order_id": b"CL9           "},
    ),
    ("5000001f1aced9f00000000009", {"user_ref": 9}),
    ("4900001f1aced9f00000000009", {"user_ref": 9}),
    (
        "5400001f1aced9f00000000001000000000012d64459000000000000000a",
        {"user_ref": 1, "price": 1_234_500, "display": b"Y", "order": 10},
    ),
    ("4d00001f1aced9f000000000035400000032", {"user_ref": 3, "side": ord("T"), "quantity": 50}),
    ("5800001f1aced9f000000000054b43474d20202020202020200000", {
        "user_ref": 5, "firm": b"KCGM", "symbol": b"        ", "appendage": 0,
    }),
    ("4700001f1aced9f000000000074b43474d0000", {"user_ref": 7, "firm": b"KCGM", "appendage": 0}),
    ("4b00001f1aced9f000000000084b43474d0000", {"user_ref": 8, "firm": b"KCGM", "appendage": 0}),
    ("5100001f1aced9f0000000000a", {"user_ref": 10}),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "fields"), REPORTS, ids=lambda value: value[:2] if isinstance(value, str) else "")
def test_every_report_of_the_reference(octets, fields):
    """Read as the reference tells it, and written again octet for octet."""
    octets = bytes.fromhex(octets)
    form = reports.form(octets[0])
    values = {"type": octets[0], "timestamp": T930, **fields}
    assert form.unpack(octets) == values
    assert form.pack(**values) == octets


def test_a_restated_with_its_appendage():
    """The one report of the reference whose appendage is not empty: 6 octets of it behind the 16."""
    octets = bytes.fromhex("5200001f1aced9f00000000003520006051600000064")
    assert reports.RESTATED.unpack(octets) == {
        "type": ord("R"), "timestamp": T930, "user_ref": 3, "reason": b"R", "appendage": 6,
    }  # fmt: skip
    assert len(octets) == reports.RESTATED.size + 6
    assert {report.value for report in reports.Report} == {int(octets[:2], 16) for octets, _ in REPORTS} | {ord("R")}


def test_a_packet_by_hand():
    """An Ethernet frame with one tag, IPv4 and UDP; both checksums added up on paper.

    IP: 4500+0020+0001+0000+4011+0A00+0001+0A00+0002 = A935; its complement is 56CA, less the carry of none.
    """
    frame = bytes.fromhex(
        "0200000000020200000000018100a0650800"  # priority 5, VID 101
        "450000200001000040110000"
        "0a0000010a000002"
        "9c40672000 0c0000 0003 5501".replace(" ", "")
    )
    assert ethernet.ETHERNET.unpack(frame) == {
        "destination": bytes.fromhex("020000000002"), "source": bytes.fromhex("020000000001"), "ethertype": 0x8100,
    }  # fmt: skip
    tag = ethernet.VLAN.unpack(frame, 14)
    assert (tag["control"] & 0xFFF, tag["control"] >> 13, tag["ethertype"]) == (101, 5, 0x0800)
    ip = ethernet.IPV4.unpack(frame, 18)
    assert ip == {
        "version_ihl": 0x45, "dscp": 0, "length": 32, "identification": 1, "fragment": 0, "ttl": 64, "protocol": 17,
        "checksum": 0, "source": 0x0A000001, "destination": 0x0A000002,
    }  # fmt: skip
    total = 0x4500 + 0x0020 + 0x0001 + 0x0000 + 0x4011 + 0x0A00 + 0x0001 + 0x0A00 + 0x0002
    assert total == 0x9935
    assert 0xFFFF - total == 0x66CA
    assert ethernet.UDP.unpack(frame, 38) == {"source": 40_000, "destination": 26_400, "length": 12, "checksum": 0}
    assert (ethernet.SHORTEST, ethernet.LONGEST, ethernet.GAP_OCTETS, ethernet.PREAMBLE_OCTETS) == (64, 1518, 12, 8)


def test_lane_key():
    key = lane.LANE_KEY.pack(
        outer_vid=101, inner_vid=7, source=bytes([10, 0, 0, 1]), destination=bytes([10, 9, 0, 1]), source_port=40_000,
        destination_port=26_400,
    )  # fmt: skip
    assert key.hex() == "006500070a0000010a0900019c406720"


def test_control_frame():
    """The header and the words of a WRITE of 0x01020304 to 0x0103, sequence 9."""
    header = control.HEADER.pack(version=1, sequence=9, op=control.Op.WRITE, status=0, address=0x0103)
    assert header.hex() == "0109020003010000"
    assert control.WORD.pack(value=0x01020304).hex() == "04030201"
    assert control.CRC.pack(crc=0x12345678).hex() == "78563412"
    assert [op.value for op in control.Op] == [1, 2, 3, 4, 5, 6, 7]
    assert control.REPLY == 0x80
    assert control.MOST_WORDS == 64


def test_event_record():
    """32 octets, little-endian: number 258, DROP, lane 3, POSITION, 2 orders, at 2^32 + 1, reference 5, symbol 6."""
    record = event.EVENT.pack(
        sequence=258, kind=event.Kind.DROP, lane=3, reason=verdict.Reason.POSITION, count=2, at=(1 << 32) + 1,
        user_ref=5, symbol=6, quantity=100, price=1_234_500,
    )  # fmt: skip
    assert record.hex() == "0201000001033202010000000100000005000000060000006400000044d61200"
    assert event.EVENT.size == 4 * event.WORDS == 32


def test_toeplitz_by_hand():
    """Bit 0 of the key meets the first bit of the symbol; each set bit of the symbol adds 7 bits of the key.

    "@" is 0x40: of the first octet only bit 1 is set, so the bucket is key bits 1 to 7. "A" is 0x41: bits 1 and 7, that
    is key bits 1 to 7 plus key bits 7 to 13. The last bit of the last octet meets key bits 63 to 69.
    """
    key = 0b110101_1100110  # bits 0 to 12
    assert registers.toeplitz(b"@" + bytes(7), key) == 0b110011 | (1 << 6)
    assert registers.toeplitz(b"A" + bytes(7), key) == 0b1110011 ^ 0b0110101
    assert registers.toeplitz(bytes(7) + b"\1", 0b1010011 << 63) == 0b1010011
    assert registers.toeplitz(bytes(8), (1 << 70) - 1) == 0
    assert registers.KEY_BITS == 70


def test_register_map():
    """Words that the documents give, and ranges that must not overlap: first address and words of each."""
    assert registers.MAGIC == int.from_bytes(b"BWR1", "little")
    ranges = {
        "LANE_MODE": 8,
        "LANE_KEY": 8 * 4, "GROSS_LIMIT": 16 * 2, "EXPOSURE_LIMIT": 512 * 2 * 2, "DIRECTORY": 1024 * 4, "GROSS": 16 * 2,
        "EXPOSURE": 512 * 2 * 2, "COUNTER": 16 * 128, "HASH_KEY": 3, "NOW": 2, "KILL_AT": 2, "AFTER_END": 2,
        "PASS_START": 2, "BREACH_AT": 2, "NET": 512 * 2, "PARENT": 512 * 2, "PARENT_LEFT": 512 * 2,
    }  # fmt: skip
    taken = sorted((int(register), int(register) + ranges.get(register.name, 1)) for register in registers.Reg)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))
    assert taken[-1][1] <= 1 << 16
    for register in registers.Reg:
        shown = register.name.startswith(("GROSS", "EXPOSURE", "NET", "COUNTER", "PARENT_LEFT"))
        config = not shown or register.name.endswith("LIMIT")
        inside = any(register in part for part in registers.CONFIG)
        assert inside == (config and register >= 0x100), register.name
    assert registers.Count.ORDER_DROP + max(verdict.Reason) < registers.COUNTERS_PER_ROW
    assert registers.Count.FRAME_DROP + max(verdict.Reason) < registers.Count.ORDER_DROP + verdict.Reason.ROLLED_BACK
    row = list(range(registers.COUNTERS_PER_ROW))
    cells = [*registers.drops(row, registers.Count.FRAME_DROP).values()]
    cells += registers.drops(row, registers.Count.ORDER_DROP).values()
    assert len(set(cells)) == len(cells) and min(cells) > registers.Count.RETURN_GAPS


def test_reasons_are_in_order_of_evaluation():
    """Frame before message; of a message the kill first; the names as the contract lists them."""
    names = [reason.name for reason in verdict.Reason]
    assert names[:5] == ["PASSED", "RUNT", "RX_ERROR", "GIANT", "FCS"]
    assert names.index("NO_LANE") < names.index("TCP_HEADER") < names.index("FRAMING") < names.index("KILLED")
    assert names[names.index("KILLED") :] == [
        "KILLED", "MESSAGE", "REPLACE", "PEGGED", "CHANNEL", "TAG", "DUPLICATE", "SYMBOL", "RESTRICTED",
        "BLOCKED", "SIDE", "SHORT", "QUANTITY", "ORDER_SIZE", "PRICE", "MARKET", "COLLAR", "ORDER_VALUE", "PARENT",
        "CHILDREN", "RATE", "POSITION", "LANE_GROSS", "FIRM_GROSS", "FULL", "BUSY", "ABORTED", "SIBLING",
    ]  # fmt: skip
    assert [reason.value for reason in verdict.Reason] == list(range(57))


def declarations():
    """Return every name that a module of the digest assigns or defines and that is a declaration."""
    found = []
    for module in digest.MODULES:
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    names = target.elts if isinstance(target, ast.Tuple) else [target]
                    found += [(module, name.id) for name in names if name.id.isupper()]
            elif isinstance(node, ast.ClassDef) and issubclass(getattr(module, node.name), IntEnum):
                found.append((module, node.name))
    return [(module, name) for module, name in found if not name.startswith("_")]


@pytest.mark.parametrize(("module", "name"), declarations(), ids=lambda value: getattr(value, "__name__", value))
def test_the_map_hash_changes_with_every_declaration(module, name, monkeypatch):
    before, value = digest.map_hash(), getattr(module, name)
    monkeypatch.setattr(module, name, changed(value))
    assert digest.map_hash() != before
    monkeypatch.undo()
    assert digest.map_hash() == before


def changed(value):
    """Return something as little different from `value` as can be."""
    if isinstance(value, Format):
        fields = [f"{f.name}:{f.size}{':a' if f.alpha else ''}" for f in value]
        return Format(value.name, value.order, *reversed(fields[:-1]), fields[-1] + "0")
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return value[:-1]
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    members = {member.name: member.value for member in value}
    last = list(members)[-1]
    return IntEnum(value.__name__, members | {last: members[last] + 1})

"""host.directory and host.loader: from limits to registers, and the proof that they arrived."""

import zlib

import pytest

from hdl.wire.control import Op
from hdl.wire.registers import ENTRY_VALID, Reg, toeplitz
from host import config, directory, loader
from host.device import Device
from host.errors import HostError, UsageError, VerificationError
from host.runs import packaged_limits
from tests.fake_board import FakeBoard, FakeLink
from tests.test_host_config import GOOD


def make(**faults):
    board = FakeBoard(**faults)
    return board, Device(FakeLink(board))


def test_every_symbol_is_found_by_the_boards_rule_and_no_other_is():
    symbols = [f"SYM{number}" for number in range(512)]
    placed = directory.place(symbols)
    assert [directory.lookup(placed.words, placed.key, symbol) for symbol in symbols] == list(range(512))
    assert directory.lookup(placed.words, placed.key, "SYM512") is None
    assert directory.lookup(placed.words, placed.key, "SYM") is None


def test_a_slot_in_words():
    """By hand from the register map: octets 0 to 3 first in bits 31..24, 4 to 7, then valid and index."""
    placed = directory.place(["AAPL"])
    slot = toeplitz(b"AAPL    ", placed.key) * 8
    assert placed.words[slot * 4 : slot * 4 + 4] == (0x4141504C, 0x20202020, ENTRY_VALID, 0)
    assert sum(word != 0 for word in placed.words) == 3


def test_a_bucket_never_runs_over():
    placed = directory.place([f"{number:08}" for number in range(512)])
    for bucket in range(128):
        entries = placed.words[bucket * 32 + 2 : bucket * 32 + 32 : 4]
        assert len(entries) == 8
        filled = [bool(entry) for entry in entries]
        assert filled == sorted(filled, reverse=True)


def test_too_many_symbols_are_refused():
    with pytest.raises(UsageError, match=r"^513 symbols, the board holds 512$"):
        directory.place([str(number) for number in range(513)])


def test_a_symbol_that_is_not_in_the_directory_is_one_line():
    with pytest.raises(UsageError, match=r"^symbol 'XYZ' is not in the directory of 2 symbols$"):
        directory.place(["AAA", "BBB"]).index("XYZ")


def test_limits_in_registers():
    """By hand: lane 2 is row 1; dollars times 10,000; lane key octet 0 in bits 7..0 of the first word."""
    words = dict(loader.build(config.parse(GOOD)).words())
    assert words[Reg.POLICY] == 0
    assert words[Reg.LANE_ENABLE] == 0b11
    assert words[Reg.ORDER_SIZE] == 1000
    assert words[Reg.WATCHDOG] == 62_500_000
    assert [words[Reg.LANE_KEY + 4 + at] for at in range(4)] == [0x0000_6400, 0x0200010A, 0x0100090A, 0x29239265]
    gross = [words[Reg.GROSS_LIMIT + at] for at in range(18)]
    assert gross[:4] == [10_000_000_000 & 0xFFFFFFFF, 2, 20_000_000_000 & 0xFFFFFFFF, 4]
    assert gross[4:16] == [0] * 12
    assert gross[16:] == [50_000_002_500 & 0xFFFFFFFF, 11]
    assert [words[Reg.EXPOSURE_LIMIT + at] for at in range(9)] == [100, 0, 200, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ("", 0),
        ("needs_parent = false", 0b1000000),
        ('protocol = "tcp"', 0b0001),
        ('protocol = "tcp"\ndialect = "4.2"', 0b0011),
        ('protocol = "tcp"\naction = "fence"', 0b0101),
        ('protocol = "tcp"\naction = "starve"', 0b11001),
        ('action = "cut"', 0b1100),
        ("unordered = true", 0b10000),
        ('protocol = "tcp"\nevidence = true', 0b100001),
    ],
)
def test_the_mode_of_a_lane(keys, mode):
    """By hand: bit 0 TCP, bit 1 OUCH 4.2, bits 3..2 the action, bit 4 numbers may fall, bit 5 evidence, bit 6 no
    parent; lane 2 is the second word."""
    words = dict(loader.build(config.parse(GOOD.replace("vlan = 100", f"vlan = 100\n{keys}"))).words())
    assert [words[Reg.LANE_MODE + at] for at in range(8)] == [0, mode, 0, 0, 0, 0, 0, 0]


def test_the_terms_of_a_lane():
    """By hand: a tag's first octet in bits 31..24; 3 a second are 41,666,667 cycles, rounded up; 4 at once: 3 ahead."""
    keys = 'vlan = 100\nbuild = "RLP1"\nrate_per_s = 3\nburst = 4'
    words = dict(loader.build(config.parse(GOOD.replace("vlan = 100", keys))).words())
    assert [words[Reg.BUILD_TAG + at] for at in range(3)] == [0, 0x524C5031, 0]
    assert [words[Reg.RATE_INTERVAL + at] for at in range(3)] == [0, 41_666_667, 0]
    assert [words[Reg.RATE_DEPTH + at] for at in range(3)] == [0, 125_000_001, 0]


def test_the_terms_of_a_symbol():
    """By hand: $1.5 and $250,000.00 would be above the highest price of OUCH; flags on top of the two words."""
    keys = "short = 200, low = 1.5, high = 199_999.99"
    good = GOOD.replace("short = 200", keys).replace("short = 0", "short = 0, short_sale = true, restricted = true")
    words = dict(
        loader.build(config.parse(good.replace("largest = 1_000", "largest = 1_000\nvalue = 500_000"))).words()
    )
    terms = [words[Reg.SYMBOL_TERMS + at] for at in range(5)]
    assert terms == [15_000 | 1 << 31, 1_999_999_900, 0, 1 << 31, 0]
    assert [words[Reg.ORDER_VALUE + at] for at in range(2)] == [5_000_000_000 & 0xFFFFFFFF, 1]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ("", 1 << 2 * 16 | 2 << 2 * 17 | 3 << 2 * 18),
        ('tag = "firm"\nlane_gross = "none"', 3 | 1 << 2 * 16 | 3 << 2 * 18),
        ('rate = "lane"\nposition = "firm"', 2 << 2 * 15 | 3 << 2 * 16 | 2 << 2 * 17 | 3 << 2 * 18),
    ],
)
def test_what_a_failed_check_brings_about(keys, word):
    """By hand: two bits each from TAG (34) on; POSITION is 50, and the two gross limits follow."""
    words = dict(loader.build(config.parse(f"{GOOD}[trips]\n{keys}\n")).words())
    assert words[Reg.TRIPS] | words[Reg.TRIPS + 1] << 32 == word


PARENTS = """
[parents]
A000 = { symbol = "AAA", side = "buy", shares = 1_000, children = 12 }
Z1FF = { symbol = "B.C", side = "sell", shares = 2_097_151, children = 16_383 }
"""


def test_parents_in_registers():
    """By hand: the symbol's number in bits 8..0 of the high word, then side, letter from bit 10, children from 15."""
    words = dict(loader.build(config.parse(GOOD + PARENTS)).words())
    assert [words[0x4000 + at] for at in range(4)] == [1000, 1 << 10 | 12 << 15, 0, 0]
    assert [words[0x43FE + at] for at in range(2)] == [2_097_151, 1 | 1 << 9 | 26 << 10 | 16_383 << 15]


def test_parents_are_read_back_but_for_their_children():
    board, device = make()
    image = loader.build(config.parse(GOOD + PARENTS))
    loader.load(device, image)
    assert board.crc == image.crc and loader.verify(device, image) == 8285
    assert [(*parent.terms, parent.left) for parent in device.parents()] == [
        ("A000", 0, "buy", 1000, 1000), ("Z1FF", 1, "sell", 2_097_151, 2_097_151),
    ]  # fmt: skip
    assert [parent.children for parent in device.parents()] == [12, 16_383]


@pytest.mark.parametrize(("left", "said"), [(0, "0"), (999, "999"), ((1 << 32) - 5, "-5")])
def test_a_parent_in_use_is_given_all_of_its_shares_only_when_that_is_asked_for(left, said):
    board, device = make()
    image = loader.build(config.parse(GOOD + PARENTS))
    loader.load(device, image)
    board.memory[0x4400] = left
    message = f"^board: parent A000 has {said} of 1,000 shares and 12 children left, and loading gives it all anew; "
    with pytest.raises(HostError, match=message + "cancel what rests and try --anew$"):
        loader.load(device, image)
    assert board.memory[0x4400] == left
    board.gross[0] = 5
    loader.load(device, image, anew=True)
    assert (board.memory[0x4400], board.gross[0]) == (1000, 0)


def test_children_that_a_parent_has_had_are_not_given_back_either():
    """All were canceled, so that its shares are whole again; a file without the parent takes it away."""
    board, device = make()
    image = loader.build(config.parse(GOOD + PARENTS))
    loader.load(device, image)
    board.memory[0x4401] = 11
    with pytest.raises(HostError, match=r"^board: parent A000 has 1,000 of 1,000 shares and 11 children left, "):
        loader.load(device, image)
    loader.load(device, loader.build(config.parse(GOOD)))
    assert device.parents() == []


def test_tags_are_written_behind_the_limits_and_confirmed():
    board, device = make()
    image = loader.build(config.parse(GOOD))
    loader.load(device, image)
    tagged = loader.tag(device, image, {2: "NEW1"})
    assert board.crc == tagged.crc != image.crc
    assert device.read(Reg.BUILD_TAG, 8) == (0, int.from_bytes(b"NEW1", "big"), 0, 0, 0, 0, 0, 0)
    assert loader.verify(device, tagged) == 8285
    with pytest.raises(VerificationError, match="register 0x0161"):
        loader.verify(device, image)
    device.arm(tagged.crc)
    with pytest.raises(HostError, match="lanes are open"):
        loader.tag(device, tagged, {2: "NEW1"})


def test_tables_are_written_whole_so_that_nothing_old_stays():
    addresses = [address for address, _ in loader.build(config.parse(GOOD)).words()]
    assert len(addresses) == len(set(addresses))
    for first, count in (
        (Reg.LANE_MODE, 8),
        (Reg.LANE_KEY, 32),
        (Reg.GROSS_LIMIT, 18),
        (Reg.BUILD_TAG, 8),
        (Reg.RATE_INTERVAL, 16),
        (Reg.ORDER_VALUE, 2),
        (Reg.TRIPS, 2),
        (Reg.SYMBOL_TERMS, 1024),
        (Reg.EXPOSURE_LIMIT, 2048),
        (Reg.DIRECTORY, 4096),
        (Reg.PARENT, 1024),
    ):
        assert set(range(first, first + count)) <= set(addresses)


def test_a_load_is_large_bursts_and_its_crc_is_confirmed():
    board, device = make()
    image = loader.build(packaged_limits())
    loader.load(device, image)
    assert board.crc == image.crc != 0
    assert board.requests.count(Op.WRITE) == 1 + 1 + 1 + 1 + 1 + 1 + 1 + 3 + 16 + 32 + 64 + 16
    assert loader.verify(device, image) == 8285


def test_the_crc_is_over_address_and_value():
    """One write of 0x11223344 to 0x0101, little-endian: CRC-32 of 01 01 00 00 44 33 22 11."""
    limits = config.parse(GOOD)
    image = loader.Image(limits, directory.place([]), ((0x101, (0x11223344,)),))
    assert image.crc == zlib.crc32(bytes.fromhex("0101000044332211"))


def test_a_write_that_was_lost_is_found():
    board, device = make()
    image = loader.build(config.parse(GOOD))

    def lose_one(op, address, words, execute=board._execute):
        return (0, []) if op == Op.WRITE and address == Reg.LANE_KEY else execute(op, address, words)

    board._execute = lose_one
    with pytest.raises(VerificationError, match=r"^board has configuration CRC 0x\w{8}, not 0x\w{8}; load it again$"):
        loader.load(device, image)


def test_a_register_that_does_not_hold_is_found_on_reading_back():
    _, device = make(forget=Reg.ORDER_SIZE)
    image = loader.build(config.parse(GOOD))
    loader.load(device, image)
    message = r"^board: register 0x0103 holds 0x00000000, not 0x000003e8; load again$"
    with pytest.raises(VerificationError, match=message):
        loader.verify(device, image)


def test_an_armed_board_takes_no_limits():
    board, device = make()
    image = loader.build(config.parse(GOOD))
    loader.load(device, image)
    device.arm(image.crc)
    with pytest.raises(HostError, match=r"^board: lanes are open \(killed 0x00\); limits load after `breakwire kill`$"):
        loader.load(device, image)
    assert board.crc == image.crc

"""host.readback: what a board holds, compared with a limits file and told in the file's words."""

import pytest

from hdl.wire.registers import Reg
from host import config, directory, loader, readback
from host.device import Device
from host.readback import Difference
from tests.fake_board import FakeBoard, FakeLink
from tests.test_host_config import GOOD

IMAGE = loader.build(config.parse(GOOD))


def differences(board, image=IMAGE):
    return readback.differences(image, readback.read(Device(FakeLink(board)), image))


@pytest.fixture
def board():
    board = FakeBoard()
    loader.load(Device(FakeLink(board)), IMAGE)
    return board


def test_a_board_that_was_loaded_holds_the_file(board):
    assert differences(board) == []


def test_every_register_that_a_file_sets_has_a_name():
    """One that is new in host.loader needs a line in `PARTS`."""
    named = {register for part in readback.PARTS for register in part.registers}
    assert {address for address, _ in IMAGE.words()} - named == set()


@pytest.mark.parametrize(
    ("register", "value", "what", "held", "file"),
    [
        (0x101, 0b11, "what passes without a lane", "ARP and ICMP", "nothing"),
        (0x102, 0b101, "lanes in use", "lanes 1, 3", "lanes 1, 2"),
        (0x103, 2000, "largest order", "2,000 shares", "1,000 shares"),
        (0x104, 125, "watchdog time", "0.001 ms", "500 ms"),
        (0x111, 0b0111, "lane 2 protocol and action", "tcp, OUCH 4.2, fence, numbers rise",
         "udp, OUCH 5.0, neutralise, numbers rise"),
        (0x111, 0b1_0000, "lane 2 protocol and action", "udp, OUCH 5.0, neutralise, numbers in any order",
         "udp, OUCH 5.0, neutralise, numbers rise"),
        (0x111, 0b10_0001, "lane 2 protocol and action", "tcp, OUCH 5.0, neutralise, numbers rise, evidence",
         "udp, OUCH 5.0, neutralise, numbers rise"),
        (0x124, 0x0102_6400, "lane 2 addresses", "10.1.0.2:26002 to 10.9.0.1:9001 in vlan 100/513",
         "10.1.0.2:26002 to 10.9.0.1:9001 in vlan 100"),
        (0x142, 20_000_000_001 & 0xFFFFFFFF, "lane 2 gross limit", "$2,000,000.0001", "$2,000,000.00"),
        (0x144, 10_000, "lane 3 gross limit", "$1.00", "$0.00"),
        (0x151, 0, "firm gross limit", "$275,536.2244", "$5,000,000.25"),
        (0x800, 7, "symbol AAA long limit", "7 shares", "100 shares"),
        (0x803, 1, "symbol AAA short limit", "4,294,967,496 shares", "200 shares"),
        (0x806, 1, "symbol B.C short limit", "1 shares", "0 shares"),
        (0x80C, 1, "symbol number 3 long limit", "1 shares", "0 shares"),
        (0x4003, 3 | 1 << 9 | 26 << 10, "parent 001", "Z, to sell 0 shares of symbol number 3", "nothing"),
    ],
)  # fmt: skip
def test_one_word_that_differs_is_named(board, register, value, what, held, file):
    board.memory[register] = value
    (found,) = differences(board)
    assert (found.what, found.board, found.file) == (what, held, file)
    assert register - 3 <= found.register <= register


def test_a_difference_that_words_do_not_show_is_told_in_hex(board):
    """Bit 7 of a lane's mode means nothing."""
    board.memory[0x110] = 0b1000_0000
    assert differences(board) == [Difference("lane 1 protocol and action", 0x110, "0x00000080", "0x00000000")]


def test_a_slot_of_the_directory(board):
    """The board has another symbol under the file's number: told before any limit of a symbol is."""
    slot = next(at for at in range(Reg.DIRECTORY, 0x2000, 4) if board.memory[at] == int.from_bytes(b"AAA ", "big"))
    board.memory[slot] = int.from_bytes(b"XYZ ", "big")
    board.memory[Reg.EXPOSURE_LIMIT] = 7
    number = (slot - Reg.DIRECTORY) // 4
    assert differences(board) == [
        Difference(f"directory slot {number}", slot, "XYZ as number 0", "AAA as number 0"),
        Difference("symbol AAA long limit", 0x800, "7 shares", "100 shares"),
    ]


def test_terms_in_the_words_of_a_file():
    """Lane 2 has no build on the board, and a wrong rate; the first symbol may be sold short there, to $2 only."""
    keys = 'build = "RLP1"\nrate_per_s = 125\nburst = 3\nvlan = 100'
    good = GOOD.replace("vlan = 100", keys).replace("short = 200", "short = 200, low = 0.5, high = 1_000")
    image = loader.build(config.parse(good))
    board = dict(image.held) | {int(Reg.CONFIG_CRC): image.crc, Reg.BUILD_TAG + 1: 0, Reg.RATE_DEPTH + 1: 5}
    board |= {Reg.SYMBOL_TERMS: 5_000, Reg.SYMBOL_TERMS + 1: 20_000 | 1 << 31, int(Reg.ORDER_VALUE): 15_000}
    board |= {int(Reg.TRIPS): 2, Reg.TRIPS + 1: 0}
    assert readback.differences(image, board) == [
        Difference("largest order value", 0x10A, "$1.50", "$0.00"),
        Difference(
            "what a failed check brings about", 0x10C, "tag lane", "position symbol, lane_gross lane, firm_gross firm"
        ),
        Difference("lane 2 build", 0x161, "none", "'RLP1'"),
        Difference("lane 2 cycles of a burst", 0x179, "5", "2,000,000"),
        Difference("symbol AAA terms", 0x400, "$0.50 to $2.00, restricted, short sales", "$0.50 to $1,000.00"),
    ]


def test_symbols_of_slots():
    """By hand from the register map: octets, valid and number; a slot that is not valid holds nothing."""
    slots = (0x4141504C, 0x20202020, 0x8000_0005, 0, 0x4D534654, 0x20202020, 0x0000_0006, 0)
    assert directory.symbols(slots) == {5: "AAPL"}


def test_an_unconfigured_board_differs_in_all_that_is_not_0():
    """Of GOOD: lanes, size, watchdog, trips, 2 addresses, 3 gross limits, key, 2 slots, 2 terms, 3 symbol limits."""
    found = differences(FakeBoard())
    assert len(found) == 1 + 1 + 1 + 1 + 2 + 3 + 1 + 2 + 2 + 3
    assert found[0] == Difference("lanes in use", 0x102, "no lane", "lanes 1, 2")


def test_a_register_of_no_part_is_compared_too(board):
    image = loader.Image(IMAGE.limits, IMAGE.directory, (*IMAGE.runs, (0x180, (5,))))
    board.crc = image.crc
    assert differences(board, image) == [Difference("a setting", 0x180, "0x00000000", "0x00000005")]


def test_the_same_words_under_another_crc_cannot_be_armed(board):
    board.crc = 0x1234
    assert differences(board) == [
        Difference("CRC-32 of what was written", 0x12, "0x00001234", f"0x{IMAGE.crc:08x}"),
    ]

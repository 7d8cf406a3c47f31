"""host.device: what an operator says to a board, in octets and back."""

import struct

import pytest

from hdl.wire import control
from hdl.wire.control import Op
from hdl.wire.event import Contradiction, Kind, Loss
from hdl.wire.registers import Reg
from hdl.wire.verdict import Reason, Refusal, Source
from host import cobs
from host.device import ArmRefused, Device, Event, Passage, name_lanes
from host.errors import HostError, LinkError, NoBoard
from tests.fake_board import FakeBoard, FakeLink


def make(**faults):
    board = FakeBoard(**faults)
    return board, Device(FakeLink(board))


class Script:
    """A link that answers what it is given, and keeps what it was sent."""

    def __init__(self, *replies):
        self.replies, self.sent = list(replies), []

    def exchange(self, frame):
        self.sent.append(cobs.decode(frame.strip(b"\0")))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def reply(text):
    """Return the frame of a reply given in hex."""
    return cobs.encode(bytes.fromhex(text)).strip(b"\0")


def test_a_read_in_octets():
    """Worked out by hand from the table in hdl.wire.control: version, sequence, op, status, address, one word."""
    link = Script(reply("01 01 81 00 10000000 78563412"))
    assert Device(link).read(0x10) == (0x12345678,)
    assert link.sent == [bytes.fromhex("01 01 01 00 10000000 01000000")]


def test_a_kill_in_octets():
    link = Script(reply("01 01 83 00 00000000 81000000"))
    assert Device(link).kill(0x81) == 0x81
    assert link.sent == [bytes.fromhex("01 01 03 00 00000000 81000000")]


def test_a_lost_kill_is_repeated_and_a_lost_write_is_not():
    """A configuration write that took effect twice would be counted twice in the CRC."""
    link = Script(LinkError("lost"), LinkError("lost"), reply("01 01 83 00 00000000 ff000000"))
    assert Device(link).kill() == 0xFF
    assert len(link.sent) == 3 and len(set(link.sent)) == 1
    link = Script(LinkError("lost"))
    with pytest.raises(LinkError):
        Device(link).write(0x101, [1])
    assert len(link.sent) == 1


def test_long_runs_are_split_into_the_largest_requests():
    board, device = make()
    device.write(Reg.DIRECTORY, range(150))
    assert device.read(Reg.DIRECTORY, 150) == tuple(range(150))
    assert board.requests == [Op.WRITE] * 3 + [Op.READ] * 3
    assert control.MOST_WORDS == 64


def test_an_answer_to_another_request_is_refused():
    link = Script(*[reply("01 07 81 00 10000000 00000000")] * 3)
    with pytest.raises(
        LinkError, match=r"^board answered another request; does another program use its control port\?$"
    ):
        Device(link).read(0x10)


def test_a_board_of_another_version_is_refused():
    message = r"^board has map 0x00000bad, this host 0x[0-9a-f]{8}; load the bitstream of this version$"
    with pytest.raises(NoBoard, match=message) as caught:
        make(map_hash=0xBAD)[1].check()
    assert caught.value.exit_code == 3


def test_something_else_on_the_port_is_refused():
    link = Script(reply("01 01 81 00 00000000 11111111 22222222"))
    with pytest.raises(NoBoard, match=r"^board says 0x11111111 where a breakwire says 0x31525742; wrong port\?$"):
        Device(link).check()


def arm(device):
    device.write(Reg.CONFIG_BEGIN, [1])
    device.write(Reg.WATCHDOG, [10**9])
    device.arm(device.state().config_crc)


def test_arming_opens_every_lane_and_a_kill_closes_some():
    board, device = make()
    arm(device)
    assert board.requests[-3:] == [Op.HEARTBEAT, Op.NONCE, Op.ARM]
    assert device.killed() == 0
    assert device.kill(0b101) == 0b101
    assert device.state().killed == 0b101 and device.captures().kill_sources == (Source.SERIAL,)
    assert device.captures().kill_lanes == 0b101


def test_a_refused_arm_says_why():
    board, device = make()
    board.closed = False
    with pytest.raises(ArmRefused, match=r"^arm refused \(LOOP_OPEN\): the loop is open; close it first$") as caught:
        arm(device)
    assert (caught.value.refusal, caught.value.exit_code) == (Refusal.LOOP_OPEN, 1)


def test_an_arm_with_another_configuration_is_a_failed_verification():
    _, device = make()
    device.write(Reg.WATCHDOG, [10**9])
    with pytest.raises(ArmRefused, match=r"^arm refused \(CONFIG\): the board holds another configuration; ") as caught:
        device.arm(0x1234)
    assert caught.value.exit_code == 4


def test_configuration_of_an_armed_board_is_locked():
    _, device = make()
    arm(device)
    message = r"^board: configuration is locked while a lane is open; `breakwire kill` first$"
    with pytest.raises(HostError, match=message):
        device.write(Reg.POLICY, [3])


def test_events_are_read_in_pages_and_none_twice():
    board, device = make()
    for number in range(20):
        board.event(Kind.DROP, lane=7, reason=Reason.KILLED, count=1, user_ref=number)
    found = device.events(0)
    assert [event.user_ref for event in found] == list(range(20))
    assert [event.sequence for event in found] == list(range(20))
    assert [event.sequence for event in device.events(5, 9)] == list(range(5, 14))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": Kind.KILL, "reason": Source.BREACH, "user_ref": 0x80}, "killed lane 8 by breach"),
        ({"kind": Kind.KILL, "reason": Source.LOOP, "user_ref": 0xFF}, "killed all lanes by loop"),
        ({"kind": Kind.KILL, "reason": Source.EVIDENCE, "user_ref": 0xFF}, "killed all lanes by evidence"),
        ({"kind": Kind.CLEAR}, "net, exposure, gross notional and parents cleared, open orders forgotten"),
        ({"kind": Kind.GAP, "user_ref": 12}, "12 events lost: the log was full"),
        ({"kind": Kind.ARM, "user_ref": 3}, "armed lanes 1, 2"),
        ({"kind": Kind.ARM_REFUSED, "reason": Refusal.NONCE}, "arm refused: NONCE"),
        (
            {"kind": Kind.DROP, "lane": 2, "reason": Reason.LANE_GROSS, "count": 3, "user_ref": 9},
            "lane 3: dropped, lane gross, 3 orders, UserRefNum 9",
        ),
        (
            {"kind": Kind.NEUTRALISE, "lane": 3, "reason": Reason.FULL, "count": 1, "user_ref": 7},
            "lane 4: neutralised, full, UserRefNum 7",
        ),
        (
            {
                "kind": Kind.CONTRADICTION,
                "lane": 1,
                "reason": Contradiction.OUT_OF_TURN,
                "user_ref": 9,
                "quantity": 1500,
            },
            "lane 2: a report contradicts the open orders, OUT_OF_TURN, UserRefNum 9, 1,500 shares",
        ),
        ({"kind": Kind.ABORT, "lane": 0}, "lane 1: aborted on the egress"),
        (
            {"kind": Kind.EVIDENCE_LOST, "lane": 4, "reason": Loss.SKIPPED},
            "lane 5: what the exchange reports is lost, SKIPPED",
        ),
        ({"kind": Kind.BLOCK, "lane": 0, "symbol": 5}, "symbol 5 blocked by lane 1"),
    ],
)
def test_events_in_words(fields, words):
    names = ("sequence", "kind", "lane", "reason", "count", "at", "user_ref", "symbol", "quantity", "price")
    assert Event(**dict.fromkeys(names, 0) | fields).describe() == words


@pytest.mark.parametrize(
    ("dwell", "gap", "cycles"),
    [(5, 65535, 4), (5, 13, 4), (90, 13, 4), (6, 500, 5), (90, 14, 5)],
    ids=["alone", "both", "queued", "late alone", "late behind another"],
)
def test_t_pass_leaves_out_the_wait_that_the_reference_grants(dwell, gap, cycles):
    """P7: a frame starts at max(its own end + 5, its predecessor's end + 13)."""
    assert Passage(start=1000, dwell=dwell, octets=96, gap=gap).t_pass == cycles


def test_capture_registers_in_words():
    """64-bit values: low word first. 0x20 KILL_AT, 0x24 AFTER_END, 0x2C BREACH_AT (hdl.wire.registers)."""
    words = struct.pack("<7I", 0x10, 0x1, 0x8010, 2, 0x13, 0x1, 5).hex()
    breach = struct.pack("<3I", 0x10, 0x1, 0x0006).hex()
    link = Script(reply("01 01 81 00 20000000" + words), reply("01 02 81 00 2c000000" + breach))
    captures = Device(link).captures()
    assert (captures.kill_at, captures.kill_sources, captures.kill_lanes) == (0x1_0000_0010, (Source.BREACH,), 0x80)
    assert (captures.after_orders, captures.after_end, captures.aborts) == (2, 0x1_0000_0013, 5)
    assert (captures.t_effective, captures.breach_after) == (3, 6)


def test_positions_are_signed():
    """NET from 0x2400 on, two words a symbol, low word first, two's complement: the sixth is 3 shares short."""
    link = Script(reply("01 01 81 00 0a240000" + "fdffffff ffffffff" + "02000000 01000000"))
    assert Device(link).net(5, 2) == [-3, 0x1_0000_0002]
    assert link.sent == [bytes.fromhex("01 01 01 00 0a240000 04000000")]


@pytest.mark.parametrize(("mask", "words"), [(0, "no lane"), (1, "lane 1"), (0x90, "lanes 5, 8"), (0xFF, "all lanes")])
def test_lanes_are_counted_from_one(mask, words):
    assert name_lanes(mask) == words

"""host.cobs and host.link: frames of the control link, to a port and back."""

import os
import random
import threading
import tty

import cobs.cobs
import pytest

from host import cobs as frames
from host.errors import LinkError, NoBoard
from host.link import SerialLink


def test_a_frame_in_octets():
    """By hand: 13 octets without a zero make one block, code 0x0E; CRC-32's check value is 0xCBF43926."""
    assert frames.encode(b"123456789") == bytes.fromhex("00 0e 313233343536373839 2639f4cb 00")


def test_encoding_agrees_with_another_implementation():
    draw = random.Random(1)
    for size in [0, 1, 249, 250, 251, 252, 253, 254, 255, 504, 505, 600] * 5:
        body = bytes(draw.choice((0, 0, draw.randrange(256))) if draw.random() < 0.3 else 7 for _ in range(size))
        frame = frames.encode(body)
        assert frame[0] == frame[-1] == 0 and 0 not in frame[1:-1]
        assert cobs.cobs.decode(frame[1:-1])[:-4] == body
        assert frames.decode(frame[1:-1]) == body


@pytest.mark.parametrize("broken", ["05 01", "01 00 01", "", "02 01", "06 02 f2 f7 0b 6e"])
def test_what_is_no_frame_decodes_to_none(broken):
    assert frames.decode(bytes.fromhex(broken)) is None


def test_every_flipped_bit_is_found():
    frame = frames.encode(bytes(range(20)))[1:-1]
    for at in range(len(frame) * 8):
        octets = bytearray(frame)
        octets[at // 8] ^= 1 << at % 8
        assert frames.decode(bytes(octets)) is None


@pytest.fixture
def port():
    """A pty: its path and the other end."""
    other, own = os.openpty()
    tty.setraw(own)
    yield os.ttyname(own), other
    os.close(other)
    os.close(own)


def test_a_reply_arrives_however_it_is_cut(port):
    path, other = port

    def answer():
        assert os.read(other, 100) == b"\0ask\0"
        for piece in (b"\0\0ans", b"wer", b"\0next\0"):
            os.write(other, piece)

    with SerialLink(path, timeout_s=10) as link:
        thread = threading.Thread(target=answer)
        thread.start()
        assert link.exchange(b"\0ask\0") == b"answer"
        thread.join()


def test_silence_is_one_line(port):
    with (
        SerialLink(port[0], timeout_s=0.01) as link,
        pytest.raises(
            LinkError, match=r"^\S+ answered 0 octets and no frame within 0.01 s; is the bitstream loaded\?$"
        ),
    ):
        link.exchange(b"\0ask\0")


def test_a_port_that_is_not_there_is_one_line():
    message = r"^control port /dev/nonesuch cannot be opened: No such file or directory; is the board plugged in\?$"
    with pytest.raises(NoBoard, match=message):
        SerialLink("/dev/nonesuch")


def test_a_port_that_goes_away_is_one_line():
    other, own = os.openpty()
    with SerialLink(os.ttyname(own), timeout_s=10) as link:
        os.close(own)
        os.close(other)
        with pytest.raises(LinkError, match=r"^\S+ is gone: Input/output error; is the board still plugged in\?$"):
            link.exchange(b"\0ask\0")

"""Speaks the control link to an engine: for benches and fuzzing, where no process and no pty is wanted.

Shares `hdl.wire` with the gateware and nothing with the host, whose own end of the link it is a witness for.
"""

import zlib

from hdl.wire.control import CRC, HEADER, MOST_WORDS, REPLY, VERSION, WORD, Op, Status
from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES
from sim.engine import Engine

FOREVER = (1 << 64) - 1


class ConsoleError(RuntimeError):
    """The core did not answer, or refused."""


class Console:
    """The control link of an `Engine`. What left the packet sides while it spoke is in `outputs`, in order."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.outputs = []
        self._sequence = 0

    def request(self, op: int, address: int = 0, words=()) -> tuple[int, list[int]]:
        """Return the status and the words of the reply. Time moves by as much as it takes."""
        self._sequence = self._sequence + 1 & 0xFF
        header = {"version": VERSION, "sequence": self._sequence, "op": op, "status": 0, "address": address}
        body = HEADER.pack(**header) + b"".join(WORD.pack(value=word) for word in words)
        octets = b"\0" + stuff(body + CRC.pack(crc=zlib.crc32(body))) + b"\0"
        output = self.engine.run(FOREVER, control=[(self.engine.now, octets)], settle=True)
        self.outputs.append(output)
        replies = [unstuff(part) for part in output.control_octets.split(b"\0") if part]
        if len(replies) != 1:
            raise ConsoleError(f"{len(replies)} replies to one request (op {op}, address {address:#x})")
        (reply,) = replies
        body, crc = reply[: -CRC.size], reply[-CRC.size :]
        fields = HEADER.unpack(body)
        if crc != CRC.pack(crc=zlib.crc32(body)) or fields != header | {"op": op | REPLY, "status": fields["status"]}:
            raise ConsoleError(f"a reply of another request, or a wrong one: {reply.hex(' ')}")
        return fields["status"], [WORD.unpack(body, at)["value"] for at in range(HEADER.size, len(body), WORD.size)]

    def ask(self, op: int, address: int = 0, words=()) -> list[int]:
        """Return the words of the reply. Raises `ConsoleError` unless its status is OK."""
        status, answer = self.request(op, address, words)
        if status != Status.OK:
            raise ConsoleError(f"status {status} (op {op}, address {address:#x})")
        return answer

    def read(self, address: int, count: int = 1) -> list[int]:
        """Return `count` words from `address` on."""
        words = []
        for at in range(address, address + count, MOST_WORDS):
            words += self.ask(Op.READ, at, [min(MOST_WORDS, address + count - at)])
        return words

    def read64(self, address: int) -> int:
        """Return the 64-bit value at `address`."""
        low, high = self.read(address, 2)
        return low | high << 32

    def write(self, address: int, words) -> None:
        """Write `words` from `address` on."""
        for at in range(0, len(words), MOST_WORDS):
            self.ask(Op.WRITE, address + at, words[at : at + MOST_WORDS])

    def arm(self, lanes: int = (1 << LANES) - 1) -> int:
        """Arm `lanes`, confirming whatever configuration the core holds; return the lanes killed now."""
        self.ask(Op.HEARTBEAT)
        (nonce,) = self.ask(Op.NONCE)
        (crc,) = self.read(Reg.CONFIG_CRC)
        return self.ask(Op.ARM, 0, [nonce, lanes, crc])[0]


def stuff(octets: bytes) -> bytes:
    """Return `octets` in COBS (Cheshire and Baker 1999), without delimiters."""
    out = bytearray()
    for part in octets.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out)


def unstuff(octets: bytes) -> bytes:
    """Return what `stuff` was given. Raises `ConsoleError` for what is not COBS."""
    out, at = bytearray(), 0
    while at < len(octets):
        code = octets[at]
        if not code or at + code > len(octets):
            raise ConsoleError(f"not COBS: {octets.hex(' ')}")
        out += octets[at + 1 : at + code]
        at += code
        if code < 255 and at < len(octets):
            out.append(0)
    return bytes(out)

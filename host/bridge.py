"""The bridge: carries frames between two TAP devices and the packet socket of a virtual board on the wall clock.

What the kernel sends gets its padding and FCS here, as from a network card; what the board sends with an error or a
wrong FCS is counted and goes no further, as in one. A frame goes into the board as soon as its line is free, so a board
that is slower than the wall delays frames and loses none.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from hdl.wire import board, ethernet
from hdl.wire.board import Kind, Side
from host import frames
from host.errors import LinkError

FCS = ethernet.FCS_OCTETS
MOST_OCTETS = 1 << 16  # of one read

Watch = Callable[[Side, bool, bytes], None]


@dataclass
class Traffic:
    """Frames of one side: into the board, out of it, and of these the spoilt and the lost, which no kernel sees."""

    into: int = 0
    out: int = 0
    spoilt: int = 0
    lost: int = 0


class Bridge:
    """Runs in the event loop from `open` to `close`.

    What the board sends to a side in the set `broken` is lost behind it, as on a bad cable.

    Parameters
    ----------
    taps : mapping of Side to int
        Descriptors of TAP devices (host.namespace), which stay their owner's.
    watch : callable, optional
        Called with side, whether the frame goes into the board, and the frame with FCS.
    """

    def __init__(self, taps: Mapping[Side, int], watch: Watch | None = None):
        self.traffic = {side: Traffic() for side in taps}
        self.core_sha256 = ""
        self.broken: set[Side] = set()
        self._taps = dict(taps)
        self._watch = watch
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, path: str) -> Self:
        """Connect to the packet socket of a board and begin. Raises LinkError."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise LinkError(f"the board's packet socket {path} is not there: {error.strerror}") from None
        greeted = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._receive(reader, greeted))
        self.core_sha256 = await greeted
        for side, tap in self._taps.items():
            asyncio.get_running_loop().add_reader(tap, self._send, side, tap)
        return self

    @property
    def failure(self) -> BaseException | None:
        """What ended the bridge before `close`, if something did."""
        if not self._task or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def _send(self, side: Side, tap: int) -> None:
        """Give the board a frame of the kernel's."""
        assert self._writer
        with contextlib.suppress(BlockingIOError):
            frame = frames.close_frame(os.read(tap, MOST_OCTETS))
            self.traffic[side].into += 1
            if self._watch:
                self._watch(side, True, frame)
            self._writer.write(board.encode(Kind.FRAME, side, payload=frame))

    async def _receive(self, reader: asyncio.StreamReader, greeted: "asyncio.Future[str]") -> None:
        """Give the kernel what the board sends. Raises LinkError when the board goes."""
        received = bytearray()
        try:
            while octets := await reader.read(MOST_OCTETS):
                received += octets
                for record in board.decode(received):
                    if record.kind == Kind.HELLO:
                        greeted.set_result(str(json.loads(record.payload)["core_sha256"]))
                    elif record.kind == Kind.FRAME:
                        self._take(Side(record.side), record)
                    elif record.kind == Kind.ERROR:
                        raise LinkError(f"the virtual board stopped: {record.payload.decode(errors='replace')}")
            raise LinkError("the virtual board is gone")
        except (LinkError, OSError, ValueError) as error:
            if greeted.done():
                raise
            greeted.set_exception(error)

    def _take(self, side: Side, record: board.Record) -> None:
        frame = record.payload
        self.traffic[side].out += 1
        if self._watch:
            self._watch(side, False, frame)
        if record.flags & board.ERROR_FLAG or not frames.has_good_fcs(frame):
            self.traffic[side].spoilt += 1
        elif side in self.broken:
            self.traffic[side].lost += 1
        else:
            os.write(self._taps[side], frame[:-FCS])

    async def close(self) -> None:
        for tap in self._taps.values():
            asyncio.get_running_loop().remove_reader(tap)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._writer:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

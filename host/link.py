"""Links carry frames of the control link to a board and back."""

import contextlib
import errno
import os
import termios
import time
from typing import Protocol, Self

import serial

from host.errors import LinkError, NoBoard

BAUD = 3_000_000


class Link(Protocol):
    """A way to a board's control port."""

    def exchange(self, frame: bytes) -> bytes:
        """Send `frame` (`host.cobs.encode`) and return the next frame that comes, without its zero octets.

        Raises LinkError when none comes in time.
        """


class SerialLink:
    """A board's control port behind a serial port or a pty.

    Parameters
    ----------
    port : str
        Device file.
    timeout_s : float
        How long a reply may take, in wall time.
    """

    def __init__(self, port: str, *, baud: int = BAUD, timeout_s: float = 2.0):
        self.timeout_s = timeout_s
        try:
            self._serial = serial.Serial(port, baud, timeout=timeout_s, write_timeout=timeout_s, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise NoBoard(f"control port {port} cannot be opened: {_why(error)}; is the board plugged in?") from None
        # USB adapters hold octets back up to 16 ms; a pty and some drivers know no such mode.
        with contextlib.suppress(ValueError, OSError, NotImplementedError):
            self._serial.set_low_latency_mode(True)

    @property
    def port(self) -> str:
        return str(self._serial.port)

    def exchange(self, frame: bytes) -> bytes:
        try:
            self._serial.reset_input_buffer()  # what an abandoned request left behind
            self._serial.write(frame)
            return self._receive()
        except serial.SerialTimeoutException:
            raise LinkError(f"{self.port} took no octets for {self.timeout_s:g} s; is the board running?") from None
        except (serial.SerialException, OSError, termios.error) as error:
            raise LinkError(f"{self.port} is gone: {_why(error)}; is the board still plugged in?") from None

    def _receive(self) -> bytes:
        octets = bytearray()
        deadline = time.monotonic() + self.timeout_s
        while True:
            octets = octets.lstrip(b"\0")
            end = octets.find(0)
            if end > 0:
                return bytes(octets[:end])
            if time.monotonic() > deadline:
                raise LinkError(
                    f"{self.port} answered {len(octets)} octets and no frame within {self.timeout_s:g} s; "
                    "is the bitstream loaded?"
                )
            octets += self._serial.read(max(1, self._serial.in_waiting))

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _why(error: BaseException) -> str:
    number = error.args[0] if error.args else None
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number)
    return str(error).splitlines()[0] if str(error) else type(error).__name__

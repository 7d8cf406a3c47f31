"""Network namespaces with TAP devices, for real sockets on a virtual board. Linux, and root in its user namespace.

A namespace here has no name: it goes with the last descriptor and socket in it, so nothing is left behind however the
process ends.
"""

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import Self

from host.errors import HostError

CLONE_NEWNET = 0x40000000  # sched.h
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFHWADDR, SIOCSARP = 0x8914, 0x8916, 0x891C, 0x8924, 0x8955
IFF_UP, ARPHRD_ETHER, ATF_COM, ATF_PERM = 0x1, 1, 0x02, 0x04
HERE = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def lacking() -> str | None:
    """Return in one line why this process can have no namespace with a TAP device, or None."""
    try:
        with Namespace() as namespace:
            os.close(namespace.tap("probe"))
    except HostError as error:
        return str(error)
    return None


class Namespace:
    """A new network namespace, its loopback down. Raises HostError where the kernel allows none."""

    def __init__(self) -> None:
        home = os.open(HERE, os.O_RDONLY)
        try:
            if _libc.unshare(CLONE_NEWNET):
                raise HostError(f"no network namespace: {os.strerror(ctypes.get_errno())}; run as root")
            self._descriptor = os.open(HERE, os.O_RDONLY)
            _enter(home)
        finally:
            os.close(home)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Make sockets and devices of the calling thread this namespace's; they stay so afterwards."""
        home = os.open(HERE, os.O_RDONLY)
        try:
            _enter(self._descriptor)
            yield
        finally:
            _enter(home)
            os.close(home)

    def tap(self, name: str, *, mac: str = "02:00:00:00:00:01", addresses: list[str] | None = None) -> int:
        """Return the descriptor of a new TAP device, up, with addresses such as ``10.1.0.1/8``.

        Reads and writes of the descriptor are single Ethernet frames without FCS; they do not block. The device offers
        no offloads, so the kernel computes and verifies every checksum. It goes when the descriptor is closed.
        """
        with self.inside(), _naming(f"TAP device {name}"):
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                    octets = bytes.fromhex(mac.replace(":", ""))
                    hardware = struct.pack("16sH6s16x", name.encode(), ARPHRD_ETHER, octets)
                    fcntl.ioctl(control, SIOCSIFHWADDR, hardware)
                    with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as off:
                        off.write("1")
                    for number, address in enumerate(addresses or []):
                        interface = ipaddress.IPv4Interface(address)
                        label = f"{name}:{number}" if number else name
                        fcntl.ioctl(control, SIOCSIFADDR, _request(label, interface.ip))
                        fcntl.ioctl(control, SIOCSIFNETMASK, _request(label, interface.netmask))
                    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP))
            except BaseException:
                os.close(device)
                raise
        return device

    def neighbour(self, name: str, address: str, mac: str) -> None:
        """Set a permanent ARP entry on a device."""
        octets = bytes.fromhex(mac.replace(":", ""))
        request = struct.pack(
            "16s H6s8x i16x 16s", _address(ipaddress.IPv4Address(address)), ARPHRD_ETHER, octets, ATF_COM | ATF_PERM,
            name.encode(),
        )  # fmt: skip
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCSARP, request)

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Return a new IPv4 socket in this namespace."""
        with self.inside():
            return socket.socket(socket.AF_INET, kind)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")  # nothing of ours can run on in the wrong namespace


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    """Turn the kernel's refusal into one line."""
    try:
        yield
    except OSError as error:
        raise HostError(f"no {what}: {error.strerror}; it takes root and /dev/net/tun") from None


def _address(address: ipaddress.IPv4Address) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, address.packed)


def _request(name: str, address: ipaddress.IPv4Address) -> bytes:
    return struct.pack("16s16s8x", name.encode(), _address(address))

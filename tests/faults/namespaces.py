"""Hosts on one machine: network namespaces, each with one Ethernet interface of its own.

A namespace has no name: it lives as long as a file descriptor of this process or a process inside
keeps it, and its interface (a tap device) as long as this process does. So nothing is left behind,
not even by ``kill -9``, and two runs at once don't meet.

Linux' ``netem`` queue is missing in many kernels; the wire between the hosts (:mod:`.wire`) is ours
therefore, and what it carries is Ethernet as the kernel made it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

CLONE_NEWNET: Final = 0x40000000  # <linux/sched.h>
TUNSETIFF: Final = 0x400454CA  # <linux/if_tun.h>
IFF_TAP_NO_PI: Final = 0x0002 | 0x1000
INTERFACE: Final = "wire"
PREFIX_BITS: Final = 24
PROGRAMS: Final = ("ip", "nsenter", "setpriv")

T = TypeVar("T")


def why_not() -> str | None:
    """Why no host can be made here; None: they can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"hosts need the programs {', '.join(missing)} (iproute2, util-linux)"
    try:
        Host(254).close()
    except OSError as error:
        return f"hosts need network namespaces and tap devices, so root on Linux: {error}"
    return None


class Host:
    """A network namespace with a loopback interface and a tap device.

    :param number: 1 to 254: the last byte of its address, ``10.77.0.number``.
    :raises OSError: if this process may not make one.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.hardware = bytes((2, 0, 0, 0, 0, number))
        """Its Ethernet address."""
        self.address = _address(number)
        self.namespace = -1
        self.tap = -1
        _thread(self._make)

    def _make(self) -> None:
        # This thread alone moves into the new namespace, and ends there.
        _must(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET))
        try:
            self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            request = struct.pack("16sH", INTERFACE.encode(), IFF_TAP_NO_PI)
            fcntl.ioctl(self.tap, TUNSETIFF, request)
            # Link-local addresses take a second to be usable, and would be one more path.
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1", encoding="ascii")
            self._ip("link", "set", "lo", "up")
            self._ip("link", "set", INTERFACE, "address", self.hardware.hex(":"))
            self._ip("link", "set", INTERFACE, "up")
            self._ip("address", "add", f"{self.address}/{PREFIX_BITS}", "dev", INTERFACE)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    def within(self, work: Callable[[], T]) -> T:
        """Do something in the namespace, in a thread of its own."""

        def enter() -> T:
            _must(ctypes.CDLL(None, use_errno=True).setns(self.namespace, CLONE_NEWNET))
            return work()

        return _thread(enter)

    def listener(self) -> socket.socket:
        """A TCP socket that listens on the namespace's loopback interface.

        Whoever holds it accepts connections from inside: the one way out that is no network path.
        """
        return self.within(lambda: socket.create_server(("127.0.0.1", 0)))

    def command(self, *arguments: str) -> list[str]:
        """The command that runs a program inside; it is killed when its parent dies."""
        entry = f"--net=/proc/{os.getpid()}/fd/{self.namespace}"
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", entry, "--", *arguments]

    def plug(self, up: bool) -> None:
        """Pull the cable out, or put it in again: programs can see this one."""
        self.within(lambda: self._ip("link", "set", INTERFACE, "up" if up else "down"))

    def move(self, number: int) -> None:
        """Get another address, as after a change of network: the one before is gone."""
        before, self.address = self.address, _address(number)

        def work() -> None:
            self._ip("address", "del", f"{before}/{PREFIX_BITS}", "dev", INTERFACE)
            self._ip("address", "add", f"{self.address}/{PREFIX_BITS}", "dev", INTERFACE)

        self.within(work)

    def close(self) -> None:
        """Let go of it: when the processes inside have ended it is gone."""
        for name in ("tap", "namespace"):
            descriptor: int = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)


def _address(number: int) -> str:
    return f"10.77.0.{number}"


def _must(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _thread(work: Callable[[], T]) -> T:
    """Run in a new thread, which may change its namespace, and wait for it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]

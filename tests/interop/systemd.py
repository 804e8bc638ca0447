"""A stand-in for systemd: it hands sockets over, and takes what a service tells it, its listening sockets included."""

import array
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.interop.front import RUN, Table
from tests.interop.waiting import until

# As systemd does between fork and exec: the descriptors from 3 on, and the process's own id.
_EXEC = """\
import fcntl, os, sys
wanted, names, command = sys.argv[1], sys.argv[2], sys.argv[3:]
moved = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 100) for one in filter(None, wanted.split(","))]
for target, descriptor in enumerate(moved, 3):
    os.dup2(descriptor, target)
    os.close(descriptor)
if moved:
    os.environ |= {"LISTEN_FDS": str(len(moved)), "LISTEN_FDNAMES": names}
    os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execvp(command[0], command)
"""

_MAX_BYTES = 65536
_MARK = "X_MARK=1"  # our own: messages before it have been received when it is


class Systemd:
    """One unit's manager; leaving the `with` block closes what it has stored."""

    def __init__(self, folder: Path, *, is_abstract: bool = False) -> None:
        path = str(folder / "notify.sock")
        self._name = f"@{path}" if is_abstract else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path}" if is_abstract else path)
        self.messages: list[list[str]] = []
        """The messages, each as its lines."""
        self.store: dict[str, int] = {}
        """The descriptors in the store, by their names."""
        self._units: list[tuple[str, socket.socket]] = []
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def listen(self, name: str, sock: socket.socket) -> None:
        """Have a socket unit with this FileDescriptorName, for this bound socket."""
        sock.listen()
        self._units.append((name, sock))

    def options(self, watchdog: float | None = None, command: Sequence[str | Path] = RUN) -> dict[str, Any]:
        """What starts a front as the unit's service."""
        handed = [(name, sock.fileno()) for name, sock in self._units] + list(self.store.items())
        numbers = ",".join(str(descriptor) for _, descriptor in handed)
        names = ":".join(name for name, _ in handed)
        environment = {"NOTIFY_SOCKET": self._name}
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
        return {
            "command": (sys.executable, "-c", _EXEC, numbers, names, *command),
            "environment": environment,
            "pass_fds": [descriptor for _, descriptor in handed],
        }

    def start(self, front: Callable[..., Any], configuration: Table, **options: Any) -> Any:
        """Start a front as the unit's service, and wait until it is ready."""
        already = self.count("READY=1")
        running = front(configuration, **self.options(**options))
        until(lambda: self.count("READY=1") > already, "READY=1")
        return running

    def settle(self) -> None:
        """Wait until all messages that have been sent are in `said`."""
        before = self.count(_MARK)
        self._send(_MARK)
        until(lambda: self.count(_MARK) > before, "the messages so far")

    def _send(self, message: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(), self._socket.getsockname())

    def count(self, line: str) -> int:
        """How many messages have a line."""
        return sum(line in message for message in self.messages)

    def values(self, key: str) -> list[str]:
        """What was assigned, in order."""
        return [
            line.removeprefix(f"{key}=") for message in self.messages for line in message if line.startswith(f"{key}=")
        ]

    def _receive(self) -> None:
        while True:
            size = array.array("i").itemsize
            data, ancillary, _, _ = self._socket.recvmsg(_MAX_BYTES, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC)
            if data == b"over":
                return
            lines = data.decode().split("\n")
            name = next((line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")), "stored")
            if "FDSTOREREMOVE=1" in lines:
                os.close(self.store.pop(name))
            for _, _, packed in ancillary:
                (descriptor,) = array.array("i", packed)
                assert "FDSTORE=1" in lines
                assert name not in self.store
                self.store[name] = descriptor
            self.messages.append(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send("over")
        self._thread.join(10)
        self._socket.close()
        for descriptor in self.store.values():
            os.close(descriptor)
        for _, sock in self._units:
            sock.close()

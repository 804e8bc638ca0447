"""
mailproxy processes that are forked from one that has imported it: a start takes a third of the processor's time.

The tests start it hundreds of times. What a start itself does is tested with `RUN` of `tests.interop.front`.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

LONGEST = 1 << 17
"""The most bytes of a request; the environment is most of it."""

_PID_BYTES = 20


class Forked:
    """A forked process, with the methods of `subprocess.Popen` that `Process` needs."""

    def __init__(self, pid: int, process: int, status: int, arguments: Sequence[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._process = process
        self._status = status
        self._arguments = arguments

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._look(0)

    def wait(self, seconds: float) -> int:
        """The exit status, once it has ended; `subprocess.TimeoutExpired` if it does not."""
        status = self._look(seconds)
        if status is None:
            raise subprocess.TimeoutExpired(list(self._arguments), seconds)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            try:
                signal.pidfd_send_signal(self._process, number)
            except ProcessLookupError:
                self.wait(10.0)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._status, select.POLLIN)
            if poll.poll(seconds * 1000):
                self.returncode = int(os.read(self._status, _PID_BYTES) or self._kill_orphan())
                os.close(self._status)
                os.close(self._process)
        return self.returncode

    def _kill_orphan(self) -> int:
        """Kill it, as nothing says any more when it ends: the process that has forked it is gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        return -signal.SIGKILL


class ForkServer:
    """The process that forks; it starts with the first request, and ends with the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        outputs: tuple[IO[bytes], IO[bytes]],
    ) -> Forked:
        """Start ``mailproxy ARGUMENTS`` in a folder, with its standard output and standard error."""
        values = {"arguments": [*arguments], "folder": str(folder), "environment": dict(environment)}
        request = json.dumps(values).encode()
        assert len(request) <= LONGEST, f"arguments and environment have {len(request)} bytes, at most {LONGEST} fit"
        with self._lock:
            control = self._control or self._begin(environment)
            try:
                socket.send_fds(control, [request], [one.fileno() for one in outputs])
                pid, descriptors, _, _ = socket.recv_fds(control, _PID_BYTES, 2)
            except ConnectionError:
                pid = b""
            if not pid:
                self.stop()  # the next request starts another one
                raise AssertionError("the process that forks has ended; its standard error says why")
        process, status = descriptors
        return Forked(int(pid), process, status, arguments)

    def _begin(self, environment: Mapping[str, str]) -> socket.socket:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.interop.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
            )
        return self._control

    def stop(self) -> None:
        """End it."""
        if self._control is not None and self._server is not None:
            self._control.close()
            self._server.wait()
            self._control = None


FORK_SERVER = ForkServer()
"""The one of this test run, or of this process of it."""

"""A program run in the foreground, with what it printed, ended by its process id."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.forked import FORK_SERVER, Forked
from tests.interop.ports import is_listening
from tests.interop.waiting import PATIENCE_SECONDS, until


class Process:
    """One child process; leaving the `with` block ends it."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        output: int | None = None,
        pass_fds: Collection[int] = (),
        is_forked: bool = False,
    ) -> None:
        """
        Start it, its output in files of the folder.

        `descriptors` limits how many files it may have open; `output` is a descriptor for its standard output instead.
        It has the descriptors `pass_fds`, too. If it `is_forked`, it is mailproxy with these arguments, from a process
        that has imported it; nothing but the environment can be different then.
        """
        name = Path(arguments[0]).name
        self._stdout = folder / f"{name}.out"
        self._stderr = folder / f"{name}.err"
        limit = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}:{descriptors}"]
        whole = {**os.environ, **(environment or {})}
        self._child: subprocess.Popen[bytes] | Forked
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            if is_forked:
                self._child = FORK_SERVER.start([*map(str, arguments)], folder, whole, (stdout, stderr))
                return
            self._child = subprocess.Popen(
                [*limit, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=stdout if output is None else output,
                stderr=stderr,
                cwd=folder,
                env=whole,
                pass_fds=tuple(pass_fds),
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def until_listening(self, ports: Iterable[int], host: str | None = None) -> None:
        """Wait until it listens on these ports; when it ends instead or takes too long, stop it and say why."""
        try:
            for port in ports:
                until(partial(self._listens_or_ended, port, host), f"a listener on port {port}")
            assert self.is_alive, f"it ended with status {self._child.returncode}"
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.stdout}{self.stderr}") from None

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status, once it has ended by itself."""
        return self._child.wait(seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal and return at once."""
        self._child.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self.send(signal.SIGTERM)

    def stop(self) -> int:
        """Terminate it, kill it if that does not help, and return the exit status."""
        self.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self.wait()

    def family(self) -> list[int]:
        """Its process id and those of all its descendants, the oldest first."""
        parents: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
        family = [self.pid]
        for pid in family:
            family += parents.get(pid, [])
        return family

    def memory(self) -> int:
        """Resident memory in bytes."""
        return self._status_kib("VmRSS") * 1024

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def user_ids(self) -> set[int]:
        """Real, effective, saved and file system user id."""
        return set(map(int, self._status("Uid").split()))

    def group_ids(self) -> set[int]:
        """Real, effective, saved and file system group id."""
        return set(map(int, self._status("Gid").split()))

    def _listens_or_ended(self, port: int, host: str | None) -> bool:
        return is_listening(port, host) or not self.is_alive

    def _status_kib(self, name: str) -> int:
        return int(self._status(name).split()[0])

    def _status(self, name: str) -> str:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
        raise LookupError(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def is_alive(pid: int) -> bool:
    """Whether a process runs, or could."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"

"""mailproxy as its users run it: a process with a TOML file that prints JSON lines."""

import json
import os
import re
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from tests.interop.ports import free_port, has_ipv6, is_listening_at
from tests.interop.process import Process
from tests.interop.waiting import until

Table = Mapping[str, Any]
Event = Mapping[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPTS = Path(sys.executable).parent

# Started as users start it; without a command, a front is forked from a process that has imported mailproxy.
RUN: tuple[str | Path, ...] = (sys.executable, "-m", "mailproxy", "run", "-c")
TWISTD: tuple[str | Path, ...] = (_SCRIPTS / "twistd", "-n", "--pidfile=", "mailproxy", "-c")
TWIST: tuple[str | Path, ...] = (_SCRIPTS / "twist", "mailproxy", "-c")

# What must never be in the output: one of our own bugs.
_BUGS = (
    "Traceback (most recent call last)",
    "Unhandled",
    "Exception ignored",
    "Warning: ",
    '"level": "critical"',
    '"internal error"',  # in these quotes: without them it may be a client's TLS alert
)


def toml(table: Table, path: str = "") -> str:
    """A table of strings, numbers, booleans, lists and tables as TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    # JSON's strings, numbers, booleans and lists are TOML too.
    text = f"[{path}]\n" if path else ""
    text += "".join(f"{_key(key)} = {_inline(value)}\n" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, Mapping):
            text += toml(value, f"{path}.{_key(key)}" if path else _key(key))
    return text


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_inline(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[0-9A-Za-z_-]+", key) else json.dumps(key)


def bind(port: int) -> list[str]:
    """The addresses a frontend binds: a port on both loopback addresses."""
    return [f"127.0.0.1:{port}", f"[::1]:{port}"] if has_ipv6() else [f"127.0.0.1:{port}"]


def frontend(port: int, backend: str, **keys: Any) -> dict[str, Any]:
    """A frontend for IMAP over TLS; keys (with underscores) are added or replaced."""
    valid = {"bind": bind(port), "protocol": "imap", "tls": "implicit", "backend": backend}
    return valid | _kebab(keys)


def backend(port: int, **keys: Any) -> dict[str, Any]:
    """A backend with one server on loopback, and no checks; keys (with underscores) are added or replaced."""
    return {"check": {"type": "none"}, "server": {"only": {"address": f"127.0.0.1:{port}"}}} | _kebab(keys)


def single(certificate: Path, backend_port: int, **keys: Any) -> tuple[dict[str, Any], int]:
    """
    A whole configuration with one frontend, and its port.

    Keys (with underscores) are the frontend's, or the backend's if they begin with `backend_`.
    """
    port = free_port()
    theirs = {key.removeprefix("backend_"): value for key, value in keys.items() if key.startswith("backend_")}
    ours = {key: value for key, value in keys.items() if not key.startswith("backend_")}
    return {
        "tls": {"default": {"certificates": [str(certificate)]}},
        "frontend": {"front": frontend(port, "recorder", **ours)},
        "backend": {"recorder": backend(backend_port, **theirs)},
    }, port


def file_of(configuration: Table) -> str:
    """The text of the configuration file, with JSON lines."""
    return toml({"log": {"format": "json"}} | dict(configuration))


def launch(
    folder: Path,
    configuration: Table,
    command: Sequence[str | Path] = RUN,
    descriptors: int | None = None,
    output: int | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Collection[int] = (),
) -> Process:
    """Start mailproxy with a configuration, logging JSON."""
    file = written(folder, configuration)
    return Process(
        [*command, file],
        folder,
        environment={**_environment(), **(environment or {})},
        descriptors=descriptors,
        output=output,
        pass_fds=pass_fds,
    )


def fork(folder: Path, configuration: Table) -> Process:
    """The same as ``mailproxy run``, forked from a process that has imported it."""
    file = written(folder, configuration)
    return Process(["run", "-c", file], folder, environment=_environment(), is_forked=True)


def written(folder: Path, configuration: Table) -> Path:
    """The configuration as a file of the folder."""
    file = folder / "mailproxy.toml"
    file.write_text(file_of(configuration))
    return file


def _environment() -> dict[str, str]:
    search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": search, "PYTHONUNBUFFERED": "1"}


def check_for_bugs(output: str) -> None:
    """Fail if there is a traceback or a warning of Python's in what was printed."""
    for bug in _BUGS:
        assert bug not in output, output


class Front:
    """A running mailproxy; leaving the `with` block stops it and looks for bugs in what it printed."""

    def __init__(
        self,
        folder: Path,
        configuration: Table,
        *,
        command: Sequence[str | Path] | None = None,
        descriptors: int | None = None,
        environment: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
        ends_by: signal.Signals = signal.SIGTERM,
        drained: Collection[str] = (),
        until_ready: bool = True,
    ) -> None:
        """
        Start it and wait until it listens everywhere, but for the `drained` frontends, and says that it is ready.

        `command` starts it; without one it is forked from a process that has imported mailproxy, if nothing of the
        process itself is to be different. `ends_by` is the signal that ends it. Without `until_ready`, or if its log
        is not on standard output, it need only listen.
        """
        self.file = folder / "mailproxy.toml"
        if command or descriptors or environment or pass_fds:
            command = command or RUN
            self.process = launch(
                folder, configuration, command, descriptors, environment=environment, pass_fds=pass_fds
            )
        else:
            self.process = fork(folder, configuration)
        self._ends_by = ends_by
        # Twisted's own commands end, after everything else, by the signal that stopped them, if they know it.
        self._good_status = (
            0 if command is None or command[0] == sys.executable or ends_by == signal.SIGQUIT else -ends_by
        )
        self._was_ended = False
        self._lines: list[str] = []
        self._events: list[Event] = []
        self._read = 0
        self._wait_until_listening(
            [settings for name, settings in configuration["frontend"].items() if name not in drained]
        )
        if until_ready and _logs_to_stdout(configuration):
            self._wait_until_ready()

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return self.process.stdout + self.process.stderr

    def events(self, **fields: Any) -> list[Event]:
        """
        The log lines so far, as far as they have these values.

        What has just happened may not be among them: see `event` and `all_events`.
        """
        self._read_lines()
        return [event for event in self._events if fields.items() <= event.items()]

    def event(self, **fields: Any) -> Event:
        """The first log line with these values, awaited."""
        return self.until_events(1, **fields)[0]

    def until_events(self, count: int, **fields: Any) -> list[Event]:
        """The log lines with these values, as soon as there are as many as `count`."""

        def find() -> list[Event]:
            found = self.events(**fields)
            return found if len(found) >= count else []

        try:
            return until(find, f"{count} log lines with {fields}")
        except AssertionError as error:
            raise AssertionError(f"{error} in\n{self.output[-3000:]}") from None

    def all_events(self, **fields: Any) -> list[Event]:
        """
        The log lines with these values: all that the process has logged until now.

        Lines of its workers, and those of sessions, which it logs a moment after their end, may be missing.
        """
        if self.process.is_alive:
            # The log is in order, and a line about this signal is all that it causes.
            last: Table = {"event": "signal", "signal": "SIGUSR2"}
            before = len(self.events(**last))
            self.process.send(signal.SIGUSR2)
            self.until_events(before + 1, **last)
        return self.events(**fields)

    def session(self, client: tuple[Any, ...]) -> Event:
        """The one log line about a client, by its address and port; awaited, and it must stay the only one."""
        host, port = client[:2]
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        about = re.compile(rf"(?<![\d.:]){re.escape(text)}(?!\d)")

        def find() -> list[str]:
            self._read_lines()
            return [line for line in self._lines if about.search(line)]

        try:
            until(find, f"a log line about {text}")
        except AssertionError as error:
            raise AssertionError(f"{error} in\n{self.output[-3000:]}") from None
        (line,) = find()
        return cast(Event, json.loads(line))

    def write(self, configuration: Table) -> None:
        """Replace the whole configuration."""
        new = self.file.with_suffix(".new")
        new.write_text(file_of(configuration))
        new.rename(self.file)

    def reload(self, configuration: Table | None = None) -> None:
        """Reload, with another configuration if there is one, and wait until that is done."""
        if configuration is not None:
            self.write(configuration)
        done = len(self.events(event="reloaded"))
        self.process.send(signal.SIGHUP)
        self.until_events(done + 1, event="reloaded")

    def was_ended(self, status: int | None = None) -> None:
        """Take note that it has ended by itself, as it was to, with this exit status if it is not the usual one."""
        self._was_ended = True
        if status is not None:
            self._good_status = status

    def terminate(self) -> None:
        """Send the signal that ends it and return at once."""
        assert self.process.is_alive, f"it has ended by itself:\n{self.output}"
        self._was_ended = True
        self.process.send(self._ends_by)

    def wait(self) -> None:
        """Wait for the end that `terminate` began, and check that it was a good one."""
        status = self.process.wait()
        assert status == self._good_status, f"it ended with status {status}:\n{self.output}"

    def wait_for_stop(self) -> None:
        """Wait until the process ends, without sending it a signal."""
        self._was_ended = True
        self._good_status = 0
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._was_ended:
                self.terminate()
            self.wait()
            check_for_bugs(self.output)
        finally:
            self.process.stop()

    def _wait_until_listening(self, frontends: Sequence[Table]) -> None:
        everywhere = [address for settings in frontends for address in settings["bind"]]
        addresses = [address for address in everywhere if not address.startswith("systemd:")]
        paths = [Path(address) for address in addresses if address.startswith("/")]
        self.process.until_listening(
            int(address.rpartition(":")[2]) for address in addresses if not address.startswith("/")
        )
        try:
            for path in paths:
                until(partial(is_listening_at, path), f"a listener on {path}")
        except AssertionError:
            self.process.stop()
            raise

    def _wait_until_ready(self) -> None:
        """Wait until all processes serve; what they warn of at the start is in the log then."""
        try:
            until(lambda: self.events(event="ready") or not self.process.is_alive, "a front that is ready")
            assert self.process.is_alive, "it has ended by itself"
        except AssertionError as error:
            self.process.stop()
            raise AssertionError(f"{error}\n{self.output}") from None

    def _read_lines(self) -> None:
        """Read what has been logged since the last time."""
        text = self.process.stdout
        # What it is just writing has no newline yet.
        end = text.rfind("\n") + 1
        for line in text[self._read : end].split("\n"):
            if line.endswith("}"):
                self._lines.append(line)
                self._events.append(json.loads(line))
        self._read = end


def _logs_to_stdout(configuration: Table) -> bool:
    """Whether the lines of the start are on standard output."""
    log = configuration.get("log", {})
    return log.get("target", "stdout") == "stdout" and log.get("level", "info") in ("debug", "info")


def _kebab(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in keys.items()}

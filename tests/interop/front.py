"""mailproxy as its users run it: a process with a TOML file that prints JSON lines."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from .ports import free_port, has_ipv6
from .process import Process
from .waiting import until

Table = Mapping[str, Any]
Event = Mapping[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPTS = Path(sys.executable).parent

RUN: Sequence[str | Path] = (sys.executable, "-m", "mailproxy", "run", "-c")
TWISTD: Sequence[str | Path] = (_SCRIPTS / "twistd", "-n", "--pidfile=", "mailproxy", "-c")
TWIST: Sequence[str | Path] = (_SCRIPTS / "twist", "mailproxy", "-c")

# What must never be in the output: one of our own bugs.
_BUGS = ("Traceback (most recent call last)", "Unhandled", "Exception ignored", "Warning: ")


def toml(table: Table, path: str = "") -> str:
    """A table of strings, numbers, booleans, lists and tables as TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    # JSON's strings, numbers, booleans and lists are TOML too.
    text = f"[{path}]\n" if path else ""
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, Mapping):
            text += toml(value, f"{path}.{key}" if path else key)
    return text


def bind(port: int) -> list[str]:
    """The addresses a frontend binds: a port on both loopback addresses."""
    return [f"127.0.0.1:{port}", f"[::1]:{port}"] if has_ipv6() else [f"127.0.0.1:{port}"]


def frontend(port: int, backend: str, **keys: Any) -> dict[str, Any]:
    """A frontend for IMAP over TLS; keys (with underscores) are added or replaced."""
    valid = {"bind": bind(port), "protocol": "imap", "tls": "implicit", "backend": backend}
    return valid | _kebab(keys)


def backend(port: int, **keys: Any) -> dict[str, Any]:
    """A backend with one server on loopback; keys (with underscores) are added or replaced."""
    return {"server": {"only": {"address": f"127.0.0.1:{port}"}}} | _kebab(keys)


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


class Front:
    """A running mailproxy; leaving the `with` block stops it and looks for bugs in what it printed."""

    def __init__(
        self,
        folder: Path,
        configuration: Table,
        *,
        command: Sequence[str | Path] = RUN,
        descriptors: int | None = None,
        starts: bool = True,
    ) -> None:
        """Start it and wait until it listens everywhere; with `starts` false it is expected to fail instead."""
        file = folder / "mailproxy.toml"
        file.write_text(toml({"log": {"format": "json"}} | dict(configuration)))
        search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self.process = Process(
            [*command, file],
            folder,
            environment={"PYTHONPATH": search, "PYTHONUNBUFFERED": "1"},
            descriptors=descriptors,
        )
        self.status: int | None = None
        if starts:
            self._wait_until_listening(configuration)

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return self.process.stdout + self.process.stderr

    def session(self, client: tuple[Any, ...]) -> Event:
        """The one log line about a client, by its address and port; awaited, and it must stay the only one."""
        host, port = client[:2]
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        about = re.compile(rf"(?<![\d.:]){re.escape(text)}(?!\d)")

        def find() -> list[str]:
            return [line for line in self.process.stdout.splitlines() if about.search(line) and line.endswith("}")]

        until(find, f"a log line about {text} in\n{self.output[-2000:]}")
        (line,) = find()
        return cast(Event, json.loads(line))

    def stop(self) -> int:
        """End it by SIGTERM; its exit status."""
        self.status = self.process.stop()
        return self.status

    def check_for_bugs(self) -> None:
        """Fail if it ever printed a traceback or a warning of Python's."""
        for bug in _BUGS:
            assert bug not in self.output, self.output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended_early = not self.process.is_alive and self.status is None
        status = self.stop()
        if kind is None:
            self.check_for_bugs()
            assert not ended_early, f"it ended by itself, with status {status}:\n{self.output}"
            assert status == 0, f"it stopped with status {status}:\n{self.output}"

    def _wait_until_listening(self, configuration: Table) -> None:
        addresses = [address for settings in configuration["frontend"].values() for address in settings["bind"]]
        self.process.until_listening(
            int(address.rpartition(":")[2]) for address in addresses if not address.startswith("/")
        )
        for address in addresses:
            if address.startswith("/"):
                until(Path(address).is_socket, f"the UNIX socket {address}")


def _kebab(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in keys.items()}

"""The client side of the admin socket: finds it, sends requests and reads answers; blocking, without Twisted."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from mailproxy.control.grammar import Request
from mailproxy.control.message import VERSION, decode, encode

WAIT_SECONDS = 30.0
"""How long the service may take for the next line of an answer; `check now` needs the longest."""

RELOAD_SECONDS = 400.0
"""The same for `reload`: longer than the service's own limit for one."""

LONGEST_LINE = 64 * 1024 * 1024
"""The most bytes of one line of an answer; that of `show config` contains the whole file."""


class NoService(Exception):
    """The service does not answer; the text is a sentence with the reason."""


class Closed(NoService):
    """The service has closed the connection, or has ended."""


def socket_of(file: str) -> str:
    """Return the path of the admin socket in a configuration file, even if other parts of the file are wrong."""
    try:
        with open(file, "rb") as opened:
            values = tomllib.load(opened)
    except OSError as error:
        raise NoService(
            f"{file}: cannot be read: {error.strerror}; --socket PATH names the socket without this file"
        ) from None
    except (ValueError, RecursionError):
        raise NoService(f"{file}: is not TOML; --socket PATH names the socket without this file") from None
    admin = values.get("admin")
    path = admin.get("socket") if isinstance(admin, dict) else None
    if not isinstance(path, str):
        raise NoService(
            f'{file}: has no admin socket; write [admin] with socket = "/run/mailproxy/admin.sock", and restart '
            "the service"
        )
    return path


class Call:
    """A connection to a running service; leaving the `with` block closes it."""

    def __init__(self, path: str, seconds: float = WAIT_SECONDS) -> None:
        """Connect; each line of an answer may take at most `seconds`."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise NoService(_unreachable(path, error)) from None
        self._file = self._socket.makefile("rb")
        self.pid = 0
        """The process id of the service."""
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        hello = self._read(self._file.readline)
        if hello.get("type") == "error":
            raise NoService(str(hello.get("error")))
        if hello.get("type") != "hello":
            raise NoService(f"{self._path}: the process that listens there is not mailproxy")
        if hello.get("protocol") != VERSION:
            raise NoService(
                f"{self._path}: the service is mailproxy {hello.get('mailproxy')} with protocol version "
                f"{hello.get('protocol')}, this mailproxy has protocol version {VERSION}: use the mailproxy of the "
                "service"
            )
        self.pid = int(hello.get("pid") or 0)

    @property
    def socket(self) -> socket.socket:
        """The connection; between two answers, nothing is read ahead."""
        return self._socket

    def ask_through(self, request: Request, readline: Callable[[int], bytes]) -> list[dict[str, Any]]:
        """Send a request, read its answer with `readline`, and return the rows; raise `NoService` with its error."""
        rows = []
        for line in self._ask(request, readline):
            if line.get("type") == "error":
                raise NoService(str(line.get("error")))
            if line.get("type") == "row":
                rows.append(line)
        return rows

    def rows(self, request: Request) -> list[dict[str, Any]]:
        """Send a request, and return the rows of its answer; raise `NoService` with its error."""
        return self.ask_through(request, self._file.readline)

    def ask(self, request: Request) -> Iterator[dict[str, Any]]:
        """Send a request, and yield the lines of its answer; the last one has the type ``done`` or ``error``."""
        return self._ask(request, self._file.readline)

    def _ask(self, request: Request, readline: Callable[[int], bytes]) -> Iterator[dict[str, Any]]:
        fields = {"command": request.command.name, **request.arguments}
        try:
            self._socket.sendall(encode("request", fields))
        except BrokenPipeError:
            raise Closed(f"{self._path}: the service has closed the connection") from None
        except OSError as error:
            raise NoService(f"{self._path}: the connection failed: {error.strerror}") from None
        if request.command.name == "watch":
            self._socket.settimeout(None)
        elif request.command.name == "reload":
            self._socket.settimeout(RELOAD_SECONDS)
        while True:
            line = self._read(readline)
            yield line
            if line.get("type") in ("done", "error"):
                return

    def _read(self, readline: Callable[[int], bytes]) -> dict[str, Any]:
        try:
            line = readline(LONGEST_LINE)
        except TimeoutError:
            raise NoService(f"{self._path}: no answer within {self._socket.gettimeout():g} s") from None
        except ConnectionResetError:
            raise Closed(f"{self._path}: the service has closed the connection") from None
        except OSError as error:
            raise NoService(f"{self._path}: the connection failed: {error.strerror}") from None
        if not line.endswith(b"\n"):
            raise Closed(f"{self._path}: the service has closed the connection")
        try:
            return decode(line)
        except ValueError:
            raise NoService(f"{self._path}: the process that listens there is not mailproxy") from None

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unreachable(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: does not exist; is mailproxy running, with [admin] socket in its configuration?"
    if isinstance(error, ConnectionRefusedError):
        return f"{path}: no process listens there; mailproxy has ended"
    if isinstance(error, PermissionError):
        return f"{path}: only root and the user of the service may connect"
    return f"{path}: cannot connect: {error.strerror or error}"

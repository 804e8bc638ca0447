"""One connection to the server under test: blocking, with deadlines and limits; it does not judge."""

import re
import ssl
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self

from mailproxy.audit.reply import Command, End, Reply
from mailproxy.audit.target import Target
from mailproxy.audit.tls import Handshake, Tls, begins_record, explained, without_records

MAX_RECEIVED = 256 * 1024
"""The most bytes that a server may send on one connection: a listing has a few hundred, and a check must end."""

MAX_WAITS = 4
"""The longest duration of one connection, in timeouts."""

_NOTHING = re.compile(rb"(?!)")


class CannotCheck(Exception):
    """The server cannot be checked at all: there is no connection, no greeting or no TLS."""


class NoAnswer(Exception):
    """The server did not reach the step that the case is about."""


class Connection:
    """A connection, first in plaintext and after `handshake` in TLS. Mutable; leaving the `with` block closes it."""

    def __init__(self, target: Target) -> None:
        """Connect; raises NoAnswer if that fails."""
        self._target = target
        self._ends = monotonic() + target.timeout * MAX_WAITS
        self._tls: Tls | None = None
        self._input = b""
        self._received = 0
        try:
            self._socket = target.connect()
        except OSError as error:
            raise NoAnswer(f"no connection to {target}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send data in one piece, encrypted once TLS is up."""
        self._write(data if self._tls is None else self._tls.encrypt(data))

    def reply(self, last: re.Pattern[bytes]) -> Reply:
        """Read lines up to the first that `last` matches, until the timeout, or until the server closes."""
        return self._read(last, self._target.timeout)

    def ask(self, command: Command) -> Reply:
        """Send a command and read the reply."""
        self.send(command.wire)
        return self.reply(command.last)

    def rest(self) -> Reply:
        """Read until the server closes, or until the timeout."""
        return self.reply(_NOTHING)

    def listen(self) -> Reply:
        """Read bytes that come without a command, for a short time."""
        return self._read(_NOTHING, self._target.quiet)

    def plaintext_after(self, data: bytes, *, is_patient: bool = True) -> tuple[bytes, End]:
        """Send data in plaintext; return the reply outside of TLS, and how it ended: COMPLETE if with a line end."""
        self._write(data)
        until = self._until(self._target.timeout if is_patient else self._target.quiet)
        received, self._input = self._input, b""
        while not (plaintext := without_records(received)).endswith(b"\n"):
            more = self._receive(until)
            if isinstance(more, End):
                return plaintext, more
            received += more
        return plaintext, End.COMPLETE

    def handshake(self, prefix: bytes = b"") -> Handshake:
        """Do the TLS handshake, with `prefix` in plaintext before the ClientHello and in one piece with it."""
        until = self._until(self._target.timeout)
        tls = Tls(self._target.context, self._target.server_name)
        self._write(prefix + tls.hello())
        first = self._input or self._receive(until)
        self._input = b""
        if not isinstance(first, End) and not begins_record(first):
            return Handshake(plaintext=first)
        data, is_done = first, False
        while not is_done:
            if data is End.SILENT:
                raise NoAnswer("neither TLS nor a close after STARTTLS")
            if isinstance(data, End):
                return Handshake(problem="closed")
            try:
                is_done = tls.shake(data)
            except ssl.SSLError as error:
                self._write(tls.to_send())
                return Handshake(problem=explained(error))
            self._write(tls.to_send())
            data = b"" if is_done else self._receive(until)
        self._tls = tls
        self._input, _ = tls.decrypt(b"")
        return Handshake()

    def _until(self, seconds: float) -> float:
        return min(monotonic() + seconds, self._ends)

    def _write(self, data: bytes) -> None:
        # If the server has closed, that is its answer: the next read reports it.
        with suppress(OSError):
            self._socket.settimeout(self._target.timeout)
            self._socket.sendall(data)

    def _read(self, last: re.Pattern[bytes], seconds: float) -> Reply:
        until = self._until(seconds)
        lines: list[bytes] = []
        end: End | None = None
        while True:
            while b"\n" in self._input:
                line, _, self._input = self._input.partition(b"\n")
                lines.append(line.removesuffix(b"\r"))
                if last.match(lines[-1]):
                    return Reply(tuple(lines), End.COMPLETE)
            if end is not None:
                piece, self._input = self._input, b""
                return Reply((*lines, *filter(None, [piece])), end)
            end = self._take_in(self._receive(until))

    def _take_in(self, data: bytes | End) -> End | None:
        if isinstance(data, End):
            return data
        if self._tls is None:
            self._input += data
            return None
        plain, is_over = self._tls.decrypt(data)
        self._input += plain
        return End.CLOSED if is_over else None

    def _receive(self, until: float) -> bytes | End:
        """Return the next bytes from the network."""
        remaining = until - monotonic()
        if remaining <= 0:
            return End.SILENT
        self._socket.settimeout(remaining)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return End.SILENT
        except OSError:
            return End.CLOSED
        self._received += len(data)
        return data if data and self._received <= MAX_RECEIVED else End.CLOSED

"""
Mail clients that speak over a socket we have connected ourselves, from an address we choose.

The socket has TLS already, or the client starts it; then it expects `SERVER_NAME` in the certificate.
"""

import base64
import imaplib
import poplib
import smtplib
import socket
import ssl
from contextlib import ExitStack
from ipaddress import ip_address

from tests.interop.certificates import SERVER_NAME
from tests.interop.waiting import PATIENCE_SECONDS

TIMEOUT = PATIENCE_SECONDS  # no peer here needs one


_ATTEMPTS = 20
_had: set[tuple[str, int]] = set()
"""The addresses and ports of earlier clients."""


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    """
    A TCP connection to the loopback address of the source's family.

    Its own port is one that no earlier client at this address had, if there is one: logs tell clients apart by it.
    """
    host = "::1" if ip_address(source).version == 6 else "127.0.0.1"
    connection = _bound(source)
    try:
        connection.settimeout(TIMEOUT)
        connection.connect((host, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _bound(source: str) -> socket.socket:
    with ExitStack() as stack:
        for _ in range(_ATTEMPTS):
            connection = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
            stack.callback(connection.close)  # a port that stays taken is not chosen again
            connection.bind((source, 0))
            host, port = connection.getsockname()[:2]
            if (host, port) not in _had:
                break
        _had.add((host, port))
        return socket.socket(fileno=connection.detach())


def secure(
    connection: socket.socket,
    context: ssl.SSLContext,
    *,
    server_name: str = SERVER_NAME,
    session: ssl.SSLSession | None = None,
    strict_end: bool = False,
) -> ssl.SSLSocket:
    """TLS on a connection; with `strict_end` an end without close_notify is an error."""
    try:
        return context.wrap_socket(
            connection, server_hostname=server_name, session=session, suppress_ragged_eofs=not strict_end
        )
    except BaseException:
        connection.close()
        raise


def connect_tls(
    port: int,
    context: ssl.SSLContext,
    source: str = "127.0.0.1",
    *,
    server_name: str = SERVER_NAME,
    session: ssl.SSLSession | None = None,
    strict_end: bool = False,
) -> ssl.SSLSocket:
    """A TLS connection to a port on loopback."""
    return secure(connect(port, source), context, server_name=server_name, session=session, strict_end=strict_end)


def read_line(connection: socket.socket) -> bytes:
    """One line, CRLF included, or what came before the end; never reads past the line."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return bytes(line)


class Imap(imaplib.IMAP4):
    """imaplib over a given connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(SERVER_NAME)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._given


class Pop3(poplib.POP3):
    """poplib over a given connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(SERVER_NAME)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._given


class Submission(smtplib.SMTP):
    """smtplib over a given connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(SERVER_NAME, local_hostname="client.test")

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        return self._given


class Lmtp(smtplib.LMTP):
    """smtplib's LMTP over a given connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(SERVER_NAME, local_hostname="client.test")

    def _get_socket(self, host: str, port: int, timeout: float | None) -> socket.socket:
        return self._given


class SieveRefused(Exception):
    """The server answered NO or BYE."""


class ManageSieve:
    """The few commands of RFC 5804 that the tests use."""

    def __init__(self, connection: socket.socket) -> None:
        self.sock = connection
        self.capabilities = self._response()

    def starttls(self, context: ssl.SSLContext) -> None:
        """TLS, after which the server lists its capabilities once more (section 2.2)."""
        self._command("STARTTLS")
        self.sock = secure(self.sock, context)
        self.capabilities = self._response()

    def authenticate(self, user: str, password: str) -> None:
        """SASL PLAIN (section 2.1)."""
        initial = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self._command(f'AUTHENTICATE "PLAIN" "{initial}"')

    def put_script(self, name: str, script: bytes) -> None:
        """Upload a script (section 2.6)."""
        self._command(f'PUTSCRIPT "{name}" {{{len(script)}+}}', script)

    def list_scripts(self) -> list[str]:
        """The names of the uploaded scripts (section 2.7)."""
        return [line.split('"')[1] for line in self._command("LISTSCRIPTS")]

    def logout(self) -> None:
        """Part (section 2.3) and close."""
        self._command("LOGOUT")
        self.sock.close()

    def _command(self, line: str, literal: bytes | None = None) -> list[str]:
        data = f"{line}\r\n".encode()
        if literal is not None:
            data += literal + b"\r\n"
        self.sock.sendall(data)
        return self._response()

    def _response(self) -> list[str]:
        lines: list[str] = []
        while True:
            line = read_line(self.sock).decode().rstrip("\r\n")
            match line.split(" ")[0]:
                case "OK":
                    return lines
                case "NO" | "BYE" | "":
                    raise SieveRefused(line)
            lines.append(line)

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import pytest

from mailproxy.audit.client import MAX_RECEIVED, Connection, NoAnswer
from mailproxy.audit.reply import End
from mailproxy.audit.target import Target

ANY_LINE = re.compile(rb"")
NO_LINE = re.compile(rb"(?!)")


@contextmanager
def connected(
    serve: Callable[[socket.socket], object], timeout: float = 2.0, quiet: float = 1.0
) -> Iterator[Connection]:
    """A connection to a server that does something once."""

    def run() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with Connection(Target("127.0.0.1", port, timeout=timeout, quiet=quiet)) as connection:
            yield connection
        thread.join(5)


def waits(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def talks(connection: socket.socket) -> None:
    connection.settimeout(5)
    while True:
        connection.sendall(b"x" * 65536)


def test_reply_ends_with_the_line_that_is_looked_for() -> None:
    with connected(lambda connection: connection.sendall(b"250-a\r\n250 b\r\n250 c\r\n")) as connection:
        reply = connection.reply(re.compile(rb"\d{3} "))
    assert (reply.lines, reply.end) == ((b"250-a", b"250 b"), End.COMPLETE)


def test_bare_lf_ends_a_line() -> None:
    with connected(lambda connection: connection.sendall(b"a\nb\n")) as connection:
        assert connection.rest().lines == (b"a", b"b")


def test_what_is_cut_off_is_part_of_the_reply() -> None:
    with connected(lambda connection: connection.sendall(b"220 he")) as connection:
        reply = connection.reply(ANY_LINE)
    assert (reply.lines, reply.end) == ((b"220 he",), End.CLOSED)


def test_silence_ends_with_the_timeout() -> None:
    begun = monotonic()
    with connected(waits, timeout=0.05) as connection:
        assert connection.reply(ANY_LINE).end is End.SILENT
    assert monotonic() - begun < 1


def test_line_without_end_is_bounded() -> None:
    with connected(talks) as connection:
        reply = connection.reply(ANY_LINE)
    assert reply.end is End.CLOSED
    assert len(reply.last) <= MAX_RECEIVED


def test_connection_ends_however_much_is_asked_for() -> None:
    with connected(waits, timeout=0.02) as connection:
        begun = monotonic()
        for _ in range(50):
            assert connection.rest().end is End.SILENT
    assert monotonic() - begun < 0.5


def test_listening_is_for_a_little_while() -> None:
    with connected(waits, timeout=5.0, quiet=0.02) as connection:
        begun = monotonic()
        assert connection.listen().lines == ()
    assert monotonic() - begun < 1


def test_server_that_has_gone_does_not_stop_the_sender() -> None:
    with connected(lambda connection: None) as connection:
        for _ in range(3):
            connection.send(b"NOOP\r\n")
        assert connection.rest().end is End.CLOSED


def test_handshake_gets_plaintext() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"250 fine\r\n")
        waits(connection)

    with connected(serve) as connection:
        handshake = connection.handshake()
    assert (handshake.is_up, handshake.plaintext) == (False, b"250 fine\r\n")


def test_handshake_gets_a_close() -> None:
    with connected(lambda connection: connection.recv(65536)) as connection:
        assert connection.handshake().problem == "closed"


def test_handshake_gets_an_alert() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(bytes.fromhex("15 0303 0002 02 46"))  # fatal, protocol_version

    with connected(serve) as connection:
        assert connection.handshake().problem == "tlsv1 alert protocol version"


def test_handshake_without_an_answer_is_no_answer() -> None:
    with connected(waits, timeout=0.05) as connection, pytest.raises(NoAnswer, match="neither TLS nor a close"):
        connection.handshake()


def test_alert_is_no_plaintext() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(bytes.fromhex("15 0303 0002 02 46"))

    with connected(serve) as connection:
        assert connection.plaintext_after(b"garbage\r\n") == (b"", End.CLOSED)


def test_line_after_an_alert_is_plaintext() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(bytes.fromhex("15 0303 0002 02 46") + b"250 fine\r\n")
        waits(connection)

    with connected(serve) as connection:
        assert connection.plaintext_after(b"garbage\r\n") == (b"250 fine\r\n", End.COMPLETE)


def test_refused_connection_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match=f"no connection to 127.0.0.1:{port}: .*refused"):
        Connection(Target("127.0.0.1", port))

"""One attempt to reach a server: without TLS, and with TLS after the header."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mailproxy.tls.client import CertificateRefused, ClientTls
from mailproxy.transport.outgoing import Outgoing, Target
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import READ, WRITE, Poller
from mailproxy.transport.secure_client import SecureClientStream
from mailproxy.transport.stream import VIEW, Stream
from tests.tls.servers import NAME, client_tls, issued, server_context
from tests.transport.peers import Peer, TlsServerPeer
from tests.transport.relay import is_ready, pump, settle

HEADER = b"\r\n\r\n\0\r\nQUIT\n!\0\0\0"


class Attempt:
    """The owner of one attempt at a time, which writes down how it went, and the server."""

    def __init__(self, folder: Path) -> None:
        self.poller = Poller()
        self.peers: list[Peer] = []
        self.stream: Stream | None = None
        self.error: OSError | None = None
        self.broken = 0
        self.words = bytearray()
        """What the server said."""
        self.ended = False
        self.failure = ""
        self.stack = ExitStack()
        self.stack.callback(self.poller.close)
        self.listening = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.listening.setblocking(False)
        self._folder = folder

    def begin(
        self,
        header: Any = HEADER,
        tls: ClientTls | None = None,
        server_name: str | None = None,
        make_socket: Callable[[int, int], socket.SocketType] = socket.SocketType,
    ) -> Outgoing:
        self.stream = self.error = None
        target = Target(socket.AF_INET, self.listening.getsockname(), tls, make_socket)
        outgoing = Outgoing(self, target, header, self.poller, server_name)
        self.stack.callback(outgoing.cancel)
        outgoing.begin()
        return outgoing

    def accept(self, make: Callable[[socket.socket], Peer] = Peer) -> Peer:
        taken: list[socket.socket] = []

        def take() -> bool:
            try:
                taken.append(self.listening.accept()[0])
            except BlockingIOError:
                return False
            return True

        self.until(take)
        peer = make(taken[0])
        self.stack.callback(lambda: peer.socket.close())
        self.peers.append(peer)
        return peer

    def accept_tls(self, context: ssl.SSLContext | None = None, header: bytes = HEADER) -> TlsServerPeer:
        peer = self.accept(lambda sock: TlsServerPeer(sock, context or server_context(), has_header=bool(header)))
        assert isinstance(peer, TlsServerPeer)
        return peer

    def shake_hands(self, tls: ClientTls | None = None, context: ssl.SSLContext | None = None) -> TlsServerPeer:
        """Reach a server with TLS."""
        self.begin(tls=tls or client_tls())
        server = self.accept_tls(context)
        self.until(lambda: self.stream and server.secured)
        return server

    def refused(self, tls: ClientTls, context: ssl.SSLContext) -> str:
        """Fail to, and return why."""
        self.begin(tls=tls)
        server = self.accept_tls(context)
        self.until(lambda: self.error or self.stream)
        assert self.error is not None
        self.until(lambda: server.fin or server.reset)
        assert server.data == b""
        return str(self.error)

    def trusting(self, **settings: Any) -> ClientTls:
        """A client that trusts the certificate that servers here have."""
        path = self._folder / "authority.pem"
        path.write_bytes(issued(NAME).certificate_pem)
        return client_tls(verify="required", ca=str(path), **settings)

    def until(self, is_there: Callable[[], object]) -> None:
        pump(self.poller, self.peers, is_there)

    def reached(self, stream: Stream) -> None:
        self.stack.callback(stream.close)
        self.stream = stream
        self.poller.ready[stream.fd] = self._on_event

    def _on_event(self, events: int) -> None:
        assert self.stream is not None
        try:
            count = self.stream.read_some()
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.stream.close()
            return
        if count > 0:
            self.words += VIEW[:count]
        elif count < 0:
            self.ended = True
            self.stream.close()

    def unreached(self, error: OSError) -> None:
        self.error = error

    def broke(self) -> None:
        self.broken += 1


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    made = Attempt(tmp_path)
    with made.stack:
        yield made
        assert made.stream is None or made.error is None


# Without TLS.


def test_server_is_reached_with_the_header(attempt: Attempt) -> None:
    attempt.begin()
    server = attempt.accept()
    attempt.until(lambda: server.data == HEADER)
    assert isinstance(attempt.stream, PlainStream)


def test_server_without_header_is_reached_with_nothing(attempt: Attempt) -> None:
    attempt.begin(b"")
    server = attempt.accept()
    attempt.until(lambda: attempt.stream)
    settle(attempt.poller, attempt.peers)
    assert server.data == b""


def test_header_may_be_made_of_the_socket(attempt: Attempt) -> None:
    attempt.begin(lambda sock: f"{sock.getsockname()[1]} {sock.getpeername()[1]}".encode())
    server = attempt.accept()
    attempt.until(lambda: server.data)
    expected = f"{server.socket.getpeername()[1]} {server.socket.getsockname()[1]}"
    assert server.data.decode() == expected


def test_header_of_a_unix_socket_may_be_made_of_it(attempt: Attempt, tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        Outgoing(attempt, Target(socket.AF_UNIX, path), lambda sock: b"made", attempt.poller).begin()
        server, _ = listening.accept()
        with server:
            assert server.recv(100) == b"made"
    assert attempt.stream is not None


def test_made_header_may_be_empty(attempt: Attempt) -> None:
    attempt.begin(lambda sock: b"")
    attempt.accept()
    attempt.until(lambda: attempt.stream)


def test_refused_connection_is_reported(attempt: Attempt) -> None:
    attempt.listening.close()
    target = Target(socket.AF_INET, ("127.0.0.1", 1))
    Outgoing(attempt, target, b"", attempt.poller).begin()
    attempt.until(lambda: attempt.error)
    assert attempt.error is not None
    assert attempt.error.errno == errno.ECONNREFUSED


def test_failed_attempt_leaves_nothing(attempt: Attempt) -> None:
    before = len(os.listdir("/proc/self/fd"))
    Outgoing(attempt, Target(socket.AF_INET, ("127.0.0.1", 1)), HEADER, attempt.poller).begin()
    attempt.until(lambda: attempt.error)
    assert len(os.listdir("/proc/self/fd")) == before
    assert attempt.poller.ready == {}


def poll_while_busy(attempt: Attempt, begin: Callable[[], object]) -> None:
    """Begin something in one event of a batch of two."""
    begins = [begin]

    def on_event(events: int) -> None:
        while begins:
            begins.pop()()

    one, other = socket.socketpair()
    with one, other:
        for sock in (one, other):
            attempt.poller.add(sock.fileno(), on_event, WRITE)
        attempt.poller.poll(5)
        for sock in (one, other):
            attempt.poller.remove(sock.fileno())


def test_busy_process_connects_several_times_before_it_writes_headers(attempt: Attempt) -> None:
    """Each header wakes the server, if it sleeps."""
    steps: list[str] = []

    class Noted(socket.SocketType):
        def connect_ex(self, address: Any) -> int:
            steps.append("connect")
            return super().connect_ex(address)

        def send(self, data: Any, *flags: int) -> int:
            steps.append("send")
            return super().send(data, *flags)

    poll_while_busy(attempt, lambda: [attempt.begin(make_socket=Noted) for _ in range(3)])
    assert steps == ["connect"] * 3 + ["send"] * 3
    for server in [attempt.accept() for _ in range(3)]:
        attempt.until(lambda server=server: server.data == HEADER)  # type: ignore[misc]


def test_attempt_that_is_cancelled_before_its_header_writes_none(attempt: Attempt) -> None:
    poll_while_busy(attempt, lambda: attempt.begin().cancel())
    server = attempt.accept()
    attempt.until(lambda: server.fin)
    assert not server.data
    assert (attempt.stream, attempt.error, attempt.poller.ready) == (None, None, {})


def test_bug_in_a_busy_process_gives_the_attempt_up(attempt: Attempt) -> None:
    class Buggy(socket.SocketType):
        def send(self, data: Any, *flags: int) -> int:
            raise ZeroDivisionError("a bug")

    poll_while_busy(attempt, lambda: attempt.begin(make_socket=Buggy))
    assert (attempt.broken, attempt.poller.ready) == (1, {})


@pytest.mark.parametrize("is_tls", [False, True])
def test_cancelled_attempt_is_reported_to_nobody(attempt: Attempt, is_tls: bool) -> None:
    outgoing = attempt.begin(lambda sock: HEADER, client_tls() if is_tls else None)
    outgoing.cancel()
    server = attempt.accept()
    attempt.until(lambda: server.fin)
    assert (attempt.stream, attempt.error, attempt.poller.ready) == (None, None, {})


def test_bug_gives_the_attempt_up(attempt: Attempt) -> None:
    attempt.begin(lambda sock: 1 / 0)
    server = attempt.accept()
    attempt.until(lambda: attempt.broken)
    attempt.until(lambda: server.fin or server.reset)
    assert attempt.poller.ready == {}


@pytest.mark.parametrize("header", [b"", HEADER])
def test_event_of_the_descriptor_s_former_connection_reaches_nobody(attempt: Attempt, header: bytes) -> None:
    """The queue of the listening socket is full: the connection is not there yet."""
    attempt.listening.listen(0)
    with socket.create_connection(attempt.listening.getsockname()):
        attempt.begin(header)
        (on_event,) = attempt.poller.ready.values()
        on_event(READ)
        assert (attempt.stream, attempt.error) == (None, None)


# TLS.


def test_header_goes_in_plaintext_before_tls(attempt: Attempt) -> None:
    server = attempt.shake_hands()
    assert server.header == HEADER
    server.send(b"* OK ready\r\n")
    attempt.until(lambda: attempt.words == b"* OK ready\r\n")


def test_made_header_goes_in_plaintext_before_tls(attempt: Attempt) -> None:
    attempt.begin(lambda sock: HEADER, client_tls())
    server = attempt.accept_tls()
    attempt.until(lambda: attempt.stream)
    assert server.header == HEADER


def test_tls_needs_no_header(attempt: Attempt) -> None:
    attempt.begin(b"", client_tls())
    attempt.accept_tls(header=b"")
    attempt.until(lambda: attempt.stream)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken(attempt: Attempt, version: ssl.TLSVersion) -> None:
    server = attempt.shake_hands(attempt.trusting(), server_context(version=version))
    assert server.tls.version() == version.name.replace("_", ".")


def test_version_below_the_least_is_refused(attempt: Attempt) -> None:
    reason = attempt.refused(client_tls(min_version="1.3"), server_context(version=ssl.TLSVersion.TLSv1_2))
    assert reason == "TLS handshake: tlsv1 alert protocol version"


def test_server_name_is_that_of_the_server(attempt: Attempt) -> None:
    asked: list[str | None] = []
    context = server_context()
    context.sni_callback = lambda tls, name, own: asked.append(name)
    attempt.shake_hands(context=context)
    assert asked == [NAME]


def test_server_name_may_be_the_client_s(attempt: Attempt) -> None:
    asked: list[str | None] = []
    context = server_context()
    context.sni_callback = lambda tls, name, own: asked.append(name)
    attempt.begin(tls=attempt.trusting(sni="client", verify_name=NAME), server_name="Imap.example.com")
    attempt.accept_tls(context)
    attempt.until(lambda: attempt.stream)
    assert asked == ["Imap.example.com"]


def test_stage_is_reported(attempt: Attempt) -> None:
    outgoing = attempt.begin(lambda sock: HEADER, client_tls())
    assert outgoing.stage == "connection"
    attempt.accept()
    settle(attempt.poller, attempt.peers)
    assert outgoing.stage == "TLS"


def test_waiting_for_the_server_s_side_costs_nothing(attempt: Attempt) -> None:
    attempt.begin(tls=client_tls())
    attempt.accept()
    settle(attempt.poller, attempt.peers)
    assert not is_ready(attempt.poller)


def test_server_that_closes_during_the_handshake_is_not_reached(attempt: Attempt) -> None:
    attempt.begin(tls=client_tls())
    attempt.accept().end()
    attempt.until(lambda: attempt.error)
    assert str(attempt.error) == "TLS handshake: connection closed"


def test_server_that_resets_during_the_handshake_is_not_reached(attempt: Attempt) -> None:
    attempt.begin(tls=client_tls())
    attempt.accept().break_off()
    attempt.until(lambda: attempt.error)
    assert str(attempt.error) == "TLS handshake: Connection reset by peer"


@pytest.mark.parametrize("words", [b"* OK ready\r\n", b"220 mx.example.org ESMTP\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_server_that_speaks_no_tls_is_named(attempt: Attempt, words: bytes) -> None:
    attempt.begin(tls=client_tls())
    attempt.accept().send(words)
    attempt.until(lambda: attempt.error)
    assert str(attempt.error).endswith(", does the server speak TLS there?")


def test_handshake_that_has_no_room_continues_later(attempt: Attempt) -> None:
    """The first words of TLS wait for the connection like any others."""

    class Slow(socket.SocketType):
        def send(self, data: Any, *flags: int) -> int:
            return len(data)  # so TLS begins while the connection is still being made

    listening = attempt.listening
    listening.listen(0)
    with socket.create_connection(listening.getsockname()):  # the queue is full: the next one waits
        outgoing = attempt.begin(tls=client_tls(), make_socket=Slow)
        assert outgoing.stage == "TLS"
        assert not is_ready(attempt.poller)


def test_reached_stream_is_watched_for_reading_alone(attempt: Attempt) -> None:
    server = attempt.shake_hands()
    server.send(b"x")
    attempt.until(lambda: attempt.words == b"x")
    settle(attempt.poller, attempt.peers)
    assert not is_ready(attempt.poller)


# Who the server is.


def test_verified_server_is_reached(attempt: Attempt) -> None:
    attempt.shake_hands(attempt.trusting())
    assert isinstance(attempt.stream, SecureClientStream)


def test_server_with_another_name_is_not_reached(attempt: Attempt) -> None:
    reason = attempt.refused(attempt.trusting(verify_name="other.example.org"), server_context())
    assert reason == f"certificate is for {NAME}, not for other.example.org"
    assert isinstance(attempt.error, CertificateRefused)


def test_server_that_nobody_vouches_for_is_not_reached(attempt: Attempt) -> None:
    tls = attempt.trusting()
    reason = attempt.refused(tls, server_context(issued(NAME, "again.example.org").pem))
    assert reason.startswith("certificate is self-signed, and not in /")


def test_server_with_a_bad_certificate_learns_why_from_an_alert(attempt: Attempt) -> None:
    attempt.begin(tls=attempt.trusting())
    server = attempt.accept_tls(server_context(issued("other.example.org").pem))
    attempt.until(lambda: server.fin or server.reset)
    assert server.alert == "TLSV1_ALERT_UNKNOWN_CA"


def test_words_of_a_server_with_another_name_are_not_read(attempt: Attempt) -> None:
    attempt.begin(tls=attempt.trusting(verify_name="other.example.org"))
    attempt.accept_tls().send(b"* OK ready\r\n")
    attempt.until(lambda: attempt.error)
    assert attempt.poller.ready == {}


def test_failed_handshake_leaves_no_error_to_the_next_connection(attempt: Attempt) -> None:
    attempt.refused(attempt.trusting(), server_context(issued("other.example.org").pem))
    attempt.shake_hands(attempt.trusting())


def test_client_certificate_is_shown(attempt: Attempt, tmp_path: Path) -> None:
    ours = issued("proxy.example.org")
    path = tmp_path / "proxy.pem"
    path.write_bytes(ours.pem)
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ours.certificate_pem.decode())
    server = attempt.shake_hands(client_tls(certificate=str(path)), context)
    assert server.tls.getpeercert(binary_form=True) is not None


def test_server_that_refuses_our_certificate_in_the_handshake_is_not_called_a_client(
    attempt: Attempt, tmp_path: Path
) -> None:
    path = tmp_path / "proxy.pem"
    path.write_bytes(issued("proxy.example.org").pem)
    context = server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    refused = attempt.refused(client_tls(certificate=str(path)), context)
    assert refused == "TLS handshake: the server does not trust our certificate (unknown CA)"


# What comes after the handshake.


def take_up(attempt: Attempt, tls: ClientTls, context: ssl.SSLContext) -> bool:
    """Connect; return whether an earlier session was resumed."""
    server = attempt.shake_hands(tls, context)
    server.send(b"* OK ready\r\n")
    attempt.until(lambda: attempt.words)
    attempt.words.clear()
    assert attempt.stream is not None
    attempt.stream.close()
    assert server.tls.session_reused is not None
    return server.tls.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_is_taken_up_by_the_next_connection(attempt: Attempt, version: ssl.TLSVersion) -> None:
    tls, context = attempt.trusting(), server_context(version=version)
    assert [take_up(attempt, tls, context) for _ in range(3)] == [False, True, True]


def test_session_without_a_ticket_is_no_obstacle(attempt: Attempt) -> None:
    tls, context = attempt.trusting(), server_context()
    context.num_tickets = 0
    assert [take_up(attempt, tls, context) for _ in range(2)] == [False, False]


def test_session_that_the_server_forgot_is_no_obstacle(attempt: Attempt) -> None:
    tls = attempt.trusting()
    assert [take_up(attempt, tls, server_context()) for _ in range(2)] == [False, False]


def test_session_of_a_refused_server_is_not_kept(attempt: Attempt) -> None:
    """It would be resumed without verification of the certificate."""
    tls, context = attempt.trusting(verify_name="other.example.org"), server_context()
    for _ in range(2):
        attempt.refused(tls, context)


def test_closed_stream_says_goodbye(attempt: Attempt) -> None:
    server = attempt.shake_hands()
    settle(attempt.poller, attempt.peers)
    assert attempt.stream is not None
    attempt.stream.close()
    attempt.until(lambda: server.fin)
    assert server.notified


def test_tickets_alone_are_no_words(attempt: Attempt) -> None:
    """TLS 1.3 sends them after the handshake, which wakes the reader."""
    attempt.shake_hands()
    settle(attempt.poller, attempt.peers)
    assert (bytes(attempt.words), attempt.ended, attempt.failure) == (b"", False, "")
    assert not is_ready(attempt.poller)


def test_end_of_a_server_is_read_as_such(attempt: Attempt) -> None:
    attempt.shake_hands().end()
    attempt.until(lambda: attempt.ended)


def test_broken_server_is_read_as_such(attempt: Attempt) -> None:
    attempt.shake_hands().send_raw(b"this is no record of TLS")
    attempt.until(lambda: attempt.failure)
    assert attempt.failure == "bad record type"


def test_missing_client_certificate_is_reported_by_the_server_s_alert(attempt: Attempt) -> None:
    """In TLS 1.3 a server refuses a client after the handshake, as far as the client can see."""
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    attempt.begin(tls=client_tls())
    attempt.accept_tls(context)
    attempt.until(lambda: attempt.failure)
    assert attempt.failure == "tlsv13 alert certificate required"

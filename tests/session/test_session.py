"""One client's life, from accept to the log line."""

from __future__ import annotations

import select
import socket
import ssl

import pytest

from mailproxy.config import CustomTlv
from mailproxy.config.format import FORMAT
from mailproxy.mail.protocols import protocol_words
from mailproxy.mail.refusal import refusal
from mailproxy.proxyprotocol import TlvType
from mailproxy.session.relay import QUIET_SECONDS
from mailproxy.session.session import Session
from mailproxy.tls.openssl import WANT_WRITE
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.secure_server import SecureServerStream
from tests.session.bench import GREETING, Bench, BuggySocket, header_of
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME
from tests.transport.peers import TlsPeer, client_context, client_hello
from tests.transport.relay import is_ready

# The relay.


def test_client_and_server_speak_with_each_other(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(b"a login\r\n")
    bench.until(lambda: server.data == b"a login\r\n")
    server.send(b"a OK\r\n")
    bench.until(lambda: client.data == b"a OK\r\n")


def test_session_of_which_both_sides_end_is_over_without_a_reason(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(b"a logout\r\n")
    bench.until(lambda: server.data)
    server.send(b"* BYE\r\n")
    server.end()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert line["termination"] == "--"
    assert line["first_to_end"] == "server"
    assert "reason" not in line


def test_bytes_are_counted_from_the_greeting_on(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(b"four")
    bench.until(lambda: server.data)
    client.end()
    bench.until(lambda: server.fin)
    server.end()
    line = bench.over()
    assert (line["bytes_in"], line["bytes_out"]) == (4, len(GREETING))
    assert line["first_to_end"] == "client"


def test_server_answers_a_client_that_ended_after_long_silence(bench: Bench) -> None:
    client, server = bench.relay()
    bench.advance(600)
    client.end()
    bench.until(lambda: server.fin)
    bench.advance(30)
    server.send(b"late but in time")
    bench.until(lambda: client.data == b"late but in time")


# What the client does before the server has greeted.


def test_early_bytes_wait_for_the_greeting(bench: Bench) -> None:
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    client.send(b"a login\r\n")
    server = bench.server.accept()
    bench.settle()
    assert server.data == b""
    server.send(GREETING)
    bench.until(lambda: server.data == b"a login\r\n")
    assert client.data == GREETING


def test_early_bytes_do_not_spin(bench: Bench) -> None:
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    client.send(b"a login\r\n")
    bench.server.accept()
    bench.settle()
    assert not is_ready(bench.poller)


def test_client_that_ends_its_direction_gets_its_answers(bench: Bench) -> None:
    """As ``printf 'a logout\\r\\n' | nc`` does."""
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    if isinstance(client, TlsPeer):
        bench.until(lambda: client.secured)
    client.send(b"a logout\r\n")
    client.end()
    server = bench.server.accept()
    bench.settle()
    assert server.data == b""
    server.send(GREETING)
    bench.until(lambda: server.fin)
    assert server.data == b"a logout\r\n"
    server.send(b"* BYE\r\n")
    server.end()
    bench.until(lambda: client.fin)
    assert client.data == GREETING + b"* BYE\r\n"
    assert bench.over()["termination"] == "--"


def test_reset_before_the_greeting_frees_the_server(bench: Bench) -> None:
    client = bench.client() if bench.frontend.terms.tls is None else bench.tls_client()
    server = bench.server.accept()
    bench.settle()
    client.break_off()
    bench.until(lambda: server.fin or server.reset)
    assert bench.over()["termination"] == "CC"


def test_event_of_a_descriptor_s_former_connection_does_not_end_a_session(make: MakeBench) -> None:
    bench = make()
    bench.client()
    bench.server.accept()
    session = bench.session
    bench.poller.ready[session.client.fd](select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP)
    assert not session.is_over


# Silence.


def test_silent_client_is_closed(bench: Bench) -> None:
    client, server = bench.relay()
    bench.advance(35 * 60 - 1)
    assert not client.fin
    bench.advance(2)
    assert client.fin
    assert server.fin or server.reset
    client.end()
    assert bench.over()["termination"] == "cD"


def test_any_byte_is_a_sign_of_life(bench: Bench) -> None:
    client, server = bench.relay()
    bench.advance(30 * 60)
    client.send(b"x")
    bench.until(lambda: server.data)
    bench.advance(34 * 60)
    assert not client.fin


@pytest.mark.parametrize(
    ("timeout", "letters"), [({"client": 60.0}, "cD"), ({"server": 60.0}, "sD"), ({"client": 60.0, "server": 50}, "sD")]
)
def test_side_that_was_silent_too_long_is_named(make: MakeBench, timeout: dict[str, float], letters: str) -> None:
    bench = make(timeout=timeout)
    client, _ = bench.relay()
    bench.advance(61)
    client.end()
    line = bench.over()
    assert line["termination"] == letters
    assert line["reason"].endswith("was silent for too long")


@pytest.mark.parametrize(("ends", "letters"), [("client", "cD"), ("server", "sD")])
def test_half_closed_session_has_less_time(make: MakeBench, ends: str, letters: str) -> None:
    bench = make(timeout={f"{ends}_fin": 10.0, "client_fin" if ends == "server" else "server_fin": 20.0})
    client, server = bench.relay()
    (client if ends == "client" else server).end()
    bench.advance(9)
    assert bench.frontend.sessions
    bench.advance(2)
    if ends == "server":
        client.end()
    line = bench.over()
    assert line["termination"] == letters
    assert line["first_to_end"] == ends


def test_client_that_does_not_close_is_closed(bench: Bench) -> None:
    client, _ = bench.relay()
    bench.session.shut_down()
    bench.until(lambda: client.fin)
    bench.advance(4)
    assert bench.frontend.sessions
    bench.advance(2)
    assert bench.over()["termination"] == "KD"


# Sides that break.


def test_reset_by_the_client_is_the_client_s(bench: Bench) -> None:
    client, server = bench.relay()
    client.break_off()
    bench.until(lambda: server.fin or server.reset)
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("CD", "Connection reset by peer")


def test_reset_by_the_server_is_the_server_s(bench: Bench) -> None:
    client, server = bench.relay()
    server.break_off()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("SD", "Connection reset by peer")


def test_last_words_before_a_reset_of_the_server_are_delivered(bench: Bench) -> None:
    client, server = bench.relay()
    server.send(b"* BYE overloaded\r\n")
    server.break_off()
    bench.until(lambda: client.fin)
    assert client.data == b"* BYE overloaded\r\n"


def test_end_of_the_client_does_not_take_the_place_of_how_the_session_ended(make: MakeBench) -> None:
    """Both may be seen within one event: last words that the server does not take, and the end of them."""
    bench = make()
    client, server = bench.relay()
    client.send(b"a idle\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    server.break_off()
    bench.until(lambda: is_ready(bench.poller))
    session = bench.session
    bench.poller.ready[session.client.fd](0x2001)  # EPOLLIN and EPOLLRDHUP
    bench.until(lambda: client.fin)
    line = bench.over()
    assert line["termination"] == "SD"
    assert "first_to_end" not in line


def test_client_that_hangs_up_after_the_server_s_end_is_no_failure(make: MakeBench) -> None:
    bench = make(tls=True)
    client, server = bench.relay()
    server.end()
    bench.until(lambda: client.fin)
    client.break_off()
    assert bench.over()["termination"] == "--"


def test_server_that_hangs_up_after_its_end_is_no_failure(bench: Bench) -> None:
    client, server = bench.relay()
    server.end()
    bench.until(lambda: client.fin)
    server.break_off()
    client.send(b"never mind")
    bench.until(lambda: bench.session.termination)
    client.socket.shutdown(socket.SHUT_WR)
    assert bench.over()["termination"] == "--"


def test_reset_during_the_goodbye_changes_nothing(bench: Bench) -> None:
    client, server = bench.relay()
    client.reading = False
    server.send(bytes(12_000_000))
    bench.settle()
    bench.session.shut_down()
    client.break_off()
    assert bench.over()["termination"] == "KD"


def test_goodbye_to_a_client_that_does_not_read_has_a_deadline(bench: Bench) -> None:
    client, server = bench.relay()
    client.reading = False
    server.send(bytes(12_000_000))
    bench.settle()
    bench.session.shut_down()
    bench.advance(4.5)
    assert bench.frontend.sessions
    bench.advance(1)
    assert bench.over()["termination"] == "KD"


def test_garbage_within_tls_is_the_client_s_end(make: MakeBench) -> None:
    bench = make(tls=True)
    client, server = bench.relay()
    client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
    bench.until(lambda: server.fin or server.reset)
    assert bench.over()["reason"] == "decryption failed or bad record mac"


def test_bug_ends_its_session_and_no_other(make: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    bench.expects_bugs = True
    bench.relay()
    other, server = bench.relay()
    (session,) = (session for session in bench.frontend.sessions if session.number == 1)
    monkeypatch.setitem(bench.poller.ready, session.client.fd, Broken(session).on_event)
    bench.peers[0].send(b"x")
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("ID", "internal error")
    assert len(bench.bugs()) == 1
    other.send(b"x")
    bench.until(lambda: server.data == b"x")


class Broken:
    """A stream with a bug in it."""

    def __init__(self, session: Session) -> None:
        self.broke = session.client.broke

    def on_event(self, events: int) -> None:
        raise ZeroDivisionError("a bug")


def test_bug_at_the_start_of_a_session_ends_it(make: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    bench.expects_bugs = True
    with monkeypatch.context() as broken:
        broken.delattr(Session, "_want_server")
        client = bench.client()
        bench.until(lambda: client.fin or client.reset)
    assert bench.over()["termination"] == "IR"
    assert (bench.capacity.live, bench.total.live) == (0, 0)
    bench.clock.advance(1)
    bench.relay()


@pytest.mark.parametrize("stage", ["_on_connected", "_on_greeting", "dialled"])
def test_bug_while_the_server_is_dialled_ends_the_session(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    bench = make()
    bench.expects_bugs = True
    if stage == "_on_connected":
        bench.dials_with(BuggySocket)
    elif stage == "_on_greeting":
        monkeypatch.delattr(PlainStream, "read_some")
    else:
        monkeypatch.delattr(PlainStream, "put")
    client = bench.client()
    bench.server.accept(GREETING)
    bench.until(lambda: client.fin or client.reset)
    assert bench.over()["termination"][0] == "I"


# The handshake.


def test_handshake_comes_before_the_dial(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client()
    assert not bench.server.is_asked


def test_client_that_says_nothing_has_no_tls_state(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client()
    assert not isinstance(bench.session.client, SecureServerStream)


def test_handshake_has_a_deadline(make: MakeBench) -> None:
    bench = make(tls=True, timeout={"handshake": 10.0})
    client = bench.client()
    client.send(b"\x16\x03\x01")
    bench.advance(9)
    assert not client.fin
    bench.advance(2)
    assert client.fin
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("cR", "TLS handshake: not done within 10 s")
    assert bench.frontend.counters.handshake_errors == 1


def test_silent_client_of_a_tls_frontend_is_closed(make: MakeBench) -> None:
    bench = make(tls=True, timeout={"handshake": 10.0})
    client = bench.client()
    bench.advance(11)
    assert client.fin
    client.close()
    assert bench.over()["termination"] == "cR"


def test_plain_text_on_a_tls_port_is_refused(make: MakeBench) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(b"EHLO client.example\r\n")
    bench.until(lambda: client.fin)
    assert not client.reset
    client.close()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("PR", "TLS handshake: wrong version number")
    assert "sni" not in line
    assert not bench.server.is_asked


def test_client_that_goes_during_the_handshake_is_the_client_s_end(make: MakeBench) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(b"\x16\x03\x01")
    client.end()
    bench.until(lambda: client.fin)
    assert bench.over()["termination"] == "CR"


def test_reset_during_the_handshake_is_the_client_s_end(make: MakeBench) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(b"\x16\x03\x01")
    bench.settle()
    client.break_off()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("CR", "TLS handshake: Connection reset by peer")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_that_does_not_know_our_certificate_s_issuer_is_the_client_s_end(
    make: MakeBench, version: ssl.TLSVersion
) -> None:
    bench = make(tls=True)
    context = client_context(version)
    context.verify_mode = ssl.CERT_REQUIRED
    client = bench.tls_client(context)
    bench.until(lambda: client.fin)
    client.close()
    line = bench.over()
    assert (line["termination"], line["reason"]) == (
        "CR",
        "TLS handshake: the client does not trust our certificate (unknown CA)",
    )


@pytest.mark.parametrize(
    ("alert", "letters", "reason"),
    [
        (42, "CR", "the client does not trust our certificate (bad certificate)"),
        (43, "CR", "the client does not trust our certificate (unsupported certificate)"),
        (44, "CR", "the client does not trust our certificate (certificate revoked)"),
        (45, "CR", "the client does not trust our certificate (certificate expired)"),
        (46, "CR", "the client does not trust our certificate (certificate unknown)"),
        (40, "PR", "alert handshake failure"),
    ],
)
def test_alert_of_a_client_says_who_ended_the_handshake(make: MakeBench, alert: int, letters: str, reason: str) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(client_hello(client_context(ssl.TLSVersion.TLSv1_2), NAME))
    bench.until(lambda: client.data)
    client.send(bytes((0x15, 3, 3, 0, 2, 2, alert)))
    bench.until(lambda: client.fin)
    client.close()
    line = bench.over()
    assert line["termination"] == letters
    assert line["reason"].startswith("TLS handshake: ")
    assert line["reason"].endswith(reason)


def test_line_of_a_failed_handshake_has_the_name_that_the_client_asked_for(make: MakeBench) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(client_hello(client_context(ssl.TLSVersion.TLSv1_2), NAME))
    bench.until(lambda: client.data)
    client.break_off()
    assert bench.over()["sni"] == NAME


def test_line_of_a_late_handshake_has_the_name_that_the_client_asked_for(make: MakeBench) -> None:
    bench = make(tls=True, timeout={"handshake": 10.0})
    client = bench.client()
    client.send(client_hello(client_context(ssl.TLSVersion.TLSv1_2), NAME))
    bench.until(lambda: client.data)
    bench.advance(11)
    client.break_off()
    assert bench.over()["sni"] == NAME


def test_handshake_that_had_to_wait_for_room_at_its_end_is_no_end(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last flight has the session's tickets in it, which may be more than a slow client's socket takes."""
    bench = make(tls=True)
    handshake = SecureServerStream.handshake
    ends = iter([WANT_WRITE, 0])

    def waits_at_the_end(stream: SecureServerStream) -> int:
        return handshake(stream) or next(ends)

    monkeypatch.setattr(SecureServerStream, "handshake", waits_at_the_end)
    client, server = bench.relay()
    client.send(b"hello")
    bench.until(lambda: server.data == b"hello")


# PROXY header to the server.


def test_header_is_the_first_that_the_server_gets(make: MakeBench) -> None:
    bench = make(tls=True, send_proxy="v2-ssl")
    client = bench.tls_client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data)
    header = header_of(server)
    assert str(header.source) == "{}:{}".format(*client.socket.getsockname())
    assert str(header.destination) == "{}:{}".format(*client.socket.getpeername())
    assert header.ssl is not None
    assert header.ssl.version == "TLSv1.3"
    assert server.data == b""


def test_client_without_tls_is_reported_as_such(make: MakeBench) -> None:
    bench = make(send_proxy="v2-ssl")
    bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data)
    ssl = header_of(server).ssl
    assert ssl is not None
    assert not ssl.client


def test_destination_is_that_of_the_connection_on_a_wildcard(make: MakeBench) -> None:
    bench = make(bind="wildcard", send_proxy="v2")
    client = bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data)
    assert str(header_of(server).destination) == "{}:{}".format(*client.socket.getpeername())


def test_ipv6_client_is_reported_as_such(make: MakeBench) -> None:
    bench = make(bind="inet6", family="inet6", send_proxy="v2")
    client = bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data)
    host, port = client.socket.getsockname()[:2]
    assert str(header_of(server).source) == f"[{host}]:{port}"


def test_client_on_a_unix_socket_has_no_address(make: MakeBench) -> None:
    bench = make(bind="unix", family="unix", send_proxy="v2")
    client = bench.client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data)
    assert header_of(server).source is None
    client.end()
    server.end()
    assert bench.over()["client"] == "unix"


def test_unique_id_of_the_header_is_that_of_the_log(make: MakeBench) -> None:
    bench = make(send_proxy="v2", backend={"proxy_v2_options": frozenset({"unique-id"})})
    ids = set()
    for _ in range(3):
        bench.client()
        server = bench.server.accept()
        bench.settle()
        ids.add(header_of(server).first(TlvType.UNIQUE_ID))
    names = {session.id.encode() for session in bench.frontend.sessions}
    assert len(ids) == 3
    assert ids == names


def test_what_is_left_out_of_the_header_is_logged(make: MakeBench) -> None:
    bench = make(tls=True, send_proxy="v2-ssl", backend={"profile": "exim", "tlvs": (CustomTlv(0xE1, bytes(185)),)})
    client, server = bench.relay_with_header()
    server.end()
    client.end()
    assert "header limit 232" in bench.over()["left_out"]


def test_formats_are_filled_with_the_words_of_the_log(make: MakeBench) -> None:
    text = "{id} {frontend} {backend} {client} {src}:{src_port} {tls} {cipher} {resumed}| {cn}| {verify}"
    tlvs = (CustomTlv(0xE1, FORMAT.read(text)), CustomTlv(0xE2, b"constant"))
    bench = make(tls=True, send_proxy="v2", backend={"tlvs": tlvs})
    client, server = bench.relay()
    bench.until(lambda: server.data)
    filled = (header_of(server).first(0xE1) or b"").decode()
    server.end()
    client.end()
    line = bench.over()
    assert filled == (
        f"{line['id']} {line['frontend']} {line['backend']} {line['client']} {line['client']} {line['tls']} "
        f"{line['cipher']} | | "
    )


def test_configured_unique_id_stands_for_the_sessions(make: MakeBench) -> None:
    tlvs = (CustomTlv(TlvType.UNIQUE_ID, FORMAT.read("front-1/{id}")),)
    bench = make(send_proxy="v2", backend={"tlvs": tlvs, "proxy_v2_options": frozenset({"unique-id"})})
    bench.client()
    server = bench.server.accept()
    bench.settle()
    (session,) = bench.frontend.sessions
    assert header_of(server).first(TlvType.UNIQUE_ID) == f"front-1/{session.id}".encode()


# No server.


@pytest.mark.parametrize("protocol", sorted(protocol_words()))
@pytest.mark.parametrize("tls", [False, True])
def test_client_without_a_server_gets_its_protocol_s_words(make: MakeBench, protocol: str, tls: bool) -> None:
    bench = make(tls=tls, protocol=protocol, backend={"retries": 0})
    bench.server.refuse()
    client = bench.tls_client() if tls else bench.client()
    bench.until(lambda: client.fin)
    assert client.data == refusal(protocol)
    if isinstance(client, TlsPeer):
        assert client.notified
    client.end()
    line = bench.over()
    assert (line["termination"], line["server"], line["reason"]) == ("SC", "d1", "Connection refused")
    assert bench.frontend.counters.no_server == 1


# Shutting down.


def test_quiet_session_is_quiet_after_a_while(bench: Bench) -> None:
    client, _ = bench.relay()
    session = bench.session
    assert not session.is_quiet
    bench.advance(QUIET_SECONDS)
    assert session.is_quiet
    client.send(b"x")
    bench.settle()
    assert not session.is_quiet


def test_session_with_a_backlog_is_not_quiet(bench: Bench) -> None:
    client, server = bench.relay()
    client.reading = False
    server.send(bytes(12_000_000))
    bench.advance(QUIET_SECONDS)
    assert not bench.session.is_quiet


def test_shut_down_says_goodbye(make: MakeBench) -> None:
    bench = make(tls=True)
    client, server = bench.relay()
    bench.session.shut_down()
    bench.until(lambda: client.fin)
    assert isinstance(client, TlsPeer)
    assert client.notified
    assert server.pull() or server.fin or server.reset
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("KD", "shut down")


@pytest.mark.parametrize(("stage", "letters"), [("handshake", "KR"), ("dial", "KC")])
def test_shut_down_names_the_stage(make: MakeBench, stage: str, letters: str) -> None:
    bench = make(tls=stage == "handshake")
    client = bench.client()
    if stage == "dial":
        bench.server.accept()
    bench.session.shut_down()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["termination"] == letters


def test_abort_does_not_wait(bench: Bench) -> None:
    client, _ = bench.relay()
    bench.session.abort()
    assert bench.over()["termination"] == "KD"
    bench.until(lambda: client.fin)

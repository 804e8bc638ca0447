"""What a client says before STARTTLS, and what a server gets to know of it."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from mailproxy.mail.refusal import refusal
from mailproxy.session.relay import Relay
from mailproxy.transport.plain import PlainStream
from tests.session.bench import Bench, header_of, open_bench
from tests.transport.peers import Peer, TlsPeer

CLIENT = "127.0.0.1"


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """Opens a bench whose frontend has STARTTLS."""
    with ExitStack() as stack:

        def opened(mode: str = "starttls", **settings: Any) -> Bench:
            context: AbstractContextManager[Bench] = open_bench(tmp_path, tls=True, mode=mode, **settings)
            return stack.enter_context(context)

        yield opened


Open = Callable[..., Bench]


def greeted(bench: Bench) -> Peer:
    client = bench.client()
    bench.until(lambda: client.data)
    client.data.clear()
    return client


def answer(bench: Bench, client: Peer, *sent: bytes) -> bytes:
    for data in sent:
        client.send(data)
        bench.settle()
    received = bytes(client.data)
    client.data.clear()
    return received


def test_client_is_greeted_without_a_server(bench: Open) -> None:
    made = bench()
    client = made.client()
    made.until(lambda: client.data)
    assert client.data.startswith(b"* OK [CAPABILITY ")
    assert b"STARTTLS" in client.data
    assert b"LOGINDISABLED" in client.data
    assert not made.server.is_asked


def test_login_is_refused_without_a_server(bench: Open) -> None:
    made = bench()
    client = greeted(made)
    assert answer(made, client, b"a LOGIN alice secret\r\n").startswith(b"a NO [PRIVACYREQUIRED]")
    assert not made.server.is_asked


def test_server_learns_of_tls_and_its_greeting_is_swallowed(bench: Open) -> None:
    made = bench(send_proxy="v2-ssl")
    client = made.starttls_client()
    server = made.server.accept(b"* OK server\r\n")
    made.until(lambda: server.data)
    ssl = header_of(server).ssl
    assert ssl is not None
    assert ssl.version == "TLSv1.3"
    made.until(lambda: isinstance(made.session.stage, Relay))
    client.send(b"b NOOP\r\n")
    made.until(lambda: server.data == b"b NOOP\r\n")
    server.send(b"b OK\r\n")
    made.until(lambda: client.data == b"b OK\r\n")


def test_commands_after_tls_wait_for_the_server_s_greeting(bench: Open) -> None:
    made = bench()
    client = made.starttls_client()
    client.send(b"b CAPABILITY\r\n")
    server = made.server.accept()
    made.settle()
    assert server.data == b""
    server.send(b"* OK server\r\n")
    made.until(lambda: server.data == b"b CAPABILITY\r\n")
    assert client.data == b""


def test_managesieve_s_listing_is_relayed_without_starttls(bench: Open) -> None:
    made = bench(protocol="managesieve")
    client = made.starttls_client(b"STARTTLS\r\n")
    made.server.accept(b'"IMPLEMENTATION" "x"\r\n"SIEVE" "fileinto"\r\n"STARTTLS"\r\nOK "ready"\r\n')
    made.until(lambda: b"OK" in client.data)
    assert b'"SIEVE" "fileinto"' in client.data
    assert b"STARTTLS" not in client.data


@pytest.mark.parametrize("segments", [(b"a STARTTLS\r\nb LOGIN x y\r\n",), (b"a STARTTLS\r\n", b"b LOGIN x y\r\n")])
def test_bytes_between_starttls_and_tls_close_the_connection(bench: Open, segments: tuple[bytes, ...]) -> None:
    made = bench()
    client = greeted(made)
    received = answer(made, client, *segments)
    assert b"b " not in received
    assert made.frontend.counters.injections == 1
    client.socket.close()
    made.peers.remove(client)
    line = made.over()
    assert line["termination"] == "PR"
    assert "after STARTTLS" in line["reason"]
    assert not made.server.is_asked


def test_silent_client_is_answered_in_time(bench: Open) -> None:
    made = bench(timeout={"login": 5.0})
    client = greeted(made)
    made.advance(5.5)
    assert client.data.startswith(b"* BYE")
    client.socket.close()
    made.peers.remove(client)
    assert made.over()["termination"] == "cR"


def test_goodbye_is_a_good_end(bench: Open) -> None:
    made = bench()
    client = greeted(made)
    assert b"a OK" in answer(made, client, b"a LOGOUT\r\n")
    client.socket.close()
    made.peers.remove(client)
    assert made.over()["termination"] == "--"


def test_server_that_says_bye_is_no_server(bench: Open) -> None:
    made = bench(servers=2)
    client = made.starttls_client()
    made.servers[0].accept(b"* BYE not now\r\n")
    server = made.servers[1].accept(b"* OK server\r\n")
    client.send(b"b NOOP\r\n")
    made.until(lambda: server.data == b"b NOOP\r\n")
    assert client.data == b""


def test_client_without_a_server_is_answered_after_tls(bench: Open) -> None:
    made = bench(backend={"retries": 0})
    client = made.starttls_client()
    made.server.accept().end()
    made.until(lambda: client.data.startswith(b"* BYE [UNAVAILABLE]"))


# A server's own refusal, after TLS.

NO = {
    "imap": b"* BYE You are blocked\r\n",
    "pop3": b"-ERR You are blocked\r\n",
    "smtp": b"554-5.7.1 You are blocked\r\n554 5.7.1 See example.org\r\n",
    "submission": b"554 5.7.1 You are blocked\r\n",
    "lmtp": b"550 5.7.1 You are blocked\r\n",
    "managesieve": b'BYE "You are blocked"\r\n',
}
STARTTLS = {"imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}
NEXT = {"pop3": b"CAPA\r\n", "smtp": b"EHLO a.test\r\n", "submission": b"EHLO a.test\r\n", "lmtp": b"LHLO a.test\r\n"}


def starttls(made: Bench, protocol: str) -> TlsPeer:
    return made.starttls_client(STARTTLS.get(protocol, b"STARTTLS\r\n"))


@pytest.mark.parametrize("protocol", ["imap", "managesieve"])
def test_refusal_reaches_a_client_that_waits_for_the_server(bench: Open, protocol: str) -> None:
    made = bench(protocol=protocol, send_proxy="v2")
    client = starttls(made, protocol)
    made.server.accept(NO[protocol])
    made.until(lambda: client.fin)
    assert client.data == NO[protocol]
    client.end()
    assert made.over()["termination"] == "SC"


@pytest.mark.parametrize("has_spoken", [False, True])
@pytest.mark.parametrize("protocol", sorted(NEXT))
def test_refusal_answers_the_next_command(bench: Open, protocol: str, has_spoken: bool) -> None:
    made = bench(protocol=protocol, send_proxy="v2")
    client = starttls(made, protocol)
    command = NEXT[protocol]
    made.until(lambda: client.secured)
    if has_spoken:
        client.send(command)
    made.server.accept(NO[protocol])
    if not has_spoken:
        for piece in (command[:1], command[1:-1]):
            client.send(piece)
            made.settle()
            assert client.data == b""
            assert not client.fin
        client.send(command[-1:])
    made.until(lambda: client.fin)
    assert client.data == NO[protocol]
    client.end()
    line = made.over()
    assert (line["termination"], line["server"]) == ("SC", "d1")


def test_client_that_says_nothing_more_is_refused_nevertheless(bench: Open) -> None:
    made = bench(protocol="smtp", send_proxy="v2", timeout={"close": 2.0})
    client = starttls(made, "smtp")
    made.server.accept(NO["smtp"])
    made.settle()
    made.advance(1.5)
    assert client.data == b""
    made.advance(0.75)
    made.until(lambda: client.fin)
    assert client.data == NO["smtp"]


@pytest.mark.parametrize("leave", ["end", "break_off"])
def test_client_that_leaves_before_its_next_command_is_logged_as_refused(bench: Open, leave: str) -> None:
    made = bench(protocol="smtp", send_proxy="v2")
    client = starttls(made, "smtp")
    made.server.accept(NO["smtp"])
    made.settle()
    getattr(client, leave)()
    assert made.over()["reason"].startswith("the server refuses this client: 554-5.7.1 You are blocked")


def test_refused_client_may_still_be_waited_for_when_the_service_stops(bench: Open) -> None:
    made = bench(protocol="smtp", send_proxy="v2")
    starttls(made, "smtp")
    made.server.accept(NO["smtp"])
    made.settle()
    made.session.abort()
    assert made.over()["termination"] == "SC"


def test_our_own_refusal_answers_the_next_command_too(bench: Open) -> None:
    made = bench(protocol="pop3", backend={"retries": 0})
    client = starttls(made, "pop3")
    made.server.accept().end()
    made.settle()
    assert client.data == b""
    client.send(b"CAPA\r\n")
    made.until(lambda: client.fin)
    assert client.data == refusal("pop3")


@pytest.mark.parametrize(
    ("protocol", "command"),
    [("imap", b"a LOGIN b c\r\n"), ("pop3", b"USER a\r\n"), ("smtp", b"MAIL FROM:<a@b.test>\r\n")],
)
def test_refusal_answers_the_plaintext_command_that_wanted_a_server(bench: Open, protocol: str, command: bytes) -> None:
    made = bench(mode="starttls-optional", protocol=protocol, send_proxy="v2")
    client = greeted(made)
    client.send(command)
    made.server.accept(NO[protocol])
    made.until(lambda: client.fin)
    assert client.data == NO[protocol]


def test_what_was_learned_is_announced_to_the_next_client(bench: Open) -> None:
    made = bench()
    made.frontend.learn((b"IMAP4rev1", b"IDLE", b"AUTH=PLAIN", b"STARTTLS"))
    client = made.client()
    made.until(lambda: client.data)
    assert b"IDLE" in client.data
    assert b"AUTH=" not in client.data


def test_optional_client_without_tls_is_handed_over_with_its_command(bench: Open) -> None:
    made = bench(mode="starttls-optional", send_proxy="v2-ssl")
    client = greeted(made)
    client.send(b"a NOOP\r\nb LOGIN alice {6}\r\n")
    server = made.server.accept(b"* OK server\r\n")
    made.until(lambda: server.data)
    ssl = header_of(server).ssl
    assert ssl is not None
    assert ssl.client == 0
    made.until(lambda: server.data == b"b LOGIN alice {6}\r\n")
    server.send(b"+ go on\r\n")
    made.until(lambda: client.data.endswith(b"+ go on\r\n"))
    assert client.data.startswith(b"a OK")
    client.send(b"secret\r\n")
    made.until(lambda: server.data.endswith(b"secret\r\n"))


def test_optional_smtp_client_need_not_introduce_itself_again(bench: Open) -> None:
    made = bench(mode="starttls-optional", protocol="smtp")
    client = greeted(made)
    answer(made, client, b"EHLO me.example\r\n")
    client.send(b"MAIL FROM:<a@example.org>\r\n")
    server = made.server.accept(b"220-server\r\n220 ready\r\n")
    made.until(lambda: server.data == b"EHLO me.example\r\n")
    server.data.clear()
    server.send(b"250-server\r\n250 SIZE\r\n")
    made.until(lambda: server.data == b"MAIL FROM:<a@example.org>\r\n")
    server.send(b"250 fine\r\n")
    made.until(lambda: client.data == b"250 fine\r\n")


def test_optional_client_may_still_ask_for_tls(bench: Open) -> None:
    made = bench(mode="starttls-optional", send_proxy="v2-ssl")
    made.starttls_client()
    server = made.server.accept(b"* OK server\r\n")
    made.until(lambda: server.data)
    ssl = header_of(server).ssl
    assert ssl is not None
    assert ssl.client == 1


def test_optional_client_without_tls_that_ends_its_direction_gets_its_answers(bench: Open) -> None:
    made = bench(mode="starttls-optional")
    client = greeted(made)
    client.send(b"b LOGIN alice secret\r\n")
    client.end()
    made.settle()
    server = made.server.accept(b"* OK server\r\n")
    made.until(lambda: server.fin)
    assert server.data == b"b LOGIN alice secret\r\n"
    server.send(b"b OK done\r\n")
    made.until(lambda: client.data == b"b OK done\r\n")


def test_optional_client_without_tls_that_breaks_off_after_its_command_is_lost(bench: Open) -> None:
    made = bench(mode="starttls-optional")
    client = greeted(made)
    client.send(b"b LOGIN alice secret\r\n")
    made.server.accept()
    made.settle()
    client.break_off()
    assert made.over()["termination"] == "CC"


@pytest.mark.parametrize("failure", ["no room", "broken"])
def test_server_that_does_not_take_the_introduction_has_failed(
    bench: Open, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    def write_some(stream: PlainStream, data: bytes) -> int:
        if failure == "broken":
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        return 0

    made = bench(mode="starttls-optional", protocol="smtp", backend={"retries": 0})
    client = greeted(made)
    answer(made, client, b"EHLO me.example\r\n")
    client.send(b"MAIL FROM:<a@example.org>\r\n")
    server = made.server.accept()
    monkeypatch.setattr(PlainStream, "write_some", write_some)
    server.send(b"220 ready\r\n")
    made.until(lambda: client.fin)
    assert client.data == refusal("smtp")
    client.end()
    line = made.over()
    reason = {"no room": "the server does not read", "broken": "Broken pipe"}[failure]
    assert (line["termination"], line["reason"]) == ("SC", reason)
    assert made.taken == [0]

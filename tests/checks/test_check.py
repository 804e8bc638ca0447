"""Checks over a connection, against servers that the test plays over loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from mailproxy import config
from mailproxy.announce.header import HeaderPolicy
from mailproxy.checks.agent_words import AgentReply
from mailproxy.checks.check import Check
from mailproxy.checks.factory import check_target, make_check
from mailproxy.checks.header import check_header
from mailproxy.checks.outcome import Outcome
from mailproxy.config.check import CheckType
from mailproxy.config.model import MailProtocol, SendProxy
from mailproxy.proxyprotocol import Command, Decoder, Header, InetAddress
from mailproxy.transport.outgoing import Target
from tests.checks.bench import Bench
from tests.transport.peers import Peer

LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


def policy(send_proxy: SendProxy = "v2-ssl") -> HeaderPolicy:
    return HeaderPolicy(config.Backend(name="b", send_proxy=send_proxy, servers=()), "imap")


def made(
    bench: Bench, settings: config.Check, protocol: MailProtocol = "imap", send_proxy: SendProxy = "v2-ssl"
) -> Check:
    return make_check(
        settings,
        protocol,
        send_proxy=send_proxy,
        policy=policy(send_proxy),
        host="mx.test",
        reactor=bench.clock,
        poller=bench.poller,
        timeouts=bench.timeouts,
        remedy="set haproxy = yes there",
        distrusts="is mailproxy trusted there?",
    )


def checking(kind: CheckType, **settings: Any) -> config.Check:
    return config.Check(**{"type": kind, "timeout": 1.0, "header": "none", **settings})


class Running:
    """A check under way in a bench."""

    def __init__(
        self, bench: Bench, settings: config.Check, protocol: MailProtocol = "imap", send_proxy: SendProxy = "v2-ssl"
    ) -> None:
        self.bench = bench
        self.outcomes: list[Outcome] = []
        self.run = made(bench, settings, protocol, send_proxy).begin(bench.target, self.outcomes.append)

    @property
    def outcome(self) -> Outcome:
        self.bench.until(lambda: self.outcomes)
        (outcome,) = self.outcomes
        return outcome

    def hears(self, peer: Peer, data: bytes) -> None:
        """Wait until the server has heard this, and nothing else."""
        self.bench.until(lambda: len(peer.data) >= len(data))
        assert bytes(peer.data) == data
        peer.data.clear()


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return str(file)


def test_mail_check_greets_and_leaves_behind_a_local_header(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="local"))
    peer = bench.accept()
    running.hears(peer, LOCAL)
    peer.send(b"* OK ready\r\n")
    running.hears(peer, b"a2 LOGOUT\r\n")
    peer.send(b"* BYE\r\na2 OK\r\n")
    assert running.outcome.ok
    assert running.outcome.reason == "greeted"
    bench.until(lambda: peer.fin)


def test_mail_check_without_a_header(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="none"), "pop3")
    peer = bench.accept(b"+OK\r\n")
    running.hears(peer, b"QUIT\r\n")
    peer.send(b"+OK\r\n")
    assert running.outcome.ok


def test_server_that_says_no_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    bench.accept(b"* BYE Auth process broken\r\n")
    assert not running.outcome.ok
    assert running.outcome.reason == "greeting: expected * OK, got * BYE Auth process broken"


def test_server_that_answers_the_header_is_not_well_and_is_told_how_to_be(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="local"))
    bench.accept(b"* OK ready\r\n* BAD Error in IMAP command\r\n")
    outcome = running.outcome
    assert not outcome.ok
    assert outcome.ignores_header
    assert outcome.reason == (
        'answered the PROXY header with "* BAD Error in IMAP command": its listener expects none; '
        'set haproxy = yes there, or send-proxy = "none"'
    )


def test_error_is_not_blamed_on_a_header_that_was_not_sent(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    bench.accept(b"* OK ready\r\n* BAD Error\r\n")
    assert running.outcome.reason == "LOGOUT: expected OK, got * BAD Error"
    assert not running.outcome.ignores_header


def test_server_that_closes_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    bench.accept(b"* OK rea").end()
    assert running.outcome.reason == "greeting: expected * OK, got the end of the connection after * OK rea"


def test_server_that_resets_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="local"))
    peer = bench.accept()
    running.hears(peer, LOCAL)
    peer.break_off()
    assert running.outcome.reason == (
        "greeting: expected * OK, got Connection reset by peer; is mailproxy trusted there?"
    )


def test_silent_server_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="local"))
    bench.accept()
    bench.advance(1.25)
    assert running.outcome.reason == (
        "greeting: expected * OK, got no answer within 1 s; does it speak TLS there? then it needs tls here"
    )
    assert running.outcome.seconds >= 1.0


@pytest.mark.parametrize(("send_proxy", "key"), [("none", "send-proxy"), ("v2-ssl", "check-header")])
def test_silence_without_a_header_may_be_for_want_of_one(bench: Bench, send_proxy: SendProxy, key: str) -> None:
    running = Running(bench, checking("mail"), send_proxy=send_proxy)
    bench.accept()
    bench.advance(1.25)
    assert f"; does its listener require a PROXY header? {key} sends one; or does it" in running.outcome.reason


def test_server_that_is_silent_at_the_goodbye_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    running.hears(bench.accept(b"* OK\r\n"), b"a2 LOGOUT\r\n")
    bench.advance(1.25)
    assert running.outcome.reason == "LOGOUT: expected OK, got no answer within 1 s"


def test_server_that_closes_at_the_goodbye_is_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    peer = bench.accept(b"* OK\r\n")
    running.hears(peer, b"a2 LOGOUT\r\n")
    peer.end()
    assert running.outcome.ok


def test_closed_port_is_not_well(bench: Bench) -> None:
    bench.listening.close()
    running = Running(bench, checking("mail"))
    assert running.outcome.reason == "connection: Connection refused"


def test_run_that_is_cancelled_says_nothing(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    peer = bench.accept()
    running.run.cancel()
    bench.until(lambda: peer.fin)
    bench.advance(2.0)
    assert running.outcomes == []


def test_login_check_tells_of_its_own_end_and_of_tls(bench: Bench, password: str) -> None:
    running = Running(bench, checking("login", header="proxy", user="probe", password_file=password))
    peer = bench.accept()
    bench.until(lambda: peer.data)
    header = Decoder().feed(bytes(peer.data))
    assert header is not None
    assert header.ssl is not None
    assert header.ssl.version == "TLSv1.3"
    assert header.source == InetAddress(ip_address("127.0.0.1"), peer.socket.getpeername()[1])
    assert header.destination == InetAddress(ip_address("127.0.0.1"), bench.address[1])
    running.run.cancel()


def test_login_check_logs_in(bench: Bench, password: str) -> None:
    running = Running(bench, checking("login", header="none", user="probe", password_file=password, mailbox="INBOX"))
    peer = bench.accept(b"* OK\r\n")
    running.hears(peer, b'a1 LOGIN "probe" "s3cret"\r\n')
    peer.send(b"a1 OK\r\n")
    running.hears(peer, b'm1 SELECT "INBOX"\r\n')
    peer.send(b"m1 OK\r\n")
    running.hears(peer, b"a2 LOGOUT\r\n")
    peer.send(b"a2 OK\r\n")
    assert running.outcome == Outcome(True, "logged in", running.outcome.seconds)


def test_refused_account_is_misconfigured_and_no_dead_server(bench: Bench, password: str) -> None:
    running = Running(bench, checking("login", header="none", user="probe", password_file=password))
    bench.accept(b"* OK\r\n").send(b"a1 NO [AUTHENTICATIONFAILED] no\r\n")
    assert running.outcome.ok
    assert running.outcome.is_misconfigured
    assert running.outcome.reason == "LOGIN: expected OK, got a1 NO [AUTHENTICATIONFAILED] no"


def test_lmtp_has_no_login(bench: Bench, password: str) -> None:
    running = Running(bench, checking("login", header="none", user="probe", password_file=password), "lmtp")
    peer = bench.accept(b"220 x\r\n")
    running.hears(peer, b"LHLO mx.test\r\n")
    peer.send(b"250 x\r\n")
    running.hears(peer, b"QUIT\r\n")
    peer.send(b"221 x\r\n")
    assert running.outcome.reason == "answered LHLO"


def test_tcp_check_is_content_with_a_connection(bench: Bench) -> None:
    running = Running(bench, checking("tcp", header="local"))
    assert running.outcome.reason == "connected"
    peer = bench.accept()
    bench.until(lambda: peer.fin)
    assert bytes(peer.data) == LOCAL


@pytest.mark.parametrize("kind", ["mail", "login"])
def test_protocol_of_which_nothing_is_known_is_only_connected_to(bench: Bench, kind: CheckType) -> None:
    assert Running(bench, checking(kind), "tcp").outcome.reason == "connected"


def test_header_is_local_unless_something_else_is_said(bench: Bench) -> None:
    running = Running(bench, checking("mail", header=None))
    running.hears(bench.accept(), LOCAL)
    running.run.cancel()


def test_agent_gets_no_header_unless_one_is_said(bench: Bench) -> None:
    running = Running(bench, checking("agent", header=None, send="x"))
    running.hears(bench.accept(), b"x")
    running.run.cancel()


def test_agent_is_heard(bench: Bench) -> None:
    running = Running(bench, checking("agent", send="hello\n"))
    peer = bench.accept()
    running.hears(peer, b"hello\n")
    peer.send(b"up 7")
    peer.send(b"5%\n")
    assert running.outcome.ok
    assert running.outcome.agent == AgentReply(health="up", percent=75)
    assert running.outcome.reason == "agent: up 75%"


def test_agent_may_close_instead_of_ending_its_line(bench: Bench) -> None:
    running = Running(bench, checking("agent"))
    bench.accept(b"drain").end()
    assert running.outcome.agent == AgentReply(admin="drain")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"down#disk full\n", "agent: down #disk full"),
        (b"hello\n", "agent: expected words such as up, down, ready, drain, maint or 75%, got hello"),
        (b"\n", "agent: expected words such as up, down, ready, drain, maint or 75%, got an empty line"),
    ],
)
def test_agent_that_is_not_content(bench: Bench, said: bytes, reason: str) -> None:
    running = Running(bench, checking("agent"))
    bench.accept(said)
    assert not running.outcome.ok
    assert running.outcome.reason == reason


def test_words_that_are_none_are_told(bench: Bench) -> None:
    running = Running(bench, checking("agent"))
    bench.accept(b"up hello\n")
    assert running.outcome.reason == "agent: up (unknown words: hello)"


def test_silent_agent_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("agent"))
    bench.accept(b"up")
    bench.advance(1.25)
    assert not running.outcome.ok
    assert running.outcome.reason == "agent: expected a line of words, got no answer within 1 s"


def test_endless_agent_is_not_listened_to_for_ever(bench: Bench) -> None:
    running = Running(bench, checking("agent"))
    peer = bench.accept(b"up " * 1000)
    assert running.outcome.ok
    bench.until(lambda: peer.fin or peer.reset)


@pytest.mark.parametrize(
    ("send_proxy", "kind", "header"),
    [
        ("v2-ssl", "local", LOCAL),
        ("v2", "local", LOCAL),
        ("v1", "local", b"PROXY UNKNOWN\r\n"),
        ("none", "local", b""),
        ("v2-ssl", "none", b""),
        ("none", "proxy", b""),
    ],
)
def test_header_that_is_the_same_for_all(send_proxy: SendProxy, kind: Any, header: bytes) -> None:
    assert check_header(kind, send_proxy, policy(send_proxy), None) == header


@pytest.mark.parametrize("send_proxy", ["v1", "v2"])
def test_header_with_our_own_address(bench: Bench, send_proxy: SendProxy) -> None:
    running = Running(bench, checking("mail", header="proxy"), send_proxy=send_proxy)
    peer = bench.accept()
    bench.until(lambda: peer.data)
    header = Decoder().feed(bytes(peer.data))
    assert isinstance(header, Header)
    assert header.command is Command.PROXY
    assert header.source == InetAddress(ip_address("127.0.0.1"), peer.socket.getpeername()[1])
    running.run.cancel()


INET = Target(socket.AF_INET, ("192.0.2.1", 143))
UNIX = Target(socket.AF_UNIX, "/run/dovecot/imap")


@pytest.mark.parametrize(
    ("target", "settings", "where"),
    [
        (INET, {}, INET.address),
        (INET, {"port": 10143}, ("192.0.2.1", 10143)),
        (INET, {"address": IPv4Address("192.0.2.2")}, ("192.0.2.2", 143)),
        (INET, {"address": IPv6Address("::1")}, ("::1", 143)),
        (UNIX, {}, UNIX.address),
        (UNIX, {"address": IPv4Address("192.0.2.2"), "port": 5}, ("192.0.2.2", 5)),
    ],
)
def test_check_goes_where_it_is_told(target: Target, settings: dict[str, Any], where: Any) -> None:
    checked = check_target(target, checking("mail", **settings))
    assert checked.address == where
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    assert checked.family == family


def test_check_is_made_to_go_there(bench: Bench) -> None:
    host, port = bench.address
    check = made(bench, checking("mail", address=ip_address(host), port=port))
    outcomes: list[Outcome] = []
    check.begin(Target(socket.AF_UNIX, "/nowhere"), outcomes.append)
    bench.accept(b"* BYE\r\n")
    bench.until(lambda: outcomes)
    assert outcomes[0].reason == "greeting: expected * OK, got * BYE"


def test_unix_socket_has_no_port_to_be_checked_at() -> None:
    with pytest.raises(ValueError, match="needs both a port and an address of its own"):
        check_target(UNIX, checking("mail", port=5))


def test_check_leaves_tls_out_if_told() -> None:
    tls: Any = object()
    target = evolve(INET, tls=tls)
    assert check_target(target, checking("mail", tls=False)).tls is None
    assert check_target(target, checking("mail", tls=True)).tls is tls


def write(folder: Path, content: bytes) -> str:
    (folder / "secret").write_bytes(content)
    return str(folder / "secret")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (lambda file: checking("none"), 'there is no check of type "none"'),
        (lambda file: checking("login"), "needs user and password-file"),
        (lambda file: checking("login", user="x\n", password_file=file), "the user has a control character in it"),
        (lambda file: checking("login", user="x", password_file=file, mailbox="Entwürfe"), "IMAP's modified UTF-7"),
        (lambda file: checking("http"), "needs a url"),
        (lambda file: checking("login", user="x", password_file="/nothing"), "/nothing: cannot be read: No such file"),
    ],
)
def test_check_that_cannot_work_is_refused(
    bench: Bench, password: str, settings: Callable[[str], config.Check], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        made(bench, settings(password))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"s3cret" * 1000, "has more than 4096 bytes"),
        (b"s3cret\xff", "is not UTF-8"),
        (b"s3cr\0et", "control character"),
    ],
)
def test_file_that_is_no_secret_is_refused_and_not_told(
    bench: Bench, password: str, content: bytes, error: str
) -> None:
    Path(password).write_bytes(content)
    with pytest.raises(ValueError, match=error) as raised:
        made(bench, checking("login", user="x", password_file=password))
    assert "s3cr" not in str(raised.value)


def test_authorization_is_ascii(bench: Bench, password: str) -> None:
    Path(password).write_text("Bearer ä")
    with pytest.raises(ValueError, match="is not ASCII"):
        made(bench, checking("http", url="http://a/", authorization_file=password))

"""Checks over a connection, against servers that the test plays over loopback."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mailproxy import config
from mailproxy.checks.agent_words import AgentReply
from mailproxy.checks.outcome import Outcome
from mailproxy.config.check import CheckType
from mailproxy.config.model import MailProtocol, SendProxy
from mailproxy.proxyprotocol import Command, Decoder, Header, InetAddress
from tests.checks.bench import Bench
from tests.checks.making import LOCAL, checking, made
from tests.transport.peers import Peer


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

    def expect(self, peer: Peer, data: bytes) -> None:
        """Wait until the server has received this, and nothing else."""
        self.bench.until(lambda: len(peer.data) >= len(data))
        assert bytes(peer.data) == data
        peer.data.clear()


def test_mail_check_greets_and_leaves_behind_a_local_header(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="local"))
    peer = bench.accept()
    running.expect(peer, LOCAL)
    peer.send(b"* OK ready\r\n")
    running.expect(peer, b"a2 LOGOUT\r\n")
    peer.send(b"* BYE\r\na2 OK\r\n")
    assert running.outcome.ok
    assert running.outcome.reason == "greeted"
    bench.until(lambda: peer.fin)


def test_mail_check_may_go_without_a_header(bench: Bench) -> None:
    running = Running(bench, checking("mail", header="none"), "pop3")
    peer = bench.accept(b"+OK\r\n")
    running.expect(peer, b"QUIT\r\n")
    peer.send(b"+OK\r\n")
    assert running.outcome.ok


def test_server_that_says_no_is_not_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    bench.accept(b"* BYE Auth process broken\r\n")
    assert not running.outcome.ok
    assert running.outcome.reason == "greeting: expected * OK, got * BYE Auth process broken"


def test_server_that_answers_the_header_is_reported_with_the_remedy(bench: Bench) -> None:
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
    running.expect(peer, LOCAL)
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
    running.expect(bench.accept(b"* OK\r\n"), b"a2 LOGOUT\r\n")
    bench.advance(1.25)
    assert running.outcome.reason == "LOGOUT: expected OK, got no answer within 1 s"


def test_server_that_closes_at_the_goodbye_is_well(bench: Bench) -> None:
    running = Running(bench, checking("mail"))
    peer = bench.accept(b"* OK\r\n")
    running.expect(peer, b"a2 LOGOUT\r\n")
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


def test_header_of_a_login_check_names_its_own_end_and_tls(bench: Bench, password: str) -> None:
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
    running.expect(peer, b'a1 LOGIN "probe" "s3cret"\r\n')
    peer.send(b"a1 OK\r\n")
    running.expect(peer, b'm1 SELECT "INBOX"\r\n')
    peer.send(b"m1 OK\r\n")
    running.expect(peer, b"a2 LOGOUT\r\n")
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
    running.expect(peer, b"LHLO mx.test\r\n")
    peer.send(b"250 x\r\n")
    running.expect(peer, b"QUIT\r\n")
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


def test_header_is_local_unless_another_is_configured(bench: Bench) -> None:
    running = Running(bench, checking("mail", header=None))
    running.expect(bench.accept(), LOCAL)
    running.run.cancel()


def test_agent_gets_no_header_unless_one_is_configured(bench: Bench) -> None:
    running = Running(bench, checking("agent", header=None, send="x"))
    running.expect(bench.accept(), b"x")
    running.run.cancel()


def test_agent_s_answer_is_read(bench: Bench) -> None:
    running = Running(bench, checking("agent", send="hello\n"))
    peer = bench.accept()
    running.expect(peer, b"hello\n")
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
    ("reply", "reason"),
    [
        (b"down#disk full\n", "agent: down #disk full"),
        (b"hello\n", "agent: expected words such as up, down, ready, drain, maint or 75%, got hello"),
        (b"\n", "agent: expected words such as up, down, ready, drain, maint or 75%, got an empty line"),
    ],
)
def test_agent_that_reports_down_or_unknown_words_fails_the_check(bench: Bench, reply: bytes, reason: str) -> None:
    running = Running(bench, checking("agent"))
    bench.accept(reply)
    assert not running.outcome.ok
    assert running.outcome.reason == reason


def test_words_that_are_none_are_reported(bench: Bench) -> None:
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


@pytest.mark.parametrize("send_proxy", ["v1", "v2"])
def test_proxy_header_of_a_check_has_our_own_address(bench: Bench, send_proxy: SendProxy) -> None:
    running = Running(bench, checking("mail", header="proxy"), send_proxy=send_proxy)
    peer = bench.accept()
    bench.until(lambda: peer.data)
    header = Decoder().feed(bytes(peer.data))
    assert isinstance(header, Header)
    assert header.command is Command.PROXY
    assert header.source == InetAddress(ip_address("127.0.0.1"), peer.socket.getpeername()[1])
    running.run.cancel()

"""Learning from a server that the test plays."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from twisted.logger import capturedLogs

from mailproxy import config
from mailproxy.announce.header import HeaderPolicy
from mailproxy.backend.backend import Backend
from mailproxy.checks.capabilities import Learner, Lesson, Question, no_login_advice
from mailproxy.checks.header import LIKE_TLS, foreign_header
from mailproxy.config import BackendTimeouts, InetServer, Server
from mailproxy.config.place import InetBind
from mailproxy.proxyprotocol import Decoder, Header, InetAddress
from mailproxy.tls.facts import TlsFacts
from tests.checks.bench import Bench
from tests.transport.peers import Peer

OFFER = b"IMAP4rev1 IDLE AUTH=PLAIN"
LESSON = Lesson("s", tuple(OFFER.split()))


def backend_of(bench: Bench, **keys: Any) -> Backend:
    host, port = bench.address
    return Backend(
        config.Backend(
            name="b",
            **{"send_proxy": "v2-ssl", **keys},
            timeout=BackendTimeouts(connect=1.0),
            servers=(Server(name="s", address=InetServer(ip_address(host), port)),),
        ),
        "imap",
    )


def begin(
    bench: Bench, *, with_tls: bool = True, destination: InetBind | None = None, **keys: Any
) -> Callable[[], Lesson]:
    """Ask; what is returned waits for the lesson."""
    lessons: list[Lesson] = []
    backend = backend_of(bench, **keys)
    question = Question(
        backend,
        backend.pool.servers[0],
        "imap",
        "me.example",
        lessons.append,
        with_tls=with_tls,
        destination=destination,
        poller=bench.poller,
        timeouts=bench.timeouts,
    )
    question.begin()
    bench.at_the_end(question.cancel)

    def lesson() -> Lesson:
        bench.until(lambda: lessons)
        return lessons[0]

    return lesson


def header_of(bench: Bench, server: Peer) -> Header:
    decoder = Decoder()
    bench.until(lambda: server.data)
    header = decoder.feed(bytes(server.data))
    assert header is not None
    server.data[:] = decoder.unused
    return header


def answer(bench: Bench, offer: bytes = OFFER) -> tuple[Peer, Header]:
    """Be the server, until LOGOUT."""
    server = bench.accept()
    header = header_of(bench, server)
    server.send(b"* OK ready\r\n")
    bench.until(lambda: server.data == b"a1 CAPABILITY\r\n")
    server.send(b"* CAPABILITY " + offer + b"\r\na1 OK done\r\n")
    bench.until(lambda: server.data.endswith(b"a2 LOGOUT\r\n"))
    server.send(b"* BYE\r\na2 OK bye\r\n")
    return server, header


def test_server_says_what_it_offers(bench: Bench) -> None:
    lesson = begin(bench)
    answer(bench)
    assert lesson() == LESSON


def test_connection_is_closed_after_the_goodbye(bench: Bench) -> None:
    begin(bench)
    server, _ = answer(bench)
    bench.until(lambda: server.fin)


def test_header_tells_of_a_client_from_elsewhere_and_of_tls(bench: Bench) -> None:
    begin(bench)
    server, header = answer(bench)
    assert header.ssl is not None
    assert header.ssl.version == "TLSv1.3"
    assert str(header.destination) == f"127.0.0.1:{bench.address[1]}"
    assert str(header.source) == f"192.0.2.1:{server.socket.getpeername()[1]}"


@pytest.mark.parametrize(
    ("bind", "source"),
    [("192.0.2.7", "192.0.2.1"), ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")],
)
def test_header_names_where_clients_connect_to(bench: Bench, bind: str, source: str) -> None:
    """Dovecot's ``local ADDRESS { ssl = no }`` looks at it."""
    destination = InetBind(ip_address(bind), 993)
    begin(bench, destination=destination)
    _, header = answer(bench)
    assert str(header.destination) == str(destination)
    assert isinstance(header.source, InetAddress)
    assert str(header.source.host) == source


def test_server_that_trusts_its_own_machine_teaches_what_others_are_offered(bench: Bench) -> None:
    """As Dovecot 2.4 with ``ssl = required``: two ends with one address are secured."""
    lesson = begin(bench, with_tls=False)
    server = bench.accept()
    header = header_of(bench, server)
    assert isinstance(header.source, InetAddress)
    assert isinstance(header.destination, InetAddress)
    is_secured = header.source.host == header.destination.host
    server.send(
        b"* OK ready\r\n* CAPABILITY IMAP4rev1 %s\r\na1 OK\r\n" % (b"AUTH=PLAIN" if is_secured else b"LOGINDISABLED")
    )
    server.end()
    assert lesson().capabilities == (b"IMAP4rev1", b"LOGINDISABLED")
    assert not lesson().takes_passwords


def test_passwords_that_would_be_taken_are_noticed(bench: Bench) -> None:
    lesson = begin(bench, with_tls=False)
    answer(bench)
    assert lesson().takes_passwords


@pytest.mark.parametrize(
    ("family", "address", "source", "destination"),
    [
        (socket.AF_INET, ("127.0.0.1", 0), "192.0.2.1", "127.0.0.1"),
        (socket.AF_INET6, ("::1", 0), "2001:db8::1", "::1"),
        (socket.AF_UNIX, "", "192.0.2.1:49152", "192.0.2.2:49152"),
    ],
)
@pytest.mark.parametrize("facts", [None, LIKE_TLS])
def test_client_from_elsewhere_has_an_address_of_the_family(
    family: socket.AddressFamily, address: Any, source: str, destination: str, facts: TlsFacts | None, tmp_path: Path
) -> None:
    with socket.socket(family) as listening, socket.socket(family) as sock:
        listening.bind(address or str(tmp_path / "s"))
        listening.listen()
        sock.connect(listening.getsockname())
        policy = HeaderPolicy(config.Backend(name="b", profile="dovecot", servers=()), "imap")
        header = foreign_header(policy, facts)
        assert callable(header)
        decoded = Decoder().feed(header(sock))
    assert decoded is not None
    assert source in str(decoded.source)
    assert destination in str(decoded.destination)


def test_server_at_an_address_for_documentation_is_told_of_another() -> None:
    class Connected:
        def getpeername(self) -> tuple[str, int]:
            return "192.0.2.1", 143

        def getsockname(self) -> tuple[str, int]:
            return "192.0.2.9", 40000

    policy = HeaderPolicy(config.Backend(name="b", servers=()), "imap")
    header: Any = foreign_header(policy, None)
    decoded = Decoder().feed(header(Connected()))
    assert decoded is not None
    assert (str(decoded.source), str(decoded.destination)) == ("192.0.2.2:40000", "192.0.2.1:143")


def test_learner_says_once_why_it_learns_nothing(bench: Bench, learner: Taught) -> None:
    with capturedLogs() as events:
        for _ in range(2):
            server = bench.accept(b"* BYE not for you\r\n")
            server.end()
            bench.advance(10.0)
    (event,) = [event for event in events if event.get("event") == "not-learned"]
    assert event["reason"] == "server s: greeting: expected * OK, got * BYE not for you"


def test_header_without_tls_says_so(bench: Bench) -> None:
    begin(bench, with_tls=False)
    _, header = answer(bench)
    assert header.ssl is not None
    assert header.ssl.client == 0


def test_starttls_behind_tls_is_noticed(bench: Bench) -> None:
    lesson = begin(bench)
    answer(bench, OFFER + b" STARTTLS")
    assert lesson().still_offers_starttls


def test_starttls_without_tls_is_as_it_should_be(bench: Bench) -> None:
    lesson = begin(bench, with_tls=False)
    answer(bench, OFFER + b" STARTTLS")
    assert not lesson().still_offers_starttls


def test_server_where_nobody_can_log_in_is_noticed(bench: Bench) -> None:
    lesson = begin(bench, send_proxy="v2")
    answer(bench, b"IMAP4rev1 LOGINDISABLED")
    assert lesson().no_login == "LOGINDISABLED"


def test_server_that_only_clients_headers_tell_of_tls_is_not_judged(bench: Bench) -> None:
    lesson = begin(bench, send_proxy="v2", pass_tlvs=(0x20,))
    answer(bench, b"IMAP4rev1 LOGINDISABLED")
    assert lesson().no_login == ""


@pytest.mark.parametrize(
    ("keys", "with_tls", "remedy"),
    [
        ({"send_proxy": "v2"}, True, '"v2-ssl" tells it that clients are on TLS'),
        ({"send_proxy": "v2", "proxy_v2_options": frozenset({"ssl-cipher"})}, True, "the server's own settings"),
        ({"send_proxy": "v2-ssl"}, True, "the server's own settings"),
        ({"send_proxy": "v2-ssl"}, False, "tls-offloaded-by"),
    ],
)
def test_advice_is_about_what_keeps_clients_from_logging_in(keys: Any, with_tls: bool, remedy: str) -> None:
    settings = config.Backend(name="b", servers=(), **keys)
    advice = no_login_advice("LOGINDISABLED", settings, with_tls=with_tls)
    assert advice.startswith("refuses all logins (LOGINDISABLED): ")
    assert remedy in advice


def test_learner_warns_where_nobody_can_log_in(bench: Bench, learner: Taught) -> None:
    with capturedLogs() as events:
        answer(bench, b"IMAP4rev1 LOGINDISABLED")
        bench.until(lambda: learner.told)
    (event,) = [event for event in events if event.get("event") == "advice"]
    assert event["advice"].startswith("refuses all logins (LOGINDISABLED): ")


def test_silent_server_is_given_up(bench: Bench) -> None:
    lesson = begin(bench)
    bench.accept()
    bench.advance(1.25)
    assert lesson() == Lesson("s", None, "no list within 1 s; does it speak TLS there? then it needs tls here")


def test_server_that_does_not_let_us_go_has_taught_all_the_same(bench: Bench) -> None:
    lesson = begin(bench)
    server = bench.accept(b"* OK ready\r\n")
    bench.until(lambda: b"CAPABILITY" in server.data)
    server.send(b"* CAPABILITY " + OFFER + b"\r\na1 OK done\r\n")
    bench.advance(1.25)
    assert lesson() == LESSON


def test_refusing_server_is_no_teacher(bench: Bench) -> None:
    lesson = begin(bench)
    bench.accept(b"* BYE not now\r\n")
    assert lesson() == Lesson("s", None, "greeting: expected * OK, got * BYE not now")


def test_server_that_closes_early_is_no_teacher(bench: Bench) -> None:
    lesson = begin(bench)
    bench.accept(b"* OK ready\r\n").end()
    assert lesson() == Lesson("s", None, "closed before it listed its capabilities")


def test_closed_port_is_no_teacher(bench: Bench) -> None:
    bench.listening.close()
    lesson = begin(bench)
    assert lesson() == Lesson("s", None, "Connection refused")


@frozen
class Taught:
    """A learner that asks every 20 s: its backend, and what it has told."""

    backend: Backend
    told: list[tuple[bytes, ...]]


@pytest.fixture
def learner(bench: Bench) -> Taught:
    told: list[tuple[bytes, ...]] = []
    backend = backend_of(bench)
    made = Learner(
        backend,
        "imap",
        "me.example",
        with_tls=True,
        destination=None,
        interval=20.0,
        learned=told.append,
        clock=bench.clock,
        poller=bench.poller,
        timeouts=bench.timeouts,
    )
    made.start()
    bench.at_the_end(made.stop)
    return Taught(backend, told)


def test_learner_tells_once_what_stays_the_same(bench: Bench, learner: Taught) -> None:
    for _ in range(3):
        server, _ = answer(bench)
        bench.until(lambda server=server: server.fin)  # type: ignore[misc]  # mypy infers no type for a default
        bench.advance(20.0)
    answer(bench)
    assert learner.told == [LESSON.capabilities]


def test_learner_asks_at_once_when_a_server_is_back(bench: Bench, learner: Taught) -> None:
    server, _ = answer(bench)
    bench.until(lambda: server.fin)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], None, 0.0)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], bench.target, 0.0)
    answer(bench, OFFER + b" NEW")
    bench.until(lambda: len(learner.told) == 2)
    assert learner.told[-1][-1] == b"NEW"


def test_learner_asks_nobody_whose_address_is_not_known(bench: Bench, learner: Taught) -> None:
    server, _ = answer(bench)
    bench.until(lambda: server.fin)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], None, 0.0)
    bench.advance(20.0)
    assert len(bench.peers) == 1


def test_learner_asks_again_soon_while_it_knows_nothing(bench: Bench, learner: Taught) -> None:
    server = bench.accept(b"* BYE not now\r\n")
    bench.until(lambda: server.fin)
    assert learner.told == []
    bench.advance(10.0)
    answer(bench)
    bench.until(lambda: learner.told)
    assert learner.told == [LESSON.capabilities]

"""Learning from a server that the test plays."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from mailproxy.checks.capability_query import CapabilityAnswer, CapabilityQuery
from mailproxy.config.place import InetBind
from mailproxy.proxyprotocol import InetAddress
from tests.checks.bench import Bench
from tests.checks.offering import OFFER, answer, backend_of, header_of

ANSWER = CapabilityAnswer("s", tuple(OFFER.split()))


def begin(
    bench: Bench, *, with_tls: bool = True, destination: InetBind | None = None, **keys: Any
) -> Callable[[], CapabilityAnswer]:
    """Send a query; the returned function waits for the answer."""
    answers: list[CapabilityAnswer] = []
    backend = backend_of(bench, **keys)
    query = CapabilityQuery(
        backend,
        backend.pool.servers[0],
        "imap",
        "me.example",
        answers.append,
        with_tls=with_tls,
        destination=destination,
        poller=bench.poller,
        timeouts=bench.timeouts,
    )
    query.begin()
    bench.at_the_end(query.cancel)

    def found() -> CapabilityAnswer:
        bench.until(lambda: answers)
        return answers[0]

    return found


def test_server_says_what_it_offers(bench: Bench) -> None:
    found = begin(bench)
    answer(bench)
    assert found() == ANSWER


def test_connection_is_closed_after_the_goodbye(bench: Bench) -> None:
    begin(bench)
    server, _ = answer(bench)
    bench.until(lambda: server.fin)


def test_header_names_a_client_from_elsewhere_and_tls(bench: Bench) -> None:
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
    found = begin(bench, with_tls=False)
    server = bench.accept()
    header = header_of(bench, server)
    assert isinstance(header.source, InetAddress)
    assert isinstance(header.destination, InetAddress)
    is_secured = header.source.host == header.destination.host
    server.send(
        b"* OK ready\r\n* CAPABILITY IMAP4rev1 %s\r\na1 OK\r\n" % (b"AUTH=PLAIN" if is_secured else b"LOGINDISABLED")
    )
    server.end()
    assert found().capabilities == (b"IMAP4rev1", b"LOGINDISABLED")
    assert not found().takes_passwords


def test_passwords_that_would_be_taken_are_noticed(bench: Bench) -> None:
    found = begin(bench, with_tls=False)
    answer(bench)
    assert found().takes_passwords


def test_header_without_tls_says_so(bench: Bench) -> None:
    begin(bench, with_tls=False)
    _, header = answer(bench)
    assert header.ssl is not None
    assert header.ssl.client == 0


def test_starttls_behind_tls_is_noticed(bench: Bench) -> None:
    found = begin(bench)
    answer(bench, OFFER + b" STARTTLS")
    assert found().still_offers_starttls


def test_starttls_without_tls_is_as_it_should_be(bench: Bench) -> None:
    found = begin(bench, with_tls=False)
    answer(bench, OFFER + b" STARTTLS")
    assert not found().still_offers_starttls


def test_server_where_nobody_can_log_in_is_noticed(bench: Bench) -> None:
    found = begin(bench, send_proxy="v2")
    answer(bench, b"IMAP4rev1 LOGINDISABLED")
    assert found().no_login == "LOGINDISABLED"


def test_server_that_only_clients_headers_report_tls_is_not_judged(bench: Bench) -> None:
    found = begin(bench, send_proxy="v2", pass_tlvs=(0x20,))
    answer(bench, b"IMAP4rev1 LOGINDISABLED")
    assert found().no_login == ""


def test_silent_server_is_given_up(bench: Bench) -> None:
    found = begin(bench)
    bench.accept()
    bench.advance(1.25)
    assert found() == CapabilityAnswer("s", None, "no list within 1 s; does it speak TLS there? then it needs tls here")


def test_server_that_does_not_close_has_listed_its_capabilities(bench: Bench) -> None:
    found = begin(bench)
    server = bench.accept(b"* OK ready\r\n")
    bench.until(lambda: b"CAPABILITY" in server.data)
    server.send(b"* CAPABILITY " + OFFER + b"\r\na1 OK done\r\n")
    bench.advance(1.25)
    assert found() == ANSWER


def test_refusing_server_is_no_teacher(bench: Bench) -> None:
    found = begin(bench)
    bench.accept(b"* BYE not now\r\n")
    assert found() == CapabilityAnswer("s", None, "greeting: expected * OK, got * BYE not now")


def test_server_that_closes_early_is_no_teacher(bench: Bench) -> None:
    found = begin(bench)
    bench.accept(b"* OK ready\r\n").end()
    assert found() == CapabilityAnswer("s", None, "closed before it listed its capabilities")


def test_closed_port_is_no_teacher(bench: Bench) -> None:
    bench.listening.close()
    found = begin(bench)
    assert found() == CapabilityAnswer("s", None, "Connection refused")

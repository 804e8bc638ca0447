"""Sessions that end when the server has refused too many logins in them."""

from __future__ import annotations

import pytest

from mailproxy.config.limits import FrontendLimits
from mailproxy.transport.poller import BYTES
from tests.session.bench import Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

REFUSED = {
    "imap": b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n",
    "pop3": b"-ERR [AUTH] Authentication failed.\r\n",
    "submission": b"535 5.7.8 Error: authentication failed\r\n",
    "managesieve": b'NO "Authentication failed."\r\n',
}
GOODBYES = {
    "imap": b"* BYE [UNAVAILABLE] Too many failed logins, try again later\r\n",
    "pop3": b"",
    "submission": b"421 4.3.2 Too many failed logins, try again later\r\n",
    "managesieve": b'BYE (TRYLATER) "Too many failed logins, try again later"\r\n',
}
GREETINGS = {"imap": b"* OK x\r\n", "pop3": b"+OK x\r\n", "submission": b"220 x\r\n", "managesieve": b"OK\r\n"}
LIMITS = FrontendLimits(auth_failures_per_session=2)


@pytest.fixture
def bench(make: MakeBench) -> Bench:
    """A frontend whose sessions end with the second refused login."""
    return make(limits=LIMITS)


def refuse(bench: Bench, server: Peer, client: Peer, data: bytes = REFUSED["imap"]) -> None:
    """The server refuses a login, and the client gets that."""
    client.data.clear()
    server.send(data)
    bench.until(lambda: bytes(client.data).startswith(data))


@pytest.mark.parametrize("protocol", list(REFUSED))
def test_session_ends_with_the_goodbye_of_its_protocol(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol, limits=LIMITS)
    client = bench.client()
    server = bench.server.accept(GREETINGS[protocol])
    bench.until(lambda: bytes(client.data) == GREETINGS[protocol])
    refuse(bench, server, client, REFUSED[protocol])
    assert not client.fin
    refuse(bench, server, client, REFUSED[protocol])
    bench.until(lambda: client.fin)
    assert bytes(client.data) == REFUSED[protocol] + GOODBYES[protocol]
    bench.until(lambda: server.fin or server.reset)
    client.close()
    line = bench.over()
    assert (line["termination"], line["auth_failures"], line["reason"]) == ("PD", 2, "refused logins: 2")


def test_several_refusals_in_one_piece_end_it_as_well(bench: Bench) -> None:
    client, server = bench.relay()
    server.send(REFUSED["imap"] * 3)
    bench.until(lambda: client.fin)
    assert bytes(client.data) == REFUSED["imap"] * 3 + GOODBYES["imap"]
    client.close()
    assert bench.over()["auth_failures"] == 3


def test_half_a_line_is_not_interrupted_by_a_goodbye(bench: Bench) -> None:
    client, server = bench.relay()
    refuse(bench, server, client)
    server.send(REFUSED["imap"] + b"b OK he")
    bench.until(lambda: client.fin)
    assert bytes(client.data) == REFUSED["imap"] * 2 + b"b OK he"
    client.close()
    assert bench.over()["termination"] == "PD"


def test_server_that_closes_after_the_last_refusal_changes_nothing(bench: Bench) -> None:
    client, server = bench.relay()
    refuse(bench, server, client)
    client.data.clear()
    server.send(REFUSED["imap"])
    server.close()
    bench.until(lambda: client.fin)
    assert bytes(client.data).startswith(REFUSED["imap"])
    client.close()
    assert bench.over()["termination"] == "PD"


def test_client_that_is_gone_when_the_last_refusal_comes_has_left(bench: Bench) -> None:
    client, server = bench.relay()
    refuse(bench, server, client)
    stream = bench.session.stream
    assert stream is not None
    server.send(REFUSED["imap"])
    client.break_off()
    bench.poller.ready[stream.fd](BYTES)
    line = bench.over()
    assert (line["termination"], line["auth_failures"]) == ("CD", 2)


def test_login_that_succeeds_in_time_ends_the_count(bench: Bench) -> None:
    client, server = bench.relay()
    refuse(bench, server, client)
    refuse(bench, server, client, b"b OK Logged in\r\n* FLAGS ()\r\n")
    refuse(bench, server, client)
    stream = bench.session.stream
    assert stream is not None
    assert bench.poller.ready[stream.fd] == stream.on_event
    client.close()
    server.close()
    assert bench.over()["termination"] == "--"


def test_without_the_limit_a_session_goes_on(make: MakeBench) -> None:
    bench = make(log_refused_logins=True)
    client, server = bench.relay()
    for _ in range(20):
        refuse(bench, server, client)
    client.close()
    server.close()
    assert bench.over()["termination"] == "--"

"""Rules on connections: when they are tried, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from mailproxy.proxyprotocol import Header, InetAddress, Tlv, encode
from mailproxy.session.tarpit import Places
from tests.rules.builders import Around
from tests.session.bench import GREETING, Bench, header_of, open_bench
from tests.tls.servers import NAME

Open = Callable[..., Bench]

HERE = {"source": "127.0.0.0/8"}
ELSEWHERE = {"source": "192.0.2.0/24"}
TEMPORARY = b"* BYE [UNAVAILABLE] Service temporarily unavailable, try again later\r\n"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda *rules, **settings: stack.enter_context(open_bench(tmp_path, rules=rules, **settings))


# At accept.


def test_client_without_tls_is_refused_in_words_at_accept(opened: Open) -> None:
    bench = opened({"name": "here", "if": HERE, "refuse": "temporary"})
    client = bench.client()
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY
    client.close()
    line = bench.over()
    assert (line["termination"], line["rule"], line["reason"]) == ("PR", "here", "here")
    assert "backend" not in line
    assert bench.frontend.counters.ruled_out == 1
    assert not bench.server.is_asked


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        ("permanent", b"* BYE [NOPERM] Access denied\r\n"),
        ("come back on Monday", b"* BYE [UNAVAILABLE] come back on Monday\r\n"),
        ("permanent: go away", b"* BYE [NOPERM] go away\r\n"),
    ],
)
def test_refusal_has_the_words_of_the_rule(opened: Open, refuse: str, words: bytes) -> None:
    bench = opened({"if": HERE, "refuse": refuse})
    client = bench.client()
    bench.until(lambda: client.fin)
    assert client.data == words


def test_client_is_closed_without_a_word(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "close"}, tls=True)
    client = bench.client()
    bench.until(lambda: client.fin or client.reset)
    assert client.data == b""
    assert bench.over()["termination"] == "PR"


def test_words_need_tls_where_the_client_begins_with_it(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary"}, tls=True)
    client = bench.tls_client()
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY
    client.close()
    line = bench.over()
    assert (line["termination"], line["sni"], line["rule"]) == ("PR", NAME, "rule 1")


def test_client_is_refused_in_place_of_the_greeting_before_starttls(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary"}, tls=True, mode="starttls")
    client = bench.client()
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY


def test_client_of_no_rule_has_the_frontends_backend(opened: Open) -> None:
    bench = opened({"if": ELSEWHERE, "refuse": "close"})
    for peer in bench.relay():
        peer.close()
    line = bench.over()
    assert line["backend"] == "dovecot"
    assert "rule" not in line


def test_client_gets_the_backend_of_its_rule(opened: Open) -> None:
    bench = opened({"name": "office", "if": HERE, "backend": "other", "label": "blue team"})
    client = bench.client()
    server = bench.other.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    for peer in (client, server):
        peer.close()
    line = bench.over()
    assert (line["backend"], line["server"], line["rule"], line["label"]) == ("other", "o1", "office", "blue team")
    assert 'rule=office label="blue team" backend=other' in line["line"]


# After TLS.


def test_rule_about_tls_is_tried_after_it(opened: Open) -> None:
    bench = opened({"if": {"sni": NAME}, "backend": "other"}, {"refuse": "close"}, tls=True)
    client = bench.tls_client()
    bench.other.accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_other_client_is_refused_after_tls(opened: Open) -> None:
    bench = opened({"if": {"sni": "other.example.org"}, "accept": True}, {"refuse": "permanent"}, tls=True)
    client = bench.tls_client()
    bench.until(lambda: client.fin)
    assert client.data == b"* BYE [NOPERM] Access denied\r\n"


def test_close_after_tls_says_nothing(opened: Open) -> None:
    bench = opened({"if": {"tls-version": "1.3"}, "refuse": "close"}, tls=True)
    client = bench.tls_client()
    bench.until(lambda: client.fin)
    assert client.data == b""
    client.close()
    assert bench.over()["termination"] == "PR"


def test_refusal_after_starttls_answers_the_first_command(opened: Open) -> None:
    bench = opened({"if": {"sni": NAME}, "refuse": "permanent"}, tls=True, mode="starttls", protocol="pop3")
    client = bench.starttls_client(b"STLS\r\n")
    bench.until(lambda: client.secured)
    bench.settle()
    assert client.data == b""
    client.send(b"CAPA\r\n")
    bench.until(lambda: client.fin)
    assert client.data == b"-ERR [SYS/PERM] Access denied\r\n"


def test_client_that_stays_without_tls_has_no_tls_facts(opened: Open) -> None:
    bench = opened({"if": {"not": {"tls-version": "1.3"}}, "refuse": "temporary"}, tls=True, mode="starttls-optional")
    client = bench.client()
    bench.until(lambda: client.data)
    client.data.clear()
    client.send(b"a LOGIN alice secret\r\n")
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY
    assert not bench.server.is_asked


# The tarpit.


def test_tarpit_lets_the_client_wait(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary", "tarpit": "10s"})
    client = bench.client()
    client.send(b"a NOOP\r\n")
    bench.advance(9)
    assert (bytes(client.data), client.fin, bench.loop.tarpits.taken) == (b"", False, 1)
    bench.advance(2)
    assert client.data == TEMPORARY
    assert bench.loop.tarpits.taken == 0


def test_tarpit_comes_before_tls(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary", "tarpit": "10s"}, tls=True)
    client = bench.tls_client()
    bench.advance(9)
    assert not client.secured
    bench.advance(2)
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY
    assert bench.loop.tarpits.taken == 0


def test_tarpit_after_tls_lets_the_client_wait(opened: Open) -> None:
    bench = opened({"if": {"sni": NAME}, "refuse": "close", "tarpit": "10s"}, tls=True)
    client = bench.tls_client()
    bench.advance(9)
    assert (client.secured, client.fin) == (True, False)
    bench.advance(2)
    assert client.fin


def test_client_that_leaves_the_tarpit_is_forgotten(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary", "tarpit": "10s"})
    client = bench.client()
    bench.settle()
    client.close()
    assert bench.over()["termination"] == "CR"
    assert bench.loop.tarpits.taken == 0


def test_newest_client_is_refused_at_once_if_the_tarpit_is_full(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary", "tarpit": "10s"})
    bench.frontend.tarpits = Places(1)
    first = bench.client()
    bench.settle()
    second = bench.client()
    bench.until(lambda: second.fin)
    assert (bytes(first.data), bytes(second.data)) == (b"", TEMPORARY)


def test_shutdown_ends_the_wait(opened: Open) -> None:
    bench = opened({"if": HERE, "refuse": "temporary", "tarpit": "10s"})
    client = bench.client()
    bench.session.shut_down()
    bench.until(lambda: client.fin)
    assert bench.loop.tarpits.taken == 0


# PROXY headers.


def test_address_of_the_header_counts(opened: Open) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    bench = opened({"if": ELSEWHERE, "refuse": "temporary"}, accept_proxy=trusted)
    client = bench.client()
    source, destination = (InetAddress(ip_address(host), 1) for host in ("192.0.2.7", "192.0.2.1"))
    client.send(encode(Header.proxy(source, destination)).data)
    bench.until(lambda: client.fin)
    assert client.data == TEMPORARY


def test_tlvs_of_the_header_count(opened: Open) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    bench = opened({"if": {"tlv": {"0xE5": "blue"}, "port": 143}, "backend": "other"}, accept_proxy=trusted)
    client = bench.client()
    source, destination = InetAddress(ip_address("192.0.2.7"), 1), InetAddress(ip_address("192.0.2.1"), 143)
    client.send(encode(Header.proxy(source, destination, (Tlv(0xE5, b"blue"),))).data)
    bench.other.accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_proxy_that_connects_for_itself_is_not_judged(opened: Open) -> None:
    bench = opened({"refuse": "close"}, accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.client()
    client.send(encode(Header.local()).data)
    bench.advance(1)
    bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)


# What rules add.


def test_server_gets_the_tlv_of_the_rule(opened: Open) -> None:
    bench = opened(
        {"if": HERE, "tlv": {"type": 0xE5, "value": "office"}},
        {"if": ELSEWHERE, "tlv": {"type": 0xE6, "value": "x"}},
        send_proxy="v2",
    )
    bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data)
    assert header_of(server).tlvs == (Tlv(0xE5, b"office"),)


def test_bandwidth_is_limited_each_way(opened: Open) -> None:
    bench = opened({"if": HERE, "bandwidth": "64KiB/s"})
    client, server = bench.relay()
    for sender, receiver in ((server, client), (client, server)):
        receiver.data.clear()
        data = b"x" * 1024 * 1024
        sender.socket.setblocking(False)
        sent = sender.socket.send(data)
        assert sent > 512 * 1024
        bench.advance(4)
        assert 256 * 1024 <= len(receiver.data) <= 64 * 1024 * 6 + 256 * 1024
        bench.advance(sent / (64 * 1024))
        assert len(receiver.data) == sent


def test_session_with_a_limit_ends_as_others(opened: Open) -> None:
    bench = opened({"if": HERE, "bandwidth": "64KiB/s"})
    client, server = bench.relay()
    server.send(b"x" * 200_000)
    bench.settle()
    client.close()
    server.close()
    bench.advance(10)
    assert bench.over()["bytes_out"] > 0
    assert bench.taken == [0]


# Counts and bans.


class Bans:
    """Notes who is banned."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, float, str]] = []

    def banned(self, address: bytes) -> bool:
        return False

    def ban(self, address: bytes, seconds: float, reason: str, bits: int | None) -> None:
        assert bits is None
        self.asked.append((address, seconds, reason))


def test_rule_bans_the_address(opened: Open) -> None:
    bans = Bans()
    bench = opened({"name": "floods", "if": HERE, "ban": "10m"}, bans=bans)
    client = bench.client()
    bench.until(lambda: client.fin or client.reset)
    assert bans.asked == [(ip_address("127.0.0.1").packed, 600.0, "rule floods of frontend front")]


def test_clients_of_each_rule_are_counted(opened: Open) -> None:
    bench = opened({"name": "a", "if": HERE, "label": "x"}, {"if": ELSEWHERE, "label": "y"}, {"accept": True})
    for _ in range(2):
        bench.relay()
    assert bench.frontend.rule_hits == {"a": 2, "rule 2": 0, "rule 3": 2}


def test_numbers_are_those_of_the_moment(opened: Open) -> None:
    numbers: dict[str, Any] = {"servers dovecot": 1}
    condition = {"servers-up": {"backend": "dovecot", "under": 1}}
    bench = opened({"if": condition, "backend": "other"}, around=Around(numbers=numbers))
    bench.relay()
    numbers["servers dovecot"] = 0
    client = bench.client()
    bench.other.accept(GREETING)
    bench.until(lambda: client.data == GREETING)

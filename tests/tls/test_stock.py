"""Ticket keys that several processes have: contexts from before a fork."""

from __future__ import annotations

import ssl

import pytest

from mailproxy.tls import openssl
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.stock import Stock
from tests.tls.connect import Connect
from tests.tls.servers import NAME, certificate
from tests.tls.test_servers import get, renewed
from tests.transport.peers import client_context

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def other_process(servers: TlsServers, stock: Stock) -> TlsServers:
    """What a process that shares the stock makes of the same numbers."""
    made = TlsServers(stock)
    made.follow(servers.numbers)
    return made


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_session_of_one_process_is_resumed_by_another(connect: Connect, version: ssl.TLSVersion) -> None:
    stock, context = Stock(2), client_context(version)
    servers = TlsServers(stock)
    first = connect(get(servers), context)
    other = get(other_process(servers, stock), renewed(NAME))
    assert connect(other, context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_process_that_saw_no_earlier_reading_has_the_same_keys(connect: Connect, version: ssl.TLSVersion) -> None:
    stock, context = Stock(), client_context(version)
    servers = TlsServers(stock)
    get(servers)
    first = connect(get(servers, ciphers="ECDHE+AESGCM"), context)
    other = get(other_process(servers, stock), ciphers="ECDHE+AESGCM")
    assert connect(other, context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_settings_that_change_have_new_keys(connect: Connect, version: ssl.TLSVersion) -> None:
    stock, context = Stock(), client_context(version)
    servers = TlsServers(stock)
    first = connect(get(servers), context)
    later = get(servers, ciphers="ECDHE+AESGCM")
    assert not connect(later, context, session=first.client.tls.session).facts.resumed


def test_process_takes_new_keys_with_the_other_one(connect: Connect) -> None:
    stock, context = Stock(), client_context(TLS13)
    servers = TlsServers(stock)
    first = connect(get(servers), context)
    following = other_process(servers, stock)
    get(following)
    changed = get(servers, ciphers="ECDHE+AESGCM")
    following.follow(servers.numbers)
    other = get(following, ciphers="ECDHE+AESGCM")
    assert not connect(other, context, session=first.client.tls.session).facts.resumed
    second = connect(changed, context)
    assert connect(other, context, session=second.client.tls.session).facts.resumed


def test_each_profile_has_its_own_keys() -> None:
    servers = TlsServers(Stock())
    get(servers)
    get(servers, name="other")
    get(servers, renewed(NAME))
    assert servers.numbers == {("default", ()): 0, ("other", ()): 1}


def test_reading_that_comes_to_nothing_uses_a_context_up() -> None:
    servers = TlsServers(Stock())
    get(servers.copy())
    get(servers)
    assert servers.numbers == {("default", ()): 1}


def test_without_a_context_left_each_process_has_keys_of_its_own(connect: Connect) -> None:
    servers = TlsServers(Stock(0))
    assert connect(get(servers), client_context()).served
    assert servers.numbers == {("default", ()): None}


def test_certificate_of_a_name_is_served(connect: Connect) -> None:
    servers = TlsServers(Stock())
    server = get(servers, certificate(NAME))
    assert connect(server, client_context()).served == connect(get(TlsServers()), client_context()).served


def test_binding_lacks_the_callback_that_would_accept_former_keys() -> None:
    # docs/tls.md gives this as the reason for a full handshake each day.
    assert not [name for name in dir(openssl.lib) if "ticket_key" in name]

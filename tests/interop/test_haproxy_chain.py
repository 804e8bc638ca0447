"""HAProxy before mailproxy and behind it: the client's address must get through the whole chain."""

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from tests.interop import headers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartHAProxy, StartRecorder
from tests.interop.front import Front, single
from tests.interop.haproxy import listen, tls_bind
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.waiting import until

CLIENT = "127.0.0.9"
ALL_OPTIONS = ["ssl-cipher", "cert-sig", "cert-key", "authority", "crc32c", "unique-id", "group"]
FROM_HAPROXY = ["127.0.0.0/8"]


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def reported_header(backend: Recorder, client: socket.socket) -> headers.WireHeader:
    """Wait for the header that the last proxy in a chain gets for a client; HAProxy also forwards mailproxy's probe."""
    while True:
        header = headers.parse(backend.next().header)
        if header.source == client.getsockname():
            return header


@pytest.mark.parametrize("send_proxy", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"])
def test_haproxy_before_us_passes_tls_through_and_the_header_comes_before_it(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates, send_proxy: str
) -> None:
    configuration, port = single(pki.server_ec, backend.port, accept_proxy=FROM_HAPROXY)
    front(configuration)
    outer = free_port()
    haproxy([outer], listen(outer, port, server=send_proxy))
    with connect_tls(outer, pki.client(), CLIENT) as connection:
        assert read_line(connection) == GREETING
        header = headers.parse(backend.next().header)
        assert (header.source, header.destination) == (connection.getsockname(), ("127.0.0.1", outer))
    assert header.ssl is not None
    assert header.ssl.client == 1


def test_haproxy_before_us_ends_tls_and_starts_another_after_its_header(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend.port, accept_proxy=FROM_HAPROXY)
    front(configuration)
    outer = free_port()
    server = f"send-proxy-v2-ssl-cn ssl ca-file {pki.authority} verifyhost {SERVER_NAME}"
    haproxy([outer], listen(outer, port, bind=tls_bind(pki.server_rsa, pki.authority), server=server))
    with connect_tls(outer, pki.client(pki.alice), CLIENT) as connection:
        assert read_line(connection) == GREETING
        header = headers.parse(backend.next().header)
        assert (header.source, header.destination) == (connection.getsockname(), ("127.0.0.1", outer))
    # What we say of TLS is what we saw of it: HAProxy's own connection, which has no client certificate.
    assert header.ssl is not None
    assert header.ssl.client == 1
    assert header.ssl.get(headers.SSL_CN) is None


def test_haproxy_before_us_ends_tls_and_its_tlvs_are_passed_on(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    configuration, port = single(
        pki.server_ec,
        backend.port,
        tls="none",
        accept_proxy=FROM_HAPROXY,
        backend_send_proxy="v2",
        backend_proxy_v2_pass_tlvs=["authority", "unique-id"],
    )
    front(configuration)
    outer = free_port()
    server = "send-proxy-v2-ssl-cn proxy-v2-options authority,unique-id"
    section = listen(outer, port, bind=tls_bind(pki.server_rsa, pki.authority), server=server)
    haproxy([outer], section + "    unique-id-format id-%ci-%cp\n")
    with connect_tls(outer, pki.client(pki.alice), CLIENT) as connection:
        assert read_line(connection) == GREETING
        header = headers.parse(backend.next().header)
        client = connection.getsockname()
        assert (header.source, header.destination) == (client, ("127.0.0.1", outer))
    assert sorted(header.tlvs) == [
        (headers.AUTHORITY, SERVER_NAME.encode()),
        (headers.UNIQUE_ID, f"id-{client[0]}-{client[1]}".encode()),
    ]


@pytest.mark.parametrize(
    "sending",
    [
        {"backend_send_proxy": "v1"},
        {"backend_send_proxy": "v2"},
        {"backend_send_proxy": "v2-ssl", "backend_proxy_v2_options": ["crc32c"]},
        {"backend_send_proxy": "v2-ssl-cn", "backend_proxy_v2_options": ALL_OPTIONS},
    ],
    ids=["v1", "v2", "v2-ssl", "v2-ssl-cn"],
)
def test_haproxy_behind_us_takes_our_header(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates, sending: Mapping[str, Any]
) -> None:
    inner = free_port()
    haproxy([inner], listen(inner, backend.port, bind="accept-proxy", server="send-proxy-v2"))
    configuration, port = single(pki.server_ec, inner, **sending)
    front(configuration)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        assert read_line(connection) == GREETING
        header = reported_header(backend, connection)
        assert header.destination == ("127.0.0.1", port)


def test_haproxy_behind_us_relays_the_authority_we_sent(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    inner = free_port()
    server = "send-proxy-v2 proxy-v2-options authority"
    haproxy([inner], listen(inner, backend.port, bind="accept-proxy", server=server))
    configuration, port = single(pki.server_ec, inner, backend_proxy_v2_options=["authority"])
    front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        assert reported_header(backend, connection).get(headers.AUTHORITY) == SERVER_NAME.encode()


def test_haproxy_behind_us_reads_what_formats_make(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    inner = free_port()
    server = "send-proxy-v2 proxy-v2-options authority,unique-id"
    section = listen(inner, backend.port, bind="accept-proxy", server=server)
    haproxy([inner], section + "    unique-id-format %[fc_pp_unique_id]\n")
    configuration, port = single(
        pki.server_ec,
        inner,
        backend_proxy_v2_options=["unique-id", "crc32c"],
        backend_unique_id_format="front-1/{id}",
        backend_proxy_v2_tlvs={
            "authority": {"format": "{tls}.{sni}"},
            "0xE1": {"format": "{src} {dst_port} {cn}"},
            "netns": {"format": "{frontend}"},
        },
    )
    running = front(configuration)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        assert read_line(connection) == GREETING
        client = connection.getsockname()
        header = headers.parse(backend.next().header)
        assert header.destination == ("127.0.0.1", port)
    assert sorted(header.tlvs) == [
        (headers.AUTHORITY, f"TLSv1.3.{SERVER_NAME}".encode()),
        (headers.UNIQUE_ID, f"front-1/{running.session(client)['id']}".encode()),
    ]


def test_formats_are_what_the_log_says(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    fields = ("id", "frontend", "backend", "client", "tls", "cipher", "group", "sni")
    text = " ".join(f"{{{field}}}" for field in fields)
    configuration, port = single(pki.server_ec, backend.port, backend_proxy_v2_tlvs={"0xE1": {"format": text}})
    running = front(configuration)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        assert read_line(connection) == GREETING
        client = connection.getsockname()
        header = headers.parse(backend.next().header)
    line = running.session(client)
    assert header.get(0xE1) == " ".join(line[field] for field in fields).encode()


def checked(port: int, outer: int, *check: str, server: str = "") -> str:
    """An HAProxy that checks us all the time with a LOCAL header of its own."""
    options = f"send-proxy-v2-ssl check check-send-proxy inter 500ms rise 1 fall 1 {server}"
    return listen(outer, port, server=options) + "".join(f"    {line}\n" for line in ("timeout check 30s", *check))


def local_visits(running: Front) -> int:
    return len(running.events(event="session", local="yes", level="debug"))


@pytest.mark.parametrize("tls", ["none", "implicit", "starttls"])
def test_tcp_checks_of_haproxy_cost_no_server(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates, tls: str
) -> None:
    keys = {"capabilities": ["IMAP4rev1"]} if tls == "starttls" else {}
    configuration, port = single(pki.server_ec, backend.port, tls=tls, accept_proxy=FROM_HAPROXY, **keys)
    running = front(configuration | {"log": {"format": "json", "level": "debug"}})
    outer = free_port()
    over_tls = "check-ssl verify none" if tls == "implicit" else ""
    before_us = haproxy([outer], checked(port, outer, server=over_tls))
    until(lambda: local_visits(running) >= 5, "five checks")
    until(lambda: before_us.is_up(f"port-{outer}") == {"only": True}, "the checks to have passed")
    assert backend.connections == []


def test_check_of_haproxy_for_a_greeting_gets_a_server_s(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    configuration, port = single(
        pki.server_ec, backend.port, tls="none", accept_proxy=FROM_HAPROXY, backend_proxy_v2_pass_tlvs=["ssl"]
    )
    front(configuration)
    outer = free_port()
    before_us = haproxy([outer], checked(port, outer, "option tcp-check", 'tcp-check expect string "* OK"'))
    header = headers.parse(backend.next().header)
    assert (header.command, header.source) == (headers.LOCAL, None)
    until(lambda: len(backend.connections) >= 3, "three checks")
    until(lambda: before_us.is_up(f"port-{outer}") == {"only": True}, "the checks to have passed")


def test_a_chain_of_haproxy_us_and_haproxy_shows_the_client_to_the_last(
    haproxy: StartHAProxy, front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    inner, outer = free_port(), free_port()
    haproxy([inner], listen(inner, backend.port, bind="accept-proxy", server="send-proxy-v2"))
    configuration, port = single(pki.server_ec, inner, tls="none", accept_proxy=FROM_HAPROXY)
    front(configuration)
    haproxy([outer], listen(outer, port, server="send-proxy"))
    with connect(outer, CLIENT) as connection:
        assert read_line(connection) == GREETING
        reported_header(backend, connection)

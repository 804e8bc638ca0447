"""Handshakes with clients that fail."""

from __future__ import annotations

from ssl import TLSVersion

import pytest

from mailproxy.tls import openssl
from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.openssl import WANT_READ
from mailproxy.tls.server import TlsServer
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure_server import SecureServerStream
from tests.tls.connect import Owner
from tests.tls.servers import NAME, tls_server
from tests.transport.peers import TlsPeer, client_context
from tests.transport.relay import raw, tcp_pair, unix_pair


def failure(server: TlsServer, first: bytes, *, end: bool = False) -> HandshakeError:
    ours, theirs = unix_pair()
    poller = Poller()
    stream = SecureServerStream(raw(ours), poller, Owner(), server)
    theirs.send(first)
    if end:
        theirs.close()

    def shake_hands() -> None:
        while stream.handshake():
            pass

    with pytest.raises(HandshakeError) as caught:
        shake_hands()
    stream.close()
    theirs.close()
    poller.close()
    assert openssl.lib.ERR_get_error() == 0
    return caught.value


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b"a1 LOGIN alice secret\r\n", "wrong version number"),
        (bytes([22, 3, 1, 255, 255]) + bytes(100), "data length too long"),
    ],
)
def test_what_is_no_tls_is_refused_with_the_reason(first: bytes, reason: str) -> None:
    error = failure(tls_server(), first)
    assert str(error) == reason
    assert not error.is_theirs


def test_reason_is_that_of_tls_if_the_client_is_gone_before_our_alert() -> None:
    error = failure(tls_server(), bytes([22, 3, 1, 255, 255]) + bytes(100), end=True)
    assert str(error) == "data length too long"
    assert not error.is_theirs


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01"])
def test_client_that_goes_is_distinguished_from_one_that_is_refused(first: bytes) -> None:
    error = failure(tls_server(), first, end=True)
    assert str(error) == "connection closed"
    assert error.is_theirs


@pytest.mark.parametrize("version", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_client_that_resets_after_its_hello_is_distinguished_as_well(version: TLSVersion) -> None:
    ours, theirs = tcp_pair()
    poller = Poller()
    stream = SecureServerStream(raw(ours), poller, Owner(), tls_server())
    client = TlsPeer(theirs, client_context(version), NAME)
    assert stream.handshake() == WANT_READ
    client.break_off()
    with pytest.raises(HandshakeError, match="Connection reset by peer") as caught:
        stream.handshake()
    assert (caught.value.kind, caught.value.is_theirs) == ("closed", True)
    stream.close()
    poller.close()

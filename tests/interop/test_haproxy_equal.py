"""The same client through HAProxy and through mailproxy: the backend must get the same header."""

import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from tests.interop import headers
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartHAProxy, StartRecorder
from tests.interop.front import backend, frontend, single
from tests.interop.haproxy import listen, tls_bind
from tests.interop.ports import free_port, has_ipv6, is_listening_at
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.waiting import PATIENCE_SECONDS, until

ALPN = "imap"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

# Each server prefers other ciphers; these leave one choice for each version and kind of key.
CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
CIPHERSUITES = "TLS_AES_256_GCM_SHA384"


@frozen
class Sender:
    """One way to send headers, in both languages."""

    send_proxy: str
    haproxy: str
    options: tuple[str, ...] = ()
    key: str = "ec"


ALL_OPTIONS = ("ssl-cipher", "cert-sig", "cert-key", "authority", "crc32c")
SENDERS = {
    "v1": Sender("v1", "send-proxy"),
    "v2": Sender("v2", "send-proxy-v2"),
    "v2-ssl": Sender("v2-ssl", "send-proxy-v2-ssl"),
    "v2-ssl-cn": Sender("v2-ssl-cn", "send-proxy-v2-ssl-cn"),
    "cipher": Sender("v2-ssl", "send-proxy-v2-ssl", ("ssl-cipher",)),
    "authority": Sender("v2", "send-proxy-v2", ("authority",)),
    "options": Sender("v2-ssl-cn", "send-proxy-v2-ssl-cn", ALL_OPTIONS),
    "options-rsa": Sender("v2-ssl-cn", "send-proxy-v2-ssl-cn", ALL_OPTIONS, key="rsa"),
}


def as_haproxy_says_it(ours: bytes) -> bytes:
    """
    Our header with the documented differences undone. There is one.

    - `verify` in the SSL TLV: the spec (section 2.2.6) wants it to be non-zero unless the client presented a
      certificate that was verified. HAProxy leaves it 0 when there was no certificate (make_proxy_line_v2), we send 1.
    """
    if ours.startswith(b"PROXY"):
        return ours
    secured = headers.parse(ours).ssl
    if secured is None or secured.client & headers.CERT_BITS:
        return ours
    assert secured.verify == 1
    verify_at = headers.offset_of(ours, headers.SSL) + 1
    return ours[:verify_at] + bytes(4) + ours[verify_at + 4 :]


def without_ports(header: bytes) -> bytes:
    """A header with both ports, and the checksum over them after it was verified, set to zero."""
    if header.startswith(b"PROXY"):
        *fields, _, _ = header.split(b" ")
        return b" ".join([*fields, b"0", b"0\r\n"])
    parsed = headers.parse(header)
    if parsed.get(headers.CRC32C):
        zeroed = headers.with_crc32c_zeroed(header)
        assert int.from_bytes(parsed.get(headers.CRC32C) or b"") == headers.crc32c(zeroed)
        header = zeroed
    end = 16 + headers.ADDRESS_BYTES[parsed.family]
    return header[: end - 4] + bytes(4) + header[end:] if parsed.source else header


@frozen
class Pair:
    """Both fronts before the same backend, each with a port for every sender, with TLS and without."""

    recorder: Recorder
    haproxy: Mapping[str, int]
    mailproxy: Mapping[str, int]

    def headers(self, port_name: str, converse: Callable[[int], socket.socket]) -> tuple[bytes, bytes]:
        """What the backend got from HAProxy and from mailproxy when a client did the same through both."""
        theirs = self._header(converse, self.haproxy[port_name])
        ours = self._header(converse, self.mailproxy[port_name])
        return without_ports(theirs), as_haproxy_says_it(without_ports(ours))

    def _header(self, converse: Callable[[int], socket.socket], port: int) -> bytes:
        with converse(port) as connection:
            assert read_line(connection) == GREETING
            return self.recorder.connections[-1].header


@pytest.fixture(scope="module")
def pair(
    module_recorder: StartRecorder, module_front: StartFront, module_haproxy: StartHAProxy, pki: Certificates
) -> Pair:
    recorder = module_recorder(echo())
    certificates: Mapping[str, Path] = {"ec": pki.server_ec, "rsa": pki.server_rsa}
    names = [*SENDERS, *(f"{name}-plain" for name in SENDERS)]
    theirs = {name: free_port() for name in names}
    ours = {name: free_port() for name in names}
    sections = ""
    frontends = {}
    for name, sender in SENDERS.items():
        tls = tls_bind(certificates[sender.key], pki.authority)
        tls += f" alpn {ALPN} ciphers {CIPHERS} ciphersuites {CIPHERSUITES}"
        server = sender.haproxy
        if sender.options:
            server += f" proxy-v2-options {','.join(sender.options)}"
        sections += listen(theirs[name], recorder.port, bind=tls, server=server)
        sections += listen(theirs[f"{name}-plain"], recorder.port, server=server)
        frontends[name] = frontend(ours[name], name, tls_profile=sender.key, alpn=[ALPN])
        frontends[f"{name}-plain"] = frontend(ours[f"{name}-plain"], name, tls="none")
    module_haproxy(list(theirs.values()), sections)
    module_front(
        {
            "tls": {
                key: {
                    "certificates": [str(certificate)],
                    "client-certificates": "optional",
                    "client-ca": str(pki.authority),
                    "ciphers": CIPHERS,
                    "ciphersuites": CIPHERSUITES,
                }
                for key, certificate in certificates.items()
            },
            "frontend": frontends,
            "backend": {
                name: backend(
                    recorder.port,
                    send_proxy=sender.send_proxy,
                    # HAProxy sends the negotiated ALPN without being asked.
                    **({} if sender.send_proxy == "v1" else {"proxy_v2_options": ["alpn", *sender.options]}),
                )
                for name, sender in SENDERS.items()
            },
        }
    )
    return Pair(recorder, theirs, ours)


@pytest.mark.parametrize("resumed", [False, True], ids=["full", "resumed"])
@pytest.mark.parametrize("certified", [False, True], ids=["anonymous", "certified"])
@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["tls1.2", "tls1.3"])
@pytest.mark.parametrize("sender", SENDERS)
def test_header_equals_haproxys(
    pair: Pair, pki: Certificates, sender: str, version: ssl.TLSVersion, certified: bool, resumed: bool
) -> None:
    context = pki.client(pki.alice if certified else None, version=version)

    def converse(port: int) -> socket.socket:
        if not resumed:
            return connect_tls(port, context, "127.0.0.9")
        with connect_tls(port, context, "127.0.0.9") as first:
            read_line(first)  # TLS 1.3 sends its tickets before it
            session = first.session
        second = connect_tls(port, context, "127.0.0.9", session=session)
        assert second.session_reused
        return second

    theirs, ours = pair.headers(sender, converse)
    assert ours == theirs


@pytest.mark.parametrize("sender", SENDERS)
def test_header_of_a_client_with_alpn_and_an_uppercase_name_equals_haproxys(
    pair: Pair, pki: Certificates, sender: str
) -> None:
    context = pki.client(alpn=(ALPN,))
    theirs, ours = pair.headers(sender, lambda port: connect_tls(port, context, server_name="MAIL.Example.org"))
    assert ours == theirs


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on the loopback interface")
@pytest.mark.parametrize("sender", SENDERS)
def test_header_of_an_ipv6_client_equals_haproxys(pair: Pair, pki: Certificates, sender: str) -> None:
    theirs, ours = pair.headers(sender, lambda port: connect_tls(port, pki.client(version=TLS13), "::1"))
    assert ours == theirs


@pytest.mark.parametrize("sender", SENDERS)
def test_header_of_a_client_without_tls_equals_haproxys(pair: Pair, sender: str) -> None:
    theirs, ours = pair.headers(f"{sender}-plain", lambda port: connect(port, "127.0.0.9"))
    assert ours == theirs


@pytest.mark.parametrize("sender", ["v1", "v2", "v2-ssl"])
def test_header_of_a_unix_client_equals_haproxys(
    recorder: StartRecorder, front: StartFront, haproxy: StartHAProxy, pki: Certificates, folder: Path, sender: str
) -> None:
    backend_of_both = recorder(echo(), is_looked_at=False)
    theirs, ours = folder / "theirs", folder / "ours"
    section = listen(free_port(), backend_of_both.port, server=SENDERS[sender].haproxy)
    haproxy([], f"{section}    bind unix@{theirs}\n")
    until(lambda: is_listening_at(theirs), "HAProxy to listen on its UNIX socket")
    configuration, _ = single(
        pki.server_ec, backend_of_both.port, bind=[str(ours)], tls="none", backend_send_proxy=sender,
        backend_check={"type": "mail", "inter": "1h"},  # instead of a look at the start
    )  # fmt: skip
    front(configuration)
    sent = []
    for path in (theirs, ours):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(path))
            assert read_line(connection) == GREETING
        sent.append(backend_of_both.next().header)
    assert as_haproxy_says_it(sent[1]) == sent[0]

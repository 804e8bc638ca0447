"""Where mailproxy's header is not HAProxy's: rows of docs/backends.md, with both fronts before one backend."""

from __future__ import annotations

import datetime
import ssl
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from tests.interop import headers
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartHAProxy, StartRecorder, short_folder
from tests.interop.front import single
from tests.interop.haproxy import listen, tls_bind
from tests.interop.ports import free_port, has_ipv6
from tests.interop.recorder import GREETING, Recorder, echo

_KEY = ec.generate_private_key(ec.SECP256R1())
_PLACEHOLDER = "?"


def certificate(*common_names: x509.NameAttribute[str], is_authority: bool = False) -> x509.Certificate:
    """A certificate of an authority that has the same key."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(common_names))
        .issuer_name(x509.Name([common_name("authority")]))
        .public_key(_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .sign(_KEY, hashes.SHA256())
    )


def common_name(text: str, kind: _ASN1Type = _ASN1Type.UTF8String) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text, kind)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + struct.pack("!H", size)) + content


def with_empty_common_name() -> bytes:
    """A certificate that its authority made with an empty name, which cryptography does not do: in DER."""
    made = certificate(common_name(_PLACEHOLDER))
    oid = bytes.fromhex("0603550403")

    def subject(text: bytes) -> bytes:
        return der(0x30, der(0x31, der(0x30, oid + der(0x0C, text))))

    signed = made.tbs_certificate_bytes
    at = 2 if signed[1] < 128 else 2 + (signed[1] & 0x7F)
    changed = der(0x30, signed[at:].replace(subject(_PLACEHOLDER.encode()), subject(b"")))
    signature = _KEY.sign(changed, ec.ECDSA(hashes.SHA256()))
    algorithm = der(0x30, bytes.fromhex("06082a8648ce3d040302"))
    return der(0x30, changed + algorithm + der(0x03, b"\0" + signature))


def pem(certificate: bytes) -> bytes:
    key = _KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ssl.DER_cert_to_PEM_cert(certificate).encode() + key


@frozen
class Pair:
    """Both fronts before the same backend."""

    recorder: Recorder
    haproxy: int
    mailproxy: int

    def names(self, context: Callable[[], ssl.SSLContext]) -> tuple[bytes | None, bytes | None]:
        """The CN of a client in HAProxy's header, and in mailproxy's."""
        return self._name(self.haproxy, context()), self._name(self.mailproxy, context())

    def _name(self, port: int, context: ssl.SSLContext) -> bytes | None:
        with connect_tls(port, context) as connection:
            assert read_line(connection) == GREETING
        reported = headers.parse(self.recorder.connections[-1].header).ssl
        assert reported is not None
        assert (reported.client, reported.verify) == (0x07, 0)
        return reported.get(headers.SSL_CN)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def pair(
    module_recorder: StartRecorder,
    module_front: StartFront,
    module_haproxy: StartHAProxy,
    pki: Certificates,
    folder: Path,
) -> Pair:
    authority = folder / "authority.pem"
    made = certificate(common_name("authority"), is_authority=True)
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    recorder, port = module_recorder(echo()), free_port()
    bind = tls_bind(pki.server_ec, authority)
    module_haproxy([port], listen(port, recorder.port, bind=bind, server="send-proxy-v2-ssl-cn"))
    configuration, ours = single(pki.server_ec, recorder.port, backend_send_proxy="v2-ssl-cn")
    configuration["tls"]["default"] |= {"client-certificates": "optional", "client-ca": str(authority)}
    module_front(configuration)
    return Pair(recorder, port, ours)


BMP, UNIVERSAL = _ASN1Type.BMPString, _ASN1Type.UniversalString


@pytest.mark.parametrize(
    ("names", "theirs", "ours"),
    [
        ([common_name("Jürgen")], "Jürgen".encode(), "Jürgen".encode()),
        ([common_name("Jürgen", BMP)], "Jürgen".encode("utf-16-be"), "Jürgen".encode()),
        ([common_name("Jürgen", UNIVERSAL)], "Jürgen".encode("utf-32-be"), "Jürgen".encode()),
        ([common_name("alice"), common_name("bob")], b"alice", None),
        ([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "alice")], None, None),
    ],
    ids=["utf-8", "bmp", "universal", "two", "none"],
)
def test_common_name_is_reported_in_utf8_unless_there_are_two(
    pair: Pair, pki: Certificates, folder: Path, names: list[x509.NameAttribute[str]], theirs: bytes, ours: bytes
) -> None:
    path = folder / "client.pem"
    path.write_bytes(pem(certificate(*names).public_bytes(serialization.Encoding.DER)))
    assert pair.names(lambda: pki.client(path)) == (theirs, ours)


def test_empty_common_name_is_left_out(pair: Pair, pki: Certificates, folder: Path) -> None:
    path = folder / "empty.pem"
    path.write_bytes(pem(with_empty_common_name()))
    assert pair.names(lambda: pki.client(path)) == (b"", None)


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_ipv4_client_of_an_ipv6_socket_is_reported_as_ipv4(
    recorder: StartRecorder, front: StartFront, haproxy: StartHAProxy, pki: Certificates
) -> None:
    backend, port = recorder(echo()), free_port()
    mapped = ip_address("::ffff:192.0.2.1").packed + ip_address("::ffff:192.0.2.2").packed + struct.pack("!HH", 1, 2)
    haproxy([port], listen(port, backend.port, bind="accept-proxy", server="send-proxy-v2"))
    configuration, ours = single(
        pki.server_ec, backend.port, tls="none", backend_send_proxy="v2", accept_proxy=["127.0.0.1"]
    )
    front(configuration)
    reported = []
    for at in (port, ours):
        with connect(at) as connection:
            connection.sendall(headers.v2(headers.PROXY, headers.TCP6, mapped))
            assert read_line(connection) == GREETING
        reported.append(headers.parse(backend.connections[-1].header).source)
    assert reported == [("::ffff:c000:201", 1), ("192.0.2.1", 1)]


@pytest.mark.parametrize(
    "header",
    [
        headers.v2(headers.PROXY, 0x00),
        headers.v2(headers.PROXY, 0x12, headers.tcp4(("192.0.2.1", 1), ("192.0.2.2", 2))),
        headers.v2(headers.PROXY, 0x31, bytes(216)),
        b"PROXY UNKNOWN ::1 ::1 1 2\r\n",
    ],
    ids=["unspec", "udp", "unix", "unknown"],
)
def test_header_without_a_tcp_client_is_taken(
    recorder: StartRecorder, front: StartFront, haproxy: StartHAProxy, pki: Certificates, header: bytes
) -> None:
    backend, port = recorder(echo()), free_port()
    haproxy([port], listen(port, backend.port, bind="accept-proxy", server="send-proxy-v2"))
    configuration, ours = single(
        pki.server_ec, backend.port, tls="none", backend_send_proxy="v2", accept_proxy=["127.0.0.0/8"]
    )
    front(configuration)
    with connect(port) as connection:
        connection.sendall(header)
        with pytest.raises(ConnectionResetError):
            read_line(connection)
    with connect(ours, "127.0.0.9") as connection:
        connection.sendall(header)
        assert read_line(connection) == GREETING
        address = connection.getsockname()
    reported = headers.parse(backend.connections[-1].header)
    assert (reported.command, reported.source) == (
        (headers.LOCAL, None) if header[13:14] == b"\x31" else (headers.PROXY, address)
    )

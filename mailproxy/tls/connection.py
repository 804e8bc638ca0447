"""The facts of a pyOpenSSL connection, for example Twisted's."""

from __future__ import annotations

from OpenSSL import SSL

from mailproxy.proxyprotocol.ssl import NOT_VERIFIED
from mailproxy.tls import openssl
from mailproxy.tls.certificate_algorithms import key_algorithm, signature_algorithm
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.subject import common_names


def connection_facts(connection: SSL.Connection) -> TlsFacts:
    """
    Read the facts of a server's connection; raise ValueError before its handshake is done.

    OpenSSL gives the verify result of a client's certificate. If the context's verify callback accepts everything, the
    result is always 0, and a certificate proves nothing.
    """
    cipher = connection.get_cipher_name()
    if cipher is None:
        raise ValueError("the TLS handshake is not done, nothing is negotiated yet")
    raw = openssl.raw_connection(connection)  # pyOpenSSL has no API for the verify result and resumption
    server_name = connection.get_servername()
    shown = connection.get_certificate(as_cryptography=True)
    certificate = openssl.peer_certificate(raw)
    return TlsFacts(
        version=connection.get_protocol_version_name(),
        cipher=cipher,
        group=connection.get_group_name(),
        server_name=None if server_name is None else server_name.decode("latin-1"),
        alpn=connection.get_alpn_proto_negotiated() or None,
        resumed=openssl.is_resumed(raw),
        certificate_sig_alg=None if shown is None else signature_algorithm(shown),
        certificate_key_alg=None if shown is None else key_algorithm(shown),
        client_certificate=certificate,
        client_common_names=() if certificate is None else common_names(certificate),
        verify=NOT_VERIFIED if certificate is None else openssl.verify_result(raw),
    )

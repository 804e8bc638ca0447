"""The facts of one TLS connection, frozen when its handshake is done."""

from attrs import frozen


@frozen(cache_hash=True)
class TlsFacts:
    """
    The facts of one client's TLS connection, named as OpenSSL names them.

    They are what mailproxy has seen; the code that builds the header decides which facts a backend gets.
    """

    version: str
    """Protocol version, ``TLSv1.3``."""

    cipher: str
    """Cipher suite, ``TLS_AES_256_GCM_SHA384`` or ``ECDHE-RSA-AES256-GCM-SHA384``."""

    group: str | None
    """Key exchange group, ``X25519MLKEM768``, ``x25519``, ``secp256r1``; None without one."""

    server_name: str | None
    """The server name (SNI) as the client sent it, with its case, not validated."""

    alpn: bytes | None
    """The application protocol that ALPN selected."""

    resumed: bool
    """True if the connection resumed an earlier session."""

    certificate_sig_alg: str | None
    """The signature algorithm of the certificate that we presented: ``RSA-SHA256``, ``ecdsa-with-SHA256``."""

    certificate_key_alg: str | None
    """The key of the certificate that we presented: ``RSA2048``, ``EC256``; None for other kinds, as HAProxy has it."""

    client_certificate: bytes | None
    """The client's certificate in DER, from this connection or from the resumed session."""

    client_common_names: tuple[str, ...]
    """Every CN in the subject of the client's certificate, in order."""

    verify: int
    """0 only if a certificate was presented and verified, 1 without one, else an OpenSSL ``X509_V_ERR``."""

"""What one TLS connection negotiated, frozen when its handshake is done."""

from attrs import frozen


@frozen(cache_hash=True)
class TlsFacts:
    """
    The facts of one client's TLS connection, named as OpenSSL names them.

    They say what was seen and nothing about what may be told to a backend: that is decided where the header is made.
    """

    version: str
    """Protocol version, ``TLSv1.3``."""

    cipher: str
    """Cipher suite, ``TLS_AES_256_GCM_SHA384`` or ``ECDHE-RSA-AES256-GCM-SHA384``."""

    group: str | None
    """Key exchange group, ``X25519MLKEM768``, ``x25519``, ``secp256r1``; None when there was none."""

    server_name: str | None
    """SNI as the client sent it: case kept, not validated."""

    alpn: bytes | None
    """The application protocol that was agreed on."""

    resumed: bool
    """True when the session of an earlier connection was taken up again."""

    certificate_sig_alg: str | None
    """How the certificate that we presented was signed by its issuer: ``RSA-SHA256``, ``ecdsa-with-SHA256``."""

    certificate_key_alg: str | None
    """The key of the certificate that we presented: ``RSA2048``, ``EC256``; None for other kinds, as HAProxy has it."""

    client_certificate: bytes | None
    """The client's certificate in DER, of this connection or of the session that was resumed."""

    client_common_names: tuple[str, ...]
    """Every CN in the subject of the client's certificate, in order."""

    verify: int
    """0 only when a certificate was presented and verified, 1 when there is none, else an OpenSSL ``X509_V_ERR``."""

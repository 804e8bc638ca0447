"""
The OpenSSL binding under pyOpenSSL, and the reason for it.

pyOpenSSL's public `Connection` allocates a bytes object for every read, checks and copies every write and keeps a
weak map of all connections: the same relay needs 1.3 to 1.6 times as much CPU with it. So connections use the binding
under pyOpenSSL, ``OpenSSL._util``, which is private: no other module of mailproxy imports it, and a test names what is
missing when it changes. Contexts are pyOpenSSL's, except for callbacks that would need a `Connection`.

OpenSSL keeps a queue of errors per thread. A failed call leaves its reasons there, and the next call on another
connection would report them as its own. So code that sees a failed call empties the queue (`reason`, `clear_errors`).
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from OpenSSL._util import ffi as _ffi
from OpenSSL._util import lib as _lib

ffi: Any = _ffi
lib: Any = _lib

# The most plain text in one record (RFC 8446 section 5.1).
RECORD_BYTES = 16384

# The hot path calls these without a wrapper.
read = lib.SSL_read
peek = lib.SSL_peek
write = lib.SSL_write
do_handshake = lib.SSL_do_handshake
get_error = lib.SSL_get_error
shutdown = lib.SSL_shutdown
free = lib.SSL_free
clear_errors = lib.ERR_clear_error

WANT_READ: int = lib.SSL_ERROR_WANT_READ
WANT_WRITE: int = lib.SSL_ERROR_WANT_WRITE
ZERO_RETURN: int = lib.SSL_ERROR_ZERO_RETURN
SYSCALL: int = lib.SSL_ERROR_SYSCALL
GOES_ON = (WANT_READ, WANT_WRITE)
"""The error codes of a call that has not failed, but waits for the socket."""

MODES: int = (
    # A sent record counts as written, so the bytes kept for a slow reader begin after it, ...
    lib.SSL_MODE_ENABLE_PARTIAL_WRITE
    # ... and in another buffer than the shared one.
    | lib.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    # An idle connection has no buffers.
    | lib.SSL_MODE_RELEASE_BUFFERS
)
# OpenSSL sets it by default: a read of a record without payload continues with the next record, as long as the kernel
# has any. A peer that sends only such records would block the whole process.
_AUTO_RETRY: int = lib.SSL_MODE_AUTO_RETRY
OPTIONS: int = (
    # A client could keep us busy with handshakes (CVE-2011-1473); without renegotiation, no write waits for a read.
    lib.SSL_OP_NO_RENEGOTIATION
    # FIN without close_notify only ends reading: many mail clients do that, and their protocols frame messages.
    | lib.SSL_OP_IGNORE_UNEXPECTED_EOF
    | lib.SSL_OP_CIPHER_SERVER_PREFERENCE
    | lib.SSL_OP_NO_COMPRESSION
)

_HOST_NAME: int = lib.TLSEXT_NAMETYPE_host_name
_TLS_1_3: int = SSL.TLS1_3_VERSION


def has_answered_13(ssl: Any) -> bool:
    """Return whether we, the server, have answered with TLS 1.3."""
    return bool(lib.SSL_version(ssl) == _TLS_1_3 and lib.SSL_get_current_cipher(ssl) != ffi.NULL)


def serve(context: Any) -> Any:
    """Return a new connection for the server's side, which the caller frees; raise MemoryError without memory."""
    ssl = lib.SSL_new(context)
    if not ssl:
        raise _no_connection()
    lib.SSL_set_accept_state(ssl)
    return ssl


def use_context(ssl: Any, context: Any) -> None:
    """
    Switch a connection that has not begun to the certificates, callbacks and authorities of another context.

    Its settings and ticket keys stay those of the context that made it.
    """
    lib.SSL_set_SSL_CTX(ssl, context)


def connect(context: Any, server_name: bytes = b"", session: Any = None) -> Any:
    """
    Return a new connection for the client's side, which the caller frees; raise MemoryError without memory.

    It sends the server name, unless that is empty, and offers to resume the session, if one is given.
    """
    ssl = lib.SSL_new(context)
    if not ssl:
        raise _no_connection()
    lib.SSL_set_connect_state(ssl)
    if server_name:
        lib.SSL_set_tlsext_host_name(ssl, server_name)
    if session is not None:
        lib.SSL_set_session(ssl, session)
    return ssl


def _no_connection() -> MemoryError:
    return MemoryError(f"OpenSSL made no connection: {reason()}")


def session(ssl: Any) -> Any:
    """
    Return the session of a client's connection, for resumption by later ones; None if there is none.

    In TLS 1.3 the server sends the ticket after the handshake, before or with its first data. OpenSSL makes the session
    of a connection unusable if the connection is freed without close_notify.
    """
    found = lib.SSL_get1_session(ssl)
    return None if found == ffi.NULL else ffi.gc(found, lib.SSL_SESSION_free)


# OpenSSL's reason for an alert from the peer is this number plus the number of the alert.
_ALERTS = 1000


def alert() -> int:
    """Return the number of the peer's alert that made the last call fail (RFC 8446 section 6); 0 if none did."""
    code: int = lib.ERR_GET_REASON(lib.ERR_peek_error())
    return code - _ALERTS if code > _ALERTS else 0


def reason() -> str:
    """Return OpenSSL's reason why the last call failed, and empty the error queue; "" if there is none."""
    code = lib.ERR_get_error()
    clear_errors()
    words = lib.ERR_reason_error_string(code) if code else ffi.NULL
    return "" if words == ffi.NULL else _text(words)


def _text(pointer: Any) -> str:
    return str(ffi.string(pointer).decode("latin-1"))


# The negotiated values of a connection.


_string = ffi.string

# OpenSSL's versions and cipher suites are constants in its code: a look-up by address takes a third of the time.
_versions: dict[Any, str] = {}
_ciphers: dict[Any, str] = {}


def negotiated(ssl: Any) -> tuple[str, str, str | None, str | None, bool]:
    """
    Return what a connection has negotiated, in OpenSSL's words.

    That is its version ("TLSv1.3"), cipher suite ("TLS_AES_256_GCM_SHA384") and key exchange group ("x25519", None
    without one), the server name as the client sent it (None without SNI), and whether it resumed a session. One
    function has them all: every handshake asks, and a call in Python costs more than one of OpenSSL's.
    """
    pointer = lib.SSL_get_version(ssl)
    version = _versions.get(pointer)
    if version is None:
        version = _versions[pointer] = _text(pointer)
    pointer = lib.SSL_get_current_cipher(ssl)
    cipher = _ciphers.get(pointer)
    if cipher is None:
        cipher = _ciphers[pointer] = _text(lib.SSL_CIPHER_get_name(pointer))
    group = lib.SSL_get0_group_name(ssl)
    name = lib.SSL_get_servername(ssl, _HOST_NAME)
    return (
        version,
        cipher,
        _string(group).decode("latin-1") if group else None,
        _string(name).decode("latin-1") if name else None,
        bool(lib.SSL_session_reused(ssl)),
    )


def server_name(ssl: Any) -> str | None:
    """Return the server name (SNI) as the client sent it."""
    name = lib.SSL_get_servername(ssl, _HOST_NAME)
    return None if name == ffi.NULL else _text(name)


_alpn_pointer = ffi.new("unsigned char **")
_alpn_size = ffi.new("unsigned int *")


def alpn(ssl: Any) -> bytes | None:
    """Return the application protocol that ALPN selected."""
    lib.SSL_get0_alpn_selected(ssl, _alpn_pointer, _alpn_size)
    return bytes(ffi.buffer(_alpn_pointer[0], _alpn_size[0])) if _alpn_size[0] else None


def is_resumed(ssl: Any) -> bool:
    """Return whether the connection resumed an earlier session."""
    return bool(lib.SSL_session_reused(ssl))


def verify_result(ssl: Any) -> int:
    """Return OpenSSL's verify result of the peer's certificate (X509_V_…); 0 is good, or no certificate."""
    return int(lib.SSL_get_verify_result(ssl))


def verify_words(code: int) -> str:
    """Return OpenSSL's text for a verify result."""
    return _text(lib.X509_verify_cert_error_string(code))


def peer_certificate(ssl: Any) -> bytes | None:
    """Return the peer's certificate in DER."""
    certificate = lib.SSL_get_peer_certificate(ssl)
    if certificate == ffi.NULL:
        return None
    try:
        return _der(certificate)
    finally:
        lib.X509_free(certificate)


def refused_certificate(ssl: Any) -> bytes | None:
    """
    Return the client's certificate in DER, after the handshake has failed because the certificate did not verify.

    OpenSSL keeps it as the peer's only if it is good, but the chain that it tried to verify stays with the connection.
    """
    chain = lib.SSL_get0_verified_chain(ssl)
    if chain == ffi.NULL or not lib.sk_X509_num(chain):
        return None
    return _der(lib.sk_X509_value(chain, 0))


def server_chain(ssl: Any) -> list[bytes]:
    """Return the certificates that a server sent, in DER, even if they were refused."""
    chain = lib.SSL_get_peer_cert_chain(ssl)
    if chain == ffi.NULL:
        return []
    return [_der(lib.sk_X509_value(chain, index)) for index in range(lib.sk_X509_num(chain))]


def _der(certificate: Any) -> bytes:
    memory = lib.BIO_new(lib.BIO_s_mem())
    try:
        lib.i2d_X509_bio(memory, certificate)
        room = ffi.new("char[]", 65536)
        size = lib.BIO_read(memory, room, 65536)
        return bytes(ffi.buffer(room, size))
    finally:
        lib.BIO_free(memory)


def served_certificate(ssl: Any) -> int:
    """Return the identity of the certificate that we served, the same in all connections; 0 for none."""
    return int(ffi.cast("intptr_t", lib.SSL_get_certificate(ssl)))


# Contexts.

VERSION = " ".join(SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[:2])
"""The version of OpenSSL, "OpenSSL 4.0.3"."""

_SETTERS: dict[str, Any] = {
    "ciphers": lib.SSL_CTX_set_cipher_list,
    "ciphersuites": lib.SSL_CTX_set_ciphersuites,
    "groups": lib.SSL_CTX_set1_curves_list,  # the old name of SSL_CTX_set1_groups_list
    "signature-algorithms": lib.SSL_CTX_set1_sigalgs_list,
}


def objection(context: SSL.Context, what: str, names: str) -> str:
    """Set a list of names (`_SETTERS`); return why OpenSSL refuses it, "" if it accepts it."""
    if _SETTERS[what](raw_context(context), names.encode()) == 1:
        return ""
    return reason() or "refused by OpenSSL"


def set_modes(context: SSL.Context) -> None:
    """Set the modes that our streams need for reads and writes on a context."""
    context.set_mode(MODES)
    context.clear_mode(_AUTO_RETRY)


def raw_context(context: SSL.Context) -> Any:
    """Return the ``SSL_CTX`` of a pyOpenSSL context; keep the context as long as it is used."""
    return context._context  # noqa: SLF001  # private like the binding


def raw_connection(connection: SSL.Connection) -> Any:
    """Return the ``SSL`` of a pyOpenSSL connection; keep the connection as long as it is used."""
    return connection._ssl  # noqa: SLF001  # private like the binding


def set_store(context: SSL.Context, store: crypto.X509Store) -> None:
    """Make a context verify certificates with a store; several contexts may share one."""
    raw = store._store  # noqa: SLF001  # private like the binding
    lib.X509_STORE_up_ref(raw)  # the context frees it once
    lib.SSL_CTX_set_cert_store(raw_context(context), raw)


def name_no_authorities(context: SSL.Context) -> None:
    """Remove the names of authorities that a context sends to clients in its request for a certificate."""
    lib.SSL_CTX_set_client_CA_list(raw_context(context), lib.sk_X509_NAME_new_null())


@ffi.callback("int (*)(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator]
def _go_on_unverified(is_good: int, verification: Any) -> int:
    return 1


def tolerate_bad_certificates(context: SSL.Context) -> None:
    """Continue handshakes with a certificate that does not verify; `verify_result` returns the error."""
    raw = raw_context(context)
    lib.SSL_CTX_set_verify(raw, lib.SSL_CTX_get_verify_mode(raw), _go_on_unverified)


def set_session_context(context: Any, name: bytes) -> None:
    """Set the session id context (32 bytes): new connections resume only sessions with the same one."""
    lib.SSL_CTX_set_session_id_context(context, name, len(name))


def current_certificate(context: SSL.Context) -> int:
    """Return the identity (`served_certificate`) of the last certificate that was added to a context."""
    ssl = lib.SSL_new(raw_context(context))
    try:
        return served_certificate(ssl)
    finally:
        free(ssl)


def is_13(ssl: Any) -> bool:
    """Return whether a connection uses TLS 1.3."""
    return bool(lib.SSL_version(ssl) == _TLS_1_3)

"""
The OpenSSL binding under pyOpenSSL, and the reason for it.

pyOpenSSL's public `Connection` allocates a bytes object for every read, checks and copies every write and keeps a
weak map of all connections: the same relay costs 1.3 to 1.6 times as much CPU through it. So connections use the
binding that pyOpenSSL itself stands on, ``OpenSSL._util``, which is private: nothing else in mailproxy imports it, and
a test names what is missing when it changes. Contexts stay pyOpenSSL's, but for two callbacks that want a `Connection`.

OpenSSL keeps a queue of errors per thread. A call that fails leaves its reasons there, and the next call on another
connection would take them for its own: code that sees a call fail empties the queue (`reason`, `clear_errors`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from OpenSSL import SSL, crypto
from OpenSSL._util import ffi as _ffi
from OpenSSL._util import lib as _lib

ffi: Any = _ffi
lib: Any = _lib

# One record holds at most so much plain text (RFC 8446 section 5.1).
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

MODES: int = (
    # A record that is out counts as written: what is kept for a slow reader starts behind it, ...
    lib.SSL_MODE_ENABLE_PARTIAL_WRITE
    # ... in another place than the shared buffer.
    | lib.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    # An idle connection has no buffers.
    | lib.SSL_MODE_RELEASE_BUFFERS
)
# OpenSSL sets it by default: a read that meets a record without payload goes on to the next, for as long as the kernel
# has any. One peer that sends nothing else would hold the whole process.
_AUTO_RETRY: int = lib.SSL_MODE_AUTO_RETRY
OPTIONS: int = (
    # A client could make us work for it for ever (CVE-2011-1473); without it, a write never waits for a read.
    lib.SSL_OP_NO_RENEGOTIATION
    # FIN without close_notify ends reading and nothing else: common among mail clients, whose protocols frame messages.
    | lib.SSL_OP_IGNORE_UNEXPECTED_EOF
    | lib.SSL_OP_CIPHER_SERVER_PREFERENCE
    | lib.SSL_OP_NO_COMPRESSION
)

_HOST_NAME: int = lib.TLSEXT_NAMETYPE_host_name
# The answers of a callback: SSL_TLSEXT_ERR_OK, _ALERT_FATAL, with which the handshake ends, and _NOACK, with which it
# goes on without the extension.
_OK = 0
_FATAL = 2
_NO_ACK = 3


class Flight:
    """
    A handshake in memory: what OpenSSL reads during one, and what it writes.

    On a socket it would read for as long as the other side has records without payload, or messages in pieces of
    a byte: one call could take seconds.
    """

    __slots__ = ("_incoming", "_outgoing", "_ssl")

    def __init__(self, ssl: Any) -> None:
        self._ssl = ssl
        # They belong to the connection from now on.
        self._incoming = lib.BIO_new(lib.BIO_s_mem())
        self._outgoing = lib.BIO_new(lib.BIO_s_mem())
        lib.SSL_set_bio(ssl, self._incoming, self._outgoing)

    def go_on(self, buffer: Any, count: int) -> tuple[int, int]:
        """Read bytes of a buffer; return the result of `do_handshake`, and how many were not read."""
        if count:
            lib.BIO_write(self._incoming, buffer, count)
        result = do_handshake(self._ssl)
        return result, lib.BIO_get_mem_data(self._incoming, _mem_pointer) if count else 0

    def outgoing(self, buffer: Any, size: int) -> int:
        """Put what is to be sent into a buffer; return how much that is, 0 or less for nothing."""
        return int(lib.BIO_read(self._outgoing, buffer, size))

    def land(self, descriptor: int) -> None:
        """Read and write on a descriptor from now on; what is left in memory is forgotten."""
        lib.SSL_set_fd(self._ssl, descriptor)


_mem_pointer = ffi.new("char **")

RENEGOTIATES = -1
"""What `error_code` says of a client that begins another handshake: a code that OpenSSL has not."""

_TLS_1_2: int = SSL.TLS1_2_VERSION
_HANDSHAKE_START: int = lib.SSL_CB_HANDSHAKE_START
_RECEIVED_SHUTDOWN: int = lib.SSL_RECEIVED_SHUTDOWN
# Holds the connection whose client began another handshake within the call that just returned.
_begun: list[Any] = []


@ffi.callback("void (*)(SSL *, int, int)")  # type: ignore[untyped-decorator]
def _end_renegotiation(ssl: Any, where: int, value: int) -> None:
    if where == _HANDSHAKE_START:
        # OpenSSL reads no further record of a connection whose end it has seen.
        lib.SSL_set_shutdown(ssl, _RECEIVED_SHUTDOWN)
        _begun.append(ssl)


def end_renegotiation(ssl: Any) -> None:
    """
    Let a read fail (`RENEGOTIATES`) when the client, whose handshake is done, begins another.

    OpenSSL would refuse it with the whole ClientHello in hand, 128 KiB in perhaps 4 million records, all of them read
    within one call. TLS 1.3 has no renegotiation; servers begin one with a message that has no body.
    """
    if lib.SSL_version(ssl) == _TLS_1_2:
        lib.SSL_set_info_callback(ssl, _end_renegotiation)


IN_PIECES = -2
"""What `error_code` says of a server that sends a message in pieces: a code that OpenSSL has not."""

_LOOP: int = lib.SSL_CB_CONNECT_LOOP
_EXIT: int = lib.SSL_CB_CONNECT_EXIT
_set_fd = lib.SSL_set_fd
_TLS_1_3: int = SSL.TLS1_3_VERSION
server_descriptors: dict[Any, int] = {}
"""The sockets of servers, by connection, from `end_messages_in_pieces` to `forget`."""
# Holds the connection that is in the middle of a message, within a call.
_amid: list[Any] = []
# Holds the connection on which a message was not finished within the call that just returned.
_unended: list[Any] = []


@ffi.callback("void (*)(SSL *, int, int)")  # type: ignore[untyped-decorator]
def _bound_message(ssl: Any, where: int, value: int) -> None:
    if where == _LOOP:
        if not _amid:
            _amid.append(ssl)
            _set_fd(ssl, _still_descriptor())
    elif where == _EXIT and _amid:
        _amid.clear()
        _set_fd(ssl, server_descriptors[ssl])
        if value != 1:
            _unended.append(ssl)


@cache
def _still_descriptor() -> int:
    """Return the descriptor of a socket that has nothing to read, and no room to write."""
    ours, other = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with suppress(BlockingIOError):
        while True:
            ours.send(bytes(1024))
    other.detach()  # both stay open as long as the process lives
    return ours.detach()


def end_messages_in_pieces(ssl: Any, descriptor: int) -> None:
    """
    Let a read fail (`IN_PIECES`) when the server, whose handshake is done, sends a message in more than one record.

    OpenSSL takes session tickets of 128 KiB, and would read all records of one within one call. So it sees a socket
    without data between the head of a message and its end. Call `forget` before the connection is freed.
    """
    if lib.SSL_version(ssl) == _TLS_1_3:
        server_descriptors[ssl] = descriptor
        lib.SSL_set_info_callback(ssl, _bound_message)


def forget(ssl: Any) -> None:
    """Forget the descriptor of a connection."""
    server_descriptors.pop(ssl, None)


def error_code(ssl: Any, result: int) -> int:
    """Return the error code of a read or write that failed; every one that did has to be asked for it."""
    code: int = get_error(ssl, result)
    if _begun:
        # OpenSSL may take it for the end of the connection.
        _begun.clear()
        return RENEGOTIATES
    if _unended:
        _unended.clear()
        # What we say because of a message (an update of our keys) may have to wait for room.
        if code in (WANT_READ, SYSCALL):
            return IN_PIECES
    return code


def has_answered_13(ssl: Any) -> bool:
    """Tell whether we, the server, have answered with TLS 1.3."""
    return bool(lib.SSL_version(ssl) == _TLS_1_3 and lib.SSL_get_current_cipher(ssl) != ffi.NULL)


def serve(context: Any) -> Any:
    """Return a new connection that serves TLS; the caller frees it. MemoryError without memory."""
    ssl = _new(context)
    lib.SSL_set_accept_state(ssl)
    return ssl


def use_context(ssl: Any, context: Any) -> None:
    """
    Let a connection that has not begun take its certificates, its callbacks and its authorities from another context.

    Its settings and the keys of its tickets stay those of the context that it was made from.
    """
    lib.SSL_set_SSL_CTX(ssl, context)


def connect(context: Any, server_name: bytes = b"", session: Any = None) -> Any:
    """
    Return a new connection that is the client's side; the caller frees it. MemoryError without memory.

    It asks for a server name if there is one, and to take up a session if there is one.
    """
    ssl = _new(context)
    lib.SSL_set_connect_state(ssl)
    if server_name:
        lib.SSL_set_tlsext_host_name(ssl, server_name)
    if session is not None:
        lib.SSL_set_session(ssl, session)
    return ssl


def _new(context: Any) -> Any:
    ssl = lib.SSL_new(context)
    if ssl == ffi.NULL:
        raise MemoryError(f"OpenSSL made no connection: {reason()}")
    return ssl


def session(ssl: Any) -> Any:
    """
    Return the session of a client's connection, to be taken up by later ones; None if there is none.

    In TLS 1.3 a server sends what makes it of use after the handshake, before or with its first words. OpenSSL spoils
    the session of a connection that is freed without close_notify.
    """
    found = lib.SSL_get1_session(ssl)
    return None if found == ffi.NULL else ffi.gc(found, lib.SSL_SESSION_free)


# Behind this number are the reasons that are alerts of the other side, by the alert's own number.
_ALERTS = 1000


def alert() -> int:
    """Return which alert of the other side made the last call fail, by its number (RFC 8446 section 6); 0 if none."""
    code: int = lib.ERR_GET_REASON(lib.ERR_peek_error())
    return code - _ALERTS if code > _ALERTS else 0


def reason() -> str:
    """Say why the last call failed, in OpenSSL's words, and empty the error queue; "" if OpenSSL has none."""
    code = lib.ERR_get_error()
    clear_errors()
    words = lib.ERR_reason_error_string(code) if code else ffi.NULL
    return "" if words == ffi.NULL else _text(words)


def _text(pointer: Any) -> str:
    return str(ffi.string(pointer).decode("latin-1"))


# What a connection negotiated.


# OpenSSL's versions and cipher suites are constants in its code: their addresses say all, at a third of the price.
_versions: dict[Any, str] = {}
_ciphers: dict[Any, str] = {}


def version(ssl: Any) -> str:
    """Return the protocol version in OpenSSL's words, "TLSv1.3"."""
    pointer = lib.SSL_get_version(ssl)
    name = _versions.get(pointer)
    if name is None:
        name = _versions[pointer] = _text(pointer)
    return name


def cipher(ssl: Any) -> str:
    """Return the name of the cipher suite in OpenSSL's words, "TLS_AES_256_GCM_SHA384"."""
    pointer = lib.SSL_get_current_cipher(ssl)
    name = _ciphers.get(pointer)
    if name is None:
        name = _ciphers[pointer] = _text(lib.SSL_CIPHER_get_name(pointer))
    return name


def group(ssl: Any) -> str | None:
    """Return the name of the group of the key exchange, "x25519"; None if there was none."""
    name = lib.SSL_get0_group_name(ssl)
    return None if name == ffi.NULL else _text(name)


def server_name(ssl: Any) -> str | None:
    """Return the name that the client asked for, as it sent it."""
    name = lib.SSL_get_servername(ssl, _HOST_NAME)
    return None if name == ffi.NULL else _text(name)


_alpn_pointer = ffi.new("unsigned char **")
_alpn_size = ffi.new("unsigned int *")


def alpn(ssl: Any) -> bytes | None:
    """Return the application protocol that was agreed on."""
    lib.SSL_get0_alpn_selected(ssl, _alpn_pointer, _alpn_size)
    return bytes(ffi.buffer(_alpn_pointer[0], _alpn_size[0])) if _alpn_size[0] else None


def is_resumed(ssl: Any) -> bool:
    """Tell whether the connection resumed an earlier session."""
    return bool(lib.SSL_session_reused(ssl))


def verify_result(ssl: Any) -> int:
    """Return OpenSSL's verdict on the peer's certificate (X509_V_…); 0 is good, also when there is none."""
    return int(lib.SSL_get_verify_result(ssl))


def verify_words(code: int) -> str:
    """Say what a verdict on a certificate means, in OpenSSL's words."""
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


def server_chain(ssl: Any) -> list[bytes]:
    """Return the certificates that a server sent, in DER, also when they were refused."""
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
    """Return an identity of the certificate that we served, the same for all connections; 0 for none."""
    return int(ffi.cast("intptr_t", lib.SSL_get_certificate(ssl)))


# Contexts.

VERSION = " ".join(SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[:2])
"""Which OpenSSL this is, "OpenSSL 4.0.3"."""

_SETTERS: dict[str, Any] = {
    "ciphers": lib.SSL_CTX_set_cipher_list,
    "ciphersuites": lib.SSL_CTX_set_ciphersuites,
    "groups": lib.SSL_CTX_set1_curves_list,  # the old name of SSL_CTX_set1_groups_list
    "signature-algorithms": lib.SSL_CTX_set1_sigalgs_list,
}


def objection(context: SSL.Context, what: str, names: str) -> str:
    """Set a list of names (`_SETTERS`); return why OpenSSL does not take it, "" if it does."""
    if _SETTERS[what](raw_context(context), names.encode()) == 1:
        return ""
    return reason() or "refused by OpenSSL"


def set_modes(context: SSL.Context) -> None:
    """Let connections of a context read and write as our streams need it."""
    context.set_mode(MODES)
    context.clear_mode(_AUTO_RETRY)


def raw_context(context: SSL.Context) -> Any:
    """Return the ``SSL_CTX`` of a pyOpenSSL context, which has to outlive it."""
    return context._context  # noqa: SLF001  # private like the binding


def raw_connection(connection: SSL.Connection) -> Any:
    """Return the ``SSL`` of a pyOpenSSL connection, which has to outlive it."""
    return connection._ssl  # noqa: SLF001  # private like the binding


def set_store(context: SSL.Context, store: crypto.X509Store) -> None:
    """Let a context verify certificates with a store, which several may have together."""
    raw = store._store  # noqa: SLF001  # private like the binding
    lib.X509_STORE_up_ref(raw)  # the context frees it once
    lib.SSL_CTX_set_cert_store(raw_context(context), raw)


def name_no_authorities(context: SSL.Context) -> None:
    """Forget which authorities a context names to clients that it asks for a certificate."""
    lib.SSL_CTX_set_client_CA_list(raw_context(context), lib.sk_X509_NAME_new_null())


@ffi.callback("int (*)(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator]
def _go_on_unverified(is_good: int, verification: Any) -> int:
    return 1


def tolerate_bad_certificates(context: SSL.Context) -> None:
    """Let the handshake go on with a certificate that does not verify; `verify_result` has the verdict."""
    raw = raw_context(context)
    lib.SSL_CTX_set_verify(raw, lib.SSL_CTX_get_verify_mode(raw), _go_on_unverified)


def set_session_context(context: Any, name: bytes) -> None:
    """Let connections that are made from now on resume only sessions that were made under the same name (32 bytes)."""
    lib.SSL_CTX_set_session_id_context(context, name, len(name))


def current_certificate(context: SSL.Context) -> int:
    """Return the identity (`served_certificate`) of the certificate that a context was given last."""
    ssl = lib.SSL_new(raw_context(context))
    try:
        return served_certificate(ssl)
    finally:
        free(ssl)


UNRECOGNIZED_NAME = 112
MISSING_EXTENSION = 109
"""Alerts (RFC 8446 section 6.2)."""


def server_name_callback(choose: Callable[[Any], Any]) -> Any:
    """
    Make what `set_server_name_callback` gives to contexts, and what has to live as long as their connections.

    `choose` gets the connection and returns the context that goes on with it: the one that it has (None) or another.
    Or it raises `Refused`. Acknowledging the name matters without a choice, too: OpenSSL keeps it in a TLS 1.2 session,
    and so for those who resume it, only then.
    """

    def answer(ssl: Any, alert: Any, argument: Any) -> int:
        try:
            context = choose(ssl)
        except Refused as refused:
            alert[0] = refused.alert
            return _FATAL
        if context is not None:
            lib.SSL_set_SSL_CTX(ssl, context)
        return _OK

    return ffi.callback("int (*)(SSL *, int *, void *)", answer)


class Refused(Exception):
    """A handshake that a callback ends, with an alert."""

    def __init__(self, alert: int) -> None:
        super().__init__()
        self.alert = alert


def is_13(ssl: Any) -> bool:
    """Tell whether a connection speaks TLS 1.3."""
    return bool(lib.SSL_version(ssl) == _TLS_1_3)


def status_callback(find: Callable[[Any], bytes | None]) -> Any:
    """
    Make what `set_status_callback` gives to contexts, and what has to live as long as their connections.

    `find` gets the connection of a client that asks for an OCSP response, and returns the one to send, if there is one.
    """

    def answer(ssl: Any, argument: Any) -> int:
        response = find(ssl)
        if response is None:
            return _NO_ACK
        memory = lib.OPENSSL_malloc(len(response))
        if memory == ffi.NULL:
            return _NO_ACK
        ffi.memmove(memory, response, len(response))
        # OpenSSL frees it with the connection.
        lib.SSL_set_tlsext_status_ocsp_resp(ssl, memory, len(response))
        return _OK

    return ffi.callback("int (*)(SSL *, void *)", answer, error=_NO_ACK)


def set_status_callback(context: Any, callback: Any) -> None:
    """Let a callback be called with each client that asks for an OCSP response."""
    lib.SSL_CTX_set_tlsext_status_cb(context, callback)


def set_server_name_callback(context: Any, callback: Any) -> None:
    """Let a callback be called with the server name of each client, also if a client has none."""
    lib.SSL_CTX_set_tlsext_servername_callback(context, callback)


def alpn_callback(protocols: Sequence[bytes]) -> Any:
    """
    Make what `set_alpn_callback` gives to contexts, and what has to live as long as their connections.

    The first of our application protocols that the client offers is agreed on. A client that offers others alone is
    refused with no_application_protocol (RFC 7301 section 3.2): somebody in between may have led it here, to a service
    whose certificate it takes for that of another one (ALPACA).
    """
    values = {name: ffi.new("unsigned char[]", name) for name in protocols}

    def answer(ssl: Any, chosen: Any, size: Any, offered: Any, offered_size: int, argument: Any) -> int:
        offers = set(_alpn_names(bytes(ffi.buffer(offered, offered_size))))
        for name, value in values.items():
            if name in offers:
                chosen[0] = value
                size[0] = len(name)
                return _OK
        return _FATAL

    return ffi.callback(
        "int (*)(SSL *, unsigned char **, unsigned char *, const unsigned char *, unsigned int, void *)",
        answer,
        error=_FATAL,
    )


def keylog_callback(write: Callable[[bytes], None]) -> Any:
    """Make what `set_keylog_callback` gives to contexts, and what has to live as long as their connections."""

    def tell(ssl: Any, line: Any) -> None:
        write(ffi.string(line))

    return ffi.callback("void (*)(const SSL *, const char *)", tell)


def set_keylog_callback(context: Any, callback: Any) -> None:
    """Let a callback be called with each secret of each connection, a line in NSS's format without its end."""
    lib.SSL_CTX_set_keylog_callback(context, callback)


def set_alpn_callback(context: Any, callback: Any) -> None:
    """Let a callback agree on an application protocol with each client that offers some."""
    lib.SSL_CTX_set_alpn_select_cb(context, callback, ffi.NULL)


def _alpn_names(offered: bytes) -> list[bytes]:
    """Split a list of names with a length byte before each (RFC 7301 section 3.1); OpenSSL has checked its form."""
    names = []
    while offered:
        size = offered[0]
        names.append(offered[1 : 1 + size])
        offered = offered[1 + size :]
    return names

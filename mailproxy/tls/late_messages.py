"""
The bounds of a peer's messages after the handshake, for OpenSSL has none.

OpenSSL reads a message to its end within one call, in any number of records. So a client may not begin another
handshake, and a server may not send a message in pieces: such a read fails, with an `error_code` of its own.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import cache
from typing import Any

from OpenSSL import SSL

from mailproxy.tls.openssl import SYSCALL, WANT_READ, ffi, get_error, is_13, lib

_TLS_1_2: int = SSL.TLS1_2_VERSION

RENEGOTIATES = -1
"""The `error_code` for a client that begins another handshake; OpenSSL does not use this code."""

_HANDSHAKE_START: int = lib.SSL_CB_HANDSHAKE_START
_RECEIVED_SHUTDOWN: int = lib.SSL_RECEIVED_SHUTDOWN
# Holds the connection whose client began another handshake within the call that just returned.
_begun: list[Any] = []


@ffi.callback("void (*)(SSL *, int, int)")  # type: ignore[untyped-decorator]
def _end_renegotiation(ssl: Any, where: int, value: int) -> None:
    if where == _HANDSHAKE_START:
        # After the end of a connection, OpenSSL reads no further record of it.
        lib.SSL_set_shutdown(ssl, _RECEIVED_SHUTDOWN)
        _begun.append(ssl)


def end_renegotiation(ssl: Any) -> None:
    """
    Make a read fail (`RENEGOTIATES`) when the client begins another handshake after the first.

    OpenSSL would refuse it only after the whole ClientHello: 128 KiB in up to 4 million records, all read within one
    call. TLS 1.3 has no renegotiation; servers begin one with a message without a body.
    """
    if lib.SSL_version(ssl) == _TLS_1_2:
        lib.SSL_set_info_callback(ssl, _end_renegotiation)


IN_PIECES = -2
"""The `error_code` for a server that sends a message in pieces; OpenSSL does not use this code."""

_LOOP: int = lib.SSL_CB_CONNECT_LOOP
_EXIT: int = lib.SSL_CB_CONNECT_EXIT
_set_fd = lib.SSL_set_fd
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
    """Return the descriptor of a socket that is neither readable nor writable."""
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
    Make a read fail (`IN_PIECES`) when the server sends a message in more than one record after the handshake.

    OpenSSL accepts session tickets of 128 KiB, and would read all records of one within one call. So it gets a socket
    without data between the head of a message and its end. Call `forget` before the connection is freed.
    """
    if is_13(ssl):
        server_descriptors[ssl] = descriptor
        lib.SSL_set_info_callback(ssl, _bound_message)


def forget(ssl: Any) -> None:
    """Forget the descriptor of a connection."""
    server_descriptors.pop(ssl, None)


def error_code(ssl: Any, result: int) -> int:
    """Return the error code of a failed read or write; call it after each failure."""
    code: int = get_error(ssl, result)
    if _begun:
        # OpenSSL may report this as the end of the connection.
        _begun.clear()
        return RENEGOTIATES
    if _unended:
        _unended.clear()
        # Our answer to a message (a key update) may have to wait until the socket is writable.
        if code in (WANT_READ, SYSCALL):
            return IN_PIECES
    return code

"""
The callbacks of a server's handshake: OpenSSL calls them for the client's name, its OCSP request, ALPN and a key log.

Keep a callback as long as its connections live: OpenSSL has only its address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from mailproxy.tls.openssl import ffi, lib

# The results of a callback: SSL_TLSEXT_ERR_OK; _ALERT_FATAL ends the handshake; _NOACK continues it without the
# extension.
_OK = 0
_FATAL = 2
_NO_ACK = 3

INTERNAL_ERROR = 80
UNRECOGNIZED_NAME = 112
MISSING_EXTENSION = 109
"""Alerts (RFC 8446 section 6.2)."""


@frozen(eq=False)
class Callbacks:
    """
    The callbacks of contexts, of which OpenSSL has pointers.

    They have to live as long as the contexts and their connections.
    """

    on_name: Any
    """Called for the server name of a client."""
    on_status: Any
    """Called for the OCSP response."""
    on_alpn: Any
    """None without ALPN."""
    on_key: Any
    """None without a key log."""


def server_name_callback(choose: Callable[[Any], Any]) -> Any:
    """
    Make the callback for `set_server_name_callback`; keep it as long as the connections live.

    `choose` gets the connection, and returns another context for it or None to keep the current one, or raises
    `Refused`. The callback is needed even without a choice: it acknowledges the name, and only then does OpenSSL keep
    the name in a TLS 1.2 session, for clients that resume it.
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
    """A callback ends the handshake with an alert."""

    def __init__(self, alert: int) -> None:
        super().__init__()
        self.alert = alert


def status_callback(find: Callable[[Any], bytes | None]) -> Any:
    """
    Make the callback for `set_status_callback`; keep it as long as the connections live.

    `find` gets the connection of a client that asks for an OCSP response, and returns the response or None, or raises
    `Refused`; OpenSSL chooses the alert.
    """

    def answer(ssl: Any, argument: Any) -> int:
        try:
            response = find(ssl)
        except Refused:
            return _FATAL
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
    """Call a callback for each client that asks for an OCSP response."""
    lib.SSL_CTX_set_tlsext_status_cb(context, callback)


def set_server_name_callback(context: Any, callback: Any) -> None:
    """Call a callback for the server name of each client, even if the client sends none."""
    lib.SSL_CTX_set_tlsext_servername_callback(context, callback)


def alpn_callback(protocols: Sequence[bytes]) -> Any:
    """
    Make the callback for `set_alpn_callback`; keep it as long as the connections live.

    It selects the first of our application protocols that the client offers. A client that only offers others is
    refused with no_application_protocol (RFC 7301 section 3.2): an attacker may have redirected it from another service
    with a certificate for the same name (ALPACA).
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
    """Make the callback for `set_keylog_callback`; keep it as long as the connections live."""

    def answer(ssl: Any, line: Any) -> None:
        write(ffi.string(line))

    return ffi.callback("void (*)(const SSL *, const char *)", answer)


def set_keylog_callback(context: Any, callback: Any) -> None:
    """Call a callback for each secret of each connection: a line in NSS's format, without its end."""
    lib.SSL_CTX_set_keylog_callback(context, callback)


def set_alpn_callback(context: Any, callback: Any) -> None:
    """Call a callback to select an application protocol, for each client that offers some."""
    lib.SSL_CTX_set_alpn_select_cb(context, callback, ffi.NULL)


def _alpn_names(offered: bytes) -> list[bytes]:
    """Split a list of names with a length byte before each (RFC 7301 section 3.1); OpenSSL has checked its form."""
    names = []
    while offered:
        size = offered[0]
        names.append(offered[1 : 1 + size])
        offered = offered[1 + size :]
    return names

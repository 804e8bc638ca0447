"""The private binding has what connections use."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from OpenSSL import SSL

from mailproxy.tls import callbacks, flight, late_messages, openssl

MODULES = (openssl, callbacks, flight, late_messages)


def used_names() -> set[str]:
    """Every name of the binding that the modules use, read from their source."""
    trees = [ast.parse(Path(str(module.__file__)).read_text()) for module in MODULES]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lib"
    }


def test_binding_has_every_function_that_is_used() -> None:
    """A new pyOpenSSL or cryptography may have dropped some: `mailproxy.tls` has to do without them."""
    missing = sorted(name for name in used_names() if not hasattr(openssl.lib, name))
    assert missing == []


def test_functions_that_are_used_are_found() -> None:
    assert {"SSL_read", "SSL_set_fd", "SSL_CTX_set_tlsext_servername_callback"} <= used_names()


def test_context_of_pyopenssl_has_the_raw_one() -> None:
    """Another private name."""
    raw = openssl.raw_context(SSL.Context(SSL.TLS_SERVER_METHOD))
    assert "SSL_CTX" in repr(raw)


@pytest.mark.parametrize("method", [SSL.TLS_SERVER_METHOD, SSL.TLS_CLIENT_METHOD])
def test_read_does_not_continue_by_itself(method: int) -> None:
    """It would by OpenSSL's default, for as long as a peer sends records without payload."""
    context = SSL.Context(method)
    assert context.set_mode(0) & openssl.lib.SSL_MODE_AUTO_RETRY
    openssl.set_modes(context)
    assert context.set_mode(0) & openssl.MODES == openssl.MODES
    assert not context.set_mode(0) & openssl.lib.SSL_MODE_AUTO_RETRY


def test_reason_is_reported_once() -> None:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    openssl.lib.SSL_CTX_set_cipher_list(openssl.raw_context(context), b"no such cipher")
    assert openssl.reason() == "no cipher match"
    assert openssl.reason() == ""


def test_errors_are_cleared_together() -> None:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    for _ in range(2):
        openssl.lib.SSL_CTX_set_cipher_list(openssl.raw_context(context), b"no such cipher")
    openssl.reason()
    assert openssl.lib.ERR_get_error() == 0

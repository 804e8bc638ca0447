"""The kinds of failed handshakes with clients: few enough to count each, whatever clients send."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal[
    "closed",
    "late",
    "too-long",
    "not-tls",
    "version",
    "no-match",
    "alpn",
    "strict-sni",
    "distrusted",
    "client-certificate",
    "alert",
    "other",
]
"""Why a handshake failed, in a word."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_KINDS: dict[str, Kind] = {
    "wrong version number": "not-tls",
    "http request": "not-tls",
    "https proxy request": "not-tls",
    "packet length too long": "not-tls",
    "bad record type": "not-tls",
    "invalid record": "not-tls",
    "unsupported protocol": "version",
    "version too low": "version",
    "inappropriate fallback": "version",
    "tlsv1 alert protocol version": "version",
    "no shared cipher": "no-match",
    "no suitable key share": "no-match",
    "no suitable groups": "no-match",
    "no shared groups": "no-match",
    "no suitable signature algorithm": "no-match",
    "no shared signature algorithms": "no-match",
    "sslv3 alert handshake failure": "no-match",
    "ssl/tls alert handshake failure": "no-match",
    "no application protocol": "alpn",
    "peer did not return a certificate": "client-certificate",
    "certificate verify failed": "client-certificate",
}


def kind_of(reason: str) -> Kind:
    """Return the kind of a failure for which OpenSSL has this reason."""
    return _KINDS.get(reason) or ("alert" if " alert " in reason else "other")

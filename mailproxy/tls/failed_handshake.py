"""Why a handshake failed: OpenSSL's reason in words for the log, and its kind."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from mailproxy.tls import openssl
from mailproxy.tls.dns_name import is_dns_name
from mailproxy.tls.failure import Kind, kind_of
from mailproxy.tls.openssl import SYSCALL, ZERO_RETURN
from mailproxy.tls.presented import Presented

# The alerts of a peer that refuses our certificate (RFC 8446 section 6.2).
_OBJECTIONS = {
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    48: "unknown CA",
}

# OpenSSL's reason for a certificate that it refuses; its verdict has the details.
_NOT_VERIFIED = "certificate verify failed"

# What OpenSSL says when our answer to a server name is a refusal.
_CALLBACK_FAILED = "callback failed"


class HandshakeError(Exception):
    """
    A handshake that failed, with the reason and its kind; `is_theirs` if the other side closed or refused.

    `presented` is the client's certificate if it was refused for that.
    """

    def __init__(self, reason: str, *, kind: Kind, is_theirs: bool, presented: Presented | None = None) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.is_theirs = is_theirs
        self.presented = presented


@frozen
class FailedHandshake:
    """A `HandshakeError` that is not an exception yet: one in a local variable is a cycle with its own traceback."""

    reason: str
    kind: Kind
    is_theirs: bool
    presented: Presented | None = None

    @property
    def error(self) -> HandshakeError:
        """The exception to raise."""
        return HandshakeError(self.reason, kind=self.kind, is_theirs=self.is_theirs, presented=self.presented)


def failed_handshake(ssl: Any, code: int, alert: int, reason: str, peer: str) -> FailedHandshake:
    """
    Judge the failure of a connection's handshake, given OpenSSL's error code and reason, and the other side's alert.

    `alert` is a number (RFC 8446 section 6), 0 without one. `peer` says what the other side is: a client or a server.
    """
    objection = _OBJECTIONS.get(alert)
    if objection is not None:
        reason = f"the {peer} does not trust our certificate ({objection})"
        return FailedHandshake(reason, "distrusted", is_theirs=True)
    is_theirs = code in (ZERO_RETURN, SYSCALL)
    kind: Kind = "closed" if is_theirs else kind_of(reason)
    presented = None
    if reason == _CALLBACK_FAILED:
        kind = "strict-sni"
        reason = f"{_asked_name(openssl.server_name(ssl))}, and the profile has strict-sni"
    if reason == _NOT_VERIFIED:
        verdict, certificate = openssl.verify_result(ssl), openssl.refused_certificate(ssl)
        reason = f"the client's {reason}: {openssl.verify_words(verdict)}"
        presented = None if certificate is None else Presented(certificate, verdict)
    return FailedHandshake(reason, kind, is_theirs, presented)


def _asked_name(name: str | None) -> str:
    if name is None:
        return "the client asks for no server name"
    shown = name if is_dns_name(name) else "something that is no host name"
    return f"the client asks for {shown}, which no certificate is for"

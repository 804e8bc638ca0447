"""Whether a server would take a client's password as it is."""

import re

_PLAIN = frozenset({b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"})
"""Mechanisms by which a password or token crosses the wire (RFC 4616 and others)."""

_WORD = re.compile(rb"[A-Z0-9_-]+")


def takes_passwords(protocol: str, capabilities: tuple[bytes, ...]) -> bool:
    """Tell whether a server that lists these capabilities takes passwords that anybody in between can read."""
    upper = [capability.upper() for capability in capabilities]
    if protocol == "imap":
        # LOGIN needs no mention (RFC 9051 section 6.2.3).
        return b"LOGINDISABLED" not in upper
    if protocol == "pop3" and b"USER" in upper:
        return True
    word = {"pop3": b"SASL", "managesieve": b'"SASL"'}.get(protocol, b"AUTH")
    return any(_PLAIN & set(_WORD.findall(line)[1:]) for line in upper if line.startswith(word))

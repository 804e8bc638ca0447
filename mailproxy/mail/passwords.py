"""Which SASL mechanisms send a password as it is."""

import re

_PLAIN = frozenset({b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"})
"""Mechanisms by which a password or token crosses the wire (RFC 4616 and others)."""

_WORD = re.compile(rb"[A-Z0-9_-]+")


def lists_passwords(word: bytes, capabilities: tuple[bytes, ...]) -> bool:
    """Tell whether one of the capabilities that begin with this word, in upper case, lists such a mechanism."""
    upper = (capability.upper() for capability in capabilities)
    return any(_PLAIN & set(_WORD.findall(line)[1:]) for line in upper if line.startswith(word))

"""The SASL mechanisms that send a password in readable form."""

import re

_PLAIN = frozenset({b"PLAIN", b"LOGIN", b"XOAUTH2", b"OAUTHBEARER"})
"""Mechanisms that send a password or token itself (RFC 4616 and others)."""

_WORD = re.compile(rb"[A-Z0-9_-]+")


def lists_passwords(word: bytes, capabilities: tuple[bytes, ...]) -> bool:
    """Return whether one of the capabilities that begin with this word, in upper case, lists such a mechanism."""
    upper = (capability.upper() for capability in capabilities)
    return any(_PLAIN & set(_WORD.findall(line)[1:]) for line in upper if line.startswith(word))

"""Checks ciphers, groups, signature algorithms and key logs of TLS profiles before they are used."""

from collections.abc import Iterator

from mailproxy.config import Config, Problem
from mailproxy.config.words import key_path, listed, nearest, quoted
from mailproxy.tls import openssl
from mailproxy.tls.algorithms import (
    UnknownName,
    check_ciphers,
    check_ciphersuites,
    check_groups,
    check_signatures,
    cipher_names,
)
from mailproxy.tls.keylog import keylog_objection

_CHECKS = {
    "ciphers": check_ciphers,
    "ciphersuites": check_ciphersuites,
    "groups": check_groups,
    "signature-algorithms": check_signatures,
}

# A list such as "ALL" has a hundred ciphers.
_NAMES_SHOWN = 3


def policy_problems(config: Config) -> Iterator[Problem]:
    """Find names that OpenSSL does not know, and key logs that other users can read, each with its key path."""
    for name, profile in config.tls.items():
        for key, check in _CHECKS.items():
            value = getattr(profile, key.replace("-", "_"))
            if value is None:
                continue
            try:
                check(value)
            except UnknownName as error:
                yield Problem(key_path("tls", name, key), _unknown(error))
        if profile.keylog is not None:
            objection = keylog_objection(profile.keylog)
            if objection:
                yield Problem(key_path("tls", name, "keylog"), f"{profile.keylog}: {objection}")


def _unknown(error: UnknownName) -> str:
    if not error.name:
        return "has an empty name in it"
    known = {name.lower(): name for name in error.known}
    meant = nearest(error.name, known)
    hint = f"; did you mean {quoted(known[meant])}?" if meant else ""
    return f"has {quoted(error.name)}, which {openssl.VERSION} does not know{hint}"


def policy_warnings(config: Config) -> Iterator[str]:
    """Warn about ciphers without forward secrecy, and about key logs, each in one line."""
    for name, profile in config.tls.items():
        if profile.keylog is not None:
            yield (
                f"{key_path('tls', name, 'keylog')}: the keys of every connection are written to {profile.keylog}: "
                "whose readers can read recorded mail and passwords; take the key out when you are done"
            )
        if profile.ciphers is None:
            continue
        weak = [cipher for cipher in cipher_names(profile.ciphers) if not cipher.startswith(("ECDHE-", "DHE-"))]
        if weak:
            more = f" and {len(weak) - _NAMES_SHOWN} more" if len(weak) > _NAMES_SHOWN else ""
            yield (
                f"{key_path('tls', name, 'ciphers')}: has {listed(weak[:_NAMES_SHOWN])}{more} without forward secrecy: "
                "the key of the certificate decrypts all recorded connections"
            )

"""APOP's timestamp in a greeting in plaintext: worth a note only, because RFC 1939 requires it."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding, Verdict
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the protocol has such greetings."""
    if dialect.challenge is None:
        return ()
    return (Case("apop", "A note only: a login by APOP needs no TLS.", _check, needs_tls=False),)


def _check(server: Server, honest: Honest) -> Finding:
    challenge = server.dialect.challenge
    note = ""
    if challenge is not None and challenge.search(honest.greeting.last):
        note = "an attacker on the path can ask for MD5 digests of the password (CVE-2007-1558)"
    return Finding(Verdict.OK, "(connection)", reply_text(honest.greeting), note)

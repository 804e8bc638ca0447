"""Logins must not be offered in plaintext: a client uses one if an attacker removes STARTTLS."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, reply_text

_KEEPS_THE_SECRET = (
    "SCRAM-",
    "CRAM-MD5",
    "DIGEST-MD5",
    "GSSAPI",
    "GS2-",
    "GSS-SPNEGO",
    "NTLM",
    "EXTERNAL",
    "ANONYMOUS",
)
"""Mechanisms that send neither password nor token."""


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (
        Case(
            "login-offered",
            "Clients send passwords in plaintext when an attacker removes STARTTLS.",
            _check,
            needs_tls=False,
        ),
    )


def _check(server: Server, honest: Honest) -> Finding:
    sent = shown(server.dialect.capabilities.line)
    if not honest.before.lines:
        return Finding(Verdict.NO_ANSWER, sent, reply_text(honest.before))
    offered = sorted(honest.offer_before(server).logins)
    if revealing := [name for name in offered if not name.startswith(_KEEPS_THE_SECRET)]:
        return Finding(Verdict.VULNERABLE, sent, shown(" ".join(revealing).encode()))
    note = "these do not send the password itself" if offered else ""
    return Finding(Verdict.OK, sent, shown(" ".join(offered).encode()) or "none offered", note)

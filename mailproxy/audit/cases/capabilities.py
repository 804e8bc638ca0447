"""Capabilities must be announced again inside TLS: those before TLS may come from an attacker."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import TLS, Finding, Verdict, shown, steps
from mailproxy.audit.server import Server

_STILL_DISABLED = b"LOGINDISABLED"


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (Case("capabilities-kept", "Capabilities announced in plaintext stay in force inside TLS.", _check),)


def _check(server: Server, honest: Honest) -> Finding:
    dialect = server.dialect
    before, after = honest.offer_before(server), honest.offer_after(server)
    sent = steps(dialect.starttls.line, TLS, dialect.capabilities.line)
    if not honest.after:
        return Finding(Verdict.NO_ANSWER, sent, "(nothing)")
    if dialect.lists_after_tls and not honest.unasked:
        return Finding(
            Verdict.VULNERABLE, sent, "(no listing)", "the server must send it unasked (RFC 5804, section 2.2)"
        )
    if before.starttls and before.words == after.words:
        return Finding(Verdict.VULNERABLE, sent, "the same as before TLS")
    if _STILL_DISABLED in after.words:
        return Finding(Verdict.VULNERABLE, sent, shown(_STILL_DISABLED))
    return Finding(Verdict.OK, sent, "announced again")

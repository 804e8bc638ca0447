"""STARTTLS must be offered: a client that does not see it continues without TLS."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (
        Case(
            "starttls-offered",
            "Clients that use TLS only when it is offered stay without TLS.",
            _check,
            needs_tls=False,
        ),
    )


def _check(server: Server, honest: Honest) -> Finding:
    sent = shown(server.dialect.capabilities.line)
    if not honest.before.lines:
        return Finding(Verdict.NO_ANSWER, sent, reply_text(honest.before))
    if honest.offer_before(server).starttls:
        return Finding(Verdict.OK, sent, "offered")
    note = (
        "STARTTLS works all the same"
        if honest.is_secured
        else f"STARTTLS was sent all the same: {reply_text(honest.starttls)}"
    )
    return Finding(Verdict.VULNERABLE, sent, "not offered", note)

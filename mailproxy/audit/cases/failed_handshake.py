"""A failed handshake must end the connection: STARTTLS is there to prevent a dialogue in plaintext."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import End, Kind
from mailproxy.audit.result import Finding, Verdict, shown, steps
from mailproxy.audit.server import Server, reply_text

_GARBAGE = b"this is no ClientHello\r\n"


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (Case("failed-handshake", "After a failed handshake the dialogue continues without TLS.", _check),)


def _check(server: Server, honest: Honest) -> Finding:
    dialect = server.dialect
    sent = steps(dialect.starttls.line, _GARBAGE, dialect.injected.line)
    with server.greeted() as connection:
        reply = connection.ask(dialect.starttls)
        if dialect.kind(reply) is not Kind.YES:
            return Finding(Verdict.NO_ANSWER, sent, reply_text(reply))
        first, end = connection.plaintext_after(_GARBAGE, is_patient=False)
        second, end = (b"", end) if end is End.CLOSED else connection.plaintext_after(dialect.injected.wire)
    if plaintext := first + second:
        return Finding(Verdict.VULNERABLE, sent, shown(plaintext))
    if end is End.CLOSED:
        return Finding(Verdict.OK, sent, "(closed)")
    return Finding(Verdict.NO_ANSWER, sent, "(silence)", "it should have closed")

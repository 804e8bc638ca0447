"""
Half a command in plaintext, which the client's first bytes inside TLS complete: the variant that steals credentials.
"""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import TLS, Finding, Verdict, shown, steps
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (Case("half-command", "Bytes sent in plaintext become the beginning of a command inside TLS.", _check),)


def _check(server: Server, honest: Honest) -> Finding:
    dialect, half = server.dialect, server.dialect.half
    sent = steps(dialect.starttls.wire + half.first, TLS, half.second.line)
    with server.greeted() as connection:
        connection.send(dialect.starttls.wire + half.first)
        reply = connection.reply(dialect.starttls.last)
        if (kind := dialect.kind(reply)) is not Kind.YES:
            return Finding(Verdict.NO_ANSWER if kind is Kind.SILENT else Verdict.OK, sent, reply_text(reply))
        handshake = connection.handshake()
        if handshake.plaintext:
            return Finding(Verdict.VULNERABLE, sent, shown(handshake.plaintext), "in plaintext, after STARTTLS")
        if not handshake.is_up:
            return Finding(Verdict.OK, sent, f"(no TLS: {handshake.problem})")
        server.listing(connection)
        reply = connection.ask(half.second)
    match dialect.kind(reply):
        case Kind.YES:
            return Finding(Verdict.VULNERABLE, sent, reply_text(reply), "the two halves were joined")
        case Kind.SILENT:
            return Finding(Verdict.NO_ANSWER, sent, reply_text(reply))
    return Finding(Verdict.OK, sent, reply_text(reply), "the first half was ignored" if reply.lines else "")

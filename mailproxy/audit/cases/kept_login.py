"""A login without TLS must not outlive STARTTLS: the client would work in an attacker's account (session fixation)."""

from mailproxy.audit.case import Case
from mailproxy.audit.cases.login import has_looked
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import TLS, Finding, Verdict, steps
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (Case("login-kept", "A client that uses STARTTLS continues in an attacker's session.", _check),)


def _check(server: Server, honest: Honest) -> Finding:
    dialect, membership = server.dialect, server.dialect.membership
    sent = steps(*(command.line for command in (*membership.login, dialect.starttls)), TLS, membership.asked.line)
    with server.greeted() as connection:
        for command in membership.login:
            login = connection.ask(command)
            if (kind := dialect.kind(login)) is not Kind.YES:
                if kind is Kind.SILENT:
                    return Finding(Verdict.NO_ANSWER, sent, reply_text(login))
                if has_looked(dialect, login):
                    return Finding(Verdict.NOT_APPLICABLE, sent, reply_text(login), "needs real credentials")
                return Finding(Verdict.OK, sent, reply_text(login), "no login without TLS")
        starttls = connection.ask(dialect.starttls)
        if dialect.kind(starttls) is not Kind.YES:
            return Finding(Verdict.OK, sent, reply_text(starttls), "no STARTTLS after a login")
        if not connection.handshake().is_up:
            return Finding(Verdict.OK, sent, "(no TLS)")
        server.listing(connection)
        server.introduce(connection)
        asked = connection.ask(membership.asked)
    if not asked.lines:
        return Finding(Verdict.OK if dialect.kind(asked) is Kind.CLOSED else Verdict.NO_ANSWER, sent, reply_text(asked))
    is_kept = membership.means_yes.match(asked.last)
    return Finding(Verdict.VULNERABLE if is_kept else Verdict.OK, sent, reply_text(asked))

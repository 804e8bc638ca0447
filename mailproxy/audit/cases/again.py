"""STARTTLS inside TLS must be neither offered nor accepted (RFC 3207, section 4.2; RFC 2595, RFC 5804, RFC 9051)."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import TLS, Finding, Verdict, steps
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return both cases."""
    return (
        Case("offered-again", "The server offers STARTTLS inside TLS, and clients may ask for it.", _check_offer),
        Case(
            "accepted-twice", "A second STARTTLS inside TLS resets the dialogue to an untested state.", _check_accepted
        ),
    )


def _check_offer(server: Server, honest: Honest) -> Finding:
    sent = steps(server.dialect.starttls.line, TLS, server.dialect.capabilities.line)
    if not honest.after:
        return Finding(Verdict.NO_ANSWER, sent, "(nothing)")
    if honest.offer_after(server).starttls:
        return Finding(Verdict.VULNERABLE, sent, "offered")
    return Finding(Verdict.OK, sent, "not offered")


def _check_accepted(server: Server, honest: Honest) -> Finding:
    starttls = server.dialect.starttls
    with server.secured() as connection:
        server.introduce(connection)
        reply = connection.ask(starttls)
    verdict = {Kind.YES: Verdict.VULNERABLE, Kind.SILENT: Verdict.NO_ANSWER}
    return Finding(
        verdict.get(server.dialect.kind(reply), Verdict.OK), steps(starttls.line, TLS, starttls.line), reply_text(reply)
    )

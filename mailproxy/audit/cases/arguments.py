"""STARTTLS takes no arguments; a server that ignores them may ignore more (RFC 3207, section 4: 501)."""

import re
from functools import partial

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Command, Kind
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the standard defines the answer."""
    if dialect.refuses_arguments is None:
        return ()
    check = partial(_check, dialect.refuses_arguments)
    return (Case("arguments", "The server ignores what follows STARTTLS on its line.", check),)


def _check(refusal: re.Pattern[bytes], server: Server, honest: Honest) -> Finding:
    starttls = server.dialect.starttls
    command = Command(starttls.line + b" NOW", starttls.last)
    with server.greeted() as connection:
        reply = connection.ask(command)
    sent = shown(command.line)
    match server.dialect.kind(reply):
        case Kind.YES:
            return Finding(Verdict.VULNERABLE, sent, reply_text(reply))
        case Kind.SILENT:
            return Finding(Verdict.NO_ANSWER, sent, reply_text(reply))
    note = "" if refusal.match(reply.last) else "the standard says 501"
    return Finding(Verdict.OK, sent, reply_text(reply), note)

"""
Logins without TLS must be refused before the server asks for a secret, and without checking one that came unasked.
"""

import re
from functools import partial

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect, Login
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind, Reply
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, reply_text

_WANTS_TLS = re.compile(rb"tls|ssl|encrypt|secur|plain-?text|cleartext|privacy", re.IGNORECASE)
_WRONG_CREDENTIALS = re.compile(
    rb"(auth\w*|login|log in|sign.?in) (has )?(fail|unsuccess|denied)"
    rb"|(invalid|incorrect|wrong|bad|unknown) (user|login|pass|credential|account|auth)"
    rb"|(username|password|credentials)\b.* (mismatch|incorrect|invalid|wrong)",
    re.IGNORECASE,
)
"""The words of servers that send no code."""


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return a case for each kind of login."""
    return tuple(
        Case(
            f"clear-{login.name}",
            "The server accepts a login without TLS: an attacker who removes STARTTLS can read passwords.",
            partial(_check, login),
            needs_tls=False,
        )
        for login in dialect.logins
    )


def has_looked(dialect: Dialect, reply: Reply) -> bool:
    """Return whether a refusal is about the credentials themselves and not about missing TLS."""
    text = b"\n".join(reply.lines)
    if dialect.looked_at.match(reply.last):
        return True
    return not _WANTS_TLS.search(text) and _WRONG_CREDENTIALS.search(text) is not None


def _check(login: Login, server: Server, honest: Honest) -> Finding:
    with server.greeted() as connection:
        reply = connection.ask(login.command)
    sent, received = shown(login.command.line), reply_text(reply)
    match server.dialect.kind(reply):
        case Kind.PROMPT:
            return Finding(Verdict.VULNERABLE, sent, received, "asks for more")
        case Kind.YES:
            return Finding(Verdict.VULNERABLE, sent, received, "accepted")
        case Kind.SILENT:
            return Finding(Verdict.NO_ANSWER, sent, received)
    if has_looked(server.dialect, reply):
        return Finding(Verdict.VULNERABLE, sent, received, "these credentials are wrong; right ones would be accepted")
    return Finding(Verdict.OK, sent, received)

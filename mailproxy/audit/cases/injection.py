"""
Commands in plaintext that reach the server around STARTTLS and are answered or executed inside TLS.

CVE-2011-0411 (Postfix) and its many relatives: bytes that were read together with STARTTLS stay in the buffer, and
after the handshake the server takes them for the client's. So an attacker can begin a command that includes the
client's password.
"""

from collections.abc import Callable
from functools import partial

from mailproxy.audit.case import Case
from mailproxy.audit.client import Connection
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Command, Kind, Reply
from mailproxy.audit.result import TLS, Finding, Verdict, shown, steps
from mailproxy.audit.server import Server, reply_text
from mailproxy.audit.tls import Handshake

_Inject = Callable[[Connection, Dialect, Command], Reply | Handshake]
"""Tries it, and returns the answer to STARTTLS if it is a refusal, else the handshake."""

_ANSWERED = "A command that was sent in plaintext is answered inside TLS, or in plaintext after STARTTLS."
_EXECUTED = "A command that was sent in plaintext is executed inside TLS."

_IGNORED = "(ignored)"
_CLOSED = "(closed inside TLS)"


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the ways to inject, and the commands."""
    starttls, injected = dialect.starttls.wire, dialect.injected.wire

    def case(name: str, meaning: str, inject: _Inject, command: Command, *sent: bytes) -> Case:
        return Case(name, meaning, partial(_check, inject, command, steps(*sent, TLS)))

    return (
        case("inject-same-segment", _ANSWERED, _same_segment, dialect.injected, starttls + injected),
        case("inject-later-segment", _ANSWERED, _later_segment, dialect.injected, starttls, injected),
        Case(
            "inject-with-clienthello",
            _ANSWERED,
            partial(_check, _with_client_hello, dialect.injected, f"{steps(starttls, injected)}\\r\\n{TLS}"),
        ),
        case("inject-starttls", _EXECUTED, _same_segment, dialect.starttls, starttls + starttls),
        Case("inject-farewell", _EXECUTED, _check_farewell),
    )


def _same_segment(connection: Connection, dialect: Dialect, injected: Command) -> Reply | Handshake:
    connection.send(dialect.starttls.wire + injected.wire)
    reply = connection.reply(dialect.starttls.last)
    return connection.handshake() if dialect.kind(reply) is Kind.YES else reply


def _later_segment(connection: Connection, dialect: Dialect, injected: Command) -> Reply | Handshake:
    reply = connection.ask(dialect.starttls)
    if dialect.kind(reply) is not Kind.YES:
        return reply
    plaintext, _ = connection.plaintext_after(injected.wire, is_patient=False)
    return Handshake(plaintext=plaintext) if plaintext else connection.handshake()


def _with_client_hello(connection: Connection, dialect: Dialect, injected: Command) -> Reply | Handshake:
    reply = connection.ask(dialect.starttls)
    return connection.handshake(injected.wire) if dialect.kind(reply) is Kind.YES else reply


def _check(inject: _Inject, command: Command, sent: str, server: Server, honest: Honest) -> Finding:
    with server.greeted() as connection:
        outcome = inject(connection, server.dialect, command)
        if isinstance(outcome, Reply):
            is_silent = server.dialect.kind(outcome) is Kind.SILENT
            return Finding(Verdict.NO_ANSWER if is_silent else Verdict.OK, sent, reply_text(outcome))
        if outcome.plaintext:
            return Finding(Verdict.VULNERABLE, sent, shown(outcome.plaintext), "in plaintext, after STARTTLS")
        if not outcome.is_up:
            return Finding(Verdict.OK, sent, f"(no TLS: {outcome.problem})")
        statuses = server.dialect.statuses(server.aftermath(connection))
    text = " / ".join(map(shown, statuses))
    if len(statuses) == honest.answers(server):
        return Finding(Verdict.OK, sent, _IGNORED, "closing the connection would be safer")
    if len(statuses) > honest.answers(server) or any(map(server.dialect.yes.match, statuses)):
        return Finding(Verdict.VULNERABLE, sent, text, "inside TLS")
    return Finding(Verdict.OK, sent, text or _CLOSED)


def _check_farewell(server: Server, honest: Honest) -> Finding:
    """Also detect execution without an answer: the farewell ends the session, and another command does not."""
    farewell, harmless = server.dialect.farewell, server.dialect.injected
    sent = steps(server.dialect.starttls.wire + farewell.wire, TLS)
    finding = _check(_same_segment, farewell, sent, server, honest)
    if finding.came != _CLOSED:
        return finding
    other = _check(_same_segment, harmless, sent, server, honest)
    if other.came != _IGNORED and other.verdict is not Verdict.VULNERABLE:
        return finding
    return Finding(Verdict.VULNERABLE, sent, finding.came, "after another command instead, the session continues")

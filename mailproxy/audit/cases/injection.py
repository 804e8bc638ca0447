"""
Commands in clear that reach the server around STARTTLS and are answered or executed inside TLS.

CVE-2011-0411 (Postfix) and its many relatives: what was read together with STARTTLS stays in the buffer, and after the
handshake it is taken for the client's. An attacker so begins a command into which the client's password goes.
"""

from collections.abc import Callable
from functools import partial

from mailproxy.audit.case import Case
from mailproxy.audit.client import Connection
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Command, Kind, Reply
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, came
from mailproxy.audit.tls import Handshake

Injection = Callable[[Connection, Dialect, Command], Reply | bytes | Handshake]
"""Tries it, and returns STARTTLS's refusal, what was answered in clear, or the handshake."""


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the ways to inject, and the commands."""
    answered = "A command that was sent in clear is answered inside TLS, or in clear after STARTTLS."
    executed = "A command that was sent in clear is executed inside TLS."
    twice = "STARTTLS is buffered and executed inside TLS."
    return (
        Case("inject-same-segment", answered, partial(_check, _in_same_segment, dialect.injected)),
        Case("inject-later-segment", answered, partial(_check, _in_later_segment, dialect.injected)),
        Case("inject-with-clienthello", answered, partial(_check, _with_client_hello, dialect.injected)),
        Case("inject-farewell", executed, partial(_check, _in_same_segment, dialect.farewell)),
        Case("inject-starttls", twice, partial(_check, _in_same_segment, dialect.starttls)),
    )


def _in_same_segment(connection: Connection, dialect: Dialect, injected: Command) -> Reply | bytes | Handshake:
    connection.send(dialect.starttls.wire + injected.wire)
    reply = connection.reply(dialect.starttls.last)
    return connection.handshake() if dialect.kind(reply) is Kind.YES else reply


def _in_later_segment(connection: Connection, dialect: Dialect, injected: Command) -> Reply | bytes | Handshake:
    reply = connection.ask(dialect.starttls)
    if dialect.kind(reply) is not Kind.YES:
        return reply
    plaintext, _ = connection.plaintext_after(injected.wire, is_patient=False)
    return plaintext or connection.handshake()


def _with_client_hello(connection: Connection, dialect: Dialect, injected: Command) -> Reply | bytes | Handshake:
    reply = connection.ask(dialect.starttls)
    return connection.handshake(injected.wire) if dialect.kind(reply) is Kind.YES else reply


def _check(inject: Injection, injected: Command, server: Server, honest: Honest) -> Finding:
    sent = _SENT[inject].format(shown(server.dialect.starttls.line), shown(injected.line))
    with server.greeted() as connection:
        match inject(connection, server.dialect, injected):
            case Reply() as reply:
                is_silent = server.dialect.kind(reply) is Kind.SILENT
                return Finding(Verdict.NO_ANSWER if is_silent else Verdict.OK, sent, came(reply))
            case bytes() as plaintext:
                return Finding(Verdict.VULNERABLE, sent, shown(plaintext), "in clear, after STARTTLS")
            case Handshake(plaintext=plaintext) if plaintext:
                return Finding(Verdict.VULNERABLE, sent, shown(plaintext), "in clear, after STARTTLS")
            case Handshake(problem=problem) if problem:
                return Finding(Verdict.OK, sent, f"(no TLS: {problem})")
        heard = server.dialect.statuses(server.aftermath(connection))
    return _inside_tls(server, honest, sent, heard)


def _inside_tls(server: Server, honest: Honest, sent: str, heard: tuple[bytes, ...]) -> Finding:
    if len(heard) == honest.answers(server):
        return Finding(Verdict.OK, sent, "(ignored)", "closing the connection would be safer")
    text = " / ".join(map(shown, heard))
    said_yes = any(server.dialect.yes.match(line) for line in heard)
    if len(heard) > honest.answers(server) or said_yes:
        return Finding(Verdict.VULNERABLE, sent, text, "inside TLS")
    return Finding(Verdict.OK, sent, text or "(closed inside TLS)")


_SENT: dict[Injection, str] = {
    _in_same_segment: "{0}\\r\\n{1}\\r\\n TLS",
    _in_later_segment: "{0} · {1} · TLS",
    _with_client_hello: "{0} · {1}\\r\\n TLS",
}
"""How each looks: pieces that are sent apart have a dot in between."""

"""A refused command's literal is data: a server that executes it lets others speak for the client."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect, Literal
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import End
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the protocol has literals."""
    literal = dialect.literal
    if literal is None:
        return ()

    def check(server: Server, honest: Honest) -> Finding:
        return _check(literal, server)

    meaning = "Credentials that a client sends as a literal are executed as commands."
    return (Case("literal-executed", meaning, check, needs_tls=False),)


def _check(literal: Literal, server: Server) -> Finding:
    with server.greeted() as connection:
        connection.send(literal.wire)
        reply = server.leave(connection)
    sent = shown(literal.wire)
    if executed := [line for line in reply.lines if literal.executed.match(line)]:
        return Finding(Verdict.VULNERABLE, sent, shown(executed[0]))
    if reply.lines or reply.end is End.CLOSED:
        return Finding(Verdict.OK, sent, shown(reply.lines[0]) if reply.lines else "(closed)")
    return Finding(Verdict.NO_ANSWER, sent, "(silence)")

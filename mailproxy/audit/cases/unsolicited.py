"""Between its answer to STARTTLS and the handshake a server must send nothing: clients may trust bytes from there."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import Finding, Verdict, shown
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (
        Case(
            "unsolicited",
            "Bytes in plaintext after the answer to STARTTLS, as in response injection.",
            _check,
            needs_tls=False,
        ),
    )


def _check(server: Server, honest: Honest) -> Finding:
    sent = shown(server.dialect.starttls.line)
    with server.greeted() as connection:
        reply = connection.ask(server.dialect.starttls)
        if server.dialect.kind(reply) is not Kind.YES:
            return Finding(Verdict.NOT_APPLICABLE, sent, reply_text(reply))
        unasked = b"\r\n".join(connection.listen().lines)
    return Finding(Verdict.VULNERABLE if unasked else Verdict.OK, sent, shown(unasked) or "(nothing)")

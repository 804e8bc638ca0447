"""The server must forget the EHLO name at STARTTLS (RFC 3207, section 4.2)."""

from mailproxy.audit.case import Case
from mailproxy.audit.client import Connection, NoAnswer
from mailproxy.audit.dialect import Dialect, Transaction
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import TLS, Finding, Verdict, steps
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the protocol has EHLO or LHLO."""
    transaction = dialect.transaction
    if transaction is None:
        return ()

    def check(server: Server, honest: Honest) -> Finding:
        return _check(transaction, server)

    return (Case("hello-kept", "The server takes an EHLO name sent in plaintext for the client's.", check),)


def _check(transaction: Transaction, server: Server) -> Finding:
    dialect = server.dialect
    sent = steps(dialect.capabilities.line, dialect.starttls.line, TLS, transaction.mail.line)
    with server.secured() as connection:
        reply = connection.ask(transaction.mail)
    match dialect.kind(reply):
        case Kind.SILENT:
            return Finding(Verdict.NO_ANSWER, sent, reply_text(reply))
        case Kind.YES if _needs_no_hello(transaction, server):
            return Finding(Verdict.NOT_APPLICABLE, sent, reply_text(reply), "this server needs no EHLO at all")
        case Kind.YES:
            return Finding(Verdict.VULNERABLE, sent, reply_text(reply))
    return Finding(Verdict.OK, sent, reply_text(reply))


def _needs_no_hello(transaction: Transaction, server: Server) -> bool:
    """Return whether the server accepts mail inside TLS from a client that has never sent EHLO."""
    try:
        with Connection(server.target) as connection:
            connection.reply(server.dialect.greeting)
            server.secure(connection)
            return server.dialect.kind(connection.ask(transaction.mail)) is Kind.YES
    except NoAnswer:
        return False

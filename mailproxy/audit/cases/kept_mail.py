"""The server must forget a transaction from before STARTTLS (RFC 3207, section 4.2)."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect, Transaction
from mailproxy.audit.honest import Honest
from mailproxy.audit.reply import Kind
from mailproxy.audit.result import TLS, Finding, Verdict, steps
from mailproxy.audit.server import Server, reply_text

_NO_SENDER = b"503"
"""The answer to RCPT without MAIL (RFC 5321, section 4.1.4)."""

_NOT_YET = (b"530", b"538")
"""The answers if the server requires something else first, such as a login."""


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the protocol delivers mail."""
    transaction = dialect.transaction
    if transaction is None:
        return ()

    def check(server: Server, honest: Honest) -> Finding:
        return _check(transaction, server)

    return (Case("mail-kept", "The server takes a sender given in plaintext for the client's.", check),)


def _check(transaction: Transaction, server: Server) -> Finding:
    dialect = server.dialect
    sent = steps(transaction.mail.line, dialect.starttls.line, TLS, transaction.recipient.line)
    with server.greeted() as connection:
        begun = connection.ask(transaction.mail)
        if dialect.kind(begun) is not Kind.YES:
            return Finding(Verdict.OK, sent, reply_text(begun), "no mail without TLS")
        refused = connection.ask(dialect.starttls)
        if dialect.kind(refused) is not Kind.YES:
            return Finding(Verdict.OK, sent, reply_text(refused), "no STARTTLS within a transaction")
        if not connection.handshake().is_up:
            return Finding(Verdict.OK, sent, "(no TLS)")
        reply = connection.ask(transaction.recipient)
    match dialect.kind(reply):
        case Kind.SILENT:
            return Finding(Verdict.NO_ANSWER, sent, reply_text(reply))
        case Kind.CLOSED:
            return Finding(Verdict.OK, sent, reply_text(reply))
    is_forgotten = reply.last.startswith((_NO_SENDER, *_NOT_YET))
    return Finding(Verdict.OK if is_forgotten else Verdict.VULNERABLE, sent, reply_text(reply))

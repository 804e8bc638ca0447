"""After the handshake the client speaks first: after a second greeting both are out of step."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import TLS, Finding, Verdict, shown, steps
from mailproxy.audit.server import Server

_ASKED = 2
"""The expected answers inside TLS: to the capabilities command and to the farewell."""


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case."""
    return (Case("second-greeting", "The client takes a greeting for the answer to its command.", _check),)


def _check(server: Server, honest: Honest) -> Finding:
    dialect = server.dialect
    statuses = dialect.statuses((*honest.unasked, *honest.after))
    sent = steps(dialect.starttls.line, TLS, dialect.capabilities.line, dialect.farewell.line)
    if len(statuses) > _ASKED + dialect.lists_after_tls:
        return Finding(Verdict.VULNERABLE, sent, " / ".join(map(shown, statuses)))
    if not statuses:
        return Finding(Verdict.NO_ANSWER, sent, "(nothing)")
    return Finding(Verdict.OK, sent, "(no greeting)")

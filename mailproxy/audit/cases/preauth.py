"""A greeting with PREAUTH skips the state in which STARTTLS is allowed (USENIX Security 2021, section 4.2)."""

from mailproxy.audit.case import Case
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding, Verdict
from mailproxy.audit.server import Server, reply_text


def cases(dialect: Dialect) -> tuple[Case, ...]:
    """Return the case if the protocol has such greetings."""
    if dialect.preauth is None:
        return ()
    return (
        Case("preauth", "The client is logged in without TLS and can no longer ask for it.", _check, needs_tls=False),
    )


def _check(server: Server, honest: Honest) -> Finding:
    preauth = server.dialect.preauth
    is_preauth = preauth is not None and preauth.match(honest.greeting.last)
    return Finding(Verdict.VULNERABLE if is_preauth else Verdict.OK, "(connection)", reply_text(honest.greeting))

"""The cases, one idea per file, in the order of a dialogue."""

from mailproxy.audit.case import Case
from mailproxy.audit.cases import (
    again,
    apop,
    arguments,
    capabilities,
    failed_handshake,
    half_command,
    injection,
    kept_hello,
    kept_login,
    kept_mail,
    literal,
    login,
    login_offered,
    offered,
    preauth,
    second_greeting,
    unsolicited,
)
from mailproxy.audit.dialect import Dialect

_IDEAS = (
    offered,
    preauth,
    apop,
    login_offered,
    login,
    literal,
    arguments,
    unsolicited,
    injection,
    half_command,
    failed_handshake,
    kept_login,
    kept_hello,
    kept_mail,
    second_greeting,
    again,
    capabilities,
)


def cases_of(dialect: Dialect) -> tuple[Case, ...]:
    """Return the cases for a protocol."""
    return tuple(case for idea in _IDEAS for case in idea.cases(dialect))

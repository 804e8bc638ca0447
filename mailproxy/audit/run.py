"""Runs the cases against one server, one connection after the other."""

from mailproxy.audit.case import Case
from mailproxy.audit.cases import cases_of
from mailproxy.audit.client import NoAnswer
from mailproxy.audit.dialects import DIALECTS
from mailproxy.audit.honest import Honest, observe
from mailproxy.audit.result import Finding, Result, Verdict
from mailproxy.audit.server import Server, reply_text
from mailproxy.audit.target import Target, client_context


def run_cases(
    host: str,
    port: int,
    protocol: str,
    *,
    timeout: float = 5.0,
    quiet: float = 1.0,
    ca: str | None = None,
    server_name: str | None = None,
    source: str | None = None,
) -> list[Result]:
    """
    Try all cases of a protocol (a key of `DIALECTS`) on a server, and return their results, in a fixed order.

    `timeout` and `quiet` are in seconds: the longest wait for expected bytes, and the wait for unexpected ones. `ca` is
    a PEM file to verify the server's certificate against; without it, nothing is verified. `source` is the local
    address to connect from. Raises `CannotCheck` if the server cannot be reached, does not greet, or fails an honest
    handshake; OSError if `ca` cannot be used; KeyError for an unknown protocol.

    At most two connections per case, of four timeouts each at the very most.
    """
    dialect = DIALECTS[protocol]
    target = Target(host, port, server_name or host, timeout, quiet, source, client_context(ca))
    server = Server(target, dialect)
    honest = observe(server)
    return [_result(case, server, honest) for case in cases_of(dialect)]


def _result(case: Case, server: Server, honest: Honest) -> Result:
    finding = _finding(case, server, honest)
    return Result(case.name, case.meaning, finding.verdict, finding.sent, finding.came, finding.note)


def _finding(case: Case, server: Server, honest: Honest) -> Finding:
    if case.needs_tls and not honest.is_secured:
        return Finding(Verdict.NOT_APPLICABLE, "", reply_text(honest.starttls), "the server has no TLS")
    try:
        return case.check(server, honest)
    except NoAnswer as error:
        return Finding(Verdict.NO_ANSWER, "", "", str(error))

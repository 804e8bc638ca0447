"""The known attacks on STARTTLS, tried against a real Dovecot with `ssl = yes`."""

import subprocess
import sys

import pytest

from mailproxy.audit import Result, Verdict, run_cases

from .certificates import SERVER_NAME, Certificates
from .dovecot import PROTOCOLS, Dovecot

# Dovecot takes a client that has its own address for secure and lets it log in in clear.
_ELSEWHERE = "127.0.0.2"

# Dovecot 2.3 reads the literals of a LOGIN in clear before it refuses it, so it asks for them.
_WEAKNESSES = {"imap": {"clear-login-literal"}}

_INJECTIONS = ("inject-", "half-command")


@pytest.fixture(scope="module", params=PROTOCOLS)
def results(request: pytest.FixtureRequest, tls_dovecot: Dovecot, pki: Certificates) -> list[Result]:
    return run_cases(
        "127.0.0.1",
        tls_dovecot.direct_ports[request.param],
        request.param,
        quiet=0.3,
        ca=str(pki.authority),
        server_name=SERVER_NAME,
        source=_ELSEWHERE,
    )


def test_dovecot_withstands_what_it_is_known_to(results: list[Result], request: pytest.FixtureRequest) -> None:
    protocol = request.node.callspec.params["results"]
    vulnerable = {result.case for result in results if result.verdict is Verdict.VULNERABLE}
    assert vulnerable == _WEAKNESSES.get(protocol, set())


def test_dovecot_answers_everything(results: list[Result]) -> None:
    assert [result for result in results if result.verdict is Verdict.NO_ANSWER] == []


def test_dovecot_fails_the_handshake_that_has_a_command_before_it(results: list[Result]) -> None:
    injections = {result.case: result.came for result in results if result.case.startswith(_INJECTIONS)}
    assert len(injections) == 6
    assert [case for case, came in injections.items() if not came.startswith("(no TLS: ")] == []


def test_command_says_in_its_status_that_all_is_well(tls_dovecot: Dovecot) -> None:
    server = f"127.0.0.1:{tls_dovecot.direct_ports['submission']}"
    command = [sys.executable, "-m", "mailproxy", "check-starttls", server, "--protocol", "submission"]
    shown = subprocess.run([*command, "--source", _ELSEWHERE], capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "inject-same-segment" in shown.stdout

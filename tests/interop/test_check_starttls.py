"""The known attacks on STARTTLS, tried against a real Dovecot with `ssl = yes`, and against mailproxy before it."""

import subprocess
import sys

import pytest

from mailproxy.audit import Result, Verdict, run_cases
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PROTOCOLS, Dovecot
from tests.interop.test_dovecot import Ports, front_of
from tests.interop.waiting import PATIENCE_SECONDS

TIMEOUT = 15.0  # seconds; on a machine that has much else to do, a Dovecot may need some for an answer

# Dovecot takes a client that has its own address for secure and lets it log in without TLS.
_ELSEWHERE = "127.0.0.2"

# Dovecot 2.3 reads the literals of a LOGIN in plaintext before it refuses it, so it asks for them.
_WEAKNESSES = {"imap": {"clear-login-literal"}}

_INJECTIONS = ("inject-", "half-command")


@pytest.fixture(scope="module", params=PROTOCOLS)
def results(request: pytest.FixtureRequest, tls_dovecot: Dovecot, pki: Certificates) -> list[Result]:
    return run_cases(
        "127.0.0.1",
        tls_dovecot.direct_ports[request.param],
        request.param,
        timeout=TIMEOUT,
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
    shown = subprocess.run(
        [*command, "--source", _ELSEWHERE], capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "inject-same-segment" in shown.stdout


@pytest.fixture(scope="module")
def ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]}, "starttls")


@pytest.fixture(scope="module")
def ports_before_tls(module_front: StartFront, tls_dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(tls_dovecot, module_front, {"certificates": [str(pki.server_ec)]}, "starttls")


@pytest.fixture(scope="module")
def optional_ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]}, "starttls-optional")


def _failed(port: int, protocol: str, pki: Certificates) -> set[str]:
    """The cases in which the server on a port is not as it should be."""
    results = run_cases(
        "127.0.0.1", port, protocol, timeout=TIMEOUT, quiet=0.3, ca=str(pki.authority), server_name=SERVER_NAME
    )
    assert len(results) >= 12
    return {result.case for result in results if result.verdict in (Verdict.VULNERABLE, Verdict.NO_ANSWER)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mailproxy_withstands_everything(ports: Ports, pki: Certificates, protocol: str) -> None:
    assert _failed(ports[protocol], protocol, pki) == set()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_backend_with_starttls_of_its_own_is_found_behind_mailproxy(
    ports_before_tls: Ports, pki: Certificates, protocol: str
) -> None:
    # What `mailproxy check --connect` advises against: inside TLS it is the backend that answers.
    assert _failed(ports_before_tls[protocol], protocol, pki) == {"offered-again", "accepted-twice"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_client_that_may_stay_without_tls_meets_the_weaknesses_of_the_backend_alone(
    optional_ports: Ports, pki: Certificates, protocol: str
) -> None:
    assert _failed(optional_ports[protocol], protocol, pki) == _WEAKNESSES.get(protocol, set())

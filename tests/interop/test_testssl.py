"""What testssl.sh, the scanner that admins use, has to say of the defaults."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.recorder import echo

# Protocols, kinds of cipher, forward secrecy, the server's preference and its vulnerabilities. What is left out is
# about the certificate, web servers and simulated browsers. It takes 15 s of CPU.
CHECKS = ("-p", "-s", "-f", "-P", "-U")
SECONDS = 1200  # a busy machine takes minutes

HARMLESS = {"OK", "INFO", "LOW"}

# Not findings, but what this machine's openssl and a server that is no web server keep it from trying.
ASIDE = {"engine_problem", "service"}

# CBC, for old clients.
ACCEPTED = {"cipherlist_AVERAGE", "LUCKY13"}


@pytest.fixture
def findings(
    front: StartFront, recorder: StartRecorder, pki: Certificates, tmp_path: Path
) -> dict[str, dict[str, str]]:
    peers.need("testssl")
    configuration, port = single(pki.server_rsa, recorder(echo(), is_looked_at=False).port)
    front(configuration)
    report = tmp_path / "report.json"
    offline = "--ip", "127.0.0.1", "--nodns", "none"
    quietly = "--quiet", "--color", "0", "--warnings", "batch", "--jsonfile", report
    done = subprocess.run(
        [peers.path("testssl"), *offline, *quietly, *CHECKS, f"{SERVER_NAME}:{port}"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert report.exists(), done.stdout.decode() + done.stderr.decode()
    return {found["id"]: found for found in json.loads(report.read_text()) if found["id"] not in ASIDE}


def test_testssl_finds_nothing_above_low(findings: dict[str, dict[str, str]]) -> None:
    assert [found for found in findings.values() if found["severity"] not in HARMLESS] == []
    assert {name for name, found in findings.items() if found["severity"] == "LOW"} <= ACCEPTED
    # All of it was tried.
    tried = {"SSLv3": "OK", "TLS1": "INFO", "TLS1_1": "INFO", "TLS1_2": "OK", "TLS1_3": "OK", "PFS": "OK"}
    assert {name: findings[name]["severity"] for name in tried} == tried
    assert {"heartbleed", "ROBOT", "POODLE_SSL", "SWEET32", "LOGJAM", "CRIME_TLS"} <= findings.keys()

"""``mailproxy check --connect`` before Dovecot: what it warns of."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop import peers
from tests.interop.certificates import Certificates
from tests.interop.conftest import short_folder
from tests.interop.dovecot import Dovecot
from tests.interop.front import frontend, toml
from tests.interop.ports import free_port
from tests.interop.relay import Relay
from tests.interop.waiting import PATIENCE_SECONDS

WITH_LOGINS = ("imap", "pop3", "submission", "managesieve")
STARTTLS = "still offers STARTTLS to clients that are on TLS already"


@pytest.fixture(scope="module")
def local_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """Dovecot with STARTTLS for all clients except those that connect to 127.0.0.9."""
    peers.need(*peers.DOVECOT)
    with short_folder() as folder, closing(Dovecot(folder, "local", relay.port, pki.server_rsa)) as dovecot:
        yield dovecot


def warnings(
    folder: Path,
    pki: Certificates,
    dovecot: Dovecot,
    keys: Mapping[str, Any] | None = None,
    *,
    host: str = "127.0.0.1",
    backend: Mapping[str, Any] | None = None,
) -> str:
    """Check a configuration with a frontend for each protocol with logins; what is said on stderr."""
    keys = keys or {}
    configuration = {
        "tls": {} if "tls" in keys else {"default": {"certificates": [str(pki.server_ec)]}},
        "frontend": {
            protocol: frontend(0, "dovecot", protocol=protocol, bind=[f"{host}:{free_port()}"], maxconn=9, **keys)
            for protocol in WITH_LOGINS
        },
        "backend": {
            "dovecot": {
                "profile": "dovecot",
                "ports": dovecot.ports,
                "timeout": {"connect": "30s"},
                "server": {"d1": {"address": "127.0.0.1"}},
                **(backend or {}),
            }
        },
    }
    file = folder / "mailproxy.toml"
    file.write_text(toml(configuration))
    command = [sys.executable, "-m", "mailproxy", "check", "--connect", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_good_backend_has_no_warning(folder: Path, pki: Certificates, dovecot: Dovecot) -> None:
    assert warnings(folder, pki, dovecot) == ""


def test_header_without_tls_lets_nobody_log_in(folder: Path, pki: Certificates, dovecot: Dovecot) -> None:
    output = warnings(folder, pki, dovecot, backend={"send-proxy": "v2"})
    for protocol in ("imap", "pop3", "managesieve"):  # Dovecot's submission lists AUTH, and then refuses it
        assert f"warning: backend dovecot, server d1, {protocol}: refuses all logins (" in output
    assert '(LOGINDISABLED): send-proxy is "v2"; "v2-ssl" tells it that clients are on TLS' in output


def test_forgotten_offloader_lets_nobody_log_in(folder: Path, pki: Certificates, dovecot: Dovecot) -> None:
    output = warnings(folder, pki, dovecot, {"tls": "none", "accept_proxy": ["127.0.0.1"]})
    assert "imap without TLS: refuses all logins (LOGINDISABLED): it treats clients as unsecured" in output
    assert "tls-offloaded-by" in output


@pytest.mark.parametrize(
    ("keys", "backend"),
    [({"tls_offloaded_by": ["127.0.0.1"]}, {}), ({"accept_proxy": ["127.0.0.1"]}, {"proxy-v2-pass-tlvs": ["ssl"]})],
    ids=["tls-offloaded-by", "proxy-v2-pass-tlvs"],
)
def test_clients_whose_tls_is_offloaded_can_log_in(
    folder: Path, pki: Certificates, dovecot: Dovecot, keys: dict[str, Any], backend: dict[str, Any]
) -> None:
    assert warnings(folder, pki, dovecot, {"tls": "none", **keys}, backend=backend) == ""


def test_starttls_is_off_for_the_address_of_the_clients(
    folder: Path, pki: Certificates, local_dovecot: Dovecot
) -> None:
    elsewhere = warnings(folder, pki, local_dovecot, host="127.0.0.8")
    there = warnings(folder, pki, local_dovecot, host="127.0.0.9")
    for protocol in ("imap", "pop3", "submission"):  # Dovecot's ManageSieve heeds no local block here
        assert f"{protocol}: {STARTTLS}" in elsewhere
        assert f"{protocol}: {STARTTLS}" not in there


def test_server_that_speaks_tls_is_guessed(folder: Path, pki: Certificates, tls_dovecot: Dovecot) -> None:
    file = folder / "mailproxy.toml"
    table = {
        "tls": {"default": {"certificates": [str(pki.server_ec)]}},
        "frontend": {"imap": frontend(free_port(), "dovecot")},
        "backend": {
            "dovecot": {
                "timeout": {"connect": "1s"},
                "server": {"d1": {"address": f"127.0.0.1:{tls_dovecot.tls_ports['imap']}"}},
            }
        },
    }
    file.write_text(toml(table))
    command = [sys.executable, "-m", "mailproxy", "check", "--connect", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
    assert done.returncode == 1
    assert done.stderr.endswith("; does it speak TLS there? then it needs tls here\n")


def test_backend_that_only_a_rule_uses_is_asked(folder: Path, pki: Certificates, dovecot: Dovecot) -> None:
    file = folder / "mailproxy.toml"
    rule = {"name": "inside", "if": {"source": "10.0.0.0/8"}, "backend": "inside"}
    table = {
        "tls": {"default": {"certificates": [str(pki.server_ec)]}},
        "frontend": {"imap": frontend(free_port(), "dovecot", rule=[rule])},
        "backend": {
            "dovecot": {"profile": "dovecot", "ports": dovecot.ports, "server": {"d1": {"address": "127.0.0.1"}}},
            "inside": {"server": {"d2": {"address": f"127.0.0.1:{free_port()}"}}},
        },
    }
    file.write_text(toml(table))
    command = [sys.executable, "-m", "mailproxy", "check", "--connect", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
    assert done.returncode == 1
    assert "backend dovecot, server d1, imap: " in done.stdout
    assert "backend inside, server d2, imap: " in done.stderr

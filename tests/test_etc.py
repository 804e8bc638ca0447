"""The files in etc/ work as they are, once the files are there that they name."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from mailproxy.config import Config, load
from mailproxy.front.prepare import prepare
from mailproxy.log.format import as_json

ETC = Path(__file__).parents[1] / "etc"
README = (ETC.parent / "README.md").read_text()
UNIT = (ETC / "mailproxy.service").read_text()

# What the files of the examples contain, by the paths in them.
CERTIFICATES = ("etc/ssl/mail/mail.pem", "etc/mailproxy/tls/mail.pem", "etc/ssl/mailproxy.pem")
FOLDERS = ("etc/letsencrypt/live/mail.example.org",)
AUTHORITIES = ("etc/ssl/clients.pem", "etc/ssl/backends.pem")
REVOKED = ("etc/ssl/clients.crl",)
SECRETS = ("etc/mailproxy/probe", "etc/mailproxy/doveadm-key", "etc/mailproxy/http-token", "etc/mailproxy/crowdsec.key")


def nothing_revoked(authority: trustme.CA) -> bytes:
    """A list of revoked certificates without any."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    made = x509.CertificateRevocationListBuilder(issuer.subject, now, now + timedelta(days=1)).sign(key, SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in place of the root folder of a machine."""
    root = tmp_path_factory.mktemp("root")
    authority = trustme.CA()
    certificate = authority.issue_cert("mail.example.org")

    def path(name: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return path

    for name in CERTIFICATES:
        certificate.private_key_and_cert_chain_pem.write_to_path(path(name))
    for name in FOLDERS:
        certificate.private_key_pem.write_to_path(path(f"{name}/privkey.pem"))
        path(f"{name}/fullchain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    for name in AUTHORITIES:
        authority.cert_pem.write_to_path(path(name))
    for name in REVOKED:
        path(name).write_bytes(nothing_revoked(authority))
    for name in SECRETS:
        path(name).write_text("a secret of enough letters\n".replace(" ", "-"))
    return root


def loaded(name: str, root: Path) -> Config:
    """A configuration of etc/, on that machine."""
    there = root / name
    there.write_text(re.sub(r'"/(etc|run)/', rf'"{root}/\1/', (ETC / name).read_text()))
    return load(there)


def test_nothing_in_etc_is_untested() -> None:
    assert {path.name for path in ETC.iterdir()} == {
        "mailproxy.toml",
        "dovecot.toml",
        "mailproxy.service",
        "mailproxy.socket",
        "notify-reload.conf",
        "certbot-deploy-hook",
        "prometheus",  # in tests/metrics, and tests/interop/test_prometheus.py
        "grafana",
        "logrotate",
        "fail2ban",  # in tests/interop/test_fail2ban.py
        "vector",
        "promtail",
    }


@pytest.mark.parametrize("name", ["mailproxy.toml", "dovecot.toml"])
def test_configuration_can_be_run(name: str, root: Path) -> None:
    assert prepare(loaded(name, root), name).frontends


def test_small_example_has_the_usual_ports(root: Path) -> None:
    binds = {
        str(bind).rpartition(":")[2]: (frontend.protocol, frontend.tls)
        for frontend in loaded("dovecot.toml", root).frontends
        for bind in frontend.bind
    }
    assert binds == {
        "993": ("imap", "implicit"),
        "143": ("imap", "starttls"),
        "995": ("pop3", "implicit"),
        "465": ("submission", "implicit"),
        "587": ("submission", "starttls"),
        "4190": ("managesieve", "starttls"),
    }


def test_unit_runs_what_the_readme_installs() -> None:
    (command,) = re.findall(r"(?m)^ExecStart=(.*)$", UNIT)
    program, subcommand, option, file = command.split()
    assert (subcommand, option) == ("run", "-c")
    assert f"python3 -m venv {Path(program).parents[1]}" in README
    assert file in README


# As systemd's MemoryDenyWriteExecute= does (PR_SET_MDWE).
DENY_WRITE_EXECUTE = """\
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit("no MDWE")
from OpenSSL import SSL
SSL.Context(SSL.TLS_SERVER_METHOD).set_tlsext_servername_callback(print)
"""


def test_unit_allows_what_python_needs() -> None:
    # cffi's callbacks, by which OpenSSL asks for a certificate, are in memory that is written and executed.
    assert not re.search("(?m)^MemoryDenyWriteExecute", UNIT)
    done = subprocess.run(
        [sys.executable, "-c", DENY_WRITE_EXECUTE], capture_output=True, text=True, timeout=30, check=False
    )
    if "no MDWE" not in done.stderr:
        assert "Cannot allocate write+execute memory for ffi.callback()" in done.stderr


def systemd_analyze(*arguments: str | Path) -> str:
    """What it prints about units."""
    command = ["systemd-analyze", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with the units, which start a program that there is."""
    (tmp_path / "mailproxy.service").write_text(UNIT.replace("/opt/mailproxy/bin/mailproxy", sys.executable))
    shutil.copy(ETC / "mailproxy.socket", tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("name", ["mailproxy.service", "mailproxy.socket"])
def test_unit_is_one_for_systemd(units: Path, name: str) -> None:
    assert "mailproxy." not in systemd_analyze("verify", units / name)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_unit_exposes_little(units: Path) -> None:
    output = systemd_analyze("security", "--offline=true", "--no-pager", units / "mailproxy.service")
    (exposure,) = re.findall(r"Overall exposure level for mailproxy.service: ([0-9.]+)", output)
    assert float(exposure) <= 2.0


def test_unit_waits_for_readiness_and_watches_the_loop() -> None:
    assert "\nType=notify\n" in UNIT
    assert re.search(r"\nWatchdogSec=\d+s\n", UNIT)
    assert re.search(r"\nFileDescriptorStoreMax=\d+\n", UNIT)


def test_later_systemds_send_the_signal_themselves() -> None:
    # Both would be two reloads.
    lines = (ETC / "notify-reload.conf").read_text().splitlines()
    assert {"[Service]", "Type=notify-reload", "ExecReload="} <= set(lines)


def test_sockets_of_the_unit_are_named_as_the_example_says() -> None:
    (name,) = re.findall("(?m)^FileDescriptorName=(.*)$", (ETC / "mailproxy.socket").read_text())
    assert f'"systemd:{name}"' in (ETC / "mailproxy.toml").read_text()


def test_log_rotation_sends_the_signal_that_opens_files_again() -> None:
    rules = (ETC / "logrotate").read_text()
    assert "--signal=SIGUSR1 mailproxy.service\n" in rules
    # Until the signal, lines go to the renamed file: it must not be compressed yet.
    assert "\n    delaycompress\n" in rules
    assert "copytruncate" not in rules
    # The rights of the first file are those of the next ones.
    assert "\n    nocreate\n" in rules


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="needs logrotate")
def test_log_rotation_is_one_for_logrotate(tmp_path: Path) -> None:
    rules = tmp_path / "logrotate"
    rules.write_text((ETC / "logrotate").read_text().replace("/var/log/", f"{tmp_path}/"))
    rules.chmod(0o600)
    command = ["logrotate", "--debug", "--state", f"{tmp_path}/state", str(rules)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert "error" not in done.stderr


LOG = (ETC.parent / "docs" / "log.md").read_text().partition("## All events")[0]
LABELS = {"frontend", "level", "event"}
"""The fields of the log that have few values."""


def vector() -> dict[str, Any]:
    return tomllib.loads((ETC / "vector" / "mailproxy.toml").read_text())


def promtail() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ETC / "promtail" / "mailproxy.yaml").read_text())
    return read


def fields_of_the_log() -> set[str]:
    """What docs/log.md names as fields: in its tables, and in its example of JSON."""
    rows = re.findall(r"(?m)^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", LOG)
    (example,) = re.findall(r'`(\{"time": [^`]*)`', LOG)
    return {name for row in rows for name in re.findall("[a-z_]+", row)} | set(re.findall('"([a-z]+)":', example))


def logged() -> dict[str, Any]:
    """A line of the log in JSON."""
    event = {"log_time": 1795234351.875, "event": "rejected", "line": "", "frontend": "imaps", "client": "192.0.2.7:1"}
    line: dict[str, Any] = json.loads(as_json(event, "info"))
    return line


def test_vector_labels_lines_with_fields_of_few_values() -> None:
    labels = vector()["sinks"]["loki"]["labels"]
    assert labels.pop("job") == "mailproxy"
    assert labels == {name: f"{{{{ {name} }}}}" for name in LABELS}


def test_vector_names_fields_of_the_log() -> None:
    transform = vector()["transforms"]["mailproxy"]["source"]
    named = set(re.findall(r"[ (]\.([a-z]+)", transform)) - {"message"}  # Vector's own, which has the line
    assert named == {"time", "frontend"}
    assert named | LABELS <= fields_of_the_log()
    assert named | LABELS <= logged().keys()


def test_vector_sends_what_its_sources_read() -> None:
    read = vector()
    assert read["sinks"]["loki"]["inputs"] == list(read["transforms"])
    assert read["transforms"]["mailproxy"]["inputs"] == list(read["sources"])


def promtail_stages() -> list[dict[str, Any]]:
    """What happens to each line, which is the same for both jobs."""
    first, second = (job["pipeline_stages"] for job in promtail()["scrape_configs"])
    assert first == second
    stages: list[dict[str, Any]] = first
    return stages


def test_promtail_labels_lines_with_fields_of_few_values() -> None:
    extract, _, label = promtail_stages()
    assert set(label["labels"]) == LABELS
    assert set(label["labels"]) <= set(extract["json"]["expressions"])


def test_promtail_names_fields_of_the_log() -> None:
    extract, stamp, _ = promtail_stages()
    expressions = extract["json"]["expressions"]
    assert stamp["timestamp"]["source"] in expressions
    assert set(expressions.values()) <= fields_of_the_log()
    assert set(expressions.values()) <= logged().keys()


def test_collectors_of_the_log_can_read_its_times() -> None:
    # RFC3339Nano of Go and %+ of Vector: date and time of RFC 3339, any number of digits of a second.
    assert promtail_stages()[1]["timestamp"]["format"] == "RFC3339Nano"
    assert '"%+"' in vector()["transforms"]["mailproxy"]["source"]
    assert datetime.fromisoformat(logged()["time"]) == datetime(2026, 11, 21, 4, 12, 31, 875000, UTC)


def test_collectors_of_the_log_read_the_file_of_the_example() -> None:
    read = vector()["sources"]
    assert read["mailproxy_journal"]["include_matches"] == {"SYSLOG_IDENTIFIER": ["mailproxy"]}
    file, journal = promtail()["scrape_configs"]
    assert journal["journal"]["matches"] == "SYSLOG_IDENTIFIER=mailproxy"
    assert read["mailproxy_file"]["include"] == [file["static_configs"][0]["labels"]["__path__"]]
    assert f'target = "{file["static_configs"][0]["labels"]["__path__"]}"' in LOG


Deploy = Callable[[], tuple[Path, str]]


@pytest.fixture
def deploy(tmp_path: Path, root: Path) -> Deploy:
    """Runs the hook on a machine that writes down what is done; gives the new file, and what was done."""
    programs = tmp_path / "programs"
    folder = tmp_path / "tls"
    for path in (programs, folder):
        path.mkdir()
    for name in ("chgrp", "systemctl"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$1" >>{tmp_path}/done\n')
        program.chmod(0o755)

    def run() -> tuple[Path, str]:
        environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "MAILPROXY_TLS": str(folder),
            "RENEWED_LINEAGE": str(root / FOLDERS[0]),
        }
        subprocess.run(["sh", ETC / "certbot-deploy-hook"], env=environment, check=True, timeout=10)
        (file,) = folder.iterdir()
        return file, (tmp_path / "done").read_text()

    return run


def test_hook_gives_mailproxy_the_certificate_and_its_key(deploy: Deploy, root: Path) -> None:
    file, done = deploy()
    live = root / FOLDERS[0]
    assert file.name == "mail.example.org.pem"
    assert file.read_bytes() == (live / "fullchain.pem").read_bytes() + (live / "privkey.pem").read_bytes()
    assert done.splitlines() == ["chgrp mailproxy", "systemctl try-reload-or-restart"]


def test_key_is_for_the_group_alone(deploy: Deploy) -> None:
    file, _ = deploy()
    assert file.stat().st_mode & 0o777 == 0o640


def test_hook_replaces_the_last_certificate(deploy: Deploy) -> None:
    first, _ = deploy()
    inode = first.stat().st_ino
    again, _ = deploy()
    assert again == first
    assert again.stat().st_ino != inode


def test_no_copy_of_the_key_is_left_where_the_hook_fails(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "programs" / "chgrp").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        deploy()
    assert list((tmp_path / "tls").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (trustme.CA().private_key_pem.bytes(), "is not the key of"),
        (b"no key", "openssl cannot read"),
    ],
)
def test_hook_leaves_the_previous_pair_where_the_new_key_is_wrong(
    deploy: Deploy, root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], key: bytes, words: str
) -> None:
    file, done = deploy()
    before = file.read_bytes()
    private_key = root / FOLDERS[0] / "privkey.pem"
    right = private_key.read_bytes()
    private_key.write_bytes(key)
    try:
        with pytest.raises(subprocess.CalledProcessError):
            deploy()
    finally:
        private_key.write_bytes(right)
    assert words in capfd.readouterr().err
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == before
    assert (tmp_path / "done").read_text() == done

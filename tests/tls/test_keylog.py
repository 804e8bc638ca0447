"""The log of keys: what is written to it, and which files are not fit for it."""

from __future__ import annotations

import os
import re
import ssl
import stat
from pathlib import Path

import pytest

from mailproxy.tls.keylog import KeyLog, keylog_objection
from mailproxy.tls.policy import policy_problems, policy_warnings
from tests.config.builders import read
from tests.tls.connect import Connect
from tests.tls.servers import NAME, certificate, tls_server
from tests.transport.peers import client_context

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(("version", "label"), [(TLS12, "CLIENT_RANDOM"), (TLS13, "CLIENT_TRAFFIC_SECRET_0")])
def test_keys_of_a_connection_are_those_of_the_client(
    connect: Connect, tmp_path: Path, version: ssl.TLSVersion, label: str
) -> None:
    context = client_context(version)
    context.keylog_filename = str(tmp_path / "theirs")
    connect(tls_server(keylog=str(tmp_path / "ours")), context)
    ours, theirs = ((tmp_path / name).read_text().splitlines() for name in ("ours", "theirs"))
    assert set(ours) == {line for line in theirs if not line.startswith("#")}
    assert any(line.startswith(f"{label} ") for line in ours)


def test_keys_are_written_whatever_the_certificate(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    server = tls_server(certificate(NAME), certificate("other.example.org"), keylog=str(path))
    connect(server, server_name="other.example.org")
    assert "CLIENT_TRAFFIC_SECRET_0" in path.read_text()


def test_file_is_its_owner_s_alone_and_made_with_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    log = KeyLog(str(path))
    assert not path.exists()
    log.write(b"one")
    log.write(b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"one\ntwo\n"


def test_lines_go_behind_those_of_another_process(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    ours, theirs = KeyLog(str(path)), KeyLog(str(path))
    for log, line in ((ours, b"one"), (theirs, b"two"), (ours, b"three")):
        log.write(line)
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_nothing_is_written_where_others_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.touch(0o600)
    path.chmod(0o640)
    log = KeyLog(str(path))
    log.write(b"one")
    assert path.read_bytes() == b""
    path.chmod(0o600)
    log.write(b"two")
    assert path.read_bytes() == b"two\n"


def test_handshake_continues_without_a_file(connect: Connect, tmp_path: Path) -> None:
    assert connect(tls_server(keylog=str(tmp_path / "none" / "keys"))).facts.version == "TLSv1.3"


def test_fifo_holds_nobody(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    os.mkfifo(path, 0o600)
    KeyLog(str(path)).write(b"one")
    assert keylog_objection(str(path)) == "is not a file"


def test_link_is_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "keys", tmp_path / "other"
    other.touch(0o600)
    path.symlink_to(other)
    KeyLog(str(path)).write(b"one")
    assert other.read_bytes() == b""
    assert keylog_objection(str(path)) == "is not a file"


def test_what_is_wrong_with_the_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    assert not keylog_objection(str(path))
    path.touch()
    path.chmod(0o644)
    assert keylog_objection(str(path)) == ("is open to others besides its owner (mode 0644); remove it or chmod 600 it")
    path.chmod(0o600)
    assert not keylog_objection(str(path))
    assert keylog_objection(str(tmp_path / "none" / "keys")) == (
        f"cannot be made: {tmp_path}/none is not there, or not writable"
    )


def test_profile_s_file_is_judged_and_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    config = read(tls__default__keylog=str(path))
    assert not list(policy_problems(config))
    (warning,) = policy_warnings(config)
    assert re.match(rf"tls\.default\.keylog: the keys of every connection are written to {path}: whose ", warning)
    path.mkdir()
    (problem,) = policy_problems(config)
    assert str(problem) == f"tls.default.keylog: {path}: is not a file"

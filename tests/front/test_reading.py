"""A configuration from its file, which may change while it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailproxy import config
from mailproxy.config import ConfigError
from mailproxy.front import reading
from mailproxy.front.reading import READS, read
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import CertificateStore

GOOD = """
[frontend.front]
bind = ["127.0.0.1:0"]
protocol = "imap"
tls = "none"
backend = "dovecot"

[backend.dovecot.server.d1]
address = "127.0.0.1:10143"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailproxy.toml"
    path.write_text(GOOD)
    return path


def test_half_written_file_is_refused(file: Path) -> None:
    file.write_text(GOOD[: len(GOOD) // 2])
    with pytest.raises(ConfigError, match=r"mailproxy\.toml"):
        read(str(file), TlsServers(), CertificateStore())


@pytest.mark.parametrize("first", [GOOD[:60], GOOD.replace("10143", "1")])
def test_file_that_changes_meanwhile_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    load = config.load
    later = [GOOD]

    def load_and_write(path: str) -> Any:
        try:
            return load(path)
        finally:
            while later:
                file.write_text(later.pop())

    file.write_text(first)
    monkeypatch.setattr(reading, "load", load_and_write)
    settings = read(str(file), TlsServers(), CertificateStore()).settings
    assert str(settings.backends["dovecot"].servers[0].address) == "127.0.0.1:10143"


def test_file_that_never_rests_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = config.load
    times: list[str] = []

    def load_and_write(path: str) -> Any:
        times.append(path)
        with file.open("a") as out:
            out.write("# more\n")
        return load(path)

    monkeypatch.setattr(reading, "load", load_and_write)
    with pytest.raises(ConfigError, match=rf"changed while it was read, {READS} times"):
        read(str(file), TlsServers(), CertificateStore())
    assert len(times) == READS


def test_file_that_is_gone_is_an_error(file: Path) -> None:
    file.unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        read(str(file), TlsServers(), CertificateStore())

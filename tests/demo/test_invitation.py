"""What the demo tells to type."""

import sys
from pathlib import Path

import pytest

from mailproxy.demo.certificates import Certificates
from mailproxy.demo.invitation import KEYS, Invitation, program
from mailproxy.demo.ports import HIGHEST_BASE, PROTOCOLS, Ports
from mailproxy.demo.report import COLUMNS

FOLDER = Path(f"/tmp/mailproxy-demo-{HIGHEST_BASE}")
FILES = Certificates(*(FOLDER / name for name in ("server.pem", "ca.pem", "alice.pem", "clients-ca.pem")))
INVITATION = Invitation(FOLDER, FILES, Ports(HIGHEST_BASE), "two mail servers", "mailproxy")

SMALL_TERMINAL = 80


@pytest.mark.parametrize("has_keys", [True, False])
def test_story_stays_within_the_columns(has_keys: bool) -> None:
    lines = [*INVITATION.story(has_keys=has_keys).splitlines(), KEYS]
    assert max(map(len, lines)) <= SMALL_TERMINAL


def test_protocols_stay_within_the_columns() -> None:
    assert max(map(len, INVITATION.protocols().splitlines())) <= COLUMNS


def test_every_port_of_the_front_is_there() -> None:
    text = INVITATION.protocols()
    ports = Ports(HIGHEST_BASE)
    wanted = [ports.implicit[protocol] for protocol in PROTOCOLS] + [ports.starttls[protocol] for protocol in PROTOCOLS]
    assert [port for port in wanted if f":{port}" not in text] == []


def test_keys_are_named_where_there_are_some() -> None:
    assert "press 1 here" in INVITATION.story(has_keys=True)
    assert "press" not in INVITATION.story(has_keys=False)


def test_program_in_the_current_folder_is_named_from_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv" / "bin" / "mailproxy")])
    assert program() == ".venv/bin/mailproxy"


def test_program_on_the_path_has_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "mailproxy"
    command.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(command)])
    assert program() == "mailproxy"


def test_module_is_called_with_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/mailproxy/__main__.py"])
    assert program() == f"{sys.executable} -m mailproxy"


def test_openssl_asks_for_the_name_in_the_certificate() -> None:
    text = INVITATION.protocols()
    assert text.count("-servername localhost") == text.count("openssl s_client") > 0

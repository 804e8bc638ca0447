"""Paths that begin with the folder of systemd's credentials."""

import pytest

from mailproxy.config.kind import WrongValue
from mailproxy.config.path import file_path

PATH = file_path('a file such as "/etc/probe"')


def test_folder_of_credentials_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/mailproxy.service")
    assert PATH.read("${CREDENTIALS_DIRECTORY}/mail.pem") == "/run/credentials/mailproxy.service/mail.pem"


@pytest.mark.parametrize(
    "path", ["/etc/mail.pem", "mail.pem", "/etc/${CREDENTIALS_DIRECTORY}/x", "$CREDENTIALS_DIRECTORY"]
)
def test_other_paths_stay_as_they_are(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/mailproxy.service")
    assert PATH.read(path) == path


@pytest.mark.parametrize("folder", [None, "", "relative"])
def test_without_credentials_their_folder_is_an_error(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if folder is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)
    with pytest.raises(WrongValue, match="there is no CREDENTIALS_DIRECTORY in the environment: systemd sets it"):
        PATH.read("${CREDENTIALS_DIRECTORY}/mail.pem")

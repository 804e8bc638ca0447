"""Tests whose peers are not installed are skipped."""

import pytest

from tests.interop import peers


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PACKAGES, "no-such-imapd", "dovecot-imapd")
    monkeypatch.setitem(peers.PACKAGES, "no-such-client", "curl")


@pytest.mark.usefixtures("_missing")
def test_missing_peer_skips_the_test_with_the_names_of_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^needs the Debian packages: curl dovecot-imapd$"):
        peers.need("no-such-imapd", "no-such-client")


@pytest.mark.usefixtures("_missing")
def test_missing_peer_fails_the_test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="curl"):
        peers.need("no-such-client")


def test_present_peer_is_found_outside_the_search_path_of_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    peers.need("openssl")
    assert peers.path("openssl").is_file()

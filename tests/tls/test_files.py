"""Warnings about the files that a configuration's certificates came from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mailproxy.tls.files import key_warnings
from mailproxy.tls.store import CertificateStore
from tests.tls.issue import issue


@pytest.mark.parametrize("is_whole", [True, False])
def test_folder_that_has_changed_since_is_no_warning(tmp_path: Path, is_whole: bool) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    issued = issue("mail.example.org")
    (folder / "fullchain.pem").write_bytes(issued.certificate_pem)
    (folder / "privkey.pem").write_bytes(issued.key_pem)
    (folder / "privkey.pem").chmod(0o644)
    certificates = CertificateStore().read({"default": [str(folder)]}).certificates
    (warning,) = key_warnings(certificates)
    assert warning.startswith(f"{folder}/privkey.pem: can be read by every user")
    if is_whole:
        shutil.rmtree(folder)
    else:
        (folder / "privkey.pem").unlink()
    assert list(key_warnings(certificates)) == []

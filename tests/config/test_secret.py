import os
from pathlib import Path

import pytest

from mailproxy.config.secret import UnusableSecret, exposure, read_secret, read_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def refusal(path: Path) -> str:
    with pytest.raises(UnusableSecret) as caught:
        read_secret(str(path))
    return str(caught.value)


@pytest.mark.parametrize("data", ["pass wörd", "pass wörd\n", "pass wörd\r\n"])
def test_secret_is_the_only_line(path: Path, data: str) -> None:
    path.write_bytes(data.encode())
    assert read_secret(str(path)) == "pass wörd"


def test_spaces_are_part_of_the_secret(path: Path) -> None:
    path.write_text(" a \n")
    assert read_secret(str(path)) == " a "


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\nb\n", "has 2 lines, needs one"),
        (b"a\n\n", "has 2 lines, needs one"),
        (b"a\0b", "has a control character in it"),
        (b"a\rb", "has a control character in it"),
        (b"\xff", "is not UTF-8"),
        (b"a" * 4097, "has more than 4096 bytes; a secret is one line"),
    ],
)
def test_text_that_is_no_secret_is_refused(path: Path, data: bytes, complaint: str) -> None:
    path.write_bytes(data)
    assert refusal(path) == complaint


def test_missing_file_is_refused(path: Path) -> None:
    assert refusal(path) == "cannot be read: No such file or directory"


def test_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is not a file"


def test_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert refusal(path) == "is not a file"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_secret_for_user_or_group_alone_is_not_reported(path: Path, mode: int) -> None:
    path.touch(mode)
    path.chmod(mode)
    assert exposure(str(path)) is None


def test_secret_that_everybody_can_read_is_reported(path: Path) -> None:
    path.touch()
    path.chmod(0o644)
    found = exposure(str(path))
    assert found == "can be read by every user of this machine (mode 0644); make it unreadable for others: chmod o="


def test_token_is_read(path: Path) -> None:
    path.touch(0o640)
    path.write_text("0123456789abcdef\n")
    assert read_token(str(path)) == "0123456789abcdef"


def test_token_that_everybody_can_read_is_refused(path: Path) -> None:
    path.write_text("0123456789abcdef\n")
    path.chmod(0o644)
    with pytest.raises(UnusableSecret, match=r"^can be read by every user of this machine \(mode 0644\); make it"):
        read_token(str(path))


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("0123456789abcde", "has 15 characters, needs at least 16; `openssl rand -hex 32` makes a token"),
        ("0123456789 abcdef", "is not of ASCII letters, digits and signs alone, as an HTTP header has to be"),
        ("0123456789abcdéf", "is not of ASCII letters, digits and signs alone, as an HTTP header has to be"),
    ],
)
def test_token_that_cannot_be_used_is_refused(path: Path, token: str, words: str) -> None:
    path.touch(0o600)
    path.write_text(token + "\n")
    with pytest.raises(UnusableSecret) as caught:
        read_token(str(path))
    assert str(caught.value) == words

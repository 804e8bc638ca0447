"""The other side of the admin socket: found, asked, and what is wrong with it said."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailproxy.control.call import Call, NoService, socket_of
from mailproxy.control.grammar import parse
from tests.control.service import DONE, HELLO, Playback


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "admin.sock"


def test_socket_is_found_whatever_else_is_wrong_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('maxconn = "wrong"\n[admin]\nsocket = "/run/x"\n')
    assert socket_of(str(tmp_path / "a.toml")) == "/run/x"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no admin socket; write [admin]"),
        ("admin = 3", "has no admin socket"),
        ("[admin]\nsocket = 3", "has no admin socket"),
        ("[", "is not TOML"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_file_without_a_socket_is_reported(tmp_path: Path, text: str | None, sentence: str) -> None:
    file = tmp_path / "a.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NoService) as caught:
        socket_of(str(file))
    assert str(caught.value).startswith(f"{file}: {sentence}")


def test_answer_comes_line_by_line(path: Path) -> None:
    row = {"type": "row", "number": 1}
    with Playback(path, [row, DONE], [DONE]) as service, Call(service.path) as call:
        assert list(call.ask(parse(["show", "sessions", "frontend", "imaps"]))) == [row, DONE]
        assert list(call.ask(parse(["show", "info"]))) == [DONE]
    assert service.requests[0] == {"type": "request", "command": "show sessions", "frontend": "imaps"}


@pytest.mark.parametrize(
    ("hello", "sentence"),
    [
        (HELLO | {"protocol": 2}, "with protocol version 2, this mailproxy has protocol version 1"),
        ({"type": "error", "error": "user 7 is not allowed"}, "user 7 is not allowed"),
        ({"type": "row"}, "the process that listens there is not mailproxy"),
        (b"* OK ready\r\n", "the process that listens there is not mailproxy"),
        (b"", "the service has closed the connection"),
    ],
)
def test_what_is_no_service_is_reported(path: Path, hello: object, sentence: str) -> None:
    with Playback(path, hello=hello) as service, pytest.raises(NoService) as caught:
        Call(service.path)
    assert sentence in str(caught.value)


def test_socket_without_a_service_is_reported(path: Path) -> None:
    with pytest.raises(NoService, match="does not exist; is mailproxy running"):
        Call(str(path))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NoService, match="no process listens there; mailproxy has ended"):
        Call(str(path))
    with pytest.raises(NoService, match="cannot connect: AF_UNIX path too long"):
        Call("/" + 200 * "x")


def test_service_that_does_not_answer_is_reported(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(NoService, match=r"no answer within 0\.05 s"):
            Call(str(path), seconds=0.05)


def test_service_that_ends_in_the_middle_is_reported(path: Path) -> None:
    row = {"type": "row", "number": 1}
    with Playback(path, [row]) as service, Call(service.path) as call:
        lines = call.ask(parse(["show", "servers"]))
        assert next(lines) == row
        with pytest.raises(NoService, match="the service has closed the connection"):
            next(lines)

import pytest

from mailproxy.audit.result import TLS, shown, steps


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"250 fine\r\n", "250 fine"),
        (b"a\r\nb\r\n", "a\\r\\nb"),
        (b"\x1b[2J\x07", "\\x1b[2J\\x07"),  # would clear the reader's screen
        (b"\xff\xfe", "\\xff\\xfe"),
        ("grün".encode(), "grün"),
        ("\u202eabc".encode(), "\\u202eabc"),  # would turn the rest of the line around
    ],
)
def test_bytes_are_shown_without_harm(data: bytes, text: str) -> None:
    assert shown(data) == text


def test_what_is_sent_apart_is_shown_apart() -> None:
    assert steps(b"STARTTLS\r\n", TLS, b"NOOP\r\n") == "STARTTLS · <TLS> · NOOP"

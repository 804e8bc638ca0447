"""The result of a case, and its text."""

from enum import StrEnum

from attrs import frozen


class Verdict(StrEnum):
    """The verdict on a server in one case."""

    OK = "ok"
    VULNERABLE = "VULNERABLE"
    NOT_APPLICABLE = "not applicable"
    NO_ANSWER = "no answer"


TLS = "<TLS>"
"""Stands for the handshake in what was sent."""


@frozen
class Finding:
    """What was sent, what came, and the verdict; texts are fit for a terminal."""

    verdict: Verdict
    sent: str
    came: str
    note: str = ""


@frozen
class Result:
    """The finding of one case."""

    case: str
    meaning: str
    verdict: Verdict
    sent: str
    came: str
    note: str = ""


def steps(*pieces: bytes | str) -> str:
    """Return the sent pieces in one line, with bytes as text, and a dot between separate segments."""
    return " · ".join(piece if isinstance(piece, str) else shown(piece) for piece in pieces)


def shown(data: bytes) -> str:
    r"""
    Return bytes as text in one line: without the last line end, other line ends as `\r\n`, unprintable bytes escaped.

    All bytes of a server that reach the terminal pass through here, so they cannot control it.
    """
    text = data.removesuffix(b"\r\n").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )

"""What a case found out, and how it looks to a reader."""

from enum import StrEnum

from attrs import frozen


class Verdict(StrEnum):
    """What is to be thought of a server's behaviour in one case."""

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
    """Return what was sent in one line: the pieces, each shown if it is bytes, with a dot between those sent apart."""
    return " · ".join(piece if isinstance(piece, str) else shown(piece) for piece in pieces)


def shown(data: bytes) -> str:
    r"""
    Return bytes as text in one line: without the line end, other line ends as `\r\n`, what cannot be printed escaped.

    A server's bytes reach the terminal only through here, so they cannot steer it.
    """
    text = data.removesuffix(b"\r\n").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )

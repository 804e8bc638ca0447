"""How a rule refuses a client: in the protocol's words, in words of the admin's own, or without a word."""

from typing import Literal

from attrs import frozen

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import nearest, quoted

RefuseKind = Literal["temporary", "permanent", "close"]

KINDS: tuple[RefuseKind, ...] = ("temporary", "permanent", "close")
"""The words of the configuration; any other text is said to the client."""

LONGEST_TEXT = 200
"""The most characters of a text: with its reply code it fits into a line of every protocol (SMTP: 512 octets)."""

_NEEDS = '"temporary", "permanent", "close", or a text for the client'


@frozen
class Refuse:
    """One way to refuse."""

    kind: RefuseKind
    text: str = ""
    """Words for the client instead of the protocol's."""

    def __str__(self) -> str:
        """Write it as the configuration does."""
        if not self.text:
            return self.kind
        return self.text if self.kind == "temporary" else f"{self.kind}: {self.text}"


def _read(value: str) -> Refuse:
    for kind in KINDS:
        if value == kind:
            return Refuse(kind)
    if (meant := nearest(value, KINDS, at_least=0.75)) is not None and " " not in value:
        raise WrongValue(f"is {quoted(value)}, needs {_NEEDS}; did you mean {quoted(meant)}?")
    before, colon, rest = value.partition(": ")
    if colon and before == "permanent":
        return _with_text("permanent", rest, value)
    if colon and before == "temporary":
        return _with_text("temporary", rest, value)
    return _with_text("temporary", value, value)


def _with_text(kind: RefuseKind, text: str, value: str) -> Refuse:
    if not (text.isascii() and text.isprintable() and text.strip() == text != ""):
        raise WrongValue(f"is {quoted(value)}; a text for clients is one line of printable ASCII characters")
    if len(text) > LONGEST_TEXT:
        raise WrongValue(f"has {len(text)} characters; a text for clients has {LONGEST_TEXT} at most")
    return Refuse(kind, text)


REFUSE: Kind[Refuse] = Kind(
    (str,), _NEEDS, _read, '`"temporary"`, `"permanent"`, `"close"`, a text', {"minLength": 1}, str
)

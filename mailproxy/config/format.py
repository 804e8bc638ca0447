"""
Formats: text with fields of the session's log line, as in ``"{tls} {sni}"``.

Fields are filled when the PROXY header is made, before a server is chosen. Fields that do not apply to a session are
empty.
"""

import re
from collections.abc import Mapping

from attrs import frozen

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import listed, nearest, quoted

FIELDS = (
    "id",
    "frontend",
    "client",
    "src",
    "src_port",
    "dst",
    "dst_port",
    "via",
    "tls",
    "cipher",
    "group",
    "resumed",
    "sni",
    "alpn",
    "cn",
    "verify",
    "rule",
    "label",
    "backend",
)
"""
The log's fields that a format may have; ``src`` to ``dst_port`` are HAProxy's words for the addresses of a connection.
"""

_TOO_LATE = "is known only to the log, when the session has ended"
_NO_SERVER = "is known only to the log: the header is made before a server is chosen"
NOT_YET: Mapping[str, str] = {
    "local": "is known only to the log: servers do not learn of a proxy's own connections",
    "serial": "is known only to the log: a client that is refused for its certificate has no header",
    "server": _NO_SERVER,
    "retries": _NO_SERVER,
    "auth_failures": _TOO_LATE,
    "left_out": "is known only to the log: it lists what this header leaves out",
    "bytes_in": _TOO_LATE,
    "bytes_out": _TOO_LATE,
    "handshake_ms": "is only for the log",
    "connect_ms": _TOO_LATE,
    "total_ms": _TOO_LATE,
    "termination": _TOO_LATE,
    "first_to_end": _TOO_LATE,
    "reason": _TOO_LATE,
}
"""The log's fields that no header can have, and why."""

# The log's names of received TLVs: a name, or a number in hexadecimal.
_TLV = re.compile("tlv_(?:alpn|authority|unique_id|ssl(?:_[a-z_]+)?|netns|gcp|aws|azure|0x[0-9a-f]{2})")
_PIECE = re.compile(r"(?P<text>[^{}]+)|(?P<doubled>\{\{|\}\})|\{(?P<field>[^{}]*)\}|(?P<brace>.)", re.DOTALL)

_NEEDS = 'text with fields of the log such as "{tls} {sni}"'
_MAX_FORMAT = 1024
"""The longest format, in characters: the value of a TLV is much shorter."""


@frozen
class Format:
    """Text with fields; its `str` is the configuration's text."""

    text: str
    pieces: tuple[tuple[str, str], ...]
    """Pieces of text in order, each with the field that follows it, or ""."""

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.text

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it has."""
        return frozenset(field for _, field in self.pieces if field)

    def fill(self, words: Mapping[str, str]) -> bytes:
        """Return the text with its fields filled; a field that is not in `words` is empty."""
        return "".join([text + words.get(field, "") for text, field in self.pieces]).encode()


def _format(text: str) -> Format:
    if len(text) > _MAX_FORMAT:
        raise WrongValue(f"has {len(text)} characters; a format has {_MAX_FORMAT} at most")
    pieces: list[tuple[str, str]] = []
    before = ""
    for piece in _PIECE.finditer(text):
        if brace := piece["brace"]:
            raise WrongValue(f"is {quoted(text)}, in which a {brace} stands alone; write {brace * 2} for one")
        if piece["field"] is None:
            before += piece["text"] or piece["doubled"][0]
            continue
        pieces.append((before, _field(piece["field"], text)))
        before = ""
    return Format(text, (*pieces, (before, "")) if before else tuple(pieces))


def _field(name: str, text: str) -> str:
    if name in FIELDS or _TLV.fullmatch(name):
        return name
    if name in NOT_YET:
        raise WrongValue(f"is {quoted(text)}, and {{{name}}} {NOT_YET[name]}")
    meant = nearest(name, (*FIELDS, *NOT_YET))
    hint = f"did you mean {{{meant}}}?" if meant else f"fields are {listed(FIELDS)} and tlv_NAME"
    raise WrongValue(f"is {quoted(text)}, in which {{{name}}} is not a field; {hint}")


FORMAT: Kind[Format] = Kind((str,), _NEEDS, _format)

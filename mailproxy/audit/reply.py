"""A command, the reply to it, and how a reply can end."""

import re
from enum import Enum, auto

from attrs import frozen


class End(Enum):
    """Why no more of a reply was read."""

    COMPLETE = auto()
    CLOSED = auto()
    SILENT = auto()


class Kind(Enum):
    """The kind of a reply."""

    YES = auto()
    NO = auto()
    PROMPT = auto()  # the server asks for more: a literal, or the next step of a login
    CLOSED = auto()
    SILENT = auto()


@frozen
class Command:
    """A command without its line end, and the pattern of its reply's last line."""

    line: bytes
    last: re.Pattern[bytes]

    @property
    def wire(self) -> bytes:
        """The command as it is sent."""
        return self.line + b"\r\n"


@frozen
class Reply:
    """The lines of a reply, without line ends."""

    lines: tuple[bytes, ...]
    end: End

    @property
    def last(self) -> bytes:
        """The deciding last line, empty if nothing came."""
        return self.lines[-1] if self.lines else b""

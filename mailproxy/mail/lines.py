"""A client's bytes as lines."""

from mailproxy.mail.step import Cause


class UnreadableLine(Exception):
    """A client's bytes that are not a valid line; the bytes after it cannot be trusted."""

    def __init__(self, cause: Cause, reason: str, text: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
        """For the log."""
        self.text = text
        """For the client."""


_ENDING = "Lines end with CRLF and have no other CR, LF or NUL"


def line_end(buffer: bytes, start: int, limit: int) -> int:
    """
    Return the end of the line that begins at `start`, after its CRLF; -1 if it is not complete.

    Raises `UnreadableLine` if it has more than `limit` octets, or a CR, LF or NUL in it. A lone LF ends a line for some
    receivers and not for others: such differences allow command smuggling.
    """
    end = buffer.find(b"\n", start, start + limit) + 1
    if not end:
        if len(buffer) - start >= limit:
            raise UnreadableLine(Cause.LIMIT, f"a line has more than {limit} octets", "Line too long")
        return -1
    line = buffer[start : end - 2]
    if not buffer.endswith(b"\r\n", start, end) or b"\r" in line:
        raise UnreadableLine(Cause.BAD_INPUT, "a CR or LF outside of a CRLF", _ENDING)
    if b"\0" in line:
        raise UnreadableLine(Cause.BAD_INPUT, "a NUL in a line", _ENDING)
    return end

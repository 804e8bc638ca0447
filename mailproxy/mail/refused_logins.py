"""
Refused logins, found in what a server says: passwords, and all else that a client sends, are not looked at.

A server's lines are searched from the start of a session until they show that a login has succeeded: what comes then
may be somebody's mail, with any words. Refusals for other reasons than the credentials, such as a backend that is down
(``[UNAVAILABLE]``) or the lack of TLS (``[PRIVACYREQUIRED]``), are not counted.
"""

from __future__ import annotations

import re

# A line that is not complete after these bytes is no reply to a login. A reply of IMAP repeats the tag, which the
# client chooses: servers read lines of 8 KiB.
LONGEST_LINE = 9216

# The text of servers that send no response code: "LOGIN failed." (Exchange), "Login failed: user not found" (Cyrus),
# "Invalid user name or password." (hMailServer), "Authentication failed." (old Dovecots).
_TEXT = (
    rb"(?![^\n]*temporar)"
    rb"(?=[^\n]*\b(?:log[io]n|authentication|authenticate|credentials?|password)\b)"
    rb"(?=[^\n]*\b(?:fail(?:ed|ure)?|invalid|incorrect|wrong|bad|rejected|denied|error)\b)"
)

IMAP = re.compile(
    # RFC 9051 section 7.1 and RFC 5530 section 3. [ALERT] is Google's.
    rb"\n(?:(?P<refused>[^ *+\n][^ \n]*+ NO (?:\[AUTH(?:ENTICATION|ORIZATION)FAILED\]|(?:\[ALERT\] )?(?!\[)"
    + _TEXT
    # Before a login there are no other untagged responses (section 7).
    + rb"))|(?P<over>\* (?!(?:OK|NO|BAD|BYE|CAPABILITY|ID)\b)))",
    re.IGNORECASE,
)

POP3 = re.compile(
    # RFC 1939 section 3 and RFC 3206 section 5.
    rb"\n(?:(?P<refused>-ERR (?:\[AUTH\]|(?!\[)(?i:"
    + _TEXT
    # Before a login, the only longer responses list capabilities (RFC 2449) and mechanisms: a word in capitals begins
    # each line. In a mail it would be the name of a header, with a colon.
    + rb")))|(?P<over>(?![+\-.\r])(?=[^\n])(?![A-Z0-9_-]{3,30}(?: [^\n]*)?\r?\n)))"
)

SMTP = re.compile(
    # RFC 4954 section 6. After 235, AUTH is not allowed again (section 4).
    rb"\n(?:(?P<refused>535[ \r\n])|(?P<over>235[ \r\n]))"
)

MANAGESIEVE = re.compile(
    # RFC 5804 section 1.2. Scripts are literals (section 2.9); errors in a script quote it, and begin with other words.
    rb"\n(?:(?P<refused>NO (?:\{[0-9]+\+?\}\r?\n|\")(?=authentication|login|invalid|incorrect|wrong|bad)"
    + _TEXT
    + rb")"
    rb"|(?P<over>\{))",
    re.IGNORECASE,
)


_LINE_END = b"\n"

# The end of a line that announces a literal.
_LITERAL = b"}\r\n"


class RefusedLogins:
    """Counts the refusals of logins in what a server says, in pieces of any size (mutable; one per session)."""

    __slots__ = ("_replies", "_rest", "is_over")

    def __init__(self, replies: re.Pattern[bytes]) -> None:
        """`replies` matches at the line end before a reply, with a group ``refused`` or ``over``."""
        self._replies = replies
        self._rest = _LINE_END
        self.is_over = False
        """True when no refusals can follow."""

    def receive(self, data: bytes | memoryview) -> int:
        """Return the number of refusals in the lines that these bytes complete."""
        text = self._rest + data
        if text[-1] == 0x0A and text[-3:] != _LITERAL and self._replies.search(text) is None:
            # Whole lines, and no such reply: nearly always.
            self._rest = _LINE_END
            return 0
        return self._look_closely(text)

    def _look_closely(self, text: bytes) -> int:
        end = text.rfind(b"\n")
        if text.endswith(_LITERAL, 0, end + 1):
            end = text.rfind(b"\n", 0, end)  # a literal follows, and belongs to this line
        self._rest = text[end:]
        if len(self._rest) > LONGEST_LINE:
            self.is_over = True
        count = 0
        for found in self._replies.finditer(text, 0, end + 1):
            if found.lastgroup == "over":
                self.is_over = True
                break
            count += 1
        return count

"""ManageSieve before TLS (RFC 5804)."""

import re

from mailproxy.mail.capabilities import Offer
from mailproxy.mail.script import HAND_OVER, Answer, Reaction, Script

# Section 4; a quote or backslash inside is escaped. Bytes beyond ASCII are UTF-8, and not parsed here.
_QUOTED = rb'"(?:[^"\\\r\n\x00]|\\["\\])*"'

OFFER = Offer(
    syntax=re.compile(rb'(?=.{1,4096}\Z)"(?P<name>[ !#-\[\]-~]+)"(?: %s)?' % _QUOTED),
    builtin=(),
    # Section 1.7: these four are in every listing. No way to log in is allowed only with STARTTLS beside it.
    mandatory=(
        (frozenset({b"IMPLEMENTATION"}), b'"IMPLEMENTATION" "mailproxy"'),
        (frozenset({b"SIEVE"}), b'"SIEVE" ""'),
        (frozenset({b"VERSION"}), b'"VERSION" "1.0"'),
        (frozenset({b"SASL"}), b'"SASL" ""'),
    ),
    private=frozenset({b"STARTTLS", b"XCLIENT"}),
    # LANGUAGE: nothing in plaintext may decide what is said after the login.
    refused=frozenset({b"SASL", b"LANGUAGE"}),
    starttls=(b'"STARTTLS"',),
    refusal=(),
)

_COMMAND = re.compile(rb"(?P<verb>[A-Za-z]+)(?: (?P<arguments>.*))?")

# Whose octets follow on the next line (section 4): {5+} from clients, and {5} from those that mean IMAP's.
_LITERAL = re.compile(rb".*\{[0-9]+\+?\}")
_TAG = re.compile(_QUOTED)

_BARE = frozenset({b"CAPABILITY", b"LOGOUT", b"STARTTLS"})

_START_TLS = Answer(b'OK "Begin TLS negotiation now"\r\n', Reaction.START_TLS)
_LOGOUT = Answer(b'OK "Logging out"\r\n', Reaction.SAY_GOODBYE)
_NOOP = Answer(b'OK "Done"\r\n')
# Section 1.3; and not a word of a challenge: the password would be next.
_ENCRYPT_NEEDED = Answer(b'NO (ENCRYPT-NEEDED) "Start TLS before you log in"\r\n', Reaction.FAIL)
_NO_ARGUMENTS = Answer(b'NO "That takes no arguments"\r\n', Reaction.FAIL)
_NO_TAG = Answer(b'NO "NOOP takes one string"\r\n', Reaction.FAIL)
_UNKNOWN = Answer(b'NO "Unknown, or not to be used before you log in"\r\n', Reaction.FAIL)
# A client's literals come unasked, and would be taken for commands.
_NO_LITERAL = Answer(
    b'BYE (ENCRYPT-NEEDED) "No literals before TLS"\r\n', Reaction.REFUSE, reason="a literal before TLS"
)


class ManageSieveScript(Script):
    """CAPABILITY, NOOP, LOGOUT and STARTTLS; a login waits for TLS, or for a backend."""

    def __init__(self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool) -> None:
        lines = b"".join(b"%s\r\n" % capability for capability in OFFER.announced(capabilities, optional=optional))
        self.greeting = b'%sOK "%s ready"\r\n' % (lines, host)
        self._listing = Answer(b'%sOK "Capability list completed"\r\n' % lines)
        self._optional = optional

    def answer(self, line: bytes) -> Answer:
        """Answer a command of the non-authenticated state (section 2)."""
        command = _COMMAND.fullmatch(line)
        verb = command["verb"].upper() if command else b""
        if verb == b"AUTHENTICATE" and self._optional:
            return HAND_OVER
        if _LITERAL.fullmatch(line):
            return _NO_LITERAL
        if command is None:
            return _UNKNOWN
        arguments = command["arguments"]
        if verb == b"AUTHENTICATE":
            return _ENCRYPT_NEEDED
        if verb == b"NOOP":
            return _noop(arguments)
        if verb not in _BARE:
            return _UNKNOWN
        if arguments is not None:
            return _NO_ARGUMENTS
        return self._listing if verb == b"CAPABILITY" else _START_TLS if verb == b"STARTTLS" else _LOGOUT

    def closing(self, text: str) -> bytes:
        """Say BYE (section 4, response-bye)."""
        return b'BYE "%s"\r\n' % text.encode("ascii")

    def late(self) -> bytes:
        """Say BYE."""
        return b'BYE "Too slow, closing"\r\n'


def _noop(tag: bytes | None) -> Answer:
    """Give the client's string back (section 2.13), so that it finds its way in the replies."""
    if tag is None:
        return _NOOP
    if not _TAG.fullmatch(tag):
        return _NO_TAG
    return Answer(b'OK (TAG %s) "Done"\r\n' % tag)

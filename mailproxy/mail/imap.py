"""IMAP before TLS (RFC 9051, and RFC 3501 as far as that differs)."""

import re

from mailproxy.mail.capabilities import Offer
from mailproxy.mail.script import HAND_OVER, Answer, Reaction, Script

_ATOM = rb"[!#$&',\-./0-9:;<>?@A-Z^_`a-z|}~+\[]"

OFFER = Offer(
    syntax=re.compile(rb"(?P<name>%s+)(?:=%s*)?" % (_ATOM, _ATOM.replace(b"+", b"+=", 1))),
    builtin=(b"IMAP4rev1",),
    mandatory=((frozenset({b"IMAP4REV1", b"IMAP4REV2"}), b"IMAP4rev1"),),
    private=frozenset({b"STARTTLS"}),
    refused=frozenset(
        {
            # Ways to log in, what belongs to them, and LOGINDISABLED, which we say ourselves.
            b"AUTH",
            b"SASL-IR",
            b"LOGIN-REFERRALS",
            b"LOGINDISABLED",
            # Commands of any state; nothing negotiated in plaintext may outlive it.
            b"COMPRESS",
            b"LANGUAGE",
            # Literals are refused: see `_LITERAL`.
            b"LITERAL+",
            b"LITERAL-",
        }
    ),
    starttls=(b"STARTTLS",),
    refusal=(b"LOGINDISABLED",),
)

# A tag is what an atom may have and ], without + (RFC 9051 section 9).
_COMMAND = re.compile(rb"(?P<tag>[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+) (?P<verb>[!-~]+)(?: (?P<arguments>.*))?")

# Whose octets follow on the next line: {5}, {5+}, ~{5} (RFC 9051 section 4.3, RFC 7888, RFC 3516).
_LITERAL = re.compile(rb".*\{[0-9]+[+-]?\}")

_LOGINS = frozenset({b"LOGIN", b"AUTHENTICATE"})
_FOR_BACKENDS = _LOGINS | {b"COMPRESS", b"LANGUAGE"}
_BARE = frozenset({b"CAPABILITY", b"NOOP", b"LOGOUT", b"STARTTLS"})

# NIL, or a list in parentheses (RFC 2971 section 3.1). What is in it is not parsed before TLS.
_ID = re.compile(rb"NIL|\(.*\)", re.IGNORECASE)

_UNTAGGED = b"*"


class ImapScript(Script):
    """CAPABILITY, NOOP, ID, LOGOUT and STARTTLS; a login waits for TLS, or for a backend."""

    def __init__(self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool) -> None:
        listing = b" ".join(OFFER.announced(capabilities, optional=optional))
        self.greeting = b"* OK [CAPABILITY %s] %s ready\r\n" % (listing, host)
        self._listing = b"* CAPABILITY %s\r\n" % listing
        self._optional = optional

    def answer(self, line: bytes) -> Answer:
        """Answer a command with its tag (section 7.1); what has none gets an untagged BAD."""
        command = _COMMAND.fullmatch(line)
        has_literal = _LITERAL.fullmatch(line) is not None
        if command is None:
            return _no_literal(_UNTAGGED) if has_literal else _bad(_UNTAGGED, b"That is no command")
        tag, verb, arguments = command["tag"], command["verb"].upper(), command["arguments"]
        # ID belongs to a backend only when it cannot be answered without reading on.
        if self._optional and (verb in _FOR_BACKENDS or (verb == b"ID" and has_literal)):
            return HAND_OVER
        if has_literal:
            return _no_literal(tag)
        if verb in _LOGINS:
            # RFC 5530 section 3. Not a word of a continuation: the password would be next.
            return Answer(b"%s NO [PRIVACYREQUIRED] Start TLS before you log in\r\n" % tag, Reaction.FAIL)
        if verb == b"ID":
            return self._id(tag, arguments)
        if verb not in _BARE:
            return _bad(tag, b"Unknown, or not to be used before you log in")
        if arguments is not None:
            return _bad(tag, b"%s takes no arguments" % verb)
        return self._bare(tag, verb)

    def _bare(self, tag: bytes, verb: bytes) -> Answer:
        if verb == b"STARTTLS":
            return Answer(b"%s OK Begin TLS negotiation now\r\n" % tag, Reaction.START_TLS)
        if verb == b"LOGOUT":
            return Answer(b"* BYE Logging out\r\n%s OK LOGOUT completed\r\n" % tag, Reaction.SAY_GOODBYE)
        untagged = self._listing if verb == b"CAPABILITY" else b""
        return Answer(b"%s%s OK %s completed\r\n" % (untagged, tag, verb))

    def _id(self, tag: bytes, arguments: bytes | None) -> Answer:
        if arguments is None or not _ID.fullmatch(arguments):
            return _bad(tag, b"ID takes NIL or a list")
        return Answer(b"* ID NIL\r\n%s OK ID completed\r\n" % tag)

    def closing(self, text: str) -> bytes:
        """Say BYE (section 7.1.5)."""
        return b"* BYE %s\r\n" % text.encode("ascii")

    def late(self) -> bytes:
        """Say BYE (section 5.4)."""
        return b"* BYE Too slow, closing\r\n"


def _bad(tag: bytes, text: bytes) -> Answer:
    return Answer(b"%s BAD %s\r\n" % (tag, text), Reaction.FAIL)


def _no_literal(tag: bytes) -> Answer:
    """
    Refuse and close: with {5+} the octets come unasked, and would be taken for commands.

    So would those that an impatient client sends after {5}.
    """
    reply = b"* BYE No literals before TLS\r\n%s BAD No literals before TLS\r\n" % tag
    return Answer(reply, Reaction.REFUSE, reason="a literal before TLS")

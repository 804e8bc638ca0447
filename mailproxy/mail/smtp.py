"""SMTP, submission and LMTP before TLS (RFC 5321, RFC 3207, RFC 2033)."""

import re

from attrs import frozen

from mailproxy.mail.capabilities import Offer
from mailproxy.mail.script import HAND_OVER, Answer, Reaction, Script

OFFER = Offer(
    # RFC 5321 section 4.1.1.1: keyword and parameters; with "250-" and CRLF a line has up to 512 octets. AUTH=LOGIN
    # is how AUTH was announced before RFC 2554.
    syntax=re.compile(rb"(?=.{1,506}\Z)(?P<name>[0-9A-Za-z][0-9A-Za-z-]*)(?:[ =][ -~]*)?"),
    builtin=(b"PIPELINING", b"8BITMIME"),
    mandatory=(),
    # XCLIENT and the like name the client to a backend. REQUIRETLS is a promise about TLS (RFC 8689).
    private=frozenset({b"STARTTLS", b"XCLIENT", b"XFORWARD", b"XRCPTFORWARD", b"REQUIRETLS"}),
    refused=frozenset(
        {
            b"AUTH",
            # BDAT sends its octets without a reply (RFC 3030 section 2). BINARYMIME needs it, and BURL needs AUTH.
            b"CHUNKING",
            b"BINARYMIME",
            b"BURL",
        }
    ),
    starttls=(b"STARTTLS",),
    refusal=(),
)

# The commands of SMTP and its extensions that are not answered before TLS.
_FOR_BACKENDS = frozenset(
    {b"MAIL", b"RCPT", b"DATA", b"BDAT", b"BURL", b"AUTH", b"VRFY", b"EXPN", b"HELP", b"ETRN", b"ATRN"}
)

# One word without spaces: a domain or an address literal (RFC 5321 sections 4.1.1.1 and 4.5.3.1.2).
_NAME = re.compile(rb"[!-~]{1,255}")

_START_TLS = Answer(b"220 2.0.0 Ready to start TLS\r\n", Reaction.START_TLS)
_OK = Answer(b"250 2.0.0 OK\r\n")
_BYE = Answer(b"221 2.0.0 Bye\r\n", Reaction.SAY_GOODBYE)
# RFC 3207 section 4, for every command but NOOP, EHLO, STARTTLS and QUIT. HELO and RSET change nothing, so they may.
_TLS_REQUIRED = Answer(b"530 5.7.0 Must issue a STARTTLS command first\r\n", Reaction.FAIL)
_NO_PARAMETERS = Answer(b"501 5.5.4 That takes no parameters\r\n", Reaction.FAIL)
_NO_NAME = Answer(b"501 5.5.4 A domain name or an address literal is wanted\r\n", Reaction.FAIL)
_UNKNOWN = Answer(b"500 5.5.1 Command unrecognized\r\n", Reaction.FAIL)
_BARE = {b"RSET": _OK, b"QUIT": _BYE, b"STARTTLS": _START_TLS}
# RFC 5321 section 3.8: 421 is the one reply after which a server may close by itself.
_NO_CHUNK = Answer(
    b"421 4.7.0 Must issue a STARTTLS command first, closing transmission channel\r\n",
    Reaction.REFUSE,
    reason="BDAT before TLS: its data could be read as commands",
)


@frozen
class Dialect:
    """The differences between SMTP and LMTP."""

    name: bytes
    greets: bytes
    """The command with which a client introduces itself and asks for the extensions."""
    greets_plainly: frozenset[bytes]
    """The commands with which it introduces itself without asking."""
    offer: Offer


SMTP = Dialect(b"ESMTP", greets=b"EHLO", greets_plainly=frozenset({b"HELO"}), offer=OFFER)


class SmtpScript(Script):
    """EHLO or LHLO, HELO, NOOP, RSET, QUIT and STARTTLS; the rest waits for TLS, or for a backend."""

    def __init__(
        self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool, dialect: Dialect = SMTP
    ) -> None:
        self.greeting = b"220 %s %s\r\n" % (host, dialect.name)
        announced = dialect.offer.announced(capabilities, optional=optional)
        lines = (host, *announced)
        self._extended = b"".join(b"250-%s\r\n" % line for line in lines[:-1]) + b"250 %s\r\n" % lines[-1]
        self._plain = b"250 %s\r\n" % host
        self._dialect = dialect
        self._optional = optional

    def answer(self, line: bytes) -> Answer:
        """Answer a command (RFC 5321 section 4.1.1); trailing white space is allowed, as it requires."""
        verb, _, parameters = line.rstrip(b" \t").partition(b" ")
        verb = verb.upper()
        if verb in _FOR_BACKENDS:
            if self._optional:
                return HAND_OVER
            return _NO_CHUNK if verb == b"BDAT" else _TLS_REQUIRED
        if verb == self._dialect.greets:
            return self._greet(verb, parameters, self._extended)
        if verb in self._dialect.greets_plainly:
            return self._greet(verb, parameters, self._plain)
        if verb == b"NOOP":
            return _OK
        if verb not in _BARE:
            return _UNKNOWN
        return _NO_PARAMETERS if parameters else _BARE[verb]

    def _greet(self, verb: bytes, name: bytes, reply: bytes) -> Answer:
        if not _NAME.fullmatch(name):
            return _NO_NAME
        return Answer(reply, prelude=b"%s %s\r\n" % (verb, name))

    def closing(self, text: str) -> bytes:
        """Say 421 (RFC 5321 section 3.8) with X.7.0, "other security status" (RFC 3463 section 3.8)."""
        return b"421 4.7.0 %s, closing transmission channel\r\n" % text.encode("ascii")

    def late(self) -> bytes:
        """Say 421 with X.4.2, "bad connection" (RFC 3463 section 3.5)."""
        return b"421 4.4.2 Too slow, closing transmission channel\r\n"

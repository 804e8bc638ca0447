"""A mail protocol: all differences between protocols, in one value."""

import re
from collections.abc import Callable

from attrs import frozen

from mailproxy.mail.backend.account import Login
from mailproxy.mail.backend.talk import Talk
from mailproxy.mail.capabilities import Offer
from mailproxy.mail.script import Script


@frozen(kw_only=True, eq=False)
class Protocol:
    """One mail protocol: the dialogue before TLS, the talks with a server, and the refusals."""

    name: str
    """Its name in the configuration."""

    alpn: tuple[str, ...] = ()
    """
    Its names in ALPN (RFC 7301), the preferred one first: IANA's, or those that mail servers accept if IANA has none.

    Without any, ALPN is not answered.
    """

    # The dialogue with a client before TLS.

    script: Callable[..., Script]
    """Makes the dialogue's script from a host name, the learned capabilities (None: unknown) and ``optional``."""
    offer: Offer
    """The capabilities before TLS."""
    line: int
    """The most octets of a client's line, CRLF included, if TLS is required."""

    # The talks with a server.

    greet: Callable[[], Talk[bytes]]
    """Reads the greeting; returns the part for a client after STARTTLS."""
    first_line: re.Pattern[bytes]
    """
    Matches the first line of a greeting, with its line end.

    One line is enough to know that a server accepts a client: postscreen sends ``220-`` and waits for seconds before it
    continues.
    """
    introduce: Callable[[bytes], Talk[None]] | None = None
    """Sends a client's prelude to the server and discards the reply; None if `script` has no preludes."""
    learn: Callable[[bytes], Talk[tuple[bytes, ...]]]
    """Reads the greeting and asks for the capabilities; takes our own host name."""
    login: Callable[[Login], Talk[None]]
    """Reads the greeting and logs in."""
    login_shows: str = "logged in"
    """The reason of a login check that passes."""
    instead_of_login: str = ""
    """What a login check does if the protocol has no logins, in words for the admin; else empty."""
    part: Callable[[], Talk[None]]
    """Says goodbye."""
    takes_passwords: Callable[[tuple[bytes, ...]], bool]
    """Returns whether a server with these capabilities accepts passwords in readable form."""
    no_login: Callable[[tuple[bytes, ...]], str] = lambda capabilities: ""
    """Returns the sign in these capabilities that no client can log in; "" if logins are possible or not needed."""
    sends_unasked: bool = False
    """True if the server may send more after its greeting before any command."""

    # Refusals.

    refused_logins: re.Pattern[bytes] | None = None
    """Finds refused logins in a server's lines (see `mailproxy.mail.refused_logins`); None if there are no logins."""
    refusal: bytes
    """The temporary failure in place of a greeting, with its CRLF."""
    refusal_form: bytes
    """The same with any text in place of ``%s``."""
    permanent_form: bytes
    """The permanent failure in place of a greeting, with any text in place of ``%s``."""
    quotes_text: bool = False
    """True if that text is a quoted string, in which quotes and backslashes have a backslash before them."""
    server_refusal: re.Pattern[bytes]
    """
    Finds a server's own refusal in its first bytes.

    Group ``temporary`` matches if another server may accept the client. Group ``code``, if there is one, begins each of
    its lines, and a hyphen follows it on all but the last (RFC 5321 section 4.2.1).
    """
    says_goodbye: bool
    """True if the server may say goodbye unasked."""
    refuses_when_asked: bool
    """True if a refusal after STARTTLS answers the client's next command."""

"""What one mail protocol is to the proxy: all that differs between protocols, in one value."""

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
    """The word for it in the configuration."""

    alpn: tuple[str, ...] = ()
    """
    Its names in ALPN (RFC 7301), the first one is preferred: IANA's, or what mail servers take where it has none.

    Without any, ALPN is not answered.
    """

    # The dialogue with a client before TLS.

    script: Callable[..., Script]
    """Makes the dialogue's script of a host name, the learned capabilities (None: not known) and ``optional``."""
    offer: Offer
    """What is announced before TLS."""
    line: int
    """The most octets in a client's line, CRLF included, where TLS is required."""

    # The talks with a server.

    greet: Callable[[], Talk[bytes]]
    """Hears the greeting; returns what of it a client is owed after STARTTLS."""
    first_line: re.Pattern[bytes]
    """
    Matches the first line of a greeting, with its line end.

    One line is enough to know that a server takes a client: postscreen says ``220-`` and waits for seconds before it
    goes on.
    """
    introduce: Callable[[bytes], Talk[None]] | None = None
    """Says a client's prelude to the server and swallows the reply; None where `script` has no preludes."""
    learn: Callable[[bytes], Talk[tuple[bytes, ...]]]
    """Hears the greeting and asks for the capabilities; takes the name by which we introduce ourselves."""
    login: Callable[[Login], Talk[None]]
    """Hears the greeting and logs in."""
    login_shows: str = "logged in"
    """What a login check has shown when it went well."""
    instead_of_login: str = ""
    """What a login check asks where the protocol has no logins, in words for the admin; empty where it has."""
    part: Callable[[], Talk[None]]
    """Says goodbye."""
    takes_passwords: Callable[[tuple[bytes, ...]], bool]
    """Tells whether a server that lists these capabilities takes passwords that anybody in between can read."""
    no_login: Callable[[tuple[bytes, ...]], str] = lambda capabilities: ""
    """Returns what says in these capabilities that nobody can log in; "" where somebody can, or nobody has to."""
    speaks_unasked: bool = False
    """True if the server may go on after its greeting before it is asked something."""

    # Refusals.

    refusal: bytes
    """The temporary failure in place of a greeting, with its CRLF."""
    server_refusal: re.Pattern[bytes]
    """
    Finds a server's own refusal in what it has said.

    Group ``temporary`` matches if it says that another server may do better. Group ``code``, where there is one, begins
    each of its lines, and a hyphen follows it on all but the last (RFC 5321 section 4.2.1).
    """
    says_goodbye: bool
    """True if the server may announce its end unasked."""
    refuses_when_asked: bool
    """True if a refusal after STARTTLS answers the client's next command."""

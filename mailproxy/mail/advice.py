"""What a server's odd answers most likely mean, in words for the admin."""

from attrs import frozen

from mailproxy.mail.backend.talk import shown


def header_ignored(came: bytes, remedy: str) -> str:
    """Say that a server took the PROXY header for commands, by what it answered; `remedy` makes it take headers."""
    said = shown(came)
    return f'answered the PROXY header with "{said}": its listener expects none; {remedy}, or send-proxy = "none"'


@frozen
class Way:
    """How we reach a server, as far as that explains what it does not say."""

    sends_header: bool
    has_tls: bool
    distrusts: str
    """What the server suffers from if it closes the connection behind a header, as a question."""
    header_key: str = "send-proxy"
    """The key of the configuration that sends a header."""

    def likely_cause(self, said: bytes, *, is_closed: bool) -> str:
        """
        Return what a server that does not greet most likely suffers from, as a question; "" where nothing is likely.

        `said` is what it has said. A server that speaks TLS waits for a client's first bytes.
        """
        if said.startswith(_TLS_ALERT):
            return _NEEDS_TLS
        if said:
            return ""
        if not self.sends_header:
            tls = "" if is_closed or self.has_tls else f"; or {_NEEDS_TLS}"
            return f"does its listener require a PROXY header? {self.header_key} sends one{tls}"
        if is_closed:
            return self.distrusts
        return "" if self.has_tls else _NEEDS_TLS


_NEEDS_TLS = "does it speak TLS there? then it needs tls here"

# An alert record of any TLS (RFC 8446 section 5.1): the answer to a header, or a greeting, that is no ClientHello.
_TLS_ALERT = b"\x15\x03"

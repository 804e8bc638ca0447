"""The likely causes of a server's unexpected answers, in words for the admin."""

from attrs import frozen

from mailproxy.mail.backend.talk import shown


def header_ignored(received: bytes, remedy: str) -> str:
    """
    Return the message for a server that read the PROXY header as commands; `remedy` says how to make it take headers.
    """
    answer = shown(received)
    return f'answered the PROXY header with "{answer}": its listener expects none; {remedy}, or send-proxy = "none"'


@frozen
class ConnectionFacts:
    """How mailproxy connects to a server, as far as it may explain the server's silence."""

    sends_header: bool
    has_tls: bool
    distrusts: str
    """The likely cause if the server closes the connection after a header, as a question."""
    header_key: str = "send-proxy"
    """The key of the configuration that sends a header."""

    def likely_cause(self, received: bytes, *, is_closed: bool) -> str:
        """
        Return the likely cause if a server does not greet, as a question; "" if there is none.

        `received` is what it has sent. A server that speaks TLS waits for a client's first bytes.
        """
        if received.startswith(_TLS_ALERT):
            return _NEEDS_TLS
        if received:
            return ""
        if not self.sends_header:
            tls = "" if is_closed or self.has_tls else f"; or {_NEEDS_TLS}"
            return f"does its listener require a PROXY header? {self.header_key} sends one{tls}"
        if is_closed:
            return self.distrusts
        return "" if self.has_tls else _NEEDS_TLS


_NEEDS_TLS = "does it speak TLS there? then it needs tls here"

# An alert record of any TLS (RFC 8446 section 5.1): the answer to a header, or to a command, that is not a ClientHello.
_TLS_ALERT = b"\x15\x03"

"""What a server's odd answers most likely mean, in words for the admin."""

from mailproxy.mail.backend.talk import shown


def header_ignored(came: bytes, remedy: str) -> str:
    """Say that a server took the PROXY header for commands, by what it answered; `remedy` makes it take headers."""
    said = shown(came)
    return f'answered the PROXY header with "{said}": its listener expects none; {remedy}, or send-proxy = "none"'


def likely_cause(said: bytes, *, is_closed: bool, sent_header: bool, distrusts: str) -> str:
    """
    Return what a server that does not greet most likely suffers from, as a question; "" where nothing is likely.

    `said` is what it has said, `distrusts` what it suffers from if it closes the connection behind a header.
    """
    if said.startswith(_TLS_ALERT):
        return "does it speak TLS there? then it needs tls here"
    if said:
        return ""
    if not sent_header:
        return "does its listener require a PROXY header? send-proxy sends one"
    return distrusts if is_closed else ""


# An alert record of any TLS (RFC 8446 section 5.1): the answer to a header, or a greeting, that is no ClientHello.
_TLS_ALERT = b"\x15\x03"

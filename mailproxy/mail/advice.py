"""What a server's odd answers most likely mean, in words for the admin."""

from mailproxy.mail.backend.talk import shown


def header_ignored(came: bytes, remedy: str) -> str:
    """Say that a server took the PROXY header for commands, by what it answered; `remedy` makes it take headers."""
    said = shown(came)
    return f'answered the PROXY header with "{said}": its listener expects none; {remedy}, or send-proxy = "none"'

"""An LMTP backend (RFC 2033)."""

from mailproxy.mail.backend import smtp
from mailproxy.mail.backend.talk import Talk


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Hear the greeting, and ask for the extensions (section 4.1)."""
    return (yield from smtp.learn(host, b"LHLO"))

"""An LMTP backend (RFC 2033)."""

from mailproxy.mail.backend import smtp
from mailproxy.mail.backend.account import Login
from mailproxy.mail.backend.talk import Talk


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Read the greeting, and ask for the extensions (section 4.1)."""
    return (yield from smtp.learn(host, b"LHLO"))


def login(login: Login) -> Talk[None]:
    """Read the greeting and ask for the extensions: LMTP has no login, and this needs about as much of the server."""
    yield from smtp.greet()
    yield from smtp.hello(login.host, b"LHLO")

"""The one account of the demo, and the message that waits for its owner."""

from base64 import b64encode

from twisted.cred.error import UnauthorizedLogin

USER = "alice"
PASSWORD = "secret"
ADDRESS = f"{USER}@localhost"

PLAIN = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
"""A client's message for SASL PLAIN (RFC 4616, section 2)."""

WELCOME = b"""\
From: mailproxy <mailproxy@localhost>\r
To: alice <alice@localhost>\r
Subject: Welcome to mailproxy\r
Date: Thu, 01 Jan 2026 12:00:00 +0000\r
Message-ID: <welcome@localhost>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=us-ascii\r
\r
You read this through mailproxy: it ended your TLS connection, and told the\r
server behind it who you are, and how your connection is secured.\r
"""


def check(user: bytes, password: bytes) -> None:
    """Let the demo's account in; anyone else is an `UnauthorizedLogin`."""
    if (user, password) != (USER.encode(), PASSWORD.encode()):
        raise UnauthorizedLogin

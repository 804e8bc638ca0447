"""The one account of the demo, and the message that awaits its owner."""

from twisted.cred.error import UnauthorizedLogin

USER = "demo"
PASSWORD = "demo"

WELCOME = b"""\
From: mailproxy <mailproxy@localhost>\r
To: demo <demo@localhost>\r
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

"""Whose turn it is when a connection opens."""

GREETING_PROTOCOLS = frozenset({"imap", "pop3", "smtp", "submission", "lmtp", "managesieve"})
"""
The protocols whose server speaks first.

IMAP RFC 9051 section 7.1, POP3 RFC 1939 section 4, SMTP and submission RFC 5321 section 3.1, LMTP RFC 2033 section 4,
ManageSieve RFC 5804 section 1.7. Nothing is known of ``tcp``: there either side may begin.
"""


def server_speaks_first(protocol: str) -> bool:
    """Tell whether the server greets in this protocol (a frontend's ``protocol`` word)."""
    return protocol in GREETING_PROTOCOLS

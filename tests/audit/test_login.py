import pytest

from mailproxy.audit import DIALECTS
from mailproxy.audit.cases.login import has_looked
from mailproxy.audit.reply import End, Reply

LOOKED = [
    ("imap", b"l NO [AUTHENTICATIONFAILED] Authentication failed."),
    ("imap", b"l NO LOGIN failed"),
    ("imap", b"l NO Login failed: authentication failure"),
    ("pop3", b"-ERR [AUTH] Authentication failed."),
    ("pop3", b"-ERR Invalid username or password"),
    ("pop3", b"-ERR [AUTH] Username/password combination incorrect"),
    ("submission", b"535 5.7.8 Error: authentication failed"),
    ("submission", b"454 4.7.0 Temporary authentication failure"),
    ("managesieve", b'NO "Authentication failed."'),
    ("managesieve", b'NO "Invalid user or password"'),
]
REFUSED_UNSEEN = [
    ("imap", b"l NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."),
    ("imap", b"l BAD invalid command"),
    ("pop3", b"-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."),
    ("pop3", b"-ERR invalid command"),
    ("submission", b"530 5.7.0 Must issue a STARTTLS command first"),
    ("submission", b"538 5.7.11 Encryption required for requested authentication mechanism"),
    ("submission", b"503 5.5.1 Error: authentication not enabled"),
    ("submission", b"523 5.7.10 Plaintext authentication disabled."),
    ("managesieve", b'NO (ENCRYPT-NEEDED) "Authentication failed: use STARTTLS"'),
]


@pytest.mark.parametrize(("protocol", "line"), LOOKED)
def test_credentials_were_looked_at(protocol: str, line: bytes) -> None:
    assert has_looked(DIALECTS[protocol], Reply((line,), End.COMPLETE))


@pytest.mark.parametrize(("protocol", "line"), REFUSED_UNSEEN)
def test_credentials_were_refused_unseen(protocol: str, line: bytes) -> None:
    assert not has_looked(DIALECTS[protocol], Reply((line,), End.COMPLETE))

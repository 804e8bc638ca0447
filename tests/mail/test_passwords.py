"""Which capabilities invite a password without TLS, and which no login at all."""

import pytest

from mailproxy.mail.protocols import PROTOCOLS


@pytest.mark.parametrize(
    ("protocol", "capabilities"),
    [
        ("imap", (b"IMAP4rev1",)),
        ("imap", (b"IMAP4rev1", b"AUTH=PLAIN")),
        ("pop3", (b"TOP", b"USER")),
        ("pop3", (b"SASL CRAM-MD5 PLAIN",)),
        ("smtp", (b"SIZE", b"auth login")),
        ("submission", (b"AUTH CRAM-MD5 XOAUTH2",)),
        ("managesieve", (b'"SASL" "SCRAM-SHA-256 PLAIN"',)),
        ("managesieve", (b'"sasl" "login"',)),
    ],
)
def test_password_would_be_taken(protocol: str, capabilities: tuple[bytes, ...]) -> None:
    assert PROTOCOLS[protocol].takes_passwords(capabilities)


@pytest.mark.parametrize(
    ("protocol", "capabilities"),
    [
        ("imap", (b"IMAP4rev1", b"STARTTLS", b"LOGINDISABLED")),
        ("pop3", (b"TOP", b"UIDL", b"STLS")),
        ("pop3", (b"SASL",)),
        ("pop3", (b"SASL CRAM-MD5",)),
        ("pop3", ()),
        ("smtp", (b"SIZE", b"8BITMIME")),
        ("smtp", (b"AUTH SCRAM-SHA-256",)),
        ("lmtp", (b"PIPELINING",)),
        ("managesieve", (b'"SASL" ""', b'"SIEVE" "plain"')),
    ],
)
def test_no_password_is_wanted(protocol: str, capabilities: tuple[bytes, ...]) -> None:
    assert not PROTOCOLS[protocol].takes_passwords(capabilities)


@pytest.mark.parametrize(
    ("protocol", "capabilities", "sign"),
    [
        ("imap", (b"IMAP4rev1", b"logindisabled"), "LOGINDISABLED"),
        ("imap", (b"IMAP4rev1", b"LOGINDISABLED", b"AUTH=EXTERNAL"), ""),
        ("imap", (b"IMAP4rev1",), ""),
        ("pop3", (b"TOP", b"SASL", b"STLS"), "no USER, no SASL mechanism"),
        ("pop3", (b"TOP", b"USER"), ""),
        ("pop3", (b"SASL EXTERNAL",), ""),
        ("pop3", (), ""),
        ("submission", (b"SIZE", b"STARTTLS"), "no AUTH"),
        ("submission", (b"AUTH EXTERNAL",), ""),
        ("smtp", (b"SIZE",), ""),
        ("lmtp", (b"SIZE",), ""),
        ("managesieve", (b'"SASL" ""', b'"SIEVE" "x"'), "no SASL mechanism"),
        ("managesieve", (b'"sasl" "PLAIN"',), ""),
    ],
)
def test_list_says_that_nobody_can_log_in(protocol: str, capabilities: tuple[bytes, ...], sign: str) -> None:
    assert PROTOCOLS[protocol].no_login(capabilities) == sign

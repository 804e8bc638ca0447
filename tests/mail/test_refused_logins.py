"""Refused logins in what servers say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.refused_logins import LONGEST_LINE, RefusedLogins

IMAP = (
    b"* CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN\r\na1 OK Pre-login capabilities listed.\r\n"
    b"a2 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
    b'* ID ("name" "Dovecot")\r\na3 OK ID completed.\r\n+ \r\n'
    b"a4 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
    b"a5 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n"
    b"* FLAGS (\\Answered \\Seen)\r\n* 1 FETCH (BODY[] {54}\r\n"
    b"x NO [AUTHENTICATIONFAILED] Authentication failed.\r\n)\r\na6 OK Fetch completed.\r\n"
)
POP3 = (
    b"+OK\r\nCAPA\r\nTOP\r\nSASL PLAIN LOGIN\r\nIMPLEMENTATION Dovecot\r\n.\r\n+OK\r\n"
    b"-ERR [AUTH] Authentication failed.\r\n+ \r\n-ERR [AUTH] Authentication failed.\r\n+OK Logged in.\r\n"
    b"+OK 3 octets\r\nReturn-Path: <a@example.org>\r\n\r\n-ERR [AUTH] Authentication failed.\r\n.\r\n"
)
SUBMISSION = (
    b"250-backend\r\n250 AUTH PLAIN\r\n535 5.7.8 Authentication failed.\r\n334 VXNlcm5hbWU6\r\n"
    b"535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 See the page.\r\n235 2.7.0 Logged in.\r\n"
    b"550 5.1.1 <a@example.org>: no such user\r\n535 5.7.8 never\r\n"
)
MANAGESIEVE = (
    b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"SASL" "PLAIN"\r\nOK "ready."\r\nNO "Authentication failed."\r\n'
    b'NO {22}\r\nAuthentication failed.\r\nOK "Logged in."\r\n{25}\r\nNO "Authentication failed."\r\nOK\r\n'
)
SESSIONS = {"imap": IMAP, "pop3": POP3, "submission": SUBMISSION, "smtp": SUBMISSION, "managesieve": MANAGESIEVE}


def reader(protocol: str) -> RefusedLogins:
    replies = PROTOCOLS[protocol].refused_logins
    assert isinstance(replies, re.Pattern)
    return RefusedLogins(replies)


def count(protocol: str, *lines: bytes) -> int:
    return reader(protocol).receive(b"".join(line + b"\r\n" for line in lines))


@pytest.mark.parametrize("protocol", SESSIONS)
def test_refused_logins_are_counted_until_one_succeeds(protocol: str) -> None:
    logins = reader(protocol)
    assert logins.receive(SESSIONS[protocol]) == 2
    assert logins.is_over


@given(st.sampled_from(sorted(SESSIONS)), st.lists(st.integers(1, 60), min_size=1))
def test_count_does_not_depend_on_the_pieces(protocol: str, sizes: list[int]) -> None:
    logins, session, found = reader(protocol), SESSIONS[protocol], 0
    while session and not logins.is_over:
        size = sizes[len(session) % len(sizes)]
        piece, session = session[:size], session[size:]
        found += logins.receive(piece)
    assert found == 2


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("imap", b"a NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"),
        ("imap", b"a NO [AUTHORIZATIONFAILED] no"),
        ("imap", b"a no [authenticationfailed] no"),
        ("imap", b"a NO [ALERT] Invalid credentials (Failure)"),
        ("imap", b"A001 NO LOGIN failed."),
        ("imap", b"1.2 NO AUTHENTICATE failed."),
        ("imap", b"a NO Login failed: user not found"),
        ("imap", b"a NO Invalid user name or password."),
        ("pop3", b"-ERR [AUTH] Authentication failed."),
        ("pop3", b"-ERR Logon failure: unknown user name or bad password."),
        ("pop3", b"-ERR Invalid login or password"),
        ("submission", b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6"),
        ("submission", b"535"),
        ("managesieve", b'NO "Authentication Error"'),
        ("managesieve", b'NO "Authentication failed."'),
    ],
)
def test_refusal_of_credentials_counts(protocol: str, line: bytes) -> None:
    assert count(protocol, line) == 1


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("imap", b"a NO [UNAVAILABLE] Temporary authentication failure."),
        ("imap", b"a NO Temporary authentication failure."),
        ("imap", b"a NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure connections."),
        ("imap", b"a NO [NONEXISTENT] Mailbox doesn't exist: login failed"),
        ("imap", b"a BAD Error in IMAP command received by server."),
        ("imap", b"* NO [AUTHENTICATIONFAILED] untagged"),
        ("imap", b"* BYE login failed"),
        ("imap", b"+ NO [AUTHENTICATIONFAILED]"),
        ("pop3", b"-ERR [SYS/TEMP] Temporary authentication failure."),
        ("pop3", b"-ERR [IN-USE] Login failed: mailbox is in use"),
        ("pop3", b"-ERR Unknown command."),
        ("submission", b"454 4.7.0 Temporary authentication failure"),
        ("submission", b"530 5.7.0 Authentication required"),
        ("submission", b"250 535 5.7.8"),
        ("managesieve", b'NO (TRYLATER) "Authentication failed."'),
        ("managesieve", b'NO (ENCRYPT-NEEDED) "Authentication failed without TLS"'),
        ("managesieve", b"NO \"line 1: error: unknown command 'password'.\""),
    ],
)
def test_other_refusals_do_not_count(protocol: str, line: bytes) -> None:
    logins = reader(protocol)
    assert logins.receive(line + b"\r\n") == 0
    assert not logins.is_over


@pytest.mark.parametrize(
    "header", [b"Return-Path: <a@example.org>", b"X-SPAM: no", b"RECEIVED: from x", b"1 120", b"<html>"]
)
def test_mail_of_a_pop3_server_is_not_searched(header: bytes) -> None:
    assert count("pop3", b"+OK message follows", header, b"-ERR [AUTH] in the mail") == 0


def test_lmtp_has_no_logins() -> None:
    assert PROTOCOLS["lmtp"].refused_logins is None


@pytest.mark.parametrize("length", [1, 99, 100, 101, 1000, 8192])
def test_length_of_a_tag_hides_nothing(length: int) -> None:
    line = b"a" * length + b" NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
    logins = reader("imap")
    assert sum(logins.receive(line[place : place + 700]) for place in range(0, len(line), 700)) == 1


def test_endless_line_is_given_up() -> None:
    logins = reader("imap")
    for _ in range(LONGEST_LINE // 100):
        logins.receive(b"x" * 100)
        assert not logins.is_over
    logins.receive(b"x" * 100)
    assert logins.is_over


@given(st.sampled_from(sorted(SESSIONS)), st.lists(st.binary(max_size=50)))
def test_any_bytes_are_taken(protocol: str, pieces: list[bytes]) -> None:
    logins = reader(protocol)
    assert sum(map(logins.receive, pieces)) <= sum(piece.count(b"\n") for piece in pieces)

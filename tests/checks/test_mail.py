"""What a health check says to a server, and what it makes of the answers."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.checks.mail import login_talk, mail_talk
from mailproxy.mail.backend.account import Account, Login
from mailproxy.mail.backend.talk import AccountRefused, BackendRefused, Misunderstood, Parted, Silence, TalkReader
from mailproxy.mail.protocols import PROTOCOLS

ACCOUNT = Account.of("probe", "s3cret")
PLAIN = "AHByb2JlAHMzY3JldA=="
SIEVE = 'S: "SIEVE" "fileinto"\nS: "SASL" "PLAIN LOGIN"\nS: OK "ready"\n'
EHLO = "C: EHLO mx.test\nS: 250-backend\nS: 250-SIZE\nS: 250 AUTH PLAIN LOGIN\n"

# What Dovecot 2.3.19.1 says.
MAIL = {
    "imap": "S: * OK [CAPABILITY IMAP4rev1] ready\nC: a2 LOGOUT\nS: * BYE Logging out\nS: a2 OK Logout completed.",
    "pop3": "S: +OK ready\nC: QUIT\nS: +OK Logging out",
    "smtp": "S: 220-backend\nS: 220 ready\nC: QUIT\nS: 221-2.0.0 x\nS: 221 2.0.0 Bye",
    "submission": "S: 220 backend ready\nC: QUIT\nS: 221 2.0.0 Bye",
    "lmtp": "S: 220 backend ready\nC: QUIT\nS: 221 2.0.0 Bye",
    "managesieve": SIEVE + 'C: LOGOUT\nS: OK "Logout completed."',
}

LOGIN = {
    "imap": (
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\n"
        'C: a1 LOGIN "probe" "s3cret"\nS: * CAPABILITY IMAP4rev1\nS: a1 OK Logged in\n'
        "C: a2 LOGOUT\nS: * BYE Logging out\nS: a2 OK Logout completed."
    ),
    "pop3": "S: +OK ready\nC: USER probe\nS: +OK\nC: PASS s3cret\nS: +OK Logged in.\nC: QUIT\nS: +OK Logging out.",
    "smtp": f"S: 220 ready\n{EHLO}C: AUTH PLAIN {PLAIN}\nS: 235 2.7.0 Logged in.\nC: QUIT\nS: 221 2.0.0 Bye",
    "submission": f"S: 220 ready\n{EHLO}C: AUTH PLAIN {PLAIN}\nS: 235 2.7.0 Logged in.\nC: QUIT\nS: 221 2.0.0 Bye",
    "lmtp": "S: 220 ready\nC: LHLO mx.test\nS: 250-backend\nS: 250 PIPELINING\nC: QUIT\nS: 221 2.0.0 Bye",
    "managesieve": (
        f'{SIEVE}C: AUTHENTICATE "PLAIN" "{PLAIN}"\nS: OK "Logged in."\nC: LOGOUT\nS: OK "Logout completed."'
    ),
}


def mail(protocol: str) -> TalkReader[None]:
    return TalkReader(mail_talk(protocol), unasked=True)


def login(protocol: str, account: Account = ACCOUNT, mailbox: bytes | None = None) -> TalkReader[None]:
    return TalkReader(login_talk(protocol, Login(account, mailbox, b"mx.test")), unasked=True)


def play(talk: TalkReader[None], text: str) -> None:
    """Play a trace: ``S: `` is a line of the server's, ``C: `` the line of ours that has to follow."""
    sent = b""
    for line in text.splitlines():
        data = line[3:].encode() + b"\r\n"
        if line.startswith("S: "):
            assert sent == b"", "more was said than the trace has"
            sent = talk.receive(data)
        else:
            assert sent[: len(data)] == data
            sent = sent[len(data) :]
    assert sent == b"", "more was said than the trace has"


def received_in(text: str) -> list[bytes]:
    """The server's lines of a trace, one part for each request."""
    portions = [b""]
    for line in text.splitlines():
        if line.startswith("S: "):
            portions[-1] += line[3:].encode() + b"\r\n"
        elif portions[-1]:
            portions.append(b"")
    return portions


def outcome(talk: TalkReader[None], chunks: Sequence[bytes]) -> tuple[bytes, str]:
    """The result of a probe that gets these bytes; the server closes after them."""
    sent = b""
    try:
        for chunk in chunks:
            sent += talk.receive(chunk)
        talk.end(Parted())
    except BackendRefused as refused:
        return b"", f"{type(refused).__name__} {refused}"
    return sent, ""


def refusal(talk: TalkReader[None], *lines: str) -> BackendRefused:
    """Why the server is not well, after these lines."""
    with pytest.raises(BackendRefused) as raised:
        talk.receive("".join(f"{line}\r\n" for line in lines).encode())
    return raised.value


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_mail_check_gets_the_greeting_and_leaves(protocol: str) -> None:
    talk = mail(protocol)
    play(talk, MAIL[protocol])
    assert talk.is_over


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_login_check_logs_in_and_leaves(protocol: str) -> None:
    talk = login(protocol)
    play(talk, LOGIN[protocol])
    assert talk.is_over


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("trace", [MAIL, LOGIN])
def test_closing_is_an_answer_to_a_goodbye(protocol: str, trace: dict[str, str]) -> None:
    talk = mail(protocol) if trace is MAIL else login(protocol)
    for portion in received_in(trace[protocol])[:-1]:
        talk.receive(portion)
    assert not talk.is_over
    talk.end(Parted())
    assert talk.is_over


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_silence_is_no_answer_to_a_goodbye(protocol: str) -> None:
    talk = mail(protocol)
    talk.receive(received_in(MAIL[protocol])[0])
    with pytest.raises(BackendRefused, match=r"(LOGOUT|QUIT): expected .*, got nothing within 1 s"):
        talk.end(Silence("nothing within 1 s"))


@pytest.mark.parametrize(
    ("protocol", "line", "reason"),
    [
        ("imap", "* BYE Auth process broken", "greeting: expected * OK, got * BYE Auth process broken"),
        ("imap", "* PREAUTH hello", "greeting: expected * OK, got * PREAUTH hello"),
        ("imap", "* OK\r\n* BYE [UNAVAILABLE] x", "LOGOUT: expected OK, got * BYE [UNAVAILABLE] x"),
        ("pop3", "-ERR [SYS/TEMP] no", "greeting: expected +OK, got -ERR [SYS/TEMP] no"),
        ("pop3", "+OK\r\n-ERR [SYS/TEMP] no", "QUIT: expected +OK, got -ERR [SYS/TEMP] no"),
        ("smtp", "421 4.3.2 Shutting down", "greeting: expected 220, got 421 4.3.2 Shutting down"),
        ("submission", "451 4.3.0 Later", "greeting: expected 220, got 451 4.3.0 Later"),
        ("lmtp", "220 x\r\n421 4.3.2 Shutting down", "QUIT: expected 221, got 421 4.3.2 Shutting down"),
        ("smtp", "220-x\r\n2200", "greeting: expected 220, got 2200"),
        ("managesieve", 'BYE (TRYLATER) "no"', 'greeting: expected OK, got BYE (TRYLATER) "no"'),
        ("managesieve", 'OK\r\nBYE (TRYLATER) "no"', 'LOGOUT: expected OK, got BYE (TRYLATER) "no"'),
    ],
)
def test_unwell_server_is_reported_with_what_it_said(protocol: str, line: str, reason: str) -> None:
    refused = refusal(mail(protocol), line)
    assert str(refused) == reason
    assert not isinstance(refused, AccountRefused)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", "greeting: expected 220, got nothing within 1 s"),
        (b"\x15\x03\x01", "greeting: expected 220, got nothing within 1 s after \\x15\\x03\\x01"),
        (b"220-x\r\n", "greeting: expected 220 after 220-x, where postscreen waits for 6 s, got nothing within 1 s"),
    ],
)
def test_silent_server_is_reported_with_the_piece_that_it_said(rest: bytes, reason: str) -> None:
    talk = mail("smtp")
    talk.receive(rest)
    with pytest.raises(BackendRefused) as raised:
        talk.end(Silence("nothing within 1 s"))
    assert str(raised.value) == reason


def test_server_that_closes_has_not_greeted() -> None:
    with pytest.raises(BackendRefused) as raised:
        mail("imap").end(Parted())
    assert str(raised.value) == "greeting: expected * OK, got the end of the connection"


def test_dovecot_waiting_for_its_auth_process_has_not_greeted() -> None:
    talk = mail("imap")
    assert talk.receive(b"* OK Waiting for authentication process to respond..\r\n") == b""
    with pytest.raises(BackendRefused, match="OK after Waiting for authentication process, got nothing"):
        talk.end(Silence("nothing within 1 s"))


def test_end_after_the_talk_is_none_of_its() -> None:
    talk = mail("pop3")
    talk.receive(b"+OK\r\n+OK\r\n")
    talk.end(Parted())
    assert talk.is_over


@pytest.mark.parametrize(
    ("protocol", "lines", "reason"),
    [
        ("imap", ("* OK", "a1 NO [UNAVAILABLE] Temporary"), "LOGIN: expected OK, got a1 NO [UNAVAILABLE] Temporary"),
        ("imap", ("* OK", "a1 NO [SERVERBUG] x"), "LOGIN: expected OK, got a1 NO [SERVERBUG] x"),
        ("imap", ("* OK", "a1 BAD what"), "LOGIN: expected OK, got a1 BAD what"),
        ("imap", ("* OK", "* BYE Disconnected"), "LOGIN: expected OK, got * BYE Disconnected"),
        ("pop3", ("+OK", "+OK", "-ERR [SYS/TEMP] x"), "PASS: expected +OK, got -ERR [SYS/TEMP] x"),
        ("pop3", ("+OK", "+OK", "-ERR [SYS/PERM] x"), "PASS: expected +OK, got -ERR [SYS/PERM] x"),
        ("smtp", ("220 x", "421 x"), "EHLO: expected 250, got 421 x"),
        ("submission", ("220 x", "250-x", "250 AUTH PLAIN", "454 4.7.0 x"), "AUTH: expected 235, got 454 4.7.0 x"),
        ("submission", ("220 x", "250-x", "250 AUTH PLAIN", "421 4.4.0 x"), "AUTH: expected 235, got 421 4.4.0 x"),
        ("submission", ("220 x", "250-x", "250 AUTH PLAIN", "334 x"), "AUTH: expected 235, got 334 x"),
        (
            "submission",
            ("220 x", "250-x", "250 AUTH PLAIN", "235 x", "421 4.4.0 no relay"),
            "QUIT: expected 221, got 421 4.4.0 no relay",
        ),
        ("lmtp", ("220 x", "451 x"), "LHLO: expected 250, got 451 x"),
        (
            "managesieve",
            ('"SASL" "PLAIN"', "OK", 'NO (TRYLATER) "x"'),
            'AUTHENTICATE: expected OK, got NO (TRYLATER) "x"',
        ),
        ("managesieve", ('"SASL" "PLAIN"', "OK", 'BYE "x"'), 'AUTHENTICATE: expected OK, got BYE "x"'),
    ],
)
def test_failed_login_is_blamed_on_the_server(protocol: str, lines: tuple[str, ...], reason: str) -> None:
    refused = refusal(login(protocol), *lines)
    assert str(refused) == reason
    assert not isinstance(refused, AccountRefused)


@pytest.mark.parametrize(
    ("protocol", "lines"),
    [
        ("imap", ("* OK", "a1 NO [AUTHENTICATIONFAILED] Authentication failed.")),
        ("imap", ("* OK", "a1 NO [PRIVACYREQUIRED] TLS first")),
        ("imap", ("* OK", "a1 NO Login failed.")),
        ("imap", ("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x",)),
        ("pop3", ("+OK", "-ERR [AUTH] Plaintext authentication disallowed")),
        ("pop3", ("+OK", "+OK", "-ERR [AUTH] Authentication failed.")),
        ("pop3", ("+OK", "+OK", "-ERR [IN-USE] Locked")),
        ("pop3", ("+OK", "+OK", "-ERR no")),
        ("submission", ("220 x", "250-x", "250 SIZE")),
        ("smtp", ("220 x", "250-x", "250 AUTH ")),
        ("smtp", ("220 x", "250-x", "250 AUTH PLAIN", "535 5.7.8 no")),
        ("submission", ("220 x", "250-x", "250 AUTH PLAIN", "530 5.7.0 TLS required.")),
        ("managesieve", ('"SASL" ""', "OK")),
        ("managesieve", ("OK",)),
        ("managesieve", ('"SASL" "PLAIN"', "OK", 'NO "Authentication failed."')),
        ("managesieve", ('"SASL" "PLAIN"', "OK", 'NO (AUTH-TOO-WEAK) "x"')),
    ],
)
def test_failed_login_is_blamed_on_the_account(protocol: str, lines: tuple[str, ...]) -> None:
    assert isinstance(refusal(login(protocol), *lines), AccountRefused)


def test_imap_opens_a_mailbox() -> None:
    talk = login("imap", mailbox=b'IN"BOX')
    play(talk, 'S: * OK x\nC: a1 LOGIN "probe" "s3cret"\nS: a1 OK x\nC: m1 SELECT "IN\\"BOX"')
    play(talk, "S: * 3 EXISTS\nS: m1 OK [READ-WRITE] x\nC: a2 LOGOUT\nS: a2 OK x")
    assert talk.is_over


@pytest.mark.parametrize(
    ("line", "is_about_account"),
    [("m1 NO [SERVERBUG] Internal error", False), ("m1 NO x", False), ("m1 NO [NONEXISTENT] x", True)],
)
def test_mailbox_that_does_not_open_is_reported(line: str, is_about_account: bool) -> None:
    refused = refusal(login("imap", mailbox=b"INBOX"), "* OK", "a1 OK", line)
    assert str(refused) == f"SELECT: expected OK, got {line}"
    assert isinstance(refused, AccountRefused) == is_about_account


def test_pop3_looks_into_its_mailbox() -> None:
    talk = login("pop3", mailbox=b"INBOX")
    play(talk, "S: +OK\nC: USER probe\nS: +OK\nC: PASS s3cret\nS: +OK\nC: STAT\nS: +OK 1 2\nC: QUIT\nS: +OK")
    assert talk.is_over


def test_pop3_whose_mailbox_closes_the_connection_is_not_well() -> None:
    talk = login("pop3", mailbox=b"INBOX")
    talk.receive(b"+OK\r\n+OK\r\n+OK Logged in.\r\n")
    with pytest.raises(BackendRefused) as raised:
        talk.end(Parted())
    assert str(raised.value) == "STAT: expected +OK, got the end of the connection"


def test_smtp_server_that_knows_no_logins_is_well() -> None:
    play(login("smtp"), "S: 220 x\nC: EHLO mx.test\nS: 250-x\nS: 250 SIZE\nC: QUIT\nS: 221 x")


def test_imap_quotes_what_needs_it() -> None:
    play(login("imap", Account.of('a"b', "c\\d")), 'S: * OK x\nC: a1 LOGIN "a\\"b" "c\\\\d"')


def test_imap_takes_sasl_for_what_is_not_ascii() -> None:
    talk = login("imap", Account.of("probe", "s€"))
    play(talk, "S: * OK x\nC: a1 AUTHENTICATE PLAIN\nS: +\nC: AHByb2JlAHPigqw=\nS: a1 OK x\nC: a2 LOGOUT")


def test_imap_without_sasl_plain_refuses_the_account() -> None:
    assert isinstance(refusal(login("imap", Account.of("probe", "€")), "* OK", "a1 NO what"), AccountRefused)


@pytest.mark.parametrize("account", [("pro be", "x"), ("probé", "x"), ("probe", "é"), ("probe", "x" * 249)])
def test_pop3_takes_sasl_for_what_does_not_fit(account: tuple[str, str]) -> None:
    made = Account.of(*account)
    play(login("pop3", made), f"S: +OK\nC: AUTH PLAIN\nS: + \nC: {made.plain.decode()}\nS: +OK\nC: QUIT\nS: +OK")


@pytest.mark.parametrize(
    ("user", "password", "error"),
    [
        ("", "x", "the user is empty"),
        ("x", "", "the password is empty"),
        ("x", "y\r\nz", "the password has a control character in it"),
        ("x\0", "y", "the user has a control character in it"),
        ("x", "€" * 86, "the password has 258 octets in UTF-8, 255 is the most"),
    ],
)
def test_account_that_no_protocol_carries_is_refused(user: str, password: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{error}$"):
        Account.of(user, password)


def test_password_is_not_shown_with_its_account() -> None:
    assert "s3cret" not in repr(Login(ACCOUNT, None, b"mx.test"))


@pytest.mark.parametrize(
    ("protocol", "lines"),
    [
        ("imap", ("* OK", 'a1 BAD what: LOGIN "probe" "S3CRET"')),
        ("pop3", ("+OK", "+OK", "-ERR unknown command PASS s3cret")),
        ("smtp", ("220 x", "250-x", "250 AUTH PLAIN", f"500 AUTH PLAIN {PLAIN}")),
        ("managesieve", ('"SASL" "PLAIN"', "OK", f'NO "{PLAIN}?"')),
    ],
)
def test_password_that_a_server_repeats_is_not_reported(protocol: str, lines: tuple[str, ...]) -> None:
    reason = str(refusal(login(protocol), *lines))
    assert "<password>" in reason
    assert "s3cret" not in reason.lower()
    assert PLAIN not in reason


@pytest.mark.parametrize("encoded", ["czNjcmV0", PLAIN, PLAIN.rstrip("=")])
def test_password_in_base64_is_not_reported(encoded: str) -> None:
    """A server may encode the password alone, as in AUTH LOGIN, and without padding."""
    reason = str(refusal(login("pop3"), "+OK", "+OK", f"-ERR no {encoded}, please"))
    assert reason == "PASS: expected +OK, got -ERR no <password>, please"


def test_piece_of_a_repeated_password_is_not_reported() -> None:
    talk = login("pop3")
    talk.receive(b"+OK\r\n+OK\r\n-ERR PASS s3cr")
    with pytest.raises(BackendRefused) as raised:
        talk.end(Parted())
    assert str(raised.value) == "PASS: expected +OK, got the end of the connection"


SENT = st.sampled_from(
    [
        *(portion for trace in (*MAIL.values(), *LOGIN.values()) for portion in received_in(trace)),
        *(b"a1 NO [UNAVAILABLE] x\r\n", b"+\r\n", b"535 x\r\n", b'"A" {1}\r\n', b"NO {2}\r\n", b"BYE (TRYLATER)\r\n"),
    ]
)


@given(st.sampled_from(sorted(PROTOCOLS)), st.booleans(), st.lists(st.binary(max_size=8) | SENT, max_size=8))
def test_anything_is_read_and_any_pieces_make_the_same_of_it(protocol: str, logs_in: bool, chunks: list[bytes]) -> None:
    talks = [login(protocol) if logs_in else mail(protocol) for _ in range(3)]
    data = b"".join(chunks)
    whole = outcome(talks[0], [data])
    assert outcome(talks[1], chunks) == whole
    assert outcome(talks[2], [data[at : at + 1] for at in range(len(data))]) == whole


CARRIED = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(CARRIED, CARRIED, st.sampled_from(sorted(LOGIN)))
def test_account_makes_whole_lines_of_ascii(user: str, password: str, protocol: str) -> None:
    talk = login(protocol, Account.of(user, password))
    with suppress(BackendRefused):
        for portion in (*received_in(LOGIN[protocol])[:-2], b"+ \r\n"):
            sent = talk.receive(portion)
            assert sent == b"" or (sent.endswith(b"\r\n") and sent.count(b"\n") == sent.count(b"\r") == 1)
            assert sent.isascii()


@given(st.text(st.characters(max_codepoint=31), min_size=1), st.text(max_size=5))
def test_control_characters_are_refused_without_being_reported(control: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"the password has a control character in it|255 is the most") as raised:
        Account.of("probe", text + control + text)
    assert str(raised.value).isprintable()


# A server that takes the PROXY header for commands: its greeting is good, and then it complains.


@pytest.mark.parametrize("begin", ["", "greeting"])
@pytest.mark.parametrize(
    ("protocol", "greeting", "error", "reason"),
    [
        ("imap", "* OK", "* BAD Error in IMAP command.", "LOGOUT: expected OK, got * BAD Error in IMAP command."),
        ("imap", "* OK", "QUIT BAD Unknown", "LOGOUT: expected OK, got QUIT BAD Unknown"),
        ("imap", "* OK", "a2 BAD Error", "LOGOUT: expected OK, got a2 BAD Error"),
        ("pop3", "+OK", "-ERR Unknown command.", "QUIT: expected +OK, got -ERR Unknown command."),
        ("smtp", "220 x", "500 5.5.2 Error: bad syntax", "QUIT: expected 221, got 500 5.5.2 Error: bad syntax"),
        ("lmtp", "220 x", "502 5.5.2 Unknown", "QUIT: expected 221, got 502 5.5.2 Unknown"),
        ("managesieve", 'OK "ready"', 'NO "Error"', 'LOGOUT: expected OK, got NO "Error"'),
    ],
)
def test_error_before_the_goodbye_is_answered_is_a_misunderstanding(
    protocol: str, greeting: str, error: str, reason: str, begin: str
) -> None:
    talk = mail(protocol)
    if begin:
        talk.receive(f"{greeting}\r\n".encode())
        refused = refusal(talk, error)
    else:
        refused = refusal(talk, greeting, error)
    assert isinstance(refused, Misunderstood)
    assert str(refused) == reason


def test_imap_server_may_say_much_before_it_answers_a_goodbye() -> None:
    talk = mail("imap")
    talk.receive(b"* OK\r\n* NO [ALERT] Disk nearly full\r\n* BYE Logging out\r\na2 OK\r\n")
    assert talk.is_over

"""IMAP before TLS."""

import pytest

from mailproxy.mail.step import Cause, Next
from tests.mail.trace import dialogue, trace

LEARNED = (
    b"IMAP4rev1",
    b"SASL-IR",
    b"LOGIN-REFERRALS",
    b"ID",
    b"ENABLE",
    b"IDLE",
    b"LITERAL+",
    b"COMPRESS=DEFLATE",
    b"STARTTLS",
    b"AUTH=PLAIN",
    b"AUTH=XOAUTH2",
)


def test_greets_with_starttls_and_without_login() -> None:
    trace(dialogue("imap"), "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] mx.test ready")


def test_announces_what_was_learned_less_every_way_to_log_in() -> None:
    trace(
        dialogue("imap", capabilities=LEARNED),
        """
        C: a1 capability
        S: * CAPABILITY IMAP4rev1 ID ENABLE IDLE STARTTLS LOGINDISABLED
        S: a1 OK CAPABILITY completed
        """,
    )


def test_announces_logins_where_tls_is_optional() -> None:
    trace(
        dialogue("imap", capabilities=(b"IMAP4rev1", b"SASL-IR", b"AUTH=PLAIN", b"STARTTLS"), optional=True),
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN STARTTLS] mx.test ready",
    )


def test_imap4rev2_alone_is_left_alone() -> None:
    trace(
        dialogue("imap", capabilities=(b"IMAP4rev2",)),
        "S: * OK [CAPABILITY IMAP4rev2 STARTTLS LOGINDISABLED] mx.test ready",
    )


def test_what_is_no_capability_is_left_out() -> None:
    trace(
        dialogue("imap", capabilities=(b"IMAP4rev1", b"X]", b"a b", b"\xff", b"", b"QUOTA=RES-STORAGE")),
        "S: * OK [CAPABILITY IMAP4rev1 QUOTA=RES-STORAGE STARTTLS LOGINDISABLED] mx.test ready",
    )


def test_starttls_begins_tls() -> None:
    step = trace(dialogue("imap"), "C: x StartTLS\nS: x OK Begin TLS negotiation now")
    assert step.next is Next.START_TLS


def test_logout_says_goodbye() -> None:
    step = trace(dialogue("imap"), "C: x LOGOUT\nS: * BYE Logging out\nS: x OK LOGOUT completed")
    assert (step.next, step.cause) == (Next.CLOSE, Cause.GOODBYE)


def test_noop_and_id_are_answered() -> None:
    trace(
        dialogue("imap"),
        """
        C: 1 NOOP
        S: 1 OK NOOP completed
        C: 2 ID ("name" "Thunderbird" "version" "140.0")
        S: * ID NIL
        S: 2 OK ID completed
        C: 3 ID nil
        S: * ID NIL
        S: 3 OK ID completed
        """,
    )


@pytest.mark.parametrize(
    "command", ["LOGIN alice secret", "login", "AUTHENTICATE PLAIN", "AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA=="]
)
def test_login_needs_privacy(command: str) -> None:
    step = trace(dialogue("imap"), f"C: a {command}\nS: a NO [PRIVACYREQUIRED] Start TLS before you log in")
    assert step.next is Next.GO_ON


def test_response_sent_after_a_refused_authenticate_is_not_repeated() -> None:
    trace(
        dialogue("imap"),
        """
        C: a AUTHENTICATE PLAIN
        S: a NO [PRIVACYREQUIRED] Start TLS before you log in
        C: AGFsaWNlAHNlY3JldA==
        S: * BAD That is no command
        """,
    )


@pytest.mark.parametrize("line", ["", " ", "a", "a ", " a NOOP", "(a NOOP", "a+ NOOP", 'a"b NOOP', "a  NOOP", "ü NOOP"])
def test_line_without_tag_and_command_is_answered_untagged(line: str) -> None:
    trace(dialogue("imap"), f"C: {line}\nS: * BAD That is no command")


@pytest.mark.parametrize("command", ["SELECT INBOX", "UID FETCH 1 ALL", "XYZZY", "EHLO x", "ENABLE CONDSTORE", "STLS"])
def test_other_commands_are_bad(command: str) -> None:
    trace(dialogue("imap"), f"C: a]1 {command}\nS: a]1 BAD Unknown, or not to be used before you log in")


@pytest.mark.parametrize("command", ["STARTTLS now", "STARTTLS ", "NOOP x", "CAPABILITY x", "LOGOUT x"])
def test_arguments_where_there_are_none_are_bad(command: str) -> None:
    verb = command.partition(" ")[0]
    step = trace(dialogue("imap"), f"C: a {command}\nS: a BAD {verb} takes no arguments")
    assert step.next is Next.GO_ON


@pytest.mark.parametrize("arguments", ["", " x", ' ("name"'])
def test_id_without_a_list_is_bad(arguments: str) -> None:
    trace(dialogue("imap"), f"C: a ID{arguments}\nS: a BAD ID takes NIL or a list")


@pytest.mark.parametrize(
    "command",
    ["LOGIN {5}", "LOGIN {5+}", "LOGIN alice {6+}", 'ID ("a" ~{3}', "X {0}", "{99999999999}"],
)
def test_literal_closes(command: str) -> None:
    step = trace(dialogue("imap"), f"C: a {command}\nS: * BYE No literals before TLS\nS: a BAD No literals before TLS")
    assert (step.next, step.cause, step.reason) == (Next.CLOSE, Cause.BAD_INPUT, "a literal before TLS")


def test_literal_without_a_tag_closes() -> None:
    step = trace(dialogue("imap"), "C: {5}\nS: * BYE No literals before TLS\nS: * BAD No literals before TLS")
    assert step.next is Next.CLOSE


def test_password_in_a_literal_is_no_command() -> None:
    step = dialogue("imap").receive(b"a LOGIN {5+}\r\nalice {19+}\r\nx CAPABILITY\r\nx \r\n")
    assert step.reply.count(b"\r\n") == 2


def test_braces_at_the_end_of_a_quoted_string_are_no_literal() -> None:
    trace(dialogue("imap"), 'C: a LOGIN alice "{5}"\nS: a NO [PRIVACYREQUIRED] Start TLS before you log in')


@pytest.mark.parametrize(
    "line", [b"a login alice secret", b"a AUTHENTICATE PLAIN", b"a LOGIN {5}", b"a COMPRESS DEFLATE", b'a ID ("x" {1}']
)
def test_optional_hands_over_what_a_backend_has_to_answer(line: bytes) -> None:
    step = dialogue("imap", optional=True).receive(line + b"\r\n")
    assert (step.reply, step.next, step.pending, step.prelude) == (b"", Next.HAND_OVER, line + b"\r\n", b"")


def test_hand_over_has_everything_from_the_command_on() -> None:
    talk = dialogue("imap", optional=True)
    talk.receive(b'1 ID ("name" "x")\r\n2 NO')
    step = talk.receive(b"OP\r\n3 LOGIN {5+}\r\nalice {6+}\r\nsec\nret\r\n4 LIST")
    assert step.reply == b"2 OK NOOP completed\r\n"
    assert step.pending == b"3 LOGIN {5+}\r\nalice {6+}\r\nsec\nret\r\n4 LIST"


def test_optional_answers_by_itself_what_needs_no_backend() -> None:
    step = trace(
        dialogue("imap", optional=True),
        """
        S: * OK [CAPABILITY IMAP4rev1 STARTTLS] mx.test ready
        C: 1 ID ("name" "x")
        S: * ID NIL
        S: 1 OK ID completed
        C: 2 SELECT INBOX
        S: 2 BAD Unknown, or not to be used before you log in
        C: 3 STARTTLS
        S: 3 OK Begin TLS negotiation now
        """,
    )
    assert step.next is Next.START_TLS

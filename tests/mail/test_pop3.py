"""POP3 before TLS."""

import pytest

from mailproxy.mail.step import Cause, Next
from tests.mail.trace import dialogue, trace


def test_greets_without_a_challenge_for_apop() -> None:
    trace(dialogue("pop3"), "S: +OK mx.test ready")


def test_announces_what_every_server_has_until_something_was_learned() -> None:
    trace(
        dialogue("pop3"),
        """
        C: capa
        S: +OK Capability list follows
        S: TOP
        S: UIDL
        S: STLS
        S: .
        """,
    )


LEARNED = (b"CAPA", b"TOP", b"UIDL", b"RESP-CODES", b"PIPELINING", b"AUTH-RESP-CODE", b"UTF8 USER", b"LANG", b"STLS")
LOGINS = (b"USER", b"SASL PLAIN LOGIN", b"XOIP", b"XCLIENT")


def test_announces_what_was_learned_less_every_way_to_log_in() -> None:
    trace(
        dialogue("pop3", capabilities=LEARNED + LOGINS),
        """
        C: CAPA
        S: +OK Capability list follows
        S: CAPA
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: PIPELINING
        S: AUTH-RESP-CODE
        S: STLS
        S: .
        """,
    )


def test_announces_logins_where_tls_is_optional() -> None:
    trace(
        dialogue("pop3", capabilities=(b"TOP", *LOGINS), optional=True),
        """
        C: CAPA
        S: +OK Capability list follows
        S: TOP
        S: USER
        S: SASL PLAIN LOGIN
        S: STLS
        S: .
        """,
    )


@pytest.mark.parametrize("line", [b".", b"", b"\xff", b"TOP\x00", b"X" * 511])
def test_what_would_break_the_list_is_left_out(line: bytes) -> None:
    reply = dialogue("pop3", capabilities=(line,)).receive(b"CAPA\r\n").reply
    assert reply == b"+OK Capability list follows\r\nSTLS\r\n.\r\n"


def test_stls_begins_tls() -> None:
    step = trace(dialogue("pop3"), "C: stls\nS: +OK Begin TLS negotiation now")
    assert step.next is Next.START_TLS


def test_quit_says_goodbye() -> None:
    step = trace(dialogue("pop3"), "C: QUIT\nS: +OK Bye")
    assert (step.next, step.cause) == (Next.CLOSE, Cause.GOODBYE)


@pytest.mark.parametrize(
    "command",
    ["USER alice", "PASS secret", "APOP alice c4c9334bac560ecc979e58001b3e22fb", "AUTH", "auth PLAIN AGEAYg==", "USER"],
)
def test_login_is_refused(command: str) -> None:
    step = trace(dialogue("pop3"), f"C: {command}\nS: -ERR Start TLS before you log in")
    assert step.next is Next.GO_ON


@pytest.mark.parametrize("command", ["STLS now", "STLS ", "CAPA x", "QUIT x"])
def test_arguments_where_there_are_none_are_refused(command: str) -> None:
    trace(dialogue("pop3"), f"C: {command}\nS: -ERR That takes no arguments")


@pytest.mark.parametrize("command", ["NOOP", "STAT", "", " ", "UTF8", "LANG", "STARTTLS", "Üser x"])
def test_other_commands_are_refused(command: str) -> None:
    trace(dialogue("pop3"), f"C: {command}\nS: -ERR Unknown, or not to be used before you log in")


@pytest.mark.parametrize("line", [b"USER alice", b"APOP a b", b"AUTH PLAIN", b"auth", b"UTF8", b"LANG de"])
def test_optional_hands_over_what_a_backend_has_to_answer(line: bytes) -> None:
    step = dialogue("pop3", optional=True).receive(b"CAPA\r\n" + line + b"\r\nPASS secret\r\n")
    assert (step.next, step.pending, step.prelude) == (Next.HAND_OVER, line + b"\r\nPASS secret\r\n", b"")
    assert step.reply.endswith(b"STLS\r\n.\r\n")


def test_token_longer_than_a_command_is_handed_over() -> None:
    line = b"AUTH XOAUTH2 " + b"x" * 4000 + b"\r\n"
    assert dialogue("pop3", optional=True).receive(line).pending == line

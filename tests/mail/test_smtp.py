"""SMTP and submission before TLS."""

import pytest

from mailproxy.mail.step import Cause, Next
from tests.mail.trace import dialogue, trace

LEARNED = (
    b"PIPELINING",
    b"SIZE 52428800",
    b"AUTH PLAIN LOGIN",
    b"AUTH=PLAIN LOGIN",
    b"ENHANCEDSTATUSCODES",
    b"CHUNKING",
    b"BINARYMIME",
    b"BURL imap",
    b"STARTTLS",
    b"XCLIENT ADDR PORT",
    b"XFORWARD NAME",
    b"REQUIRETLS",
    b"SMTPUTF8",
)


@pytest.mark.parametrize("protocol", ["smtp", "submission"])
def test_client_is_greeted_with_220(protocol: str) -> None:
    trace(dialogue(protocol), "S: 220 mx.test ESMTP")


def test_announces_what_every_server_has_until_something_was_learned() -> None:
    trace(
        dialogue("submission"),
        """
        C: EHLO client.test
        S: 250-mx.test
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250 STARTTLS
        """,
    )


def test_announces_what_was_learned_less_every_way_to_log_in() -> None:
    trace(
        dialogue("submission", capabilities=LEARNED),
        """
        C: ehlo [192.0.2.1]
        S: 250-mx.test
        S: 250-PIPELINING
        S: 250-SIZE 52428800
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SMTPUTF8
        S: 250 STARTTLS
        """,
    )


def test_announces_logins_where_tls_is_optional() -> None:
    trace(
        dialogue("submission", capabilities=(b"AUTH PLAIN LOGIN", b"CHUNKING", b"XCLIENT ADDR"), optional=True),
        """
        C: EHLO client.test
        S: 250-mx.test
        S: 250-AUTH PLAIN LOGIN
        S: 250-CHUNKING
        S: 250 STARTTLS
        """,
    )


@pytest.mark.parametrize("line", [b"", b"-X", b"\xff", b"SIZE\t1", b"X" * 507, b"XAUTH\n250 AUTH"])
def test_what_would_break_the_list_is_left_out(line: bytes) -> None:
    reply = dialogue("smtp", capabilities=(line,)).receive(b"EHLO x\r\n").reply
    assert reply == b"250-mx.test\r\n250 STARTTLS\r\n"


def test_helo_has_no_list() -> None:
    trace(dialogue("smtp"), "C: HELO client.test\nS: 250 mx.test")


def test_starttls_begins_tls() -> None:
    step = trace(dialogue("smtp"), "C: StartTls\nS: 220 2.0.0 Ready to start TLS")
    assert step.next is Next.START_TLS


def test_starttls_with_parameters_is_refused() -> None:
    step = trace(dialogue("smtp"), "C: STARTTLS now\nS: 501 5.5.4 That takes no parameters")
    assert step.next is Next.GO_ON


def test_white_space_at_the_end_is_borne() -> None:
    assert dialogue("smtp").receive(b"STARTTLS \t \r\n").next is Next.START_TLS


def test_quit_says_goodbye() -> None:
    step = trace(dialogue("smtp"), "C: QUIT\nS: 221 2.0.0 Bye")
    assert (step.next, step.cause) == (Next.CLOSE, Cause.GOODBYE)


@pytest.mark.parametrize("command", ["NOOP", "NOOP hello", "RSET"])
def test_harmless_commands_are_answered(command: str) -> None:
    trace(dialogue("smtp"), f"C: {command}\nS: 250 2.0.0 OK")


@pytest.mark.parametrize(
    "command",
    [
        "MAIL FROM:<a@b.test>",
        "rcpt TO:<a@b.test>",
        "DATA",
        "AUTH PLAIN",
        "AUTH PLAIN AGFsaWNlAHNlY3JldA==",
        "auth login",
        "VRFY a",
        "EXPN a",
        "HELP",
        "ETRN b.test",
        "BURL imap://x LAST",
    ],
)
def test_other_commands_need_starttls_first(command: str) -> None:
    step = trace(dialogue("submission"), f"C: {command}\nS: 530 5.7.0 Must issue a STARTTLS command first")
    assert step.next is Next.GO_ON


@pytest.mark.parametrize(
    "command", ["", "XCLIENT ADDR=192.0.2.1", "LHLO x", "AGFsaWNlAHNlY3JldA==", "Ü", "STLS", "EHLO\tx"]
)
def test_unknown_commands_are_not_recognized(command: str) -> None:
    trace(dialogue("smtp"), f"C: {command}\nS: 500 5.5.1 Command unrecognized")


@pytest.mark.parametrize("command", ["EHLO", "HELO ", "EHLO two words", "EHLO ü.test", "EHLO " + "x" * 256])
def test_introduction_without_a_name_is_refused(command: str) -> None:
    trace(dialogue("smtp"), f"C: {command}\nS: 501 5.5.4 A domain name or an address literal is wanted")


@pytest.mark.parametrize("command", ["QUIT now", "RSET now"])
def test_parameters_where_there_are_none_are_refused(command: str) -> None:
    trace(dialogue("smtp"), f"C: {command}\nS: 501 5.5.4 That takes no parameters")


def test_data_of_bdat_are_no_commands() -> None:
    step = dialogue("smtp").receive(b"BDAT 10 LAST\r\nSTARTTLS\r\n")
    assert (step.next, step.cause) == (Next.CLOSE, Cause.BAD_INPUT)
    assert step.reply == b"421 4.7.0 Must issue a STARTTLS command first, closing transmission channel\r\n"


@pytest.mark.parametrize("line", [b"MAIL FROM:<a@b.test>", b"auth plain AGEAYg==", b"VRFY a", b"HELP", b"BDAT 5 LAST"])
def test_optional_hands_over_what_a_backend_has_to_answer(line: bytes) -> None:
    step = dialogue("submission", optional=True).receive(line + b"\r\nhello")
    assert (step.reply, step.next, step.pending) == (b"", Next.HAND_OVER, line + b"\r\nhello")


def test_hand_over_introduces_the_client_to_the_backend() -> None:
    talk = dialogue("submission", optional=True)
    talk.receive(b"HELO old.test\r\nehlo client.test \r\n")
    step = talk.receive(b"RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
    assert step.reply == b"250 2.0.0 OK\r\n"
    assert step.prelude == b"EHLO client.test\r\n"
    assert step.pending == b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"


def test_client_that_did_not_introduce_itself_is_not_introduced() -> None:
    talk = dialogue("smtp", optional=True)
    talk.receive(b"EHLO two words\r\n")
    assert talk.receive(b"MAIL FROM:<>\r\n").prelude == b""

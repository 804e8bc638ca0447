"""ManageSieve before TLS."""

import pytest

from mailproxy.mail.step import Cause, Next
from tests.mail.trace import dialogue, trace

LEARNED = (
    b'"IMPLEMENTATION" "Dovecot Pigeonhole"',
    b'"SIEVE" "fileinto reject"',
    b'"NOTIFY" "mailto"',
    b'"SASL" "PLAIN LOGIN"',
    b'"STARTTLS"',
    b'"XCLIENT" "ADDR PORT"',
    b'"LANGUAGE" "en"',
    b'"VERSION" "1.0"',
)


def test_greets_with_a_whole_listing_until_something_was_learned() -> None:
    trace(
        dialogue("managesieve"),
        """
        S: "IMPLEMENTATION" "mailproxy"
        S: "SIEVE" ""
        S: "VERSION" "1.0"
        S: "SASL" ""
        S: "STARTTLS"
        S: OK "mx.test ready"
        """,
    )


def test_announces_what_was_learned_less_every_way_to_log_in() -> None:
    trace(
        dialogue("managesieve", capabilities=LEARNED),
        """
        C: Capability
        S: "SASL" ""
        S: "IMPLEMENTATION" "Dovecot Pigeonhole"
        S: "SIEVE" "fileinto reject"
        S: "NOTIFY" "mailto"
        S: "VERSION" "1.0"
        S: "STARTTLS"
        S: OK "Capability list completed"
        """,
    )


def test_announces_logins_where_tls_is_optional() -> None:
    reply = dialogue("managesieve", capabilities=LEARNED, optional=True).greeting()
    assert reply.count(b'"SASL"') == 1
    assert b'"SASL" "PLAIN LOGIN"\r\n' in reply


@pytest.mark.parametrize(
    "line", [b"", b'"X', b'"X" {1}', b'"X" "a"b"', b'"X" "\r\n"', b"OK", b'"' + b"X" * 4095 + b'"']
)
def test_what_would_break_the_list_is_left_out(line: bytes) -> None:
    assert dialogue("managesieve", capabilities=(line,)).greeting() == dialogue("managesieve").greeting()


def test_starttls_begins_tls() -> None:
    step = trace(dialogue("managesieve"), 'C: starttls\nS: OK "Begin TLS negotiation now"')
    assert step.next is Next.START_TLS


def test_logout_says_goodbye() -> None:
    step = trace(dialogue("managesieve"), 'C: LOGOUT\nS: OK "Logging out"')
    assert (step.next, step.cause) == (Next.CLOSE, Cause.GOODBYE)


def test_noop_gives_the_tag_back() -> None:
    trace(
        dialogue("managesieve"),
        r"""
        C: NOOP
        S: OK "Done"
        C: noop "a \"b\" \\"
        S: OK (TAG "a \"b\" \\") "Done"
        """,
    )


@pytest.mark.parametrize("tag", ["x", '"x', '"x" "y"', '"\\x"', ""])
def test_noop_with_something_else_is_refused(tag: str) -> None:
    assert dialogue("managesieve").receive(b"NOOP %s\r\n" % tag.encode()).reply == b'NO "NOOP takes one string"\r\n'


@pytest.mark.parametrize("arguments", [' "PLAIN"', ' "PLAIN" "AGFsaWNlAHNlY3JldA=="', ' "EXTERNAL"', ""])
def test_login_needs_encryption(arguments: str) -> None:
    line = 'NO (ENCRYPT-NEEDED) "Start TLS before you log in"'
    step = trace(dialogue("managesieve"), f"C: authenticate{arguments}\nS: {line}")
    assert step.next is Next.GO_ON


@pytest.mark.parametrize("line", ['AUTHENTICATE "PLAIN" {24+}', 'PUTSCRIPT "x" {10000+}', "NOOP {3+}", "{3+}", "X {3}"])
def test_literal_closes(line: str) -> None:
    step = trace(dialogue("managesieve"), f'C: {line}\nS: BYE (ENCRYPT-NEEDED) "No literals before TLS"')
    assert (step.next, step.cause) == (Next.CLOSE, Cause.BAD_INPUT)


@pytest.mark.parametrize("line", ["", " ", 'HAVESPACE "x" 1', "LISTSCRIPTS", '"AGFsaWNlAHNlY3JldA=="', "1 NOOP", "Ü"])
def test_other_commands_are_refused(line: str) -> None:
    trace(dialogue("managesieve"), f'C: {line}\nS: NO "Unknown, or not to be used before you log in"')


@pytest.mark.parametrize("verb", ["STARTTLS", "CAPABILITY", "LOGOUT"])
def test_arguments_where_there_are_none_are_refused(verb: str) -> None:
    step = trace(dialogue("managesieve"), f'C: {verb} "x"\nS: NO "That takes no arguments"')
    assert step.next is Next.GO_ON


@pytest.mark.parametrize("line", [b'AUTHENTICATE "PLAIN"', b'authenticate "PLAIN" {9+}', b"AUTHENTICATE"])
def test_optional_hands_over_a_login(line: bytes) -> None:
    step = dialogue("managesieve", optional=True).receive(b"NOOP\r\n" + line + b"\r\nAGEAYgBj\r\n")
    assert (step.next, step.prelude, step.pending) == (Next.HAND_OVER, b"", line + b"\r\nAGEAYgBj\r\n")
    assert step.reply == b'OK "Done"\r\n'

"""What holds for the dialogue before TLS in every protocol."""

import pytest

from mailproxy.mail.dialogue import Settings, open_dialogue
from mailproxy.mail.limits import LOGIN_LINE, Limits
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.step import Cause, Next, Step
from tests.mail.trace import HOST, dialogue

STARTTLS = {
    "imap": b"a STARTTLS\r\n",
    "pop3": b"STLS\r\n",
    "smtp": b"STARTTLS\r\n",
    "submission": b"STARTTLS\r\n",
    "lmtp": b"STARTTLS\r\n",
    "managesieve": b"STARTTLS\r\n",
}
CLOSING = {
    "imap": b"* BYE ",
    "pop3": b"-ERR ",
    "smtp": b"421 4.7.0 ",
    "submission": b"421 4.7.0 ",
    "lmtp": b"421 4.7.0 ",
    "managesieve": b'BYE "',
}
GOODBYE = {"imap": b"a LOGOUT\r\n", "managesieve": b"LOGOUT\r\n"}
LOGIN = {
    "imap": b"a LOGIN x y\r\n",
    "pop3": b"USER x\r\n",
    "smtp": b"AUTH PLAIN\r\n",
    "submission": b"AUTH PLAIN\r\n",
    "lmtp": b"AUTH PLAIN\r\n",
    "managesieve": b'AUTHENTICATE "PLAIN"\r\n',
}

each_protocol = pytest.mark.parametrize("protocol", sorted(STARTTLS))


def test_every_protocol_that_greets_has_a_dialogue() -> None:
    assert set(STARTTLS) == set(PROTOCOLS)


def test_tcp_has_no_dialogue() -> None:
    with pytest.raises(KeyError):
        open_dialogue("tcp", Settings(host=HOST))


@pytest.mark.parametrize("host", [b"", b"a b", b"a<b>", b'a"b', b"a\r\nb", b"x" * 256, "ü".encode()])
def test_host_that_would_break_a_greeting_is_our_bug(host: bytes) -> None:
    with pytest.raises(ValueError, match="no host name"):
        Settings(host=host)


@each_protocol
def test_bytes_in_the_same_piece_as_starttls_close_without_a_reply(protocol: str) -> None:
    step = dialogue(protocol).receive(STARTTLS[protocol] + b"a")
    assert step == Step(next=Next.CLOSE, cause=Cause.INJECTION, reason="1 bytes after STARTTLS")
    assert step.is_injection


@each_protocol
def test_hello_of_tls_in_the_same_piece_as_starttls_closes(protocol: str) -> None:
    step = dialogue(protocol).receive(STARTTLS[protocol] + b"\x16\x03\x01\x02\x00\x01\x00")
    assert step.is_injection


@each_protocol
def test_bytes_given_after_starttls_close(protocol: str) -> None:
    talk = dialogue(protocol)
    assert talk.receive(STARTTLS[protocol]).next is Next.START_TLS
    assert talk.receive(b"a LOGOUT\r\n") == Step(next=Next.CLOSE, cause=Cause.INJECTION, reason="bytes after STARTTLS")


@each_protocol
def test_replies_before_starttls_are_sent_even_if_it_closes(protocol: str) -> None:
    first = dialogue(protocol).receive(b"x\r\n").reply
    assert dialogue(protocol).receive(b"x\r\n" + STARTTLS[protocol] + b"a").reply == first


@each_protocol
def test_starttls_behind_pipelined_commands_begins_tls(protocol: str) -> None:
    step = dialogue(protocol).receive(b"x\r\ny\r\n" + STARTTLS[protocol])
    assert step.next is Next.START_TLS
    assert step.reply.count(b"\r\n") == 3


@each_protocol
def test_nothing_is_sent_after_goodbye(protocol: str) -> None:
    talk = dialogue(protocol)
    goodbye = GOODBYE.get(protocol, b"QUIT\r\n")
    assert talk.receive(goodbye).next is Next.CLOSE
    assert talk.receive(goodbye).reply == b""
    assert talk.receive(STARTTLS[protocol]).next is Next.CLOSE


@each_protocol
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"NOOP\n", "a CR or LF outside of a CRLF"),
        (b"\n", "a CR or LF outside of a CRLF"),
        (b"NO\rOP\r\n", "a CR or LF outside of a CRLF"),
        (b"NOOP\r\r\n", "a CR or LF outside of a CRLF"),
        (b"NO\0OP\r\n", "a NUL in a line"),
    ],
)
def test_line_that_others_might_read_differently_closes(protocol: str, line: bytes, reason: str) -> None:
    step = dialogue(protocol).receive(line + STARTTLS[protocol])
    assert (step.next, step.cause, step.reason) == (Next.CLOSE, Cause.BAD_INPUT, reason)
    assert step.reply.startswith(CLOSING[protocol])
    assert step.reply.count(b"\r\n") == 1


@each_protocol
def test_line_of_the_largest_size_is_answered(protocol: str) -> None:
    step = dialogue(protocol).receive(b"x" * (PROTOCOLS[protocol].line - 2) + b"\r\n")
    assert step.next is Next.GO_ON
    assert step.reply


@each_protocol
def test_longer_line_closes_before_it_ends(protocol: str) -> None:
    step = dialogue(protocol).receive(b"x" * PROTOCOLS[protocol].line)
    assert (step.next, step.cause) == (Next.CLOSE, Cause.LIMIT)
    assert step.reason == f"a line has more than {PROTOCOLS[protocol].line} octets"
    assert step.reply.startswith(CLOSING[protocol] + b"Line too long")


@each_protocol
def test_longer_line_closes_also_if_it_has_ended(protocol: str) -> None:
    step = dialogue(protocol).receive(b"x" * (PROTOCOLS[protocol].line - 1) + b"\r\n")
    assert step.cause is Cause.LIMIT


@each_protocol
def test_login_may_be_long_where_tls_is_optional(protocol: str) -> None:
    line = LOGIN[protocol].rstrip() + b" "
    line += b"x" * (LOGIN_LINE - 2 - len(line)) + b"\r\n"
    assert dialogue(protocol, optional=True).receive(line).pending == line


@each_protocol
def test_too_many_commands_close(protocol: str) -> None:
    talk = dialogue(protocol, limits=Limits(line=100, commands=2))
    assert talk.receive(b"x\r\nx\r\n").next is Next.GO_ON
    step = talk.receive(b"x\r\nx\r\n")
    assert (step.next, step.cause, step.reason) == (Next.CLOSE, Cause.LIMIT, "more than 2 commands")
    assert step.reply.startswith(CLOSING[protocol] + b"Too many commands")
    assert step.reply.count(b"\r\n") == 1


@each_protocol
def test_too_many_errors_close(protocol: str) -> None:
    talk = dialogue(protocol, limits=Limits(line=100, errors=2))
    assert talk.receive(LOGIN[protocol] * 2).next is Next.GO_ON
    step = talk.receive(LOGIN[protocol])
    assert (step.next, step.cause, step.reason) == (Next.CLOSE, Cause.LIMIT, "more than 2 errors")
    assert step.reply.startswith(CLOSING[protocol] + b"Too many errors")


@each_protocol
def test_tls_from_the_first_byte_closes_without_a_word(protocol: str) -> None:
    talk = dialogue(protocol)
    assert talk.receive(b"\x16") == Step()
    step = talk.receive(b"\x03\x01\x02\x00")
    assert (step.reply, step.next) == (b"", Next.CLOSE)
    assert step.reason == "the client began TLS without STARTTLS"


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("imap", b"* BYE Too slow, closing\r\n"),
        ("pop3", b""),
        ("smtp", b"421 4.4.2 Too slow, closing transmission channel\r\n"),
        ("managesieve", b'BYE "Too slow, closing"\r\n'),
    ],
)
def test_slow_client_gets_the_reason_once(protocol: str, line: bytes) -> None:
    talk = dialogue(protocol)
    step = talk.late()
    assert (step.reply, step.next, step.cause) == (line, Next.CLOSE, Cause.LIMIT)
    assert talk.late().reply == b""
    assert talk.receive(STARTTLS[protocol]).reply == b""


@each_protocol
def test_client_that_was_handed_over_is_not_ours_any_more(protocol: str) -> None:
    talk = dialogue(protocol, optional=True)
    assert talk.receive(LOGIN[protocol]).next is Next.HAND_OVER
    with pytest.raises(ValueError, match="a backend has taken over"):
        talk.receive(b"x")

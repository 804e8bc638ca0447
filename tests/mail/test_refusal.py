"""The refusal of each protocol."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.mail.greeting import server_speaks_first
from mailproxy.mail.protocols import PROTOCOLS, protocol_words
from mailproxy.mail.refusal import WORDS_BYTES, Refusal, goodbye, read_refusal, refusal, refusal_with


@pytest.mark.parametrize(
    ("protocol", "pattern"),
    [
        ("imap", rb"\* BYE \[UNAVAILABLE\] [ -~]+"),
        ("pop3", rb"-ERR \[SYS/TEMP\] [ -~]+"),
        ("smtp", rb"421 4\.3\.2 [ -~]+"),
        ("submission", rb"421 4\.3\.2 [ -~]+"),
        ("lmtp", rb"421 4\.3\.2 [ -~]+"),
        ("managesieve", rb'BYE \(TRYLATER\) "[ !#-~]+"'),
    ],
)
def test_refusal_is_one_line_of_the_protocol(protocol: str, pattern: bytes) -> None:
    assert re.fullmatch(pattern + rb"\r\n", refusal(protocol))


def test_tcp_is_refused_without_a_word() -> None:
    assert refusal("tcp") == b""


def test_unknown_protocol_is_our_bug() -> None:
    with pytest.raises(KeyError):
        refusal("gopher")


def test_every_protocol_but_tcp_begins_with_the_server() -> None:
    assert server_speaks_first("managesieve")
    assert not server_speaks_first("tcp")


@pytest.mark.parametrize(
    ("protocol", "temporary", "permanent"),
    [
        ("imap", b"* BYE [UNAVAILABLE] one moment\r\n", b"* BYE [NOPERM] one moment\r\n"),
        ("pop3", b"-ERR [SYS/TEMP] one moment\r\n", b"-ERR [SYS/PERM] one moment\r\n"),
        ("smtp", b"421 4.3.2 one moment\r\n", b"554 5.7.1 one moment\r\n"),
        ("lmtp", b"421 4.3.2 one moment\r\n", b"554 5.7.1 one moment\r\n"),
        ("managesieve", b'BYE (TRYLATER) "one moment"\r\n', b'BYE "one moment"\r\n'),
        ("tcp", b"", b""),
    ],
)
def test_refusal_has_a_text(protocol: str, temporary: bytes, permanent: bytes) -> None:
    assert refusal_with(protocol, "one moment") == temporary
    assert refusal_with(protocol, "one moment", is_permanent=True) == permanent


@pytest.mark.parametrize("protocol", sorted(protocol_words()))
def test_refusal_without_a_text_has_the_usual_one(protocol: str) -> None:
    assert refusal_with(protocol) == refusal(protocol)
    assert (b"Access denied" in refusal_with(protocol, is_permanent=True)) == (protocol != "tcp")


def test_text_is_quoted_where_the_protocol_needs_it() -> None:
    assert refusal_with("managesieve", 'a "b" \\') == b'BYE (TRYLATER) "a \\"b\\" \\\\"\r\n'
    assert refusal_with("imap", 'a "b" \\ 100%') == b'* BYE [UNAVAILABLE] a "b" \\ 100%\r\n'


@pytest.mark.parametrize("is_permanent", [True, False])
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_own_refusal_is_read_as_a_servers(protocol: str, is_permanent: bool) -> None:
    found = read_refusal(protocol, refusal_with(protocol, "one moment", is_permanent=is_permanent))
    assert found is not None
    assert found.is_temporary != is_permanent


# The goodbye.


@pytest.mark.parametrize("protocol", ["imap", "smtp", "submission", "lmtp", "managesieve"])
def test_goodbye_is_what_refuses(protocol: str) -> None:
    assert goodbye(protocol) == refusal(protocol)


@pytest.mark.parametrize("protocol", ["pop3", "tcp"])
def test_server_that_only_answers_says_no_goodbye(protocol: str) -> None:
    assert goodbye(protocol) == b""


@pytest.mark.parametrize("protocol", sorted(protocol_words()))
def test_goodbye_is_one_line_at_most(protocol: str) -> None:
    assert goodbye(protocol).count(b"\n") == bool(goodbye(protocol))


# A server's own.


@pytest.mark.parametrize(
    ("protocol", "sent", "is_temporary"),
    [
        ("imap", b"* BYE Too many connections\r\n", False),
        ("imap", b"* bye\r\n", False),
        ("imap", b"* BYE [unavailable] Later\r\n", True),
        ("imap", b"* BYE Auth process broken\r\n", True),
        ("pop3", b"-ERR Auth process broken\r\n", True),
        ("imap", b"* BYE [ALERT] [UNAVAILABLE]\r\n", False),
        ("pop3", b"-ERR [SYS/TEMP] no\r\n", True),
        ("pop3", b"-ERR [SYS/PERM] no\r\n", False),
        ("pop3", b"-ERR\r\n", False),
        ("smtp", b"421 4.3.2 Shutting down\r\n", True),
        ("smtp", b"554-5.7.1 No\r\n554 5.7.1 Really\r\n", False),
        ("submission", b"450 later\r\n", True),
        ("submission", b"554\r\n", False),
        ("lmtp", b"421-4.7.0 a\r\n421 4.7.0 b\r\n", True),
        ("managesieve", b'BYE "Too many connections"\r\n', False),
        ("managesieve", b"NO (TRYLATER)\r\n", True),
        ("managesieve", b"BYE {5}\r\nhello\r\n", False),
    ],
)
def test_server_s_own_refusal_is_its_words(protocol: str, sent: bytes, is_temporary: bool) -> None:
    words = b"554 \r\n" if sent == b"554\r\n" else sent
    assert read_refusal(protocol, sent) == Refusal(words, is_temporary)


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [
        ("imap", b"* OK ready\r\n"),
        ("imap", b"* BYEBYE\r\n"),
        ("imap", b"* OK * BYE\r\n"),
        ("imap", b"* BY"),
        ("pop3", b"+OK -ERR\r\n"),
        ("pop3", b"-ERROR\r\n"),
        ("smtp", b"220 421\r\n"),
        ("smtp", b"4210 x\r\n"),
        ("lmtp", b" 421 x\r\n"),
        ("lmtp", b"5"),
        ("managesieve", b'"NOTIFY" "mailto"\r\n'),
        ("managesieve", b"NOTIFY\r\n"),
        ("tcp", b"421 x\r\n"),
    ],
)
def test_what_is_no_refusal_has_no_words(protocol: str, sent: bytes) -> None:
    assert read_refusal(protocol, sent) is None
    assert read_refusal(protocol, b"") is None


@pytest.mark.parametrize(
    ("protocol", "sent", "words"),
    [
        ("imap", b"* OK Waiting\r\n* BYE no\r\nx", b"* BYE no\r\n"),
        ("smtp", b"220-wait\r\n554 5.5.1 You talk too soon\r\n", b"554 5.5.1 You talk too soon\r\n"),
        ("smtp", b"554 a\r\n554 b\r\n", b"554 a\r\n"),
        ("pop3", b"-ERR no\n", b"-ERR no\r\n"),
        ("imap", b"* BYE cut o", b"* BYE cut o\r\n"),
        ("smtp", b"554-a\r\n554-b\r\n55", b"554-a\r\n554 b\r\n"),
    ],
    ids=["behind-ok", "behind-teaser", "second-reply", "bare-lf", "no-line-end", "no-last-line"],
)
def test_words_are_whole_lines_of_one_refusal(protocol: str, sent: bytes, words: bytes) -> None:
    found = read_refusal(protocol, sent)
    assert found is not None
    assert found.words == words


def test_long_refusal_ends_with_a_line() -> None:
    found = read_refusal("smtp", b"554-%s\r\n" % (b"x" * 500) * 20 + b"554 end\r\n")
    assert found is not None
    assert WORDS_BYTES - 510 < len(found.words) <= WORDS_BYTES
    *before, last = found.words.splitlines()
    assert last == b"554 " + b"x" * 500
    assert all(line.startswith(b"554-x") for line in before)


def test_long_line_of_a_refusal_is_cut() -> None:
    found = read_refusal("imap", b"* BYE " + b"x" * 2 * WORDS_BYTES + b"\r\n")
    assert found is not None
    assert len(found.words) == WORDS_BYTES
    assert found.words.endswith(b"x\r\n")


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_our_own_refusal_is_a_temporary_one(protocol: str) -> None:
    """Two proxies may be chained."""
    assert read_refusal(protocol, refusal(protocol)) == Refusal(refusal(protocol), True)


@given(st.sampled_from(sorted(PROTOCOLS)), st.binary(max_size=40), st.sampled_from([b"554-", b"* BYE", b"-ERR "]))
def test_words_of_anything_are_lines(protocol: str, sent: bytes, begin: bytes) -> None:
    found = read_refusal(protocol, begin + sent)
    if found is not None:
        assert found.words.endswith(b"\r\n")
        assert b"\n" not in found.words.replace(b"\r\n", b"")
        assert len(found.words) <= WORDS_BYTES

"""What a backend's greeting is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.mail.backend.talk import SIZE
from mailproxy.mail.greeting import Greeting, GreetingReader, Prelude, first_line
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.refusal import read_refusal

ACCEPTED = Greeting(is_accepted=True)
IMAP = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] backend ready\r\n"
WAITING = b"* OK Waiting for authentication process to respond..\r\n"
SIEVE = b'"SIEVE" "fileinto"\r\n"SASL" "PLAIN"\r\n'


EXPECTED = {
    "imap": "greeting: expected * OK",
    "pop3": "greeting: expected +OK",
    "smtp": "greeting: expected 220",
    "lmtp": "greeting: expected 220",
    "managesieve": "greeting: expected OK",
}


def reader(protocol: str, *, after_tls: bool = True, prelude: bytes = b"") -> GreetingReader:
    return GreetingReader(protocol, after_tls=after_tls, prelude=prelude)


def refusal_of(greeting: Prelude | Greeting | None) -> str:
    """Why it was not accepted."""
    assert isinstance(greeting, Greeting)
    assert not greeting.is_accepted
    assert greeting.relay == b""
    return greeting.reason


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("imap", IMAP),
        ("imap", b"* ok\r\n"),
        ("pop3", b"+OK backend ready <1.2@backend>\r\n"),
        ("smtp", b"220 backend ESMTP\r\n"),
        ("submission", b"220\r\n"),
        ("lmtp", b"220-backend LMTP\r\n220-hello\r\n220 go on\r\n"),
    ],
)
@pytest.mark.parametrize("after_tls", [True, False])
def test_greeting_is_swallowed(protocol: str, line: bytes, after_tls: bool) -> None:
    assert reader(protocol, after_tls=after_tls).receive(line) == ACCEPTED


@pytest.mark.parametrize(
    ("protocol", "begin"),
    [("imap", b"* OK rea"), ("pop3", b"+OK\r"), ("smtp", b"220-a\r\n220 b"), ("managesieve", SIEVE)],
)
def test_incomplete_greeting_is_waited_for(protocol: str, begin: bytes) -> None:
    assert reader(protocol).receive(begin) is None


def test_dovecot_waiting_for_its_auth_process_has_not_greeted() -> None:
    talk = reader("imap")
    assert talk.receive(WAITING) is None
    assert talk.receive(IMAP) == ACCEPTED


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("imap", b"* BYE Auth process broken"),
        ("imap", b"* PREAUTH welcome back"),
        ("imap", b"* CAPABILITY IMAP4rev1"),
        ("imap", b"* OKAY"),
        ("pop3", b"-ERR Auth process broken"),
        ("smtp", b"421 4.3.2 Shutting down"),
        ("smtp", b"554 5.7.1 No"),
        ("smtp", b"450 later"),
        ("lmtp", b"250 OK"),
        ("managesieve", b'BYE "Too many connections"'),
        ("managesieve", b'NO "no"'),
        ("managesieve", b"OKAY"),
    ],
)
def test_unwilling_backend_is_refused_with_its_words(protocol: str, line: bytes) -> None:
    assert refusal_of(reader(protocol).receive(line + b"\r\n")) == f"{EXPECTED[protocol]}, got {line.decode()}"


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
@pytest.mark.parametrize("line", [b"hello", b"2200 x", b"220_x", b"", b"220-x\r\n* OK"])
def test_what_is_no_reply_is_refused(protocol: str, line: bytes) -> None:
    received = line.split(b"\n")[-1].decode() or "an empty line"
    assert refusal_of(reader(protocol).receive(line + b"\r\n")) == f"{EXPECTED[protocol]}, got {received}"


def test_words_of_a_backend_are_short_and_printable_in_the_log() -> None:
    reason = refusal_of(reader("pop3").receive(b"-ERR \xff\x1b\n" + b"x" * 200))
    assert reason == "greeting: expected +OK, got -ERR \\xff\\x1b"
    assert len(refusal_of(reader("pop3").receive(b"-" * 300 + b"\r\n"))) < 150


@pytest.mark.parametrize(
    ("protocol", "line"), [("pop3", b"+OK\r\n"), ("smtp", b"220 x\r\n"), ("managesieve", b"OK\r\n")]
)
def test_backend_that_speaks_before_it_is_asked_is_refused(protocol: str, line: bytes) -> None:
    reason = refusal_of(reader(protocol).receive(line + b"x"))
    assert reason == "sent x before any command"


def test_untagged_lines_after_the_greeting_are_relayed() -> None:
    untagged = b"* CAPABILITY IMAP4rev1\r\n* OK [ALERT] mo"
    assert reader("imap").receive(IMAP + untagged) == Greeting(is_accepted=True, relay=untagged)


def test_listing_is_relayed_after_tls_without_what_is_not_for_clients() -> None:
    talk = reader("managesieve")
    listing = (
        SIEVE + b'"STARTTLS"\r\n"XCLIENT" "ADDR"\r\n"xclient"\r\n{8}\r\nSTARTTLS\r\n"VERSION" "1.0"\r\nOK "ready"\r\n'
    )
    assert talk.receive(listing) == Greeting(is_accepted=True, relay=SIEVE + b'"VERSION" "1.0"\r\nOK "ready"\r\n')


def test_listing_is_swallowed_for_a_client_without_tls() -> None:
    assert reader("managesieve", after_tls=False).receive(SIEVE + b"OK\r\n") == ACCEPTED


def test_line_in_a_literal_is_no_line_of_the_listing() -> None:
    listing = b'"IMPLEMENTATION" {14}\r\nx\r\nBYE\r\n"OK"\r\n\r\nOK {4}\r\nhi\r\n\r\n'
    assert reader("managesieve").receive(listing) == Greeting(is_accepted=True, relay=listing)


def test_endless_literal_is_refused() -> None:
    talk = reader("managesieve")
    assert talk.receive(b'"X" {99999}\r\n') is None
    assert refusal_of(talk.receive(b"x\r\n" * SIZE)) == f"more than {SIZE} bytes"


def test_client_is_introduced_once_the_backend_has_greeted() -> None:
    talk = reader("submission", after_tls=False, prelude=b"EHLO client.test\r\n")
    assert talk.receive(b"220-backend\r\n") is None
    assert talk.receive(b"220 ESMTP\r\n") == Prelude(b"EHLO client.test\r\n")
    assert talk.receive(b"250-backend\r\n250-SIZE\r\n250 AUTH PL") is None
    assert talk.receive(b"AIN\r\n") == ACCEPTED


@pytest.mark.parametrize("line", [b"421 4.3.2 Shutting down", b"550 5.7.1 No", b"502 5.5.1 What", b"220 x"])
def test_backend_that_does_not_take_the_introduction_is_refused(line: bytes) -> None:
    talk = reader("smtp", after_tls=False, prelude=b"EHLO client.test\r\n")
    talk.receive(b"220 backend\r\n")
    assert refusal_of(talk.receive(line + b"\r\n")) == "EHLO: expected 250, got " + line.decode()


def test_reply_that_comes_before_the_introduction_is_refused() -> None:
    talk = reader("smtp", after_tls=False, prelude=b"EHLO client.test\r\n")
    assert refusal_of(talk.receive(b"220 backend\r\n250 OK\r\n")) == "sent 250 OK before any command"


def test_reply_beyond_the_introduction_is_refused() -> None:
    talk = reader("smtp", after_tls=False, prelude=b"EHLO client.test\r\n")
    talk.receive(b"220 backend\r\n")
    assert refusal_of(talk.receive(b"250 OK\r\n250 OK\r\n")) == "sent 250 OK before any command"


@pytest.mark.parametrize(("protocol", "line"), [("imap", WAITING), ("smtp", b"220-x\r\n"), ("managesieve", SIEVE)])
def test_endless_greeting_is_refused(protocol: str, line: bytes) -> None:
    assert refusal_of(reader(protocol).receive(line * (SIZE // len(line) + 1))) == f"more than {SIZE} bytes"


@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp", "managesieve"])
def test_endless_line_is_refused(protocol: str) -> None:
    assert refusal_of(reader(protocol).receive(b"x" * (SIZE + 1))) == f"more than {SIZE} bytes"


@pytest.mark.parametrize("line", [IMAP, b"* BYE\r\n"])
def test_what_follows_is_not_the_readers(line: bytes) -> None:
    talk = reader("imap")
    talk.receive(line)
    with pytest.raises(ValueError, match="the greeting is over"):
        talk.receive(b"x")


def test_tcp_has_no_greeting() -> None:
    with pytest.raises(KeyError):
        reader("tcp")


greetings = st.lists(
    st.sampled_from(
        (IMAP, WAITING, b"+OK\r\n", b"220-x\r\n", b"220 x\r\n", SIEVE, b'"X" {3}\r\n', b"OK\r\n", b"\n", b"BYE")
    )
    | st.binary(max_size=5),
    max_size=4,
).map(b"".join)


@given(st.sampled_from(("imap", "pop3", "smtp", "managesieve")), greetings, st.lists(st.integers(1, 9), max_size=20))
def test_any_chunking_gives_the_same_verdict(protocol: str, data: bytes, sizes: list[int]) -> None:
    whole = reader(protocol).receive(data)
    talk = reader(protocol)
    verdict = None
    for size in [*sizes, len(data)]:
        verdict = talk.receive(data[:size])
        data = data[size:]
        if verdict is not None:
            break
    assert isinstance(verdict, Greeting) == isinstance(whole, Greeting)
    if isinstance(verdict, Greeting) and not data:
        assert isinstance(whole, Greeting)
        assert verdict.is_accepted == whole.is_accepted


# A greeting that goes to the client as it is.


def relaying(protocol: str) -> GreetingReader:
    return GreetingReader(protocol, after_tls=True, relays=True)


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [
        ("imap", IMAP),
        ("imap", WAITING),
        ("imap", b"* PREAUTH\r\n"),
        ("imap", b"* ok\n"),
        ("imap", b"* OK * BYE\r\n"),
        ("imap", b"* OK\r\n* BYE\r\n* "),
        ("pop3", b"+OK -ERR\r\n"),
        ("pop3", b"+OK\r\nmore"),
        ("smtp", b"220 421\r\n"),
        ("smtp", b"220\r\n"),
        ("submission", b"220-x\r\n421 y\r\n"),
        ("lmtp", b"220-teaser\r\n"),
        ("managesieve", b'"SIEVE" "fileinto"\r\n"SAS'),
        ("managesieve", b'{5}\r\n"SIE'),
        ("managesieve", b"OK\r\n"),
        ("managesieve", b'"NOTIFY" "mailto"\r\n'),
    ],
)
def test_greeting_is_relayed_as_it_is_from_the_end_of_its_first_line(protocol: str, sent: bytes) -> None:
    assert relaying(protocol).receive(sent) == Greeting(is_accepted=True, relay=sent)
    assert first_line(protocol).match(sent)
    talk = relaying(protocol)
    end = sent.index(b"\n")
    for piece in (sent[:1], sent[1:end]):
        assert talk.receive(piece) is None
    assert talk.receive(sent[end:]) == Greeting(is_accepted=True, relay=sent)


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [
        ("imap", b"\r\n"),
        ("imap", b"* CAPABILITY IMAP4rev1\r\n"),
        ("imap", b"* OKAY\r\n"),
        ("pop3", b"OK\r\n"),
        ("smtp", b"2200 x\r\n"),
        ("submission", b" 220 x\r\n"),
        ("lmtp", b"\n"),
        ("managesieve", b"OKAY\r\n"),
        ("managesieve", b"NOTIFY\r\n"),
    ],
)
def test_what_is_no_greeting_is_not_relayed(protocol: str, sent: bytes) -> None:
    greeting = relaying(protocol).receive(sent)
    assert isinstance(greeting, Greeting)
    assert not greeting.is_accepted
    assert greeting.refusal is None
    assert not first_line(protocol).match(sent)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_line_without_an_end_is_no_greeting(protocol: str) -> None:
    talk = relaying(protocol)
    assert talk.receive(b"x" * SIZE) is None
    assert refusal_of(talk.receive(b"x")) == f"more than {SIZE} bytes"


def test_refusal_is_distinguished_from_what_is_no_greeting() -> None:
    greeting = relaying("imap").receive(b"* BYE no\r\n")
    assert isinstance(greeting, Greeting)
    assert greeting.refusal == read_refusal("imap", b"* BYE no\r\n")


@pytest.mark.parametrize("relays", [True, False])
def test_refusal_is_waited_for_to_its_last_line(relays: bool) -> None:
    talk = GreetingReader("smtp", after_tls=True, relays=relays)
    assert talk.receive(b"554-5.7.1 Blocked\r\n") is None
    greeting = talk.receive(b"554 5.7.1 See example.org\r\n")
    assert isinstance(greeting, Greeting)
    assert greeting.refusal is not None
    assert greeting.refusal.words == b"554-5.7.1 Blocked\r\n554 5.7.1 See example.org\r\n"


@pytest.mark.parametrize("relays", [True, False])
def test_refusal_that_breaks_off_is_one(relays: bool) -> None:
    talk = GreetingReader("smtp", after_tls=True, relays=relays)
    assert talk.receive(b"554-5.7.1 Blocked\r\n554 5.") is None
    refusal = talk.end("closed").refusal
    assert refusal is not None
    assert refusal.words == b"554-5.7.1 Blocked\r\n554 5.\r\n"


def test_reply_to_an_introduction_may_be_a_refusal() -> None:
    talk = reader("smtp", after_tls=False, prelude=b"EHLO client.test\r\n")
    talk.receive(b"220 backend\r\n")
    greeting = talk.receive(b"550 5.7.1 Bad name\r\n")
    assert isinstance(greeting, Greeting)
    assert greeting.refusal == read_refusal("smtp", b"550 5.7.1 Bad name\r\n")


@given(st.sampled_from(sorted(PROTOCOLS)), greetings, st.lists(st.integers(1, 9), max_size=20))
def test_any_chunking_relays_the_same(protocol: str, data: bytes, sizes: list[int]) -> None:
    whole = relaying(protocol).receive(data)
    talk = relaying(protocol)
    sent = b""
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        sent += piece
        verdict = talk.receive(piece)
        if verdict is not None:
            assert isinstance(verdict, Greeting)
            assert isinstance(whole, Greeting)
            assert verdict.is_accepted == whole.is_accepted
            assert verdict.relay == (sent if verdict.is_accepted else b"")
            return
    assert whole is None


@given(st.sampled_from(sorted(PROTOCOLS)), greetings)
def test_reader_accepts_nothing_that_refuses(protocol: str, data: bytes) -> None:
    greeting = reader(protocol).receive(data)
    if isinstance(greeting, Greeting) and greeting.is_accepted:
        assert greeting.refusal is None
        assert not data.startswith((b"* BYE", b"-ERR", b"BYE", b"NO", b"4", b"5"))

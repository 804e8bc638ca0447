"""What holds in the dialogue before TLS whatever a client sends."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.mail.dialogue import Dialogue
from mailproxy.mail.step import Next
from tests.examples import examples
from tests.mail.trace import dialogue

WORDS = {
    "imap": (b"CAPABILITY NOOP LOGOUT STARTTLS ID LOGIN AUTHENTICATE LIST", (b"a ", b"b]7 ", b"* ", b"")),
    "pop3": (b"CAPA QUIT STLS USER PASS APOP AUTH NOOP STAT", (b"",)),
    "submission": (b"EHLO HELO STARTTLS NOOP RSET QUIT AUTH MAIL BDAT VRFY LHLO", (b"",)),
    "lmtp": (b"EHLO LHLO STARTTLS NOOP RSET QUIT AUTH MAIL RCPT", (b"",)),
    "managesieve": (b"CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE PUTSCRIPT", (b"",)),
}
ARGUMENTS = (
    b"",
    b" ",
    b" x",
    b" PLAIN",
    b' "PLAIN" "AGEAYg=="',
    b" alice secret",
    b" {5}",
    b' ("a" {3+}',
    b" \xfc",
    b" (x)",
)
ENDINGS = (b"\r\n",) * 12 + (b"\n", b"\r", b"", b"\0\r\n", b"\r\n\r\n")


def lines(protocol: str) -> st.SearchStrategy[bytes]:
    """Lines of a protocol, right and wrong ones."""
    verbs, tags = WORDS[protocol]
    verb = st.sampled_from((*verbs.split(), *verbs.lower().split(), b"", b"x"))
    return st.builds(
        lambda *parts: b"".join(parts),
        st.sampled_from(tags),
        verb,
        st.sampled_from(ARGUMENTS),
        st.sampled_from(ENDINGS),
    )


def sent(protocol: str) -> st.SearchStrategy[bytes]:
    """What a client may say."""
    return st.lists(lines(protocol), max_size=8).map(b"".join) | st.binary(max_size=60)


conversations = st.sampled_from(sorted(WORDS)).flatmap(lambda protocol: st.tuples(st.just(protocol), sent(protocol)))
chunkings = st.lists(st.integers(1, 30), max_size=10)

STARTED = re.compile(rb"((\S+ )?OK \"?Begin TLS[^\r]*|\+OK Begin TLS[^\r]*|220 2\.0\.0 [^\r]*)\r\n\Z")


def outcome(talk: Dialogue, pieces: list[bytes]) -> tuple[bytes, Next, bytes, bytes]:
    """All replies, what happens at last, and what a backend would get; after the end, pieces go where they belong."""
    replies = b""
    for at, piece in enumerate(pieces):
        step = talk.receive(piece)
        replies += step.reply
        if step.next is Next.HAND_OVER:
            return replies, step.next, step.prelude, step.pending + b"".join(pieces[at + 1 :])
        if step.next is Next.START_TLS and at + 1 < len(pieces):
            # What comes with STARTTLS takes its reply away; what comes later does not.
            replies = STARTED.sub(b"", replies)
        elif step.next is not Next.GO_ON:
            rest = b"".join(talk.receive(later).reply for later in pieces[at + 1 :])
            assert rest == b""
            return replies, step.next, b"", b""
    return replies, Next.GO_ON, b"", b""


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of these sizes."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]


@given(conversations, chunkings, st.booleans())
@examples(200)
def test_any_chunking_gives_the_same_replies(sent: tuple[str, bytes], sizes: list[int], optional: bool) -> None:
    protocol, data = sent
    whole = outcome(dialogue(protocol, optional=optional), cut(data, []))
    assert outcome(dialogue(protocol, optional=optional), cut(data, sizes)) == whole


@given(conversations)
@examples(200)
def test_nothing_but_tls_gets_through(sent: tuple[str, bytes]) -> None:
    protocol, data = sent
    assert dialogue(protocol).receive(data).next is not Next.HAND_OVER


LOGINS = {
    "imap": (b"a LOGIN", b"a login", b"a AUTHENTICATE", b"a Authenticate"),
    "pop3": (b"USER", b"pass", b"APOP", b"AUTH", b"auth"),
    "submission": (b"AUTH", b"auth"),
    "lmtp": (b"AUTH",),
    "managesieve": (b"AUTHENTICATE", b"authenticate"),
}
logins = st.sampled_from(sorted(LOGINS)).flatmap(
    lambda protocol: st.tuples(
        st.just(protocol),
        st.sampled_from(LOGINS[protocol]),
        st.sampled_from(ARGUMENTS) | st.binary(max_size=30).map(b" ".__add__),
        st.sampled_from(ENDINGS),
    )
)


@given(logins, st.booleans())
@examples(200)
def test_login_never_succeeds_nor_continues(login: tuple[str, bytes, bytes, bytes], optional: bool) -> None:
    protocol, verb, arguments, ending = login
    line = (verb + arguments + ending).partition(b"\n")[0] + b"\n"
    reply = dialogue(protocol, optional=optional).receive(line).reply
    assert not re.match(rb"(\S+ )?OK|\+|[23]", reply)
    assert b"secret" not in reply


@given(conversations, st.binary(min_size=1, max_size=20))
def test_nothing_is_sent_after_the_end(sent: tuple[str, bytes], more: bytes) -> None:
    protocol, data = sent
    talk = dialogue(protocol)
    if talk.receive(data).next is not Next.GO_ON:
        after = talk.receive(more)
        assert (after.reply, after.next) == (b"", Next.CLOSE)

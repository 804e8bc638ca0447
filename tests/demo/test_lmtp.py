"""The demo's LMTP server."""

from collections.abc import Iterator

import pytest

from mailproxy.demo.inbox import MAX_MESSAGE_BYTES, MAX_MESSAGES, Inbox
from mailproxy.demo.lmtp import LmtpServer
from tests.demo.conversation import Conversation


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def client(inbox: Inbox) -> Iterator[Conversation]:
    conversation = Conversation(LmtpServer(inbox))
    conversation.say(b"LHLO client.example")
    yield conversation
    conversation.end()


def test_greeting_says_lmtp(inbox: Inbox) -> None:
    client = Conversation(LmtpServer(inbox))
    assert client.greeting == [b"220 localhost mailproxy demo LMTP"]
    client.end()


def test_smtp_greeting_is_refused(client: Conversation) -> None:
    assert client.say(b"EHLO client.example") == [b"500 5.5.1 this is LMTP: LHLO"]


def test_message_is_in_the_inbox_with_the_clients_address(client: Conversation, inbox: Inbox) -> None:
    client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@example.org>", b"DATA")
    assert client.say(b"Subject: hello", b"", b"..dot", b".")[-1].startswith(b"250 ")
    (message,) = inbox.messages
    assert message.content.startswith(b"Received: from client.example ([192.0.2.7])\n\tby localhost with LMTP; ")
    assert message.content.endswith(b"\r\nSubject: hello\r\n\r\n.dot\r\n")


def test_bounce_has_no_sender(client: Conversation) -> None:
    assert [line[:3] for line in client.say(b"MAIL FROM:<>", b"RCPT TO:<alice>")] == [b"250", b"250"]


def test_two_messages_go_over_one_connection(client: Conversation, inbox: Inbox) -> None:
    for _ in range(2):
        client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@localhost>", b"DATA", b"Subject: x", b"", b".")
    assert len(inbox.messages) == 2


def test_unknown_recipient_is_refused(client: Conversation) -> None:
    assert client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<eve@localhost>")[-1].startswith(b"550 ")


def test_second_recipient_gets_a_temporary_failure(client: Conversation) -> None:
    answer = client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@localhost>", b"RCPT TO:<alice@localhost>")
    assert [line[:3] for line in answer] == [b"250", b"250", b"452"]


def test_too_large_message_is_refused(client: Conversation, inbox: Inbox) -> None:
    client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@localhost>", b"DATA")
    line = b"x" * 900
    answer = client.say(*[line] * (MAX_MESSAGE_BYTES // len(line) + 1), b".")
    assert answer[-1].startswith(b"552 ")
    assert inbox.messages == []


def test_full_inbox_takes_no_more(client: Conversation, inbox: Inbox) -> None:
    for _ in range(MAX_MESSAGES):
        inbox.deliver(b"")
    assert client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@localhost>")[-1].startswith(b"452 ")


def test_message_of_a_client_that_goes_away_is_dropped(client: Conversation, inbox: Inbox) -> None:
    client.say(b"MAIL FROM:<a@example.org>", b"RCPT TO:<alice@localhost>", b"DATA", b"Subject: x")
    client.end()
    assert inbox.messages == []

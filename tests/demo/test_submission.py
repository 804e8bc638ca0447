"""The demo's submission server."""

from base64 import b64encode
from collections.abc import Iterator

import pytest

from mailproxy.demo.account import PLAIN
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.submission import SubmissionServer
from tests.demo.conversation import Conversation

MESSAGE = (b"MAIL FROM:<alice@localhost>", b"RCPT TO:<alice@localhost>", b"DATA", b"Subject: hello", b"", b".")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def client(inbox: Inbox, reported: list[str]) -> Iterator[Conversation]:
    conversation = Conversation(SubmissionServer(inbox, reported.append))
    yield conversation
    conversation.end()


def test_greeting_says_what_it_is(client: Conversation) -> None:
    assert client.greeting == [b"220 localhost mailproxy demo ESMTP"]


def test_login_is_offered(client: Conversation) -> None:
    assert any(line.endswith(b"AUTH PLAIN LOGIN") for line in client.say(b"EHLO client.example"))


def test_account_logs_in_with_plain(client: Conversation, reported: list[str]) -> None:
    assert client.say(b"EHLO client.example", b"AUTH PLAIN " + PLAIN.encode())[-1].startswith(b"235 ")
    assert reported == ["alice logs in by submission"]


def test_account_logs_in_with_login(client: Conversation) -> None:
    answer = client.say(b"EHLO x", b"AUTH LOGIN", b64encode(b"alice"), b64encode(b"secret"))
    assert answer[-1].startswith(b"235 ")


def test_wrong_password_is_refused(client: Conversation, reported: list[str]) -> None:
    wrong = b64encode(b"\0alice\0wrong")
    assert client.say(b"EHLO client.example", b"AUTH PLAIN " + wrong)[-1].startswith(b"535 ")
    assert reported == []


def test_nothing_is_sent_without_a_login(client: Conversation, inbox: Inbox) -> None:
    assert client.say(b"EHLO client.example", b"MAIL FROM:<alice@localhost>")[-1].startswith(b"550 ")


def test_message_is_in_the_inbox(client: Conversation, inbox: Inbox, reported: list[str]) -> None:
    client.say(b"EHLO client.example", b"AUTH PLAIN " + PLAIN.encode())
    assert client.say(*MESSAGE)[-1].startswith(b"250 ")
    (message,) = inbox.messages
    assert message.content.startswith(b"Received: from client.example ([192.0.2.7])\n\tby localhost with submission; ")
    assert reported[-1] == "a message for alice arrives by submission"


def test_client_without_a_name_can_send(client: Conversation, inbox: Inbox) -> None:
    client.say(b"AUTH PLAIN " + PLAIN.encode())
    assert client.say(*MESSAGE)[-1].startswith(b"250 ")
    assert len(inbox.messages) == 1


def test_relay_wants_no_login(inbox: Inbox) -> None:
    relay = Conversation(SubmissionServer(inbox, relays=True))
    relay.say(b"EHLO server.example")
    assert relay.say(*MESSAGE)[-1].startswith(b"250 ")
    relay.end()

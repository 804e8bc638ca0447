"""The demo's POP3 server."""

from collections.abc import Iterator

import pytest

from mailproxy.demo.account import WELCOME
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.pop3 import Maildrop, Pop3Server
from tests.demo.conversation import Conversation, at_once


@pytest.fixture
def inbox() -> Inbox:
    box = Inbox()
    box.deliver(WELCOME)
    return box


class SteplessServer(Pop3Server):
    schedule = staticmethod(at_once)


@pytest.fixture
def client(inbox: Inbox) -> Iterator[Conversation]:
    conversation = Conversation(SteplessServer(inbox))
    yield conversation
    conversation.end()


@pytest.fixture
def session(client: Conversation) -> Conversation:
    client.say(b"USER alice", b"PASS secret")
    return client


def test_greeting_offers_no_apop(client: Conversation) -> None:
    assert client.greeting == [b"+OK mailproxy demo POP3"]


def test_account_logs_in(client: Conversation) -> None:
    assert client.say(b"USER alice", b"PASS secret")[-1] == b"+OK Authentication succeeded"


def test_wrong_password_is_refused(client: Conversation) -> None:
    assert client.say(b"USER alice", b"PASS wrong")[-1] == b"-ERR Authentication failed"


def test_status_counts_messages_and_bytes(session: Conversation) -> None:
    assert session.say(b"STAT") == [b"+OK 1 %d" % len(WELCOME)]


def test_message_is_retrieved_whole(session: Conversation) -> None:
    answer = session.say(b"RETR 1")
    assert answer[0] == b"+OK %d" % len(WELCOME)
    assert [*answer[1:-1], b""] == WELCOME.split(b"\r\n")
    assert answer[-1] == b"."


def test_unique_id_is_the_same_in_the_next_session(inbox: Inbox) -> None:
    assert Maildrop(inbox).getUidl(0) == Maildrop(inbox).getUidl(0)


def test_unique_ids_are_listed(session: Conversation, inbox: Inbox) -> None:
    assert session.say(b"UIDL") == [b"+OK ", b"1 %d.1" % inbox.uid_validity, b"."]


def test_unknown_message_is_refused(session: Conversation) -> None:
    assert session.say(b"LIST 2") == [b"-ERR Invalid message-number: 2"]


def test_deleted_message_is_gone_after_quit(session: Conversation, inbox: Inbox) -> None:
    session.say(b"DELE 1")
    assert inbox.messages != []
    session.say(b"QUIT")
    assert inbox.messages == []


def test_reset_takes_the_deletion_back(session: Conversation, inbox: Inbox) -> None:
    session.say(b"DELE 1", b"RSET", b"QUIT")
    assert len(inbox.messages) == 1


def test_deleted_message_is_listed_as_gone(inbox: Inbox) -> None:
    drop = Maildrop(inbox)
    drop.deleteMessage(0)
    assert drop.listMessages() == [0]
    with pytest.raises(ValueError, match="no message 1"):
        drop.getMessage(0)


def test_session_does_not_see_what_comes_later(inbox: Inbox) -> None:
    drop = Maildrop(inbox)
    inbox.deliver(b"later")
    assert drop.listMessages() == [len(WELCOME)]

"""The demo's IMAP server."""

from collections.abc import Iterator

import pytest

from mailproxy.demo.account import WELCOME
from mailproxy.demo.imap import ImapServer
from mailproxy.demo.inbox import Inbox
from tests.demo.conversation import Conversation, at_once

MULTIPART = b"""\
From: J\xc3\xbcrgen <j@example.org>\r
Subject: two parts\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
one\r
--b\r
Content-Type: text/html\r
\r
<p>two\r
--b--\r
"""


@pytest.fixture
def inbox() -> Inbox:
    box = Inbox()
    box.deliver(WELCOME)
    return box


@pytest.fixture
def client(inbox: Inbox) -> Iterator[Conversation]:
    conversation = Conversation(ImapServer(inbox, scheduler=at_once))
    yield conversation
    conversation.end()


@pytest.fixture
def session(client: Conversation) -> Conversation:
    client.say(b"l LOGIN alice secret", b"s SELECT INBOX")
    return client


def test_greeting_says_what_it_is(client: Conversation) -> None:
    assert client.greeting[0].startswith(b"* OK [CAPABILITY IMAP4rev1 ")


def test_account_logs_in(client: Conversation) -> None:
    assert client.say(b"a LOGIN alice secret") == [b"a OK LOGIN succeeded"]


def test_wrong_password_is_refused(client: Conversation) -> None:
    assert client.say(b"a LOGIN alice wrong") == [b"a NO LOGIN failed"]


def test_inbox_is_the_only_folder(session: Conversation) -> None:
    listed = [line for line in session.say(b'a LIST "" "*"') if line.startswith(b"* LIST")]
    assert len(listed) == 1
    assert listed[0].endswith(b'"/" "INBOX"')


def test_other_folders_do_not_exist(session: Conversation) -> None:
    assert session.say(b"a SELECT Sent") == [b"a NO No such mailbox"]


@pytest.mark.parametrize("command", [b"CREATE Sent", b"SUBSCRIBE Sent", b"COPY 1 Sent", b"DELETE INBOX"])
def test_folders_cannot_be_made_or_removed(session: Conversation, command: bytes) -> None:
    assert session.say(b"a " + command)[-1].startswith((b"a NO ", b"a BAD "))


def test_select_counts_the_messages(client: Conversation) -> None:
    client.say(b"l LOGIN alice secret")
    assert b"* 1 EXISTS" in client.say(b"a SELECT inbox")


def test_status_counts_the_unseen(session: Conversation) -> None:
    assert b"* STATUS INBOX (MESSAGES 1 UNSEEN 1 UIDNEXT 2)" in session.say(b"a STATUS INBOX (MESSAGES UNSEEN UIDNEXT)")


def test_message_is_fetched_whole(session: Conversation) -> None:
    answer = session.say(b"a UID FETCH 1 BODY[]")
    assert answer[0] == b"* 1 FETCH (BODY[] {%d}" % len(WELCOME)
    assert b"\r\n".join(answer[1:-2]) + b"\r\n" == WELCOME
    assert answer[-2:] == [b" UID 1)", b"a OK FETCH completed"]


def test_header_and_text_are_fetched_apart(session: Conversation) -> None:
    assert b"Subject: Welcome to mailproxy" in session.say(b"a FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]")
    assert session.say(b"a FETCH 1 BODY[TEXT]")[1].startswith(b"You read this through mailproxy")


def test_size_flags_and_date_are_fetched(session: Conversation) -> None:
    answer = session.say(b"a FETCH 1 FAST")[0]
    assert answer.startswith(b'* 1 FETCH (FLAGS () INTERNALDATE "')
    assert answer.endswith(b'" RFC822.SIZE %d)' % len(WELCOME))


def test_envelope_of_bytes_that_are_not_ascii_is_fetched(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    assert b'"two parts"' in b"".join(session.say(b"a FETCH 2 ENVELOPE"))


def test_structure_of_a_multipart_message_is_fetched(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    answer = b"".join(session.say(b"a FETCH 2 BODYSTRUCTURE"))
    assert b'("text" "plain"' in answer
    assert b'("text" "html"' in answer


def test_part_of_a_multipart_message_is_fetched(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    assert b"<p>two" in b"".join(session.say(b"a FETCH 2 BODY[2]"))


def test_range_without_end_is_all_there_is(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    fetched = [line for line in session.say(b"a UID FETCH 1:* (UID)") if b"FETCH (" in line]
    assert fetched == [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 2)"]


def test_vast_range_costs_no_more_than_the_mailbox(session: Conversation) -> None:
    assert b"* 1 FETCH (UID 1)" in session.say(b"a FETCH 1:4294967295 (UID)")


def test_delivery_shows_in_an_open_session(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    assert session.say(b"a NOOP")[0] == b"* 2 EXISTS"


def test_closed_session_stops_watching(session: Conversation, inbox: Inbox) -> None:
    assert len(inbox.watchers) == 1
    session.end()
    assert inbox.watchers == []


def test_flags_are_stored_for_every_session(session: Conversation, inbox: Inbox) -> None:
    assert session.say(b"a STORE 1 +FLAGS (\\Seen Unknown)")[0] == b"* 1 FETCH (FLAGS (\\Seen))"
    assert session.say(b"a STORE 1 -FLAGS (\\Seen)")[0] == b"* 1 FETCH (FLAGS ())"
    session.say(b"a STORE 1 FLAGS (\\Flagged)")
    assert inbox.messages[0].flags == {"\\Flagged"}


def test_deleted_messages_are_expunged_last_first(session: Conversation, inbox: Inbox) -> None:
    inbox.deliver(MULTIPART)
    session.say(b"a STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert session.say(b"a EXPUNGE")[:2] == [b"* 2 EXPUNGE", b"* 1 EXPUNGE"]
    assert inbox.messages == []


def test_message_expunged_elsewhere_stays_in_the_session(session: Conversation, inbox: Inbox) -> None:
    inbox.remove(inbox.messages)
    assert b"* 1 FETCH (UID 1)" in session.say(b"a FETCH 1 (UID)")


def test_upload_is_not_offered(session: Conversation) -> None:
    assert session.say(b"a APPEND INBOX {1000000000}") == [b"a BAD Unsupported command"]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (b"ALL", b" 1 2"),
        (b"UNSEEN", b" 2"),
        (b"SEEN", b" 1"),
        (b"NOT SEEN", b" 2"),
        (b'SUBJECT "two parts"', b" 2"),
        (b"FROM mailproxy", b" 1"),
        (b"TEXT through SEEN", b" 1"),
        (b"TEXT through UNSEEN", b" "),
        (b"UID 2:*", b" 2"),
        (b"1", b" 1"),
        (b"(SEEN 1)", b" 1"),
    ],
)
def test_search_finds_messages_by_its_keys(session: Conversation, inbox: Inbox, keys: bytes, found: bytes) -> None:
    inbox.deliver(MULTIPART)
    session.say(b"f STORE 1 +FLAGS.SILENT (\\Seen)")
    assert session.say(b"a SEARCH " + keys)[0] == b"* SEARCH" + found


def test_uid_search_gives_uids(session: Conversation, inbox: Inbox) -> None:
    session.say(b"d STORE 1 +FLAGS.SILENT (\\Deleted)", b"e EXPUNGE")
    inbox.deliver(MULTIPART)
    assert session.say(b"a UID SEARCH ALL")[-2:] == [b"* SEARCH 2", b"a OK SEARCH completed"]

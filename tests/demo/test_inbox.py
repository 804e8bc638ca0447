"""The demo's inbox."""

from datetime import UTC, datetime

from mailproxy.demo.inbox import MAX_MESSAGES, Inbox, Message

CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


def inbox() -> Inbox:
    return Inbox(lambda: CLOCK)


def test_delivery_is_numbered_and_dated() -> None:
    box = inbox()
    box.deliver(b"one")
    second = box.deliver(b"two")
    assert (second.uid, second.content, second.received) == (2, b"two", CLOCK)


def test_watcher_gets_a_delivery() -> None:
    box, received = inbox(), list[Message]()
    box.watchers.append(received.append)
    message = box.deliver(b"one")
    assert received == [message]


def test_removed_message_leaves_the_others_their_uids() -> None:
    box = inbox()
    first, second = box.deliver(b"one"), box.deliver(b"two")
    box.remove([first])
    assert box.messages == [second]
    assert box.deliver(b"three").uid == 3


def test_removing_twice_is_no_error() -> None:
    box = inbox()
    first = box.deliver(b"one")
    box.remove([first])
    box.remove([first])
    assert box.messages == []


def test_inbox_is_full_at_its_bound() -> None:
    box = inbox()
    for _ in range(MAX_MESSAGES - 1):
        box.deliver(b"")
    assert not box.is_full
    box.deliver(b"")
    assert box.is_full

"""The demo's inbox: messages in memory, bounded, shared by the servers of all protocols."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from attrs import define, field

MAX_MESSAGES = 100
"""Further deliveries are refused: the demo must not fill the memory."""

MAX_MESSAGE_BYTES = 1 << 20
"""Enough for a picture to try with; MAX_MESSAGES of them still fit any machine."""


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@define(eq=False)
class Message:
    """One message; `uid` and `content` stay, `flags` may change."""

    uid: int
    content: bytes
    received: datetime
    flags: set[str] = field(factory=set)


class Inbox:
    """Messages in the order of their delivery, and the watchers for new ones (mutable)."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        """Start empty; `clock` stamps the deliveries and makes this inbox's UIDVALIDITY."""
        self.uid_validity = int(clock().timestamp())
        self.next_uid = 1
        self.messages: list[Message] = []
        self.watchers: list[Callable[[Message], None]] = []
        self._clock = clock

    @property
    def is_full(self) -> bool:
        """Whether deliveries are refused."""
        return len(self.messages) >= MAX_MESSAGES

    def deliver(self, content: bytes) -> Message:
        """Append a message and tell the watchers."""
        message = Message(self.next_uid, content, self._clock())
        self.next_uid += 1
        self.messages.append(message)
        for watcher in list(self.watchers):
            watcher(message)
        return message

    def remove(self, messages: Iterable[Message]) -> None:
        """Forget `messages`; missing ones are not an error."""
        gone = {message.uid for message in messages}
        self.messages = [message for message in self.messages if message.uid not in gone]

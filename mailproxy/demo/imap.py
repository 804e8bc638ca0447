"""The demo's IMAP server: the one INBOX of the one account."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.mail import imap4
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.demo import account
from mailproxy.demo.imap_message import ImapMessage
from mailproxy.demo.inbox import Inbox, Message
from mailproxy.demo.search import Query, matcher
from mailproxy.demo.visit import ReportAction, ignore_action

FLAGS = (r"\Answered", r"\Deleted", r"\Draft", r"\Flagged", r"\Seen")
INBOX = "INBOX"

Scheduler = Callable[[Iterator[Deferred[object] | None]], Deferred[Any]]
"""Runs the steps of a long answer, each after the Deferred that the one before may have given."""


@implementer(imap4.IMailbox, imap4.ISearchableMailbox)
class Selected:
    """
    One IMAP session's view of the inbox: the messages at SELECT and later ones.

    It has its own list, so that message numbers stay the same when another session deletes a message.
    """

    def __init__(self, inbox: Inbox) -> None:
        """Take the messages that `inbox` has now."""
        self._inbox = inbox
        self._messages = list(inbox.messages)
        self._listeners: list[imap4.IMailboxListener] = []

    def _numbered(self, messages: imap4.MessageSet, uid: bool) -> Iterator[tuple[int, Message]]:
        """
        Find the messages of a set that the client sent.

        Iterates over the mailbox and not over the set: `1:4294967295` has that many numbers.
        """
        if not messages.last:
            messages.last = self._messages[-1].uid if uid and self._messages else len(self._messages)
        for number, message in enumerate(self._messages, 1):
            if (message.uid if uid else number) in messages:
                yield number, message

    def getFlags(self) -> list[str]:
        """Name the flags that STORE knows."""
        return list(FLAGS)

    def getHierarchicalDelimiter(self) -> str:
        """Name what would separate folders."""
        return "/"

    def getUIDValidity(self) -> int:
        """Give the inbox's."""
        return self._inbox.uid_validity

    def getUIDNext(self) -> int:
        """Give what the next message will have."""
        return self._inbox.next_uid

    def getUID(self, message: int) -> int:
        """Give the UID of the message with this number."""
        return self._messages[message - 1].uid

    def getMessageCount(self) -> int:
        """Count the messages of this session."""
        return len(self._messages)

    def getRecentCount(self) -> int:
        """Count none: the demo has no recent messages."""
        return 0

    def getUnseenCount(self) -> int:
        """Count the unseen messages."""
        return sum(r"\Seen" not in message.flags for message in self._messages)

    def isWriteable(self) -> bool:
        """Return True: flags can be stored, and messages expunged."""
        return True

    def destroy(self) -> None:
        """Refuse: the inbox stays."""
        raise imap4.ReadOnlyMailbox(INBOX)

    def requestStatus(self, names: Iterable[str]) -> dict[str, int]:
        """Answer STATUS."""
        return cast(dict[str, int], imap4.statusRequestHelper(self, names))

    def addListener(self, listener: imap4.IMailboxListener) -> None:
        """Report new messages to `listener` from now on."""
        if not self._listeners:
            self._inbox.watchers.append(self._arrived)
        self._listeners.append(listener)

    def removeListener(self, listener: imap4.IMailboxListener) -> None:
        """Report no more messages to `listener`."""
        self._listeners.remove(listener)
        if not self._listeners:
            self._inbox.watchers.remove(self._arrived)

    def _arrived(self, message: Message) -> None:
        self._messages.append(message)
        for listener in self._listeners:
            listener.newMessages(len(self._messages), None)

    def addMessage(self, message: object, flags: object = (), date: object = None) -> NoReturn:
        """Refuse: messages come by LMTP."""
        raise imap4.ReadOnlyMailbox("messages come by LMTP")

    def expunge(self) -> list[int]:
        """Remove what is flagged ``Deleted``, the last first, so that the numbers are right one after the other."""
        numbers = [number for number, message in enumerate(self._messages, 1) if r"\Deleted" in message.flags][::-1]
        self._inbox.remove([self._messages.pop(number - 1) for number in numbers])
        return numbers

    def fetch(self, messages: imap4.MessageSet, uid: bool) -> list[tuple[int, ImapMessage]]:
        """Find the messages of a set."""
        return [(number, ImapMessage(message)) for number, message in self._numbered(messages, uid)]

    def store(self, messages: imap4.MessageSet, flags: Iterable[str], mode: int, uid: bool) -> dict[int, list[str]]:
        """Add (1), take away (-1) or replace (0) flags; flags that the demo does not know are left out."""
        given = {known for known in FLAGS for flag in flags if known.lower() == flag.lower()}
        stored = {}
        for number, message in self._numbered(messages, uid):
            kept = {1: message.flags | given, -1: message.flags - given, 0: given}
            message.flags = set(kept[mode])
            stored[number] = sorted(message.flags)
        return stored

    def search(self, query: Query, uid: bool) -> list[int]:
        """Give the numbers of the messages that match; Twisted turns them into UIDs when the client asked for those."""
        last_uid = self._messages[-1].uid if self._messages else 0
        matches = matcher(query, len(self._messages), last_uid)
        return [number for number, message in enumerate(self._messages, 1) if matches(number, message)]


class ImapAccount(imap4.MemoryAccount):
    """The demo's account: an INBOX, and no way to make other folders."""

    def __init__(self, inbox: Inbox) -> None:
        """Show `inbox` as INBOX."""
        super().__init__(account.USER)
        self._inbox = inbox
        self.mailboxes = {INBOX: Selected(inbox)}
        self.subscriptions = [INBOX]

    def select(self, name: str, readwrite: bool = True) -> Selected | None:
        """Open INBOX as it is now."""
        return Selected(self._inbox) if name.upper() == INBOX else None

    def addMailbox(self, name: str, mbox: object = None) -> NoReturn:
        """Refuse."""
        raise imap4.MailboxException("the demo has one mailbox")

    def subscribe(self, name: str) -> None:
        """Refuse what does not exist."""
        if name.upper() != INBOX:
            raise imap4.MailboxException("the demo has one mailbox")
        super().subscribe(name)


class ImapServer(imap4.IMAP4Server):
    """Twisted's IMAP server with the demo's account."""

    IDENT = b"mailproxy demo IMAP"

    def __init__(self, inbox: Inbox, report: ReportAction = ignore_action, scheduler: Scheduler | None = None) -> None:
        """Serve `inbox`; `scheduler` runs long answers, by default one step in each turn of the reactor."""
        super().__init__(scheduler=scheduler)
        self._inbox = inbox
        self._report = report

    def lookupCommand(self, cmd: bytes) -> tuple[Any, ...] | None:
        """Leave out APPEND: only LMTP and submission limit the size of messages."""
        command: tuple[Any, ...] | None = super().lookupCommand(cmd)
        return None if cmd.upper() == b"APPEND" else command

    def authenticateLogin(self, user: bytes, password: bytes) -> tuple[type, ImapAccount, Callable[[], None]]:
        """Open the inbox for the demo's account."""
        account.check(user, password)
        self._report(f"{account.USER} logs in by IMAP")
        return imap4.IAccount, ImapAccount(self._inbox), lambda: None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop watching the mailbox, which Twisted leaves to CLOSE."""
        if self.mbox is not None:
            self.mbox.removeListener(self)
            self.mbox = None
        super().connectionLost(reason)

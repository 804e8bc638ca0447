"""The demo's POP3 server: the inbox as it was at the login."""

from collections.abc import Callable
from io import BytesIO
from typing import overload

from twisted.mail import pop3
from zope.interface import implementer

from mailproxy.demo import account
from mailproxy.demo.inbox import Inbox, Message
from mailproxy.demo.visit import ReportAction, ignore_action


@implementer(pop3.IMailbox)
class Maildrop:
    """One POP3 session's view of the inbox; deletions take effect with QUIT (RFC 1939, section 6)."""

    def __init__(self, inbox: Inbox) -> None:
        """Take the messages that `inbox` has now."""
        self._inbox = inbox
        self._messages = list(inbox.messages)
        self._deleted: set[int] = set()

    def _message(self, index: int) -> Message:
        if index >= len(self._messages) or index in self._deleted:
            raise ValueError(f"no message {index + 1}")
        return self._messages[index]

    @overload
    def listMessages(self) -> list[int]: ...

    @overload
    def listMessages(self, i: int) -> int: ...

    def listMessages(self, i: int | None = None) -> int | list[int]:
        """Give the size of message `i` (from 0), or of all; 0 stands for a deleted one."""
        if i is not None:
            return len(self._message(i).content)
        return [0 if i in self._deleted else len(message.content) for i, message in enumerate(self._messages)]

    def getMessage(self, index: int) -> BytesIO:
        """Give the content of a message with bare LF, which Twisted's server turns into CRLF."""
        return BytesIO(self._message(index).content.replace(b"\r\n", b"\n"))

    def getUidl(self, index: int) -> bytes:
        """Give what names a message in every session."""
        return b"%d.%d" % (self._inbox.uid_validity, self._message(index).uid)

    def deleteMessage(self, index: int) -> None:
        """Mark a message."""
        self._message(index)
        self._deleted.add(index)

    def undeleteMessages(self) -> None:
        """Take all marks away."""
        self._deleted.clear()

    def sync(self) -> None:
        """Remove the marked messages."""
        self._inbox.remove(self._messages[index] for index in self._deleted)


class Pop3Server(pop3.POP3):
    """Twisted's POP3 server with the demo's account."""

    # Twisted would offer APOP here, which clients prefer to USER and PASS in the demo's instructions.
    magic = b"mailproxy demo POP3"

    def __init__(self, inbox: Inbox, report: ReportAction = ignore_action) -> None:
        """Serve `inbox`."""
        self._inbox = inbox
        self._report = report

    def authenticateUserPASS(self, user: bytes, password: bytes) -> tuple[type, Maildrop, Callable[[], None]]:
        """Open the inbox for the demo's account."""
        account.check(user, password)
        self._report(f"{account.USER} logs in by POP3")
        return pop3.IMailbox, Maildrop(self._inbox), lambda: None

"""A message of the demo's inbox and its MIME parts, as Twisted's IMAP server asks for them."""

from email import message_from_bytes
from email.message import Message as Mime
from email.utils import format_datetime
from io import BytesIO
from typing import cast

from twisted.mail import imap4
from zope.interface import implementer

from mailproxy.demo.inbox import Message


@implementer(imap4.IMessagePart)
class Part:
    """A MIME part, as the IMAP server asks for it."""

    def __init__(self, mime: Mime) -> None:
        """Show `mime`."""
        self._mime = mime

    def getHeaders(self, negate: bool, *names: str | bytes) -> dict[str, str]:
        """Give the header fields called `names`, or all others; what is not ASCII as question marks."""
        wanted = {(name if isinstance(name, str) else name.decode("ascii", "replace")).lower() for name in names}
        return {
            name.lower(): str(value).encode("ascii", "replace").decode()
            for name, value in self._mime.items()
            if (name.lower() in wanted) is not negate
        }

    def getBodyFile(self) -> BytesIO:
        """Give what follows the header."""
        return BytesIO(_body(self._mime.as_bytes()))

    def getSize(self) -> int:
        """Count the bytes of the part."""
        return len(self._mime.as_bytes())

    def isMultipart(self) -> bool:
        """Return whether there are parts inside."""
        return self._mime.is_multipart()

    def getSubPart(self, part: int) -> "Part":
        """Give a part inside; `IndexError` past the last one."""
        payload = self._mime.get_payload()
        if isinstance(payload, list):
            return Part(cast(Mime, payload[part]))
        raise IndexError(part)


def _body(content: bytes) -> bytes:
    """What follows the first empty line, whichever line ends `content` has."""
    _, _, body = content.partition(b"\r\n\r\n")
    return body or content.partition(b"\n\n")[2]


@implementer(imap4.IMessage, imap4.IMessageFile)
class ImapMessage(Part):
    """A message of the inbox, as the IMAP server asks for it."""

    def __init__(self, message: Message) -> None:
        """Show `message`."""
        super().__init__(message_from_bytes(message.content))
        self._message = message

    def getUID(self) -> int:
        """Give the number that stays."""
        return self._message.uid

    def getFlags(self) -> list[str]:
        """Give what STORE made of the flags."""
        return sorted(self._message.flags)

    def getInternalDate(self) -> str:
        """Give the time when it was delivered."""
        return format_datetime(self._message.received)

    def getBodyFile(self) -> BytesIO:
        """Give what follows the header."""
        return BytesIO(_body(self._message.content))

    def getSize(self) -> int:
        """Count the bytes of the message."""
        return len(self._message.content)

    def open(self) -> BytesIO:
        """Give the message as it was delivered."""
        return BytesIO(self._message.content)

"""IMAP SEARCH (RFC 3501, section 6.4.4) for the demo: the keys that a person types."""

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default

from twisted.mail import imap4

from mailproxy.demo.inbox import Message

Matches = Callable[[int, Message], bool]
"""Returns whether a message, with its number, matches."""

Query = list["bytes | Query"]
"""Twisted's parsed line: words, and lists for parentheses."""

FLAG_KEYS = (b"ANSWERED", b"DELETED", b"DRAFT", b"FLAGGED", b"SEEN")
FIELD_KEYS = (b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO")


def matcher(query: Query, last_number: int, last_uid: int) -> Matches:
    """
    Read `query`: every key of it has to match.

    `last_number` and `last_uid` are the values of `*`. An unknown key is an `IllegalQueryError`.
    """
    words = iter(query)
    keys = [_key(word, words, last_number, last_uid) for word in words]
    return lambda number, message: all(key(number, message) for key in keys)


def _key(word: "bytes | Query", words: "Iterator[bytes | Query]", last_number: int, last_uid: int) -> Matches:
    """Read one key, whose first word is `word`; its arguments are next in `words`."""
    if isinstance(word, list):
        return matcher(word, last_number, last_uid)
    name = word.upper()
    if name == b"ALL":
        return lambda number, message: True
    if name == b"NOT":
        key = _key(_argument(words, name), words, last_number, last_uid)
        return lambda number, message: not key(number, message)
    if name == b"UID":
        uids = imap4.parseIdList(_text(words, name), last_uid)
        return lambda number, message: message.uid in uids
    if name[:1].isdigit() or name[:1] == b"*":
        numbers = imap4.parseIdList(name, last_number)
        return lambda number, message: number in numbers
    if name.removeprefix(b"UN") in FLAG_KEYS:
        flag = "\\" + name.removeprefix(b"UN").decode().title()
        return lambda number, message: (flag in message.flags) is not name.startswith(b"UN")
    if name in FIELD_KEYS:
        value = _text(words, name).decode("utf-8", "replace").lower()
        return lambda number, message: value in _field(message, name.decode()).lower()
    if name in (b"BODY", b"TEXT"):
        content = _text(words, name).lower()
        return lambda number, message: content in message.content.lower()
    raise imap4.IllegalQueryError(f"{name.decode('ascii', 'replace')} is not a key that the demo knows")


def _argument(words: "Iterator[bytes | Query]", name: bytes) -> "bytes | Query":
    """Take the next word; there has to be one."""
    for word in words:
        return word
    raise imap4.IllegalQueryError(f"{name.decode()} needs an argument")


def _text(words: "Iterator[bytes | Query]", name: bytes) -> bytes:
    """Take the next word; it has to be one without parentheses."""
    word = _argument(words, name)
    if isinstance(word, list):
        raise imap4.IllegalQueryError(f"{name.decode()} takes no list")
    return word


def _field(message: Message, name: str) -> str:
    """The decoded value of the header field `name`, or nothing."""
    return str(message_from_bytes(message.content, policy=default).get(name, ""))

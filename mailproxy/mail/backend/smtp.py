"""An SMTP, submission or LMTP backend (RFC 5321, RFC 2033)."""

import re

from mailproxy.mail.backend.account import Account, Login
from mailproxy.mail.backend.talk import AccountRefused, Misunderstood, Talk, Unexpected, exchange, exchange_last, shown
from mailproxy.mail.passwords import lists_passwords

# RFC 5321 section 4.2: a code, a hyphen on all lines but the last, text.
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")

_IS_OK = re.compile(rb"OK(?: |\Z)", re.IGNORECASE)

_ABOUT_ACCOUNT = frozenset({432, 500, 501, 502, 503, 504, 523, 530, 534, 535, 538})
"""
Refusals of AUTH that are about the account, the mechanism or missing TLS (RFC 4954 section 6; 523 is Dovecot's).

All others are faults of the server, above all 454: it cannot look up passwords.
"""


def _reply(data: bytes, step: str, expected: str) -> Talk[tuple[int, tuple[bytes, ...], bytes]]:
    """Send this, and read the reply: its code, its lines' texts, its last line."""
    texts = []
    line = yield from exchange(data, step, expected)
    while True:
        part = _REPLY_LINE.fullmatch(line)
        if part is None:
            raise Unexpected(step, expected, line)
        texts.append(part[3] or b"")
        if part[2] != b"-":
            return int(part[1]), tuple(texts), line
        # Only for the greeting: replies to a login may show its password.
        waits = f" after {shown(line)}, where postscreen waits for 6 s" if step == "greeting" else ""
        line = yield from exchange(b"", step, expected + waits)


def greet() -> Talk[bytes]:
    """Read all lines of the greeting; nothing of it is relayed."""
    code, _, line = yield from _reply(b"", "greeting", "220")
    if code != 220:
        raise Unexpected("greeting", "220", line)
    return b""


def introduce(prelude: bytes) -> Talk[None]:
    """Send a client's EHLO, HELO or LHLO; the client has its reply already."""
    verb = shown(prelude[:4])
    code, _, line = yield from _reply(prelude, verb, "250")
    if code != 250:
        raise Unexpected(verb, "250", line)


def learn(host: bytes, verb: bytes = b"EHLO") -> Talk[tuple[bytes, ...]]:
    """Read the greeting, and ask for the extensions (section 4.1.1.1); a server without EHLO has none."""
    yield from greet()
    code, texts, line = yield from _reply(b"%s %s\r\n" % (verb, host), verb.decode(), "250")
    if code == 250:
        return _extensions(texts)
    if 500 <= code <= 502:
        return ()
    raise Unexpected(verb.decode(), "250", line)


def hello(host: bytes, verb: bytes) -> Talk[tuple[bytes, ...]]:
    """Send our EHLO or LHLO, which the server must know; return its extensions."""
    code, texts, line = yield from _reply(b"%s %s\r\n" % (verb, host), verb.decode(), "250")
    if code != 250:
        raise Unexpected(verb.decode(), "250", line)
    return _extensions(texts)


def _extensions(texts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """
    Return the extensions in the lines of an EHLO or LHLO reply, without the first, which has the server's name.

    A line that begins with OK is not an extension. Cyrus has one in its LHLO reply, ``Ok SESSIONID=<...>``, which is
    new each time; Exchange ends its EHLO reply with ``OK``.
    """
    return tuple(text for text in texts[1:] if not _IS_OK.match(text))


def login(login: Login) -> Talk[None]:
    """Read the greeting and log in."""
    yield from greet()
    yield from _login(login.account, login.host, is_optional=False)


def login_if_offered(login: Login) -> Talk[None]:
    """
    Read the greeting, and log in if AUTH is offered: a server that only accepts mail for its own users needs no logins.
    """
    yield from greet()
    yield from _login(login.account, login.host, is_optional=True)


def _login(account: Account, host: bytes, *, is_optional: bool) -> Talk[None]:
    """
    Log in with AUTH PLAIN (RFC 4954 section 4).

    A server that treats the connection as unencrypted does not offer it. If the login is optional, a server without
    AUTH passes.
    """
    extensions = yield from hello(host, b"EHLO")
    offers = [text for text in extensions if text.upper().startswith(b"AUTH")]
    if is_optional and not offers:
        return
    if not any(b"PLAIN" in offer.upper().split() for offer in offers):
        raise AccountRefused("EHLO", "AUTH PLAIN in the reply", offers[0] if offers else b"a reply without AUTH")
    code, _, line = yield from _reply(b"AUTH PLAIN %s\r\n" % account.plain, "AUTH", "235")
    if code != 235:
        raise (AccountRefused if code in _ABOUT_ACCOUNT else Unexpected)("AUTH", "235", line)


def takes_passwords(capabilities: tuple[bytes, ...]) -> bool:
    """Return whether AUTH has a mechanism that sends passwords (RFC 4954 section 3)."""
    return lists_passwords(b"AUTH", capabilities)


def no_login(capabilities: tuple[bytes, ...]) -> str:
    """Return the sign if AUTH is not listed (RFC 4954 section 3)."""
    return "" if any(line.upper().startswith(b"AUTH") for line in capabilities) else "no AUTH"


def part() -> Talk[None]:
    """Quit; refuse any error, because QUIT is always known."""
    line = yield from exchange_last(b"QUIT\r\n", "QUIT", "221")
    if line.startswith(b"5"):
        raise Misunderstood("QUIT", "221", line)
    while line[3:4] == b"-":
        line = yield from exchange_last(b"", "QUIT", "221")
    if line.startswith(b"4"):
        raise Unexpected("QUIT", "221", line)

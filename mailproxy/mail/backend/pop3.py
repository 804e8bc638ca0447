"""A POP3 backend (RFC 1939, RFC 2449)."""

from mailproxy.mail.backend.account import Account, Login
from mailproxy.mail.backend.talk import AccountRefused, Misunderstood, Talk, Unexpected, exchange, exchange_last
from mailproxy.mail.passwords import lists_passwords

_TROUBLE = (b"-ERR [SYS/", b"-ERR [UNAVAILABLE]")
"""The errors for faults of the server (RFC 3206 section 4); other refusals of a login are about the account."""

_LINE = 255
"""The most octets of a command, with its CRLF (RFC 2449 section 4)."""


def greet() -> Talk[bytes]:
    """Read the greeting (RFC 1939 section 4); nothing of it is relayed."""
    yield from _ask(b"", "greeting")
    return b""


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Read the greeting, and ask for the capabilities (RFC 2449 section 5); a server without CAPA has none."""
    yield from greet()
    line = yield b"CAPA\r\n"
    if not line.startswith(b"+OK"):
        return ()
    capabilities = []
    while (line := (yield b"").rstrip(b"\r\n")) != b".":
        capabilities.append(line)
    return tuple(capabilities)


def login(login: Login) -> Talk[None]:
    """Read the greeting, log in, and check the mailbox if one is given."""
    yield from greet()
    yield from _login(login.account)
    if login.mailbox is not None:
        yield from _check_mailbox()


def _login(account: Account) -> Talk[None]:
    """
    Log in with USER and PASS (RFC 1939 section 7); AUTH PLAIN carries accounts that they cannot (RFC 5034 section 4).
    """
    user, password = b"USER %s\r\n" % account.user, b"PASS %s\r\n" % account.password
    if account.is_ascii and b" " not in account.user and len(user) <= _LINE and len(password) <= _LINE:
        yield from _identify(user, "USER", b"+OK")
        yield from _identify(password, "PASS", b"+OK")
    else:
        yield from _identify(b"AUTH PLAIN\r\n", "AUTH", b"+ ")
        yield from _identify(account.plain + b"\r\n", "AUTH", b"+OK")


def _check_mailbox() -> Talk[None]:
    """Check the mailbox with STAT (RFC 1939 section 5)."""
    yield from _ask(b"STAT\r\n", "STAT")


def part() -> Talk[None]:
    """Quit; refuse any error, because QUIT is always known."""
    line = yield from exchange_last(b"QUIT\r\n", "QUIT", "+OK")
    if line.upper().startswith(_TROUBLE):
        raise Unexpected("QUIT", "+OK", line)
    if line.startswith(b"-ERR"):
        raise Misunderstood("QUIT", "+OK", line)


def takes_passwords(capabilities: tuple[bytes, ...]) -> bool:
    """Return whether USER and PASS or a mechanism of SASL sends passwords (RFC 2449 sections 6.2 and 6.3)."""
    return b"USER" in {capability.upper() for capability in capabilities} or lists_passwords(b"SASL", capabilities)


def no_login(capabilities: tuple[bytes, ...]) -> str:
    """Return the sign if neither USER nor a mechanism of SASL is listed (RFC 2449); "" for a server without CAPA."""
    upper = [capability.upper() for capability in capabilities]
    has_mechanism = any(line.startswith(b"SASL ") and line[5:].strip() for line in upper)
    return "" if not upper or b"USER" in upper or has_mechanism else "no USER, no SASL mechanism"


def _ask(data: bytes, step: str) -> Talk[None]:
    line = yield from exchange(data, step, "+OK")
    if not line.startswith(b"+OK"):
        raise Unexpected(step, "+OK", line)


def _identify(data: bytes, step: str, expected: bytes) -> Talk[None]:
    line = yield from exchange(data, step, expected.decode().rstrip())
    if line.startswith(expected):
        return
    is_about_account = line.startswith(b"-ERR") and not line.upper().startswith(_TROUBLE)
    raise (AccountRefused if is_about_account else Unexpected)(step, expected.decode().rstrip(), line)

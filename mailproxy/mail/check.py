"""What a health check says to a server: as little as tells whether it works, and a polite goodbye."""

from mailproxy.mail.backend.account import Login, secretly
from mailproxy.mail.backend.talk import Talk
from mailproxy.mail.protocols import PROTOCOLS


def mail_check(protocol: str) -> Talk[None]:
    """
    Hear the greeting to its end, and leave; raises `BackendRefused` in the talk if the server does not work.

    What the server says until it answers the goodbye tells whether it has understood the PROXY header: `Misunderstood`
    if not.

    That is the quietest one can be: Dovecot logs one line for a connection that logs out, and no fewer for one that
    says nothing. KeyError for a protocol whose server does not greet.
    """
    spoken = PROTOCOLS[protocol]
    yield from spoken.greet()
    yield from spoken.part()


def login_check(protocol: str, login: Login) -> Talk[None]:
    """
    Log in and leave; raises `AccountRefused` in the talk if it is the account that does not work.

    No failure tells the password. KeyError for a protocol whose server does not greet.
    """
    spoken = PROTOCOLS[protocol]
    yield from secretly(spoken.login(login), login.account)
    yield from spoken.part()

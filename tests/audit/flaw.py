"""What can be wrong with a server's STARTTLS."""

from enum import Enum, auto


class Flaw(Enum):
    """One thing that a fake server does and should not, or that it does in another good way."""

    DISCARDS_BUFFER = auto()  # good, too: others close
    NEEDS_NO_HELLO = auto()  # good, too

    HIDES_STARTTLS = auto()
    HAS_NO_STARTTLS = auto()
    GREETS_PREAUTH = auto()
    OFFERS_APOP = auto()
    OFFERS_LOGIN = auto()
    PROMPTS = auto()
    TAKES_LOGIN = auto()
    LOOKS_AT_LOGIN = auto()
    KEEPS_LOGIN = auto()
    PROMPTS_FOR_LITERAL = auto()
    EXECUTES_LITERAL = auto()
    IGNORES_ARGUMENTS = auto()
    SPEAKS_BEFORE_HANDSHAKE = auto()
    GOES_ON_WITHOUT_TLS = auto()
    KEEPS_BUFFER = auto()
    EXECUTES_BUFFER_QUIETLY = auto()
    KEEPS_HELLO = auto()
    KEEPS_MAIL = auto()
    GREETS_TWICE = auto()
    OFFERS_AGAIN = auto()
    ACCEPTS_TWICE = auto()
    KEEPS_CAPABILITIES = auto()
    LISTS_NOTHING = auto()
    IS_MUTE = auto()
    CLOSES_AT_ONCE = auto()

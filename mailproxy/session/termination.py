"""
How sessions end.

Theory of operation. An `Ending` is one way to end, and one row of the table in docs/log.md: HAProxy's letter for who
ended the session, the letter of the stage unless it can be any stage, the counter, and the level of the log line. A
`Termination` is the end of one session. The stage that detects the end chooses the ending and the reason; the session
adds its stage, counts it, and closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from mailproxy.tls.presented import Presented

Letter = Literal["R", "Q", "C", "D", "-"]
"""HAProxy's letter for a stage."""

Counter = Literal[
    "", "header_errors", "handshake_errors", "no_server", "refused", "injections", "rejected", "ruled_out"
]
"""The field of `mailproxy.session.counters.Counters` that counts an ending; empty for none."""

Dialogue = Literal["starttls", "clear", "goodbye", "left", "late", "misbehaved", "injected", "ended"]
"""How a dialogue before STARTTLS ended; ``clear``: the client went on to a server without TLS."""


@frozen(eq=False)
class Ending:
    """One way in which sessions end."""

    who: Literal["-", "C", "S", "P", "R", "K", "D", "U", "I", "c", "s"]
    """HAProxy's letter for who or what ended the session."""
    stage: Letter | None
    """The letter of the stage; None: that of the session's current stage."""
    happened: str
    """What happened, in the words of docs/log.md."""
    counter: Counter = ""
    warns: bool = False
    """True if the log line has the level `warn`: no server took the client, or its PROXY header was refused."""
    dialogue: Dialogue = "ended"
    """
    How it ends a dialogue before STARTTLS, or the handshake after one.

    Endings that the stages of the dialogue and of the handshake do not find have ``ended``.
    """


@frozen(eq=False)
class Termination:
    """The end of one session."""

    ending: Ending
    stage: Letter
    reason: str
    """The reason in words, for the log; empty if the session ended normally."""
    presented: Presented | None = None
    """The client's certificate if it was refused for that."""
    kind: str = ""
    """The kind of failure of a handshake or a PROXY header, to count it."""
    sni: str | None = None
    """The server name of a failed handshake, if the client sent one and OpenSSL had read it."""
    letters: str = field(init=False)
    """HAProxy's termination state."""
    is_early: bool = field(init=False)
    """True if it was the client, or what it sent, before a server was wanted: a flood can have any number."""

    # Most sessions share one termination: these are made once.

    @letters.default
    def _letters(self) -> str:
        return self.ending.who + self.stage

    @is_early.default
    def _is_early(self) -> bool:
        return self.stage == "R" and self.ending.who in ("C", "c", "P")


DONE = Ending("-", "-", "both sides closed, and all bytes were delivered")
CLIENT_LEFT = Ending("C", None, "the client went away", dialogue="left")

FINISHED = Termination(DONE, "-", "")
"""The end of every session that ended normally."""

# The client's address.
REJECTED = Ending("P", "R", "the client's address is banned or over a limit", "rejected")

# Rules.
RULED_OUT = Ending("P", "R", "a rule of the frontend refused the client", "ruled_out")

# The PROXY header.
HEADER_CUT = Ending("C", "R", "the client went away before its PROXY header was complete", "header_errors")
HEADER_LATE = Ending("c", "R", "no complete PROXY header in time", "header_errors", warns=True)
HEADER_REFUSED = Ending("P", "R", "the PROXY header, or the lack of one, was refused", "header_errors", warns=True)
CLIENT_REFUSED = Ending("P", "R", "the client's address is not allowed to connect", "header_errors", warns=True)

# Before STARTTLS.
GOODBYE = Ending("-", "-", "the client said goodbye before STARTTLS", dialogue="goodbye")
LOGIN_LATE = Ending("c", "R", "no STARTTLS within `timeout.login`", dialogue="late")
MISBEHAVED = Ending(
    "P",
    "R",
    "before STARTTLS, the client sent bytes that are not commands, or too many commands",
    dialogue="misbehaved",
)
INJECTED = Ending("P", "R", "bytes other than TLS followed STARTTLS", "injections", dialogue="injected")

# TLS.
HANDSHAKE_LEFT = Ending(
    "C",
    "R",
    "the client ended the TLS handshake: it left, or does not trust the certificate",
    "handshake_errors",
    dialogue="starttls",
)
LOCAL_LEFT = Ending(
    "C", "R", "a proxy that connected for itself (`local=yes`) left in the TLS handshake", dialogue="starttls"
)
HANDSHAKE_LATE = Ending(
    "c", "R", "no TLS handshake within `timeout.handshake`", "handshake_errors", dialogue="starttls"
)
HANDSHAKE_FAILED = Ending(
    "P",
    "R",
    "the client's bytes are not TLS, or its TLS does not match ours",
    "handshake_errors",
    dialogue="starttls",
)

# The server.
QUEUE_FULL = Ending("P", "Q", "all servers were full, and `maxqueue` clients waited already", "no_server", warns=True)
QUEUE_LATE = Ending("s", "Q", "no server had room within `timeout.queue`", "no_server", warns=True)
QUEUE_LOST = Ending("S", "Q", "the last server went down while the client waited for it", "no_server", warns=True)
NO_SERVER = Ending("S", "C", "no server is up, or the last attempt failed", "no_server", warns=True)
SERVER_LATE = Ending("s", "C", "the server did not connect or greet within `timeout.connect`", "no_server", warns=True)
REFUSED = Ending("S", "C", "a server refused the client in its own words", "refused", warns=True)
REFUSED_LATE = Ending(
    "s", "C", "a server refused the client in its own words, and the next one took too long", "refused", warns=True
)
NO_SOCKET = Ending("R", "C", "no file descriptor or memory for a connection to a server", "no_server", warns=True)

# The relay.
CLIENT_SILENT = Ending("c", "D", "the client was silent for longer than `timeout.client` or `timeout.client-fin`")
SERVER_SILENT = Ending("s", "D", "the server was silent for longer than `timeout.server` or `timeout.server-fin`")
SERVER_LEFT = Ending("S", "D", "the connection to the server broke")
FLOODED = Ending(
    "P",
    "D",
    "a side sent hundreds of TLS records without payload within a second, a client renegotiated TLS 1.2, or a server "
    "sent a session ticket or a key update in more than one TLS record",
)
GUESSED = Ending("P", "D", "the server refused as many logins as `auth-failures-per-session` allows")

# From outside the session.
SHUT_DOWN = Ending("K", None, "mailproxy was shut down")
ENDED = Ending("K", None, "an administrator ended the session: `mailproxy ctl shutdown session`")
KICKED = Ending("K", None, "an administrator banned the client: `mailproxy ctl ban … kick`")
SERVER_DOWN = Ending("D", "D", 'the server went down, with `on-marked-down = "shutdown-sessions"`')
BACKUP_LEFT = Ending(
    "U", "D", 'the server that this one is the backup of came back, with `on-marked-up = "shutdown-backup-sessions"`'
)
BUG = Ending("I", None, "a bug in mailproxy; its traceback is logged beside this line")

ENDINGS: Mapping[Ending, str] = {
    ending: name.lower().replace("_", "-") for name, ending in tuple(vars().items()) if isinstance(ending, Ending)
}
"""The name of each ending."""

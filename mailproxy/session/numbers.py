"""The numbers of a frontend: the index of each in the frontend's block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from attrs import fields

from mailproxy.announce.header import TLVS
from mailproxy.counting.layout import Layout
from mailproxy.session.arrival import KINDS as HEADER_ERROR_KINDS
from mailproxy.session.counters import Counters
from mailproxy.session.gate import GATE_WORDS
from mailproxy.session.termination import ENDINGS, Dialogue, Ending, Letter
from mailproxy.tls.algorithms import KNOWN_CIPHERS, KNOWN_GROUPS, KNOWN_VERSIONS
from mailproxy.tls.failure import KINDS as HANDSHAKE_ERROR_KINDS

OTHER = "other"
"""The key of everything that has no key of its own."""

FRONTEND = Layout()
"""The numbers of a frontend since the start of mailproxy."""

COUNTERS = {field.name: FRONTEND.number(field.name) for field in fields(Counters)}
"""The index of each of the `Counters`."""

CONNECTIONS = COUNTERS["connections"]
HEADERS = COUNTERS["headers"]
SESSIONS = COUNTERS["sessions"]
REJECTED = COUNTERS["rejected"]

GATES = FRONTEND.table("gates", GATE_WORDS)
"""Clients that a gate has rejected, by its word."""

RETRIES = FRONTEND.number("retries")
"""Attempts to reach a server after a session's first one."""
REFUSED_LOGINS = FRONTEND.number("refused_logins")
"""Logins that servers have refused, where a rule or the log asks for them."""
BYTES_IN = FRONTEND.number("bytes_in")
"""Bytes from clients, without those of TLS."""
BYTES_OUT = FRONTEND.number("bytes_out")
"""Bytes from servers, without those of TLS."""
HANDSHAKES = FRONTEND.number("handshakes")
"""Handshakes of TLS that were completed."""
RESUMED = FRONTEND.number("resumed")
"""Handshakes that resumed an earlier session."""

VERSIONS = FRONTEND.table("versions", (*KNOWN_VERSIONS, OTHER))
CIPHERS = FRONTEND.table("ciphers", (*KNOWN_CIPHERS, OTHER))
GROUPS = FRONTEND.table("groups", (*KNOWN_GROUPS, "none", OTHER))
HANDSHAKE_FAILURES = FRONTEND.table("handshake_failures", HANDSHAKE_ERROR_KINDS)
HEADER_FAILURES = FRONTEND.table("header_failures", HEADER_ERROR_KINDS)
DIALOGUES = FRONTEND.table("dialogues", get_args(Dialogue))
"""How the dialogues before STARTTLS ended."""
TLVS_WITHOUT_ROOM = FRONTEND.table("tlvs_without_room", (*TLVS, OTHER))
"""TLVs that a header to a server had no room for."""

_LETTERS: tuple[Letter, ...] = ("R", "Q", "C", "D")


_ENDED = {
    (ending, letter): f"{ending.who}{letter} {name}"
    for ending, name in ENDINGS.items()
    for letter in ([ending.stage] if ending.stage else _LETTERS)
}
_KEYS = FRONTEND.table("endings", _ENDED.values())
ENDED: Mapping[tuple[Ending, Letter], int] = {ended: _KEYS[key] for ended, key in _ENDED.items()}
"""The index for each ending and stage; the keys are the two letters and the ending's name."""

_MOMENTS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

HANDSHAKE_TIME = FRONTEND.histogram("handshake_time", _MOMENTS)
"""From accept to the end of the handshake, with the PROXY header and the dialogue before STARTTLS."""
QUEUE_TIME = FRONTEND.histogram("queue_time", (*_MOMENTS[3:], 30.0, 60.0))
"""In a queue for a server; only of sessions that had to wait."""
CONNECT_TIME = FRONTEND.histogram("connect_time", (*_MOMENTS, 30.0))
"""From the end of the handshake, or from accept without TLS, to the server's greeting, without the time in a queue."""
FIRST_BYTE_TIME = FRONTEND.histogram("first_byte_time", (*_MOMENTS, 30.0, 60.0))
"""From accept to the server's greeting, which is the first byte that a client gets from it."""
DURATION = FRONTEND.histogram(
    "duration", (0.01, 0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0)
)
"""From accept to the end."""

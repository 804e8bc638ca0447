"""
Counts what sessions tell of themselves: TLS, times, bytes, and how they end.

A session is counted twice, each time with all others of the last moment, which costs a third of counting them one by
one: after it has reached a server, so that a session of days is seen at once, and after its end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from mailproxy.announce.header import without_room
from mailproxy.backend import numbers as of_server
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.counting.page import Words
from mailproxy.session import termination as endings
from mailproxy.session.numbers import (
    BYTES_IN,
    BYTES_OUT,
    CIPHERS,
    CONNECT_TIME,
    DIALOGUES,
    DURATION,
    ENDED,
    FIRST_BYTE_TIME,
    GROUPS,
    HANDSHAKE_FAILURES,
    HANDSHAKE_TIME,
    HANDSHAKES,
    HEADER_FAILURES,
    OTHER,
    QUEUE_TIME,
    RESUMED,
    RETRIES,
    TLVS_WITHOUT_ROOM,
    VERSIONS,
)
from mailproxy.session.termination import Ending, Termination
from mailproxy.session.terms import Terms
from mailproxy.tls.facts import TlsFacts
from mailproxy.transport.stream import Stream

_FAILURES: Mapping[str, Mapping[str, int]] = {"handshake_errors": HANDSHAKE_FAILURES, "header_errors": HEADER_FAILURES}

# What else ends a dialogue before TLS: the client goes, or mailproxy ends.
_DIALOGUES: Mapping[Ending, str] = {
    endings.GOODBYE: "goodbye",
    endings.CLIENT_LEFT: "left",
    endings.LOGIN_LATE: "late",
    endings.MISBEHAVED: "misbehaved",
    endings.INJECTED: "injected",
}

_HANDSHAKE_ENDINGS = frozenset(
    {endings.HANDSHAKE_LEFT, endings.LOCAL_LEFT, endings.HANDSHAKE_LATE, endings.HANDSHAKE_FAILED}
)


class CountedSession(Protocol):
    """The attributes of a session that are counted; `mailproxy.session.session.Session` explains them."""

    terms: Terms
    backend: Backend | None
    facts: TlsFacts | None
    client: Stream
    stream: Stream | None
    server: BackendServer | None
    retries: int
    queued: float
    left_out: tuple[str, ...]
    started: float
    secured: float
    greeted: float
    ended: float
    termination: Termination | None

    @property
    def words(self) -> Words:
        """The numbers of the session's frontend."""


AnySession = TypeVar("AnySession", bound=CountedSession)


def count_sessions(begun: Iterable[CountedSession], ended: Iterable[CountedSession]) -> None:
    """Count sessions that have reached a server, and sessions that are over; one may be both."""
    for some in _by_frontend(begun):
        words = some[0].words
        _count_way(words, some)
        CONNECT_TIME.count(words, [one.greeted - (one.secured or one.started) - one.queued for one in some])
        FIRST_BYTE_TIME.count(words, [one.greeted - one.started for one in some])
        for server, count in Counter([one.server for one in some]).items():
            if server is not None:
                server.words[of_server.SESSIONS] += count
    for some in _by_frontend(ended):
        words = some[0].words
        _count_way(words, [one for one in some if not one.greeted])
        _count_ends(words, some)


def _by_frontend(sessions: Iterable[AnySession]) -> Iterable[Sequence[AnySession]]:
    groups: defaultdict[str, list[AnySession]] = defaultdict(list)
    for session in sessions:
        groups[session.terms.frontend].append(session)
    return groups.values()


def _count_way(words: Words, sessions: Sequence[CountedSession]) -> None:
    """Count how sessions came to a server, or as far as they came."""
    secured = [one for one in sessions if one.facts is not None]
    if secured:
        _count_tls(words, secured)
    rare = [one for one in sessions if one.queued or one.retries or one.left_out]
    if rare:
        words[RETRIES] += sum(one.retries for one in rare)
        QUEUE_TIME.count(words, [one.queued for one in rare if one.queued])
        for one in rare:
            for name in without_room(one.left_out):
                words[TLVS_WITHOUT_ROOM.get(name) or TLVS_WITHOUT_ROOM[OTHER]] += 1
    dialogues = [_dialogue(one) for one in sessions if one.terms.dialogue is not None]
    for outcome, count in Counter(dialogues).items():
        words[DIALOGUES[outcome]] += count


def _count_tls(words: Words, sessions: Sequence[CountedSession]) -> None:
    words[HANDSHAKES] += len(sessions)
    for facts, count in Counter([one.facts for one in sessions]).items():
        assert facts is not None
        words[VERSIONS.get(facts.version) or VERSIONS[OTHER]] += count
        words[CIPHERS.get(facts.cipher) or CIPHERS[OTHER]] += count
        words[GROUPS.get(facts.group or "none") or GROUPS[OTHER]] += count
        if facts.resumed:
            words[RESUMED] += count
    HANDSHAKE_TIME.count(words, [one.secured - one.started for one in sessions])


def _dialogue(session: CountedSession) -> str:
    """Return how the dialogue before TLS ended."""
    ending = None if session.termination is None else session.termination.ending
    if session.facts is not None or ending in _HANDSHAKE_ENDINGS:
        return "starttls"
    if session.backend is not None:
        return "clear"
    return "ended" if ending is None else _DIALOGUES.get(ending, "ended")


def _count_ends(words: Words, sessions: Sequence[CountedSession]) -> None:
    words[BYTES_IN] += sum([one.client.received for one in sessions])
    DURATION.count(words, [one.ended - one.started for one in sessions])
    relayed: defaultdict[BackendServer | None, list[tuple[int, int]]] = defaultdict(list)
    for one in sessions:
        if one.stream is not None:
            relayed[one.server].append((one.client.received, one.stream.received))
    for server, amounts in relayed.items():
        bytes_in, bytes_out = map(sum, zip(*amounts, strict=True))
        words[BYTES_OUT] += bytes_out
        if server is not None:
            server.words[of_server.BYTES_IN] += bytes_in
            server.words[of_server.BYTES_OUT] += bytes_out
    ends = [one.termination for one in sessions if one.termination is not None]
    for what, count in Counter([(end.ending, end.stage) for end in ends]).items():
        words[ENDED[what]] += count
    for end in ends:
        if end.kind and end.ending.counter in _FAILURES:
            words[_FAILURES[end.ending.counter][end.kind]] += 1

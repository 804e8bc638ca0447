"""
Counts what is known of sessions: TLS, times, bytes, and how they end.

A session is counted twice, each time in a row with the others of the last moment: after it has reached a server, so
that a session of days is seen at once, and after its end. The bytes of a live session are counted in between as well
(`count_live`).

What every session is counted for is added up first: they often have the same server, ending and TLS, and one more
addition to a number in shared memory costs twice as much as one to a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from mailproxy.announce.left_out import LeftOut
from mailproxy.backend import numbers as of_server
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.counting.page import Numbers
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
from mailproxy.session.termination import Dialogue, Termination
from mailproxy.session.terms import Terms
from mailproxy.tls.facts import TlsFacts
from mailproxy.transport.stream import Stream

_FAILURES: Mapping[str, Mapping[str, int]] = {"handshake_errors": HANDSHAKE_FAILURES, "header_errors": HEADER_FAILURES}


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
    left_out: tuple[LeftOut, ...]
    counted_in: int
    counted_out: int
    started: float
    secured: float
    greeted: float
    ended: float
    termination: Termination | None

    @property
    def numbers(self) -> Numbers:
        """The numbers of the session's frontend."""


AnySession = TypeVar("AnySession", bound=CountedSession)
Thing = TypeVar("Thing")


def count_sessions(begun: Iterable[CountedSession], ended: Iterable[CountedSession]) -> None:
    """Count sessions that have reached a server, and sessions that are over; one may be both."""
    for numbers, some in _by_frontend(begun):
        _count_begun(numbers, some)
        _count_way(numbers, some)
    for numbers, some in _by_frontend(ended):
        _count_ended(numbers, some)
        _count_way(numbers, [one for one in some if not one.greeted])


def _by_frontend(sessions: Iterable[AnySession]) -> Iterator[tuple[Numbers, Sequence[AnySession]]]:
    groups: dict[str, list[AnySession]] = {}
    name, some = "", list[AnySession]()
    for session in sessions:
        if session.terms.frontend != name:
            name = session.terms.frontend
            some = groups.setdefault(name, [])
        some.append(session)
    for some in groups.values():
        yield some[0].numbers, some


def _count_begun(numbers: Numbers, sessions: Sequence[CountedSession]) -> None:
    FIRST_BYTE_TIME.count_all(numbers, [one.greeted - one.started for one in sessions])
    CONNECT_TIME.count_all(numbers, [one.greeted - (one.secured or one.started) - one.queued for one in sessions])
    for server, count in _counts([one.server for one in sessions]):
        _add(server, of_server.SESSIONS, count)


def _count_ended(numbers: Numbers, sessions: Sequence[CountedSession]) -> None:
    DURATION.count_all(numbers, [one.ended - one.started for one in sessions])
    all_in = all_out = bytes_in = bytes_out = 0
    server: BackendServer | None = None
    for one in sessions:
        received = one.client.received - one.counted_in
        stream = one.stream
        if stream is None:
            all_in += received
            continue
        if one.server is not server:
            _add(server, of_server.BYTES_IN, bytes_in)
            _add(server, of_server.BYTES_OUT, bytes_out)
            all_in += bytes_in
            all_out += bytes_out
            server, bytes_in, bytes_out = one.server, 0, 0
        bytes_in += received
        bytes_out += stream.received - one.counted_out
    _add(server, of_server.BYTES_IN, bytes_in)
    _add(server, of_server.BYTES_OUT, bytes_out)
    numbers[BYTES_IN] += all_in + bytes_in
    numbers[BYTES_OUT] += all_out + bytes_out
    for end, count in _counts([one.termination for one in sessions]):
        if end is not None:
            numbers[ENDED[end.ending, end.stage]] += count
            if end.kind and end.ending.counter in _FAILURES:
                numbers[_FAILURES[end.ending.counter][end.kind]] += count


def _counts(things: Sequence[Thing]) -> Iterator[tuple[Thing, int]]:
    """Yield each different thing, and how often it is there: for a few, that is faster than a `Counter`."""
    for thing in set(things):
        yield thing, things.count(thing)


def _add(server: BackendServer | None, index: int, number: int) -> None:
    if server is not None:
        server.numbers[index] += number


def count_live(sessions: Iterable[CountedSession]) -> None:
    """Count the bytes of sessions so far; those of one that is over are counted with its end."""
    for one in sessions:
        stream = one.stream
        if stream is None or one.ended:
            continue  # a stage before the relay may still replace the client's stream, and begin again at 0
        received, answered = one.client.received, stream.received
        bytes_in, bytes_out = received - one.counted_in, answered - one.counted_out
        if bytes_in or bytes_out:
            one.counted_in, one.counted_out = received, answered
            one.numbers[BYTES_IN] += bytes_in
            one.numbers[BYTES_OUT] += bytes_out
            if one.server is not None:
                one.server.numbers[of_server.BYTES_IN] += bytes_in
                one.server.numbers[of_server.BYTES_OUT] += bytes_out


def _count_way(numbers: Numbers, sessions: Sequence[CountedSession]) -> None:
    """Count how sessions came to a server, or as far as they came."""
    facts: TlsFacts | None = None
    in_a_row = 0
    for one in sessions:
        if one.facts is not None:
            if one.facts is not facts:
                _count_tls(numbers, facts, in_a_row)
                facts, in_a_row = one.facts, 0
            in_a_row += 1
            HANDSHAKE_TIME.count(numbers, one.secured - one.started)
        if one.terms.dialogue is not None:
            numbers[DIALOGUES[_dialogue(one)]] += 1
        if one.queued:
            QUEUE_TIME.count(numbers, one.queued)
        if one.retries:
            numbers[RETRIES] += one.retries
        if one.left_out:
            _count_left_out(numbers, one.left_out)
    _count_tls(numbers, facts, in_a_row)


def _count_tls(numbers: Numbers, facts: TlsFacts | None, count: int) -> None:
    if facts is not None:
        numbers[HANDSHAKES] += count
        numbers[VERSIONS.get(facts.version) or VERSIONS[OTHER]] += count
        numbers[CIPHERS.get(facts.cipher) or CIPHERS[OTHER]] += count
        numbers[GROUPS.get(facts.group or "none") or GROUPS[OTHER]] += count
        if facts.resumed:
            numbers[RESUMED] += count


def _count_left_out(numbers: Numbers, left_out: Iterable[LeftOut]) -> None:
    for one in left_out:
        if one.has_no_room:
            numbers[TLVS_WITHOUT_ROOM.get(one.name) or TLVS_WITHOUT_ROOM[OTHER]] += 1


def _dialogue(session: CountedSession) -> Dialogue:
    """Return how the dialogue before TLS ended."""
    if session.facts is not None:
        return "starttls"
    ending = None if session.termination is None else session.termination.ending
    if ending is not None and ending.dialogue == "starttls":
        return "starttls"
    if session.backend is not None:
        return "clear"
    return "ended" if ending is None else ending.dialogue

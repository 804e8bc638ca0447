"""Reads what clients' certificates are verified with, as the profiles of a configuration name it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from mailproxy.config import Config, Problem, TlsProfile
from mailproxy.config.words import key_path
from mailproxy.tls.certificate import UnusableCertificate
from mailproxy.tls.source import read_up_to
from mailproxy.tls.trust import ClientTrust, TrustFile, TrustProblem, UnusableTrust, make_trust

TrustByProfile = Mapping[str, ClientTrust]

MOST_BYTES = 64 * 1024 * 1024
"""Lists of revoked certificates have some MiB, those of large authorities tens of them."""

State = tuple[tuple[int, ...], ...]
"""What files look like from outside."""


def read_trust(profile: TlsProfile) -> ClientTrust | None:
    """Read what a profile's clients are verified with, None if it names nothing; raises `UnusableTrust`."""
    if not profile.client_ca:
        return None
    problems: list[TrustProblem] = []

    def read(key: str, paths: Iterable[str]) -> Iterator[TrustFile]:
        for path in paths:
            try:
                yield TrustFile(path, read_up_to(path, MOST_BYTES))
            except OSError as error:
                problems.append(TrustProblem(key, f"{path}: cannot be read: {error.strerror}"))
            except UnusableCertificate as error:
                problems.append(TrustProblem(key, f"{path}: {error}"))

    authorities, lists = list(read("client-ca", profile.client_ca)), list(read("client-crl", profile.client_crl))
    try:
        trust = make_trust(authorities, lists)
    except UnusableTrust as error:
        raise UnusableTrust([*problems, *error.problems]) from None
    if problems:
        raise UnusableTrust(problems)
    return trust


def look_at_trust(profile: TlsProfile) -> State:
    """Look at what a profile's clients are verified with, without reading it."""
    return tuple(_mark(path) for path in (*profile.client_ca, *profile.client_crl))


def newest(state: State) -> float:
    """Return when the last of some files changed, by the wall clock; 0 if there are none."""
    return max((mark[3] / 1e9 for mark in state if len(mark) > 1), default=0.0)


def _mark(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_trusts(config: Config) -> tuple[TrustByProfile, tuple[Problem, ...]]:
    """Read what each profile's clients are verified with; return it by the profile's name, and what is wrong."""
    trusts: dict[str, ClientTrust] = {}
    problems: list[Problem] = []
    for name, profile in config.tls.items():
        try:
            trust = read_trust(profile)
        except UnusableTrust as error:
            problems.extend(Problem(key_path("tls", name, one.key), one.message) for one in error.problems)
        else:
            if trust is not None:
                trusts[name] = trust
    return trusts, tuple(problems)


def trust_warnings(trusts: TrustByProfile, now: datetime) -> Iterator[str]:
    """Tell of what makes clients be refused at `now` though nobody meant it, each in one line."""
    lines = (line for trust in trusts.values() for line in _warnings(trust, now))
    yield from dict.fromkeys(lines)


def _warnings(trust: ClientTrust, now: datetime) -> Iterator[str]:
    for authority in trust.authorities:
        who = authority.subject.rfc4514_string()
        if authority.not_valid_after_utc < now:
            yield f"client-ca: {who} expired on {authority.not_valid_after_utc:%Y-%m-%d}; its clients are refused"
        mine = [one for one in trust.lists if one.crl.issuer == authority.subject]
        if trust.lists and not mine:
            yield f"client-crl: has no list of {who}; its clients are refused"
        if mine and all(one.next_update is not None and one.next_update < now for one in mine):
            last = max(mine, key=lambda one: one.crl.last_update_utc)
            yield f"{last.path}: expired on {last.next_update:%Y-%m-%d}; all clients of {who} are refused"

"""Reads the authorities and revocation lists of a configuration's profiles."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from mailproxy.config import Config, Problem, TlsProfile
from mailproxy.config.words import key_path
from mailproxy.tls.pem import UnusableCertificate
from mailproxy.tls.source import read_up_to
from mailproxy.tls.trust import ClientTrust, TrustFile, TrustProblem, UnusableTrust, make_trust

TrustByProfile = Mapping[str, ClientTrust]

MAX_BYTES = 64 * 1024 * 1024
"""Revocation lists have a few MiB, those of large authorities tens of MiB."""

State = tuple[tuple[int, ...], ...]
"""The state of files: inode, size and times, without their content."""


def read_trust(profile: TlsProfile) -> ClientTrust | None:
    """Read a profile's authorities and lists; return None if it names none; raise `UnusableTrust` for bad files."""
    if not profile.client_ca:
        return None
    problems: list[TrustProblem] = []

    def read(key: str, paths: Iterable[str]) -> Iterator[TrustFile]:
        for path in paths:
            try:
                yield TrustFile(path, read_up_to(path, MAX_BYTES))
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
    """Return the state of the files with a profile's authorities and lists, without reading them."""
    return tuple(_mark(path) for path in (*profile.client_ca, *profile.client_crl))


def newest(state: State) -> float:
    """Return the time of the latest change of some files, by the wall clock; 0 if there are no files."""
    return max((mark[3] / 1e9 for mark in state if len(mark) > 1), default=0.0)


def _mark(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_trusts(config: Config) -> tuple[TrustByProfile, tuple[Problem, ...]]:
    """Read the authorities and lists of each profile; return them by profile, and all problems."""
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
    """Warn about authorities and lists that refuse good clients at `now`, each in one line."""
    lines = (line for trust in trusts.values() for line in _warnings(trust, now))
    yield from dict.fromkeys(lines)


def _warnings(trust: ClientTrust, now: datetime) -> Iterator[str]:
    for authority in trust.authorities:
        who = authority.subject.rfc4514_string()
        if authority.not_valid_after_utc < now:
            end = f"{authority.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            yield f"client-ca: {who} expired on {end}; its clients are refused"
        mine = [one for one in trust.lists if one.crl.issuer == authority.subject]
        if trust.lists and not mine:
            yield f"client-crl: has no list of {who}; its clients are refused"
        if mine and all(one.next_update is not None and one.next_update < now for one in mine):
            last = max(mine, key=lambda one: one.crl.last_update_utc)
            yield f"{last.path}: expired on {last.next_update:%Y-%m-%d %H:%M} UTC; all clients of {who} are refused"

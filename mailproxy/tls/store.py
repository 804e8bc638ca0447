"""
The certificates of the profiles as last read, with the marks of their files.

Another reading returns the new certificates, and keeps the former one where the new one cannot be used. It only reads
files whose marks have changed. It runs in steps of a millisecond, so the reactor can do other work between them;
`adopt` puts its result into use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain
from typing import Any

from attrs import evolve, frozen

from mailproxy.tls.certificate import Certificate, UnusableCertificate, make_certificate
from mailproxy.tls.expiry import invalidity
from mailproxy.tls.patterns import matches, nothing_there
from mailproxy.tls.problem import CertificateProblem
from mailproxy.tls.source import Content, Marks, is_changing, look_at, read_content, staple_file
from mailproxy.tls.staple import Staple, UnusableStaple, read_staple
from mailproxy.tls.steps import Steps, ends_of_steps, finish

Profiles = Mapping[str, Sequence[str]]
"""The entries of ``certificates``, by profile."""

Certificates = Mapping[str, tuple[Certificate, ...]]
"""Certificates by profile, in the order of its entries."""

Objection = Callable[[str, Certificate], str]
"""Returns why a certificate cannot serve a profile; "" if it can."""


@frozen
class Complaint:
    """A problem with a file, folder or entry, and its consequence."""

    problem: CertificateProblem
    consequence: str
    path: str = ""
    """The path of the certificate, or the entry: the problem may be with another file that belongs to it."""
    is_staple: bool = False
    """True if the problem is with an OCSP response, not with the certificate."""
    profiles: tuple[str, ...] = ()
    """The profiles that have the certificate or the entry, of those that were read."""

    def __str__(self) -> str:
        """Return the complaint as one line."""
        return f"{self.problem}; {self.consequence}"


@frozen
class Refusal:
    """A file that is refused now: why, and since what time (of the wall clock, in seconds)."""

    path: str
    """The path of the certificate, or the entry."""
    problem: CertificateProblem
    since: float
    is_staple: bool = False

    def __str__(self) -> str:
        """Return what is refused, and why."""
        return f"OCSP response {self.problem}" if self.is_staple else str(self.problem)


@frozen
class Reading:
    """The result of a reading, by profile."""

    certificates: Certificates
    problems: Mapping[str, tuple[CertificateProblem, ...]]
    """Problems of entries without a former certificate."""
    complaints: tuple[Complaint, ...]
    """Other problems, including OCSP responses; reported once, or in each reading that was requested."""
    is_settled: bool
    """False if files have just changed, and are left for the next reading."""


@frozen
class _Entry:
    """The last reading of one certificate's files."""

    marks: Marks | None = None
    """The marks of the files; None: read them again."""
    digest: bytes = b""
    """The digest of the content that the certificate was made from."""
    certificate: Certificate | None = None
    """The last usable certificate."""
    problem: CertificateProblem | None = None
    """The problem of the current files."""
    staple_problem: CertificateProblem | None = None


_NOTHING = _Entry()

_STAYS = "the one from before stays in use"
_LEFT_OUT = "it is not served"
_STAPLE_LEFT_OUT = "it is not stapled"


class _Task:
    """One reading under way."""

    def __init__(self, now: float, logged: Container[CertificateProblem], *, is_asked: bool) -> None:
        self._logged = logged
        self.is_asked = is_asked
        self.now = datetime.fromtimestamp(now, UTC)
        self.problems: list[CertificateProblem] = []
        """The problems with the entries of one profile."""
        self.complaints: list[Complaint] = []
        self.held: set[str] = set()
        """Paths that are not read: missing, or just changing."""
        self.is_settled = True

    def complain(self, complaint: Complaint) -> None:
        """Report a problem, if it is new or the reading was requested."""
        if self.is_asked or complaint.problem not in self._logged:
            self.complaints.append(complaint)


class CertificateStore:
    """Reads certificates, and keeps those in use; it lives as long as the process (mutable)."""

    def __init__(self, clock: Callable[[], float] = time.time, read: Callable[[str], Content] = read_content) -> None:
        """`clock` is the wall clock for the times of files; `read` reads the files of a certificate."""
        self._clock = clock
        self._read_content = read
        self._entries: dict[str, _Entry] = {}
        self._lists: dict[str, tuple[str, ...]] = {}
        """The last non-empty matches of each entry of a profile."""
        self._objections: dict[tuple[str, str], CertificateProblem] = {}
        self._logged: set[CertificateProblem] = set()
        """The problems that are in the log."""
        self._since: dict[CertificateProblem, float] = {}
        """When the problems that there are now were first found."""
        self.in_use: Certificates = {}
        """The certificates that are served."""

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all known certificates."""
        return frozenset(self._entries)

    def read(self, profiles: Profiles) -> Reading:
        """Read everything at once (see `reading`)."""
        return finish(self.reading(profiles, is_asked=True))

    def reading(self, profiles: Profiles, *, is_asked: bool, objection: Objection | None = None) -> Steps[Reading]:
        """
        Read the certificates that the entries of some profiles match, in steps; the generator returns the `Reading`.

        If a certificate cannot be used, the former one stays. Its problem is reported until `remember`, and in each
        reading that was requested (`is_asked`). A requested reading also reads files that have just changed; other
        readings wait until their writer has finished.
        """
        task = _Task(self._clock(), self._logged, is_asked=is_asked)
        certificates: dict[str, tuple[Certificate, ...]] = {}
        problems: dict[str, tuple[CertificateProblem, ...]] = {}
        seen: set[str] = set()
        having: dict[str, list[str]] = {}
        for name, entries in profiles.items():
            task.problems = []
            paths: dict[str, None] = {}
            for entry in entries:
                paths |= dict.fromkeys((yield from self._list(entry, task)))
            for path in (*entries, *paths):
                having.setdefault(path, []).append(name)
            for path in paths:
                if path not in seen and path not in task.held:
                    seen.add(path)
                    self._read(path, task)
                    yield
            found = yield from self._usable(name, paths, task, objection)
            certificates[name] = found or self.in_use.get(name, ())
            problems[name] = tuple(dict.fromkeys(task.problems))
        complaints = (
            one if one.profiles else evolve(one, profiles=tuple(dict.fromkeys(having.get(one.path, ()))))
            for one in task.complaints
        )
        return Reading(certificates, problems, tuple(dict.fromkeys(complaints)), task.is_settled)

    def refusals(self, profile: str, entries: Iterable[str]) -> Iterator[Refusal]:
        """Yield the files of a profile's entries that are refused now."""
        for entry in entries:
            yield from self._refusal(entry, CertificateProblem(entry, nothing_there(entry)))
            for path in self._lists.get(entry, ()):
                read = self._entries.get(path, _NOTHING)
                yield from self._refusal(path, read.problem or self._objections.get((profile, path)))
                yield from self._refusal(path, read.staple_problem, is_staple=True)

    def _refusal(self, path: str, problem: CertificateProblem | None, *, is_staple: bool = False) -> Iterator[Refusal]:
        since = None if problem is None else self._since.get(problem)
        if problem is not None and since is not None:
            yield Refusal(path, problem, since, is_staple)

    def _complain(self, task: _Task, path: str, problem: CertificateProblem, consequence: str, **more: Any) -> None:
        self._since.setdefault(problem, self._clock())
        task.complain(Complaint(problem, consequence, path, **more))

    def adopt(self, certificates: Certificates, profiles: Profiles | None = None) -> None:
        """Put these certificates into use; with `profiles`, forget all that do not belong to them."""
        in_use = {**self.in_use, **certificates}
        if profiles is not None:
            in_use = {name: in_use[name] for name in profiles if name in in_use}
            entries = set(chain.from_iterable(profiles.values()))
            self._lists = {entry: paths for entry, paths in dict(self._lists).items() if entry in entries}
        # Copied first: another thread may be reading.
        paths = set(chain.from_iterable(dict(self._lists).values()))
        self._entries = {path: entry for path, entry in dict(self._entries).items() if path in paths}
        self.in_use = in_use

    def remember(self, complaints: Iterable[Complaint]) -> None:
        """Do not report these again, except on request: they are in the log."""
        self._logged.update(complaint.problem for complaint in complaints)

    def _forget_if_solved(self, before: CertificateProblem | None, now: CertificateProblem | None = None) -> None:
        if before is not None and before != now:
            self._logged.discard(before)
            self._since.pop(before, None)

    def _list(self, entry: str, task: _Task) -> Steps[tuple[str, ...]]:
        """Return the matches of an entry; the former ones if it matches nothing now, or is just changing."""
        found = tuple((yield from matches(entry)))
        before = self._lists.get(entry, ())
        problem = CertificateProblem(entry, nothing_there(entry))
        if not found:
            if not before:
                task.problems.append(problem)
            self._complain(task, entry, problem, "what was there before stays in use")
            task.held.update(before)
            return before
        self._forget_if_solved(problem)
        gone = set(before).difference(found)
        if gone and not task.is_asked and any(is_changing(os.path.dirname(path), self._clock()) for path in gone):
            task.is_settled = False
            task.held |= gone
            return tuple(sorted({*found, *before}))
        self._lists[entry] = found
        return found

    def _read(self, path: str, task: _Task) -> None:
        before = self._entries.get(path, _NOTHING)
        marks = look_at(path)
        entry = before if marks == before.marks else self._read_again(path, before, marks, task)
        if entry is None:
            task.is_settled = False
            return
        self._entries[path] = entry
        self._forget_if_solved(before.problem, entry.problem)
        self._forget_if_solved(before.staple_problem, entry.staple_problem)
        if entry.problem is not None:
            has_former = entry.certificate is not None
            self._complain(task, path, entry.problem, _STAYS if has_former else _LEFT_OUT)
        if entry.staple_problem is not None:
            has_former = entry.certificate is not None and entry.certificate.staple is not None
            consequence = _STAYS if has_former else _STAPLE_LEFT_OUT
            self._complain(task, path, entry.staple_problem, consequence, is_staple=True)

    def _read_again(self, path: str, before: _Entry, marks: Marks, task: _Task) -> _Entry | None:
        """Read files that have changed; return None if they are not usable yet but may be soon."""
        problem = None
        is_fresh = marks.are_fresh(self._clock())
        try:
            content = self._read_content(path)
            digest = sha256(content.pem).digest()
            if digest == before.digest and before.certificate is not None:
                certificate = before.certificate
            else:
                certificate = make_certificate(path, content.pem)
        except OSError as error:
            problem = CertificateProblem(str(error.filename or path), f"cannot be read: {error.strerror}")
        except UnusableCertificate as error:
            problem = CertificateProblem(path, str(error))
        if problem is not None:
            if is_fresh and not task.is_asked:
                return None
            return evolve(before, marks=None if is_fresh else marks, problem=problem)
        if (before.certificate is not None or not task.is_asked) and certificate is not before.certificate:
            invalid = invalidity(certificate, task.now)
            if invalid:
                # Checked again each time: it may become valid.
                return evolve(before, marks=None, problem=CertificateProblem(path, invalid))
        staple, staple_problem = _staple(certificate, content.staple, before.certificate, task.now)
        if staple != certificate.staple:
            certificate = evolve(certificate, staple=staple)
        return _Entry(None if is_fresh else content.marks, digest, certificate, None, staple_problem)

    def _usable(
        self, name: str, paths: Iterable[str], task: _Task, objection: Objection | None
    ) -> Steps[tuple[Certificate, ...]]:
        """Return the usable certificates of a profile, and note the problems of its files."""
        former = {certificate.path: certificate for certificate in self.in_use.get(name, ())}
        found = []
        for path, is_end in ends_of_steps(paths):
            if is_end:
                yield
            entry = self._entries.get(path, _NOTHING)
            certificate = entry.certificate or former.get(path)
            if certificate is None:
                if entry.problem is not None:
                    task.problems.append(entry.problem)
                continue
            before = former.get(path)
            if objection is not None and (before is None or before.digest != certificate.digest):
                reason = objection(name, certificate)
                problem = CertificateProblem(path, reason) if reason else None
                self._forget_if_solved(self._objections.pop((name, path), None), problem)
                if problem is not None:
                    self._objections[name, path] = problem
                    self._complain(task, path, problem, _STAYS if before else _LEFT_OUT, profiles=(name,))
                    certificate = before
            if certificate is not None:
                found.append(certificate)
        return tuple(found)


def _staple(
    certificate: Certificate, encoded: bytes | None, before: Certificate | None, now: datetime
) -> tuple[Staple | None, CertificateProblem | None]:
    """Return the OCSP response to send with a certificate, and the problem of the one in the file."""
    if encoded is None:
        return None, None
    former = before.staple if before is not None and before.digest == certificate.digest else None
    if former is not None and former.encoded == encoded:
        return former, None
    try:
        return read_staple(encoded, certificate.leaf, next(iter(certificate.chain), None), now), None
    except UnusableStaple as error:
        return former, CertificateProblem(staple_file(certificate.path), str(error))

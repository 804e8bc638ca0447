"""
The certificates of the profiles as last read, with the marks of their files.

Another reading returns the new certificates, and keeps the previous one where the new one cannot be used. It only reads
files whose marks have changed. It runs in steps of a millisecond, so the reactor can do other work between them;
`adopt` puts its result into use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from attrs import evolve, frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificate_file import NEVER_READ, CertificateFile, read_again
from mailproxy.tls.complaint import Complaint, KnownProblems, Refusal
from mailproxy.tls.patterns import matches, nothing_there
from mailproxy.tls.problem import CertificateProblem
from mailproxy.tls.source import Content, Marks, is_changing, look_at, read_content
from mailproxy.tls.steps import Steps, ends_of_steps, finish

Profiles = Mapping[str, Sequence[str]]
"""The entries of ``certificates``, by profile."""

Certificates = Mapping[str, tuple[Certificate, ...]]
"""Certificates by profile, in the order of its entries."""

Objection = Callable[[str, Certificate], str]
"""Returns why a certificate cannot serve a profile; "" if it can."""


@frozen
class CertificateReading:
    """The result of a reading, by profile."""

    certificates: Certificates
    problems: Mapping[str, tuple[CertificateProblem, ...]]
    """Problems of entries without a previous certificate."""
    complaints: tuple[Complaint, ...]
    """Other problems, including OCSP responses; reported once, or in each reading that was requested."""
    is_settled: bool
    """False if files have just changed, and are left for the next reading."""


_STAYS = "the previous one stays in use"
_LEFT_OUT = "it is not served"
_STAPLE_LEFT_OUT = "it is not stapled"


class _Task:
    """One reading under way."""

    def __init__(self, now: float, known: KnownProblems, *, is_asked: bool) -> None:
        self._known = known
        self.is_asked = is_asked
        self.now = datetime.fromtimestamp(now, UTC)
        self.problems: list[CertificateProblem] = []
        """The problems with the entries of one profile."""
        self.complaints: list[Complaint] = []
        self.held: set[str] = set()
        """Paths that are not read: missing, or just changing."""
        self.is_settled = True

    def complain(self, path: str, problem: CertificateProblem, consequence: str, **more: Any) -> None:
        """Report a problem, if it is new or the reading was requested; `more` is for other fields of `Complaint`."""
        self._known.add(problem)
        if self.is_asked or not self._known.is_logged(problem):
            self.complaints.append(Complaint(problem, consequence, path, **more))


class CertificateStore:
    """Reads certificates, and keeps those in use; it lives as long as the process (mutable)."""

    def __init__(self, clock: Callable[[], float] = time.time, read: Callable[[str], Content] = read_content) -> None:
        """`clock` is the wall clock for the times of files; `read` reads the files of a certificate."""
        self._clock = clock
        self._read_content = read
        self._files: dict[str, CertificateFile] = {}
        self._lists: dict[str, tuple[str, ...]] = {}
        """The last non-empty matches of each entry of a profile."""
        self._objections: dict[tuple[str, str], CertificateProblem] = {}
        self._known = KnownProblems(clock)
        self.in_use: Certificates = {}
        """The certificates that are served."""

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all known certificates."""
        return frozenset(self._files)

    def read(self, profiles: Profiles) -> CertificateReading:
        """Read everything at once (see `reading`)."""
        return finish(self.reading(profiles, is_asked=True))

    def reading(
        self, profiles: Profiles, *, is_asked: bool, objection: Objection | None = None
    ) -> Steps[CertificateReading]:
        """
        Read the certificates that the entries of some profiles match, in steps; the generator returns what it found.

        If a certificate cannot be used, the previous one stays. Its problem is reported until `remember`, and in each
        reading that was requested (`is_asked`). A requested reading also reads files that have just changed; other
        readings wait until their writer has finished.
        """
        task = _Task(self._clock(), self._known, is_asked=is_asked)
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
        return CertificateReading(certificates, problems, tuple(dict.fromkeys(complaints)), task.is_settled)

    def refusals(self, profile: str, entries: Iterable[str]) -> Iterator[Refusal]:
        """Yield the files of a profile's entries that are refused now."""
        for entry in entries:
            yield from self._refusal(entry, CertificateProblem(entry, nothing_there(entry)))
            for path in self._lists.get(entry, ()):
                read = self._files.get(path, NEVER_READ)
                yield from self._refusal(path, read.problem or self._objections.get((profile, path)))
                yield from self._refusal(path, read.staple_problem, is_staple=True)

    def _refusal(self, path: str, problem: CertificateProblem | None, *, is_staple: bool = False) -> Iterator[Refusal]:
        since = None if problem is None else self._known.since(problem)
        if problem is not None and since is not None:
            yield Refusal(path, problem, since, is_staple)

    def adopt(self, certificates: Certificates, profiles: Profiles | None = None) -> None:
        """Put these certificates into use; with `profiles`, forget all that do not belong to them."""
        in_use = {**self.in_use, **certificates}
        if profiles is not None:
            in_use = {name: in_use[name] for name in profiles if name in in_use}
            entries = set(chain.from_iterable(profiles.values()))
            self._lists = {entry: paths for entry, paths in dict(self._lists).items() if entry in entries}
        # Copied first: another thread may be reading.
        paths = set(chain.from_iterable(dict(self._lists).values()))
        self._files = {path: file for path, file in dict(self._files).items() if path in paths}
        self.in_use = in_use

    def remember(self, complaints: Iterable[Complaint]) -> None:
        """Do not report these again, except on request: they are in the log."""
        self._known.remember(complaints)

    def _list(self, entry: str, task: _Task) -> Steps[tuple[str, ...]]:
        """Return the matches of an entry; the previous ones if it matches nothing now, or is just changing."""
        found = tuple((yield from matches(entry)))
        before = self._lists.get(entry, ())
        problem = CertificateProblem(entry, nothing_there(entry))
        if not found:
            if not before:
                task.problems.append(problem)
            task.complain(entry, problem, "the previous files stay in use")
            task.held.update(before)
            return before
        self._known.forget_if_solved(problem)
        gone = set(before).difference(found)
        if gone and not task.is_asked and any(is_changing(os.path.dirname(path), self._clock()) for path in gone):
            task.is_settled = False
            task.held |= gone
            return tuple(sorted({*found, *before}))
        self._lists[entry] = found
        return found

    def _read(self, path: str, task: _Task) -> None:
        before = self._files.get(path, NEVER_READ)
        marks = look_at(path)
        file = before if marks == before.marks else self._read_again(path, before, marks, task)
        if file is None:
            task.is_settled = False
            return
        self._files[path] = file
        self._known.forget_if_solved(before.problem, file.problem)
        self._known.forget_if_solved(before.staple_problem, file.staple_problem)
        if file.problem is not None:
            has_former = file.certificate is not None
            task.complain(path, file.problem, _STAYS if has_former else _LEFT_OUT)
        if file.staple_problem is not None:
            has_former = file.certificate is not None and file.certificate.staple is not None
            consequence = _STAYS if has_former else _STAPLE_LEFT_OUT
            task.complain(path, file.staple_problem, consequence, is_staple=True)

    def _read_again(self, path: str, before: CertificateFile, marks: Marks, task: _Task) -> CertificateFile | None:
        is_fresh = marks.are_fresh(self._clock())
        return read_again(
            path, before, marks, self._read_content, is_fresh=is_fresh, is_asked=task.is_asked, now=task.now
        )

    def _usable(
        self, name: str, paths: Iterable[str], task: _Task, objection: Objection | None
    ) -> Steps[tuple[Certificate, ...]]:
        """Return the usable certificates of a profile, and note the problems of its files."""
        previous = {certificate.path: certificate for certificate in self.in_use.get(name, ())}
        found = []
        for path, is_end in ends_of_steps(paths):
            if is_end:
                yield
            file = self._files.get(path, NEVER_READ)
            certificate = file.certificate or previous.get(path)
            if certificate is None:
                if file.problem is not None:
                    task.problems.append(file.problem)
                continue
            before = previous.get(path)
            if objection is not None and (before is None or before.digest != certificate.digest):
                reason = objection(name, certificate)
                problem = CertificateProblem(path, reason) if reason else None
                self._known.forget_if_solved(self._objections.pop((name, path), None), problem)
                if problem is not None:
                    self._objections[name, path] = problem
                    task.complain(path, problem, _STAYS if before else _LEFT_OUT, profiles=(name,))
                    certificate = before
            if certificate is not None:
                found.append(certificate)
        return tuple(found)

"""The differences between two readings of a profile's certificates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from attrs import frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.steps import Steps, ends_of_steps

News = Literal["added", "renewed", "removed", "OCSP response"]

# A certificate may have hundreds of names.
_NAMES_SHOWN = 3

# A profile may have thousands of certificates, too many for a line that people read.
_CHANGES_SHOWN = 5


@frozen
class Change:
    """One certificate that is new, renewed or removed, or has another OCSP response."""

    profile: str
    certificate: Certificate
    news: News

    def __str__(self) -> str:
        """Return the change as one line."""
        certificate = self.certificate
        where = f"{certificate.path}, profile {self.profile}"
        if self.news == "OCSP response":
            staple = certificate.staple
            if staple is None:
                return f"{where}: its OCSP response is gone"
            until = "" if staple.next_update is None else f", until {staple.next_update:%Y-%m-%d %H:%M} UTC"
            return f"{where}: new OCSP response{until}"
        if self.news == "removed":
            return f"{where}: removed ({shown_names(certificate)})"
        return f"{where}: {self.news}, for {shown_names(certificate)}, until {certificate.not_after:%Y-%m-%d}"


def changes(profile: str, before: Iterable[Certificate], after: Iterable[Certificate]) -> Steps[tuple[Change, ...]]:
    """Find the changes, in steps, in the order of `after`."""
    previous = {certificate.path: certificate for certificate in before}
    found = []
    for certificate, is_end in ends_of_steps(after):
        if is_end:
            yield
        old = previous.pop(certificate.path, None)
        if old is None:
            found.append(Change(profile, certificate, "added"))
        elif old.digest != certificate.digest:
            found.append(Change(profile, certificate, "renewed"))
        elif old.staple != certificate.staple:
            found.append(Change(profile, certificate, "OCSP response"))
    found.extend(Change(profile, certificate, "removed") for certificate in previous.values())
    return tuple(found)


def in_words(found: Sequence[Change]) -> tuple[str, ...]:
    """Return the changes of one profile as parts of a line, with names for the first of many."""
    words = []
    for change in found[:_CHANGES_SHOWN]:
        until = "" if change.news == "removed" else f", until {change.certificate.not_after:%Y-%m-%d}"
        words.append(f"{change.certificate.path} {change.news}{until}")
    more = len(found) - _CHANGES_SHOWN
    return (*words, f"{more} other certificates") if more > 0 else tuple(words)


def shown_names(certificate: Certificate) -> str:
    """Return the first names of a certificate, and the number of others; unprintable characters are escaped."""
    names = [name.encode("unicode_escape").decode("ascii") for name in certificate.names]
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "") or "no name"
